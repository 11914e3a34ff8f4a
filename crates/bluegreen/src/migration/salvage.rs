//! Reads journals of earlier versions: what happened, and where the run stands.
//!
//! The rules of an earlier version are gone, so its inputs mean nothing to today's machine. The facts in
//! its records stay true: splits, verdicts, changes, and requests with their authors. This module folds
//! those facts and decides nothing. If the records leave a question open, it takes the answer after which
//! a fresh observation comes before any change.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    Cause, GateId, GatePolicy, GateStanding, HoldReason, Intent, LookReport, MigrationEvent,
    MigrationOutcome, MigrationPlan, OpenedGate, Override, Report, RestoreOrder, Restored,
    Unchanged, Unresolved,
    outcome::End,
    reopened::{Reopened, Stands},
};
use crate::{
    clock::later,
    engine::{Control, ControlEffect, OnCancel, Operator, Record},
    error::{ErrorKind, Failure},
    health::{Phase, Progress, Verdict},
    preflight::{Finding, Severity},
    traffic::{Armed, Percent, TrafficObservation, TrafficSplit},
};

/// How far the clock that fires the dead-man switch may be ahead of ours.
const CLOCK_SLACK: Duration = Duration::from_secs(60);

/// How long after a write a read may show an older state. Earlier versions recorded no such time, and
/// moved traffic by load balancers only, which show a change after this time at the latest.
const PROPAGATION: Duration = Duration::from_secs(30);

/// The result of one record.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) events: Vec<MigrationEvent>,
    /// A look, with the progress that the gates were told at it.
    pub(super) look: Option<(Progress, LookReport)>,
}

/// A change that was sent, and whose outcome no record has settled.
#[derive(Debug, Clone)]
struct Pending {
    to: TrafficSplit,
    restores: bool,
    /// Whether an answer came that left the outcome open.
    failed: bool,
}

#[derive(Debug, Clone)]
struct Seen {
    gate: GateId,
    policy: GatePolicy,
    verdict: Option<(Verdict, Timestamp)>,
    failure: Option<Failure>,
    is_new: bool,
}

/// The fold over the records of an earlier version.
#[derive(Debug)]
pub(super) struct Salvage {
    version: u32,
    plan: MigrationPlan,
    gates: Vec<OpenedGate>,
    seen: Vec<Seen>,
    started: Option<Timestamp>,
    intent: Intent,
    expected: Option<TrafficObservation>,
    last: Option<(Timestamp, TrafficObservation)>,
    blue_at_start: Option<u32>,
    moved: bool,
    phase: Phase,
    /// When the phase began.
    since: Timestamp,
    step: Option<usize>,
    pending: Option<Pending>,
    attempt: u32,
    restoring: Option<Cause>,
    restored_at: Option<Timestamp>,
    paused: bool,
    promote: Option<Control>,
    then: Option<Control>,
    fault: Option<Cause>,
    resuming: bool,
    overrides: Vec<Override>,
    may_fire: Option<Timestamp>,
    armed: Option<(Armed, Timestamp)>,
    arming: Option<Timestamp>,
    /// When the outstanding action was begun.
    asked_at: Timestamp,
    /// Whether the outstanding action is a look, not a wait.
    looking: bool,
    /// How the run ends once the dead-man switch is disarmed.
    ending: Option<MigrationOutcome>,
    end: Option<End>,
    events: Vec<MigrationEvent>,
}

impl Salvage {
    pub(super) fn new(version: u32, plan: MigrationPlan, gates: Vec<OpenedGate>) -> Self {
        let seen = |opened: &OpenedGate| Seen {
            gate: opened.gate.clone(),
            policy: opened.policy,
            verdict: None,
            failure: None,
            is_new: false,
        };
        Self {
            seen: gates.iter().map(seen).collect(),
            version,
            plan,
            gates,
            started: None,
            intent: Intent::Migrate,
            expected: None,
            last: None,
            blue_at_start: None,
            moved: false,
            phase: Phase::Preflight,
            since: Timestamp::UNIX_EPOCH,
            step: None,
            pending: None,
            attempt: 0,
            restoring: None,
            restored_at: None,
            paused: false,
            promote: None,
            then: None,
            fault: None,
            resuming: false,
            overrides: Vec::new(),
            may_fire: None,
            armed: None,
            arming: None,
            asked_at: Timestamp::UNIX_EPOCH,
            looking: false,
            ending: None,
            end: None,
            events: Vec::new(),
        }
    }

