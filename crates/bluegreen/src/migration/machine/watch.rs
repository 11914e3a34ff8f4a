//! Watches a stage: looks during the whole wait, and decides after each look.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    Action, Cause, Control, HoldReason, Intent, MigrationEvent, MigrationMachine, MigrationOutcome,
    Next, Override, Stage, State, Unchanged, Watch,
    reads::Read,
    restore::unchanged_by,
    state::{Confirm, ThenWatch},
};
use crate::{
    clock::{between, later},
    engine::retry::{APART, next_beat},
    health::{Phase, Progress},
    migration::{LookReport, OnInconclusive},
    traffic::TrafficSplit,
};

/// The time for a look shortly before a deadline, and at the deadline, so that answers can come. Earlier
/// verdicts of the gates still stand.
const LEAST_LOOK: Duration = Duration::from_secs(2);

impl MigrationMachine {
    /// Returns a stage that begins now.
    pub(super) fn watch(
        &self,
        at: Timestamp,
        stage: Stage,
        bake: Duration,
        deadline: Duration,
    ) -> Watch {
        Watch {
            stage,
            since: at,
            bake_until: later(at, bake),
            deadline: later(at, deadline),
            paused: None,
            promote: None,
            ready: None,
            failed_rises: 0,
            looking: false,
            awaits: false,
        }
    }

    /// Returns how long a verdict without an expiry of its own stands.
    pub(super) fn standing_time(&self) -> Duration {
        (self.plan.look_interval() * 2).max(Duration::from_secs(60))
    }

    /// Waits for the next look, which comes on a steady beat from the start of the stage, or for
    /// the deadline if that comes first.
    pub(super) fn wait(&mut self, at: Timestamp, mut watch: Watch) -> Next<Action> {
        watch.looking = false;
        let until = self.next_look(at, &watch);
        self.state = State::Watching(watch);
        Next::Do(Action::Wait { until })
    }

    pub(super) fn next_look(&self, at: Timestamp, watch: &Watch) -> Timestamp {
        let beat = next_beat(watch.since, self.plan.look_interval(), at);
        if let Some(pause) = &watch.paused {
            return if pause.until > at {
                beat.min(pause.until)
            } else {
                beat
            };
        }
        let deadlines = [watch.deadline, self.deadline];
        let due = deadlines.into_iter().filter(|deadline| *deadline > at);
        due.min().map_or(beat, |due| due.min(beat))
    }

    /// Looks now, after renewing the dead-man switch if that is due.
    pub(super) fn look(&mut self, at: Timestamp, watch: Watch) -> Next<Action> {
        if self.is_switch_due(at) {
            return self.arm_switch(at, watch, ThenWatch::Look);
        }
        self.look_now(at, watch)
    }

    pub(super) fn look_now(&mut self, at: Timestamp, mut watch: Watch) -> Next<Action> {
        watch.looking = true;
        let progress = self.progress(at, watch.stage.phase(), watch.since);
        let deadline = match &watch.paused {
            Some(pause) => pause.until,
            None => watch.deadline.min(self.deadline),
        };
        self.state = State::Watching(watch);
        self.look_until(at, progress, deadline)
    }

    /// Looks until a deadline at the latest: an answer that comes later is not waited for.
    pub(super) fn look_until(
        &self,
        at: Timestamp,
        progress: Progress,
        deadline: Timestamp,
    ) -> Next<Action> {
        let left = between(at, deadline).max(LEAST_LOOK);
        let within = self.plan.look_limit().min(left);
        Next::Do(Action::Look { progress, within })
    }

    pub(super) fn progress(&self, at: Timestamp, phase: Phase, since: Timestamp) -> Progress {
        let green = self.expected.as_ref().map(|e| e.nearest_split().green());
        Progress::new(at, phase, green.unwrap_or_default(), since).with_warm_up(self.plan.warm_up())
    }

    pub(super) fn on_watch_waited(
        &mut self,
        at: Timestamp,
        watch: Watch,
        clock_fault: bool,
    ) -> Next<Action> {
        if watch.looking {
            // This answers an action that is not outstanding.
            self.state = State::Watching(watch);
            return Next::Keep;
        }
        if clock_fault {
            return self.undo(at, Cause::ClockFault);
        }
        self.look(at, watch)
    }

