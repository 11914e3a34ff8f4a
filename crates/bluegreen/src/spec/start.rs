//! Making a run of a specification: everything wired, and fenced by the journal's lease.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{MigrationSpec, Name, SpecError, Target, is_default, target};
use crate::{
    aws::{Aws, CredentialLife},
    engine::ControlHandle,
    error::{Error, ErrorKind, Failure, Result},
    migration::{Migration, MigrationError, MigrationOutcome, MigrationWorker, origin_of},
    preflight::{Acceptance, Finding},
    problem::Problem,
    store::{Holder, JournalStore, Lease, Take},
};

/// The record of how a run was started, as its journal keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Origin {
    /// The specification.
    pub spec: MigrationSpec,
    /// The side that served before the run.
    pub from: Name,
}

impl Origin {
    /// Reads the origin from the records of a run.
    ///
    /// # Errors
    ///
    /// `Invalid` if `records` are no journal of a migration, or the run was not started from a specification.
    pub fn of(records: &[crate::engine::Record]) -> Result<Self> {
        let attempted = "read how the run was started";
        let invalid = |why: String| Error::new(ErrorKind::Invalid, format!("{attempted}: {why}"));
        let origin = origin_of(records).map_err(|error| invalid(error.to_string()))?;
        serde_json::from_value(origin).map_err(|error| {
            invalid(format!("it was not started from a specification: {error}"))
                .with_hint("resume the run with the program that started it, or use `rollback`")
        })
    }
}

/// Why a run was not started. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The specification is not valid. Nothing was called.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The run is refused: a step could not be decided at this traffic, or the journal does not keep out
    /// other machines.
    #[error("not started: {0}")]
    Refused(Finding),
    /// A call failed, or another controller holds the journal.
    #[error("{}", Failure::from(.0))]
    Failed(#[from] Error),
}

impl StartError {
    /// The exit code for scripts: 2 if the specification or an argument is not valid, else 3.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Spec(_) => 2,
            Self::Failed(error) if error.kind() == ErrorKind::Invalid => 2,
            Self::Refused(_) | Self::Failed(_) => 3,
        }
    }
}

/// A run that holds the rule's journal and is ready: run it, or add to it first.
#[derive(Debug)]
#[must_use = "it does nothing until `run` is called, and holds the journal"]
pub struct Run {
    migration: Migration,
    lease: Lease,
    target: Target,
}

