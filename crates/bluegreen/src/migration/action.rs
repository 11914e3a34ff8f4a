//! The actions that the machine asks for, and the inputs that it is told.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{GateId, GatePolicy};
use crate::{
    engine::{Control, Operator, Work},
    error::Failure,
    health::{Observation, Progress, Verdict},
    preflight::Finding,
    traffic::{Armed, Capacity, Kept, Released, Shift, Shifted, TrafficObservation},
};

/// The next action that the machine asks for.
///
/// # Stability
///
/// A value for journals: [`JOURNAL_VERSION`](crate::engine::JOURNAL_VERSION) counts its changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Action {
    /// Survey what could make the migration unsafe, and look once. A read.
    Preflight {
        /// What the gates are told at this look.
        progress: Progress,
    },
    /// Read the split, then let every gate look. A read.
    Look {
        /// What the gates are told at this look.
        progress: Progress,
        /// The most time that the look may take: its limit, or the time left to the deadline if that is
        /// shorter, but at least 2 s. Then the look ends with the gates that have answered.
        within: Duration,
    },
    /// Read the split alone. A read.
    Observe,
    /// Change the split. A change; answer it with [`Input::Shifted`] and drop it only to stop. A shift
    /// that restores blue goes ahead even without a journal.
    Shift(Shift),
    /// Arm the dead-man switch, or renew it. A change; answer it with [`Input::SwitchArmed`].
    /// Since version 3.
    ArmSwitch {
        /// The routing that the switch keeps, except for the weights.
        traffic: TrafficObservation,
        /// When the switch fires.
        fires: Timestamp,
    },
    /// Disarm the dead-man switch. A change; answer it with [`Input::SwitchDisarmed`]. Since
    /// version 3.
    DisarmSwitch,
    /// Read how far blue may be scaled. A read. Since version 4.
    ObserveCapacity,
    /// Raise blue's minimum, so that blue keeps the tasks that run now. A change; answer it with
    /// [`Input::CapacityKept`]. Since version 4.
    KeepCapacity {
        /// The raised minimum, and the minimum before.
        kept: Kept,
    },
    /// Put blue's old minimum back. A change; answer it with [`Input::CapacityReleased`]. Since
    /// version 4.
    ReleaseCapacity {
        /// The raised minimum, and the minimum before.
        kept: Kept,
    },
    /// Wait.
    Wait {
        /// The end of the wait.
        until: Timestamp,
    },
}

impl Action {
    /// Returns the kind of work, and for a wait its end.
    #[must_use]
    pub fn work(&self) -> Work {
        match self {
            Self::Wait { until } => Work::Wait(*until),
            Self::Preflight { .. } | Self::Look { .. } | Self::Observe | Self::ObserveCapacity => {
                Work::Read
            }
            Self::Shift(shift) => Work::Change {
                restores: shift.restores(),
            },
            Self::ArmSwitch { .. } | Self::KeepCapacity { .. } | Self::ReleaseCapacity { .. } => {
                Work::Change { restores: false }
            }
            // Disarming ends a run, even if its record cannot be written.
            Self::DisarmSwitch => Work::Change { restores: true },
        }
    }

    /// Returns the machine's input if this action failed. If a change may have happened nevertheless, the
    /// failure must be of the kind [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown).
    #[must_use]
    pub fn failed(&self, failure: Failure) -> Input {
        let look = |failure| LookReport {
            traffic: Err(failure),
            gates: Vec::new(),
        };
        match self {
            Self::Preflight { .. } => Input::Preflighted {
                findings: Err(failure.clone()),
                look: look(failure),
                capacity: None,
            },
            Self::Look { .. } => Input::Looked(look(failure)),
            Self::Observe => Input::Observed(Err(failure)),
            Self::Shift(_) => Input::Shifted(Err(failure)),
            Self::ArmSwitch { .. } => Input::SwitchArmed(Err(failure)),
            Self::DisarmSwitch => Input::SwitchDisarmed(Err(failure)),
            Self::ObserveCapacity => Input::CapacityObserved(Err(failure)),
            Self::KeepCapacity { .. } => Input::CapacityKept(Err(failure)),
            Self::ReleaseCapacity { .. } => Input::CapacityReleased(Err(failure)),
            // Too short a wait: the machine looks again.
            Self::Wait { .. } => Input::Waited { clock_fault: false },
        }
    }

    /// Returns the machine's input if this action was not begun, since its record could not be written first.
    /// The failure is never of the kind [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown).
    #[must_use]
    pub fn not_begun(&self, failure: Failure) -> Input {
        self.failed(failure)
    }
}

/// The purpose of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "intent", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Intent {
    /// Move green up step by step, from all blue.
    Migrate,
    /// Override: move green to its last step at once, from any split. Capacity is
    /// still needed, and the last step bakes under the gates as in a migration.
    Complete {
        /// The operator who takes the responsibility.
        by: Operator,
    },
    /// Put everything back on blue, from any split.
    Restore(RestoreOrder),
}

