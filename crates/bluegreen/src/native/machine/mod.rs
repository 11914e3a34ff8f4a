//! The judge as a pure state machine.
//!
//! ```text
//!            ┌───────────┐ refused, cancelled
//!  start ──▶ │ Preflight │ ──────────────────────────────────────────────▶ Unchanged
//!            └─────┬─────┘
//!                  ▼       the platform says successful                    Promoted
//!            ┌───────────┐ ──────────────────────────────────────────────▶
//!        ┌──▶│  Watching │ ──┐  leave, superseded, gone ──▶ Holding ─────▶ Held
//!        │   └──┬─────┬──┘   │
//!        │      │     ▼      │ unhealthy, deadline, cancelled,
//!        │      │ ┌────────┐ │ or the platform rolls back
//!        │      │ │Checking│─┤
//!        │      │ └────────┘ │
//!        │      ▼ healthy    ▼
//!        │   ┌───────────┐ ┌───────────┐ the platform says rolled back
//!        └───│ Answering │▶│ Restoring │ ────────────────────────────────▶ RolledBack, or 20
//!            └───────────┘ └───────────┘
//! ```

mod answer;
mod control;
mod hold;
mod reads;
mod restore;
mod resume;
mod state;
mod watch;

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::state::{Answering, Checking, Ordered, RestoreStep, Retry, Sent, State, Watch};
use super::{
    Action, Cause, HoldReason, Input, NativeEvent, NativeObservation, NativeOutcome, NativePlan,
    NativeSurvey, Pause, Report, Unchanged, Unresolved,
    entry::{Written, text},
    outcome::End,
    rules,
};
use crate::{
    clock::later,
    engine::{
        Control, ControlEffect, Machine, Next, Transition, Work,
        retry::{ATTEMPTS, back_off},
    },
    error::{ErrorKind, Failure},
    health::session::GateId,
    json::JsonText,
    migration::{GatePolicy, Override, Standings},
};

/// The judge as a pure state machine: it says what to do next and is told what happened, each with its time.
/// It has no clock, does no I/O, and is plain data.
///
/// [`NativeJudge`](super::NativeJudge) runs it. Another host, such as a function that the platform calls,
/// runs it without our loop: start the machine with [`Input::Start`], carry out each action, and tell the
/// machine the answer. [`Next::Do`] replaces the outstanding action; only a change must be allowed to finish,
/// and the machine never replaces a change except to stop.
///
/// # Examples
///
/// ```
/// use bluegreen::{host::Next, native::{Action, Input, NativeMachine, NativePlan}};
///
/// let plan = NativePlan::builder().build()?;
/// let gates = [("errors".into(), Default::default())];
/// let mut machine = NativeMachine::new(plan, "arn:aws:ecs:…:service-deployment/…", gates);
/// let transition = machine.on("2026-01-05T09:00:00Z".parse()?, Input::Start);
/// assert_eq!(transition.next, Next::Do(Action::Preflight));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[must_use]
pub struct NativeMachine {
    plan: NativePlan,
    /// The deployment.
    name: String,
    checks: usize,
    by_hand: Option<String>,
    /// How long after a change a read may show an older state.
    propagation: Duration,
    standings: Standings,
    state: State,
    /// When the run began: the time of `Start`.
    started: Option<Timestamp>,
    /// When the run must be over.
    deadline: Timestamp,
    service: Option<String>,
    /// The newest read that was not old, and when it was made.
    last: Option<(Timestamp, NativeObservation)>,
    /// The newest answer to a pause.
    sent: Option<Sent>,
    /// The newest order to put everything back.
    ordered: Option<Ordered>,
    /// A newer deployment of the service, and the first read that showed it.
    successor: Option<(String, Timestamp)>,
    /// The first of the reads in a row that did not find the deployment.
    absent: Option<Timestamp>,
    /// Whether the checks have passed.
    checked: bool,
    /// How many pauses were answered.
    answers: u32,
    overrides: Vec<Override>,
    /// Controls that were given before there was a watch that could apply them.
    early: Vec<Control>,
    /// The journal has failed while a change was under way.
    journal_failure: Option<Failure>,
    /// Another controller has taken over: nothing is changed any more.
    taken_over: Option<Failure>,
    events: Vec<NativeEvent>,
}

impl NativeMachine {
    /// Creates a machine that waits for [`Input::Start`], for the deployment `name` and these gates.
    pub fn new(
        plan: NativePlan,
        name: impl Into<String>,
        gates: impl IntoIterator<Item = (GateId, GatePolicy)>,
    ) -> Self {
        Self {
            plan,
            name: name.into(),
            checks: 0,
            by_hand: None,
            propagation: Duration::ZERO,
            standings: Standings::new(gates),
            state: State::New,
            started: None,
            deadline: Timestamp::MAX,
            service: None,
            last: None,
            sent: None,
            ordered: None,
            successor: None,
            absent: None,
            checked: false,
            answers: 0,
            overrides: Vec::new(),
            early: Vec::new(),
            journal_failure: None,
            taken_over: None,
            events: Vec::new(),
        }
    }

