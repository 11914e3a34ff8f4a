//! Continues after the process ended: the outcome of the outstanding action is unknown, and the clock of the
//! process before proves nothing.

use jiff::Timestamp;

use super::{
    Action, NativeEvent, NativeMachine, Next, Retry, State,
    state::{Holding, Restore, RestoreStep},
};
use crate::{clock::later, engine::Operator};

impl NativeMachine {
    pub(super) fn on_resumed(&mut self, at: Timestamp, state: State, by: Operator) -> Next<Action> {
        if matches!(state, State::New) {
            // Nothing has begun, so nothing can continue.
            return Next::Keep;
        }
        self.tell(NativeEvent::Resumed { by });
        // This process holds the journal now, and the propagation time begins anew.
        self.taken_over = None;
        self.journal_failure = None;
        self.successor = None;
        self.absent = None;
        self.doubt_sent(at);
        match state {
            State::New | State::Preflight(_) => self.preflight(1),
            State::Watching(watch) => self.look(at, watch),
            // The checks are asked again.
            State::Checking(checking) => self.look(at, checking.watch),
            State::Answering(answering) => match answering.then {
                Some(control) => self.end_by(at, control),
                None => self.look(at, answering.watch),
            },
            State::Restoring(restore) => {
                if let Some(ordered) = &mut self.ordered {
                    ordered.visible_by = later(at, self.propagation);
                }
                self.read_restore(Restore {
                    step: RestoreStep::Reading,
                    // If this read fails too, the order is sent again at once.
                    ordered_at: None,
                    reads: 0,
                    deadline: later(at, self.plan.rollback_within()),
                    ..restore
                })
            }
            State::Holding(holding) => {
                self.state = State::Holding(Holding {
                    retry: Retry {
                        attempt: 1,
                        waiting: false,
                    },
                    ..holding
                });
                Next::Do(Action::Observe)
            }
            State::Ended(end) => {
                self.state = State::Ended(end);
                Next::End
            }
        }
    }
}
