//! Has the platform put everything back, and reads until it says that it has.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    Action, Cause, Failure, HoldReason, NativeEvent, NativeMachine, NativeObservation,
    NativeOutcome, Next, Ordered, RestoreStep, State,
    state::{Fate, Restore},
};
use crate::{
    clock::{between, later},
    engine::retry::{APART, back_off},
    error::ErrorKind,
    native::{NativeStatus, RollBackBy},
};

/// On a clock whose waits take no time, the deployment is read this often.
const MOST_READS: u32 = 60;
/// How long after an order that was not accepted the next order is sent without a read, as in a migration.
const UNREAD: Duration = Duration::from_secs(20);

impl NativeMachine {
    /// Has the platform put everything back. Nothing is read first: the order is right at any moment.
    pub(super) fn take_back(&mut self, at: Timestamp, cause: Cause) -> Next<Action> {
        if let Some(failure) = self.taken_over.clone() {
            return self.give_way(at, failure);
        }
        let restore = self.restore(at, cause);
        self.order(at, restore)
    }

    /// Follows a rollback that this run did not order.
    pub(super) fn went_back(&mut self, at: Timestamp, cause: Cause) -> Next<Action> {
        self.tell(NativeEvent::RollingBack {
            cause: cause.clone(),
            how: None,
        });
        let restore = self.restore(at, cause);
        match self.seen().cloned() {
            Some(seen) => self.on_way_back(at, restore, &seen),
            None => self.read_restore(restore),
        }
    }

    fn restore(&self, at: Timestamp, cause: Cause) -> Restore {
        Restore {
            cause,
            step: RestoreStep::Reading,
            how: None,
            ordered_at: None,
            attempt: 0,
            reads: 0,
            deadline: later(at, self.plan.rollback_within()),
            failure: None,
            told: None,
        }
    }

    fn order(&mut self, at: Timestamp, mut restore: Restore) -> Next<Action> {
        restore.attempt += 1;
        restore.step = RestoreStep::Calling;
        let how = self.way_back(restore.attempt);
        restore.how = Some(how.clone());
        restore.ordered_at = Some(at);
        self.tell(NativeEvent::RollingBack {
            cause: restore.cause.clone(),
            how: Some(how.clone()),
        });
        self.ordered = Some(Ordered {
            is_accepted: false,
            visible_by: later(at, self.propagation),
        });
        self.state = State::Restoring(restore);
        Next::Do(Action::RollBack { how })
    }

    /// Returns the call for this attempt: the answer to a pause that waits, and else a stop. If the platform
    /// refuses the one, the other is next.
    fn way_back(&self, attempt: u32) -> RollBackBy {
        // A pause whose continue may have arrived does not wait any more.
        let is_free = self
            .sent
            .as_ref()
            .is_none_or(|sent| sent.fate == Fate::Arrived);
        let pause = self.seen().and_then(|seen| seen.awaiting().next());
        match pause {
            Some(pause) if is_free && attempt % 2 == 1 => RollBackBy::Answer(pause.id.clone()),
            _ => RollBackBy::Stop,
        }
    }

    pub(super) fn read_restore(&mut self, mut restore: Restore) -> Next<Action> {
        restore.step = RestoreStep::Reading;
        self.state = State::Restoring(restore);
        Next::Do(Action::Observe)
    }

    pub(super) fn on_roll_back_sent(
        &mut self,
        at: Timestamp,
        mut restore: Restore,
        sent: Result<(), Failure>,
    ) -> Next<Action> {
        let how = restore.how.clone().unwrap_or(RollBackBy::Stop);
        let visible_by = later(at, self.propagation);
        match sent {
            Ok(()) => {
                self.ordered = Some(Ordered {
                    is_accepted: true,
                    visible_by,
                });
                restore.failure = None;
                self.tell(NativeEvent::RollBackTaken { how });
                match self.taken_over.clone() {
                    Some(failure) => self.give_way(at, failure),
                    None => self.wait_restore(at, restore, later(at, APART)),
                }
            }
            Err(failure) => {
                self.ordered = (failure.kind == ErrorKind::OutcomeUnknown).then_some(Ordered {
                    is_accepted: false,
                    visible_by,
                });
                let retry_at = later(at, back_off(restore.attempt));
                self.tell(NativeEvent::RollBackFailed {
                    how,
                    failure: failure.clone(),
                    retry_at,
                });
                restore.failure = Some(failure);
                match self.taken_over.clone() {
                    Some(failure) => self.give_way(at, failure),
                    None => self.wait_restore(at, restore, retry_at),
                }
            }
        }
    }

