//! The role that runs an image as a service.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use auto_impl::auto_impl;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{error::Result, image::ImageRef, preflight::Finding};

/// Runs an image as a service, and follows each deployment to its end.
///
/// "Stable" does not mean that the deployment completed: a service is stable too after it went back
/// to the old revision by itself. So a deployment is followed by its own id, and its end says what
/// runs.
///
/// # Mocking
///
/// Feature `mock` exports `MockServiceDeployer`. To write one of your own:
///
/// ```
/// # mod embedder {
/// use std::time::Duration;
/// use async_trait::async_trait;
/// use bluegreen::{Result, ServiceDeployer, image::ImageRef, preflight::Finding};
/// use bluegreen::service::{
///     DeploymentId, DeploymentProgress, Registration, ServiceObservation, Update,
/// };
///
/// mockall::mock! {
///     #[derive(Debug)]
///     pub Deployer {}
///     #[async_trait]
///     impl ServiceDeployer for Deployer {
///         async fn preflight(&self) -> Result<Vec<Finding>>;
///         async fn observe(&self) -> Result<Option<ServiceObservation>>;
///         async fn register(&self, image: &ImageRef) -> Result<Registration>;
///         async fn update(&self, update: &Update) -> Result<DeploymentId>;
///         async fn follow(&self, deployment: &DeploymentId) -> Result<DeploymentProgress>;
///         fn propagation(&self) -> Duration;
///     }
/// }
/// # }
/// # fn main() {}
/// ```
#[async_trait]
#[auto_impl(Arc, Box)]
pub trait ServiceDeployer: fmt::Debug + Send + Sync {
    /// Looks, once before anything starts, for what would make a deployment unsafe or impossible,
    /// and reports all of it. Reads only. The default looks for nothing.
    ///
    /// # Errors
    ///
    /// If the preflight could not look. A problem that it found is not an error but a [`Finding`].
    ///
    /// # Cancel safety
    ///
    /// Only reads: dropping it leaves nothing behind.
    async fn preflight(&self) -> Result<Vec<Finding>> {
        Ok(Vec::new())
    }

    /// Reads the service; `None` if there is none. The revision that runs before a change is the
    /// target of a rollback: record it.
    ///
    /// # Errors
    ///
    /// If the service could not be read; never a made-up default.
    ///
    /// # Cancel safety
    ///
    /// Only reads: dropping it leaves nothing behind.
    async fn observe(&self) -> Result<Option<ServiceObservation>>;

    /// Registers a revision that runs `image`, or finds an existing one.
    ///
    /// # Errors
    ///
    /// If the revision could not be registered. A revision that nothing runs does no harm. A second
    /// call after a lost answer finds the revision that the first call registered.
    ///
    /// # Cancel safety
    ///
    /// A dropped call may have registered a revision that nothing runs.
    async fn register(&self, image: &ImageRef) -> Result<Registration>;

    /// Starts a deployment and returns its id; makes the service if `from` says that there is none.
    /// A rollback point, if given, is kept with the service, durably, before anything else changes.
    ///
    /// # Errors
    ///
    /// `Conflict` if the service is neither as `from` says nor at a deployment that `older` names:
    /// nothing was changed.
    /// `OutcomeUnknown` if the deployment may or may not have started: observe before anything
    /// else.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: a dropped call may have started a deployment. Observe afterwards.
    async fn update(&self, update: &Update) -> Result<DeploymentId>;

    /// Reads how far a deployment is. A rollback is not followed by its id, but by
    /// [`observe`](Self::observe). The default [observes](Self::observe) too, and says
    /// [what that shows](ServiceObservation::progress_of) of the deployment; a service that can tell why
    /// copies stop, or that goes back by itself, has more to say.
    ///
    /// # Errors
    ///
    /// If the deployment could not be read. A deployment that the service does not know any more is
    /// not an error: another deployment took its place, and the end names it.
    ///
    /// # Cancel safety
    ///
    /// Only reads: dropping it leaves nothing behind.
    async fn follow(&self, deployment: &DeploymentId) -> Result<DeploymentProgress> {
        Ok(match self.observe().await? {
            Some(service) => service.progress_of(deployment),
            None => DeploymentProgress::under_way(0).ended(DeploymentEnd::Gone),
        })
    }

    /// How long after the end of a change's call a read may still show an older state, and a call
    /// without an answer may still take effect. Zero if reads are consistent and calls are never
    /// late.
    fn propagation(&self) -> Duration;

    /// The revision as [`observe`](Self::observe) spells it, for a revision that a person named.
    /// The default takes every name unchanged.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such revision.
    ///
    /// # Cancel safety
    ///
    /// Only reads: dropping it leaves nothing behind.
    async fn resolve(&self, revision: &RevisionId) -> Result<RevisionId> {
        Ok(revision.clone())
    }