    /// Takes the next record. Actions and inputs of an unknown kind are skipped.
    ///
    /// # Errors
    ///
    /// The reason why the record does not belong to a migration.
    pub(super) fn take(&mut self, record: &Record) -> Result<Taken, String> {
        let entry = record.entry.value();
        let mut look = None;
        match entry.get("entry").and_then(Value::as_str) {
            Some("input") => {
                let input = entry.get("input").ok_or("an input without its value")?;
                look = self.input(record.at, input)?;
            }
            Some("change") => {
                let action = entry.get("action").ok_or("a change without its action")?;
                self.change(record.at, action)?;
            }
            Some("reopened") => {
                let reopened = entry.get("reopened").ok_or("reopened without its value")?;
                self.reopened(part(reopened)?);
            }
            Some("opened") => return Err("opened a second time".to_owned()),
            other => return Err(format!("not an entry of a migration: {other:?}")),
        }
        let events = std::mem::take(&mut self.events);
        Ok(Taken { events, look })
    }

    /// Returns when the run began, if it has begun.
    pub(super) fn started(&self) -> Option<Timestamp> {
        self.started
    }

    /// Returns the state of the run, for a machine that continues from it at `at`.
    pub(super) fn leave(&self, at: Timestamp) -> Reopened {
        Reopened {
            found: self.version,
            at,
            gates: self.gates.clone(),
            started: self.started.unwrap_or(at),
            intent: self.intent.clone(),
            expected: self.expected.clone(),
            last: self.last.clone(),
            blue_at_start: self.blue_at_start,
            moved: self.moved,
            propagation: PROPAGATION,
            stands: self.stands(),
            paused: self.paused,
            then: self.then.clone(),
            overrides: self.overrides.clone(),
            may_fire: self.may_fire,
            armed: self.armed.clone(),
        }
    }

    fn stands(&self) -> Stands {
        if let Some(end) = &self.end {
            let end = Box::new(end.clone());
            return Stands::Ended { end };
        }
        if let (Some(cause), Some(at)) = (self.restoring.clone(), self.restored_at) {
            return Stands::Restored { cause, at };
        }
        if let Some(cause) = self.restoring.clone() {
            return Stands::Restoring { cause };
        }
        let rise = self.pending.as_ref().filter(|pending| !pending.restores);
        match (rise.and_then(|rise| self.step_at(rise.to)), self.step) {
            (Some(to), from) => Stands::Rising { from, to },
            (None, Some(step)) => Stands::Step { step },
            (None, None) => Stands::Survey,
        }
    }

    fn step_at(&self, split: TrafficSplit) -> Option<usize> {
        let steps = self.plan.steps().iter();
        let mut steps = steps.map(|step| TrafficSplit::to_green(step.green));
        steps.position(|of| of == split)
    }

    fn reopened(&mut self, reopened: Reopened) {
        let (before, plan) = (self.version, self.plan.clone());
        *self = Self::new(before, plan, reopened.gates);
        self.started = Some(reopened.started);
        self.intent = reopened.intent;
        self.expected = reopened.expected;
        self.last = reopened.last;
        self.blue_at_start = reopened.blue_at_start;
        self.moved = reopened.moved;
        self.since = reopened.at;
        self.asked_at = reopened.at;
        self.paused = reopened.paused;
        self.then = reopened.then;
        self.overrides = reopened.overrides;
        self.may_fire = reopened.may_fire;
        self.armed = reopened.armed;
        let rising = |to| Pending {
            to,
            restores: false,
            failed: true,
        };
        match reopened.stands {
            Stands::Survey => {}
            Stands::Step { step } => self.at_step(step, reopened.at),
            Stands::Rising { from, to } => {
                if let Some(step) = from {
                    self.at_step(step, reopened.at);
                }
                let step = self.plan.steps().get(to);
                self.pending = step.map(|step| rising(TrafficSplit::to_green(step.green)));
            }
            Stands::Restoring { cause } => self.restoring = Some(cause),
            Stands::Restored { cause, at } => {
                self.phase = Phase::Confirm;
                self.restoring = Some(cause);
                self.restored_at = Some(at);
            }
            Stands::Ended { end } => self.end = Some(*end),
        }
        self.tell(MigrationEvent::Reopened {
            found: reopened.found,
            version: before,
        });
    }

