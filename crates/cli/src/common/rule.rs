//! The options that name the rule that divides the traffic.

use std::str::FromStr;

use bluegreen::{
    aws::alb::{AlbRule, ListenerArn, RuleArn},
    error::ParseError,
    problem::Problem,
};
use clap::Args;

/// The rule that divides the traffic.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(crate) struct NamedRule {
    /// The rule that divides the traffic, by ARN.
    #[arg(long, value_name = "ARN")]
    pub(crate) rule_arn: Option<String>,
    /// Or its listener, with --priority N|default.
    #[arg(long, value_name = "ARN")]
    pub(crate) listener_arn: Option<String>,
    /// The priority of the rule on that listener, or `default`.
    #[arg(long, value_name = "N", requires = "listener_arn", hide = true)]
    pub(crate) priority: Option<String>,
}

impl NamedRule {
    /// Returns the names of the options that were given: the simulation takes none of them.
    pub(crate) fn given(&self) -> Vec<&'static str> {
        let all = [
            ("--rule-arn", &self.rule_arn),
            ("--listener-arn", &self.listener_arn),
            ("--priority", &self.priority),
        ];
        let given = all.into_iter().filter(|(_, text)| text.is_some());
        given.map(|(field, _)| field).collect()
    }

    /// Returns the rule, or adds every problem.
    pub(crate) fn rule(&self, problems: &mut Vec<Problem>) -> Option<AlbRule> {
        let rule: Option<RuleArn> = arn("--rule-arn", self.rule_arn.as_deref(), problems);
        let listener: Option<ListenerArn> =
            arn("--listener-arn", self.listener_arn.as_deref(), problems);
        if self.rule_arn.is_some() && self.priority.is_some() {
            problems.push(Problem::new(
                "--priority",
                "cannot be used with --rule-arn, which names the rule already",
                "leave one of them out",
            ));
        }
        if self.rule_arn.is_none() && self.listener_arn.is_none() {
            problems.push(Problem::new(
                "--listener-arn",
                "is needed, or --rule-arn",
                "`aws elbv2 describe-listeners --load-balancer-arn ARN` lists the listeners",
            ));
        }
        let priority = match self.priority.as_deref() {
            None => None,
            Some("default") => Some(None),
            Some(text) => match text.parse::<u32>() {
                Ok(priority) if (1..=50_000).contains(&priority) => Some(Some(priority)),
                _ => {
                    problems.push(Problem::new(
                        "--priority",
                        format!("`{text}` is not a number from 1 to 50000"),
                        "write `default` for the default rule",
                    ));
                    None
                }
            },
        };
        Some(match (rule, listener, priority) {
            (Some(rule), _, _) => AlbRule::Arn(rule),
            (None, Some(listener), Some(Some(priority))) => {
                AlbRule::Priority { listener, priority }
            }
            (None, Some(listener), Some(None)) => AlbRule::Default(listener),
            (None, Some(listener), None) => AlbRule::Only(listener),
            (None, None, _) => return None,
        })
    }
}

/// Returns an ARN of the command line, or adds a problem.
pub(crate) fn arn<T>(field: &str, text: Option<&str>, problems: &mut Vec<Problem>) -> Option<T>
where
    T: FromStr<Err = ParseError>,
{
    match text?.parse::<T>() {
        Ok(arn) => Some(arn),
        Err(error) => {
            let hint = format!("give an ARN {}", error.hint());
            problems.push(Problem::new(field, error.to_string(), hint));
            None
        }
    }
}
