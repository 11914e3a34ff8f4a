//! Stops at a call, for tests that kill a controller or suspend it.

use tokio::sync::watch;

use super::fault::Selector;

/// The moment of a call at which to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Moment {
    /// Before anything has happened.
    BeforeEffect,
    /// After the effect, before the answer.
    AfterEffect,
}

/// A call that stops, and with it every task that waits for its answer.
///
/// Made by [`Simulation::stop_at`](super::Simulation::stop_at). A test that waits for
/// [`reached`](Self::reached) beside a run, and then drops the run, has killed the run at that very
/// moment.
#[derive(Debug)]
pub struct Stop {
    reached: watch::Receiver<bool>,
    go_on: watch::Sender<bool>,
}

impl Stop {
    /// Returns when the call has stopped; never, if the run does not make the call.
    pub async fn reached(&mut self) {
        // The sender lives as long as the world.
        if self.reached.wait_for(|reached| *reached).await.is_err() {
            std::future::pending().await
        }
    }

    /// Lets the call continue.
    pub fn go_on(&self) {
        self.go_on.send_replace(true);
    }
}

/// The other end, at the call.
#[derive(Debug, Clone)]
pub(super) struct StopPoint {
    pub(super) calls: Selector,
    pub(super) moment: Moment,
    reached: watch::Sender<bool>,
    go_on: watch::Receiver<bool>,
}

impl StopPoint {
    pub(super) fn new(calls: Selector, moment: Moment) -> (Self, Stop) {
        let (reached, seen) = watch::channel(false);
        let (release, go_on) = watch::channel(false);
        let point = Self {
            calls,
            moment,
            reached,
            go_on,
        };
        let stop = Stop {
            reached: seen,
            go_on: release,
        };
        (point, stop)
    }

    /// Stops here until the call may continue.
    pub(super) async fn wait(mut self) {
        self.reached.send_replace(true);
        // If the handle was dropped, nothing can let the call continue.
        if self.go_on.wait_for(|go_on| *go_on).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
