//! The plan of a specification.

use std::time::Duration;

use super::{JudgedBy, MigrationSpec, SpecError};
use crate::{migration::MigrationPlan, problem::Problem, traffic::Percent};

/// How long after its end a data point has settled at the latest.
const SETTLING: Duration = Duration::from_secs(150);

impl MigrationSpec {
    /// Returns the plan, with the default of each field that is left out.
    ///
    /// # Errors
    ///
    /// [`SpecError`] with every problem of the whole specification.
    pub fn plan(&self) -> Result<MigrationPlan, SpecError> {
        self.checked_plan().map_err(SpecError::new)
    }

    /// Returns the plan alone, or its problems, with the field names of the file.
    pub(super) fn plan_alone(&self) -> Result<MigrationPlan, Vec<Problem>> {
        let given = &self.plan;
        let compares = self.judge.by == JudgedBy::Sequential;
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        let (usual_bake, usual_hold_back, usual_final_bake) = match compares {
            true if self.judge.rule >= 2 => (minutes(3), Percent::TEN, minutes(10)),
            true => (minutes(3), Percent::TEN, Duration::ZERO),
            false => (minutes(10), Percent::ZERO, Duration::ZERO),
        };
        let bake = given.bake.map_or(usual_bake, |span| span.0);
        let held = given.hold_back.unwrap_or(usual_hold_back);
        let usual = match compares {
            true => minutes(65).max(bake.saturating_mul(2)),
            false => bake.saturating_mul(3),
        };
        let step_deadline = given.step_deadline.map_or(usual, |span| span.0);
        let mut builder = MigrationPlan::builder()
            .bake(bake)
            .step_deadline(step_deadline)
            .deadline(given.deadline.0)
            .look_interval(given.look_interval.0)
            .warm_up(given.warm_up.0)
            .final_bake(given.final_bake.map_or(usual_final_bake, |span| span.0))
            .capacity_ratio(given.capacity_ratio)
            .on_inconclusive(given.on_inconclusive)
            .on_cancel(given.on_cancel)
            .on_resume(given.on_resume)
            .hold_back(held);
        if let Some(within) = given.gradual_restore {
            builder = builder.gradual_restore(within.0);
        }
        if let Some(grace) = given.grace {
            builder = builder.grace(grace.0);
        }
        for step in &given.steps {
            builder = builder.step(*step);
        }
        if let Some(switch) = &self.safety.dead_man {
            builder = builder.dead_man(switch.after.0);
        }
        for risk in &self.safety.accept {
            builder = builder.accept(*risk);
        }
        let mut problems = match builder.build() {
            Ok(plan) => match self.settles(step_deadline) {
                Ok(()) => return Ok(plan),
                Err(problem) => vec![problem],
            },
            Err(error) => error.problems().to_vec(),
        };
        for problem in &mut problems {
            problem.field = match problem.field.as_str() {
                "dead_man" => "safety.dead_man.after".to_owned(),
                // A problem of `settles` has the name of the file already.
                field if field.starts_with("plan.") => continue,
                field => format!("plan.{field}"),
            };
        }
        Err(problems)
    }

    /// Checks that a data point after the warm-up can settle before a step must be decided.
    fn settles(&self, step_deadline: Duration) -> Result<(), Problem> {
        let (warm_up, period) = (self.plan.warm_up.0, self.judge.period.0);
        let settled = warm_up
            .saturating_add(period.saturating_mul(2))
            .saturating_add(SETTLING);
        if step_deadline > settled {
            return Ok(());
        }
        let message = format!(
            "is {} s, and the first point of {} s after the warm-up settles only at {} s",
            step_deadline.as_secs(),
            period.as_secs(),
            settled.as_secs()
        );
        let hint = "give a longer bake, a longer step_deadline or a shorter judge.period";
        Err(Problem::new("plan.step_deadline", message, hint))
    }
}
