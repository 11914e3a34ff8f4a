//! The migration as a pure state machine.
//!
//! ```text
//!            ┌───────────┐ refused, cancelled                     ┌──────────┐
//!  start ──▶ │ Preflight │ ─────────────────────────────────────▶ │          │
//!            └─────┬─────┘                                        │          │
//!                  ▼        deadline, hold                        │          │
//!            ┌───────────┐ ─────────────────────────────────────▶ │          │
//!        ┌──▶│  Watching │ ──────┐ unhealthy, deadline, cancelled │          │
//!        │   └─────┬─────┘       │                                │          │
//!        │ seen,   │ healthy and │                                │          │
//!        │ or not  ▼ capacity    ▼                                │          │
//!        │   ┌───────────┐  ┌───────────┐ blocked, time is up     │   Ended  │
//!        └───│   Rising  │─▶│ Restoring │ ──────────────────────▶ │          │
//!            └─────┬─────┘  └─────┬─────┘                         │          │
//!                  │              ▼ accepted and seen twice       │          │
//!                  │        ┌───────────┐ confirmed, time is up   │          │
//!                  │        │ Confirming│ ──────────────────────▶ │          │
//!                  ▼        └───────────┘                         │          │
//!            ┌───────────┐ deadline, cancelled                    │          │
//!   drift ─▶ │  Drifted  │ ─────────────────────────────────────▶ │          │
//!            └───────────┘                                        └──────────┘
//! ```
//!
//! Not drawn: `Resuming`, which returns to the state that the run was in, as soon as an observation has
//! come; `ArmingSwitch`, which comes before a look of `Watching`; `DisarmingSwitch`, which comes before
//! `Ended` while a dead-man switch may stand; `KeepingCapacity`, which comes before the first `Watching`
//! if blue may be scaled in; `ReleasingCapacity`, which comes before the end of a run that has raised
//! blue's minimum and put everything back; and `Returning`, which comes before `Restoring` if blue has
//! shrunk and green is healthy.

mod capacity;
mod control;
mod drift;
mod gradual;
mod preflight;
mod reads;
mod reopened;
mod restore;
mod resume;
mod rise;
pub(crate) mod standing;
mod state;
mod switch;
mod watch;

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::{
    standing::Standings,
    state::{Contact, KeptCapacity, Reads, RiseStep, Sent, Stage, State, Switch, Watch},
};
use super::{
    Action, Cause, GateId, GatePolicy, HoldReason, Input, Intent, MigrationEvent, MigrationOutcome,
    MigrationPlan, Override, Report, Unchanged, Unresolved, entry::Written, outcome::End,
};
use crate::{
    engine::{Control, ControlEffect, Machine, Next, Transition, Work},
    error::Failure,
    json::JsonText,
    traffic::{Sides, TrafficObservation, TrafficSplit},
};

