//! Checks between the fields of a specification.

use std::time::Duration;

use super::{Group, JudgedBy, MetricsFrom, MigrationSpec, SideSpec, SpecError, deployment::below};
use crate::{migration::MigrationPlan, problem::Problem, traffic::Percent};

impl MigrationSpec {
    /// Checks the whole specification: its fields against each other, and its plan.
    ///
    /// # Errors
    ///
    /// [`SpecError`] with every problem.
    pub fn check(&self) -> Result<(), SpecError> {
        let found = self.problems();
        match found.is_empty() {
            true => Ok(()),
            false => Err(SpecError::new(found)),
        }
    }

    pub(super) fn problems(&self) -> Vec<Problem> {
        if self.native.is_none() {
            return self.checked_plan().err().unwrap_or_default();
        }
        let mut found = self.problems_of(|_| true);
        found.extend(self.native_plan_alone().err().unwrap_or_default());
        found
    }

    pub(super) fn checked_plan(&self) -> Result<MigrationPlan, Vec<Problem>> {
        if self.native.is_some() {
            return Err(vec![Self::no_migration()]);
        }
        let mut found = self.problems_of(|_| true);
        match self.plan_alone() {
            Ok(plan) if found.is_empty() => Ok(plan),
            Ok(_) => Err(found),
            Err(problems) => {
                found.extend(problems);
                Err(found)
            }
        }
    }

    /// What does not go together among the parts of the file that could be read; the others are at their
    /// defaults, or empty.
    pub(super) fn problems_among(&self, is_read: impl Fn(&str) -> bool) -> Vec<Problem> {
        let mut found = self.problems_of(&is_read);
        if ["plan", "judge", "safety"].into_iter().all(is_read) {
            found.extend(match &self.native {
                None => self.plan_alone().err().unwrap_or_default(),
                Some(_) => self.native_plan_alone().err().unwrap_or_default(),
            });
        }
        found
    }

    /// All checks but the plan's, if each part of the file that they are about was read.
    fn problems_of(&self, is_read: impl Fn(&str) -> bool) -> Vec<Problem> {
        type Check = fn(&MigrationSpec, &mut Vec<Problem>);
        let checks: [(&[&str], Check); 9] = [
            (&["traffic"], Self::of_traffic),
            (&["side"], Self::of_sides),
            (&["account", "region", "traffic", "side"], Self::of_place),
            (&["judge", "side"], Self::of_judge),
            (&["hooks"], Self::of_hooks),
            (&["simulation"], Self::of_simulation),
            (&["side"], Self::of_deployments),
            (&["test"], Self::of_test),
            (
                &[
                    "native", "traffic", "side", "plan", "judge", "safety", "hooks", "test",
                ],
                Self::of_native_service,
            ),
        ];
        let mut found = Vec::new();
        for (parts, check) in checks {
            if parts.iter().all(|part| is_read(part)) {
                check(self, &mut found);
            }
        }
        found
    }

    fn of_traffic(&self, found: &mut Vec<Problem>) {
        if self.native.is_some() {
            return;
        }
        let (field, message, hint) = match self.traffic.rules.len() {
            1 => return,
            0 => (
                "traffic",
                "is missing",
                "give the rule that divides the traffic: [traffic] rules = [\"ARN\"]; or, if ECS moves it, \
                 [native] service = \"CLUSTER/SERVICE\"",
            ),
            _ => (
                "traffic.rules",
                "names several rules, which cannot be moved as one yet",
                "give one rule; a rule of another listener needs a migration of its own",
            ),
        };
        found.push(Problem::new(field, message, hint));
    }

    fn of_sides(&self, found: &mut Vec<Problem>) {
        if self.native.is_some() {
            return;
        }
        let mut sides = self.sides.iter();
        match (sides.next(), sides.next(), sides.next()) {
            (Some((_, one)), Some((name, other)), None) => {
                if one.target_group.name() == other.target_group.name() {
                    found.push(Problem::new(
                        format!("side.{name}.target_group"),
                        "is the target group of the other side, too",
                        "give each side a target group of its own",
                    ));
                }
            }
            _ => found.push(Problem::new(
                "side",
                match self.sides.len() {
                    0 => "is missing".to_owned(),
                    several => format!("there are {several} sides"),
                },
                "give two sides, such as [side.flask] and [side.fastapi]",
            )),
        }
    }

    fn of_deployments(&self, found: &mut Vec<Problem>) {
        for (name, side) in &self.sides {
            let Some(deployment) = &side.deployment else {
                continue;
            };
            let field = format!("side.{name}.deployment");
            if side.service.is_none() {
                let hint = format!("give side.{name}.service, such as `shop/web`");
                found.push(Problem::new(
                    field.as_str(),
                    "the side names no service",
                    hint,
                ));
            }
            found.extend(below(&field, deployment.problems()));
        }
    }

    fn of_test(&self, found: &mut Vec<Problem>) {
        let problems = self.test.settings().err().unwrap_or_default();
        found.extend(below("test", problems));
    }

