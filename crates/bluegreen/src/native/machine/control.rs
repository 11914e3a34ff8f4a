//! The effects of controls and of a failing journal, in each state.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    Action, Cause, Control, Failure, HoldReason, NativeEvent, NativeMachine, Next, RestoreStep,
    State, Unchanged, Watch,
    state::{Fate, OperatorPause},
};
use crate::{
    clock::{between, later, span},
    engine::{ControlEffect, Operator},
    error::ErrorKind,
};

/// How long a pause is if the operator sets no length, as in a migration.
const USUAL_PAUSE: Duration = Duration::from_secs(30 * 60);
/// The longest pause, as in a migration.
const LONGEST_PAUSE: Duration = Duration::from_secs(2 * 60 * 60);
/// How long before the end of a pause the run warns; for a shorter pause, a third of its length.
const PAUSE_WARNING: Duration = Duration::from_secs(5 * 60);

impl NativeMachine {
    pub(super) fn on_control(
        &mut self,
        at: Timestamp,
        state: State,
        control: Control,
    ) -> Next<Action> {
        if matches!(control, Control::Stop { .. }) {
            return self.on_stop(at, state, control);
        }
        match state {
            State::New | State::Preflight(_) if control.is_ending() => {
                self.effect(control.clone(), ControlEffect::Applied);
                self.unchanged(at, Unchanged::Cancelled { control })
            }
            State::New | State::Preflight(_) => {
                // The control holds from now on, and is carried out once there is a watch.
                self.effect(control.clone(), ControlEffect::AfterChange);
                self.early.push(control);
                self.state = state;
                Next::Keep
            }
            State::Watching(watch) => {
                let is_looking = watch.looking;
                self.control_watch(at, watch, control, is_looking)
            }
            // A pause of an operator ends the checks; they are asked again later.
            State::Checking(checking) if control.is_ending() => {
                self.effect(control.clone(), ControlEffect::Applied);
                self.state = State::Checking(checking);
                self.end_by(at, control)
            }
            State::Checking(checking) => {
                let next = self.control_watch(at, checking.watch, control, false);
                match (next, std::mem::replace(&mut self.state, State::New)) {
                    // The checks were dropped, so a look must follow.
                    (Next::Keep, State::Watching(watch)) => self.look(at, watch),
                    (next, state) => {
                        self.state = state;
                        next
                    }
                }
            }
            State::Answering(mut answering) if control.is_ending() => {
                self.effect(control.clone(), ControlEffect::AfterChange);
                answering.then = Some(control);
                self.state = State::Answering(answering);
                Next::Keep
            }
            State::Answering(mut answering) => {
                let next = self.control_watch(at, answering.watch, control, true);
                if let State::Watching(watch) = std::mem::replace(&mut self.state, State::New) {
                    answering.watch = watch;
                    self.state = State::Answering(answering);
                    return Next::Keep;
                }
                next
            }
            state => {
                let why = match &state {
                    State::Holding(_) => "the run ends: the deployment is left as it is",
                    _ => "everything is being put back",
                };
                self.effect(control, ControlEffect::Ignored(why.to_owned()));
                self.state = state;
                Next::Keep
            }
        }
    }

    /// Carries out a control that ends the run.
    pub(super) fn end_by(&mut self, at: Timestamp, control: Control) -> Next<Action> {
        match &control {
            Control::Abort { .. } => self.take_back(at, Cause::Cancelled { control }),
            Control::Leave { .. } => self.hold(at, HoldReason::Asked { control }),
            _ => self.cancel(at, control),
        }
    }

    fn control_watch(
        &mut self,
        at: Timestamp,
        mut watch: Watch,
        control: Control,
        is_busy: bool,
    ) -> Next<Action> {
        if control.is_ending() {
            self.effect(control.clone(), ControlEffect::Applied);
            return self.end_by(at, control);
        }
        let looks = match &control {
            Control::Pause { by, length } if watch.paused.is_none() => {
                let paused = self.pause(at, by.clone(), *length);
                self.tell(NativeEvent::Paused {
                    until: paused.until,
                });
                watch.paused = Some(paused);
                // A pause revokes an override that still waits.
                watch.promote = None;
                self.effect(control, ControlEffect::Applied);
                false
            }
            Control::Continue { .. } if watch.paused.is_some() => {
                self.end_pause(at, &mut watch);
                self.effect(control, ControlEffect::Applied);
                true
            }
            Control::SkipWait { .. } if at < watch.bakes_until(self.plan.bake()) => {
                watch.skips_bake = true;
                self.effect(control, ControlEffect::Applied);
                true
            }
            Control::Promote { .. } | Control::PromoteFully { .. } if watch.has_traffic() => {
                watch.promote = Some(control.clone());
                self.effect(control, ControlEffect::Applied);
                true
            }
            _ => {
                let why = match &control {
                    Control::Pause { .. } => "the run is paused already",
                    Control::Continue { .. } => "the run is not paused",
                    Control::SkipWait { .. } if !watch.has_traffic() => {
                        "green has no traffic yet, so no bake has begun"
                    }
                    Control::SkipWait { .. } => "the minimum bake is over already",
                    _ => {
                        "green has no traffic yet: the first answer waits for green's copies and \
                         checks, and no override replaces those"
                    }
                };
                self.effect(control, ControlEffect::Ignored(why.to_owned()));
                false
            }
        };
        if looks && !is_busy {
            return self.look(at, watch);
        }
        self.state = State::Watching(watch);
        Next::Keep
    }

