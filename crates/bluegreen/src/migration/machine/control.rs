//! Controls: what each of them does in each state.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    Action, Cause, Control, Failure, HoldReason, MigrationEvent, MigrationMachine, Next, Stage,
    State, Unchanged, Watch,
    state::{
        ArmingSwitch, DisarmStep, DriftStep, KeepStep, Pause, ReleaseStep, RestoreStep, ReturnStep,
        RiseStep,
    },
};
use crate::{
    clock::{between, later, span},
    engine::{ControlEffect, Operator},
    error::ErrorKind,
};

/// How long a pause is if the operator sets no length: a person who comes back does so within half an hour.
const USUAL_PAUSE: Duration = Duration::from_secs(30 * 60);
/// The longest pause: after that it is likely that no person watches the divided rule.
const LONGEST_PAUSE: Duration = Duration::from_secs(2 * 60 * 60);
/// How long before the end of a pause the run warns; for a shorter pause, a third of its length.
const PAUSE_WARNING: Duration = Duration::from_secs(5 * 60);

impl MigrationMachine {
    pub(super) fn on_control(
        &mut self,
        at: Timestamp,
        state: State,
        control: Control,
    ) -> Next<Action> {
        if let Control::Stop { reason } = &control {
            let reason = reason.clone();
            return self.on_stop(at, state, control, &reason);
        }
        match state {
            State::New | State::Preflight(_) => self.control_unmoved(at, state, control),
            State::Watching(watch) if watch.stage == Stage::Arming && control.is_ending() => {
                self.applied(&control);
                self.unchanged(at, Unchanged::Cancelled { control })
            }
            State::Watching(watch) => self.control_watching(at, watch, control),
            State::Rising(rise) => self.control_rising(at, rise, control),
            State::Drifted(drifted) => self.control_drifted(at, drifted, control),
            State::Returning(returning) => self.control_returning(at, returning, control),
            State::ArmingSwitch(mut arming) => {
                // The call takes ten seconds at most; the effect of the control is told after that.
                arming.controls.push(control);
                self.state = State::ArmingSwitch(arming);
                Next::Keep
            }
            State::KeepingCapacity(keeping) => self.control_keeping(at, keeping, control),
            State::ReleasingCapacity(releasing) => self.control_releasing(at, releasing, control),
            State::Resuming(mut resuming) => {
                self.effect(control.clone(), ControlEffect::AfterChange);
                resuming.controls.push(control);
                self.state = State::Resuming(resuming);
                Next::Keep
            }
            State::Restoring(_) if self.expected.is_none() && control.is_ending() => {
                self.applied(&control);
                self.unchanged(at, Unchanged::Cancelled { control })
            }
            State::Restoring(restore) if restore.is_told && control.is_ending() => {
                self.applied(&control);
                self.end_stay(at, restore)
            }
            State::Confirming(confirm) if control.is_ending() => {
                self.applied(&control);
                let next = self.finish_restored(at, confirm, None);
                self.end_wait_for_blue(at, &control, next)
            }
            state => {
                let why = match &state {
                    State::DisarmingSwitch(_) => {
                        "the run ends: only its last clean-up is under way"
                    }
                    _ => "blue is being restored",
                };
                self.effect(control, ControlEffect::Ignored(why.to_owned()));
                self.state = state;
                Next::Keep
            }
        }
    }

    fn control_unmoved(&mut self, at: Timestamp, state: State, control: Control) -> Next<Action> {
        if control.is_ending() {
            self.applied(&control);
            return self.unchanged(at, Unchanged::Cancelled { control });
        }
        // The control holds from now on, and is carried out once there is a stage.
        self.effect(control.clone(), ControlEffect::AfterChange);
        self.early.push(control);
        self.state = state;
        Next::Keep
    }