/// How everything is put back on blue, from any split.
///
/// # Examples
///
/// ```
/// use bluegreen::migration::RestoreOrder;
///
/// let order = RestoreOrder::by("ann").with_stay(RestoreOrder::LATE_CALL);
/// assert!(!order.force && !order.confirm);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RestoreOrder {
    /// The operator who asks.
    pub by: Operator,
    /// Whether to go ahead even if blue has no healthy target.
    pub force: bool,
    /// How long after its write the run stays, and writes again if the split changes. Since version 4.
    #[serde(default, skip_serializing_if = "Duration::is_zero")]
    pub stay: Duration,
    /// Whether the run then waits until the gates have seen no request on green. Since version 4.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub confirm: bool,
}

impl RestoreOrder {
    /// How long after another controller lost its lease or died a change of that controller may still take
    /// effect: 15 s. A change is sent within 3 s of the read that it is based on, and
    /// takes at most 10 s. Reads may be 2 s late; a later read shows that the rule has changed, and the
    /// change is not sent.
    pub const LATE_CALL: Duration = Duration::from_secs(15);

    /// Creates an order of the operator `by`: the restore is refused if blue has no healthy target, and the
    /// run ends once blue is read back.
    #[must_use]
    pub fn by(by: impl Into<Operator>) -> Self {
        Self {
            by: by.into(),
            force: false,
            stay: Duration::ZERO,
            confirm: false,
        }
    }

    /// Goes ahead even if blue has no healthy target.
    #[must_use]
    pub fn with_force(self) -> Self {
        Self {
            force: true,
            ..self
        }
    }

    /// Stays for this time after its write: [`LATE_CALL`](Self::LATE_CALL) if another controller may have
    /// sent a change just before.
    #[must_use]
    pub fn with_stay(self, stay: Duration) -> Self {
        Self { stay, ..self }
    }

    /// Waits until a settled minute shows no request on green, at most for the time that the plan says.
    #[must_use]
    pub fn with_confirmation(self) -> Self {
        Self {
            confirm: true,
            ..self
        }
    }
}

/// A fact that the machine is told, with its time.
///
/// # Stability
///
/// A value for journals: [`JOURNAL_VERSION`](crate::engine::JOURNAL_VERSION) counts its changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "input", content = "with", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Input {
    /// The run begins.
    Start(Intent),
    /// The answer to [`Action::Preflight`].
    Preflighted {
        /// The findings of the splitter's survey.
        findings: Result<Vec<Finding>, Failure>,
        /// The first look.
        look: LookReport,
        /// How far blue may be scaled, if its capacity is to be kept.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        capacity: Option<Result<Capacity, Failure>>,
    },
    /// The answer to [`Action::Look`].
    Looked(LookReport),
    /// The answer to [`Action::Observe`].
    Observed(Result<TrafficObservation, Failure>),
    /// The answer to [`Action::Shift`].
    Shifted(Result<Shifted, Failure>),
    /// The answer to [`Action::ArmSwitch`].
    SwitchArmed(Result<Armed, Failure>),
    /// The answer to [`Action::DisarmSwitch`].
    SwitchDisarmed(Result<(), Failure>),
    /// The answer to [`Action::ObserveCapacity`].
    CapacityObserved(Result<Capacity, Failure>),
    /// The answer to [`Action::KeepCapacity`].
    CapacityKept(Result<(), Failure>),
    /// The answer to [`Action::ReleaseCapacity`].
    CapacityReleased(Result<Released, Failure>),
    /// [`Action::Wait`] is over.
    Waited {
        /// Whether no real time passed during the wait: then the run's clock cannot be trusted.
        clock_fault: bool,
    },
    /// An operator, or another part of the program, takes control.
    Control(Control),
    /// Records can no longer be written to the journal, or, with the kind
    /// [`TakenOver`](crate::ErrorKind::TakenOver), another controller has taken over.
    JournalFailed(Failure),
    /// The run continues from its journal after its process ended: no answer to an outstanding action
    /// will come, and its outcome is unknown. Since version 2.
    Resumed {
        /// The operator who resumed it.
        by: Operator,
    },
}

/// The result of one look.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LookReport {
    /// The split and the targets.
    pub traffic: Result<TrafficObservation, Failure>,
    /// What each gate saw, and its judge's verdict.
    pub gates: Vec<GateReport>,
}

/// What one gate saw at one look.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GateReport {
    /// The gate.
    pub gate: GateId,
    /// The observation; `None` if there was nothing new.
    pub seen: Result<Option<Observation>, Failure>,
    /// The judge's verdict, if the gate saw something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
}

/// A gate as the caller supplied it at the start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct OpenedGate {
    /// Its name.
    pub gate: GateId,
    /// What its verdict does.
    pub policy: GatePolicy,
    /// The settings that its verdicts depend on.
    pub settings: serde_json::Value,
}