    fn tell(&mut self, event: MigrationEvent) {
        self.events.push(event);
    }

    fn at_step(&mut self, step: usize, at: Timestamp) {
        self.step = Some(step);
        self.phase = Phase::Step(step);
        self.since = at;
    }

    fn report(&self, at: Timestamp) -> Report {
        Report {
            started: self.started.unwrap_or(at),
            ended: at,
            traffic: self.last.as_ref().map(|(_, traffic)| traffic.clone()),
            traffic_read_at: self.last.as_ref().map(|(read_at, _)| *read_at),
            unseen: None,
            accepted: self.plan.accepted().clone(),
            overrides: self.overrides.clone(),
            switch: None,
            capacity: None,
            blue_kept_until: None,
        }
    }

    /// Ends the run with this outcome, at once or when the dead-man switch is disarmed.
    fn ends(&mut self, outcome: MigrationOutcome) {
        if self.may_fire.is_some() {
            self.ending = Some(outcome);
            return;
        }
        self.tell(MigrationEvent::Ended {
            exit_code: outcome.exit_code(),
            outcome: outcome.clone(),
        });
        self.end = Some(End::Known(outcome));
    }

    fn ends_unchanged(&mut self, at: Timestamp, reason: Unchanged) {
        let report = self.report(at);
        self.ends(MigrationOutcome::Unchanged { reason, report });
    }

    fn ends_held(&mut self, at: Timestamp, reason: HoldReason) {
        let report = self.report(at);
        self.ends(MigrationOutcome::Held { reason, report });
    }

    fn ends_restored(&mut self, at: Timestamp, confirmed: Option<Timestamp>) {
        let (Some(cause), Some(restored_at)) = (self.restoring.clone(), self.restored_at) else {
            return;
        };
        let stickiness = self.last.as_ref().and_then(|(_, seen)| seen.stickiness);
        let pinned = stickiness.map(|time| later(restored_at, time));
        let restored = Restored {
            unconfirmable: None,
            at: restored_at,
            confirmed,
            pinned_until: pinned.filter(|until| *until > at),
            short_blue: None,
        };
        let report = self.report(at);
        self.ends(MigrationOutcome::RolledBack {
            cause,
            restored,
            report,
        });
    }

