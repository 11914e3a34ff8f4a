//! A service whose traffic ECS moves itself, as a part of the file.

mod judge;
mod rights;
#[cfg(feature = "sim")]
mod simulated;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::judge::ServiceJudge;
use super::{
    DeploymentSpec, JudgedBy, MetricsFrom, MigrationSpec, Name, PlanSpec, Service,
    ServiceDeployment, Span, SpecError, TrafficSpec, deployment::below, is_default,
};
use crate::{
    aws::Aws,
    clock::span,
    native::{NativePlan, NativePlanBuilder},
    problem::Problem,
};

/// A service whose deployments ECS moves itself, by `BLUE_GREEN`, `LINEAR` or `CANARY`, and the gates judge.
/// A file with this table has no `[traffic]` and no sides.
///
/// The tables `[judge]`, `[hooks]` and `[safety]` mean the same as in a migration. Of `[plan]` these fields
/// count: `bake`, `warm_up`, `look_interval`, `step_deadline` (how long a pause waits for a healthy verdict),
/// `on_inconclusive`, `on_cancel` and `grace`. The steps are those of the service.
///
/// # Examples
///
/// ```
/// use bluegreen::spec::MigrationSpec;
///
/// let spec = MigrationSpec::from_toml(r#"
///     name = "chatbot"
///     [native]
///     service = "chatbot-cluster/chatbot-api"
///     [plan]
///     bake = "10m"
///     [judge]
///     max_error_rate = "2%"
/// "#)?;
/// assert_eq!(spec.native_plan()?.bake().as_secs(), 600);
///
/// // ECS has the steps, so the file has none.
/// let error = MigrationSpec::from_toml(&spec.to_toml().replace("bake", "final_bake"));
/// assert!(error.unwrap_err().to_string().contains("plan.final_bake"));
/// # Ok::<(), bluegreen::spec::SpecError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct NativeSpec {
    /// The service: `CLUSTER/SERVICE`.
    pub service: Service,
    /// How long one deployment may be judged, pauses included. Default: 24 hours, the time that ECS itself
    /// waits at one pause unless the hook says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Span>,
    /// How long before the time-out of a pause `plan.on_inconclusive` decides. Default: 5 minutes, so that a
    /// call that fails can be repeated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub margin: Option<Span>,
    /// How the service is deployed, as `[native.deployment]`. Its checks are asked before the new revision
    /// gets its first traffic. Default: another tool deploys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<DeploymentSpec>,
}

impl NativeSpec {
    /// A service of which only the name is known.
    #[must_use]
    pub fn new(service: Service) -> Self {
        Self {
            service,
            deadline: None,
            margin: None,
            deployment: None,
        }
    }

    /// Returns the name of the service's journal in a store: a deployment and its judge share the journal, so
    /// that one controller works on a service at a time.
    #[must_use]
    pub fn log_name(&self, aws: &Aws) -> String {
        ServiceDeployment::new(self.service.clone(), DeploymentSpec::default()).log_name(aws)
    }
}

/// What another kind of file is for.
const FOR_MIGRATIONS: &str = "use `bluegreen plan`, `deploy`, `judge`, `status`, `resume`, `pause`, `promote`, \
    `abort` or `leave` with this file";

impl MigrationSpec {
    /// What judges the deployments of a service whose traffic ECS moves, with all defaults, under the name of
    /// the service.
    #[must_use]
    pub fn of_native(native: NativeSpec) -> Self {
        let name = native.service.name.parse();
        Self {
            name: name.unwrap_or_else(|_| Name::known("service")),
            account: None,
            region: None,
            journal: None,
            traffic: TrafficSpec::default(),
            sides: Default::default(),
            native: Some(native),
            plan: PlanSpec::default(),
            judge: Default::default(),
            safety: Default::default(),
            hooks: Default::default(),
            test: Default::default(),
            simulation: None,
        }
    }

    /// Returns the deployment of the service in `[native]`, without a folder; `None` if there is no such table.
    #[must_use]
    pub fn native_deployment(&self) -> Option<ServiceDeployment> {
        let native = self.native.as_ref()?;
        let spec = native.deployment.clone().unwrap_or_default();
        let mut deployment = ServiceDeployment::new(native.service.clone(), spec);
        deployment.account.clone_from(&self.account);
        deployment.region.clone_from(&self.region);
        Some(deployment)
    }