    fn wait_restore(
        &mut self,
        at: Timestamp,
        mut restore: Restore,
        until: Timestamp,
    ) -> Next<Action> {
        if at >= restore.deadline {
            let summary = "NOT PUT BACK: the rollback did not finish in time";
            return self.unresolved(at, summary, Some(restore.cause), restore.failure);
        }
        restore.reads += 1;
        restore.step = RestoreStep::Waiting;
        self.state = State::Restoring(restore);
        Next::Do(Action::Wait { until })
    }

    pub(super) fn on_restore_waited(
        &mut self,
        at: Timestamp,
        restore: Restore,
        clock_fault: bool,
    ) -> Next<Action> {
        if clock_fault && restore.reads > MOST_READS {
            let summary = "NOT PUT BACK: waits take no time on this clock";
            return self.unresolved(at, summary, Some(restore.cause), restore.failure);
        }
        self.read_restore(restore)
    }

    pub(super) fn on_restore_seen(
        &mut self,
        at: Timestamp,
        mut restore: Restore,
        observed: Result<NativeObservation, Failure>,
    ) -> Next<Action> {
        match observed {
            Ok(observed) => {
                let is_older = self.seen().is_some_and(|last| {
                    matches!((observed.updated, last.updated), (Some(new), Some(old)) if new < old)
                        || matches!(
                            (observed.status.place(), last.status.place()),
                            (Some(new), Some(old)) if new < old
                        )
                });
                if is_older {
                    let until = later(at, self.plan.look_interval());
                    return self.wait_restore(at, restore, until);
                }
                self.last = Some((at, observed.clone()));
                self.on_way_back(at, restore, &observed)
            }
            Err(failure) => {
                restore.failure = Some(failure.clone());
                if self.is_order_due(at, &restore) {
                    return self.order(at, restore);
                }
                let retry_at = later(at, back_off(restore.reads + 1));
                self.tell(NativeEvent::ReadFailed { failure, retry_at });
                self.wait_restore(at, restore, retry_at)
            }
        }
    }

    /// Returns whether the order is sent again although the deployment cannot be read: the order is right at
    /// any moment, and the platform has not accepted one.
    fn is_order_due(&self, at: Timestamp, restore: &Restore) -> bool {
        let is_accepted = self.ordered.is_some_and(|ordered| ordered.is_accepted);
        restore.how.is_some()
            && !is_accepted
            && at < restore.deadline
            && restore
                .ordered_at
                .is_none_or(|ordered| between(ordered, at) >= UNREAD)
    }

    fn on_way_back(
        &mut self,
        at: Timestamp,
        mut restore: Restore,
        seen: &NativeObservation,
    ) -> Next<Action> {
        let cause = restore.cause.clone();
        match &seen.status {
            NativeStatus::RolledBack => {
                let report = self.report(at);
                self.end_known(NativeOutcome::RolledBack { cause, report })
            }
            NativeStatus::RollbackFailed => {
                let summary = "NOT PUT BACK: the platform says that its rollback failed";
                self.unresolved(at, summary, Some(cause), restore.failure)
            }
            NativeStatus::Successful => {
                let summary = "NOT PUT BACK: the deployment was complete before the order arrived";
                self.unresolved(at, summary, Some(cause), restore.failure)
            }
            NativeStatus::Stopped => match &seen.successor {
                Some(by) => self.hold(at, HoldReason::Superseded { by: by.clone() }),
                None => {
                    let summary = "NOT PUT BACK: the deployment was stopped without a rollback";
                    self.unresolved(at, summary, Some(cause), restore.failure)
                }
            },
            NativeStatus::RollbackRequested | NativeStatus::RollbackInProgress => {
                let shown = seen.to_string();
                if restore.told.as_ref() != Some(&shown) {
                    restore.told = Some(shown);
                    self.tell(NativeEvent::WayBackSeen {
                        observed: seen.clone(),
                    });
                }
                let until = later(at, self.plan.look_interval());
                self.wait_restore(at, restore, until)
            }
            NativeStatus::Pending
            | NativeStatus::InProgress
            | NativeStatus::StopRequested
            | NativeStatus::Unknown(_) => {
                let is_on_its_way = self
                    .ordered
                    .is_some_and(|ordered| ordered.is_accepted && at < ordered.visible_by);
                if is_on_its_way || at >= restore.deadline {
                    let until = later(at, self.plan.look_interval());
                    return self.wait_restore(at, restore, until);
                }
                if let Some(failure) = self.taken_over.clone() {
                    return self.give_way(at, failure);
                }
                self.order(at, restore)
            }
        }
    }
}
