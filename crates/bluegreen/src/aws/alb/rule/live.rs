//! Which rules send traffic to a target group.

use aws_sdk_elasticloadbalancingv2::{
    operation::{
        describe_target_groups::DescribeTargetGroupsInput,
        describe_target_health::DescribeTargetHealthInput,
    },
    types::{Rule, TargetHealthStateEnum},
};

use super::{conditions::has_header_condition, forward, locate};
use crate::{
    aws::{
        alb::{ListenerArn, LoadBalancerArn, RuleArn, TargetGroupArn},
        api::ElbApi,
    },
    error::{Error, ErrorKind, Result},
};

/// What one rule does with a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    /// The rule, for people.
    pub(crate) rule: String,
    pub(crate) arn: Option<RuleArn>,
    /// The group's weight in it, and that of all its groups.
    pub(crate) weight: i32,
    pub(crate) sum: i32,
    /// Only requests with a certain header come here: a route for tests.
    pub(crate) is_for_tests: bool,
    /// The groups beside it that have weight.
    pub(crate) others: Vec<String>,
}

/// Every rule of every listener of every load balancer that names the group.
pub(crate) async fn routes_to(elb: &dyn ElbApi, group: &TargetGroupArn) -> Result<Vec<Route>> {
    let attempted = format!("describe target group {group}");
    let input = DescribeTargetGroupsInput::builder().target_group_arns(group.as_str());
    let output = elb
        .describe_target_groups(input)
        .await
        .map_err(|error| error.into_error(attempted.as_str()))?;
    let unreadable = |error: crate::aws::alb::ArnError| {
        Error::new(ErrorKind::Refused, attempted.clone()).with_source(error)
    };
    let mut routes = Vec::new();
    for described in output.target_groups() {
        for balancer in described.load_balancer_arns() {
            let balancer: LoadBalancerArn = balancer.parse().map_err(unreadable)?;
            for listener in locate::listeners_of(elb, &balancer).await? {
                let arn = listener.listener_arn.as_deref().unwrap_or_default();
                let arn: ListenerArn = arn.parse().map_err(unreadable)?;
                let rules = locate::rules_of(elb, &arn).await?;
                routes.extend(rules.iter().filter_map(|rule| route(rule, group)));
            }
        }
    }
    Ok(routes)
}

fn route(rule: &Rule, group: &TargetGroupArn) -> Option<Route> {
    let groups = forward::groups_of_rule(rule);
    let own = groups.iter().find(|one| one.arn == group.as_str())?;
    let others = groups
        .iter()
        .filter(|one| one.arn != group.as_str() && one.weight > 0);
    Some(Route {
        rule: forward::describe(rule),
        arn: rule.rule_arn.as_deref().and_then(|arn| arn.parse().ok()),
        weight: own.weight,
        sum: groups.iter().map(|one| one.weight).sum(),
        is_for_tests: has_header_condition(rule),
        others: others.map(|one| one.arn.to_owned()).collect(),
    })
}

/// How many targets of a group are healthy.
pub(crate) async fn healthy_targets(elb: &dyn ElbApi, group: &str) -> Result<u32> {
    let input = DescribeTargetHealthInput::builder().target_group_arn(group);
    let output = elb
        .describe_target_health(input)
        .await
        .map_err(|error| error.into_error(format!("describe the targets of {group}")))?;
    let healthy = output.target_health_descriptions().iter().filter(|target| {
        let health = target.target_health.as_ref();
        health.and_then(|health| health.state.as_ref()) == Some(&TargetHealthStateEnum::Healthy)
    });
    Ok(u32::try_from(healthy.count()).unwrap_or(u32::MAX))
}
