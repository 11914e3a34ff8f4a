//! Green's rise: the write, and the wait until reads show it.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    Action, Cause, Control, Failure, MigrationEvent, MigrationMachine, Next, Stage, State,
    TrafficObservation, TrafficSplit, Watch,
    reads::Read,
    state::{Rise, RiseStep, ThenWatch},
};
use crate::{
    clock::later,
    engine::{ControlEffect, OnCancel, retry::APART},
    error::ErrorKind,
    migration::LookReport,
    traffic::{Over, Shift, Shifted},
};

/// How long after its propagation time a rise may stay unread before blue is restored.
const BLIND: Duration = Duration::from_secs(60);

impl MigrationMachine {
    pub(super) fn split_of(&self, step: usize) -> TrafficSplit {
        TrafficSplit::to_green(self.plan.steps()[step].green)
    }

    /// Sends the rise to `step`, from the routing as it was read at this look.
    pub(super) fn send_rise(&mut self, at: Timestamp, step: usize, back: Watch) -> Next<Action> {
        let Some((_, from)) = self.last.clone() else {
            return self.look_now(at, back);
        };
        if let Some(failure) = self.journal_failure.clone() {
            return self.undo(at, Cause::JournalFailed { failure });
        }
        debug_assert!(
            self.taken_over.is_none(),
            "after a takeover only the successor writes"
        );
        let to = self.split_of(step);
        self.tell(MigrationEvent::Shifting {
            from: from.clone(),
            to,
            attempt: back.failed_rises + 1,
        });
        self.state = State::Rising(Rise {
            step,
            back: Box::new(back),
            looks: 0,
            controls: Vec::new(),
            outstanding: RiseStep::Call,
        });
        Next::Do(Action::Shift(Shift::new(from, to, Over::Observed)))
    }

    pub(super) fn on_rise_answered(
        &mut self,
        at: Timestamp,
        rise: Rise,
        answer: Result<Shifted, Failure>,
    ) -> Next<Action> {
        let to = self.split_of(rise.step);
        match answer {
            Ok(shifted) => {
                self.moved = true;
                self.sent(at, to, Some(shifted.traffic().weights));
                match shifted {
                    Shifted::Seen(traffic) => {
                        self.read(at, &traffic);
                        return self.stepped(at, rise, traffic);
                    }
                    Shifted::Accepted(_) => self.tell(MigrationEvent::Accepted {
                        to,
                        visible_by: later(at, self.propagation),
                    }),
                }
            }
            Err(failure) => {
                self.tell(MigrationEvent::WriteFailed {
                    to,
                    attempt: rise.back.failed_rises + 1,
                    failure: failure.clone(),
                });
                if failure.kind != ErrorKind::OutcomeUnknown {
                    return self.not_risen(at, rise, failure);
                }
                self.moved = true;
                self.sent(at, to, None);
            }
        }
        self.await_rise(at, rise, None)
    }

    /// Waits for the next look at a rise that no read has shown, for at most `soon`.
    fn await_rise(&mut self, at: Timestamp, rise: Rise, soon: Option<Duration>) -> Next<Action> {
        if let Some(end) = self.give_way(at) {
            return end;
        }
        if let Some(failure) = self.journal_failure.clone() {
            return self.undo(at, Cause::JournalFailed { failure });
        }
        if let Some(control) = rise.controls.iter().find(|c| self.is_undoing(c)).cloned() {
            return self.undo(at, Cause::Cancelled { control });
        }
        // 1, 2, 4, 8 seconds, then the interval.
        let back_off = Duration::from_secs(1 << rise.looks.min(3));
        let back_off = back_off.min(self.plan.look_interval());
        let until = later(at, soon.map_or(back_off, |soon| soon.min(back_off)));
        self.state = State::Rising(Rise {
            outstanding: RiseStep::Wait,
            ..rise
        });
        Next::Do(Action::Wait { until })
    }

    /// Returns whether a control restores blue at once.
    pub(super) fn is_undoing(&self, control: &Control) -> bool {
        match control {
            Control::Abort { .. } => true,
            Control::Cancel { .. } => self.plan.on_cancel() == OnCancel::RollBack,
            _ => false,
        }
    }

    pub(super) fn on_rise_waited(
        &mut self,
        at: Timestamp,
        rise: Rise,
        clock_fault: bool,
    ) -> Next<Action> {
        if rise.outstanding != RiseStep::Wait {
            self.state = State::Rising(rise);
            return Next::Keep;
        }
        if clock_fault {
            return self.undo(at, Cause::ClockFault);
        }
        self.look_at_rise(at, rise)
    }

    pub(super) fn look_at_rise(&mut self, at: Timestamp, rise: Rise) -> Next<Action> {
        // The evidence of the new step begins when a read shows the rise: until then the gates look at
        // the stage before.
        let progress = self.progress(at, rise.back.stage.phase(), rise.back.since);
        let deadline = rise.back.deadline.min(self.deadline);
        self.state = State::Rising(Rise {
            looks: rise.looks + 1,
            outstanding: RiseStep::Look,
            ..rise
        });
        self.look_until(at, progress, deadline)
    }