    /// The commands by which a person changes what the service runs, for the last message of a run.
    /// Calls nothing. The default knows none.
    fn by_hand(&self) -> Option<ByHand> {
        None
    }
}

/// The commands by which a person changes what a service runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByHand {
    /// The command that makes the service run a revision, without the revision at its end.
    pub run: String,
    /// The command that makes the service run nothing.
    pub run_nothing: String,
}

impl ByHand {
    /// The command that makes the service run this.
    #[must_use]
    pub(crate) fn command(&self, target: &Target) -> String {
        match target {
            Target::Revision(revision) => format!("{} {}", self.run, quoted(revision.as_str())),
            Target::Nothing => self.run_nothing.clone(),
        }
    }
}

/// The text as one word of a shell.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@=+,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// An id as its service spells it.
            pub fn new(id: impl Into<String>) -> Self {
                Self(id.into())
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl<T: Into<String>> From<T> for $name {
            fn from(id: T) -> Self {
                Self(id.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id!(
    /// One immutable description of what a service runs; on ECS the ARN of a task definition's
    /// revision.
    RevisionId
);
id!(
    /// One deployment of a revision to a service.
    DeploymentId
);

/// A revision that runs the requested image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// The revision.
    pub revision: RevisionId,
    /// Whether it was registered now, or was there already.
    pub is_new: bool,
    /// The differences from the revision that runs, a line each, as in a unified diff.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diff: Vec<String>,
    /// Notes about the image in it, which stop nothing. Since version 4.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Finding>,
}

impl Registration {
    /// A revision that was registered now, with no more to say of it.
    #[must_use]
    pub fn new(revision: impl Into<RevisionId>) -> Self {
        Self {
            revision: revision.into(),
            is_new: true,
            diff: Vec::new(),
            notes: Vec::new(),
        }
    }
}

/// What a service is to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "target", content = "revision", rename_all = "snake_case")]
pub enum Target {
    /// This revision.
    Revision(RevisionId),
    /// No copy at all: the target of a rollback for a service that did not exist before.
    Nothing,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Revision(revision) => write!(f, "{revision}"),
            Self::Nothing => f.write_str("nothing"),
        }
    }
}

/// A change of what a service runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Update {
    /// The service as it was observed; `None` if there was none.
    pub from: Option<ServiceObservation>,
    /// The target that it is to run.
    pub to: Target,
    /// The rollback point to keep with the service before anything else changes.
    pub rollback_point: Option<RollbackPoint>,
    /// Deployments that this run began or replaced before: a late read may show one of them in
    /// place of `from`. Any other deployment is a third party's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub older: Vec<DeploymentId>,
}

/// The target of a rollback of a deployment: what ran before it. It is kept with the service, so
/// that it is known after any crash, on any machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollbackPoint {
    /// The revision that was deployed.
    pub deployed: RevisionId,
    /// What ran before.
    pub previous: Target,
}

/// A service as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ServiceObservation {
    /// The service's name for people.
    pub service: String,
    /// The revision that the service is to run.
    pub revision: RevisionId,
    /// The deployment that brings this revision.
    pub deployment: DeploymentId,
    /// How far that deployment is.
    pub rollout: Rollout,
    /// How many copies the service is to run.
    pub desired: u32,
    /// How many copies run.
    pub running: u32,
    /// How many other deployments still have copies.
    pub others: u32,
    /// Who rolls the service back if a rollout fails.
    pub rollback_owner: RollbackOwner,
    /// The rollback point that an earlier deployment kept here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback_point: Option<RollbackPoint>,
}

impl ServiceObservation {
    /// A service that runs all its copies, and leaves failed rollouts to this crate.
    #[must_use]
    pub fn steady(
        service: impl Into<String>,
        revision: impl Into<RevisionId>,
        deployment: impl Into<DeploymentId>,
        copies: u32,
    ) -> Self {
        Self {
            service: service.into(),
            revision: revision.into(),
            deployment: deployment.into(),
            rollout: Rollout::Completed,
            desired: copies,
            running: copies,
            others: 0,
            rollback_owner: RollbackOwner::Us,
            rollback_point: None,
        }
    }

    /// Whether nothing is under way: the service's deployment is complete, alone, and has all its
    /// copies.
    #[must_use]
    pub fn is_steady(&self) -> bool {
        self.rollout == Rollout::Completed && self.running == self.desired && self.others == 0
    }

