//! Restores blue: writes until the write is accepted, and reads until reads show it.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    Action, Cause, Control, Failure, HoldReason, Intent, MigrationEvent, MigrationMachine,
    MigrationOutcome, Next, State, TrafficObservation, TrafficSplit, Unchanged,
    preflight::refusal_of,
    reads::Read,
    state::{Confirm, DisarmStep, DisarmingSwitch, Restore, RestoreStep},
};
use crate::{
    clock::{between, later},
    engine::retry::{APART, ATTEMPTS, back_off},
    error::ErrorKind,
    migration::Restored,
    preflight::Finding,
    traffic::{Over, Shift, Shifted},
};

/// How often the run tries to restore blue if waits take no time: without pauses between them, more tries
/// would only hammer a service that asks for fewer.
const MOST_TRIES_WITHOUT_TIME: u32 = 10;

impl Restore {
    pub(super) fn new(at: Timestamp, cause: Cause) -> Self {
        Self {
            cause,
            since: at,
            attempt: 1,
            is_accepted: false,
            blue_since: None,
            relapsed: None,
            lands_until: None,
            stay_until: None,
            is_told: false,
            blind: 0,
            polls: 0,
            failure: None,
            short_blue: None,
            untouched: false,
            outstanding: RestoreStep::Call,
        }
    }

    /// Returns whether an operator asked for the restore: then it writes over everything that is found.
    fn is_asked(&self) -> bool {
        matches!(self.cause, Cause::Asked { .. })
    }
}

impl MigrationMachine {
    /// Puts everything back on blue; ends at once if this run has changed nothing.
    pub(super) fn undo(&mut self, at: Timestamp, cause: Cause) -> Next<Action> {
        if !self.moved {
            return self.unchanged(at, unchanged_by(cause));
        }
        self.tell_rolling_back(&cause);
        let short_blue = self.short_blue().map(|mut short| {
            let why = match &cause {
                Cause::Gate { .. } => "green is failing",
                _ => "it is not certain that green is healthy",
            };
            self.tell(MigrationEvent::AllAtOnce {
                blue: self.last.as_ref().map(|(_, seen)| seen.targets.blue),
                why: why.to_owned(),
            });
            short.at_once = Some(why.to_owned());
            short
        });
        let restore = Restore {
            lands_until: self.lands_until(),
            short_blue,
            ..Restore::new(at, cause)
        };
        self.send_restore(at, restore)
    }

    pub(super) fn tell_rolling_back(&mut self, cause: &Cause) {
        self.tell(MigrationEvent::RollingBack {
            cause: cause.clone(),
            blue: self.last.as_ref().map(|(_, t)| t.targets.blue),
            blue_at_start: self.blue_at_start,
        });
    }

    /// Returns until when a change without an answer may still take effect.
    pub(super) fn lands_until(&self) -> Option<Timestamp> {
        let sent = self.sent.as_ref()?;
        let is_open = sent.accepted.is_none() && !sent.seen;
        is_open.then(|| later(sent.ended, self.propagation))
    }

    pub(super) fn send_restore(&mut self, at: Timestamp, restore: Restore) -> Next<Action> {
        let last = self.last.as_ref().map(|(_, traffic)| traffic);
        let is_asked = restore.is_asked();
        let from = match (last, &self.expected) {
            (Some(last), _) if is_asked || self.is_explained() => last.clone(),
            // A third party's change is not written over: the next read shows whether it is one.
            (Some(_), _) => return self.read_restore(at, restore, APART),
            (None, Some(expected)) => expected.clone(),
            (None, None) => return self.read_restore_now(restore),
        };
        let is_unread = self.may_write_unread(at);
        let over = match (is_unread, is_asked) {
            (true, _) => Over::Held,
            (false, true) => Over::Anything,
            (false, false) => Over::Own(self.own_splits()),
        };
        let to = TrafficSplit::ALL_BLUE;
        self.tell(MigrationEvent::Shifting {
            from: from.clone(),
            to,
            attempt: restore.attempt,
        });
        if let (true, Some(since)) = (is_unread, self.contact.failing) {
            self.tell(MigrationEvent::WritingUnread { since });
        }
        let untouched = restore.untouched || !self.moved;
        self.moved = true;
        self.state = State::Restoring(Restore {
            relapsed: None,
            untouched,
            outstanding: RestoreStep::Call,
            ..restore
        });
        Next::Do(Action::Shift(Shift::new(from, to, over)))
    }

