//! A client of the workflows: starts them, asks them, tells them.

use std::fmt::Display;

use bluegreen::{Error, ErrorKind, Result, engine::Control};
use temporalio_client::{
    Client, ClientOptions, Connection, WorkflowGetResultOptions, WorkflowQueryOptions,
    WorkflowSignalOptions, WorkflowStartOptions,
    envconfig::LoadClientConfigProfileOptions,
    errors::{WorkflowGetResultError, WorkflowStartError},
};
use temporalio_sdk::{Runtime, Worker, WorkerOptions};

use crate::{
    activities::Activities,
    data::{Ended, Order, Status, Told},
    workflow::Migration,
};

/// The task queue of workers, if no other is named.
pub const TASK_QUEUE: &str = "bluegreen";

/// A connection to Temporal.
#[derive(Clone)]
pub struct Migrations {
    client: Client,
}

impl std::fmt::Debug for Migrations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Migrations").finish_non_exhaustive()
    }
}

impl Migrations {
    /// Connects as the environment and the configuration file of Temporal say: `TEMPORAL_ADDRESS`,
    /// `TEMPORAL_NAMESPACE`, `TEMPORAL_API_KEY`, certificates
    /// ([Temporal](https://docs.temporal.io/develop/environment-configuration)).
    ///
    /// # Errors
    ///
    /// `Invalid` if the configuration is not valid, `Unavailable` if Temporal cannot be reached.
    ///
    /// # Cancel safety
    ///
    /// Dropping it leaves nothing behind.
    pub async fn connect() -> Result<Self> {
        let hint = "set TEMPORAL_ADDRESS, such as 127.0.0.1:7233, and TEMPORAL_NAMESPACE";
        let failed = |kind, error: String| {
            let message = "connect to Temporal";
            Error::new(kind, message).with_source(error).with_hint(hint)
        };
        let options = LoadClientConfigProfileOptions::default();
        let (connection, client) = ClientOptions::load_from_config(options)
            .map_err(|error| failed(ErrorKind::Invalid, error.to_string()))?;
        let connection = Connection::connect(connection).await;
        let connection =
            connection.map_err(|error| failed(ErrorKind::Unavailable, error.to_string()))?;
        let client = Client::new(connection, client)
            .map_err(|error| failed(ErrorKind::Invalid, error.to_string()))?;
        Ok(Self { client })
    }

    /// Starts a migration, and returns the id of its workflow.
    ///
    /// # Errors
    ///
    /// `Held` if a workflow of this rule runs already. `Invalid` if the specification names no rule or no
    /// journal.
    ///
    /// # Cancel safety
    ///
    /// A dropped call may have started the workflow.
    pub async fn start(&self, order: Order, queue: &str) -> Result<String> {
        let id = order.workflow_id()?;
        if order.spec.journal.is_none() {
            let message = "start the migration: the specification names no journal";
            let hint = "workers keep each other out by a lease in the journal's store: give `journal` a place \
                        that all of them reach, such as \"s3://BUCKET/PREFIX\"";
            return Err(Error::new(ErrorKind::Invalid, message).with_hint(hint));
        }
        let options = WorkflowStartOptions::new(queue, id.as_str()).build();
        match self
            .client
            .start_workflow(Migration::run, order, options)
            .await
        {
            Ok(_) => Ok(id),
            Err(WorkflowStartError::AlreadyStarted { .. }) => {
                let message = format!("start `{id}`: a migration of this rule runs already");
                let hint = format!("`bluegreen-temporal status '{id}'` shows that run");
                Err(Error::new(ErrorKind::Held, message).with_hint(hint))
            }
            Err(error) => Err(unavailable("start the migration", error)),
        }
    }

    /// Waits for the end of a migration, across all runs of its workflow.
    ///
    /// # Errors
    ///
    /// `Refused` if the workflow failed: traffic could not be restored, or its state is not known, and a person
    /// must look now. `Unavailable` if Temporal cannot be reached.
    ///
    /// # Cancel safety
    ///
    /// Only reads.
    pub async fn ended(&self, id: &str) -> Result<Ended> {
        let handle = self.client.get_workflow_handle::<Migration>(id);
        let ended = handle.get_result(WorkflowGetResultOptions::default()).await;
        ended.map_err(|error| match error {
            WorkflowGetResultError::Failed(why) => Error::new(ErrorKind::Refused, why.to_string()),
            other => unavailable("wait for the migration's end", other),
        })
    }

    /// Returns what a migration does now, and its newest events. Needs a worker that lives.
    ///
    /// # Errors
    ///
    /// If there is no such workflow, or no worker answers.
    ///
    /// # Cancel safety
    ///
    /// Only reads.
    pub async fn status(&self, id: &str) -> Result<Status> {
        let handle = self.client.get_workflow_handle::<Migration>(id);
        let asked = handle
            .query(Migration::status, (), WorkflowQueryOptions::default())
            .await;
        asked.map_err(|error| {
            unavailable(&format!("ask `{id}`"), error).with_hint(
                "the answer comes from a worker: start one with `bluegreen-temporal worker`",
            )
        })
    }

    /// Gives a control to a migration: `Pause`, `Continue`, `Promote`, `Leave` or `Abort`.
    ///
    /// # Errors
    ///
    /// `Invalid` if the workflow takes no such control. Else if there is no such workflow, or Temporal cannot be
    /// reached.
    ///
    /// # Cancel safety
    ///
    /// A dropped call may have given the control.
    pub async fn control(&self, id: &str, control: Control) -> Result<()> {
        let handle = self.client.get_workflow_handle::<Migration>(id);
        let options = WorkflowSignalOptions::default();
        let told = |told: &Told| serde_json::to_value(told).unwrap_or_default();
        let given = match control {
            Control::Abort { by } => {
                handle
                    .signal(Migration::abort, told(&Told::by(by)), options)
                    .await
            }
            Control::Pause { by, length } => {
                let mut pause = Told::by(by);
                pause.length = length;
                handle.signal(Migration::pause, told(&pause), options).await
            }
            Control::Continue { by } => {
                handle
                    .signal(Migration::go_on, told(&Told::by(by)), options)
                    .await
            }
            Control::Promote { by } => {
                handle
                    .signal(Migration::promote, told(&Told::by(by)), options)
                    .await
            }
            Control::Leave { by } => {
                handle
                    .signal(Migration::leave, told(&Told::by(by)), options)
                    .await
            }
            other => {
                let message = format!("give a control to `{id}`: no signal is `{other}`");
                return Err(Error::new(ErrorKind::Invalid, message));
            }
        };
        given.map_err(|error| unavailable(&format!("give a control to `{id}`"), error))
    }

    /// Returns a worker on `queue`, with the workflow and its activities.
    ///
    /// # Errors
    ///
    /// `Invalid` if the worker cannot be made. Call it within a tokio runtime.
    pub fn worker(&self, queue: &str) -> Result<Worker> {
        let invalid = |error: &dyn Display| {
            Error::new(ErrorKind::Invalid, "make a worker").with_source(error.to_string())
        };
        let runtime = Runtime::from_current_tokio(Default::default());
        let runtime = runtime.map_err(|error| invalid(&error))?;
        let options = WorkerOptions::new(queue)
            .register_activities(Activities::default())
            .register_workflow::<Migration>()
            .map_err(|error| invalid(&error))?
            .build();
        Worker::new(&runtime, self.client.clone(), options).map_err(|error| invalid(&error))
    }
}

fn unavailable(attempted: &str, error: impl Display) -> Error {
    Error::new(ErrorKind::Unavailable, attempted).with_source(error.to_string())
}
