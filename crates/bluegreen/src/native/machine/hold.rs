//! Leaves the deployment as it is: read once more, then the run ends.

use jiff::Timestamp;

use super::{
    Action, Failure, HoldReason, NativeEvent, NativeMachine, NativeObservation, NativeOutcome,
    Next, Retry, State, Unchanged, reads::Read, state::Holding,
};
use crate::{
    clock::later,
    engine::retry::{ATTEMPTS, back_off},
};

/// How often the deployment is read if every read is old.
const MOST_READS: u32 = 30;

impl NativeMachine {
    /// Leaves the deployment as it is, once it has been read.
    pub(super) fn hold(&mut self, at: Timestamp, reason: HoldReason) -> Next<Action> {
        let is_fresh = self.last.as_ref().is_some_and(|(read, _)| *read == at);
        let is_gone = matches!(reason, HoldReason::Gone);
        if (is_gone || is_fresh) && !self.is_unseen() {
            return self.held(at, reason);
        }
        self.state = State::Holding(Holding {
            reason,
            retry: Retry {
                attempt: 1,
                waiting: false,
            },
        });
        Next::Do(Action::Observe)
    }

    /// Another controller has taken over: this process reads once more and ends.
    pub(super) fn give_way(&mut self, at: Timestamp, failure: Failure) -> Next<Action> {
        let has_acted = self.sent.is_some() || self.ordered.is_some();
        match self.started {
            Some(_) if self.last.is_some() || has_acted => {
                self.hold(at, HoldReason::TakenOver { failure })
            }
            _ => self.unchanged(at, Unchanged::JournalFailed { failure }),
        }
    }

    pub(super) fn on_hold_seen(
        &mut self,
        at: Timestamp,
        holding: Holding,
        observed: Result<NativeObservation, Failure>,
    ) -> Next<Action> {
        let attempt = holding.retry.attempt;
        match self.read(at, &observed) {
            Read::Old if attempt < MOST_READS => {
                let until = later(at, back_off(attempt));
                let until = self.unseen_until().map_or(until, |by| until.min(by));
                let until = until.max(later(at, back_off(1)));
                self.hold_later(holding, until)
            }
            Read::NeverVisible(pause) => {
                let reason = holding.reason;
                let summary = format!("{reason}; the answer to {pause} never became visible");
                self.unresolved(at, summary, None, None)
            }
            Read::Gone if !self.is_unseen() => self.held(at, holding.reason),
            Read::Failed | Read::Suspect | Read::Gone
                if observed.is_err() && attempt < ATTEMPTS =>
            {
                let until = later(at, back_off(attempt));
                if let Err(failure) = observed {
                    self.tell(NativeEvent::ReadFailed {
                        failure,
                        retry_at: until,
                    });
                }
                self.hold_later(holding, until)
            }
            // What was read before the change does not say what stands.
            Read::Old if self.is_unseen() => self.hold_unread(at, holding.reason, None),
            _ if observed.is_err() && self.is_unseen() => {
                self.hold_unread(at, holding.reason, observed.err())
            }
            _ => self.held(at, holding.reason),
        }
    }

    fn hold_unread(
        &mut self,
        at: Timestamp,
        reason: HoldReason,
        failure: Option<Failure>,
    ) -> Next<Action> {
        let summary = format!("{reason}; the deployment cannot be read");
        self.unresolved(at, summary, None, failure)
    }

    fn hold_later(&mut self, mut holding: Holding, until: Timestamp) -> Next<Action> {
        holding.retry.attempt += 1;
        holding.retry.waiting = true;
        self.state = State::Holding(holding);
        Next::Do(Action::Wait { until })
    }

    pub(super) fn on_hold_waited(
        &mut self,
        at: Timestamp,
        mut holding: Holding,
        clock_fault: bool,
    ) -> Next<Action> {
        if clock_fault && holding.retry.attempt > ATTEMPTS {
            let reason = holding.reason;
            let summary = format!("{reason}; waits take no time on this clock");
            return self.unresolved(at, summary, None, None);
        }
        holding.retry.waiting = false;
        self.state = State::Holding(holding);
        Next::Do(Action::Observe)
    }

    fn held(&mut self, at: Timestamp, reason: HoldReason) -> Next<Action> {
        let report = self.report(at);
        self.end_known(NativeOutcome::Held { reason, report })
    }
}