    pub(super) fn on_restore_answered(
        &mut self,
        at: Timestamp,
        mut restore: Restore,
        answer: Result<Shifted, Failure>,
    ) -> Next<Action> {
        if restore.outstanding != RestoreStep::Call {
            self.state = State::Restoring(restore);
            return Next::Keep;
        }
        let to = TrafficSplit::ALL_BLUE;
        let failure = match answer {
            Ok(shifted) => {
                self.sent(at, to, Some(shifted.traffic().weights));
                restore.is_accepted = true;
                restore.untouched = false;
                restore.failure = None;
                if let Intent::Restore(order) = &self.intent
                    && !order.stay.is_zero()
                {
                    restore.stay_until.get_or_insert(later(at, order.stay));
                }
                return match shifted {
                    Shifted::Seen(traffic) => {
                        self.tell(MigrationEvent::Shifted {
                            traffic: traffic.clone(),
                        });
                        self.on_restore_read(at, restore, traffic)
                    }
                    Shifted::Accepted(_) => {
                        self.tell(MigrationEvent::Accepted {
                            to,
                            visible_by: later(at, self.propagation),
                        });
                        self.read_restore(at, restore, Duration::from_secs(1))
                    }
                };
            }
            Err(failure) => failure,
        };
        self.tell(MigrationEvent::WriteFailed {
            to,
            attempt: restore.attempt,
            failure: failure.clone(),
        });
        if failure.kind == ErrorKind::OutcomeUnknown {
            self.sent(at, to, None);
            restore.untouched = false;
        }
        if restore.untouched && is_definite(failure.kind) {
            return self.refused(at, failure);
        }
        restore.attempt += 1;
        restore.failure = Some(failure);
        // Whatever failed, a read shows the present state, and whether reads fail too.
        self.read_restore_now(restore)
    }

    /// Ends a restore that could not begin: this run has changed nothing, and trying again would not help. A
    /// dead-man switch of an earlier run stays armed, since the rule may still be divided.
    fn refused(&mut self, at: Timestamp, failure: Failure) -> Next<Action> {
        self.moved = false;
        let reason = Unchanged::WriteFailed { failure };
        let report = self.report(at);
        let disarming = DisarmingSwitch {
            outcome: MigrationOutcome::Unchanged { reason, report },
            attempt: 1,
            step: DisarmStep::Call,
        };
        self.end_armed(at, disarming)
    }

    pub(super) fn read_restore_now(&mut self, restore: Restore) -> Next<Action> {
        self.state = State::Restoring(Restore {
            outstanding: RestoreStep::Read,
            ..restore
        });
        Next::Do(Action::Observe)
    }

    /// Reads again after `wait`.
    fn read_restore(&mut self, at: Timestamp, restore: Restore, wait: Duration) -> Next<Action> {
        self.wait_restoring(at, restore, RestoreStep::WaitToRead, wait)
    }

    /// Writes again, after a wait that grows.
    fn send_again(&mut self, at: Timestamp, restore: Restore) -> Next<Action> {
        let wait = back_off(restore.blind.max(restore.attempt.saturating_sub(1)));
        self.wait_restoring(at, restore, RestoreStep::WaitToCall, wait)
    }

    fn wait_restoring(
        &mut self,
        at: Timestamp,
        mut restore: Restore,
        outstanding: RestoreStep,
        wait: Duration,
    ) -> Next<Action> {
        if self.taken_over.is_some() && self.expected.is_some() && restore.blind > 0 {
            let summary =
                "UNKNOWN: another controller has taken over, and the split could not be read";
            return self.give_up_restoring(at, restore, summary.to_owned());
        }
        if self.expected.is_none() && restore.blind >= ATTEMPTS {
            let summary = "UNKNOWN: the split could not be read, so nothing was written";
            return self.give_up_restoring(at, restore, summary.to_owned());
        }
        if at >= later(restore.since, self.plan.restore_within()) {
            let summary = match restore.is_accepted {
                true => {
                    "NOT SEEN: a write that puts everything on blue was accepted, but reads do not \
                         show it"
                        .to_owned()
                }
                false => format!(
                    "ROLLBACK FAILED: blue could not be restored in {} tries",
                    restore.attempt
                ),
            };
            return self.give_up_restoring(at, restore, summary);
        }
        restore.polls += 1;
        restore.outstanding = outstanding;
        self.state = State::Restoring(restore);
        Next::Do(Action::Wait {
            until: later(at, wait),
        })
    }