    fn change(&mut self, at: Timestamp, action: &Value) -> Result<(), String> {
        match action.get("action").and_then(Value::as_str) {
            Some("shift") => {
                let from: TrafficObservation = field(action, "from")?;
                let to: TrafficSplit = field(action, "to")?;
                let restores = field(action, "restores")?;
                self.begin(at, from, to, restores);
            }
            Some("arm_switch") => {
                let fires: Timestamp = field(action, "fires")?;
                self.may_fire = Some(self.may_fire.unwrap_or(fires));
                self.arming = Some(fires);
            }
            // The answer to such a change says how it ended; an action of a newer kind has no meaning for
            // this fold.
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, at: Timestamp, from: TrafficObservation, to: TrafficSplit, restores: bool) {
        let blue = from.targets.blue;
        if restores && self.restoring.is_none() {
            let cause = self.cause(at);
            self.then = None;
            self.tell(MigrationEvent::RollingBack {
                cause: cause.clone(),
                blue: Some(blue),
                blue_at_start: self.blue_at_start,
            });
            self.restoring = Some(cause);
            self.attempt = 0;
        }
        if let (false, Some(step), None) = (restores, self.step, &self.pending)
            && self.attempt == 0
        {
            let overridden = self.promote.take();
            self.tell(MigrationEvent::StepPassed { step, overridden });
        }
        self.attempt += 1;
        self.moved = true;
        self.tell(MigrationEvent::Shifting {
            from,
            to,
            attempt: self.attempt,
        });
        self.pending = Some(Pending {
            to,
            restores,
            failed: false,
        });
    }

    /// Returns why everything goes back to blue, as far as the records before this one say.
    fn cause(&self, at: Timestamp) -> Cause {
        if let Intent::Restore(RestoreOrder { by, .. }) = &self.intent {
            return Cause::Asked { by: by.clone() };
        }
        if let Some(control) = self.then.clone() {
            return Cause::Cancelled { control };
        }
        if let Some(cause) = self.fault.clone() {
            return cause;
        }
        let standings = self.standings(at);
        let required = || {
            let all = standings.iter();
            all.filter(|standing| standing.policy.is_required())
        };
        if let Some(bad) = required().find(|standing| standing.verdict.is_unhealthy()) {
            return Cause::Gate {
                gate: bad.gate.clone(),
                summary: bad.verdict.evidence().summary.clone(),
            };
        }
        let missing: Vec<String> = required()
            .filter(|standing| !standing.verdict.is_healthy())
            .map(|standing| format!("gate `{}` is {}", standing.gate, standing.verdict))
            .collect();
        let phase = self.phase;
        let summary = match missing.as_slice() {
            [] => format!("the journal does not say why {phase} was left"),
            missing => format!("the deadline of {phase} came while {}", missing.join("; ")),
        };
        Cause::Deadline { summary }
    }

    fn input(
        &mut self,
        at: Timestamp,
        input: &Value,
    ) -> Result<Option<(Progress, LookReport)>, String> {
        let name = input.get("input").and_then(Value::as_str);
        let name = name.ok_or("an input without a name")?;
        let with = input.get("with").unwrap_or(&Value::Null);
        if self.end.is_some() {
            return Ok(None);
        }
        let mut look = None;
        match name {
            "start" => self.start(at, part(with)?),
            "preflighted" => {
                let report: LookReport = field(with, "look")?;
                look = Some((self.progress(), report.clone()));
                self.preflighted(at, field(with, "findings")?, report);
            }
            "looked" => {
                let report: LookReport = part(with)?;
                look = Some((self.progress(), report.clone()));
                self.looked(at, report);
            }
            "observed" => self.observed(at, part(with)?),
            "shifted" => self.shifted(at, part(with)?),
            "switch_armed" => self.switch_armed(at, part(with)?),
            "switch_disarmed" => self.switch_disarmed(at, part(with)?),
            "waited" if field(with, "clock_fault")? => self.clock_fault(at),
            "waited" => {}
            "control" => self.control(at, part(with)?),
            "journal_failed" => self.journal_failed(at, part(with)?),
            "resumed" => {
                let by: Operator = field(with, "by")?;
                self.resuming = true;
                self.tell(MigrationEvent::Resumed {
                    by,
                    expected: self.expected.clone(),
                });
            }
            _ => {}
        }
        match name {
            // A control during a wait may end the wait; a control during a look does not.
            "control" if self.looking => {}
            "journal_failed" => {}
            _ => self.asked_at = at,
        }
        match name {
            "start" | "waited" => self.looking = true,
            // This is the look that follows the arming of a switch.
            "preflighted" => self.looking = self.plan.dead_man().is_some(),
            "looked" | "shifted" => self.looking = false,
            _ => {}
        }
        Ok(look)
    }

    /// Returns what the gates were told at the look whose answer comes now.
    fn progress(&self) -> Progress {
        let green = match &self.expected {
            None => Percent::ZERO,
            Some(seen) => seen.nearest_split().green(),
        };
        Progress::new(self.asked_at, self.phase, green, self.since)
            .with_warm_up(self.plan.warm_up())
    }

    fn start(&mut self, at: Timestamp, intent: Intent) {
        self.started = Some(at);
        self.since = at;
        self.intent = intent.clone();
        if let Intent::Restore(RestoreOrder { by, .. }) = &intent {
            self.restoring = Some(Cause::Asked { by: by.clone() });
            if self.plan.dead_man().is_some() {
                self.may_fire = Some(at);
            }
        }
        self.tell(MigrationEvent::Started {
            intent,
            plan: self.plan.clone(),
            gates: self.gates.iter().map(|gate| gate.gate.clone()).collect(),
        });
    }

    fn preflighted(
        &mut self,
        at: Timestamp,
        findings: Result<Vec<Finding>, Failure>,
        look: LookReport,
    ) {
        self.judged(at, &look);
        let (findings, traffic) = match (findings, look.traffic) {
            (Ok(findings), Ok(traffic)) => (findings, traffic),
            (Err(failure), _) | (_, Err(failure)) if failure.kind.is_transient() => {
                // The read was tried again, or was given up before anything was sent.
                let retry_at = at;
                self.tell(MigrationEvent::ReadFailed { failure, retry_at });
                return;
            }
            (Err(failure), _) | (_, Err(failure)) => {
                let findings = vec![Finding::refusal(failure.to_string())];
                return self.ends_unchanged(at, Unchanged::Refused { findings });
            }
        };
        self.last = Some((at, traffic.clone()));
        let stops = |finding: &Finding| match finding.severity {
            Severity::Note => false,
            Severity::Refuse => true,
            Severity::RefuseUnless(acceptance) => !self.plan.accepts(acceptance),
        };
        let cannot_begin = traffic.targets.blue.healthy == 0
            || traffic.is_at(TrafficSplit::ALL_GREEN)
            || (self.intent == Intent::Migrate && !traffic.is_all_blue());
        if findings.iter().any(stops) || cannot_begin || self.unhealthy(at).is_some() {
            return self.ends_unchanged(at, Unchanged::Refused { findings });
        }
        self.blue_at_start = Some(traffic.targets.blue.healthy);
        self.expected = Some(traffic.clone());
        self.since = at;
        self.tell(MigrationEvent::PreflightPassed { findings, traffic });
    }

    fn looked(&mut self, at: Timestamp, look: LookReport) {
        self.judged(at, &look);
        let (bake_until, deadline) = self.limits();
        self.tell(MigrationEvent::Looked {
            phase: self.phase,
            traffic: look.traffic.clone(),
            gates: self.standings(at),
            paused: self.paused,
            bake_until,
            deadline,
            next_look: later(at, self.plan.look_interval()),
        });
        if let Ok(traffic) = look.traffic {
            if self.is_drift(&traffic) {
                return self.drifted(at, traffic);
            }
            self.last = Some((at, traffic));
        }
        match self.phase {
            Phase::Confirm => self.confirmed(at, deadline),
            Phase::Preflight => {
                let bad = self.unhealthy(at);
                let late = format!("the deadline of {} came", self.phase);
                let summary = match bad {
                    Some((gate, verdict)) => {
                        format!("gate `{gate}`: {}", verdict.evidence().summary)
                    }
                    None if at >= deadline && !self.paused => late,
                    None => return,
                };
                self.ends_unchanged(at, Unchanged::NotReady { summary });
            }
            Phase::Step(_) | Phase::Bake => self.passed(at, bake_until, deadline),
        }
    }

    /// Returns when green may rise further, and the deadline for that.
    fn limits(&self) -> (Timestamp, Timestamp) {
        let (bake, deadline) = match self.phase {
            Phase::Confirm => (Duration::ZERO, self.plan.confirm_within()),
            Phase::Preflight => {
                let first = &self.plan.steps()[0];
                (Duration::ZERO, self.plan.deadline_of(first))
            }
            Phase::Step(step) => {
                let step = &self.plan.steps()[step.min(self.plan.steps().len() - 1)];
                (self.plan.bake_of(step), self.plan.deadline_of(step))
            }
            Phase::Bake => {
                let bake = self.plan.final_bake();
                (bake, bake + self.plan.look_interval())
            }
        };
        (later(self.since, bake), later(self.since, deadline))
    }

    /// Ends the run if the last stage has passed with this look, or if the deadline has come and the plan
    /// says hold.
    fn passed(&mut self, at: Timestamp, bake_until: Timestamp, deadline: Timestamp) {
        let last = self.plan.steps().len() - 1;
        let is_last = self.phase == Phase::Bake || self.phase == Phase::Step(last);
        let is_ripe = at >= bake_until && !self.paused && self.are_healthy(at);
        if is_last && (is_ripe || self.promote.is_some()) && self.unhealthy(at).is_none() {
            let overridden = self.promote.take();
            if let Phase::Step(step) = self.phase {
                self.tell(MigrationEvent::StepPassed { step, overridden });
                let bake = self.plan.final_bake();
                if !bake.is_zero() {
                    self.phase = Phase::Bake;
                    self.since = at;
                    let until = later(at, bake);
                    return self.tell(MigrationEvent::Baking { until });
                }
            }
            let report = self.report(at).promoted();
            return self.ends(MigrationOutcome::Promoted { report });
        }
        let holds = self.plan.on_inconclusive() == super::OnInconclusive::Hold;
        if holds && at >= deadline && !self.paused && self.unhealthy(at).is_none() {
            let summary = format!("the deadline of {} came", self.phase);
            self.ends_held(at, HoldReason::Deadline { summary });
        }
    }

    fn confirmed(&mut self, at: Timestamp, until: Timestamp) {
        let Some(restored_at) = self.restored_at else {
            return;
        };
        let standings = self.standings(at);
        let quiet = standings.iter().find_map(|standing| {
            let seen = standing.verdict.evidence().traffic?;
            let is_quiet = seen.from >= restored_at
                && seen.sides.green.requests == 0
                && seen.sides.blue.requests > 0;
            is_quiet.then_some(seen)
        });
        if let Some(seen) = quiet {
            self.tell(MigrationEvent::Confirmed { seen });
            self.ends_restored(at, Some(seen.to));
        } else if at >= until {
            self.ends_restored(at, None);
        }
    }

    fn observed(&mut self, at: Timestamp, observed: Result<TrafficObservation, Failure>) {
        let traffic = match observed {
            Ok(traffic) => traffic,
            Err(failure) => {
                let retry_at = at;
                return self.tell(MigrationEvent::ReadFailed { failure, retry_at });
            }
        };
        self.resuming = false;
        let is_first = self.expected.is_none();
        let same_rule = self
            .expected
            .as_ref()
            .is_none_or(|known| known.is_same_rest(&traffic));
        if let Some(pending) = self.pending.clone() {
            let happened = (pending.restores && traffic.is_all_blue())
                || (same_rule && traffic.is_at(pending.to));
            let is_as_before = !self.is_drift(&traffic);
            if !(happened || is_as_before || is_first && same_rule) {
                return self.drifted(at, traffic);
            }
            self.tell(MigrationEvent::WriteObserved {
                traffic: traffic.clone(),
                happened,
            });
            if happened {
                return self.written(at, &pending, traffic);
            }
            self.pending = None;
            self.last = Some((at, traffic));
            return;
        }
        if self.restoring.is_some() && traffic.is_all_blue() {
            let to = TrafficSplit::ALL_BLUE;
            let (restores, failed) = (true, false);
            let pending = Pending {
                to,
                restores,
                failed,
            };
            if self.restored_at.is_none() {
                return self.written(at, &pending, traffic);
            }
        } else if !is_first && self.is_drift(&traffic) {
            return self.drifted(at, traffic);
        }
        if is_first && self.restoring.is_some() {
            self.expected = Some(traffic.clone());
        }
        self.last = Some((at, traffic));
    }

    fn shifted(&mut self, at: Timestamp, shifted: Result<TrafficObservation, Failure>) {
        let Some(mut pending) = self.pending.clone() else {
            return;
        };
        let failure = match shifted {
            Ok(traffic) if traffic.is_at(pending.to) => {
                self.tell(MigrationEvent::Shifted {
                    traffic: traffic.clone(),
                });
                return self.written(at, &pending, traffic);
            }
            Ok(traffic) => Failure::new(
                ErrorKind::Conflict,
                format!("wrote {} and read back {traffic}", pending.to),
            ),
            Err(failure) => failure,
        };
        if !pending.restores {
            let failure = failure.clone();
            self.fault = Some(Cause::WriteFailed { failure });
        }
        self.tell(MigrationEvent::WriteFailed {
            to: pending.to,
            attempt: self.attempt,
            failure,
        });
        pending.failed = true;
        self.pending = Some(pending);
    }

    fn written(&mut self, at: Timestamp, pending: &Pending, traffic: TrafficObservation) {
        self.pending = None;
        self.attempt = 0;
        self.fault = None;
        self.expected = Some(traffic.clone());
        self.last = Some((at, traffic.clone()));
        self.since = at;
        for seen in &mut self.seen {
            seen.verdict = None;
            seen.failure = None;
            seen.is_new = false;
        }
        if !pending.restores {
            if let Some(step) = self.step_at(pending.to) {
                self.at_step(step, at);
            }
            if let Some(control) = self.then.clone().filter(|then| self.holds(then)) {
                self.ends_held(at, HoldReason::Asked { control });
            }
            return;
        }
        self.phase = Phase::Confirm;
        self.restored_at = Some(at);
        self.tell(MigrationEvent::Restored { traffic });
        let is_hurried = matches!(
            self.restoring,
            Some(Cause::Cancelled {
                control: Control::Cancel { .. }
            })
        );
        if is_hurried || self.seen.is_empty() || self.plan.confirm_within().is_zero() {
            self.ends_restored(at, None);
        }
    }

    fn is_drift(&self, traffic: &TrafficObservation) -> bool {
        let expected = self.expected.as_ref();
        expected.is_some_and(|expected| !traffic.is_same_routing(expected))
    }

    fn drifted(&mut self, at: Timestamp, found: TrafficObservation) {
        let is_time = self
            .may_fire
            .is_some_and(|fires| later(at, CLOCK_SLACK) >= fires);
        if is_time && found.is_all_blue() && self.moved {
            self.restoring = Some(Cause::SwitchFired);
            self.restored_at = Some(at);
            self.phase = Phase::Confirm;
            self.since = at;
            self.may_fire = None;
            self.expected = Some(found.clone());
            self.last = Some((at, found.clone()));
            return self.tell(MigrationEvent::SwitchFired { traffic: found });
        }
        let expected = self.expected.as_ref();
        let diff = expected.map_or_else(Vec::new, |expected| found.drift_from(expected));
        self.last = Some((at, found.clone()));
        self.tell(MigrationEvent::Drifted {
            diff: diff.clone(),
            traffic: found,
        });
        if !self.moved {
            return self.ends_unchanged(at, Unchanged::Drift { diff });
        }
        let unhealthy = self.unhealthy(at);
        let unhealthy =
            unhealthy.map(|(gate, verdict)| format!("{gate}: {}", verdict.evidence().summary));
        self.ends_held(at, HoldReason::Drift { diff, unhealthy });
    }

    fn switch_armed(&mut self, at: Timestamp, armed: Result<Armed, Failure>) {
        let fires = self.arming.take();
        match (armed, fires) {
            (Ok(armed), Some(fires)) => {
                if self.may_fire.is_none_or(|old| later(at, CLOCK_SLACK) < old) {
                    self.may_fire = Some(fires);
                }
                self.armed = Some((armed.clone(), fires));
                self.tell(MigrationEvent::SwitchArmed { armed, fires });
            }
            (Ok(_), None) => {}
            (Err(failure), _) => {
                let fires = self.armed.as_ref().map(|(_, fires)| *fires);
                if self.moved {
                    let failure = failure.clone();
                    self.fault = Some(Cause::SwitchFailed { failure });
                }
                self.tell(MigrationEvent::SwitchFailed { failure, fires });
            }
        }
    }

    fn switch_disarmed(&mut self, at: Timestamp, disarmed: Result<(), Failure>) {
        if let Err(failure) = disarmed {
            let fires = self.armed.as_ref().map(|(_, fires)| *fires);
            return self.tell(MigrationEvent::SwitchFailed { failure, fires });
        }
        self.may_fire = None;
        self.armed = None;
        self.tell(MigrationEvent::SwitchDisarmed);
        if let Some(mut outcome) = self.ending.take() {
            outcome.report_mut().ended = at;
            self.ends(outcome);
        }
    }

    fn clock_fault(&mut self, at: Timestamp) {
        if self.moved {
            self.fault = Some(Cause::ClockFault);
        } else {
            self.ends_unchanged(at, Unchanged::ClockFault);
        }
    }

    fn journal_failed(&mut self, at: Timestamp, failure: Failure) {
        self.tell(MigrationEvent::JournalFailed {
            failure: failure.clone(),
        });
        if failure.kind == ErrorKind::TakenOver {
            // The successor writes the journal now, so it holds no more records of this controller.
            return;
        }
        if self.moved {
            self.fault = Some(Cause::JournalFailed { failure });
        } else {
            self.ends_unchanged(at, Unchanged::JournalFailed { failure });
        }
    }

    fn control(&mut self, at: Timestamp, control: Control) {
        let is_open = self.pending.is_some() || self.resuming;
        let is_rising = is_open && self.restoring.is_none();
        let effect = match (&control, is_rising) {
            (Control::Abort { .. } | Control::Cancel { .. } | Control::Leave { .. }, true) => {
                ControlEffect::AfterChange
            }
            _ => ControlEffect::Applied,
        };
        self.tell(MigrationEvent::Controlled {
            control: control.clone(),
            effect: effect.clone(),
        });
        match &control {
            Control::Stop { .. } => self.stopped(at, control),
            Control::Pause { .. } if self.moved => {
                self.paused = true;
                self.promote = None;
            }
            Control::Continue { .. } => self.paused = false,
            Control::Promote { by } | Control::PromoteFully { by } if self.moved => {
                self.overrides.push(Override {
                    at,
                    by: by.clone(),
                    what: format!("promoted from {}", self.phase),
                });
                self.promote = Some(control);
            }
            Control::Abort { .. } | Control::Cancel { .. } | Control::Leave { .. } => {
                if self.restored_at.is_some() {
                    self.ends_restored(at, None);
                } else if self.restoring.is_some() {
                    // Blue is being restored: such a control changes nothing.
                } else if !self.moved && !is_open {
                    self.ends_unchanged(at, Unchanged::Cancelled { control });
                } else {
                    self.then = Some(control.clone());
                    if self.holds(&control) && !is_open {
                        self.ends_held(at, HoldReason::Asked { control });
                    }
                }
            }
            _ => {}
        }
    }

    fn holds(&self, control: &Control) -> bool {
        match control {
            Control::Leave { .. } => true,
            Control::Cancel { .. } => self.plan.on_cancel() == OnCancel::Hold,
            _ => false,
        }
    }

    /// The run was stopped at once, even if a change was under way.
    fn stopped(&mut self, at: Timestamp, control: Control) {
        let report = self.report(at);
        if !self.moved {
            let reason = Unchanged::Cancelled { control };
            let outcome = MigrationOutcome::Unchanged { reason, report };
            self.tell(MigrationEvent::Ended {
                exit_code: outcome.exit_code(),
                outcome: outcome.clone(),
            });
            self.end = Some(End::Known(outcome));
            return;
        }
        let unresolved = Unresolved {
            summary: format!("STOPPED: {control}"),
            cause: self.restoring.clone(),
            failure: None,
            change_unseen: self.pending.is_some(),
            report,
        };
        self.tell(MigrationEvent::Unresolved {
            exit_code: 20,
            unresolved: unresolved.clone(),
        });
        self.end = Some(End::Unresolved(unresolved));
    }

    /// Takes the reports of the gates.
    fn judged(&mut self, at: Timestamp, look: &LookReport) {
        let standing_time = (self.plan.look_interval() * 2).max(Duration::from_secs(60));
        for seen in &mut self.seen {
            seen.is_new = false;
            let Some(report) = look.gates.iter().find(|report| report.gate == seen.gate) else {
                continue;
            };
            match &report.seen {
                Ok(_) => {
                    seen.failure = None;
                    if let Some(verdict) = &report.verdict {
                        let expires = verdict.evidence().expires;
                        let expires = expires.unwrap_or_else(|| later(at, standing_time));
                        seen.verdict = Some((verdict.clone(), expires));
                        seen.is_new = true;
                    }
                }
                Err(failure) => seen.failure = Some(failure.clone()),
            }
        }
    }

    fn standings(&self, at: Timestamp) -> Vec<GateStanding> {
        let standing = |seen: &Seen| GateStanding {
            gate: seen.gate.clone(),
            policy: seen.policy,
            verdict: Arc::new(match (&seen.failure, &seen.verdict) {
                (_, Some((verdict, _))) if verdict.is_unhealthy() => verdict.clone(),
                (Some(failure), _) => Verdict::inconclusive(format!("could not look: {failure}")),
                (None, None) => Verdict::inconclusive("nothing seen since the last shift"),
                (None, Some((verdict, expires))) if verdict.is_healthy() && *expires < at => {
                    Verdict::inconclusive("nothing new since the healthy verdict")
                }
                (None, Some((verdict, _))) => verdict.clone(),
            }),
            is_new: seen.is_new,
        };
        self.seen.iter().map(standing).collect()
    }

    fn unhealthy(&self, at: Timestamp) -> Option<(GateId, Arc<Verdict>)> {
        let mut standings = self.standings(at).into_iter();
        let bad = standings
            .find(|standing| standing.policy.is_required() && standing.verdict.is_unhealthy())?;
        Some((bad.gate, bad.verdict))
    }

    fn are_healthy(&self, at: Timestamp) -> bool {
        let standings = self.standings(at);
        let mut required = standings
            .iter()
            .filter(|standing| standing.policy.is_required())
            .peekable();
        required.peek().is_some() && required.all(|standing| standing.verdict.is_healthy())
    }
}

fn part<T: DeserializeOwned>(value: &Value) -> Result<T, String> {
    T::deserialize(value).map_err(|error| error.to_string())
}

fn field<T: DeserializeOwned>(value: &Value, name: &str) -> Result<T, String> {
    part(value.get(name).unwrap_or(&Value::Null)).map_err(|error| format!("`{name}`: {error}"))
}
