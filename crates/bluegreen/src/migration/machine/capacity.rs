//! Blue's capacity: its minimum is raised before anything moves, and put back once blue serves
//! everything again.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    Action, Cause, Control, Failure, MigrationEvent, MigrationMachine, MigrationOutcome, Next,
    State, TrafficObservation, Unchanged,
    reads::Read,
    state::{KeepStep, Keeping, ReleaseStep, Releasing, Watch},
    switch::FEW_ATTEMPTS,
};
use crate::{
    clock::later,
    engine::{
        ControlEffect,
        retry::{APART, ATTEMPTS, back_off},
    },
    error::ErrorKind,
    migration::StandingCapacity,
    preflight::{Acceptance, Finding},
    traffic::{Capacity, Kept, Released},
};

/// How long blue must have served everything before it may be scaled in again: scaling decides by
/// minutes, and the minutes from before the restore say that blue has little to do.
const SETTLED: Duration = Duration::from_secs(3 * 60);
/// How long to wait for those minutes, and for blue's targets.
const RELEASE_WITHIN: Duration = Duration::from_secs(5 * 60);

impl MigrationMachine {
    /// Returns blue's minimum, if this run has raised it, or may have.
    pub(crate) fn kept_capacity(&self) -> Option<&Kept> {
        self.capacity.kept.as_ref()
    }

    /// Returns what the survey says of how far blue may be scaled.
    pub(super) fn finding_of_capacity(capacity: &Result<Capacity, Failure>) -> Finding {
        match capacity {
            Ok(capacity) => capacity.finding(),
            Err(failure) => {
                let message = format!("it is not known how far blue may be scaled in: {failure}");
                let hint = failure.hint.as_deref().unwrap_or("see to it");
                Finding::refusal_unless(Acceptance::BlueMayShrink, message)
                    .with_hint(format!("{hint}; or accept `{}`", Acceptance::BlueMayShrink))
            }
        }
    }

    /// Raises blue's minimum, then begins to watch.
    pub(super) fn keep_capacity(&mut self, watch: Watch, kept: Kept) -> Next<Action> {
        self.call_keeper(Keeping {
            watch,
            kept,
            attempt: 1,
            step: KeepStep::Call,
            controls: Vec::new(),
        })
    }

    fn call_keeper(&mut self, keeping: Keeping) -> Next<Action> {
        let kept = keeping.kept.clone();
        self.state = State::KeepingCapacity(Keeping {
            step: KeepStep::Call,
            ..keeping
        });
        Next::Do(Action::KeepCapacity { kept })
    }

    pub(super) fn on_capacity_kept(
        &mut self,
        at: Timestamp,
        keeping: Keeping,
        kept: Result<(), Failure>,
    ) -> Next<Action> {
        if keeping.step != KeepStep::Call {
            self.state = State::KeepingCapacity(keeping);
            return Next::Keep;
        }
        let failure = match kept {
            Ok(()) => return self.capacity_kept(at, keeping),
            Err(failure) => failure,
        };
        if failure.kind == ErrorKind::OutcomeUnknown {
            self.capacity.kept = Some(keeping.kept.clone());
        }
        self.on_not_kept(at, keeping, failure)
    }

    fn capacity_kept(&mut self, at: Timestamp, keeping: Keeping) -> Next<Action> {
        self.capacity.kept = Some(keeping.kept.clone());
        self.tell(MigrationEvent::CapacityKept {
            kept: keeping.kept.clone(),
        });
        self.begin_watching(at, keeping)
    }

    fn begin_watching(&mut self, at: Timestamp, keeping: Keeping) -> Next<Action> {
        if let Some(end) = self.give_up_keeping(at) {
            return end;
        }
        let mut controls = std::mem::take(&mut self.early);
        controls.extend(keeping.controls);
        let next = self.look(at, keeping.watch);
        self.take_controls(at, controls, next)
    }

    /// Ends if this run may not continue.
    fn give_up_keeping(&mut self, at: Timestamp) -> Option<Next<Action>> {
        if let Some(end) = self.give_way(at) {
            return Some(end);
        }
        let failure = self.journal_failure.clone()?;
        Some(self.undo(at, Cause::JournalFailed { failure }))
    }