    pub(super) fn on_restore_waited(
        &mut self,
        at: Timestamp,
        restore: Restore,
        clock_fault: bool,
    ) -> Next<Action> {
        if clock_fault && restore.polls > MOST_TRIES_WITHOUT_TIME {
            if restore.blue_since.is_some() {
                return self.restored(at, restore);
            }
            let summary =
                "ROLLBACK FAILED: waits take no time on this clock, and quick tries failed";
            return self.give_up_restoring(at, restore, summary.to_owned());
        }
        match restore.outstanding {
            RestoreStep::WaitToRead => self.read_restore_now(restore),
            RestoreStep::WaitToCall => self.send_restore(at, restore),
            RestoreStep::Call | RestoreStep::Read => {
                self.state = State::Restoring(restore);
                Next::Keep
            }
        }
    }

    pub(super) fn on_restore_observed(
        &mut self,
        at: Timestamp,
        mut restore: Restore,
        observed: Result<TrafficObservation, Failure>,
    ) -> Next<Action> {
        if restore.outstanding != RestoreStep::Read {
            self.state = State::Restoring(restore);
            return Next::Keep;
        }
        let traffic = match observed {
            Ok(traffic) => traffic,
            Err(failure) => {
                let failed = Err(failure.clone());
                if self.take_read(at, &failed) == Read::Gone && self.expected.is_some() {
                    return self.restore_gone(at, restore, failure);
                }
                restore.blind += 1;
                return self.on_restore_blind(at, restore, failure);
            }
        };
        restore.blind = 0;
        if self.taken_over.is_some() {
            // The successor continues from the present state.
            self.read(at, &traffic);
        }
        if let Some(end) = self.give_way(at) {
            return end;
        }
        if self.expected.is_none() {
            return self.on_first_seen(at, restore, traffic);
        }
        self.on_restore_read(at, restore, traffic)
    }

    /// Begins a restore with the first split that is read, whatever it is.
    fn on_first_seen(
        &mut self,
        at: Timestamp,
        restore: Restore,
        traffic: TrafficObservation,
    ) -> Next<Action> {
        self.read(at, &traffic);
        let forced = matches!(&self.intent, Intent::Restore(order) if order.force);
        if traffic.targets.blue.healthy == 0 && !traffic.is_all_blue() && !forced {
            let message = format!("blue has no healthy target: {}", traffic.targets.blue);
            let hint =
                "all traffic would go to a side that cannot serve; `--force` restores anyway";
            let findings = vec![Finding::refusal(message).with_hint(hint)];
            return self.unchanged(at, Unchanged::Refused { findings });
        }
        self.tell(MigrationEvent::RollingBack {
            cause: restore.cause.clone(),
            blue: Some(traffic.targets.blue),
            blue_at_start: None,
        });
        self.send_restore(at, restore)
    }

