//! Checks between the fields of a deployment.

use super::{Checks, DeploymentSpec, HeaderValue};
use crate::{
    check::CheckSuite,
    deployment::{DeploymentPlan, DeploymentPlanBuilder, HealthPolicy},
    problem::Problem,
};

/// A suite to check `url`, `host` and `headers` with, if the checks are in a file.
const ANY: &str = "[health]\npath = '/'\n";

impl DeploymentSpec {
    /// Returns all problems, by the fields of this table. Reads no file and no variable.
    pub(in crate::spec) fn problems(&self) -> Vec<Problem> {
        let mut found = Vec::new();
        if self.image.is_some() {
            for (field, is_given) in [
                ("context", self.context.is_some()),
                ("dockerfile", self.dockerfile.is_some()),
                ("build_args", !self.build_args.is_empty()),
                ("tag", self.tag.is_some()),
                ("rebuild", self.rebuild),
            ] {
                if is_given {
                    let hint = "remove it, or remove `image`";
                    found.push(Problem::new(
                        field,
                        "is for a build, and `image` is given",
                        hint,
                    ));
                }
            }
        }
        let of_requests = [
            ("url", self.url.is_some()),
            ("host", self.host.is_some()),
            ("connect_to", self.connect_to.is_some()),
            ("headers", !self.headers.is_empty()),
        ];
        for (field, is_given) in of_requests {
            if is_given && self.checks.is_none() {
                let hint = "give `checks`, or remove it";
                found.push(Problem::new(
                    field,
                    "is for checks, and there are none",
                    hint,
                ));
            }
        }
        let any = |_: &str| Some("any".to_owned());
        let suite = match &self.checks {
            Some(Checks::Here(checks)) => {
                if checks.base_url.as_deref().is_some_and(has_user) {
                    found.push(user("checks.base_url"));
                }
                checks
                    .suite(any)
                    .map_err(|problems| below("checks", problems))
            }
            _ => CheckSuite::from_toml(ANY).map_err(super::checks::problems),
        };
        if self.url.as_ref().is_some_and(|url| has_user(url.as_str())) {
            found.push(user("url"));
        }
        match suite {
            Ok(suite) => {
                let policy = match &self.checks {
                    Some(Checks::Here(_)) => policy(&suite),
                    _ => None,
                };
                found.extend(self.over(suite, any).err().unwrap_or_default());
                found.extend(self.plan_by(policy).err().unwrap_or_default());
            }
            Err(problems) => {
                found.extend(problems);
                found.extend(self.plan_by(None).err().unwrap_or_default());
            }
        }
        found
    }

    /// Returns the plan, with the policy of a health check.
    pub(super) fn plan_by(
        &self,
        policy: Option<HealthPolicy>,
    ) -> Result<DeploymentPlan, Vec<Problem>> {
        let mut plan = DeploymentPlan::builder().on_cancel(self.on_cancel);
        type Set = fn(DeploymentPlanBuilder, std::time::Duration) -> DeploymentPlanBuilder;
        let spans: [(_, Set); 3] = [
            (self.poll_every, DeploymentPlanBuilder::poll_every),
            (
                self.rollout_deadline,
                DeploymentPlanBuilder::rollout_deadline,
            ),
            (
                self.rollback_deadline,
                DeploymentPlanBuilder::rollback_deadline,
            ),
        ];
        for (span, set) in spans {
            if let Some(span) = span {
                plan = set(plan, span.0);
            }
        }
        if let Some(also) = &self.also_tag {
            plan = plan.also_tag(also.0.clone());
        }
        for risk in &self.accept {
            plan = plan.accept(*risk);
        }
        if let Some(policy) = policy {
            plan = plan.health(policy);
        }
        plan.build().map_err(|error| {
            let mut problems = error.problems().to_vec();
            for problem in &mut problems {
                if problem.field.starts_with("health.") {
                    problem.field = format!("checks.{}", problem.field);
                }
            }
            problems
        })
    }

    /// Returns the suite with the deployment's base URL, host, headers and `connect_to` in place of its own.
    pub(super) fn over(
        &self,
        mut suite: CheckSuite,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<CheckSuite, Vec<Problem>> {
        let mut found = Vec::new();
        let mut take = |field: String, hint: &str, changed| match changed {
            Ok(changed) => Some(changed),
            Err(error) => {
                for problem in super::checks::problems(error) {
                    found.push(Problem::new(field.as_str(), problem.message, hint));
                }
                None
            }
        };
        if let Some(url) = &self.url {
            let changed = suite.clone().with_base_url(url.as_str());
            let hint = "such as `https://chatbot.company.com`";
            suite = take("url".to_owned(), hint, changed).unwrap_or(suite);
        }
        if let Some(host) = &self.host {
            let changed = suite.clone().with_host(host.as_str());
            let hint = "HOST, or HOST:PORT if the port is not that of the scheme";
            suite = take("host".to_owned(), hint, changed).unwrap_or(suite);
        }
        if let Some(to) = &self.connect_to {
            suite = suite.with_connect_to(to.clone());
        }
        let mut unset = Vec::new();
        for (name, value) in &self.headers {
            let field = format!("headers.{name}");
            let changed = match value {
                HeaderValue::Text(text) => suite.clone().with_header(name.as_str(), text),
                HeaderValue::Secret(secret) => {
                    let value = variable(secret.env.as_str()).filter(|value| !value.is_empty());
                    let Some(value) = value else {
                        let message = format!("the variable `{}` is not set", secret.env);
                        let hint = "set it where the checks run";
                        unset.push(Problem::new(format!("{field}.env"), message, hint));
                        continue;
                    };
                    suite.clone().with_secret_header(name.as_str(), &value)
                }
            };
            suite = take(field, "", changed).unwrap_or(suite);
        }
        found.extend(unset);
        match found.is_empty() {
            true => Ok(suite),
            false => Err(found),
        }
    }
}

/// Returns the policy of a suite's health check.
pub(super) fn policy(suite: &CheckSuite) -> Option<HealthPolicy> {
    let health = suite.health()?;
    let (successes, every, deadline) = (health.successes(), health.every(), health.deadline());
    Some(HealthPolicy::new(successes, every, deadline))
}

/// Moves problems under a table: `field` becomes `table.field`.
pub(in crate::spec) fn below(table: &str, mut problems: Vec<Problem>) -> Vec<Problem> {
    for problem in &mut problems {
        problem.field = match problem.field.as_str() {
            "" => table.to_owned(),
            field => format!("{table}.{field}"),
        };
    }
    problems
}

fn has_user(url: &str) -> bool {
    let url = url::Url::parse(url);
    url.is_ok_and(|url| !url.username().is_empty() || url.password().is_some())
}

fn user(field: &str) -> Problem {
    let hint = "send a header instead, whose value is { env = \"NAME\" }";
    Problem::new(
        field,
        "has a user or a password, which would stand in the journal",
        hint,
    )
}
