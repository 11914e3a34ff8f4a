//! Taking a run in hand while it goes on.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use crate::clock::span;

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
    /// Do not rise to the next step. Looks continue, and so does the rollback of an unhealthy
    /// green; a step's deadline stands still, that of the whole run does not. A pause has a length: near its end the run warns, at its end it
    /// does what the plan says of a cancellation, since nobody came back.
    Pause {
        /// Who asks.
        by: Operator,
        /// For how long at most. Default: 30 minutes. At most 2 hours, and at most what is left
        /// until the deadline of the whole run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::optional")]
        length: Option<Duration>,
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
            Self::Pause { by, length: None } => write!(f, "pause by {by}"),
            Self::Pause {
                by,
                length: Some(length),
            } => write!(f, "pause of {} by {by}", span(*length)),
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
#[cfg_attr(feature = "spec", derive(schemars::JsonSchema))]
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
/// Sending never blocks and never fails. Each call gives an [`Answer`] that may be waited for or
/// dropped. A control that is given before the run starts holds from its first step on.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "sim")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use bluegreen::{Migration, MigrationPlan, aws::{alb::AlbTrafficSplitter, sim::Scenario}, gate_fn, Verdict};
/// use bluegreen::engine::ControlEffect;
///
/// let simulation = Scenario::Healthy.simulation(7);
/// simulation.start_paused();
/// let aws = simulation.aws();
/// let splitter = AlbTrafficSplitter::new(&aws, simulation.rule(), simulation.blue(), simulation.green())?;
/// let migration = Migration::new(MigrationPlan::builder().build()?, splitter)
///     .clock(aws.clock())
///     .gate("queue", gate_fn("queue", |_look| async { Ok(Verdict::healthy("no message waits")) }));
/// let handle = migration.handle();
/// let answer = handle.abort("ann");
/// let outcome = migration.run().await?;
/// assert_eq!(answer.await, ControlEffect::Applied);
/// assert_eq!(outcome.exit_code(), 3, "nothing was changed yet");
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "sim"))]
/// # fn main() {}
/// ```
#[derive(Debug, Clone)]
pub struct ControlHandle {
    sender: mpsc::UnboundedSender<Given>,
}

/// A control, and where its answer goes.
#[derive(Debug)]
pub(crate) struct Given {
    pub(crate) control: Control,
    pub(crate) answer: oneshot::Sender<ControlEffect>,
}

pub(crate) type Controls = mpsc::UnboundedReceiver<Given>;

/// What became of a control: a future that gives its [`ControlEffect`] as soon as the run has taken
/// it, at once or after the call that is under way. After the end of the run, and if the run is
/// dropped, it is [`ControlEffect::Ignored`].
///
/// # Cancel safety
///
/// Dropping it changes nothing: the control holds all the same.
#[derive(Debug)]
pub struct Answer(oneshot::Receiver<ControlEffect>);

impl Future for Answer {
    type Output = ControlEffect;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<ControlEffect> {
        let answer = Pin::new(&mut self.0).poll(context);
        answer.map(|answer| {
            answer.unwrap_or_else(|_| ControlEffect::Ignored("the run has ended".to_owned()))
        })
    }
}

impl ControlHandle {
    pub(crate) fn new() -> (Self, Controls) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self { sender }, receiver)
    }

    /// Sends any control.
    pub fn send(&self, control: Control) -> Answer {
        let (answer, receiver) = oneshot::channel();
        // If the run has ended, the sender of the answer is dropped here, which says so.
        let _ = self.sender.send(Given { control, answer });
        Answer(receiver)
    }

    /// Sends [`Control::Pause`] with the default length.
    pub fn pause(&self, by: impl Into<Operator>) -> Answer {
        self.send(Control::Pause {
            by: by.into(),
            length: None,
        })
    }

    /// Sends [`Control::Pause`] with a length of its own.
    pub fn pause_for(&self, by: impl Into<Operator>, length: Duration) -> Answer {
        self.send(Control::Pause {
            by: by.into(),
            length: Some(length),
        })
    }

    /// Sends [`Control::Resume`].
    pub fn resume(&self, by: impl Into<Operator>) -> Answer {
        self.send(Control::Resume { by: by.into() })
    }

    /// Sends [`Control::SkipWait`].
    pub fn skip_wait(&self, by: impl Into<Operator>) -> Answer {
        self.send(Control::SkipWait { by: by.into() })
    }

    /// Sends [`Control::Promote`].
    pub fn promote(&self, by: impl Into<Operator>) -> Answer {
        self.send(Control::Promote { by: by.into() })
    }

    /// Sends [`Control::Complete`].
    pub fn complete(&self, by: impl Into<Operator>) -> Answer {
        self.send(Control::Complete { by: by.into() })
    }

    /// Sends [`Control::Hold`].
    pub fn hold(&self, by: impl Into<Operator>) -> Answer {
        self.send(Control::Hold { by: by.into() })
    }

    /// Sends [`Control::Abort`].
    pub fn abort(&self, by: impl Into<Operator>) -> Answer {
        self.send(Control::Abort { by: by.into() })
    }

    /// Sends [`Control::Cancel`].
    pub fn cancel(&self, reason: impl Into<String>) -> Answer {
        self.send(Control::Cancel {
            reason: reason.into(),
        })
    }

    /// Sends [`Control::Stop`].
    pub fn stop(&self, reason: impl Into<String>) -> Answer {
        self.send(Control::Stop {
            reason: reason.into(),
        })
    }
}
