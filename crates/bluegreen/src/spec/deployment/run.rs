//! Making a run of a deployment's specification: everything wired, and fenced by the journal's lease.

use serde::{Deserialize, Serialize};

use super::{DeploymentParts, ServiceDeployment};
use crate::{
    aws::Aws,
    deployment::{Deployment, DeploymentError, DeploymentOutcome, ImageSource, origin_of},
    engine::{ControlHandle, Operator, Record},
    error::{Error, ErrorKind, Failure, Result},
    native::is_of_judge,
    preflight::{Acceptance, Finding},
    service::RevisionId,
    spec::StartError,
    store::{Holder, JournalStore, Lease, Take},
};

/// The record of how a deployment's run was started, as its journal keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct DeploymentOrigin {
    /// The specification, with the tag that was built.
    pub deployment: ServiceDeployment,
    /// The purpose of the run.
    #[serde(default)]
    pub act: DeploymentAct,
}

/// The purpose of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum DeploymentAct {
    /// Deploy.
    #[default]
    Deploy,
    /// Roll the service back to the revision that ran before the last deployment, or to a named revision.
    Undo {
        /// The named revision.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<RevisionId>,
    },
}

impl DeploymentOrigin {
    /// Reads the origin from the records of a run.
    ///
    /// # Errors
    ///
    /// `Invalid` if `records` are no journal of a deployment, or the run was not started from a
    /// specification.
    pub fn of(records: &[Record]) -> Result<Self> {
        serde_json::from_value(origin_of(records)).map_err(|error| {
            let message = "read how the run was started: it was not started from a specification";
            let hint = "resume the run with the program that started it, or deploy again: work that \
                was done is found";
            Error::new(ErrorKind::Invalid, message)
                .with_source(error)
                .with_hint(hint)
        })
    }
}

/// A run that holds the service's journal and is ready: run it, or add to it first.
#[derive(Debug)]
#[must_use = "it does nothing until `run` is called, and holds the journal"]
pub struct DeploymentRun {
    deployment: Deployment,
    lease: Lease,
    work: Work,
    by: Operator,
    notes: Vec<String>,
}

/// The work of a run that is ready.
#[derive(Debug)]
enum Work {
    Deploy(ImageSource),
    Begin(ImageSource),
    Undo(Option<RevisionId>),
}

impl ServiceDeployment {
    /// Makes a run ready: reads all files, checks account and region, takes the service's journal in `store`,
    /// and wires builder, registry, deployer, checks, lease and fence. `by` names the person or job that is
    /// responsible. A revision that an earlier run left unproved is proved by this run, or rolled back.
    ///
    /// A service with live traffic is refused by the run's preflight, unless `in-place` is accepted.
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
    /// On the simulated AWS. On the real AWS only the first lines differ: `Aws::from_env()`, a deployment
    /// from a file by [`MigrationSpec::deployment`](crate::spec::MigrationSpec::deployment), and
    /// `aws.journals(…)`.
    ///
    /// ```
    /// # #[cfg(feature = "sim")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use bluegreen::{aws::sim::ReleaseScenario, store::JournalStore};
    ///
    /// let simulation = ReleaseScenario::Healthy.simulation(7);
    /// simulation.start_paused();
    /// let (aws, store) = (simulation.aws(), JournalStore::memory());
    /// let mut deployment = simulation.deployment();
    /// # let source = std::env::temp_dir().join(format!("bluegreen-doc-run-{}", std::process::id()));
    /// # std::fs::create_dir_all(&source)?;
    /// # std::fs::write(source.join("Dockerfile"), "FROM scratch")?;
    /// deployment.folder = Some(source.to_str().unwrap_or_default().parse()?);
    ///
    /// let run = deployment.start(&aws, &store, "ann").await?;
    /// let outcome = run
    ///     .with(|deployment| deployment.on_event(|event| eprintln!("{event}")))
    ///     .run()
    ///     .await?;
    /// # std::fs::remove_dir_all(source)?;
    /// assert_eq!(outcome.exit_code(), 0, "{outcome}");
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
    ) -> std::result::Result<DeploymentRun, StartError> {
        let parts = self.load()?;
        parts.names_an_image()?;
        let lease = self.taken(aws, store, by, Take::IfExpired).await?;
        parts.ready(aws, lease, DeploymentAct::Deploy, by).await
    }

    /// Makes the service's newest run in `store` ready to continue, by the specification in its
    /// journal: of `self`, only service, account, region and folder count. Work that was done is found, and
    /// not done twice.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start); also if there is no run, or the run was not started from a specification.
    ///
    /// # Cancel safety
    ///
    /// As [`start`](Self::start).
    pub async fn resume(
        &self,
        aws: &Aws,
        store: &JournalStore,
        by: &str,
    ) -> std::result::Result<DeploymentRun, StartError> {
        let lease = self.taken(aws, store, by, Take::IfExpired).await?;
        match self.kept(&lease).await {
            Ok((parts, act)) => parts.ready(aws, lease, act, by).await,
            Err(error) => {
                lease.release().await?;
                Err(error)
            }
        }
    }

    async fn kept(
        &self,
        lease: &Lease,
    ) -> std::result::Result<(DeploymentParts, DeploymentAct), StartError> {
        let records = lease.newest_run().await?;
        let DeploymentOrigin { deployment, act } = DeploymentOrigin::of(&records)?;
        let deployment = match &self.folder {
            Some(folder) => deployment.within(folder.clone()),
            None => deployment,
        };
        Ok((deployment.load()?, act))
    }

    async fn taken(
        &self,
        aws: &Aws,
        store: &JournalStore,
        by: &str,
        how: Take,
    ) -> std::result::Result<Lease, StartError> {
        self.held(aws).await?;
        if !store.is_shared() && !aws.is_simulated() {
            let message = "the journal does not keep out a controller on another machine";
            let finding = Finding::refusal_unless(Acceptance::SingleHost, message);
            if finding.stops(&self.spec.accept) {
                return Err(StartError::Refused(finding));
            }
        }
        let log = store.log(&self.log_name(aws));
        let lease = log.take(Holder::this_process(by), aws.clock(), how).await;
        Ok(lease?)
    }
}