    /// Every ARN must be in the account and the region of the file, or else of the first rule.
    fn of_place(&self, found: &mut Vec<Problem>) {
        let mut arns: Vec<(String, String)> = Vec::new();
        for (index, rule) in self.traffic.rules.iter().enumerate() {
            let listener = rule.listener();
            arns.push((format!("traffic.rules[{index}]"), listener.to_string()));
        }
        for (name, side) in &self.sides {
            if let Group::Arn(arn) = &side.target_group {
                arns.push((format!("side.{name}.target_group"), arn.to_string()));
            }
        }
        let part = |arn: &str, at: usize| arn.split(':').nth(at).unwrap_or_default().to_owned();
        let usual = arns.first().map(|(_, arn)| arn.clone()).unwrap_or_default();
        let account = self.account.as_ref().map(|account| account.to_string());
        let region = self.region.as_ref().map(|region| region.to_string());
        for (what, at, wanted) in [("account", 4, account), ("region", 3, region)] {
            let wanted = wanted.unwrap_or_else(|| part(&usual, at));
            for (field, arn) in &arns {
                let own = part(arn, at);
                if own != wanted {
                    let message = format!("is in {what} {own}, not in {wanted}");
                    let hint =
                        format!("a migration is in one {what}: correct the ARN, or `{what}`");
                    found.push(Problem::new(field.as_str(), message, hint));
                }
            }
        }
    }

    fn of_judge(&self, found: &mut Vec<Problem>) {
        let judge = &self.judge;
        let mut say = |field: &str, message: String, hint: &str| {
            found.push(Problem::new(format!("judge.{field}"), message, hint));
        };
        let rate = judge.max_error_rate;
        let stops = match rate {
            Percent::ZERO => Some("every new side"),
            Percent::HUNDRED => Some("no new side"),
            _ => None,
        };
        if let Some(stops) = stops {
            let hint = "give more than 0% and less than 100%: 5% means five of a hundred requests";
            say("max_error_rate", format!("{rate} would stop {stops}"), hint);
        }
        if judge.max_latency.0.is_zero() {
            say(
                "max_latency",
                "no answer takes 0s".into(),
                "such as `3s` or `800ms`",
            );
        }
        let period = judge.period.0;
        let seconds = period.as_secs();
        let is_whole = period == Duration::from_secs(seconds);
        let is_fine = matches!(seconds, 1 | 5 | 10 | 30) && judge.metrics == MetricsFrom::App;
        let is_coarse = seconds > 0 && seconds.is_multiple_of(60);
        if !is_whole || !(is_fine || is_coarse) {
            let hint = "whole minutes; with metrics = \"app\" also 1s, 5s, 10s or 30s";
            let message = format!("CloudWatch keeps no points of {}", judge.period);
            say("period", message, hint);
        }
        if let Some(ratio) = judge.history_ratio
            && !(1.0..=100.0).contains(&ratio)
        {
            let message = format!("`{ratio}` is not from 1 to 100");
            say(
                "history_ratio",
                message,
                "`calibrate` finds a ratio that fits",
            );
        }
        if !(1..=2).contains(&judge.rule) {
            let message = format!("`{}` is neither 1 nor 2", judge.rule);
            say("rule", message, "leave `rule` out, or try 2");
        }
        for (index, alarm) in judge.ignore_alarms.iter().enumerate() {
            if !judge.alarms.contains(alarm) {
                let message = format!("`{alarm}` is not in `alarms`");
                say(
                    &format!("ignore_alarms[{index}]"),
                    message,
                    "name it in `alarms`, too",
                );
            }
        }
        if judge.metrics == MetricsFrom::App && self.native.is_none() {
            let has_namespace = |side: &&SideSpec| side.namespace.is_some();
            let known = self.sides.values().filter(has_namespace).count();
            let compares = judge.by == JudgedBy::Sequential;
            if known == 0 || (compares && known < self.sides.len()) {
                let message = match compares {
                    true => "\"app\" compares the sides, and one side has no metrics of its own",
                    false => "\"app\" needs the new side's namespace",
                };
                let hint = "give each side its `namespace`, or by = \"limits\"";
                say("metrics", message.to_owned(), hint);
            }
        }
    }

    fn of_simulation(&self, found: &mut Vec<Problem>) {
        let Some(world) = &self.simulation else {
            return;
        };
        let mut say = |field: &str, message: String, hint: String| {
            found.push(Problem::new(format!("simulation.{field}"), message, hint));
        };
        #[cfg(feature = "sim")]
        if let Err(error) = world.scenario.as_str().parse::<crate::aws::sim::Scenario>() {
            let message = format!("`{}` is no scenario", world.scenario);
            say("scenario", message, error.hint().to_owned());
        }
        if i64::try_from(world.seed).is_err() {
            let hint = format!("the largest whole number of a file is {}", i64::MAX);
            say("seed", format!("{} is too large", world.seed), hint);
        }
        if !(0.01..=1e6).contains(&world.speed) {
            let message = format!("`{}` is not from 0.01 to 1,000,000", world.speed);
            say(
                "speed",
                message,
                "at 120, two minutes pass in a second".to_owned(),
            );
        }
        if world.folder.as_os_str().is_empty() {
            say(
                "folder",
                "is empty".to_owned(),
                "such as `.bluegreen`".to_owned(),
            );
        }
    }
}
