//! The effects of controls, of a failing journal and of a clock that cannot be trusted, in each
//! state.

use jiff::Timestamp;

use super::{
    Action, Cause, Control, DeploymentEvent, DeploymentMachine, Failure, HoldReason, Intent, Next,
    State, Unchanged, state::RestoreStage, write::MOST_LOOKS,
};
use crate::{engine::ControlEffect, error::ErrorKind};

impl DeploymentMachine {
    pub(super) fn on_control(
        &mut self,
        at: Timestamp,
        state: State,
        control: Control,
    ) -> Next<Action> {
        if let Control::Stop { .. } = &control {
            self.effect(control.clone(), ControlEffect::Applied);
            let is_changed = self.moved || self.is_resumed();
            let may_be_changed = match &state {
                State::Updating(_) | State::Verifying(..) => true,
                State::Restoring(restore) => restore.stage == RestoreStage::Writing,
                _ => false,
            };
            return if is_changed || may_be_changed {
                self.unseen |= !self.moved;
                self.unresolved(at, format!("{control}"), None)
            } else {
                self.unchanged(at, Unchanged::Cancelled { control })
            };
        }
        if !control.is_ending() {
            let why = "a deployment knows only cancel, abort, leave and stop".to_owned();
            return self.ignore(state, control, why);
        }
        match state {
            State::Preflight(retry) if self.unfinished.restoring.is_some() => {
                let why = "the service is being rolled back".to_owned();
                self.ignore(State::Preflight(retry), control, why)
            }
            State::Preflight(retry) if self.unfinished.unproven.is_some() => {
                // The service must be read before the revision of an earlier process can be rolled back.
                self.effect(control.clone(), ControlEffect::AfterChange);
                self.awaits = Some(control);
                self.state = State::Preflight(retry);
                Next::Keep
            }
            State::Registering(mut registering) if !registering.waits => {
                self.effect(control.clone(), ControlEffect::AfterChange);
                registering.then = Some(control);
                self.state = State::Registering(registering);
                Next::Keep
            }
            State::Updating(mut write) => {
                self.effect(control.clone(), ControlEffect::AfterChange);
                write.then = Some(control);
                self.state = State::Updating(write);
                Next::Keep
            }
            State::Verifying(mut write, failure) => {
                // The wait is not cut short: a look too early would miss an update that happened.
                self.effect(control.clone(), ControlEffect::AfterChange);
                write.then = Some(control);
                self.state = State::Verifying(write, failure);
                Next::Keep
            }
            State::Holding(reason, retry) => {
                let why = "the service is left as it is".to_owned();
                self.ignore(State::Holding(reason, retry), control, why)
            }
            State::Restoring(restore) => {
                let why = "the service is being rolled back".to_owned();
                self.ignore(State::Restoring(restore), control, why)
            }
            State::Tagging => {
                self.effect(control, ControlEffect::Applied);
                self.deployed(at)
            }
            _ => {
                self.effect(control.clone(), ControlEffect::Applied);
                if self.moved {
                    self.end_by(at, control)
                } else {
                    self.end_before_change(at, control)
                }
            }
        }
    }

    fn ignore(&mut self, state: State, control: Control, why: String) -> Next<Action> {
        self.effect(control, ControlEffect::Ignored(why));
        self.state = state;
        Next::Keep
    }

    fn effect(&mut self, control: Control, effect: ControlEffect) {
        self.tell(DeploymentEvent::Controlled { control, effect });
    }

    /// A journal that does not keep its records blocks every step that raises a risk, but never a rollback.
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
        self.tell(DeploymentEvent::JournalFailed {
            failure: failure.clone(),
        });
        if failure.kind == ErrorKind::TakenOver {
            self.taken_over = Some(failure.clone());
            if is_changing(&state) || matches!(state, State::New | State::Holding(..)) {
                // A change that is under way finishes first.
                self.state = state;
                return Next::Keep;
            }
            return self.end_taken_over(at, failure);
        }
        match state {
            // The change finishes first; `on_not_begun` is called if it was never begun.
            State::Updating(_) | State::Registering(_) | State::Verifying(..) => {
                self.journal_failure = Some(failure);
                self.state = state;
                Next::Keep
            }
            State::Building | State::Tagging | State::Restoring(_) | State::Holding(..) => {
                self.state = state;
                Next::Keep
            }
            State::New => {
                self.state = State::New;
                Next::Keep
            }
            // A rollback was asked for, or was begun.
            State::Preflight(retry) if matches!(self.intent, Intent::RollBack { .. }) => {
                self.state = State::Preflight(retry);
                Next::Keep
            }
            _ if self.moved => self.take_back(at, Cause::JournalFailed { failure }),
            _ => self.unchanged(at, Unchanged::JournalFailed { failure }),
        }
    }

    /// Ends the run, since another controller has taken over. The effect of the last change is read, not
    /// assumed.
    pub(super) fn end_taken_over(&mut self, at: Timestamp, failure: Failure) -> Next<Action> {
        if self.moved || self.is_resumed() {
            self.unseen = true;
            self.hold(at, HoldReason::TakenOver { failure })
        } else {
            self.unchanged(at, Unchanged::JournalFailed { failure })
        }
    }

    pub(super) fn on_clock_fault(&mut self, at: Timestamp, state: State) -> Next<Action> {
        match state {
            State::Restoring(restore) if restore.polls > MOST_LOOKS => {
                let summary = "the service cannot be rolled back: waits take no time on this clock";
                self.unresolved(at, summary, restore.failure)
            }
            State::Restoring(restore) => self.restore_read(restore),
            State::Holding(reason, retry) if retry.attempt > MOST_LOOKS => {
                let summary =
                    format!("{reason}; what runs is not known: waits take no time on this clock");
                self.unresolved(at, summary, None)
            }
            State::Holding(reason, retry) => {
                self.state = State::Holding(reason, retry);
                Next::Do(Action::Observe)
            }
            State::Verifying(write, failure) => {
                self.state = State::Verifying(write, failure);
                Next::Do(Action::Observe)
            }
            _ if self.moved => self.take_back(at, Cause::ClockFault),
            _ => self.unchanged(at, Unchanged::ClockFault),
        }
    }
}

/// Whether a change is outstanding.
fn is_changing(state: &State) -> bool {
    match state {
        State::Building | State::Registering(_) | State::Updating(_) | State::Tagging => true,
        State::Restoring(restore) => restore.stage == RestoreStage::Writing,
        _ => false,
    }
}