    pub(super) fn on_looked(
        &mut self,
        at: Timestamp,
        watch: Watch,
        look: LookReport,
    ) -> Next<Action> {
        if !watch.looking {
            self.state = State::Watching(watch);
            return Next::Keep;
        }
        self.standings.take(at, look.gates, self.standing_time());
        self.tell(MigrationEvent::Looked {
            phase: watch.stage.phase(),
            traffic: look.traffic.clone(),
            gates: self.standings.at(at),
            paused: watch.paused.is_some(),
            bake_until: watch.bake_until,
            deadline: watch.deadline.min(self.deadline),
            next_look: self.next_look(at, &watch),
        });
        let mut watch = watch;
        let read = self.take_read(at, &look.traffic);
        match (read, look.traffic) {
            (Read::Drift, Ok(traffic)) => return self.drifted(at, traffic, watch.deadline),
            (Read::Gone, Err(failure)) => return self.gone(at, failure),
            (Read::Current, _) => self.note_ready(at, &mut watch),
            // Without a read no change is known.
            (Read::Failed, _) => {}
            _ => watch.ready = None,
        }
        let next = self.decide(at, watch, read == Read::Current);
        match (read, next) {
            (Read::Suspect, Next::Do(Action::Wait { until })) => Next::Do(Action::Wait {
                until: until.min(later(at, APART)),
            }),
            (_, next) => next,
        }
    }

    /// Notes since when each read shows the routing as it should be, with the capacity for the next rise:
    /// a rise needs two such reads.
    pub(super) fn note_ready(&self, at: Timestamp, watch: &mut Watch) {
        let is_short = self
            .next_step(watch)
            .is_some_and(|step| self.shortage(step).is_some());
        watch.ready = match (is_short, watch.ready) {
            (true, _) => None,
            (false, since) => since.or(Some(at)),
        };
    }

    /// Decides at a look. `seen` says whether the split and the targets were read at this very look:
    /// without such a read nothing rises.
    pub(super) fn decide(&mut self, at: Timestamp, mut watch: Watch, seen: bool) -> Next<Action> {
        if let Some((gate, verdict)) = self.standings.unhealthy(at) {
            let summary = verdict.evidence().summary.clone();
            let cause = Cause::Gate { gate, summary };
            return match watch.stage {
                Stage::Arming => self.unchanged(at, unchanged_by(cause)),
                Stage::Step(_) | Stage::Bake => self.undo(at, cause),
            };
        }
        if let Some(end) = self.on_paused(at, &mut watch) {
            return end;
        }
        let may_rise = match watch.stage {
            Stage::Arming => self.standings.without_leave(at).is_none(),
            Stage::Step(_) | Stage::Bake => self.standings.are_healthy(at),
        };
        let ready = watch.paused.is_none() && at >= watch.bake_until && may_rise;
        let ready = ready && !self.awaits(&mut watch);
        let (mut short, mut second_read) = (None, None);
        if ready || watch.promote.is_some() {
            match self.next_step(&watch) {
                None if seen => return self.pass_last(at, watch),
                None => short = Some("the newest read did not show the expected split".to_owned()),
                Some(_) if self.is_switch_missing() => {
                    short = Some("the dead-man switch was not armed".to_owned());
                }
                Some(step) if seen => match self.shortage(step) {
                    None if watch.ready.is_some_and(|ready| between(ready, at) >= APART) => {
                        return self.rise(at, watch, step);
                    }
                    None => {
                        second_read = Some(later(watch.ready.unwrap_or(at), APART));
                        let missing = "the expected split had been read only once";
                        short = Some(missing.to_owned());
                    }
                    Some(shortage) => {
                        short = Some(shortage.summary());
                        self.tell(shortage.into_event());
                    }
                },
                Some(_) => short = Some("the targets could not be read".to_owned()),
            }
        }
        if watch.paused.is_none() && (at >= watch.deadline || at >= self.deadline) {
            return self.on_deadline(at, &watch, short);
        }
        let given_up = self.standings.given_up(at);
        if let (Some(summary), None) = (given_up, &watch.paused)
            && watch.stage != Stage::Arming
        {
            return self.end_undecided(at, &watch, summary);
        }
        match (self.wait(at, watch), second_read) {
            (Next::Do(Action::Wait { until }), Some(second)) => Next::Do(Action::Wait {
                until: until.min(second),
            }),
            (next, _) => next,
        }
    }