    /// Takes a read while blue is being restored.
    fn on_restore_read(
        &mut self,
        at: Timestamp,
        mut restore: Restore,
        traffic: TrafficObservation,
    ) -> Next<Action> {
        let read = self.read(at, &traffic);
        if read == Read::Current && traffic.is_all_blue() && restore.is_accepted {
            restore.relapsed = None;
            let blue_since = *restore.blue_since.get_or_insert(at);
            let may_land = restore.lands_until.is_some_and(|until| at < until);
            if between(blue_since, at) >= APART && !may_land {
                return match restore.stay_until {
                    Some(until) if at < until => self.stay(at, restore, until),
                    _ => self.restored(at, restore),
                };
            }
            return self.read_restore(at, restore, APART);
        }
        if restore.is_told {
            // Another controller's late call, or an older read: writing blue again is right for both.
            restore.is_told = false;
            restore.blue_since = None;
            restore.attempt = 1;
            return self.send_restore(at, restore);
        }
        let had_blue = restore.blue_since.take().is_some();
        if !restore.is_accepted {
            if read == Read::Drift && !restore.is_asked() {
                return self.blocked(at, traffic, restore);
            }
            if read == Read::Suspect && !restore.is_asked() {
                return self.read_restore(at, restore, APART);
            }
            return self.send_again(at, restore);
        }
        // A rise that took effect late, or a change that an operator's restore must write over.
        if had_blue {
            restore.relapsed = Some(at);
        }
        let is_apart = |first| between(first, at) >= APART;
        let is_relapse = restore.relapsed.is_some_and(is_apart);
        match read {
            Read::Drift if !restore.is_asked() => self.blocked(at, traffic, restore),
            Read::Drift | Read::NeverSeen => self.resend(at, restore),
            Read::NotSeenYet if is_relapse => self.resend(at, restore),
            Read::Current => self.resend(at, restore),
            _ => self.read_restore(at, restore, APART),
        }
    }

    /// An accepted write is not there: it is written again, at once.
    fn resend(&mut self, at: Timestamp, mut restore: Restore) -> Next<Action> {
        restore.attempt += 1;
        if restore.attempt > 2 {
            return self.send_again(at, restore);
        }
        self.send_restore(at, restore)
    }

    fn on_restore_blind(
        &mut self,
        at: Timestamp,
        mut restore: Restore,
        failure: Failure,
    ) -> Next<Action> {
        let wait = back_off(restore.blind.max(restore.attempt.saturating_sub(1)));
        self.tell(MigrationEvent::ReadFailed {
            failure: failure.clone(),
            retry_at: later(at, wait),
        });
        if self.expected.is_none() && !failure.kind.is_transient() {
            // A restore that cannot even begin: the rule does not exist, or may not be read.
            let findings = vec![refusal_of(&failure)];
            return self.unchanged(at, Unchanged::Refused { findings });
        }
        restore.failure = Some(failure);
        // After an accepted write the rule is read again; else blue is written again, which reads first.
        match restore.is_accepted || self.expected.is_none() {
            true => self.read_restore(at, restore, wait),
            false => self.send_again(at, restore),
        }
    }

    /// Ends, since the rule or a target group of the restore was deleted.
    pub(super) fn restore_gone(
        &mut self,
        at: Timestamp,
        mut restore: Restore,
        failure: Failure,
    ) -> Next<Action> {
        if matches!(restore.cause, Cause::Cancelled { .. }) {
            return self.hold(at, HoldReason::Gone { failure });
        }
        restore.failure = Some(failure);
        let summary = "ROLLBACK BLOCKED: the rule or a target group is gone";
        self.give_up_restoring(at, restore, summary.to_owned())
    }

    /// Ends, since a third party's change stands against the restore.
    fn blocked(
        &mut self,
        at: Timestamp,
        found: TrafficObservation,
        restore: Restore,
    ) -> Next<Action> {
        if self.has_fired(at, &found) {
            return self.on_fired(at, found);
        }
        let diff = self.tell_drift(at, found);
        let summary = format!(
            "ROLLBACK BLOCKED: a third party changed the rule ({}), and this run does not write over \
             that",
            diff.join("; ")
        );
        self.give_up_restoring(at, restore, summary)
    }

    fn tell_restored(&mut self, restore: &mut Restore) {
        if let (false, Some((_, traffic))) = (restore.is_told, self.last.clone()) {
            self.tell(MigrationEvent::Restored { traffic });
        }
        restore.is_told = true;
    }

    /// Waits on, since blue is restored and a change of another controller may still land.
    fn stay(&mut self, at: Timestamp, mut restore: Restore, until: Timestamp) -> Next<Action> {
        if !restore.is_told {
            self.tell_restored(&mut restore);
            self.tell(MigrationEvent::Staying { until });
        }
        self.read_restore(at, restore, APART.min(between(at, until)))
    }

