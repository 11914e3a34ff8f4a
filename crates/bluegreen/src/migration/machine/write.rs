//! Changing the split: write, read back, and where that fails, observe before anything else.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    Action, Cause, Control, Failure, HoldReason, Intent, MigrationEvent, MigrationMachine,
    MigrationOutcome, Next, Stage, State, TrafficObservation, TrafficSplit, Unchanged, Unresolved,
    preflight::refusal_of,
    retry::{ATTEMPTS, MOST_TRIES_WITHOUT_TIME, back_off},
    state::{Confirm, Goal, ThenWatch, Write},
};
use crate::{clock::later, error::ErrorKind, migration::Restored, preflight::Finding};

impl Write {
    pub(super) fn new(at: Timestamp, goal: Goal) -> Self {
        Self {
            goal,
            attempt: 1,
            blind: 0,
            since: at,
            unseen: None,
            failure: None,
            then: None,
        }
    }

    /// How long to wait before the next try.
    fn delay(&self) -> Duration {
        back_off(self.blind.max(self.attempt.saturating_sub(1)))
    }

    pub(super) fn is_restore(&self) -> bool {
        matches!(self.goal, Goal::Restore { .. })
    }
}

impl MigrationMachine {
    pub(super) fn wanted(&self, write: &Write) -> TrafficSplit {
        match &write.goal {
            Goal::Rise { step, .. } => TrafficSplit::to_green(self.plan.steps()[*step].green),
            Goal::Restore { .. } => TrafficSplit::ALL_BLUE,
        }
    }

    /// Sends the change that `write` wants, from the routing as it was last read.
    pub(super) fn write(&mut self, at: Timestamp, write: Write) -> Next<Action> {
        let Some((_, from)) = self.last.clone() else {
            return self.observe(write);
        };
        if let (Some(failure), false) = (self.journal_failure.clone(), write.is_restore()) {
            return self.undo(at, Cause::JournalFailed { failure });
        }
        let to = self.wanted(&write);
        let attempt = match &write.goal {
            Goal::Rise { back, .. } => back.failed_rises + 1,
            Goal::Restore { .. } => write.attempt,
        };
        self.tell(MigrationEvent::Shifting {
            from: from.clone(),
            to,
            attempt,
        });
        self.moved = true;
        let restores = write.is_restore();
        debug_assert!(
            self.taken_over.is_none(),
            "a successor writes, not this run"
        );
        self.state = State::Writing(write);
        Next::Do(Action::Shift { from, to, restores })
    }

    pub(super) fn observe(&mut self, write: Write) -> Next<Action> {
        self.state = State::Verifying(write);
        Next::Do(Action::Observe)
    }

    /// Puts everything back on blue; ends at once where nothing has left it.
    pub(super) fn undo(&mut self, at: Timestamp, cause: Cause) -> Next<Action> {
        let expected = self.expected.as_ref();
        if !self.moved || expected.is_none_or(TrafficObservation::is_all_blue) {
            return self.unchanged(at, unchanged_by(cause));
        }
        self.tell(MigrationEvent::RollingBack {
            cause: cause.clone(),
            blue: self.last.as_ref().map(|(_, t)| t.targets.blue),
            blue_at_start: self.blue_at_start,
        });
        self.write(at, Write::new(at, Goal::Restore { cause }))
    }

    pub(super) fn on_shifted(
        &mut self,
        at: Timestamp,
        mut write: Write,
        shifted: Result<TrafficObservation, Failure>,
    ) -> Next<Action> {
        let to = self.wanted(&write);
        let failure = match shifted {
            Ok(traffic) if traffic.is_at(to) => {
                self.tell(MigrationEvent::Shifted {
                    traffic: traffic.clone(),
                });
                return self.written(at, write, traffic);
            }
            Ok(traffic) => Failure::new(
                ErrorKind::Conflict,
                format!("wrote {to} and read back {traffic}"),
            ),
            Err(failure) => failure,
        };
        self.tell(MigrationEvent::WriteFailed {
            to,
            attempt: write.attempt,
            failure: failure.clone(),
        });
        write.unseen = Some(to);
        write.failure = Some(failure);
        self.observe(write)
    }

