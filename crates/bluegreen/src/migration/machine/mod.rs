//! The migration as a pure state machine.
//!
//! ```text
//!            ┌───────────┐ refused, cancelled                     ┌──────────┐
//!  start ──▶ │ Preflight │ ─────────────────────────────────────▶ │          │
//!            └─────┬─────┘                                        │          │
//!                  ▼        deadline, cancelled, drift             │          │
//!            ┌───────────┐ ─────────────────────────────────────▶ │          │
//!        ┌──▶│  Watching │  unhealthy, deadline, cancelled         │          │
//!        │   └─────┬─────┘ ───────────────┐                       │   Ended  │
//!        │         │ gates healthy        │ restore               │          │
//!        │         ▼ and capacity         ▼                       │          │
//!        │   ┌───────────┐  fails   ┌───────────┐  drift, budget  │          │
//!        └───│  Writing  │ ◀──────▶ │ Verifying │ ──────────────▶ │          │
//!   rise     └─────┬─────┘          │ BackingOff│                 │          │
//!   read back      │ restore        └───────────┘                 │          │
//!                  │ read back                                    │          │
//!                  ▼                                              │          │
//!            ┌───────────┐ confirmed, or time is up               │          │
//!            │ Confirming│ ─────────────────────────────────────▶ │          │
//!            └───────────┘                                        └──────────┘
//! ```
//!
//! Not drawn: `Resuming`, which an observation leaves to where the run was; `ArmingSwitch`, which
//! comes before a look of `Watching`; and `DisarmingSwitch`, which comes before `Ended` while a
//! dead-man switch may stand.

mod control;
mod preflight;
mod reopened;
mod resume;
mod retry;
mod standing;
mod state;
mod switch;
mod watch;
mod write;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub(crate) use self::state::End;
use self::{
    standing::Standings,
    state::{Stage, State, Switch, Watch},
};
use super::{
    Action, Cause, Entry, GateId, GatePolicy, HoldReason, Input, Intent, MigrationEvent,
    MigrationOutcome, MigrationPlan, Override, Report, Unchanged, Unresolved,
};
use crate::{
    engine::{Control, Machine, Next, Transition, Work},
    error::Failure,
    traffic::{TrafficObservation, TrafficSplit},
};

/// The migration as a pure state machine: it says what to do next and is told what happened,
/// each with its time. It has no clock, does no I/O, and is plain data.
///
/// [`Migration`](super::Migration) runs it. Whoever has another host, such as a workflow engine,
/// runs it without our loop: start it with [`Input::Start`], carry out each action, tell it what
/// came of it. [`Next::Do`] replaces whatever is outstanding; only a [`Action::Shift`] must be let
/// to finish, and the machine never replaces one except to stop.
///
/// # Examples
///
/// ```
/// use bluegreen::{MigrationPlan, engine::Next, migration::{Action, Input, Intent, MigrationMachine}};
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
    /// When it began; the time of `Start`.
    started: Timestamp,
    /// When it must be over; pauses move it.
    deadline: Timestamp,
    /// The routing that should be there: the first observation, then each read-back of ours.
    expected: Option<TrafficObservation>,
    /// The newest observation, ours or not, and when it was made.
    last: Option<(Timestamp, TrafficObservation)>,
    /// Blue's healthy targets at the start: what serves everything.
    blue_at_start: Option<u32>,
    /// Whether this run ever sent a change.
    moved: bool,
    /// What is known of the dead-man switch.
    #[serde(default)]
    switch: Switch,
    journal_failure: Option<Failure>,
    /// That somebody else has taken over: nothing is written any more.
    #[serde(default)]
    taken_over: Option<Failure>,
    overrides: Vec<Override>,
    events: Vec<MigrationEvent>,
}

/// A transition of the migration.
pub type MigrationTransition = Transition<MigrationEvent, Action>;

