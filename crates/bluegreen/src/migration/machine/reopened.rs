//! Builds a machine for a run of an earlier version: it observes first, then continues under today's rules.

use jiff::Timestamp;

use super::{
    MigrationEvent, MigrationMachine, MigrationPlan, Stage, State, Watch,
    state::{Confirm, Preflight, Restore, RestoreStep, Resuming, Rise, RiseStep, Switch},
};
use crate::{
    clock::later,
    engine::{JOURNAL_VERSION, Operator},
    migration::reopened::{Reopened, Stands},
};

impl MigrationMachine {
    /// Creates a machine that waits for [`Input::Resumed`](crate::migration::Input::Resumed). Bake,
    /// evidence and deadlines begin anew: the rules that they followed are gone.
    pub(crate) fn reopened(plan: MigrationPlan, reopened: Reopened) -> Self {
        let at = reopened.at;
        let gates = reopened.gates.into_iter();
        let mut machine = Self::new(plan, gates.map(|opened| (opened.gate, opened.policy)));
        machine.intent = reopened.intent;
        machine.started = reopened.started;
        machine.deadline = later(at, machine.plan.deadline());
        machine.expected = reopened.expected;
        machine.last = reopened.last;
        machine.blue_at_start = reopened.blue_at_start;
        machine.moved = reopened.moved;
        machine.propagation = reopened.propagation;
        machine.overrides = reopened.overrides;
        let (armed, fires) = reopened.armed.unzip();
        machine.switch = Switch {
            renewed: None,
            fires,
            may_fire: reopened.may_fire,
            armed,
            is_stale: true,
        };
        let by = || Operator::new("an operator of the run before");
        let paused = reopened.paused.then(|| machine.pause(at, by(), None));
        let was = match reopened.stands {
            Stands::Ended { end } => {
                machine.state = State::Ended(*end);
                return machine;
            }
            Stands::Survey => State::Preflight(Preflight {
                attempt: 1,
                waiting: false,
            }),
            Stands::Step { step } => State::Watching(Watch {
                paused,
                ..machine.stage_anew(at, Some(step))
            }),
            Stands::Rising { from, to } => {
                let back = Box::new(Watch {
                    paused,
                    ..machine.stage_anew(at, from)
                });
                let step = to.min(machine.plan.steps().len() - 1);
                State::Rising(Rise {
                    step,
                    back,
                    looks: 0,
                    controls: Vec::new(),
                    outstanding: RiseStep::Call,
                })
            }
            Stands::Restoring { cause } => {
                let outstanding = match machine.moved {
                    true => RestoreStep::Call,
                    false => RestoreStep::Read,
                };
                State::Restoring(Restore {
                    outstanding,
                    ..Restore::new(at, cause)
                })
            }
            Stands::Restored {
                cause,
                at: restored_at,
            } => State::Confirming(Confirm {
                cause,
                restored_at,
                until: later(at, machine.plan.confirm_within()),
                stickiness: machine.last.as_ref().and_then(|(_, seen)| seen.stickiness),
                short_blue: None,
                looking: false,
            }),
        };
        machine.state = State::Resuming(Resuming {
            was: Box::new(was),
            since: at,
            blind: 0,
            controls: reopened.then.into_iter().collect(),
            waiting: false,
        });
        machine.tell(MigrationEvent::Reopened {
            found: reopened.found,
            version: JOURNAL_VERSION,
        });
        machine
    }

    fn stage_anew(&self, at: Timestamp, step: Option<usize>) -> Watch {
        let steps = self.plan.steps();
        let index = step.unwrap_or_default().min(steps.len() - 1);
        let (stage, bake) = match step {
            Some(_) => (Stage::Step(index), self.plan.bake_of(&steps[index])),
            None => (Stage::Arming, std::time::Duration::ZERO),
        };
        self.watch(at, stage, bake, self.plan.deadline_of(&steps[index]))
    }
}