impl DeploymentParts {
    /// Makes a run ready for a caller that has taken the journal itself. Releases the lease on an error.
    ///
    /// # Errors
    ///
    /// As [`ServiceDeployment::start`]. For an undo, a bad journal is no error: the target of a rollback is
    /// kept with the service.
    ///
    /// # Cancel safety
    ///
    /// As [`ServiceDeployment::start`].
    pub async fn ready(
        &self,
        aws: &Aws,
        lease: Lease,
        act: DeploymentAct,
        by: &str,
    ) -> std::result::Result<DeploymentRun, StartError> {
        match self.wired(aws, &lease, &act).await {
            Ok((deployment, work, notes)) => Ok(DeploymentRun {
                deployment,
                lease,
                work,
                by: by.into(),
                notes,
            }),
            Err(error) => {
                lease.release().await?;
                Err(error)
            }
        }
    }

    async fn wired(
        &self,
        aws: &Aws,
        lease: &Lease,
        act: &DeploymentAct,
    ) -> std::result::Result<(Deployment, Work, Vec<String>), StartError> {
        let work = match act {
            DeploymentAct::Deploy => {
                self.names_an_image()?;
                let source = self.source(aws).await?;
                match self.is_judged() {
                    true => Work::Begin(source),
                    false => Work::Deploy(source),
                }
            }
            DeploymentAct::Undo { to } => Work::Undo(to.clone()),
        };
        let mut kept = self.of.clone();
        if let Work::Deploy(source) | Work::Begin(source) = &work
            && let ImageSource::Build { request, .. } = source
        {
            // The process that resumes the run may be at another commit.
            kept.spec.tag = Some(request.tag.clone());
        }
        let origin = DeploymentOrigin {
            deployment: kept,
            act: act.clone(),
        };
        let deployment = self
            .deployment(&aws.fenced(lease.clone()))?
            .journal(lease.clone())
            .origin(serde_json::to_value(&origin).unwrap_or_default());
        let (deployment, notes) = going_on(deployment, lease, act).await?;
        Ok((deployment, work, notes))
    }
}

/// Adds the work that an earlier process left undone, so that this run proves it or rolls it back. An undo
/// can do without that.
async fn going_on(
    deployment: Deployment,
    lease: &Lease,
    act: &DeploymentAct,
) -> Result<(Deployment, Vec<String>)> {
    let is_undo = matches!(act, DeploymentAct::Undo { .. });
    let without = |why: String| vec![format!("rolling back without the journal: {why}")];
    let records = match lease.newest_run().await {
        Ok(records) => records,
        Err(error) if is_undo => {
            let why = Failure::from(error).to_string();
            return Ok((deployment, without(why)));
        }
        Err(error) => return Err(error),
    };
    // A judge's run leaves nothing for a deployment.
    if records.is_empty() || is_of_judge(&records) {
        return Ok((deployment, Vec::new()));
    }
    if let (true, Err(error)) = (is_undo, crate::deployment::replay(&records)) {
        return Ok((deployment, without(error.to_string())));
    }
    let deployment = deployment.goes_on_from(&records);
    let deployment = deployment.map_err(|error| {
        let message = "continue from the journal, which does not replay";
        Error::new(ErrorKind::Refused, message).with_source(error)
    })?;
    Ok((deployment, Vec::new()))
}

impl DeploymentRun {
    /// Adds to the deployment: checks of your own, sinks of events, a cancel.
    pub fn with(mut self, change: impl FnOnce(Deployment) -> Deployment) -> Self {
        self.deployment = change(self.deployment);
        self
    }

    /// A handle to cancel, abort, leave or stop the run.
    #[must_use]
    pub fn handle(&self) -> ControlHandle {
        self.deployment.handle()
    }

    /// Notes that a person should read before the run.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Runs the deployment to its end and releases the journal; see [`Deployment::run_image`] and
    /// [`Deployment::roll_back`].
    ///
    /// # Errors
    ///
    /// As these two.
    ///
    /// # Cancel safety
    ///
    /// As these two.
    pub async fn run(self) -> std::result::Result<DeploymentOutcome, DeploymentError> {
        let ended = match self.work {
            Work::Deploy(source) => self.deployment.run_image(source).await,
            Work::Begin(source) => self.deployment.begin(source).await,
            Work::Undo(to) => self.deployment.roll_back(self.by, to).await,
        };
        // A run that ended well has released the lease already. If this release fails, the next controller
        // that takes the journal is told that it is held.
        let _ = self.lease.release().await;
        ended
    }
}