impl MigrationMachine {
    /// A machine that waits for [`Input::Start`]. `gates` are those that will look, in the order
    /// in which they are reported.
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
            blue_at_start: None,
            moved: false,
            switch: Switch::default(),
            journal_failure: None,
            taken_over: None,
            overrides: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Takes what happened at `at` and says what to do next.
    ///
    /// An answer to something that is not outstanding changes nothing. After the end every input
    /// changes nothing.
    #[must_use]
    pub fn on(&mut self, at: Timestamp, input: Input) -> MigrationTransition {
        // Each state takes the answers to its own action; the state is put back by the handler.
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
            (State::Preflight(preflight), Input::Preflighted { findings, look }) => {
                self.on_preflighted(at, preflight, findings, look)
            }
            (State::Preflight(preflight), Input::Waited { clock_fault }) => {
                self.on_preflight_waited(at, preflight, clock_fault)
            }
            (State::Watching(watch), Input::Looked(look)) => self.on_looked(at, watch, look),
            (State::Watching(watch), Input::Waited { clock_fault }) => {
                self.on_watch_waited(at, watch, clock_fault)
            }
            (State::Writing(write), Input::Shifted(shifted)) => self.on_shifted(at, write, shifted),
            (State::Verifying(write), Input::Observed(observed)) => {
                self.on_verified(at, write, observed)
            }
            (State::BackingOff(write), Input::Waited { clock_fault }) => {
                self.on_backed_off(at, write, clock_fault)
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

    /// How it ended, once it has.
    #[must_use]
    pub fn end(&self) -> Option<Result<&MigrationOutcome, &Unresolved>> {
        match &self.state {
            State::Ended(End::Known(outcome)) => Some(Ok(outcome)),
            State::Ended(End::Unresolved(unresolved)) => Some(Err(unresolved)),
            _ => None,
        }
    }

    /// The split as it was last read.
    #[must_use]
    pub fn traffic(&self) -> Option<&TrafficObservation> {
        self.last.as_ref().map(|(_, traffic)| traffic)
    }

    /// When it began; `None` before that.
    pub(crate) fn started(&self) -> Option<Timestamp> {
        (self.state != State::New).then_some(self.started)
    }

    /// The plan that it follows.
    pub fn plan(&self) -> &MigrationPlan {
        &self.plan
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
            overrides: self.overrides.clone(),
            switch: None,
        }
    }

    fn end_unresolved(&mut self, mut unresolved: Unresolved) -> Next<Action> {
        unresolved.report.switch = self.standing_switch();
        self.tell(MigrationEvent::Unresolved {
            exit_code: 20,
            unresolved: unresolved.clone(),
        });
        self.state = State::Ended(End::Unresolved(unresolved));
        Next::End
    }

    fn unchanged(&mut self, at: Timestamp, reason: Unchanged) -> Next<Action> {
        let report = self.report(at);
        self.end_known(at, MigrationOutcome::Unchanged { reason, report })
    }

    fn hold(&mut self, at: Timestamp, reason: HoldReason) -> Next<Action> {
        let report = self.report(at);
        self.end_known(at, MigrationOutcome::Held { reason, report })
    }

    /// Somebody else changed the rule: say how and stop, unless it was the dead-man switch.
    fn drifted(&mut self, at: Timestamp, found: TrafficObservation) -> Next<Action> {
        if self.has_fired(at, &found) {
            return self.on_fired(at, found);
        }
        let diff = match &self.expected {
            Some(expected) => found.drift_from(expected),
            None => Vec::new(),
        };
        self.remember(at, &found);
        self.tell(MigrationEvent::Drifted {
            diff: diff.clone(),
            traffic: found,
        });
        if self.moved {
            let unhealthy = self
                .standings
                .unhealthy(at)
                .map(|(gate, verdict)| format!("{gate}: {}", verdict.evidence().summary));
            self.hold(at, HoldReason::Drift { diff, unhealthy })
        } else {
            self.unchanged(at, Unchanged::Drift { diff })
        }
    }
}

impl Machine for MigrationMachine {
    type Input = Input;
    type Action = Action;
    type Event = MigrationEvent;
    type End = End;

    fn on(&mut self, at: Timestamp, input: Input) -> MigrationTransition {
        Self::on(self, at, input)
    }

    fn work(action: &Action) -> Work {
        match action {
            Action::Wait { until } => Work::Wait(*until),
            Action::Preflight { .. } | Action::Look { .. } | Action::Observe => Work::Read,
            Action::Shift { restores, .. } => Work::Change {
                restores: *restores,
            },
            Action::ArmSwitch { .. } => Work::Change { restores: false },
            // It ends a run, whether or not somebody writes that down.
            Action::DisarmSwitch => Work::Change { restores: true },
        }
    }

    fn end(&self) -> Option<End> {
        match &self.state {
            State::Ended(end) => Some(end.clone()),
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
        match action {
            Action::ArmSwitch { .. } => Input::SwitchArmed(Err(failure)),
            Action::DisarmSwitch => Input::SwitchDisarmed(Err(failure)),
            _ => Input::Shifted(Err(failure)),
        }
    }

    fn input_entry(input: &Input) -> serde_json::Value {
        Entry::Input {
            input: input.clone(),
        }
        .to_json()
    }

    fn change_entry(action: &Action) -> serde_json::Value {
        Entry::Change {
            action: action.clone(),
        }
        .to_json()
    }
}

#[cfg(test)]
mod tests;