    /// The wanted split was read back.
    pub(super) fn written(
        &mut self,
        at: Timestamp,
        write: Write,
        traffic: TrafficObservation,
    ) -> Next<Action> {
        self.remember(at, &traffic);
        self.expected = Some(traffic.clone());
        self.standings.clear();
        if let (Goal::Rise { .. }, Some(failure)) = (&write.goal, self.taken_over.clone()) {
            return self.hold(at, HoldReason::TakenOver { failure });
        }
        match write.goal {
            Goal::Rise { step, .. } => {
                let this = self.plan.steps()[step];
                let (bake, deadline) = (self.plan.bake_of(&this), self.plan.deadline_of(&this));
                let watch = self.watch(at, Stage::Step(step), bake, deadline);
                self.outdate_switch();
                match (write.then, self.journal_failure.clone()) {
                    (Some(control), _) => self.on_control(at, State::Watching(watch), control),
                    (None, Some(failure)) => self.undo(at, Cause::JournalFailed { failure }),
                    (None, None) => self.arm_switch(at, watch, ThenWatch::Wait),
                }
            }
            Goal::Restore { cause } => {
                let stickiness = traffic.stickiness;
                self.tell(MigrationEvent::Restored { traffic });
                let confirm = Confirm {
                    cause,
                    restored_at: at,
                    until: later(at, self.plan.confirm_within()),
                    stickiness,
                    looking: false,
                };
                // Whoever cancels is in a hurry: a signal's grace ends before metrics settle.
                let is_hurried = matches!(
                    confirm.cause,
                    Cause::Cancelled {
                        control: Control::Cancel { .. }
                    }
                );
                let nobody_looks = self.standings.is_empty();
                let is_over = self.taken_over.is_some();
                if is_over || is_hurried || nobody_looks || self.plan.confirm_within().is_zero() {
                    return self.finish_restored(at, confirm, None);
                }
                self.wait_confirming(at, confirm)
            }
        }
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
            pinned_until: pinned_until.filter(|until| *until > at),
        };
        let report = self.report(at);
        let outcome = MigrationOutcome::RolledBack {
            cause: confirm.cause,
            restored,
            report,
        };
        self.end_known(at, outcome)
    }

    pub(super) fn on_verified(
        &mut self,
        at: Timestamp,
        mut write: Write,
        observed: Result<TrafficObservation, Failure>,
    ) -> Next<Action> {
        let traffic = match observed {
            Ok(traffic) => traffic,
            Err(failure) => {
                write.blind += 1;
                return self.on_blind(at, write, failure);
            }
        };
        write.blind = 0;
        if let Some(failure) = self.taken_over.clone() {
            // Whatever is there, the one who took over goes on from it.
            self.remember(at, &traffic);
            return self.hold(at, HoldReason::TakenOver { failure });
        }
        if self.expected.is_none() {
            return self.on_first_seen(at, write, traffic);
        }
        let same_rule = |known: &TrafficObservation| known.fingerprint == traffic.fingerprint;
        let same_rule = self.expected.as_ref().is_some_and(same_rule);
        let is_back = write.is_restore() && traffic.is_all_blue();
        let unseen = write.unseen.take();
        let is_unseen = same_rule && unseen.is_some_and(|split| traffic.is_at(split));
        let is_as_before = !self.is_changed(&traffic);
        if !(is_back || is_unseen || is_as_before) {
            return self.drifted(at, traffic);
        }
        let happened = is_back || (same_rule && traffic.is_at(self.wanted(&write)));
        self.tell(MigrationEvent::WriteObserved {
            traffic: traffic.clone(),
            happened,
        });
        if happened {
            return self.written(at, write, traffic);
        }
        self.remember(at, &traffic);
        self.expected = Some(traffic);
        match write.goal {
            Goal::Rise { mut back, .. } => {
                back.failed_rises += 1;
                if let Some(control) = write.then {
                    return self.on_control(at, State::Watching(*back), control);
                }
                let failure = write.failure.unwrap_or_else(unknown);
                // A conflict that left no trace may be tried again, like what passes by itself.
                let lasts = !failure.kind.is_transient() && failure.kind != ErrorKind::Conflict;
                if lasts || back.failed_rises >= self.plan.write_attempts() {
                    return self.undo(at, Cause::WriteFailed { failure });
                }
                if let Some(failure) = self.journal_failure.clone() {
                    return self.undo(at, Cause::JournalFailed { failure });
                }
                self.wait(at, *back)
            }
            Goal::Restore { .. } => {
                write.attempt += 1;
                self.back_off(at, write)
            }
        }
    }

    /// A restore that begins with an observation, from whatever split is found.
    fn on_first_seen(
        &mut self,
        at: Timestamp,
        write: Write,
        traffic: TrafficObservation,
    ) -> Next<Action> {
        self.remember(at, &traffic);
        self.expected = Some(traffic.clone());
        if traffic.is_all_blue() {
            return self.written(at, write, traffic);
        }
        let forced = matches!(self.intent, Intent::Restore { force: true, .. });
        if traffic.targets.blue.healthy == 0 && !forced {
            let message = format!("blue has no healthy target: {}", traffic.targets.blue);
            let hint =
                "everything would go to a side that cannot serve; `--force` does it all the same";
            let findings = vec![Finding::refusal(message).with_hint(hint)];
            return self.unchanged(at, Unchanged::Refused { findings });
        }
        let Goal::Restore { cause } = write.goal.clone() else {
            return self.observe(write);
        };
        self.tell(MigrationEvent::RollingBack {
            cause,
            blue: Some(traffic.targets.blue),
            blue_at_start: None,
        });
        self.write(at, write)
    }

    fn is_changed(&self, traffic: &TrafficObservation) -> bool {
        let expected = self.expected.as_ref();
        !expected.is_some_and(|expected| traffic.is_same_routing(expected))
    }

    /// The observation after a write failed: nobody knows where traffic is.
    fn on_blind(&mut self, at: Timestamp, mut write: Write, failure: Failure) -> Next<Action> {
        let retry_at = later(at, write.delay());
        self.tell(MigrationEvent::ReadFailed {
            failure: failure.clone(),
            retry_at,
        });
        if self.expected.is_none() && !failure.kind.is_transient() {
            // A restore that cannot even begin: the rule is not there, or may not be read.
            let findings = vec![refusal_of(&failure)];
            return self.unchanged(at, Unchanged::Refused { findings });
        }
        write.failure = Some(failure);
        self.back_off(at, write)
    }

    fn back_off(&mut self, at: Timestamp, write: Write) -> Next<Action> {
        if self.taken_over.is_some() {
            let summary = "UNKNOWN: somebody else has taken over, and the split could not be read";
            return self.give_up(at, write, summary.to_owned());
        }
        if self.expected.is_none() && write.blind >= ATTEMPTS {
            let summary = "UNKNOWN: the split could not be read, so nothing was written";
            return self.give_up(at, write, summary.to_owned());
        }
        if at >= later(write.since, self.plan.restore_within()) {
            let tries = write.attempt;
            let summary = if write.is_restore() {
                format!("ROLLBACK FAILED: blue could not be restored in {tries} tries")
            } else {
                "UNKNOWN: a change was sent and the split could not be read since".to_owned()
            };
            return self.give_up(at, write, summary);
        }
        let until = later(at, write.delay());
        self.state = State::BackingOff(write);
        Next::Do(Action::Wait { until })
    }

    pub(super) fn on_backed_off(
        &mut self,
        at: Timestamp,
        write: Write,
        clock_fault: bool,
    ) -> Next<Action> {
        if clock_fault && write.attempt + write.blind > MOST_TRIES_WITHOUT_TIME {
            let summary =
                "ROLLBACK FAILED: waits take no time on this clock, and quick tries failed";
            return self.give_up(at, write, summary.to_owned());
        }
        if write.unseen.is_some() || write.blind > 0 {
            self.observe(write)
        } else {
            self.write(at, write)
        }
    }

    /// Ends with traffic that is not where it should be, or not known.
    pub(super) fn give_up(&mut self, at: Timestamp, write: Write, summary: String) -> Next<Action> {
        let change_unseen = write.unseen.is_some();
        let unresolved = Unresolved {
            summary,
            cause: match write.goal {
                Goal::Rise { .. } => None,
                Goal::Restore { cause } => Some(cause),
            },
            failure: write.failure,
            change_unseen,
            report: self.report(at),
        };
        self.end_unresolved(unresolved)
    }
}

fn unknown() -> Failure {
    Failure::new(ErrorKind::Unavailable, "the write failed without a reason")
}

/// Why nothing has changed, where a cause comes before anything left blue.
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
        cause @ (Cause::SwitchFailed { .. } | Cause::SwitchFired) => Unchanged::NotReady {
            summary: cause.to_string(),
        },
        Cause::Asked { .. } => Unchanged::NotReady {
            summary: "blue serves everything already".to_owned(),
        },
    }
}