    /// Sets the number of checks that are asked before green gets its first traffic. Default: none.
    pub fn with_checks(mut self, checks: usize) -> Self {
        self.checks = checks;
        self
    }

    /// Sets the propagation time, as
    /// [`PausedDeployment::propagation`](super::PausedDeployment::propagation) says. Default: reads are
    /// consistent.
    pub fn with_propagation(mut self, propagation: Duration) -> Self {
        self.propagation = propagation;
        self
    }

    /// Sets the command by which a person has the platform put everything back. Default: none.
    pub fn with_by_hand(mut self, command: Option<String>) -> Self {
        self.by_hand = command;
        self
    }

    /// Takes the input that came at `at`, and says what to do next.
    ///
    /// The result of an action that is not outstanding changes nothing. After the end no input changes
    /// anything.
    #[must_use]
    pub fn on(&mut self, at: Timestamp, input: Input) -> Transition<NativeEvent, Action> {
        let state = std::mem::replace(&mut self.state, State::New);
        let next = match (state, input) {
            (State::Ended(end), _) => {
                self.state = State::Ended(end);
                Next::End
            }
            (state, Input::Control(control)) => self.on_control(at, state, control),
            (state, Input::JournalFailed(failure)) => self.on_journal_failed(at, state, failure),
            (state, Input::Resumed { by }) => self.on_resumed(at, state, by),
            (State::New, Input::Start) => self.on_start(at),
            (State::Preflight(retry), Input::Preflighted(survey)) if !retry.waiting => {
                self.on_preflighted(at, retry, survey)
            }
            (State::Preflight(retry), Input::Waited { clock_fault }) if retry.waiting => {
                match clock_fault {
                    true => self.unchanged(at, Unchanged::ClockFault),
                    false => self.preflight(retry.attempt),
                }
            }
            (State::Watching(watch), Input::Looked(look)) if watch.looking => {
                self.on_looked(at, watch, look)
            }
            (State::Watching(watch), Input::Waited { clock_fault }) if !watch.looking => {
                match clock_fault {
                    true => self.take_back(at, Cause::ClockFault),
                    false => self.look(at, watch),
                }
            }
            (State::Checking(checking), Input::Checked(report)) if !checking.waiting => {
                self.on_checked(at, checking, report)
            }
            (State::Checking(checking), Input::Waited { clock_fault }) if checking.waiting => {
                match clock_fault {
                    true => self.take_back(at, Cause::ClockFault),
                    false => self.check(checking),
                }
            }
            (State::Answering(answering), Input::Proceeded(answer)) => {
                self.on_proceeded(at, answering, answer)
            }
            (State::Answering(answering), Input::NotBegun(failure)) => {
                self.on_answer_not_begun(at, answering, failure)
            }
            (State::Restoring(restore), Input::RollBackSent(sent))
                if restore.step == RestoreStep::Calling =>
            {
                self.on_roll_back_sent(at, restore, sent)
            }
            (State::Restoring(restore), Input::NotBegun(failure))
                if restore.step == RestoreStep::Calling =>
            {
                self.on_roll_back_sent(at, restore, Err(failure))
            }
            (State::Restoring(restore), Input::Observed(observed))
                if restore.step == RestoreStep::Reading =>
            {
                self.on_restore_seen(at, restore, observed)
            }
            (State::Restoring(restore), Input::Waited { clock_fault })
                if restore.step == RestoreStep::Waiting =>
            {
                self.on_restore_waited(at, restore, clock_fault)
            }
            (State::Holding(holding), Input::Observed(observed)) if !holding.retry.waiting => {
                self.on_hold_seen(at, holding, observed)
            }
            (State::Holding(holding), Input::Waited { clock_fault }) if holding.retry.waiting => {
                self.on_hold_waited(at, holding, clock_fault)
            }
            (state, _stale) => {
                self.state = state;
                Next::Keep
            }
        };
        Transition {
            events: std::mem::take(&mut self.events),
            next,
        }
    }

    /// Returns how the run ended, once it has.
    #[must_use]
    pub fn end(&self) -> Option<Result<&NativeOutcome, &Unresolved>> {
        let State::Ended(end) = &self.state else {
            return None;
        };
        Some(match &**end {
            End::Known(outcome) => Ok(outcome),
            End::Unresolved(unresolved) => Err(unresolved),
        })
    }

    /// Returns the plan that the machine follows.
    pub fn plan(&self) -> &NativePlan {
        &self.plan
    }

    /// Returns when the run began; `None` before [`Input::Start`].
    pub(crate) fn started(&self) -> Option<Timestamp> {
        self.started
    }

    fn on_start(&mut self, at: Timestamp) -> Next<Action> {
        self.started = Some(at);
        self.deadline = later(at, self.plan.deadline());
        self.tell(NativeEvent::Started {
            deployment: self.name.clone(),
            plan: self.plan.clone(),
            gates: self.standings.names(),
        });
        self.preflight(1)
    }

    fn preflight(&mut self, attempt: u32) -> Next<Action> {
        let waiting = false;
        self.state = State::Preflight(Retry { attempt, waiting });
        Next::Do(Action::Preflight)
    }

