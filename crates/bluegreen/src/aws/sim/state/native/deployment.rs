//! One service deployment and its course: pure, by the times at which something changes.

use std::time::Duration;

use super::{
    configuration::{Action, Configuration},
    hook::Hook,
    stage::{CLEANS, HookStatus, PACE, STARTS, Stage, Status},
};
use crate::traffic::Side;

/// All of the traffic, in tenths of a percent.
pub(super) const ALL: u16 = 1_000;

/// A service deployment.
#[derive(Debug, Clone)]
pub(in crate::aws::sim) struct Deployment {
    pub(in crate::aws::sim) arn: String,
    /// The revisions that it replaces, by place: the live one first.
    pub(in crate::aws::sim) sources: Vec<usize>,
    /// The revision that it deploys, by place.
    pub(in crate::aws::sim) target: usize,
    /// The group of the new revision's tasks.
    pub(in crate::aws::sim) side: Side,
    pub(in crate::aws::sim) configuration: Configuration,
    pub(in crate::aws::sim) status: Status,
    pub(in crate::aws::sim) reason: Option<String>,
    stage: Option<Stage>,
    /// How many shifts are over or under way.
    step: usize,
    /// When the present state, or stage, began, or its last hook was answered.
    since: Duration,
    /// The hooks of the newest stage that had any.
    hooks: Vec<Hook>,
    hooks_made: usize,
    has_test: bool,
    pub(in crate::aws::sim) created: Duration,
    pub(in crate::aws::sim) started: Option<Duration>,
    pub(in crate::aws::sim) finished: Option<Duration>,
    pub(in crate::aws::sim) updated: Duration,
    pub(in crate::aws::sim) rollback: Option<Rollback>,
    /// The alarms that failed it.
    pub(in crate::aws::sim) triggered: Vec<String>,
}

/// A rollback that has begun.
#[derive(Debug, Clone)]
pub(in crate::aws::sim) struct Rollback {
    pub(in crate::aws::sim) reason: String,
    pub(in crate::aws::sim) started: Duration,
    has_shifted: bool,
}

/// How a new deployment begins.
#[derive(Debug)]
pub(super) struct Begin {
    pub(super) arn: String,
    pub(super) sources: Vec<usize>,
    pub(super) target: usize,
    pub(super) side: Side,
    pub(super) configuration: Configuration,
    /// Whether a rule of its own takes test traffic.
    pub(super) has_test: bool,
    pub(super) created: Duration,
}

/// What a deployment depends on.
#[derive(Debug, Clone, Default)]
pub(in crate::aws::sim) struct Facts {
    /// When all tasks of the new revision are healthy, once they are started; `None` if they never are.
    pub(in crate::aws::sim) up: Option<Duration>,
    /// When all tasks of the live revision are healthy, if they run.
    pub(in crate::aws::sim) live: Option<Duration>,
    /// The first of its alarms that goes off, and when.
    pub(in crate::aws::sim) alarm: Option<(Duration, String)>,
    /// Whether rollbacks fail.
    pub(in crate::aws::sim) rollback_fails: bool,
}

/// What a deployment does to the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::aws::sim) enum Effect {
    /// The new revision gets this share of the production traffic, in tenths of a percent.
    Shift(u16),
    /// All test traffic goes to this group.
    Test(Side),
    /// The tasks of a revision, by place, are started in this group.
    Start(Side, usize),
    /// The tasks of this group stop.
    Stop(Side),
    /// The new revision is the live one.
    Won,
}

impl Deployment {
    pub(super) fn new(begin: Begin) -> Self {
        Self {
            arn: begin.arn,
            sources: begin.sources,
            target: begin.target,
            side: begin.side,
            configuration: begin.configuration,
            status: Status::Pending,
            reason: None,
            stage: None,
            step: 0,
            since: begin.created,
            hooks: Vec::new(),
            hooks_made: 0,
            has_test: begin.has_test,
            created: begin.created,
            started: None,
            finished: None,
            updated: begin.created,
            rollback: None,
            triggered: Vec::new(),
        }
    }

