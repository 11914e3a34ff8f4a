//! Stopping at a call: the ground of tests that kill a controller, or let it sleep.

use tokio::sync::watch;

use super::fault::Selector;

/// Where in a call to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Moment {
    /// Before anything has happened.
    BeforeEffect,
    /// When it has happened, and the answer is not there yet.
    AfterEffect,
}

/// A call that stops, and everybody who waits for its answer with it.
///
/// Made by [`Simulation::stop_at`](super::Simulation::stop_at). A test that waits for
/// [`reached`](Self::reached) beside a run, and drops the run then, has killed it at that very
/// moment.
#[derive(Debug)]
pub struct Stop {
    reached: watch::Receiver<bool>,
    go_on: watch::Sender<bool>,
}

impl Stop {
    /// Returns when the call is there. Never, where the run never makes it.
    pub async fn reached(&mut self) {
        // The sender lives as long as the world.
        if self.reached.wait_for(|reached| *reached).await.is_err() {
            std::future::pending().await
        }
    }

    /// Whether the call is, or was, there.
    #[must_use]
    pub fn is_reached(&self) -> bool {
        *self.reached.borrow()
    }

    /// Lets the call go on.
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

    /// Stops here until it is let go on.
    pub(super) async fn wait(mut self) {
        self.reached.send_replace(true);
        // Whoever dropped the handle cannot let it go on.
        if self.go_on.wait_for(|go_on| *go_on).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