    fn confirm_of(&self, at: Timestamp, restore: Restore) -> Confirm {
        let restored_at = restore.blue_since.unwrap_or(at);
        Confirm {
            cause: restore.cause,
            restored_at,
            until: later(restored_at, self.plan.confirm_within()),
            stickiness: self.traffic().and_then(|traffic| traffic.stickiness),
            short_blue: restore.short_blue,
            looking: false,
        }
    }

    /// Ends the wait after a restore, since a control asks for that.
    pub(super) fn end_stay(&mut self, at: Timestamp, restore: Restore) -> Next<Action> {
        let confirm = self.confirm_of(at, restore);
        self.finish_restored(at, confirm, None)
    }

    fn restored(&mut self, at: Timestamp, mut restore: Restore) -> Next<Action> {
        self.standings.clear();
        self.tell_restored(&mut restore);
        let confirm = self.confirm_of(at, restore);
        // A cancellation has little time: a signal's grace ends before metrics settle. An operator's
        // restore waits for metrics only if the order says so.
        let is_hurried = match (&confirm.cause, &self.intent) {
            (Cause::Cancelled { control }, _) => matches!(control, Control::Cancel { .. }),
            (Cause::Asked { .. }, Intent::Restore(order)) => !order.confirm,
            _ => false,
        };
        // For an order that waits for metrics no gate has looked yet, since it begins with a restore.
        let is_ordered = matches!(&self.intent, Intent::Restore(order) if order.confirm);
        let is_unwatched = !is_ordered && !self.standings.may_count_requests();
        let is_over = self.taken_over.is_some();
        let is_impossible =
            self.plan.unconfirmable().is_some() || self.plan.confirm_within().is_zero();
        if is_over || is_hurried || is_unwatched || is_impossible {
            return self.finish_restored(at, confirm, None);
        }
        self.wait_confirming(at, confirm)
    }

    pub(super) fn finish_restored(
        &mut self,
        at: Timestamp,
        confirm: Confirm,
        confirmed: Option<Timestamp>,
    ) -> Next<Action> {
        let pinned_until = confirm.stickiness.map(|s| later(confirm.restored_at, s));
        let restored = Restored {
            at: confirm.restored_at,
            confirmed,
            unconfirmable: self.plan.unconfirmable().map(str::to_owned),
            pinned_until: pinned_until.filter(|until| *until > at),
            short_blue: confirm.short_blue,
        };
        let report = self.report(at);
        let outcome = MigrationOutcome::RolledBack {
            cause: confirm.cause,
            restored,
            report,
        };
        self.end_known(at, outcome)
    }

    /// Ends with traffic that is not on the right side, or is not known.
    pub(super) fn give_up_restoring(
        &mut self,
        at: Timestamp,
        restore: Restore,
        summary: String,
    ) -> Next<Action> {
        let is_sent = restore.outstanding == RestoreStep::Call;
        let mut unresolved = self.unresolved(at, summary);
        unresolved.cause = Some(restore.cause);
        unresolved.failure = restore.failure;
        unresolved.change_unseen |= is_sent;
        self.end_unresolved(unresolved)
    }
}

/// Whether AWS or the adapter has refused a change, and would refuse the same change again.
fn is_definite(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Denied | ErrorKind::Invalid | ErrorKind::Refused
    )
}

/// Returns the reason for an end without change, if a cause comes before anything left blue.
pub(super) fn unchanged_by(cause: Cause) -> Unchanged {
    match cause {
        Cause::Gate { gate, summary } => Unchanged::NotReady {
            summary: format!("gate `{gate}`: {summary}"),
        },
        Cause::Deadline { summary } => Unchanged::NotReady { summary },
        Cause::WriteFailed { failure } => Unchanged::WriteFailed { failure },
        Cause::JournalFailed { failure } => Unchanged::JournalFailed { failure },
        Cause::ClockFault => Unchanged::ClockFault,
        Cause::Cancelled { control } => Unchanged::Cancelled { control },
        cause @ (Cause::SwitchFailed { .. } | Cause::SwitchFired | Cause::NeverVisible { .. }) => {
            Unchanged::NotReady {
                summary: cause.to_string(),
            }
        }
        Cause::Asked { .. } => Unchanged::NotReady {
            summary: "blue serves everything already".to_owned(),
        },
    }
}