    /// Returns whether only an operator lets this stage pass, now that the gates would. Tells so once.
    fn awaits(&mut self, watch: &mut Watch) -> bool {
        let Stage::Step(step) = watch.stage else {
            return false;
        };
        let is_manual = self.plan.steps()[step].manual && watch.promote.is_none();
        if is_manual && !watch.awaits {
            watch.awaits = true;
            let until = watch.deadline.min(self.deadline);
            self.tell(MigrationEvent::Awaiting { step, until });
        }
        is_manual
    }

    /// Returns the step after this stage; `None` if nothing is left to shift.
    fn next_step(&self, watch: &Watch) -> Option<usize> {
        let last = self.plan.steps().len() - 1;
        let next = match watch.stage {
            Stage::Arming => 0,
            Stage::Step(step) => step + 1,
            Stage::Bake => return None,
        };
        let completes = matches!(watch.promote, Some(Control::PromoteFully { .. }))
            || matches!(self.intent, Intent::Complete { .. });
        let next = if completes { next.max(last) } else { next };
        (next <= last).then_some(next)
    }

    /// Returns the targets that green lacks to carry a step.
    fn shortage(&self, step: usize) -> Option<Shortage> {
        let to = TrafficSplit::to_green(self.plan.steps()[step].green);
        let blue = self.blue_at_start.unwrap_or(u32::MAX);
        let needed = self.plan.green_targets_for(to.green(), blue);
        let green = self.last.as_ref().map(|(_, t)| t.targets.green)?;
        (green.healthy < needed).then_some(Shortage { to, needed, green })
    }

    fn rise(&mut self, at: Timestamp, watch: Watch, step: usize) -> Next<Action> {
        self.pass(at, &watch);
        self.send_rise(at, step, watch)
    }

    /// Tells that a stage has passed, and notes the operator who overrode the gates, if one did.
    fn pass(&mut self, at: Timestamp, watch: &Watch) {
        if watch.failed_rises > 0 {
            // The first try has told this.
            return;
        }
        if let Some(Control::Promote { by } | Control::PromoteFully { by }) = &watch.promote {
            let missing = self.standings.missing(at);
            let known = match missing.as_str() {
                "" => "the gates were healthy".to_owned(),
                missing => missing.to_owned(),
            };
            self.overrides.push(Override {
                at,
                by: by.clone(),
                what: format!("promoted from {} while {known}", watch.stage.phase()),
            });
        }
        if let Stage::Step(step) = watch.stage {
            self.tell(MigrationEvent::StepPassed {
                step,
                overridden: watch.promote.clone(),
            });
        }
    }

    /// The last step or the bake has passed.
    fn pass_last(&mut self, at: Timestamp, watch: Watch) -> Next<Action> {
        self.pass(at, &watch);
        if let Stage::Step(step) = watch.stage {
            let bake = self.plan.final_bake();
            if !bake.is_zero() {
                let last = &self.plan.steps()[step];
                let grace = self.plan.deadline_of(last) - self.plan.bake_of(last);
                let watch = self.watch(at, Stage::Bake, bake, bake + grace);
                self.tell(MigrationEvent::Baking {
                    until: watch.bake_until,
                });
                return self.wait(at, watch);
            }
        }
        let report = self.report(at).promoted();
        self.end_known(at, MigrationOutcome::Promoted { report })
    }

    pub(super) fn on_deadline(
        &mut self,
        at: Timestamp,
        watch: &Watch,
        short: Option<String>,
    ) -> Next<Action> {
        let whose = match (watch.stage, at >= self.deadline) {
            (_, true) => "the migration".to_owned(),
            (stage, false) => stage.phase().to_string(),
        };
        let mut why: Vec<String> = short.into_iter().collect();
        if watch.stage == Stage::Arming {
            why.extend(self.standings.without_leave(at));
        } else {
            let missing = self.standings.missing(at);
            if !missing.is_empty() {
                why.push(missing);
            }
        }
        if watch.awaits && why.is_empty() {
            why.push("no operator had promoted the run".to_owned());
        }
        if why.is_empty() {
            why.push("the bake was not over".to_owned());
        }
        let summary = format!("the deadline of {whose} came while {}", why.join("; "));
        if watch.stage == Stage::Arming {
            return self.unchanged(at, Unchanged::NotReady { summary });
        }
        self.end_undecided(at, watch, summary)
    }