    /// The minimum is not raised, or that is not known: blue's scaling is read before another try.
    fn on_not_kept(&mut self, at: Timestamp, keeping: Keeping, failure: Failure) -> Next<Action> {
        self.tell(MigrationEvent::CapacityFailed {
            failure: failure.clone(),
            kept: keeping.kept.clone(),
        });
        if let Some(end) = self.give_up_keeping(at) {
            return end;
        }
        let lasts = !failure.kind.is_transient() && failure.kind != ErrorKind::Conflict;
        if !lasts && keeping.attempt < ATTEMPTS {
            let until = later(at, back_off(keeping.attempt));
            self.state = State::KeepingCapacity(Keeping {
                attempt: keeping.attempt + 1,
                step: KeepStep::Wait,
                ..keeping
            });
            return Next::Do(Action::Wait { until });
        }
        if self.plan.accepts(Acceptance::BlueMayShrink) {
            return self.begin_watching(at, keeping);
        }
        let message = format!(
            "blue's minimum cannot be raised, so blue may be scaled in while green gets its requests: \
             {failure}"
        );
        let mut hint = failure.hint.clone().unwrap_or_default();
        if let Some(command) = keeping.kept.keep_command() {
            if !hint.is_empty() {
                hint.push_str("; ");
            }
            hint.push_str(&format!("by hand: {command}"));
        }
        let accept = format!("or accept `{}`", Acceptance::BlueMayShrink);
        let hint = match hint.as_str() {
            "" => accept,
            hint => format!("{hint}; {accept}"),
        };
        let finding = Finding::refusal_unless(Acceptance::BlueMayShrink, message);
        let findings = vec![finding.with_hint(hint)];
        self.unchanged(at, Unchanged::Refused { findings })
    }

    pub(super) fn on_keep_waited(
        &mut self,
        at: Timestamp,
        keeping: Keeping,
        clock_fault: bool,
    ) -> Next<Action> {
        if keeping.step != KeepStep::Wait {
            self.state = State::KeepingCapacity(keeping);
            return Next::Keep;
        }
        if clock_fault {
            return self.unchanged(at, Unchanged::ClockFault);
        }
        self.observe_capacity(keeping)
    }

    fn observe_capacity(&mut self, keeping: Keeping) -> Next<Action> {
        self.state = State::KeepingCapacity(Keeping {
            step: KeepStep::Observe,
            ..keeping
        });
        Next::Do(Action::ObserveCapacity)
    }

    pub(super) fn on_capacity_observed(
        &mut self,
        at: Timestamp,
        mut keeping: Keeping,
        observed: Result<Capacity, Failure>,
    ) -> Next<Action> {
        if keeping.step != KeepStep::Observe {
            self.state = State::KeepingCapacity(keeping);
            return Next::Keep;
        }
        let capacity = match observed {
            Ok(capacity) => capacity,
            Err(failure) => return self.on_not_kept(at, keeping, failure),
        };
        if let Some(end) = self.give_up_keeping(at) {
            return end;
        }
        let minimum = capacity.range.map(|range| range.minimum);
        if self.capacity.kept.is_some() && minimum == Some(keeping.kept.minimum) {
            return self.capacity_kept(at, keeping);
        }
        match capacity.to_keep() {
            // A third party has raised the minimum as far, or nothing scales blue any more.
            None => {
                self.capacity.kept = None;
                self.begin_watching(at, keeping)
            }
            Some(kept) => {
                // A call without an answer may still land, so the next call asks for the same minimum.
                if kept.before != keeping.kept.before {
                    keeping.kept = kept;
                }
                self.call_keeper(keeping)
            }
        }
    }

    pub(super) fn control_keeping(
        &mut self,
        at: Timestamp,
        mut keeping: Keeping,
        control: Control,
    ) -> Next<Action> {
        if control.is_ending() && keeping.step != KeepStep::Call {
            self.effect(control.clone(), ControlEffect::Applied);
            return self.unchanged(at, Unchanged::Cancelled { control });
        }
        // The effect of the control is told after the answer.
        keeping.controls.push(control);
        self.state = State::KeepingCapacity(keeping);
        Next::Keep
    }

    /// Notes that the process ended during a call, which may have happened.
    pub(super) fn suspect_keeping(&mut self, keeping: &Keeping) {
        if keeping.step == KeepStep::Call {
            self.capacity.kept = Some(keeping.kept.clone());
        }
    }