    /// Returns what this file says about judging, for a service that ECS moves: gates, times that count there,
    /// hooks, journal and accepted risks. The steps and the dead-man switch of a migration are left out: the
    /// service has its own, and ECS's time-out of a pause is the switch.
    #[must_use]
    pub fn for_service(&self, service: &Service) -> Self {
        if self
            .native
            .as_ref()
            .is_some_and(|own| own.service == *service)
        {
            return self.clone();
        }
        let mut spec = self.clone();
        let mut native = NativeSpec::new(service.clone());
        let mut sides = self.sides.values();
        let of_it = sides.find(|side| side.service.as_ref() == Some(service));
        native.deployment = of_it.and_then(|side| side.deployment.clone());
        let usual = PlanSpec::default();
        spec.plan = PlanSpec {
            steps: usual.steps,
            hold_back: usual.hold_back,
            deadline: usual.deadline,
            final_bake: usual.final_bake,
            gradual_restore: usual.gradual_restore,
            capacity_ratio: usual.capacity_ratio,
            on_resume: usual.on_resume,
            ..spec.plan
        };
        spec.safety.dead_man = None;
        (spec.traffic, spec.sides) = Default::default();
        spec.test = Default::default();
        spec.native = Some(native);
        spec
    }

    /// Returns the plan of a judge, with the default of each field that is left out.
    ///
    /// # Errors
    ///
    /// [`SpecError`] with every problem of the whole specification; also if it has no table `[native]`.
    pub fn native_plan(&self) -> Result<NativePlan, SpecError> {
        if self.native.is_none() {
            let hint = "add it: [native] service = \"CLUSTER/SERVICE\"";
            let problem = Problem::new("native", "is missing: the file is of a migration", hint);
            return Err(SpecError::new(vec![problem]));
        }
        self.check()?;
        self.native_plan_alone().map_err(SpecError::new)
    }

    /// Returns the plan of a judge alone, or its problems, with the field names of the file.
    pub(super) fn native_plan_alone(&self) -> Result<NativePlan, Vec<Problem>> {
        let given = &self.plan;
        let compares = self.judge.by == JudgedBy::Sequential;
        let minutes = |minutes: u64| std::time::Duration::from_secs(60 * minutes);
        let usual_bake = minutes(if compares { 3 } else { 10 });
        let bake = given.bake.map_or(usual_bake, |span| span.0);
        let usual = match compares {
            true => minutes(65).max(bake.saturating_mul(2)),
            false => bake.saturating_mul(3),
        };
        let mut builder: NativePlanBuilder = NativePlan::builder()
            .bake(bake)
            .answer_within(given.step_deadline.map_or(usual, |span| span.0))
            .look_interval(given.look_interval.0)
            .warm_up(given.warm_up.0)
            .on_inconclusive(given.on_inconclusive)
            .on_cancel(given.on_cancel);
        if let Some(native) = &self.native {
            if let Some(deadline) = native.deadline {
                builder = builder.deadline(deadline.0);
            }
            if let Some(margin) = native.margin {
                builder = builder.margin(margin.0);
            }
        }
        for risk in &self.safety.accept {
            builder = builder.accept(*risk);
        }
        builder.build().map_err(|error| {
            let named = error.problems().iter().cloned().map(|mut problem| {
                problem.field = match problem.field.as_str() {
                    "answer_within" => "plan.step_deadline".to_owned(),
                    field @ ("deadline" | "margin") => format!("native.{field}"),
                    field => format!("plan.{field}"),
                };
                problem
            });
            named.collect()
        })
    }

    /// Says that a file of a service has no plan of a migration.
    pub(super) fn no_migration() -> Problem {
        let message = "the file is about a service whose traffic ECS moves: there is no migration";
        Problem::new("native", message, FOR_MIGRATIONS)
    }

    pub(super) fn of_native_service(&self, found: &mut Vec<Problem>) {
        let Some(native) = &self.native else {
            return;
        };
        let mut say = |field: &str, message: String, hint: &str| {
            found.push(Problem::new(field, message, hint));
        };
        if !self.traffic.rules.is_empty() || !self.sides.is_empty() {
            let message = "stands beside [traffic] or a side".to_owned();
            let hint = "a file is about one rule and its sides, or about one service whose traffic ECS moves: \
                        make two files";
            say("native", message, hint);
        }
        let (plan, usual) = (&self.plan, PlanSpec::default());
        let steps = "the service has its own steps: leave the field out";
        for (field, is_given, hint) in [
            ("steps", plan.steps != usual.steps, steps),
            ("hold_back", plan.hold_back.is_some(), steps),
            (
                "final_bake",
                plan.final_bake.is_some(),
                "set the service's own bake time",
            ),
            (
                "gradual_restore",
                plan.gradual_restore.is_some(),
                "ECS puts everything back: leave it out",
            ),
            (
                "capacity_ratio",
                !is_default_ratio(plan.capacity_ratio),
                "ECS starts all copies: leave it out",
            ),
            (
                "on_resume",
                plan.on_resume != usual.on_resume,
                "a judge always continues: leave it out",
            ),
            (
                "deadline",
                plan.deadline != usual.deadline,
                "give native.deadline",
            ),
        ] {
            if is_given {
                let message = "has no effect on a service whose traffic ECS moves".to_owned();
                say(&format!("plan.{field}"), message, hint);
            }
        }
        if self.safety.dead_man.is_some() {
            let message = "has no effect: the time-out of ECS's pause is the switch".to_owned();
            let hint = "leave it out, and let the hook's time-out roll back";
            say("safety.dead_man", message, hint);
        }
        if !is_default(&self.test) {
            let message = "tests a side of a migration".to_owned();
            say("test", message, "write checks into [native.deployment]");
        }
        if self.hooks.may_refuse {
            let message =
                "ECS pauses before a shift, and the gates answer: the program is only told"
                    .to_owned();
            say(
                "hooks.may_refuse",
                message,
                "leave it out; or let an alarm in judge.alarms refuse",
            );
        }
        if self.judge.metrics == MetricsFrom::App {
            let message = "\"app\" needs a namespace of each side, and the two revisions share one"
                .to_owned();
            say("judge.metrics", message, "use \"alb\", the default");
        }
        if let Some(longest) = native.deadline
            && longest.0
                <= self
                    .plan
                    .bake
                    .map_or(std::time::Duration::ZERO, |bake| bake.0)
        {
            let message = format!("{} is not longer than the bake", span(longest.0));
            say(
                "native.deadline",
                message,
                "give a longer deadline, or a shorter plan.bake",
            );
        }
        if let Some(deployment) = &native.deployment {
            found.extend(below("native.deployment", deployment.problems()));
        }
    }
}

