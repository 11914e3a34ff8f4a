//! Continues after the process ended: the outcome of the outstanding action is unknown, and the clock of
//! the process before proves nothing.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    Action, Cause, Control, Failure, MigrationEvent, MigrationMachine, MigrationOutcome, Next,
    State, TrafficObservation, TrafficSplit, Unchanged,
    reads::Read,
    state::{
        ArmingSwitch, Confirm, Contact, Keeping, Restore, RestoreStep, Resuming, ReturnStep,
        Returning, Rise, RiseStep, Watch,
    },
};
use crate::{
    clock::later,
    engine::{
        Operator,
        retry::{APART, back_off},
    },
    migration::OnResume,
};

impl MigrationMachine {
    pub(super) fn on_resumed(&mut self, at: Timestamp, state: State, by: Operator) -> Next<Action> {
        let (was, mut controls) = match state {
            // Nothing has begun, so nothing can continue.
            State::New => return Next::Keep,
            State::Resuming(resuming) => (*resuming.was, resuming.controls),
            state => (state, Vec::new()),
        };
        // The switch was not renewed in the meantime.
        self.outdate_switch();
        self.contact = Contact::default();
        // The process that continues may be killed sooner than the one before.
        self.plan.forget_grace();
        // This process holds the journal now.
        self.taken_over = None;
        match &was {
            State::Rising(rise) if rise.outstanding == RiseStep::Call => {
                self.moved = true;
                let to = self.split_of(rise.step);
                self.sent(at, to, None);
            }
            State::Restoring(restore) if restore.outstanding == RestoreStep::Call => {
                self.sent(at, TrafficSplit::ALL_BLUE, None);
            }
            State::Returning(returning) if returning.outstanding == ReturnStep::Call => {
                if let Some(to) = returning.sent {
                    self.sent(at, to, None);
                }
            }
            _ => self.outdate_sent(at),
        }
        if let State::KeepingCapacity(keeping) = &was {
            self.suspect_keeping(keeping);
        }
        self.tell(MigrationEvent::Resumed {
            by: by.clone(),
            expected: self.expected.clone(),
        });
        if self.plan.on_resume() == OnResume::RollBack {
            controls.push(Control::Abort { by });
        }
        match was {
            State::Rising(mut rise) => {
                rise.controls.extend(controls);
                match rise.controls.iter().find(|c| self.is_undoing(c)).cloned() {
                    Some(control) => self.undo(at, Cause::Cancelled { control }),
                    None => self.look_at_rise(at, Rise { looks: 0, ..rise }),
                }
            }
            State::Restoring(restore) => self.read_restore_now(Restore {
                short_blue: restore.short_blue,
                ..Restore::new(at, restore.cause)
            }),
            // The look shows whether green is still healthy; controls need that too.
            State::Returning(returning) => {
                let returning = Returning {
                    looks: 0,
                    ..returning
                };
                self.look_at_return(at, returning)
            }
            State::Drifted(drifted) => self.look_drifted(at, drifted),
            was => self.read_again(Resuming {
                was: Box::new(was),
                since: at,
                blind: 0,
                controls,
                waiting: false,
            }),
        }
    }

    fn read_again(&mut self, resuming: Resuming) -> Next<Action> {
        self.state = State::Resuming(Resuming {
            waiting: false,
            ..resuming
        });
        Next::Do(Action::Observe)
    }

    /// Reads again after `wait`.
    fn wait_resuming(&mut self, at: Timestamp, resuming: Resuming, wait: Duration) -> Next<Action> {
        self.state = State::Resuming(Resuming {
            waiting: true,
            ..resuming
        });
        Next::Do(Action::Wait {
            until: later(at, wait),
        })
    }

    pub(super) fn on_resume_waited(
        &mut self,
        at: Timestamp,
        resuming: Resuming,
        clock_fault: bool,
    ) -> Next<Action> {
        if !resuming.waiting {
            self.state = State::Resuming(resuming);
            return Next::Keep;
        }
        if clock_fault {
            let summary =
                "UNKNOWN: waits take no time on this clock, and the split could not be read";
            return self.give_up_resuming(at, None, summary.to_owned());
        }
        self.read_again(resuming)
    }