    pub(super) fn resume_keeping(
        &mut self,
        at: Timestamp,
        mut keeping: Keeping,
        controls: Vec<Control>,
    ) -> Next<Action> {
        keeping.step = KeepStep::Wait;
        keeping.attempt = 1;
        if let Some(control) = controls.iter().find(|control| control.is_ending()).cloned() {
            return self.control_keeping(at, keeping, control);
        }
        keeping.controls.extend(controls);
        self.observe_capacity(keeping)
    }

    /// Returns the raised minimum for the report, if it still stands.
    pub(super) fn standing_capacity(&self) -> Option<StandingCapacity> {
        if self.taken_over.is_some() {
            // The successor knows of the minimum from the journal.
            return None;
        }
        let kept = self.capacity.kept.clone()?;
        let why = self.capacity.why.clone();
        Some(StandingCapacity { kept, why })
    }

    /// Ends, once the dead-man switch is disarmed, and blue's minimum is put back if blue has everything.
    pub(super) fn end_known(&mut self, at: Timestamp, outcome: MigrationOutcome) -> Next<Action> {
        let is_back = matches!(
            outcome,
            MigrationOutcome::RolledBack { .. } | MigrationOutcome::Unchanged { .. }
        );
        let may_change = self.taken_over.is_none() && self.journal_failure.is_none();
        if !is_back || !may_change || self.capacity.kept.is_none() {
            return self.end_disarmed(at, outcome);
        }
        self.release_capacity(
            at,
            Releasing {
                outcome,
                since: at,
                attempt: 1,
                step: ReleaseStep::Wait,
            },
        )
    }

    /// Puts the old minimum back as soon as blue can serve everything without the raised one.
    fn release_capacity(&mut self, at: Timestamp, releasing: Releasing) -> Next<Action> {
        let Some(kept) = self.capacity.kept.clone() else {
            return self.end_disarmed(at, releasing.outcome);
        };
        if let Some(failure) = &self.journal_failure {
            let why = format!("the journal failed: {failure}");
            return self.leave_capacity(at, releasing, why);
        }
        let Some((why, until)) = self.not_yet(at, &releasing) else {
            self.state = State::ReleasingCapacity(Releasing {
                step: ReleaseStep::Call,
                ..releasing
            });
            return Next::Do(Action::ReleaseCapacity { kept });
        };
        let end = later(releasing.since, RELEASE_WITHIN);
        if releasing.is_hurried() || at >= end {
            return self.leave_capacity(at, releasing, why);
        }
        self.wait_releasing(releasing, until.min(end))
    }

    fn wait_releasing(&mut self, releasing: Releasing, until: Timestamp) -> Next<Action> {
        self.state = State::ReleasingCapacity(Releasing {
            step: ReleaseStep::Wait,
            ..releasing
        });
        Next::Do(Action::Wait { until })
    }

    /// Returns why blue still needs the raised minimum, and when to look again.
    fn not_yet(&self, at: Timestamp, releasing: &Releasing) -> Option<(String, Timestamp)> {
        let MigrationOutcome::RolledBack { restored, .. } = &releasing.outcome else {
            // Blue has had its requests all the time.
            return None;
        };
        let start = self.blue_at_start.unwrap_or_default();
        let healthy = self.traffic().map_or(0, |seen| seen.targets.blue.healthy);
        if healthy < start {
            let why = format!("blue has {healthy} healthy targets, {start} at the start");
            return Some((why, later(at, self.plan.look_interval())));
        }
        let settled = later(restored.at, SETTLED);
        (at < settled).then(|| {
            let why = "blue's metrics do not show yet that blue serves everything again";
            (why.to_owned(), settled)
        })
    }

    pub(super) fn on_release_waited(
        &mut self,
        at: Timestamp,
        releasing: Releasing,
        clock_fault: bool,
    ) -> Next<Action> {
        if releasing.step != ReleaseStep::Wait {
            self.state = State::ReleasingCapacity(releasing);
            return Next::Keep;
        }
        if clock_fault {
            let why = "waits take no time on this clock".to_owned();
            return self.leave_capacity(at, releasing, why);
        }
        if matches!(releasing.outcome, MigrationOutcome::Unchanged { .. }) {
            return self.release_capacity(at, releasing);
        }
        self.state = State::ReleasingCapacity(Releasing {
            step: ReleaseStep::Observe,
            ..releasing
        });
        Next::Do(Action::Observe)
    }