    /// Carries out the controls that were given before the watch began, after `next`.
    pub(super) fn take_early(&mut self, at: Timestamp, mut next: Next<Action>) -> Next<Action> {
        for control in std::mem::take(&mut self.early) {
            let state = std::mem::replace(&mut self.state, State::New);
            match self.on_control(at, state, control) {
                Next::Keep => {}
                other => next = other,
            }
        }
        next
    }

    fn pause(&self, at: Timestamp, by: Operator, length: Option<Duration>) -> OperatorPause {
        let left = between(at, self.deadline);
        let length = length.unwrap_or(USUAL_PAUSE).min(LONGEST_PAUSE).min(left);
        OperatorPause {
            by,
            since: at,
            until: later(at, length),
            warned: false,
        }
    }

    /// Ends a pause. The time for the platform's pause stood still meanwhile, but not the platform's own.
    fn end_pause(&mut self, at: Timestamp, watch: &mut Watch) {
        let Some(paused) = watch.paused.take() else {
            return;
        };
        let held = between(paused.since, at);
        if let Some(waiting) = &mut watch.pause {
            let expires = waiting.pause.expires;
            let limit = expires.map_or(self.deadline, |expires| self.last_moment(at, expires));
            waiting.due = later(waiting.due, held).min(limit);
        }
    }

    /// Warns before the end of an operator's pause; at its end, or shortly before the platform's own time-out,
    /// does what the plan says for a cancellation.
    pub(super) fn on_paused(&mut self, at: Timestamp, watch: &mut Watch) -> Option<Next<Action>> {
        let paused = watch.paused.as_mut()?;
        let expires = watch
            .pause
            .as_ref()
            .and_then(|waiting| waiting.pause.expires);
        let last = expires.map(|expires| self.last_moment(paused.since, expires));
        let until = last.map_or(paused.until, |last| last.min(paused.until));
        if at >= until {
            let length = span(between(paused.since, at));
            let reason = format!("the pause of {} was not ended in {length}", paused.by);
            return Some(self.cancel(at, Control::Cancel { reason }));
        }
        let warning = (between(paused.since, until) / 3).min(PAUSE_WARNING);
        if !paused.warned && later(at, warning) >= until {
            paused.warned = true;
            let then = self.plan.on_cancel();
            self.tell(NativeEvent::PauseEnds { until, then });
        }
        None
    }

    fn on_stop(&mut self, at: Timestamp, state: State, control: Control) -> Next<Action> {
        self.effect(control.clone(), ControlEffect::Applied);
        let summary = format!("STOPPED AT ONCE: {control}");
        let (cause, failure) = match state {
            State::New | State::Preflight(_) => {
                return self.unchanged(at, Unchanged::Cancelled { control });
            }
            // An answer without an outcome may have moved traffic already.
            State::Watching(watch)
                if !watch.has_traffic() && self.answers == 0 && self.sent.is_none() =>
            {
                return self.unchanged(at, Unchanged::Cancelled { control });
            }
            State::Restoring(restore) => (Some(restore.cause), restore.failure),
            _ => (None, None),
        };
        self.unresolved(at, summary, cause, failure)
    }

    /// A journal that does not keep its records blocks every answer, but never a rollback.
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
        self.tell(NativeEvent::JournalFailed {
            failure: failure.clone(),
        });
        let is_changing = match &state {
            State::Answering(_) => true,
            State::Restoring(restore) => restore.step == RestoreStep::Calling,
            _ => false,
        };
        if failure.kind == ErrorKind::TakenOver {
            self.taken_over = Some(failure.clone());
            if is_changing || matches!(state, State::New | State::Holding(_)) {
                // A change that is under way finishes first.
                self.state = state;
                return Next::Keep;
            }
            return self.give_way(at, failure);
        }
        match state {
            State::Preflight(_) => self.unchanged(at, Unchanged::JournalFailed { failure }),
            State::Watching(_) | State::Checking(_) => {
                self.take_back(at, Cause::JournalFailed { failure })
            }
            state => {
                self.journal_failure = Some(failure);
                self.state = state;
                Next::Keep
            }
        }
    }

    /// Counts an answer whose call is under way as unknown.
    pub(super) fn doubt_sent(&mut self, at: Timestamp) {
        let visible_by = later(at, self.propagation);
        if let Some(sent) = self.sent.as_mut().filter(|sent| sent.fate != Fate::Arrived) {
            if sent.fate == Fate::Calling {
                sent.fate = Fate::Unknown;
            }
            sent.visible_by = visible_by;
            sent.denied = None;
        }
    }

    fn effect(&mut self, control: Control, effect: ControlEffect) {
        self.tell(NativeEvent::Controlled { control, effect });
    }
}
