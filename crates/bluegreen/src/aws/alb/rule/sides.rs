//! [`RuleWeights`]: the target groups of a rule, for an operator who knows the rule but not its
//! sides.

use std::fmt;

use aws_sdk_elasticloadbalancingv2::types::Rule;

use super::{AlbRule, RuleArn, TargetGroupArn, forward, locate};
use crate::{
    aws::Aws,
    error::{Error, ErrorKind, Result},
    traffic::Sides,
};

/// The target groups of a rule with their weights, as they were read.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "sim")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> bluegreen::Result<()> {
/// use bluegreen::aws::sim::Scenario;
///
/// let simulation = Scenario::Divided.simulation(7);
/// simulation.start_paused();
/// let weights = simulation.rule().weights(&simulation.aws()).await?;
/// assert!(weights.sides(None).is_err(), "both serve: which one was live before?");
/// let sides = weights.sides(Some(simulation.blue().name()))?;
/// assert_eq!(sides.green, simulation.green());
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "sim"))]
/// # fn main() {}
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RuleWeights {
    /// The rule.
    pub rule: RuleArn,
    /// Each target group of its forward action, with its relative weight.
    pub groups: Vec<(TargetGroupArn, u32)>,
}

impl AlbRule {
    /// Reads the target groups of the rule and their weights. [`AlbRule::Only`] is the one rule of
    /// the listener that forwards to several target groups.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such rule; `Refused` if there are several, or its groups have no ARNs.
    ///
    /// # Cancel safety
    ///
    /// Only reads.
    pub async fn weights(&self, aws: &Aws) -> Result<RuleWeights> {
        self.weights_among(aws, |_| true).await
    }

    /// Returns the ARN of the rule, even if it forwards to one of the meant groups only.
    pub(crate) async fn locate_among(
        &self,
        aws: &Aws,
        is_meant: impl Fn(&str) -> bool + Send + Sync,
    ) -> Result<RuleArn> {
        let Self::Only(listener) = self else {
            return locate::named(&*aws.elb, self).await;
        };
        let rules = locate::rules_of(&*aws.elb, listener).await?;
        let any = |rule: &&Rule| {
            let groups = forward::groups_of_rule(rule);
            groups.iter().any(|group| is_meant(group.arn))
        };
        if let [only] = rules.iter().filter(any).collect::<Vec<_>>()[..] {
            return locate::arn_of(only, self);
        }
        locate::arn_of(&only_divided(self, rules, is_meant)?, self)
    }

    /// As [`weights`](Self::weights), but [`AlbRule::Only`] is the one rule that forwards to several
    /// of these groups.
    pub(crate) async fn weights_among(
        &self,
        aws: &Aws,
        is_meant: impl Fn(&str) -> bool + Send + Sync,
    ) -> Result<RuleWeights> {
        let elb = &*aws.elb;
        let rule = match self {
            Self::Only(listener) => {
                let rules = locate::rules_of(elb, listener).await?;
                only_divided(self, rules, is_meant)?
            }
            rule => {
                let arn = locate::named(elb, rule).await?;
                locate::rule_of(elb, &arn).await?
            }
        };
        RuleWeights::of(self, &rule)
    }
}

impl RuleWeights {
    fn of(wanted: &AlbRule, rule: &Rule) -> Result<Self> {
        let arn = locate::arn_of(rule, wanted)?;
        let read = |group: forward::Group<'_>| {
            let weight = u32::try_from(group.weight).unwrap_or_default();
            let group = group.arn.parse().map_err(|error| {
                let message = format!("read the target groups of rule {arn}");
                Error::new(ErrorKind::Refused, message).with_source(error)
            });
            group.map(|group| (group, weight))
        };
        let groups = forward::groups_of_rule(rule)
            .into_iter()
            .map(read)
            .collect::<Result<_>>()?;
        Ok(Self { rule: arn, groups })
    }

    /// Returns the sides if all traffic is to be on `to`, a target group's ARN or name: `to` is blue.
    /// Green is the other group that has weight, or else the only other group. Without `to` the live
    /// side is not known.
    ///
    /// # Errors
    ///
    /// `Invalid` without `to`, if the rule has no such group, no other group, or several others that
    /// could be green. The hint lists the groups.
    pub fn sides(&self, to: Option<&str>) -> Result<Sides<TargetGroupArn>> {
        let rule = &self.rule;
        let failed = |why: String| {
            let message = format!("tell the sides of rule {rule}: {why}");
            let hint =
                format!("name the group that is to serve everything: --to GROUP, one of {self}");
            Err(Error::new(ErrorKind::Invalid, message).with_hint(hint))
        };
        let Some(to) = to else {
            return failed("it is not known which target group was live before".to_owned());
        };
        let is_meant =
            |group: &&(TargetGroupArn, u32)| group.0.as_str() == to || group.0.name() == to;
        let Some((blue, _)) = self.groups.iter().find(is_meant) else {
            return failed(format!("it does not forward to `{to}`"));
        };
        let others = || self.groups.iter().filter(|(group, _)| group != blue);
        let weighty: Vec<_> = others().filter(|(_, weight)| *weight > 0).collect();
        let all: Vec<_> = others().collect();
        let green = match (&weighty[..], &all[..]) {
            ([(green, _)], _) | ([], [(green, _)]) => green,
            (_, []) => return failed(format!("`{to}` is its only target group")),
            _ => return failed("several other groups could be meant".to_owned()),
        };
        Ok(Sides {
            blue: blue.clone(),
            green: green.clone(),
        })
    }
}