    fn control_watching(
        &mut self,
        at: Timestamp,
        mut watch: Watch,
        control: Control,
    ) -> Next<Action> {
        match &control {
            Control::Abort { .. } => {
                self.applied(&control);
                let within = Ok(self.plan.gradual_restore());
                return self.go_back(at, &watch, Cause::Cancelled { control }, within);
            }
            Control::Cancel { .. } => {
                self.applied(&control);
                let within = self.time_of_cancel();
                return self.cancel(at, &watch, control, within);
            }
            Control::Leave { .. } => {
                self.applied(&control);
                return self.hold(at, HoldReason::Asked { control });
            }
            Control::Pause { by, length } if watch.paused.is_none() => {
                let pause = self.pause(at, by.clone(), *length);
                self.tell(MigrationEvent::Paused { until: pause.until });
                watch.paused = Some(pause);
                // A pause revokes an override that still waits.
                watch.promote = None;
                self.applied(&control);
            }
            Control::Continue { .. } => match watch.paused.take() {
                Some(paused) => {
                    let held = between(paused.since, at);
                    watch.deadline = later(watch.deadline, held);
                    self.applied(&control);
                }
                None => self.ignored(control, "the run is not paused"),
            },
            Control::SkipWait { .. } if at < watch.bake_until => {
                watch.bake_until = at;
                self.applied(&control);
                return self.look_soon(at, watch);
            }
            Control::Promote { .. } | Control::PromoteFully { .. }
                if watch.stage != Stage::Arming =>
            {
                watch.promote = Some(control.clone());
                watch.ready = None;
                self.applied(&control);
                return self.look_soon(at, watch);
            }
            Control::Promote { .. } | Control::PromoteFully { .. } => self.ignored(
                control,
                "the first step waits only for green's capacity, and no override replaces that",
            ),
            Control::Pause { .. } => self.ignored(control, "the run is paused already"),
            _ => self.ignored(control, "the minimum bake is over already"),
        }
        self.state = State::Watching(watch);
        Next::Keep
    }

    /// Returns a pause from now on.
    pub(super) fn pause(&self, at: Timestamp, by: Operator, length: Option<Duration>) -> Pause {
        let left = between(at, self.deadline);
        let length = length.unwrap_or(USUAL_PAUSE).min(LONGEST_PAUSE).min(left);
        Pause {
            by,
            since: at,
            until: later(at, length),
            warned: false,
        }
    }

    /// The current pause, also while a call that takes seconds is outstanding.
    pub(crate) fn paused(&self) -> Option<&Pause> {
        let mut state = &self.state;
        while let State::Resuming(resuming) = state {
            state = &resuming.was;
        }
        match state {
            State::Watching(watch) => watch.paused.as_ref(),
            State::ArmingSwitch(arming) => arming.watch.paused.as_ref(),
            _ => None,
        }
    }

    /// Warns before the end of a pause; at its end, does what the plan says for a cancellation.
    pub(super) fn on_paused(&mut self, at: Timestamp, watch: &mut Watch) -> Option<Next<Action>> {
        let pause = watch.paused.as_mut()?;
        let until = pause.until;
        if at >= until {
            let length = span(between(pause.since, until));
            let reason = format!("the pause of {} was not ended in {length}", pause.by);
            // No signal ended the pause, so this process will not be killed soon.
            let within = Ok(self.plan.gradual_restore());
            return Some(self.cancel(at, watch, Control::Cancel { reason }, within));
        }
        let warning = (between(pause.since, until) / 3).min(PAUSE_WARNING);
        if !pause.warned && later(at, warning) >= until {
            pause.warned = true;
            let then = self.plan.on_cancel();
            self.tell(MigrationEvent::PauseEnds { until, then });
        }
        None
    }

    pub(super) fn hold_as_asked(&mut self, at: Timestamp, control: Control) -> Next<Action> {
        self.hold(at, HoldReason::Asked { control })
    }

    /// Looks now, unless a look is under way.
    fn look_soon(&mut self, at: Timestamp, watch: Watch) -> Next<Action> {
        if watch.looking {
            self.state = State::Watching(watch);
            return Next::Keep;
        }
        self.look(at, watch)
    }