    pub(super) fn on_resume_observed(
        &mut self,
        at: Timestamp,
        mut resuming: Resuming,
        observed: Result<TrafficObservation, Failure>,
    ) -> Next<Action> {
        if resuming.waiting {
            self.state = State::Resuming(resuming);
            return Next::Keep;
        }
        let traffic = match observed {
            Ok(traffic) => traffic,
            Err(failure) => {
                let failed = Err(failure.clone());
                return match self.take_read(at, &failed) {
                    Read::Gone => self.gone(at, failure),
                    _ => self.on_resume_blind(at, resuming, failure),
                };
            }
        };
        if self.taken_over.is_some() {
            self.read(at, &traffic);
        }
        if let Some(end) = self.give_way(at) {
            return end;
        }
        let is_compared = match &*resuming.was {
            State::Watching(_)
            | State::ArmingSwitch(_)
            | State::KeepingCapacity(_)
            | State::ReleasingCapacity(_)
            | State::Confirming(_) => true,
            // A change for which the run was held is no new change of a third party.
            State::DisarmingSwitch(disarming) => matches!(
                disarming.outcome,
                MigrationOutcome::Promoted { .. } | MigrationOutcome::RolledBack { .. }
            ),
            _ => false,
        };
        if is_compared {
            resuming.blind = 0;
            match self.read(at, &traffic) {
                Read::Current => {}
                Read::Drift => {
                    let until = match &*resuming.was {
                        State::Watching(watch)
                        | State::ArmingSwitch(ArmingSwitch { watch, .. })
                        | State::KeepingCapacity(Keeping { watch, .. }) => watch.deadline,
                        _ => at,
                    };
                    return self.drifted(at, traffic, until);
                }
                // An older state than before the process ended, or the first sign of a third party.
                _ => {
                    return self.wait_resuming(at, resuming, APART);
                }
            }
        }
        let controls = resuming.controls;
        match *resuming.was {
            State::Watching(watch) | State::ArmingSwitch(ArmingSwitch { watch, .. }) => {
                self.resume_watching(at, watch, controls)
            }
            State::KeepingCapacity(keeping) => self.resume_keeping(at, keeping, controls),
            State::ReleasingCapacity(releasing) => self.resume_releasing(at, releasing, controls),
            State::DisarmingSwitch(disarming) => {
                self.resume_disarming(at, disarming, traffic, controls)
            }
            State::Confirming(confirm) => self.resume_confirming(at, confirm, &controls),
            // Nothing was decided yet: the survey is repeated.
            _ => match controls.iter().find(|control| control.is_ending()).cloned() {
                Some(control) => self.on_control(at, State::New, control),
                None => self.preflight(at, 1),
            },
        }
    }

    fn resume_watching(
        &mut self,
        at: Timestamp,
        watch: Watch,
        controls: Vec<Control>,
    ) -> Next<Action> {
        if let Some(control) = controls.iter().find(|control| control.is_ending()).cloned() {
            return self.on_control(at, State::Watching(watch), control);
        }
        let watch = Watch {
            ready: None,
            looking: false,
            ..watch
        };
        let next = self.look(at, watch);
        self.take_controls(at, controls, next)
    }

    fn resume_confirming(
        &mut self,
        at: Timestamp,
        confirm: Confirm,
        controls: &[Control],
    ) -> Next<Action> {
        let Some(control) = controls.first() else {
            return self.wait_confirming(at, confirm);
        };
        let next = self.finish_restored(at, confirm, None);
        self.end_wait_for_blue(at, control, next)
    }

    fn on_resume_blind(
        &mut self,
        at: Timestamp,
        mut resuming: Resuming,
        failure: Failure,
    ) -> Next<Action> {
        resuming.blind += 1;
        let is_over = at >= later(resuming.since, self.plan.restore_within());
        if !self.moved {
            if let Some(end) = self.give_way(at) {
                return end;
            }
            if is_over {
                let summary = format!("the split could not be read: {failure}");
                return self.unchanged(at, Unchanged::NotReady { summary });
            }
        }
        if is_over || self.taken_over.is_some() {
            let summary = "UNKNOWN: the run was resumed, and the split could not be read";
            return self.give_up_resuming(at, Some(failure), summary.to_owned());
        }
        let wait = back_off(resuming.blind);
        self.tell(MigrationEvent::ReadFailed {
            failure,
            retry_at: later(at, wait),
        });
        self.wait_resuming(at, resuming, wait)
    }

    pub(super) fn give_up_resuming(
        &mut self,
        at: Timestamp,
        failure: Option<Failure>,
        summary: String,
    ) -> Next<Action> {
        let mut unresolved = self.unresolved(at, summary);
        unresolved.failure = failure;
        self.end_unresolved(unresolved)
    }
}
