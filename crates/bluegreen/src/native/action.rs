//! Actions, which the machine asks for, and inputs, which it is told.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{NativeObservation, NativeSurvey, Pause, RollBackBy};
use crate::{
    check::CheckReport,
    engine::{Control, Operator, Work},
    error::Failure,
    health::Progress,
    migration::GateReport,
    traffic::Percent,
};

/// The next step that the machine asks its host for.
///
/// # Stability
///
/// A value for journals: [`JOURNAL_VERSION`](crate::engine::JOURNAL_VERSION) counts its changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Action {
    /// Survey how the platform was told to move the traffic. A read.
    Preflight,
    /// Read the deployment and look at all gates. A read.
    Look {
        /// The present phase of the deployment.
        progress: Progress,
        /// How long the look may take.
        within: Duration,
    },
    /// Ask one check once, through the test route. A read, as far as this crate knows.
    Check {
        /// Its place among the checks.
        index: usize,
    },
    /// Answer a pause, so that the platform continues. A change.
    Proceed {
        /// The pause.
        pause: Pause,
        /// Green's share at the pause.
        green: Percent,
    },
    /// Have the platform put everything back. A change that restores.
    RollBack {
        /// By which call.
        how: RollBackBy,
    },
    /// Read the deployment. A read.
    Observe,
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
            Self::Proceed { .. } => Work::Change { restores: false },
            Self::RollBack { .. } => Work::Change { restores: true },
            Self::Preflight | Self::Look { .. } | Self::Check { .. } | Self::Observe => Work::Read,
        }
    }

    /// Returns the machine's input if this action failed. If a change may have happened nevertheless, the
    /// failure must be of the kind [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown).
    #[must_use]
    pub fn failed(&self, failure: Failure) -> Input {
        match self {
            Self::Preflight => Input::Preflighted(Err(failure)),
            Self::Look { .. } => Input::Looked(LookReport {
                observed: Err(failure),
                gates: Vec::new(),
            }),
            Self::Check { .. } => {
                let report = CheckReport::new("check", "a check that could not be asked", None);
                Input::Checked(report.failing("answer", "one", failure.message))
            }
            Self::Proceed { .. } => Input::Proceeded(Err(failure)),
            Self::RollBack { .. } => Input::RollBackSent(Err(failure)),
            Self::Observe => Input::Observed(Err(failure)),
            // Too short a wait: the machine looks again.
            Self::Wait { .. } => Input::Waited { clock_fault: false },
        }
    }

    /// Returns the machine's input if this action was not begun, since its record could not be written first.
    #[must_use]
    pub fn not_begun(&self, failure: Failure) -> Input {
        match self.work() {
            Work::Change { .. } => Input::NotBegun(failure),
            Work::Read | Work::Wait(_) => self.failed(failure),
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
    Start,
    /// The answer to [`Action::Preflight`].
    Preflighted(Result<Box<NativeSurvey>, Failure>),
    /// The answer to [`Action::Look`].
    Looked(LookReport),
    /// The answer to [`Action::Check`].
    Checked(CheckReport),
    /// The answer to [`Action::Proceed`].
    Proceeded(Result<(), Failure>),
    /// The answer to [`Action::RollBack`].
    RollBackSent(Result<(), Failure>),
    /// The answer to [`Action::Observe`].
    Observed(Result<NativeObservation, Failure>),
    /// [`Action::Wait`] is over.
    Waited {
        /// Whether no real time passed during the wait: then the run's clock cannot be trusted.
        clock_fault: bool,
    },
    /// A change was not begun, since the journal did not keep its record.
    NotBegun(Failure),
    /// An operator, a signal or a deadline gives a control.
    Control(Control),
    /// Records can no longer be written to the journal, or, with the kind
    /// [`TakenOver`](crate::ErrorKind::TakenOver), another controller has taken over.
    JournalFailed(Failure),
    /// The run continues from its journal after its process ended: no answer to an outstanding action will
    /// come, and its outcome is unknown.
    Resumed {
        /// The operator who resumed it.
        by: Operator,
    },
}

impl Input {
    /// Returns whether this is the answer to an action, and not an event from outside.
    pub(crate) fn is_answer(&self) -> bool {
        !matches!(
            self,
            Self::Start | Self::Control(_) | Self::JournalFailed(_) | Self::Resumed { .. }
        )
    }

    /// Returns whether this is an answer to the action.
    pub(crate) fn answers(&self, action: &Action) -> bool {
        let is_change = matches!(action.work(), Work::Change { .. });
        match (action, self) {
            (_, Self::NotBegun(_)) => is_change,
            (action, input) => matches!(
                (action, input),
                (Action::Preflight, Self::Preflighted(_))
                    | (Action::Look { .. }, Self::Looked(_))
                    | (Action::Check { .. }, Self::Checked(_))
                    | (Action::Proceed { .. }, Self::Proceeded(_))
                    | (Action::RollBack { .. }, Self::RollBackSent(_))
                    | (Action::Observe, Self::Observed(_))
                    | (Action::Wait { .. }, Self::Waited { .. })
            ),
        }
    }
}

/// The result of one look.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LookReport {
    /// The deployment.
    pub observed: Result<NativeObservation, Failure>,
    /// What each gate saw, and its judge's verdict.
    pub gates: Vec<GateReport>,
}