impl MigrationSpec {
    /// Makes a run ready: reads which side serves, checks that each step can be decided, takes the
    /// rule's journal in `store`, and wires splitter, gates, dead-man switch, capacity keeper, lease and
    /// fence. `by` names the person or job that is responsible.
    ///
    /// # Errors
    ///
    /// [`StartError`]; nothing was changed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the call may leave the journal taken without a holder that lives; the lease expires after
    /// [`EXPIRY`](crate::store::EXPIRY).
    ///
    /// # Examples
    ///
    /// On the simulated AWS. On the real AWS only the first lines differ: `Aws::from_env()`, a specification
    /// from a file, and `aws.journals(…)`.
    ///
    /// ```
    /// # #[cfg(feature = "sim")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use bluegreen::{aws::sim::Scenario, store::JournalStore};
    ///
    /// let simulation = Scenario::Healthy.simulation(7);
    /// simulation.start_paused();
    /// let (aws, spec, store) = (simulation.aws(), simulation.spec(), JournalStore::memory());
    ///
    /// let run = spec.start(&aws, &store, "ann").await?;
    /// let outcome = run
    ///     .with(|migration| migration.on_event(|event| eprintln!("{event}")))
    ///     .run()
    ///     .await?;
    /// assert_eq!(outcome.exit_code(), 0);
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "sim"))]
    /// # fn main() {}
    /// ```
    pub async fn start(
        &self,
        aws: &Aws,
        store: &JournalStore,
        by: &str,
    ) -> std::result::Result<Run, StartError> {
        self.check()?;
        let elsewhere = target::elsewhere(self, aws);
        if !elsewhere.is_empty() {
            return Err(SpecError::new(elsewhere).into());
        }
        let problem = self.of_another_account(aws).await.unwrap_or_else(|error| {
            let hint = error.hint().unwrap_or_default();
            Some(Problem::new("account", error.message(), hint))
        });
        if let Some(problem) = problem {
            return Err(SpecError::new(vec![problem]).into());
        }
        let target = self.target(aws, None).await?;
        let forecast = self.forecast(aws, &target).await?;
        if let Some(finding) = forecast.and_then(|forecast| forecast.finding()) {
            return Err(StartError::Refused(finding));
        }
        let log = store.log(self.splitter(aws, &target)?.locate().await?.as_str());
        let lease = log
            .take(Holder::this_process(by), aws.clock(), Take::IfFree)
            .await?;
        self.ready(aws, store, target, lease).await
    }

    async fn ready(
        &self,
        aws: &Aws,
        store: &JournalStore,
        target: Target,
        lease: Lease,
    ) -> std::result::Result<Run, StartError> {
        let migration = self.migration(aws, &target, Some(&lease));
        let migration = match migration {
            Ok(migration) => migration,
            Err(error) => {
                lease.release().await?;
                return Err(error.into());
            }
        };
        let mut migration = migration;
        for finding in self.of_journal(aws, store, &target).await {
            migration = migration.finds(finding);
        }
        let migration = match aws.credential_life().await {
            Ok(CredentialLife::Until(end)) => migration.credentials_end(end),
            _ => migration,
        };
        Ok(Run {
            migration,
            lease,
            target,
        })
    }

    /// Returns the migration with every role of this specification: splitter, gates, dead-man switch,
    /// capacity keeper, and with a lease the journal and the fence. For a program that does the other parts
    /// of [`start`](Self::start) itself.
    ///
    /// # Errors
    ///
    /// `Invalid` if the specification is not valid.
    pub fn migration(
        &self,
        aws: &Aws,
        target: &Target,
        lease: Option<&Lease>,
    ) -> Result<Migration> {
        let aws = match lease {
            Some(lease) => aws.fenced(lease.clone()),
            None => aws.clone(),
        };
        let plan = self.plan().map_err(target::invalid)?;
        let splitter = Arc::new(self.splitter(&aws, target)?);
        let origin = Origin {
            spec: self.clone(),
            from: target.sides.blue.name.clone(),
        };
        let mut migration = Migration::new(plan, Arc::clone(&splitter))
            .clock(aws.clock())
            .left_out(self.left_out())
            .origin(serde_json::to_value(&origin).unwrap_or_default());
        match self.dead_man_switch(&aws, &splitter) {
            Some(switch) => migration = migration.dead_man_switch(switch),
            None if aws.is_simulated() => {}
            None => migration = migration.finds(no_dead_man()),
        }
        if let Some(keeper) = self.capacity_keeper(&aws, target) {
            migration = migration.capacity_keeper(keeper);
        }
        migration = self.hooks.added_to(migration, &aws);
        if let Some(lease) = lease {
            migration = migration.journal(lease.clone());
        }
        for (name, gate) in self.gates(&aws, target)? {
            migration = migration.gate(name, gate);
        }
        Ok(migration)
    }

    /// Returns a worker with every role of this specification: splitter, gates, dead-man switch and capacity
    /// keeper, for a [host of your own](crate::host). For changes, `aws` is fenced by the run's lease. The
    /// host itself holds the journal; what is found about the journal and the traffic before a start is
    /// [`findings`](Self::findings). No host calls hooks: a specification with hooks is refused by the
    /// preflight.
    ///
    /// # Errors
    ///
    /// `Invalid` if the specification is not valid, or is of a simulated world and `aws` is the real AWS.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "sim")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use bluegreen::{aws::sim::Scenario, host::Next, migration::{Input, Intent}};
    ///
    /// let simulation = Scenario::Healthy.simulation(7);
    /// simulation.start_paused();
    /// let (aws, spec) = (simulation.aws(), simulation.spec());
    /// let target = spec.target(&aws, None).await?;
    /// let worker = spec.worker(&aws, &target)?;
    /// let mut machine = worker.machine(spec.plan()?);
    /// let next = machine.on(aws.clock().now(), Input::Start(Intent::Migrate)).next;
    /// assert!(matches!(next, Next::Do(_)));
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "sim"))]
    /// # fn main() {}
    /// ```
    pub fn worker(&self, aws: &Aws, target: &Target) -> Result<MigrationWorker> {
        let plan = self.plan().map_err(target::invalid)?;
        let splitter = Arc::new(self.splitter(aws, target)?);
        let mut worker = MigrationWorker::new(&plan, Arc::clone(&splitter));
        match self.dead_man_switch(aws, &splitter) {
            Some(switch) => worker = worker.dead_man_switch(switch),
            None if aws.is_simulated() => {}
            None => worker = worker.finds(no_dead_man()),
        }
        if let Some(keeper) = self.capacity_keeper(aws, target) {
            worker = worker.capacity_keeper(keeper);
        }
        if !is_default(&self.hooks) {
            let message = "the specification has hooks, and this host calls none";
            let hint = "remove the table `hooks`; let the host tell who must know";
            worker = worker.finds(Finding::refusal(message).with_hint(hint));
        }
        for (name, gate) in self.gates(aws, target)? {
            worker = worker.gate(name, gate);
        }
        Ok(worker)
    }

    /// Returns what stands against a start, or is worth knowing before a start: a step that could not be decided
    /// at this traffic, a journal that does not keep out other machines, and a test of green that is missing
    /// or too old. [`start`](Self::start) does this itself.
    ///
    /// # Errors
    ///
    /// If a read failed.
    ///
    /// # Cancel safety
    ///
    /// Only reads.
    pub async fn findings(
        &self,
        aws: &Aws,
        store: &JournalStore,
        target: &Target,
    ) -> Result<Vec<Finding>> {
        let forecast = self.forecast(aws, target).await?;
        let mut found: Vec<_> = forecast
            .and_then(|forecast| forecast.finding())
            .into_iter()
            .collect();
        found.extend(self.of_journal(aws, store, target).await);
        Ok(found)
    }

    /// What the place of the journal lacks, and the test of green that should be in the journal.
    async fn of_journal(&self, aws: &Aws, store: &JournalStore, target: &Target) -> Vec<Finding> {
        let alone = Finding::refusal_unless(
            Acceptance::SingleHost,
            "the journal does not keep out a controller on another machine",
        );
        let is_seen = store.is_shared() || aws.is_simulated();
        let mut found: Vec<_> = (!is_seen).then_some(alone).into_iter().collect();
        found.extend(self.untested(aws, store, target).await);
        found
    }
}

fn no_dead_man() -> Finding {
    let message = "no dead-man switch: if the controller dies and its run is not resumed, \
        traffic stays as it is";
    let hint = "give safety.dead_man a role that may write the rule";
    Finding::refusal_unless(Acceptance::NoDeadMan, message).with_hint(hint)
}

impl Run {
    /// The rule and the sides of the run.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Adds to the migration: gates of your own, sinks of events, a cancel.
    pub fn with(mut self, change: impl FnOnce(Migration) -> Migration) -> Self {
        self.migration = change(self.migration);
        self
    }

    /// A handle to control the run, for example to pause, promote or abort it.
    #[must_use]
    pub fn handle(&self) -> ControlHandle {
        self.migration.handle()
    }

    /// Runs the migration to its end and releases the journal; see [`Migration::run`].
    ///
    /// # Errors
    ///
    /// As [`Migration::run`].
    ///
    /// # Cancel safety
    ///
    /// As [`Migration::run`].
    pub async fn run(self) -> std::result::Result<MigrationOutcome, MigrationError> {
        let ended = self.migration.run().await;
        // A run that ended well has released the lease already. If this release fails, the next controller
        // that takes the journal is told that it is held.
        let _ = self.lease.release().await;
        ended
    }
}