    pub(super) fn on_rise_looked(
        &mut self,
        at: Timestamp,
        rise: Rise,
        look: LookReport,
    ) -> Next<Action> {
        if rise.outstanding != RiseStep::Look {
            self.state = State::Rising(rise);
            return Next::Keep;
        }
        self.standings.take(at, look.gates, self.standing_time());
        self.tell(MigrationEvent::Looked {
            phase: rise.back.stage.phase(),
            traffic: look.traffic.clone(),
            gates: self.standings.at(at),
            paused: false,
            bake_until: rise.back.bake_until,
            deadline: rise.back.deadline.min(self.deadline),
            next_look: later(at, self.plan.look_interval()),
        });
        let read = self.take_read(at, &look.traffic);
        match (read, &look.traffic) {
            (Read::Drift, Ok(traffic)) => {
                return self.drifted(at, traffic.clone(), rise.back.deadline);
            }
            (Read::Gone, Err(failure)) => return self.gone(at, failure.clone()),
            _ => {}
        }
        if let Some((gate, verdict)) = self.standings.unhealthy(at) {
            let summary = verdict.evidence().summary.clone();
            return self.undo(at, Cause::Gate { gate, summary });
        }
        let (is_accepted, ended) = self
            .sent
            .as_ref()
            .map_or((false, at), |sent| (sent.accepted.is_some(), sent.ended));
        match (read, look.traffic) {
            (Read::Current, Ok(traffic)) => self.stepped(at, rise, traffic),
            (Read::NeverSeen, _) if is_accepted => {
                let to = self.split_of(rise.step);
                self.undo(at, Cause::NeverVisible { to })
            }
            (Read::NeverSeen, Ok(traffic)) => {
                self.tell(MigrationEvent::WriteObserved {
                    traffic,
                    happened: false,
                });
                self.forget_sent();
                self.not_risen(at, rise, unanswered())
            }
            (Read::Suspect, _) => self.await_rise(at, rise, Some(APART)),
            (Read::Failed, _) if at >= later(later(ended, self.propagation), BLIND) => {
                let failure = unanswered();
                self.undo(at, Cause::WriteFailed { failure })
            }
            _ => self.await_rise(at, rise, None),
        }
    }

    /// The rise was read back: its step begins.
    fn stepped(&mut self, at: Timestamp, rise: Rise, traffic: TrafficObservation) -> Next<Action> {
        self.standings.clear();
        self.tell(MigrationEvent::Shifted { traffic });
        if let Some(end) = self.give_way(at) {
            return end;
        }
        self.outdate_switch();
        if let Some(failure) = self.journal_failure.clone() {
            return self.undo(at, Cause::JournalFailed { failure });
        }
        let this = self.plan.steps()[rise.step];
        let (bake, deadline) = (self.plan.bake_of(&this), self.plan.deadline_of(&this));
        let watch = self.watch(at, Stage::Step(rise.step), bake, deadline);
        if let Some(control) = rise.controls.iter().find(|c| c.is_ending()).cloned() {
            // The switch is not armed for a run that ends now.
            return self.on_control(at, State::Watching(watch), control);
        }
        let next = self.arm_switch(at, watch, ThenWatch::Wait);
        let (passed, controls): (Vec<_>, Vec<_>) = rise
            .controls
            .into_iter()
            .partition(|control| matches!(control, Control::Promote { .. }));
        for control in passed {
            self.ignored(
                control,
                "the step for which the override was given has passed",
            );
        }
        self.take_controls(at, controls, next)
    }

    /// The rise did not happen: returns to the stage that it started from, so that the next try has a
    /// fresh look, a valid verdict and the capacity that it needs.
    fn not_risen(&mut self, at: Timestamp, rise: Rise, failure: Failure) -> Next<Action> {
        let mut back = *rise.back;
        back.failed_rises += 1;
        back.ready = None;
        if let Some(end) = self.give_way(at) {
            return end;
        }
        if let Some(control) = rise.controls.iter().find(|c| c.is_ending()).cloned() {
            return self.on_control(at, State::Watching(back), control);
        }
        // A conflict that left no trace may be tried again, like a failure that passes by itself.
        let lasts = !failure.kind.is_transient() && failure.kind != ErrorKind::Conflict;
        if lasts || back.failed_rises >= self.plan.write_attempts() {
            return self.undo(at, Cause::WriteFailed { failure });
        }
        if let Some(failure) = self.journal_failure.clone() {
            return self.undo(at, Cause::JournalFailed { failure });
        }
        let next = self.wait(at, back);
        self.take_controls(at, rise.controls, next)
    }

    pub(super) fn control_rising(
        &mut self,
        at: Timestamp,
        mut rise: Rise,
        control: Control,
    ) -> Next<Action> {
        if rise.outstanding != RiseStep::Call && self.is_undoing(&control) {
            self.effect(control.clone(), ControlEffect::Applied);
            return self.undo(at, Cause::Cancelled { control });
        }
        self.effect(control.clone(), ControlEffect::AfterChange);
        rise.controls.push(control);
        self.state = State::Rising(rise);
        Next::Keep
    }

    /// Carries out controls that had to wait, after `next`.
    pub(super) fn take_controls(
        &mut self,
        at: Timestamp,
        controls: Vec<Control>,
        mut next: Next<Action>,
    ) -> Next<Action> {
        for control in controls {
            let state = std::mem::replace(&mut self.state, State::New);
            match self.on_control(at, state, control) {
                Next::Keep => {}
                other => next = other,
            }
        }
        next
    }
}

fn unanswered() -> Failure {
    Failure::new(
        ErrorKind::OutcomeUnknown,
        "the write was not answered, and no read has shown it",
    )
}
