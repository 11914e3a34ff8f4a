//! Answers a pause, after the checks of green if it has no traffic yet.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    Action, Answering, Cause, Checking, Failure, NativeEvent, NativeMachine, Next, Override, State,
    Watch,
    state::{Fate, Sent},
};
use crate::{check::CheckReport, clock::later, engine::Control, error::ErrorKind};

/// How often all checks are asked again if some fail: a green that just started may need a moment.
const ROUNDS: u32 = 3;
/// The time from one round of checks to the next.
const BETWEEN_ROUNDS: Duration = Duration::from_secs(10);

impl NativeMachine {
    pub(super) fn begin_checks(&mut self, watch: Watch) -> Next<Action> {
        self.check(Checking {
            watch,
            index: 0,
            failed: Vec::new(),
            round: 1,
            waiting: false,
        })
    }

    pub(super) fn check(&mut self, mut checking: Checking) -> Next<Action> {
        checking.waiting = false;
        let index = checking.index;
        self.state = State::Checking(checking);
        Next::Do(Action::Check { index })
    }

    pub(super) fn on_checked(
        &mut self,
        at: Timestamp,
        mut checking: Checking,
        report: CheckReport,
    ) -> Next<Action> {
        self.tell(NativeEvent::Checked {
            report: report.clone(),
        });
        if !report.is_passed() {
            checking.failed.push(report);
        }
        checking.index += 1;
        if checking.index < self.checks {
            return self.check(checking);
        }
        if checking.failed.is_empty() {
            self.checked = true;
            // Checks take a while: the deployment is read again before the answer.
            return self.look(at, checking.watch);
        }
        if checking.round >= ROUNDS {
            let failed = checking.failed;
            return self.take_back(at, Cause::CheckFailed { failed });
        }
        self.state = State::Checking(Checking {
            index: 0,
            failed: Vec::new(),
            round: checking.round + 1,
            waiting: true,
            watch: checking.watch,
        });
        Next::Do(Action::Wait {
            until: later(at, BETWEEN_ROUNDS),
        })
    }

    /// Answers the pause that waits: the platform is to continue.
    pub(super) fn answer(&mut self, at: Timestamp, mut watch: Watch) -> Next<Action> {
        if self.taken_over.is_some() {
            return self.wait(at, watch);
        }
        let Some(waiting) = watch.pause.clone() else {
            return self.wait(at, watch);
        };
        let (pause, green) = (waiting.pause, watch.green);
        if watch.promote.is_some() && watch.noted != watch.promote {
            self.note_override(at, &watch);
            watch.noted.clone_from(&watch.promote);
        }
        self.tell(NativeEvent::Answering {
            pause: pause.clone(),
            green,
            overridden: watch.promote.clone(),
            attempt: watch.failed + 1,
        });
        self.sent = Some(Sent {
            pause: pause.clone(),
            green,
            fate: Fate::Calling,
            visible_by: later(at, self.propagation),
            denied: None,
        });
        self.state = State::Answering(Answering { watch, then: None });
        Next::Do(Action::Proceed { pause, green })
    }

    fn note_override(&mut self, at: Timestamp, watch: &Watch) {
        let Some(Control::Promote { by } | Control::PromoteFully { by }) = &watch.promote else {
            return;
        };
        let missing = self.standings.missing(at);
        let known = match missing.as_str() {
            "" => "the gates were healthy".to_owned(),
            missing => missing.to_owned(),
        };
        self.overrides.push(Override {
            at,
            by: by.clone(),
            what: format!("continued at {} while {known}", watch.green),
        });
    }

    pub(super) fn on_proceeded(
        &mut self,
        at: Timestamp,
        answering: Answering,
        answer: Result<(), Failure>,
    ) -> Next<Action> {
        let Answering { mut watch, then } = answering;
        let visible_by = later(at, self.propagation);
        let Some(mut sent) = self.sent.take() else {
            return self.wait(at, watch);
        };
        let pause = sent.pause.clone();
        sent.visible_by = visible_by;
        let is_unknown = match answer {
            Ok(()) => {
                sent.fate = Fate::Accepted;
                self.sent = Some(sent);
                self.answers += 1;
                self.tell(NativeEvent::Answered { pause, visible_by });
                watch.on_answered();
                false
            }
            Err(failure) => {
                let is_unknown = failure.kind == ErrorKind::OutcomeUnknown;
                if is_unknown {
                    sent.fate = Fate::Unknown;
                    self.sent = Some(sent);
                }
                self.tell(NativeEvent::AnswerFailed {
                    pause,
                    failure: failure.clone(),
                });
                watch.failed += 1;
                watch.failure = Some(failure);
                is_unknown
            }
        };
        if let Some(failure) = self.taken_over.clone() {
            return self.give_way(at, failure);
        }
        if let Some(failure) = self.journal_failure.clone() {
            return self.take_back(at, Cause::JournalFailed { failure });
        }
        if let Some(control) = then {
            return self.end_by(at, control);
        }
        match is_unknown {
            // The deployment is observed before anything is decided.
            true => self.look(at, watch),
            false => self.wait(at, watch),
        }
    }

    /// The journal did not keep the record of the answer, so nothing was sent.
    pub(super) fn on_answer_not_begun(
        &mut self,
        at: Timestamp,
        answering: Answering,
        failure: Failure,
    ) -> Next<Action> {
        self.sent = None;
        if let Some(failure) = self.taken_over.clone() {
            return self.give_way(at, failure);
        }
        match answering.then {
            Some(control) => self.end_by(at, control),
            None => self.take_back(at, Cause::JournalFailed { failure }),
        }
    }
}
