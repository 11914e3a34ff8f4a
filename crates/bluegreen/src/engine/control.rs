//! Taking a run in hand while it goes on.

use std::fmt;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

/// Who takes control. Overrides are named, and the name stands in the outcome.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Operator(String);

impl Operator {
    /// A person or a job, as it should stand in the journal.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }
}

impl<T: Into<String>> From<T> for Operator {
    fn from(name: T) -> Self {
        Self(name.into())
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a person, a signal or a deadline of the surroundings asks of a run. Legal at any moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "control", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Control {
    /// Do not go on to the next step. Looks go on, and so does the rollback of an unhealthy
    /// green; deadlines stand still.
    Pause {
        /// Who asks.
        by: Operator,
    },
    /// End a pause.
    Resume {
        /// Who asks.
        by: Operator,
    },
    /// Skip what is left of this step's minimum bake. A healthy verdict is still needed.
    SkipWait {
        /// Who asks.
        by: Operator,
    },
    /// Override: go on to the next step without a healthy verdict. Capacity is still needed.
    Promote {
        /// Who takes the responsibility.
        by: Operator,
    },
    /// Override: go to all green at once without a healthy verdict. Capacity is still needed.
    Complete {
        /// Who takes the responsibility.
        by: Operator,
    },
    /// Stop here and leave the split as it is.
    Hold {
        /// Who asks.
        by: Operator,
    },
    /// Roll back.
    Abort {
        /// Who asks.
        by: Operator,
    },
    /// End in the way that the plan says for cancellation, by default roll back. What a signal
    /// or a cancelled future sends.
    Cancel {
        /// Why: `SIGINT`, `the job's deadline`.
        reason: String,
    },
    /// End at once, whatever is under way, and say where traffic was last seen.
    Stop {
        /// Why.
        reason: String,
    },
}

impl fmt::Display for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pause { by } => write!(f, "pause by {by}"),
            Self::Resume { by } => write!(f, "resume by {by}"),
            Self::SkipWait { by } => write!(f, "skip the wait by {by}"),
            Self::Promote { by } => write!(f, "promote now by {by}"),
            Self::Complete { by } => write!(f, "complete by {by}"),
            Self::Hold { by } => write!(f, "hold by {by}"),
            Self::Abort { by } => write!(f, "abort by {by}"),
            Self::Cancel { reason } => write!(f, "cancel ({reason})"),
            Self::Stop { reason } => write!(f, "stop at once ({reason})"),
        }
    }
}

/// What happens when a run is cancelled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnCancel {
    /// Put back what was there before: the default, since nobody watches the new after that.
    #[default]
    RollBack,
    /// Leave everything as it is and end.
    Hold,
}

/// What a control does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "effect", content = "why", rename_all = "snake_case")]
pub enum ControlEffect {
    /// It is carried out now.
    Applied,
    /// It is carried out once the change that is under way has finished.
    AfterChange,
    /// It does nothing, for this reason.
    Ignored(String),
}

/// Takes a run in hand from anywhere: another task, a signal handler's thread, a web server.
///
/// Sending never blocks and never fails; what comes after the end of the run is dropped.
#[derive(Debug, Clone)]
pub struct ControlHandle {
    sender: mpsc::UnboundedSender<Control>,
}

pub(crate) type Controls = mpsc::UnboundedReceiver<Control>;

impl ControlHandle {
    pub(crate) fn new() -> (Self, Controls) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self { sender }, receiver)
    }

    /// Sends any control.
    pub fn send(&self, control: Control) {
        // An error means that the run has ended: there is nothing left to control.
        let _ = self.sender.send(control);
    }

    /// Sends [`Control::Pause`].
    pub fn pause(&self, by: impl Into<Operator>) {
        self.send(Control::Pause { by: by.into() });
    }

    /// Sends [`Control::Resume`].
    pub fn resume(&self, by: impl Into<Operator>) {
        self.send(Control::Resume { by: by.into() });
    }

    /// Sends [`Control::SkipWait`].
    pub fn skip_wait(&self, by: impl Into<Operator>) {
        self.send(Control::SkipWait { by: by.into() });
    }

    /// Sends [`Control::Promote`].
    pub fn promote(&self, by: impl Into<Operator>) {
        self.send(Control::Promote { by: by.into() });
    }

    /// Sends [`Control::Complete`].
    pub fn complete(&self, by: impl Into<Operator>) {
        self.send(Control::Complete { by: by.into() });
    }

    /// Sends [`Control::Hold`].
    pub fn hold(&self, by: impl Into<Operator>) {
        self.send(Control::Hold { by: by.into() });
    }

    /// Sends [`Control::Abort`].
    pub fn abort(&self, by: impl Into<Operator>) {
        self.send(Control::Abort { by: by.into() });
    }

    /// Sends [`Control::Cancel`].
    pub fn cancel(&self, reason: impl Into<String>) {
        self.send(Control::Cancel {
            reason: reason.into(),
        });
    }

    /// Sends [`Control::Stop`].
    pub fn stop(&self, reason: impl Into<String>) {
        self.send(Control::Stop {
            reason: reason.into(),
        });
    }
}
