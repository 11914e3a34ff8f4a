//! The plan of a specification.

use std::{collections::BTreeSet, time::Duration};

use super::{JudgedBy, MetricsFrom, MigrationSpec, PlanSpec, SpecError};
use crate::{migration::MigrationPlan, problem::Problem, traffic::Percent};

/// How long after its end a data point has settled at the latest.
const SETTLING: Duration = Duration::from_secs(150);

/// Why a restore is not confirmed if the applications' own metrics judge.
const SILENT: &str = "`judge.metrics` is `app`, and an application that gets no request publishes no count, so no \
    minute shows that green got none";

/// Settings of a plan that no file has.
const IN_NO_FILE: [&str; 6] = [
    "blind_restore",
    "confirm_within",
    "look_limit",
    "restore_within",
    "unconfirmable",
    "write_attempts",
];

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
        if self.judge.metrics == MetricsFrom::App {
            builder = builder.unconfirmable(SILENT);
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
            Ok(_) if given.steps.is_empty() => {
                let hint = "name the shares, such as [10, 50, 100]; leave `steps` out for these";
                vec![Problem::new("steps", "has no step", hint)]
            }
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

    /// Returns the fields of the plan that the file leaves out, or states as they are by default: their values
    /// may be others in a later version.
    pub(super) fn left_out(&self) -> BTreeSet<&'static str> {
        let (given, usual) = (&self.plan, PlanSpec::default());
        let are_left_out = [
            // The share that is held back adds a step.
            (
                "steps",
                given.hold_back.is_none() && given.steps == usual.steps,
            ),
            ("hold_back", given.hold_back.is_none()),
            ("bake", given.bake.is_none()),
            ("step_deadline", given.step_deadline.is_none()),
            ("final_bake", given.final_bake.is_none()),
            ("gradual_restore", given.gradual_restore.is_none()),
            ("deadline", given.deadline == usual.deadline),
            ("look_interval", given.look_interval == usual.look_interval),
            ("warm_up", given.warm_up == usual.warm_up),
            (
                "capacity_ratio",
                given
                    .capacity_ratio
                    .total_cmp(&usual.capacity_ratio)
                    .is_eq(),
            ),
            (
                "on_inconclusive",
                given.on_inconclusive == usual.on_inconclusive,
            ),
            ("on_cancel", given.on_cancel == usual.on_cancel),
            ("on_resume", given.on_resume == usual.on_resume),
        ];
        let left_out = are_left_out
            .into_iter()
            .filter(|(_, is_left_out)| *is_left_out);
        left_out.map(|(field, _)| field).chain(IN_NO_FILE).collect()
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