/// `flask 90, fastapi 10`.
impl fmt::Display for RuleWeights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let groups = self
            .groups
            .iter()
            .map(|(group, weight)| format!("{} {weight}", group.name()));
        f.write_str(&groups.collect::<Vec<_>>().join(", "))
    }
}

fn only_divided(
    wanted: &AlbRule,
    rules: Vec<Rule>,
    is_meant: impl Fn(&str) -> bool,
) -> Result<Rule> {
    let is_divided = |rule: &Rule| {
        let groups = forward::groups_of_rule(rule).into_iter();
        groups.filter(|group| is_meant(group.arn)).count() > 1
    };
    let mut found: Vec<Rule> = rules.into_iter().filter(is_divided).collect();
    let hint = "name the rule by its ARN (--rule-arn) or its priority (--priority)";
    match (found.pop(), found.is_empty()) {
        (Some(rule), true) => Ok(rule),
        (None, _) => {
            let message = format!("find {wanted}: no rule forwards to several target groups");
            Err(Error::new(ErrorKind::NotFound, message).with_hint(hint))
        }
        (Some(rule), false) => {
            found.push(rule);
            let named: Vec<String> = found.iter().map(forward::describe).collect();
            let message = format!(
                "find {wanted}: several rules could be meant: {}",
                named.join(", ")
            );
            Err(Error::new(ErrorKind::Refused, message).with_hint(hint))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::alb::testing::{BLUE, FOURTH, GREEN, THIRD, forward, rule_arn};

    fn weights(groups: &[(&str, i32)]) -> RuleWeights {
        let rule = Rule::builder()
            .rule_arn(rule_arn().as_str())
            .actions(forward(groups))
            .build();
        RuleWeights::of(&AlbRule::Arn(rule_arn()), &rule).expect("well-formed")
    }

    #[test]
    fn the_other_side_is_the_one_that_has_weight_or_the_only_other_one() {
        for (groups, to, green) in [
            (&[(BLUE, 90), (GREEN, 10)][..], BLUE, Some(GREEN)),
            (&[(BLUE, 90), (GREEN, 10)], "flask", Some(GREEN)),
            (&[(BLUE, 90), (GREEN, 10)], "fastapi", Some(BLUE)),
            (&[(BLUE, 0), (GREEN, 1)], "flask", Some(GREEN)),
            (&[(BLUE, 1), (GREEN, 0)], "flask", Some(GREEN)),
            (&[(BLUE, 1), (GREEN, 0), (THIRD, 2)], "flask", Some(THIRD)),
            (&[(BLUE, 1), (GREEN, 0), (THIRD, 0)], "flask", None),
            (&[(BLUE, 1), (GREEN, 1), (THIRD, 1)], "flask", None),
            (&[(BLUE, 1)], "flask", None),
            (&[(BLUE, 1), (GREEN, 1)], FOURTH, None),
        ] {
            let sides = weights(groups).sides(Some(to));
            let found = sides.as_ref().ok().map(|sides| sides.green.as_str());
            assert_eq!(found, green, "{groups:?} to {to}");
        }
    }

    #[test]
    fn without_a_name_it_says_which_groups_there_are() {
        let error = weights(&[(BLUE, 90), (GREEN, 10)]).sides(None).unwrap_err();
        assert!(
            error
                .hint()
                .is_some_and(|hint| hint.contains("flask 90, fastapi 10"))
        );
    }
}