    /// Green cannot be judged: does what the plan says for that.
    fn end_undecided(&mut self, at: Timestamp, watch: &Watch, summary: String) -> Next<Action> {
        match self.plan.on_inconclusive() {
            OnInconclusive::RollBack => {
                let within = Ok(self.plan.gradual_restore());
                self.go_back(at, watch, Cause::Deadline { summary }, within)
            }
            OnInconclusive::Hold => self.hold(at, HoldReason::Deadline { summary }),
        }
    }

    /// Waits for the next look after blue was restored.
    pub(super) fn wait_confirming(&mut self, at: Timestamp, mut confirm: Confirm) -> Next<Action> {
        confirm.looking = false;
        let beat = next_beat(confirm.restored_at, self.plan.look_interval(), at);
        let until = beat.min(confirm.until);
        self.state = State::Confirming(confirm);
        Next::Do(Action::Wait { until })
    }

    pub(super) fn on_confirm_waited(
        &mut self,
        at: Timestamp,
        mut confirm: Confirm,
        clock_fault: bool,
    ) -> Next<Action> {
        if confirm.looking {
            self.state = State::Confirming(confirm);
            return Next::Keep;
        }
        if clock_fault {
            // Waits take no time, so the run would look without end.
            return self.finish_restored(at, confirm, None);
        }
        confirm.looking = true;
        let progress = self.progress(at, Phase::Confirm, confirm.restored_at);
        let until = confirm.until;
        self.state = State::Confirming(confirm);
        self.look_until(at, progress, until)
    }

    pub(super) fn on_confirm_looked(
        &mut self,
        at: Timestamp,
        confirm: Confirm,
        look: LookReport,
    ) -> Next<Action> {
        if !confirm.looking {
            self.state = State::Confirming(confirm);
            return Next::Keep;
        }
        self.standings.take(at, look.gates, self.standing_time());
        self.tell(MigrationEvent::Looked {
            phase: Phase::Confirm,
            traffic: look.traffic.clone(),
            gates: self.standings.at(at),
            paused: false,
            bake_until: confirm.restored_at,
            deadline: confirm.until,
            next_look: next_beat(confirm.restored_at, self.plan.look_interval(), at)
                .min(confirm.until),
        });
        match (self.take_read(at, &look.traffic), look.traffic) {
            (Read::Drift, Ok(traffic)) => return self.drifted(at, traffic, at),
            (Read::Gone, Err(failure)) => return self.gone(at, failure),
            // The next read shows whether a third party has moved traffic again.
            (Read::Suspect, _) => {
                self.state = State::Confirming(Confirm {
                    looking: false,
                    ..confirm
                });
                let until = later(at, APART);
                return Next::Do(Action::Wait { until });
            }
            _ => {}
        }
        let standings = self.standings.at(at);
        let quiet = standings.iter().find_map(|standing| {
            let seen = standing.verdict.evidence().traffic?;
            let is_quiet = seen.from >= confirm.restored_at
                && seen.sides.green.requests == 0
                && seen.sides.blue.requests > 0;
            is_quiet.then_some(seen)
        });
        if let Some(seen) = quiet {
            self.tell(MigrationEvent::Confirmed { seen });
            return self.finish_restored(at, confirm, Some(seen.to));
        }
        if at >= confirm.until {
            return self.finish_restored(at, confirm, None);
        }
        self.wait_confirming(at, confirm)
    }
}

/// The targets that green lacks to carry a share.
struct Shortage {
    to: TrafficSplit,
    needed: u32,
    green: crate::traffic::TargetCounts,
}

impl Shortage {
    fn summary(&self) -> String {
        let Self { to, needed, green } = self;
        format!(
            "green has {} healthy targets and needs {needed} for {}",
            green.healthy,
            to.green()
        )
    }

    fn into_event(self) -> MigrationEvent {
        MigrationEvent::CapacityShort {
            to: self.to,
            needed: self.needed,
            green: self.green,
        }
    }
}
