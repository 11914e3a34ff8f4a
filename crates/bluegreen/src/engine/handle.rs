//! [`ControlHandle`]: gives controls to a run, and brings their effect back.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::sync::{mpsc, oneshot};

use super::{Control, ControlEffect, Operator};

/// Controls a run from anywhere: another task, a signal handler's thread, a web server.
///
/// Sending never blocks and never fails. Each call returns an [`Answer`] that may be waited for or
/// dropped. A control that is given before the run starts takes effect from the first step on.
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

/// The answer to a control: a future that gives its [`ControlEffect`] as soon as the run has taken
/// the control, at once or after the call that is under way. After the end of the run, and if the run is
/// dropped, the effect is [`ControlEffect::Ignored`].
///
/// # Cancel safety
///
/// Dropping the answer changes nothing: the control takes effect all the same.
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
        // If the run has ended, the sender of the answer is dropped here, and the answer says so.
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

    /// Sends [`Control::Continue`].
    pub fn continue_run(&self, by: impl Into<Operator>) -> Answer {
        self.send(Control::Continue { by: by.into() })
    }

    /// Sends [`Control::SkipWait`].
    pub fn skip_wait(&self, by: impl Into<Operator>) -> Answer {
        self.send(Control::SkipWait { by: by.into() })
    }

    /// Sends [`Control::Promote`].
    pub fn promote(&self, by: impl Into<Operator>) -> Answer {
        self.send(Control::Promote { by: by.into() })
    }

    /// Sends [`Control::PromoteFully`].
    pub fn promote_fully(&self, by: impl Into<Operator>) -> Answer {
        self.send(Control::PromoteFully { by: by.into() })
    }

    /// Sends [`Control::Leave`]. The reason stands in the outcome.
    pub fn leave(&self, by: impl Into<Operator>, reason: impl Into<String>) -> Answer {
        let by = by.into().with_reason(reason);
        self.send(Control::Leave { by })
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
