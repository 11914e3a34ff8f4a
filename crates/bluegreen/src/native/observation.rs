//! [`NativeObservation`]: a deployment that its platform moves, as it was read.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::traffic::{Percent, TargetCounts};

/// A deployment that its platform moves, as it was read.
///
/// A value for the journal: plain data without secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NativeObservation {
    /// How far the deployment is.
    pub status: NativeStatus,
    /// Why it has this status, in the platform's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The stage, in the platform's words. For people: decisions go by the pauses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// The revisions that are replaced: blue. Empty for the first deployment of a service.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<RevisionShare>,
    /// The revision that is deployed: green.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<RevisionShare>,
    /// The pauses of this deployment so far, answered pauses included, if the platform tells them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pauses: Vec<Pause>,
    /// A newer deployment of the same service, if there is one: it takes this deployment's place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub successor: Option<String>,
    /// When the platform last changed the deployment, by the platform's clock. A read with an earlier time
    /// than another read is older than that read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated: Option<Timestamp>,
}

impl NativeObservation {
    /// Creates an observation of this status, with nothing else known.
    #[must_use]
    pub fn new(status: NativeStatus) -> Self {
        Self {
            status,
            reason: None,
            stage: None,
            sources: Vec::new(),
            target: None,
            pauses: Vec::new(),
            successor: None,
            updated: None,
        }
    }

    /// Returns green's share of the production traffic, as the platform was asked to send it; zero if the
    /// target is not known yet.
    #[must_use]
    pub fn green(&self) -> Percent {
        let target = self.target.as_ref();
        target.map(|target| target.production).unwrap_or_default()
    }

    /// Returns blue's share of the production traffic, over all sources.
    #[must_use]
    pub fn blue(&self) -> Percent {
        let tenths = self.sources.iter().map(|one| one.production.as_tenths());
        let sum = tenths.fold(0_u16, u16::saturating_add).min(1000);
        Percent::from_tenths(sum).unwrap_or(Percent::HUNDRED)
    }

    /// Returns the pauses that wait for an answer.
    pub fn awaiting(&self) -> impl Iterator<Item = &Pause> {
        let pauses = self.pauses.iter();
        pauses.filter(|pause| pause.status == PauseStatus::Awaiting)
    }
}

impl fmt::Display for NativeObservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        if let Some(stage) = &self.stage {
            write!(f, " at {stage}")?;
        }
        if self.target.is_some() {
            write!(f, ", blue {} / green {}", self.blue(), self.green())?;
        }
        for pause in self.awaiting() {
            write!(f, ", {pause}")?;
        }
        match &self.reason {
            Some(reason) => write!(f, " ({reason})"),
            None => Ok(()),
        }
    }
}

/// How far a deployment is, as the platform says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NativeStatus {
    /// Not begun.
    Pending,
    /// Under way, or at a pause.
    InProgress,
    /// A stop without a rollback was asked for.
    StopRequested,
    /// A rollback was asked for.
    RollbackRequested,
    /// The platform puts everything back.
    RollbackInProgress,
    /// Ended: green has everything.
    Successful,
    /// Ended without a rollback: the traffic stays as it was.
    Stopped,
    /// Ended: blue has everything again.
    RolledBack,
    /// Ended: the platform could not put everything back.
    RollbackFailed,
    /// A status that this version does not know, as the platform spells it.
    Unknown(String),
}

impl NativeStatus {
    /// Returns whether the deployment has ended.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(
            self,
            Self::Successful | Self::Stopped | Self::RolledBack | Self::RollbackFailed
        )
    }

    /// Returns whether the platform was told to put everything back, or has done so.
    #[must_use]
    pub fn is_going_back(&self) -> bool {
        matches!(
            self,
            Self::RollbackRequested
                | Self::RollbackInProgress
                | Self::RolledBack
                | Self::RollbackFailed
        )
    }

    /// Returns the place in a deployment's life: a status never goes back to an earlier place. `None` for an
    /// unknown status.
    pub(crate) fn place(&self) -> Option<u8> {
        match self {
            Self::Pending => Some(0),
            Self::InProgress => Some(1),
            Self::StopRequested | Self::RollbackRequested => Some(2),
            Self::RollbackInProgress => Some(3),
            Self::Successful | Self::Stopped | Self::RolledBack | Self::RollbackFailed => Some(4),
            Self::Unknown(_) => None,
        }
    }
}

impl fmt::Display for NativeStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "pending",
            Self::InProgress => "in progress",
            Self::StopRequested => "stop requested",
            Self::RollbackRequested => "rollback requested",
            Self::RollbackInProgress => "rolling back",
            Self::Successful => "successful",
            Self::Stopped => "stopped",
            Self::RolledBack => "rolled back",
            Self::RollbackFailed => "rollback failed",
            Self::Unknown(status) => status,
        })
    }
}