    fn on_preflighted(
        &mut self,
        at: Timestamp,
        retry: Retry,
        survey: Result<Box<NativeSurvey>, Failure>,
    ) -> Next<Action> {
        let mut survey = match survey {
            Ok(survey) => *survey,
            // Reads may not show yet what another tool has just begun.
            Err(failure)
                if retry.attempt < ATTEMPTS
                    && (failure.kind.is_transient() || failure.kind == ErrorKind::NotFound) =>
            {
                let retry_at = later(at, back_off(retry.attempt));
                self.tell(NativeEvent::ReadFailed { failure, retry_at });
                self.state = State::Preflight(Retry {
                    attempt: retry.attempt + 1,
                    waiting: true,
                });
                return Next::Do(Action::Wait { until: retry_at });
            }
            Err(failure) => return self.unchanged(at, Unchanged::NotRead { failure }),
        };
        self.service = Some(survey.service.clone());
        let unfit = survey.unfit();
        let found = rules::checks_without_pause(&survey, self.checks);
        survey.findings.extend(unfit.into_iter().chain(found));
        let accepted = self.plan.accepted().clone();
        let findings = survey.findings.into_iter();
        let findings = findings.map(|one| one.marked(|risk| risk.is_accepted_by(&accepted)));
        survey.findings = findings.collect();
        if survey.findings.iter().any(|one| one.stops(&accepted)) {
            let findings = survey.findings;
            return self.unchanged(at, Unchanged::Refused { findings });
        }
        if let Some(observed) = &survey.observation
            && observed.status.is_over()
        {
            let summary = observed.to_string();
            return self.unchanged(at, Unchanged::Over { summary });
        }
        self.tell(NativeEvent::PreflightPassed { survey });
        let next = self.look(at, Watch::new(at));
        self.take_early(at, next)
    }

    fn tell(&mut self, event: NativeEvent) {
        self.events.push(event);
    }

    /// Returns the deployment as it was last read.
    fn seen(&self) -> Option<&NativeObservation> {
        self.last.as_ref().map(|(_, observed)| observed)
    }

    fn report(&self, at: Timestamp) -> Report {
        Report {
            started: self.started.unwrap_or(at),
            ended: at,
            service: self.service.clone(),
            deployment: self.seen().cloned(),
            read_at: self.last.as_ref().map(|(read_at, _)| *read_at),
            answers: self.answers,
            overrides: self.overrides.clone(),
            accepted: self.plan.accepted().clone(),
            restore_command: self.by_hand.clone(),
        }
    }

    fn unchanged(&mut self, at: Timestamp, reason: Unchanged) -> Next<Action> {
        let report = self.report(at);
        self.end_known(NativeOutcome::Unchanged { reason, report })
    }

    fn end_known(&mut self, outcome: NativeOutcome) -> Next<Action> {
        self.tell(NativeEvent::Ended {
            exit_code: outcome.exit_code(),
            outcome: outcome.clone(),
        });
        self.state = State::Ended(Box::new(End::Known(outcome)));
        Next::End
    }

    fn unresolved(
        &mut self,
        at: Timestamp,
        summary: impl Into<String>,
        cause: Option<Cause>,
        failure: Option<Failure>,
    ) -> Next<Action> {
        let unresolved = Unresolved {
            summary: summary.into(),
            cause,
            failure,
            change_unseen: self.is_unseen(),
            report: self.report(at),
        };
        self.tell(NativeEvent::Unresolved {
            exit_code: 20,
            unresolved: unresolved.clone(),
        });
        self.state = State::Ended(Box::new(End::Unresolved(unresolved)));
        Next::End
    }
}

impl Machine for NativeMachine {
    type Input = Input;
    type Action = Action;
    type Event = NativeEvent;
    type End = End;

    /// As a migration's: green is not watched while a record waits.
    const RECORDED_WITHIN: Duration = Duration::from_secs(5);

    fn on(&mut self, at: Timestamp, input: Input) -> Transition<NativeEvent, Action> {
        Self::on(self, at, input)
    }

    fn work(action: &Action) -> Work {
        action.work()
    }

    fn end(&self) -> Option<End> {
        match &self.state {
            State::Ended(end) => Some((**end).clone()),
            _ => None,
        }
    }

    fn answered(event: &NativeEvent) -> Option<(&Control, &ControlEffect)> {
        match event {
            NativeEvent::Controlled { control, effect } => Some((control, effect)),
            _ => None,
        }
    }

    fn control(control: Control) -> Input {
        Input::Control(control)
    }

    fn waited(clock_fault: bool) -> Input {
        Input::Waited { clock_fault }
    }

    fn journal_failed(failure: Failure) -> Input {
        Input::JournalFailed(failure)
    }

    fn not_begun(action: &Action, failure: Failure) -> Input {
        action.not_begun(failure)
    }

    fn input_entry(input: &Input) -> JsonText {
        text(&Written::Input { input })
    }

    fn change_entry(action: &Action) -> JsonText {
        text(&Written::Change { action })
    }
}

#[cfg(test)]
mod tests;