    /// The stage as ECS shows it, while there is one.
    pub(in crate::aws::sim) fn stage(&self) -> Option<&'static str> {
        self.stage.map(|stage| stage.shown(self.step))
    }

    pub(in crate::aws::sim) fn hooks(&self) -> &[Hook] {
        &self.hooks
    }

    fn opposite(&self) -> Side {
        match self.side {
            Side::Blue => Side::Green,
            Side::Green => Side::Blue,
        }
    }

    /// When something changes next, if nothing is done to the deployment; `None` if nothing does.
    pub(super) fn next(&self, facts: &Facts) -> Option<Duration> {
        match self.status {
            Status::Pending | Status::StopRequested | Status::RollbackRequested => {
                Some(self.since + PACE)
            }
            Status::InProgress => {
                let alarm = facts.alarm.as_ref().map(|(at, _)| *at);
                [self.stage_ends(facts), alarm].into_iter().flatten().min()
            }
            Status::RollbackInProgress => self.rollback_next(facts),
            _ => None,
        }
    }

    /// When the present stage ends, or its next hook.
    fn stage_ends(&self, facts: &Facts) -> Option<Duration> {
        let open = self.hooks.iter().filter(|hook| hook.status.is_open());
        if let Some(due) = open.map(Hook::due).min() {
            return Some(due);
        }
        let is_last = self.step + 1 >= self.configuration.steps().len();
        match self.stage {
            None => Some(facts.up?.max(self.since + STARTS * 2)),
            Some(Stage::ScaleUp) => Some(facts.up?.max(self.since + STARTS)),
            Some(Stage::ProductionTrafficShift) if !is_last => {
                Some(self.since + PACE + self.configuration.step_bake())
            }
            Some(Stage::BakeTime) => Some(self.since + self.configuration.bake),
            Some(Stage::CleanUp) => Some(self.since + CLEANS),
            Some(_) => Some(self.since + PACE),
        }
    }

    fn rollback_next(&self, facts: &Facts) -> Option<Duration> {
        let rollback = self.rollback.as_ref()?;
        if facts.rollback_fails || rollback.has_shifted {
            return Some(self.since + CLEANS);
        }
        Some(facts.live?.max(self.since + PACE))
    }

    /// Lets happen what is due at this time.
    pub(super) fn pass(&mut self, at: Duration, facts: &Facts) -> Vec<Effect> {
        self.updated = at;
        match self.status {
            Status::Pending => {
                self.status = Status::InProgress;
                self.started = Some(at);
                self.since = at;
                match (self.configuration.is_rolling(), self.sources.len()) {
                    (true, _) => Vec::new(),
                    (false, 0 | 1) => self.enter(Stage::PreScaleUp, at),
                    (false, _) => self.enter(Stage::ReconcileService, at),
                }
            }
            Status::StopRequested => self.end(Status::Stopped, at),
            Status::RollbackRequested => {
                let reason = self.reason.clone().unwrap_or_default();
                self.go_back(reason, at)
            }
            Status::RollbackInProgress => self.pass_back(at, facts),
            _ => match &facts.alarm {
                Some((due, name)) if *due <= at => {
                    self.triggered.push(name.clone());
                    let reason = format!("Service deployment failed: alarm {name} detected.");
                    if self.configuration.alarms_roll_back {
                        return self.go_back(reason, at);
                    }
                    self.reason = Some(reason);
                    self.end(Status::Stopped, at)
                }
                _ => self.pass_stage(at),
            },
        }
    }

    fn pass_stage(&mut self, at: Duration) -> Vec<Effect> {
        let mut open = self.hooks.iter_mut().filter(|hook| hook.status.is_open());
        if let Some(hook) = open.find(|hook| hook.due() <= at) {
            if hook.setting.function.is_some() {
                hook.status = HookStatus::Succeeded;
            } else {
                hook.status = HookStatus::TimedOut;
                if hook.setting.on_timeout == Action::RollBack {
                    let reason = format!("The lifecycle hook {} timed out.", hook.id);
                    return self.go_back(reason, at);
                }
            }
            self.since = at;
            return Vec::new();
        }
        let steps = self.configuration.steps().len();
        let next = match self.stage {
            Some(Stage::ReconcileService) => Stage::PreScaleUp,
            Some(Stage::PreScaleUp) => Stage::ScaleUp,
            Some(Stage::ScaleUp) => Stage::PostScaleUp,
            Some(Stage::PostScaleUp) => Stage::TestTrafficShift,
            Some(Stage::TestTrafficShift) => Stage::PostTestTrafficShift,
            Some(Stage::PostTestTrafficShift) => Stage::PreProductionTrafficShift,
            Some(Stage::PreProductionTrafficShift) => Stage::ProductionTrafficShift,
            Some(Stage::ProductionTrafficShift) if self.step + 1 < steps => {
                self.step += 1;
                Stage::PreProductionTrafficShift
            }
            Some(Stage::ProductionTrafficShift) => Stage::PostProductionTrafficShift,
            Some(Stage::PostProductionTrafficShift) => Stage::BakeTime,
            Some(Stage::BakeTime) => Stage::CleanUp,
            Some(Stage::CleanUp) | None => {
                let mut effects = self.end(Status::Successful, at);
                effects.push(Effect::Won);
                return effects;
            }
        };
        self.enter(next, at)
    }

    /// Comes to a stage.
    fn enter(&mut self, stage: Stage, at: Duration) -> Vec<Effect> {
        self.stage = Some(stage);
        self.since = at;
        let settings = self.configuration.hooks.iter();
        let asked = settings.filter(|hook| hook.stages.contains(&stage));
        let number = self.arn.rsplit('/').next().unwrap_or_default();
        let first = self.hooks_made;
        let asked = asked.enumerate().map(|(nth, setting)| {
            let id = format!("ecs-pause-{number}-{}", first + nth + 1);
            Hook::new(id, setting, at)
        });
        let asked: Vec<Hook> = asked.collect();
        if !asked.is_empty() {
            self.hooks_made += asked.len();
            self.hooks = asked;
        }
        match stage {
            // Everything goes back to the live revision before anything new begins.
            Stage::ReconcileService => {
                let mut effects = self.all_back();
                effects.push(Effect::Stop(self.side));
                effects
            }
            Stage::ScaleUp => vec![Effect::Start(self.side, self.target)],
            Stage::TestTrafficShift if self.has_test => vec![Effect::Test(self.side)],
            Stage::ProductionTrafficShift => {
                let steps = self.configuration.steps();
                vec![Effect::Shift(steps.get(self.step).copied().unwrap_or(ALL))]
            }
            Stage::CleanUp => vec![Effect::Stop(self.opposite())],
            _ => Vec::new(),
        }
    }

    /// All traffic goes to the live revision.
    fn all_back(&self) -> Vec<Effect> {
        let mut effects = vec![Effect::Shift(0)];
        if self.has_test {
            effects.push(Effect::Test(self.opposite()));
        }
        effects
    }

    fn end(&mut self, status: Status, at: Duration) -> Vec<Effect> {
        self.status = status;
        self.finished = Some(at);
        self.stage = None;
        Vec::new()
    }

    fn go_back(&mut self, reason: String, at: Duration) -> Vec<Effect> {
        let had_cleaned = self.stage == Some(Stage::CleanUp);
        self.status = Status::RollbackInProgress;
        self.since = at;
        self.stage = None;
        self.reason = Some(reason.clone());
        self.rollback = Some(Rollback {
            reason,
            started: at,
            has_shifted: false,
        });
        match self.sources.first() {
            Some(live) if had_cleaned => vec![Effect::Start(self.opposite(), *live)],
            _ => Vec::new(),
        }
    }

    fn pass_back(&mut self, at: Duration, facts: &Facts) -> Vec<Effect> {
        if facts.rollback_fails {
            self.reason = Some("The rollback failed.".to_owned());
            return self.end(Status::RollbackFailed, at);
        }
        let Some(rollback) = self.rollback.as_mut() else {
            return Vec::new();
        };
        if rollback.has_shifted {
            let mut effects = self.end(Status::RollbackSuccessful, at);
            if !self.configuration.is_rolling() {
                effects.push(Effect::Stop(self.side));
            }
            return effects;
        }
        rollback.has_shifted = true;
        self.since = at;
        if self.configuration.is_rolling() {
            return Vec::new();
        }
        self.all_back()
    }

    /// Whether all is done but the removal of the old tasks.
    pub(super) fn is_cleaning_up(&self) -> bool {
        self.status == Status::InProgress && self.stage == Some(Stage::CleanUp)
    }

    /// The rest of the removal happens by itself.
    pub(super) fn finish(&mut self, now: Duration) {
        self.updated = now;
        self.end(Status::Successful, now);
    }

    /// A newer deployment takes its place.
    pub(super) fn supersede(&mut self, now: Duration) {
        self.status = Status::StopRequested;
        self.reason = Some("A newer service deployment has started.".to_owned());
        self.stage = None;
        (self.since, self.updated) = (now, now);
    }

    /// A caller stops it with a rollback. Refused if it is over.
    pub(super) fn stop(&mut self, now: Duration) -> Result<(), String> {
        match self.status {
            Status::Pending | Status::InProgress => {
                self.ask_back("The service deployment was stopped by a caller.", now);
                Ok(())
            }
            status if status.is_over() => Err(format!(
                "The service deployment is {} and cannot be stopped.",
                status.as_str()
            )),
            _ => Ok(()),
        }
    }

    /// A caller answers a pause. Refused if it does not wait.
    pub(super) fn answer(
        &mut self,
        hook: &str,
        action: Action,
        now: Duration,
    ) -> Result<(), String> {
        let is_under_way = self.status == Status::InProgress;
        let found = self.hooks.iter_mut().find(|one| one.id == hook);
        let Some(found) = found else {
            return Err(format!("The lifecycle hook {hook} does not exist."));
        };
        if !is_under_way || found.status != HookStatus::Awaiting {
            return Err(format!("The lifecycle hook {hook} is not AWAITING_ACTION."));
        }
        match action {
            Action::Continue => {
                found.status = HookStatus::Succeeded;
                (self.since, self.updated) = (now, now);
            }
            Action::RollBack => {
                found.status = HookStatus::Failed;
                self.ask_back("The lifecycle hook was rolled back by a caller.", now);
            }
        }
        Ok(())
    }

    fn ask_back(&mut self, reason: &str, now: Duration) {
        // The stage stays known until the rollback begins: a late one has to start tasks again.
        self.status = Status::RollbackRequested;
        self.reason = Some(reason.to_owned());
        (self.since, self.updated) = (now, now);
    }
}