/// One revision of the service in a deployment: its share of the traffic, and its copies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RevisionShare {
    /// The revision; on ECS the ARN of the service revision.
    pub revision: String,
    /// Its share of the production traffic, to the nearest tenth of a percent.
    pub production: Percent,
    /// Its share of the traffic of the test listener.
    pub test: Percent,
    /// How many copies run.
    pub running: u32,
    /// How many copies are to run.
    pub requested: u32,
    /// Its targets as the balancer sees them; `None` if they were not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targets: Option<TargetCounts>,
}

impl RevisionShare {
    /// Creates a revision with a share of the production traffic, without test traffic and copies.
    #[must_use]
    pub fn new(revision: impl Into<String>, production: Percent) -> Self {
        Self {
            revision: revision.into(),
            production,
            test: Percent::ZERO,
            running: 0,
            requested: 0,
            targets: None,
        }
    }

    /// Sets the share of the test traffic. Default: none.
    #[must_use]
    pub fn with_test(self, test: Percent) -> Self {
        Self { test, ..self }
    }

    /// Sets how many copies run and how many are to run. Default: none.
    #[must_use]
    pub fn with_copies(self, running: u32, requested: u32) -> Self {
        Self {
            running,
            requested,
            ..self
        }
    }

    /// Adds the targets as the balancer sees them. Default: not read.
    #[must_use]
    pub fn with_targets(self, targets: TargetCounts) -> Self {
        Self {
            targets: Some(targets),
            ..self
        }
    }
}

/// The name of a pause, by which the platform is answered; on ECS the id of the hook.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PauseId(String);

impl PauseId {
    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<T: Into<String>> From<T> for PauseId {
    fn from(id: T) -> Self {
        Self(id.into())
    }
}

impl fmt::Display for PauseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One pause of a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Pause {
    /// Its name. The platform may use one name for the pause before each step.
    pub id: PauseId,
    /// The stage before which the deployment pauses, in the platform's words.
    pub stage: String,
    /// Whether it waits for an answer.
    pub status: PauseStatus,
    /// When the platform stops waiting and does what [`on_timeout`](Self::on_timeout) says; `None` if it
    /// does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// What the platform does then.
    pub on_timeout: OnTimeout,
}

impl Pause {
    /// Creates a pause that waits for an answer, without an end, whose time-out rolls back.
    #[must_use]
    pub fn awaiting(id: impl Into<PauseId>, stage: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            stage: stage.into(),
            status: PauseStatus::Awaiting,
            expires: None,
            on_timeout: OnTimeout::RollBack,
        }
    }

    /// Sets the status.
    #[must_use]
    pub fn with_status(self, status: PauseStatus) -> Self {
        Self { status, ..self }
    }

    /// Sets when the pause times out, and what the platform does then.
    #[must_use]
    pub fn with_timeout(self, expires: Timestamp, on_timeout: OnTimeout) -> Self {
        Self {
            expires: Some(expires),
            on_timeout,
            ..self
        }
    }

    /// Returns whether both are the same pause of one deployment. A name that comes again with another end
    /// is another pause. The stage does not count: a later read may spell it in another way.
    #[must_use]
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let is_other_end =
            matches!((self.expires, other.expires), (Some(one), Some(two)) if one != two);
        self.id == other.id && !is_other_end
    }
}

impl fmt::Display for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pause `{}` before {}", self.id, self.stage)
    }
}

/// How far a pause is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PauseStatus {
    /// Waits for an answer.
    Awaiting,
    /// Under way: a function is asked, or the platform carries the answer out.
    InProgress,
    /// Answered with a continue, by this run or a third party.
    Succeeded,
    /// Answered with a rollback.
    Failed,
    /// No answer came in time.
    TimedOut,
    /// A status that this version does not know, as the platform spells it.
    Unknown(String),
}

/// What a platform does if a pause is not answered in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnTimeout {
    /// Puts everything back: a dead-man switch that the platform runs.
    RollBack,
    /// Continues as if the answer had been healthy.
    Continue,
}

impl fmt::Display for OnTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RollBack => "rolls back",
            Self::Continue => "continues",
        })
    }
}

/// By which call the platform is told to put a deployment back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", content = "pause", rename_all = "snake_case")]
pub enum RollBackBy {
    /// By a stop of the deployment with a rollback, at any moment.
    Stop,
    /// By the answer to a pause that waits.
    Answer(PauseId),
}

impl fmt::Display for RollBackBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stop => f.write_str("a stop of the deployment"),
            Self::Answer(pause) => write!(f, "the answer to pause `{pause}`"),
        }
    }
}