    fn on_stop(
        &mut self,
        at: Timestamp,
        state: State,
        control: Control,
        reason: &str,
    ) -> Next<Action> {
        self.applied(&control);
        let summary = format!("STOPPED AT ONCE ({reason}) while traffic was divided");
        let next = match state {
            State::Confirming(confirm) => self.finish_restored(at, confirm, None),
            State::DisarmingSwitch(disarming) => self.end_armed(at, disarming),
            State::ReleasingCapacity(releasing) => {
                self.leave_capacity(at, releasing, reason.to_owned())
            }
            State::KeepingCapacity(keeping) => {
                self.suspect_keeping(&keeping);
                self.unchanged(at, Unchanged::Cancelled { control })
            }
            State::Rising(rise) => {
                let mut unresolved = self.unresolved(at, summary);
                unresolved.change_unseen |= rise.outstanding == RiseStep::Call;
                self.end_unresolved(unresolved)
            }
            State::Returning(returning) => {
                let mut unresolved = self.unresolved(at, summary);
                unresolved.cause = Some(returning.cause);
                unresolved.change_unseen |= returning.outstanding == ReturnStep::Call;
                self.end_unresolved(unresolved)
            }
            State::Restoring(restore) if self.expected.is_some() => {
                self.give_up_restoring(at, restore, summary)
            }
            State::Drifted(drifted) => self.end_drifted(at, drifted),
            State::Resuming(_) if self.moved => self.give_up_resuming(at, None, summary),
            State::Watching(watch) | State::ArmingSwitch(ArmingSwitch { watch, .. })
                if watch.stage != Stage::Arming =>
            {
                let unresolved = self.unresolved(at, summary);
                self.end_unresolved(unresolved)
            }
            _ => self.unchanged(at, Unchanged::Cancelled { control }),
        };
        // At once: a switch that may be armed is left to fire, and a raised minimum is left raised.
        let next = match std::mem::replace(&mut self.state, State::New) {
            State::ReleasingCapacity(releasing) => {
                self.leave_capacity(at, releasing, reason.to_owned())
            }
            state => {
                self.state = state;
                next
            }
        };
        match std::mem::replace(&mut self.state, State::New) {
            State::DisarmingSwitch(disarming) => self.end_armed(at, disarming),
            state => {
                self.state = state;
                next
            }
        }
    }

    pub(super) fn on_journal_failed(
        &mut self,
        at: Timestamp,
        state: State,
        failure: Failure,
    ) -> Next<Action> {
        if self.taken_over.is_some() {
            self.state = state;
            return Next::Keep;
        }
        self.tell(MigrationEvent::JournalFailed {
            failure: failure.clone(),
        });
        if failure.kind == ErrorKind::TakenOver {
            return self.on_taken_over(at, state, failure);
        }
        self.journal_failure = Some(failure.clone());
        match state {
            State::Watching(_) | State::Preflight(_) => {
                self.undo(at, Cause::JournalFailed { failure })
            }
            State::Rising(rise) if rise.outstanding != RiseStep::Call => {
                self.undo(at, Cause::JournalFailed { failure })
            }
            State::Returning(returning) if returning.outstanding != ReturnStep::Call => {
                self.return_all(at, returning, format!("the journal failed: {failure}"))
            }
            // A change under way must finish; the state after it takes the failure into account.
            state => {
                self.state = state;
                Next::Keep
            }
        }
    }

    /// Another controller has taken over. A change under way must finish and is read back, since reading
    /// is all that is left to do.
    fn on_taken_over(&mut self, at: Timestamp, state: State, failure: Failure) -> Next<Action> {
        self.taken_over = Some(failure);
        match state {
            State::Confirming(confirm) => self.finish_restored(at, confirm, None),
            State::Restoring(restore)
                if matches!(
                    restore.outstanding,
                    RestoreStep::WaitToCall | RestoreStep::WaitToRead
                ) =>
            {
                self.read_restore_now(restore)
            }
            State::ReleasingCapacity(releasing) if releasing.step != ReleaseStep::Call => {
                self.end_disarmed(at, releasing.outcome)
            }
            State::DisarmingSwitch(disarming)
                if matches!(disarming.step, DisarmStep::Wait | DisarmStep::WaitToObserve) =>
            {
                self.end_armed(at, disarming)
            }
            state => {
                let is_reading = match &state {
                    State::New | State::Preflight(_) | State::Watching(_) => true,
                    State::Rising(rise) => rise.outstanding != RiseStep::Call,
                    State::Returning(returning) => returning.outstanding != ReturnStep::Call,
                    State::Drifted(drifted) => drifted.outstanding != DriftStep::Disarm,
                    State::KeepingCapacity(keeping) => keeping.step != KeepStep::Call,
                    _ => false,
                };
                self.state = state;
                match is_reading {
                    true => self.give_way(at).unwrap_or(Next::Keep),
                    false => Next::Keep,
                }
            }
        }
    }

    fn applied(&mut self, control: &Control) {
        self.effect(control.clone(), ControlEffect::Applied);
    }

    pub(super) fn ignored(&mut self, control: Control, why: &str) {
        self.effect(control, ControlEffect::Ignored(why.to_owned()));
    }

    pub(super) fn effect(&mut self, control: Control, effect: ControlEffect) {
        self.tell(MigrationEvent::Controlled { control, effect });
    }
}