fn is_default_ratio(ratio: f64) -> bool {
    (ratio - PlanSpec::default().capacity_ratio).abs() < f64::EPSILON
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "name = \"chatbot\"\n[native]\nservice = \"shop/web\"\n";

    fn fields(more: &str) -> Vec<String> {
        let error = MigrationSpec::from_toml(&format!("{FILE}{more}")).expect_err("problems");
        let problems = error.problems().iter();
        problems.map(|one| one.problem.field.clone()).collect()
    }

    #[test]
    fn a_file_of_a_service_needs_no_rule_and_no_sides_and_survives_toml() {
        let spec = MigrationSpec::from_toml(FILE).expect("valid");
        let again = MigrationSpec::from_toml(&spec.to_toml()).expect("the same");
        assert_eq!(again, spec);
        let plan = spec.native_plan().expect("a plan");
        assert_eq!(plan, NativePlan::builder().build().expect("the defaults"));
        // No plan of a migration can be made of it.
        let error = spec.plan().expect_err("there are no steps");
        assert!(error.to_string().contains("no migration"), "{error}");
    }

    #[test]
    fn what_has_no_effect_there_is_told_and_not_dropped() {
        let given = "[plan]\nsteps = [5, 100]\nhold_back = \"5%\"\nfinal_bake = \"5m\"\ngradual_restore = \"5m\"\n\
                     capacity_ratio = 2.0\non_resume = \"roll-back\"\ndeadline = \"3h\"\n\
                     [judge]\nmetrics = \"app\"\n[hooks]\ncommand = [\"x\"]\nmay_refuse = true\n";
        let found = fields(given);
        for field in [
            "plan.steps",
            "plan.hold_back",
            "plan.final_bake",
            "plan.gradual_restore",
            "plan.capacity_ratio",
            "plan.on_resume",
            "plan.deadline",
            "judge.metrics",
            "hooks.may_refuse",
        ] {
            assert!(found.iter().any(|one| one == field), "{field} in {found:?}");
        }
        let side = "[side.a]\ntarget_group = \"a\"\n";
        assert!(fields(side).iter().any(|one| one == "native"));
        assert_eq!(fields("margin = \"2s\"\n"), ["native.margin"]);
        assert_eq!(
            fields("[native.deployment]\ntag = \"\"\n")
                .first()
                .map(String::as_str),
            Some("native.deployment.tag")
        );
    }

    #[test]
    fn a_file_without_rule_and_without_service_says_what_is_missing() {
        let error = MigrationSpec::from_toml("name = \"chatbot\"\n").expect_err("nothing to move");
        let text = error.to_string();
        assert!(text.contains("traffic"), "{text}");
    }

    #[test]
    fn a_migrations_file_judges_a_service_without_its_steps() {
        let file = r#"
            name = "chatbot"
            journal = "s3://moves/prod"
            [traffic]
            rules = ["arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/chatbot/50dc6c495c0c9188/f2f7dc8efc522ab2"]
            [side.flask]
            target_group = "chatbot-flask-tg"
            [side.fastapi]
            target_group = "chatbot-fastapi-tg"
            [plan]
            steps = [5, 100]
            bake = "7m"
            [judge]
            max_error_rate = "1%"
        "#;
        let spec = MigrationSpec::from_toml(file).expect("valid");
        let judged = spec.for_service(&Service::new("shop", "web"));
        let plan = judged.native_plan().expect("valid for a service");
        assert_eq!(plan.bake().as_secs(), 420);
        assert_eq!((judged.journal, judged.judge), (spec.journal, spec.judge));
    }
}