/// The migration as a pure state machine: it says what to do next and is told what happened, each with
/// its time. It has no clock, does no I/O, and is plain data.
///
/// [`Migration`](super::Migration) runs it. Another host, such as a workflow engine, runs it without our
/// loop: start the machine with [`Input::Start`], carry out each action, and tell the machine the answer.
/// [`Next::Do`] replaces the outstanding action; only an [`Action::Shift`] must be allowed to finish, and
/// the machine never replaces one except to stop.
///
/// # Examples
///
/// ```
/// use bluegreen::{MigrationPlan, host::Next, migration::{Action, Input, Intent, MigrationMachine}};
///
/// let plan = MigrationPlan::builder().build()?;
/// let mut machine = MigrationMachine::new(plan, [("errors".into(), Default::default())]);
/// let transition = machine.on("2026-01-05T09:00:00Z".parse()?, Input::Start(Intent::Migrate));
/// assert!(matches!(transition.next, Next::Do(Action::Preflight { .. })));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[must_use]
pub struct MigrationMachine {
    plan: MigrationPlan,
    standings: Standings,
    state: State,
    intent: Intent,
    /// When the run began: the time of `Start`.
    started: Timestamp,
    /// When the run must be over; pauses move this time.
    deadline: Timestamp,
    /// The routing that the rule should have: the first observation, then each read-back of this run's
    /// writes.
    expected: Option<TrafficObservation>,
    /// The newest observation, whether it shows this run's writes or not, and when it was made.
    last: Option<(Timestamp, TrafficObservation)>,
    /// The weights before the run.
    #[serde(default)]
    weights_at_start: Option<Sides<u32>>,
    /// Blue's healthy targets at the start, which serve everything.
    blue_at_start: Option<u32>,
    /// Whether a change of this run may have happened: one was accepted, or not answered.
    moved: bool,
    /// How long after a write a read may show an older state.
    propagation: Duration,
    /// The newest change, until a read shows that it did not happen.
    sent: Option<Sent>,
    /// The results of the reads since the newest change.
    reads: Reads,
    /// How fresh this process's knowledge of the rule is.
    #[serde(default)]
    contact: Contact,
    /// Controls that were given before there was a stage that could apply them.
    #[serde(default)]
    early: Vec<Control>,
    /// The state of the dead-man switch, as far as it is known.
    #[serde(default)]
    switch: Switch,
    /// The state of blue's minimum, as far as it is known.
    #[serde(default)]
    capacity: KeptCapacity,
    journal_failure: Option<Failure>,
    /// The failure that says that another controller has taken over: nothing is written any more.
    #[serde(default)]
    taken_over: Option<Failure>,
    overrides: Vec<Override>,
    events: Vec<MigrationEvent>,
}