    /// Whether the service runs this target, in full, with nothing under way. No copies at all are
    /// not a revision that runs.
    #[must_use]
    pub fn runs(&self, target: &Target) -> bool {
        match target {
            Target::Revision(_) => self.heads_for(target) && self.is_steady() && self.desired > 0,
            Target::Nothing => self.heads_for(target) && self.running == 0,
        }
    }

    /// Whether the service is to run this target, however far the rollout is.
    #[must_use]
    pub(crate) fn heads_for(&self, target: &Target) -> bool {
        match target {
            Target::Revision(revision) => self.revision == *revision,
            Target::Nothing => self.desired == 0,
        }
    }
}

impl fmt::Display for ServiceObservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (running, desired) = (self.running, self.desired);
        write!(f, "{} has {} ", self.service, self.revision)?;
        write!(f, "({}, {running} of {desired} run)", self.rollout)
    }
}

/// How far a rollout is, as the service says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rollout {
    /// Under way.
    InProgress,
    /// All copies were up at one time.
    Completed,
    /// The service has given the rollout up.
    Failed,
}

impl fmt::Display for Rollout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InProgress => "rolling out",
            Self::Completed => "rolled out",
            Self::Failed => "rollout failed",
        })
    }
}

/// Who rolls a service back to its old revision if a rollout fails. Never both: two rollbacks race,
/// and the later one may undo the earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RollbackOwner {
    /// The controller that deploys.
    Us,
    /// The service itself: on ECS the circuit breaker or an alarm with rollback on. During a
    /// rollout only the service acts; after the rollout has succeeded, the controller does.
    Service,
}

/// How far a deployment is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DeploymentProgress {
    /// How many copies of its revision are to run.
    pub desired: u32,
    /// How many run.
    pub running: u32,
    /// How many are starting.
    pub pending: u32,
    /// How many have failed to start.
    pub failed: u32,
    /// The deployment that the service is to reach, as this read shows it. A late read shows an
    /// earlier deployment than the one that is followed, and then says nothing of that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<DeploymentId>,
    /// The revision that the service itself rolls back to, while it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolling_back_to: Option<RevisionId>,
    /// The service's latest events, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<ServiceEvent>,
    /// Copies of this deployment that stopped, and why, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stopped: Vec<StoppedTask>,
    /// How it ended; `None` while it is under way.
    pub end: Option<DeploymentEnd>,
}

impl DeploymentProgress {
    /// A deployment that is under way: all its copies are starting.
    #[must_use]
    pub fn under_way(desired: u32) -> Self {
        Self {
            desired,
            running: 0,
            pending: desired,
            failed: 0,
            current: None,
            rolling_back_to: None,
            events: Vec::new(),
            stopped: Vec::new(),
            end: None,
        }
    }

    /// Sets how many copies run. The others are starting.
    #[must_use]
    pub fn with_running(self, running: u32) -> Self {
        Self {
            running,
            pending: self.desired.saturating_sub(running),
            ..self
        }
    }

    /// Sets how many copies have failed to start.
    #[must_use]
    pub(crate) fn with_failed(self, failed: u32) -> Self {
        Self { failed, ..self }
    }

    /// Sets the end.
    #[must_use]
    pub fn ended(mut self, end: DeploymentEnd) -> Self {
        self.end = Some(end);
        self
    }
}

/// An event that a service reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceEvent {
    /// The event's id; a repeated read shows the same id.
    pub id: String,
    /// When it was reported.
    pub at: Timestamp,
    /// The service's words.
    pub message: String,
}

/// A copy of a service that stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoppedTask {
    /// Its name.
    pub task: String,
    /// Why it stopped, with the exit codes and reasons of its containers.
    pub reason: String,
    /// Where its last log lines are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logs: Option<String>,
}

impl fmt::Display for StoppedTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {} stopped: {}", self.task, self.reason)?;
        match &self.logs {
            Some(logs) => write!(f, "; logs: {logs}"),
            None => Ok(()),
        }
    }
}

/// How a deployment ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "end", rename_all = "snake_case")]
#[non_exhaustive]
pub enum DeploymentEnd {
    /// Its revision runs, in full. Older journals call it `won`.
    #[serde(alias = "won")]
    Completed,
    /// It failed, and the service was left as it is.
    Failed {
        /// Why, as the service says.
        reason: String,
    },
    /// The service went back to an older revision by itself.
    RolledBack {
        /// The revision that runs now.
        to: RevisionId,
        /// Why, as the service says.
        reason: String,
    },
    /// There is no such service.
    Gone,
    /// A later deployment took its place.
    Superseded {
        /// The later one.
        by: DeploymentId,
        /// The revision of that deployment.
        revision: RevisionId,
    },
}
