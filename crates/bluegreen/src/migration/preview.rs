//! What a plan does and when, for people to read.

use std::{fmt, time::Duration};

use super::{MigrationPlan, OnInconclusive};
use crate::clock::span;
use crate::traffic::Percent;

/// What a plan does and when: to be printed before a migration starts.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Preview {
    /// The stages, in order.
    pub stages: Vec<PreviewStage>,
    /// The shortest time in which the migration can pass all stages.
    pub shortest: Duration,
    /// The longest time until the migration has passed all stages or has carried out the plan's policy
    /// for a deadline.
    pub longest: Duration,
    policy: OnInconclusive,
    look_interval: Duration,
    warm_up: Duration,
    warms_once: bool,
    dead_man: Option<Duration>,
}

/// One stage of a [`Preview`].
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct PreviewStage {
    /// Green's share.
    pub green: Percent,
    /// The earliest time of its shift, from the start.
    pub earliest: Duration,
    /// How long green is watched at this share at least.
    pub bake: Duration,
    /// How long after its shift the gates must be healthy at the latest.
    pub deadline: Duration,
    /// Whether it is the bake after the last step.
    pub is_final_bake: bool,
}

impl MigrationPlan {
    /// Returns what this plan does and when, for people to read.
    #[must_use]
    pub fn preview(&self) -> Preview {
        Preview::of(self)
    }
}

impl Preview {
    fn of(plan: &MigrationPlan) -> Self {
        let mut earliest = Duration::ZERO;
        let mut stages = Vec::new();
        for step in plan.steps() {
            stages.push(PreviewStage {
                green: step.green,
                earliest,
                bake: plan.bake_of(step),
                deadline: plan.deadline_of(step),
                is_final_bake: false,
            });
            earliest += plan.bake_of(step);
        }
        if !plan.final_bake().is_zero() {
            stages.push(PreviewStage {
                green: Percent::HUNDRED,
                earliest,
                bake: plan.final_bake(),
                deadline: plan.final_bake(),
                is_final_bake: true,
            });
            earliest += plan.final_bake();
        }
        Self {
            stages,
            shortest: earliest,
            longest: plan.deadline(),
            policy: plan.on_inconclusive(),
            look_interval: plan.look_interval(),
            warm_up: plan.warm_up(),
            warms_once: false,
            dead_man: plan.dead_man(),
        }
    }

    /// Says that the warm-up is after the first shift alone, as for a gate that is
    /// [warm from then on](crate::health::MetricsGate::warming_once).
    #[must_use]
    pub fn warming_once(mut self) -> Self {
        self.warms_once = true;
        self
    }
}

impl fmt::Display for Preview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "   green   watched at least   gates healthy within")?;
        for stage in &self.stages {
            let what = if stage.is_final_bake {
                "  (blue kept warm)"
            } else {
                ""
            };
            writeln!(
                f,
                "  {:>6}  {:>17}   {}{what}",
                stage.green.to_string(),
                span(stage.bake),
                span(stage.deadline),
            )?;
        }
        let policy = match self.policy {
            OnInconclusive::RollBack => "everything goes back to blue",
            OnInconclusive::Hold => "the split stays as it is",
        };
        write!(
            f,
            "  looks every {}; the first {} after {} shift does not count\n  \
             takes {} to {}; if a deadline is missed, {policy}",
            span(self.look_interval),
            span(self.warm_up),
            if self.warms_once { "the first" } else { "each" },
            span(self.shortest),
            span(self.longest),
        )?;
        match self.dead_man {
            Some(after) => write!(
                f,
                "\n  a dead-man switch puts everything back {} after its last renewal",
                span(after)
            ),
            None => write!(
                f,
                "\n  no dead-man switch: if this process dies, traffic stays as it is,\n  until \
                 `resume` or `rollback`"
            ),
        }
    }
}