impl MigrationMachine {
    /// Creates a machine that waits for [`Input::Start`]. `gates` are the gates that will look, in the
    /// order of their reports.
    pub fn new(plan: MigrationPlan, gates: impl IntoIterator<Item = (GateId, GatePolicy)>) -> Self {
        Self {
            plan,
            standings: Standings::new(gates),
            state: State::New,
            intent: Intent::Migrate,
            started: Timestamp::UNIX_EPOCH,
            deadline: Timestamp::MAX,
            expected: None,
            last: None,
            weights_at_start: None,
            blue_at_start: None,
            moved: false,
            propagation: Duration::ZERO,
            sent: None,
            reads: Reads::default(),
            contact: Contact::default(),
            early: Vec::new(),
            switch: Switch::default(),
            capacity: KeptCapacity::default(),
            journal_failure: None,
            taken_over: None,
            overrides: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Sets how long after a write a read may show an older state:
    /// [`TrafficSplitter::propagation`](crate::TrafficSplitter::propagation). Default: no time.
    pub fn with_propagation(mut self, propagation: Duration) -> Self {
        self.propagation = propagation;
        self
    }

    /// Takes what happened at `at` and returns what to do next.
    ///
    /// An answer to an action that is not outstanding changes nothing. After the end no input changes
    /// anything.
    #[must_use]
    pub fn on(&mut self, at: Timestamp, input: Input) -> Transition<MigrationEvent, Action> {
        // Each state takes the answers to its own action; the handler sets the next state.
        let state = std::mem::replace(&mut self.state, State::New);
        let next = match (state, input) {
            (State::Ended(end), _) => {
                self.state = State::Ended(end);
                Next::End
            }
            (state, Input::Control(control)) => self.on_control(at, state, control),
            (state, Input::JournalFailed(failure)) => self.on_journal_failed(at, state, failure),
            (state, Input::Resumed { by }) => self.on_resumed(at, state, by),
            (State::New, Input::Start(intent)) => self.on_start(at, intent),
            (
                State::Preflight(preflight),
                Input::Preflighted {
                    findings,
                    look,
                    capacity,
                },
            ) => self.on_preflighted(at, preflight, findings, look, capacity),
            (State::Preflight(preflight), Input::Waited { clock_fault }) => {
                self.on_preflight_waited(at, preflight, clock_fault)
            }
            (State::Watching(watch), Input::Looked(look)) => self.on_looked(at, watch, look),
            (State::Watching(watch), Input::Waited { clock_fault }) => {
                self.on_watch_waited(at, watch, clock_fault)
            }
            (State::Rising(rise), Input::Shifted(answer)) if rise.outstanding == RiseStep::Call => {
                self.on_rise_answered(at, rise, answer)
            }
            (State::Rising(rise), Input::Waited { clock_fault }) => {
                self.on_rise_waited(at, rise, clock_fault)
            }
            (State::Rising(rise), Input::Looked(look)) => self.on_rise_looked(at, rise, look),
            (State::Returning(returning), Input::Shifted(answer)) => {
                self.on_return_answered(at, returning, answer)
            }
            (State::Returning(returning), Input::Waited { clock_fault }) => {
                self.on_return_waited(at, returning, clock_fault)
            }
            (State::Returning(returning), Input::Looked(look)) => {
                self.on_return_looked(at, returning, look)
            }
            (State::Restoring(restore), Input::Shifted(answer)) => {
                self.on_restore_answered(at, restore, answer)
            }
            (State::Restoring(restore), Input::Waited { clock_fault }) => {
                self.on_restore_waited(at, restore, clock_fault)
            }
            (State::Restoring(restore), Input::Observed(observed)) => {
                self.on_restore_observed(at, restore, observed)
            }
            (State::Drifted(drifted), Input::SwitchDisarmed(disarmed)) => {
                self.on_drift_disarmed(at, drifted, disarmed)
            }
            (State::Drifted(drifted), Input::Waited { clock_fault }) => {
                self.on_drift_waited(at, drifted, clock_fault)
            }
            (State::Drifted(drifted), Input::Looked(look)) => {
                self.on_drift_looked(at, drifted, look)
            }
            (State::Confirming(confirm), Input::Looked(look)) => {
                self.on_confirm_looked(at, confirm, look)
            }
            (State::Confirming(confirm), Input::Waited { clock_fault }) => {
                self.on_confirm_waited(at, confirm, clock_fault)
            }
            (State::ArmingSwitch(arming), Input::SwitchArmed(armed)) => {
                self.on_switch_armed(at, arming, armed)
            }
            (State::DisarmingSwitch(disarming), Input::SwitchDisarmed(disarmed)) => {
                self.on_switch_disarmed(at, disarming, disarmed)
            }
            (State::DisarmingSwitch(disarming), Input::Observed(observed)) => {
                self.on_disarm_observed(at, disarming, observed)
            }
            (State::DisarmingSwitch(disarming), Input::Waited { clock_fault }) => {
                self.on_disarm_waited(at, disarming, clock_fault)
            }
            (State::KeepingCapacity(keeping), Input::CapacityKept(kept)) => {
                self.on_capacity_kept(at, keeping, kept)
            }
            (State::KeepingCapacity(keeping), Input::CapacityObserved(observed)) => {
                self.on_capacity_observed(at, keeping, observed)
            }
            (State::KeepingCapacity(keeping), Input::Waited { clock_fault }) => {
                self.on_keep_waited(at, keeping, clock_fault)
            }
            (State::ReleasingCapacity(releasing), Input::CapacityReleased(released)) => {
                self.on_capacity_released(at, releasing, released)
            }
            (State::ReleasingCapacity(releasing), Input::Observed(observed)) => {
                self.on_release_observed(at, releasing, observed)
            }
            (State::ReleasingCapacity(releasing), Input::Waited { clock_fault }) => {
                self.on_release_waited(at, releasing, clock_fault)
            }
            (State::Resuming(resuming), Input::Observed(observed)) => {
                self.on_resume_observed(at, resuming, observed)
            }
            (State::Resuming(resuming), Input::Waited { clock_fault }) => {
                self.on_resume_waited(at, resuming, clock_fault)
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

    /// Returns how the run ended, if it has ended.
    #[must_use]
    pub fn end(&self) -> Option<Result<&MigrationOutcome, &Unresolved>> {
        match &self.state {
            State::Ended(End::Known(outcome)) => Some(Ok(outcome)),
            State::Ended(End::Unresolved(unresolved)) => Some(Err(unresolved)),
            _ => None,
        }
    }

    /// Returns the split as it was last read.
    #[must_use]
    pub(crate) fn traffic(&self) -> Option<&TrafficObservation> {
        self.last.as_ref().map(|(_, traffic)| traffic)
    }

    /// Returns when the run began; `None` if it has not begun.
    pub(crate) fn started(&self) -> Option<Timestamp> {
        (self.state != State::New).then_some(self.started)
    }

    fn tell(&mut self, event: MigrationEvent) {
        self.events.push(event);
    }

    fn remember(&mut self, at: Timestamp, traffic: &TrafficObservation) {
        self.clear_switch(at, traffic);
        self.last = Some((at, traffic.clone()));
    }

    fn report(&self, at: Timestamp) -> Report {
        Report {
            started: self.started,
            ended: at,
            traffic: self.last.as_ref().map(|(_, traffic)| traffic.clone()),
            traffic_read_at: self.last.as_ref().map(|(read_at, _)| *read_at),
            accepted: self.plan.accepted().clone(),
            overrides: self.overrides.clone(),
            switch: None,
            capacity: None,
            unseen: self.unseen(),
            blue_kept_until: None,
        }
    }

    /// Returns the facts of an end that a person must look at.
    fn unresolved(&self, at: Timestamp, summary: String) -> Unresolved {
        Unresolved {
            summary,
            cause: None,
            failure: None,
            change_unseen: self.unseen().is_some(),
            report: self.report(at),
        }
    }

    fn end_unresolved(&mut self, mut unresolved: Unresolved) -> Next<Action> {
        unresolved.report.switch = self.standing_switch();
        unresolved.report.capacity = self.standing_capacity();
        self.tell(MigrationEvent::Unresolved {
            exit_code: 20,
            unresolved: unresolved.clone(),
        });
        self.state = State::Ended(End::Unresolved(unresolved));
        Next::End
    }

    /// Ends if another controller has taken over: that controller continues from the present state.
    fn give_way(&mut self, at: Timestamp) -> Option<Next<Action>> {
        let failure = self.taken_over.clone()?;
        Some(match self.moved {
            true => self.hold(at, HoldReason::TakenOver { failure }),
            false => self.unchanged(at, Unchanged::JournalFailed { failure }),
        })
    }

    fn unchanged(&mut self, at: Timestamp, reason: Unchanged) -> Next<Action> {
        let report = self.report(at);
        self.end_known(at, MigrationOutcome::Unchanged { reason, report })
    }

    fn hold(&mut self, at: Timestamp, reason: HoldReason) -> Next<Action> {
        let report = self.report(at);
        self.end_known(at, MigrationOutcome::Held { reason, report })
    }
}

impl Machine for MigrationMachine {
    type Input = Input;
    type Action = Action;
    type Event = MigrationEvent;
    type End = End;

    /// Green is not watched while a record waits.
    const RECORDED_WITHIN: Duration = Duration::from_secs(5);

    fn on(&mut self, at: Timestamp, input: Input) -> Transition<MigrationEvent, Action> {
        Self::on(self, at, input)
    }

    fn work(action: &Action) -> Work {
        action.work()
    }

    fn end(&self) -> Option<End> {
        match &self.state {
            State::Ended(end) => Some(end.clone()),
            _ => None,
        }
    }

    fn answered(event: &MigrationEvent) -> Option<(&Control, &ControlEffect)> {
        match event {
            MigrationEvent::Controlled { control, effect } => Some((control, effect)),
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
        Written::Input { input }.text()
    }

    fn change_entry(action: &Action) -> JsonText {
        Written::Change { action }.text()
    }
}

#[cfg(test)]
mod tests;