    pub(super) fn on_release_observed(
        &mut self,
        at: Timestamp,
        releasing: Releasing,
        observed: Result<TrafficObservation, Failure>,
    ) -> Next<Action> {
        if releasing.step != ReleaseStep::Observe {
            self.state = State::ReleasingCapacity(releasing);
            return Next::Keep;
        }
        match (self.take_read(at, &observed), observed) {
            (Read::Drift, Ok(traffic)) => return self.drifted(at, traffic, at),
            (Read::Gone, Err(failure)) => return self.gone(at, failure),
            // The next read shows whether a third party has moved traffic again.
            (Read::Suspect, _) if at < later(releasing.since, RELEASE_WITHIN) => {
                return self.wait_releasing(releasing, later(at, APART));
            }
            _ => {}
        }
        if let Some(end) = self.give_way(at) {
            return end;
        }
        self.release_capacity(at, releasing)
    }

    pub(super) fn on_capacity_released(
        &mut self,
        at: Timestamp,
        releasing: Releasing,
        released: Result<Released, Failure>,
    ) -> Next<Action> {
        let (ReleaseStep::Call, Some(kept)) = (releasing.step, self.capacity.kept.clone()) else {
            self.state = State::ReleasingCapacity(releasing);
            return Next::Keep;
        };
        let failure = match released {
            Ok(released) => {
                self.capacity.kept = None;
                self.tell(MigrationEvent::CapacityReleased { kept, released });
                return self.end_disarmed(at, releasing.outcome);
            }
            Err(failure) => failure,
        };
        self.tell(MigrationEvent::CapacityFailed {
            failure: failure.clone(),
            kept,
        });
        let may_go_on = self.taken_over.is_none() && self.journal_failure.is_none();
        let lasts = !failure.kind.is_transient() && failure.kind != ErrorKind::Conflict;
        if may_go_on && !lasts && releasing.attempt < FEW_ATTEMPTS {
            let until = later(at, back_off(releasing.attempt));
            let releasing = Releasing {
                attempt: releasing.attempt + 1,
                ..releasing
            };
            return self.wait_releasing(releasing, until);
        }
        self.leave_capacity(at, releasing, failure.to_string())
    }

    /// Ends with the raised minimum; the outcome says why it was not put back, and names the command.
    pub(super) fn leave_capacity(
        &mut self,
        at: Timestamp,
        releasing: Releasing,
        why: String,
    ) -> Next<Action> {
        self.capacity.why = Some(why);
        self.end_disarmed(at, releasing.outcome)
    }

    /// Ends the wait for blue, since a control has ended the run. A call that is due is still made.
    pub(super) fn end_wait_for_blue(
        &mut self,
        at: Timestamp,
        control: &Control,
        next: Next<Action>,
    ) -> Next<Action> {
        match std::mem::replace(&mut self.state, State::New) {
            State::ReleasingCapacity(releasing) if releasing.step != ReleaseStep::Call => {
                let why = format!("{control} ended the wait for blue");
                self.leave_capacity(at, releasing, why)
            }
            state => {
                self.state = state;
                next
            }
        }
    }

    pub(super) fn control_releasing(
        &mut self,
        at: Timestamp,
        releasing: Releasing,
        control: Control,
    ) -> Next<Action> {
        if control.is_ending() && releasing.step != ReleaseStep::Call {
            self.effect(control.clone(), ControlEffect::Applied);
            self.state = State::ReleasingCapacity(releasing);
            return self.end_wait_for_blue(at, &control, Next::Keep);
        }
        self.ignored(control, "the run ends: only its last clean-up is under way");
        self.state = State::ReleasingCapacity(releasing);
        Next::Keep
    }

    /// After the process ended: whatever the outcome of the call was, the run reads before it writes.
    pub(super) fn resume_releasing(
        &mut self,
        at: Timestamp,
        releasing: Releasing,
        controls: Vec<Control>,
    ) -> Next<Action> {
        for control in controls {
            self.ignored(
                control,
                "the run was ending already: only its last clean-up was left",
            );
        }
        let releasing = Releasing {
            since: at,
            attempt: 1,
            ..releasing
        };
        self.release_capacity(at, releasing)
    }
}

impl Releasing {
    /// Returns whether a signal ends the run: the grace is over before blue's metrics settle.
    fn is_hurried(&self) -> bool {
        matches!(
            self.outcome,
            MigrationOutcome::RolledBack {
                cause: Cause::Cancelled {
                    control: Control::Cancel { .. }
                },
                ..
            }
        )
    }
}
