//! Going on after the process ended: nobody knows what became of what was outstanding, so an
//! observation comes first.

use jiff::Timestamp;

use super::{
    Action, Control, Failure, HoldReason, MigrationEvent, MigrationMachine, Next, State,
    TrafficObservation, Unresolved,
    retry::back_off,
    state::{ArmingSwitch, Confirm, Resuming, Watch, Write},
};
use crate::{clock::later, engine::Operator, error::ErrorKind, migration::OnResume};

impl MigrationMachine {
    pub(super) fn on_resumed(&mut self, at: Timestamp, state: State, by: Operator) -> Next<Action> {
        let (was, then) = match state {
            // Nothing has begun, so there is nothing to go on with.
            State::New => return Next::Keep,
            State::Resuming(resuming) => (resuming.was, resuming.then),
            state => (Box::new(state), None),
        };
        // Nobody renewed it meanwhile.
        self.outdate_switch();
        // Whoever resumes holds the journal now.
        self.taken_over = None;
        self.tell(MigrationEvent::Resumed {
            by: by.clone(),
            expected: self.expected.clone(),
        });
        let policy = match self.plan.on_resume() {
            OnResume::GoOn => None,
            OnResume::RollBack => Some(Control::Abort { by }),
        };
        self.read_again(Resuming {
            was,
            since: at,
            blind: 0,
            then: then.or(policy),
            waiting: false,
        })
    }

    fn read_again(&mut self, resuming: Resuming) -> Next<Action> {
        self.state = State::Resuming(Resuming {
            waiting: false,
            ..resuming
        });
        Next::Do(Action::Observe)
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
            let summary = "UNKNOWN: waits take no time on this clock, and the split was not read";
            return self.give_up_resuming(at, *resuming.was, None, summary.to_owned());
        }
        self.read_again(resuming)
    }

    pub(super) fn on_resume_observed(
        &mut self,
        at: Timestamp,
        resuming: Resuming,
        observed: Result<TrafficObservation, Failure>,
    ) -> Next<Action> {
        if resuming.waiting {
            self.state = State::Resuming(resuming);
            return Next::Keep;
        }
        let traffic = match observed {
            Ok(traffic) => traffic,
            Err(failure) => return self.on_resume_blind(at, resuming, failure),
        };
        if let Some(failure) = self.taken_over.clone() {
            self.remember(at, &traffic);
            return self.hold(at, HoldReason::TakenOver { failure });
        }
        let then = resuming.then;
        match *resuming.was {
            State::Watching(watch) | State::ArmingSwitch(ArmingSwitch { watch, .. }) => {
                self.resume_watching(at, watch, traffic, then)
            }
            State::DisarmingSwitch(disarming) => {
                self.resume_disarming(at, disarming, traffic, then)
            }
            State::Confirming(confirm) => self.resume_confirming(at, confirm, traffic, then),
            State::Writing(write) => {
                let unseen = Some(self.wanted(&write));
                let message = "the process ended before it was known whether it happened";
                let failure = Some(Failure::new(ErrorKind::OutcomeUnknown, message));
                let write = Write {
                    unseen,
                    failure,
                    ..write
                };
                self.resume_write(at, write, traffic, then)
            }
            State::Verifying(write) | State::BackingOff(write) => {
                self.resume_write(at, write, traffic, then)
            }
            // Nothing was decided yet: the survey is made anew.
            State::New | State::Preflight(_) | State::Resuming(_) | State::Ended(_) => match then {
                Some(control) => self.on_control(at, State::New, control),
                None => self.preflight(at, 1),
            },
        }
    }

    fn resume_watching(
        &mut self,
        at: Timestamp,
        watch: Watch,
        traffic: TrafficObservation,
        then: Option<Control>,
    ) -> Next<Action> {
        if self.is_drift(&traffic) {
            return self.drifted(at, traffic);
        }
        self.remember(at, &traffic);
        match then {
            Some(control) => self.on_control(at, State::Watching(watch), control),
            None => self.look(at, watch),
        }
    }

    fn resume_confirming(
        &mut self,
        at: Timestamp,
        confirm: Confirm,
        traffic: TrafficObservation,
        then: Option<Control>,
    ) -> Next<Action> {
        if !traffic.is_all_blue() {
            return self.drifted(at, traffic);
        }
        self.remember(at, &traffic);
        match then {
            Some(_) => self.finish_restored(at, confirm, None),
            None => self.wait_confirming(at, confirm),
        }
    }

    /// A change that may have happened, or was about to be tried again.
    fn resume_write(
        &mut self,
        at: Timestamp,
        write: Write,
        traffic: TrafficObservation,
        then: Option<Control>,
    ) -> Next<Action> {
        let then = write.then.clone().or(then).filter(|_| !write.is_restore());
        self.on_verified(at, Write { then, ..write }, Ok(traffic))
    }

    fn on_resume_blind(
        &mut self,
        at: Timestamp,
        mut resuming: Resuming,
        failure: Failure,
    ) -> Next<Action> {
        resuming.blind += 1;
        let is_over = at >= later(resuming.since, self.plan.restore_within());
        if is_over || self.taken_over.is_some() {
            let summary = "UNKNOWN: the run was resumed, and the split could not be read";
            return self.give_up_resuming(at, *resuming.was, Some(failure), summary.to_owned());
        }
        let until = later(at, back_off(resuming.blind));
        self.tell(MigrationEvent::ReadFailed {
            failure,
            retry_at: until,
        });
        resuming.waiting = true;
        self.state = State::Resuming(resuming);
        Next::Do(Action::Wait { until })
    }

    pub(super) fn give_up_resuming(
        &mut self,
        at: Timestamp,
        was: State,
        failure: Option<Failure>,
        summary: String,
    ) -> Next<Action> {
        let change_unseen = match was {
            State::Writing(_) => true,
            State::Verifying(write) | State::BackingOff(write) => write.unseen.is_some(),
            _ => false,
        };
        let unresolved = Unresolved {
            summary,
            cause: None,
            failure,
            change_unseen,
            report: self.report(at),
        };
        self.end_unresolved(unresolved)
    }
}
