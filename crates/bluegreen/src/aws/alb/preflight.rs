//! What is looked at once, before the first write.

use std::time::Duration;

use aws_sdk_elasticloadbalancingv2::{
    operation::describe_target_groups::DescribeTargetGroupsInput,
    types::{Listener, Rule, TargetGroup},
};

use super::{LoadBalancerArn, RuleArn, TargetGroupArn, forward, locate};
use crate::{
    aws::api::ElbApi,
    error::{Error, ErrorKind, Result},
    traffic::{Acceptance, Finding, Side, Sides},
};

/// Rules of the same balancer, but the one at `own`, that send traffic to blue or green too. A
/// target group belongs to one load balancer
/// ([quotas](https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html)),
/// so no other balancer needs to be looked at.
pub(super) async fn shared_targets(
    elb: &dyn ElbApi,
    own: &RuleArn,
    groups: &Sides<TargetGroupArn>,
) -> Result<Vec<Finding>> {
    let balancer = own.listener().load_balancer();
    let mut findings = Vec::new();
    // One listing after the other: the account's callers share one small allowance.
    for listener in locate::listeners_of(elb, &balancer).await? {
        let arn = listener.listener_arn.as_deref().unwrap_or_default();
        let arn = arn.parse().map_err(|error| {
            let attempted = format!("read the ARN of a listener of load balancer {balancer}");
            Error::new(ErrorKind::Refused, attempted).with_source(error)
        })?;
        for rule in locate::rules_of(elb, &arn).await? {
            if rule.rule_arn.as_deref() != Some(own.as_str()) {
                findings.extend(shared_by(&listener, &rule, groups));
            }
        }
    }
    Ok(findings)
}

fn shared_by(listener: &Listener, rule: &Rule, groups: &Sides<TargetGroupArn>) -> Vec<Finding> {
    let listed = forward::groups_of_rule(rule);
    let port = listener.port.map_or_else(
        || "of an unknown port".to_owned(),
        |port| format!("on port {port}"),
    );
    let mut findings = Vec::new();
    for side in [Side::Blue, Side::Green] {
        let group = groups.get(side);
        for found in listed.iter().filter(|one| one.arn == group.as_str()) {
            let message = format!(
                "{} {port} also forwards to {side}'s target group {} with weight {}",
                forward::describe(rule),
                group.name(),
                found.weight
            );
            findings.push(if found.weight == 0 {
                Finding::note(message)
            } else {
                Finding::refusal_unless(Acceptance::SharedTargets, message).with_hint(format!(
                    "give that rule target groups of its own, or accept `{}`: shares, capacity \
                     and metrics then include traffic that this migration does not steer",
                    Acceptance::SharedTargets
                ))
            });
        }
    }
    findings
}

/// What the target groups themselves say.
pub(super) async fn target_groups(
    elb: &dyn ElbApi,
    balancer: &LoadBalancerArn,
    groups: &Sides<TargetGroupArn>,
) -> Result<Vec<Finding>> {
    let attempted = format!(
        "describe target groups {} and {}",
        groups.blue, groups.green
    );
    let input = DescribeTargetGroupsInput::builder()
        .target_group_arns(groups.blue.as_str())
        .target_group_arns(groups.green.as_str());
    let output = elb
        .describe_target_groups(input)
        .await
        .map_err(|error| error.into_error(attempted.as_str()))?;
    let found = |side: Side| {
        let arn = groups.get(side);
        let mut all = output.target_groups().iter();
        all.find(|group| group.target_group_arn.as_deref() == Some(arn.as_str()))
            .ok_or_else(|| {
                Error::new(
                    ErrorKind::NotFound,
                    format!("{attempted}: the answer lacks {side}'s {arn}"),
                )
                .with_hint("check the ARN, its region and its account")
            })
    };
    let (blue, green) = (found(Side::Blue)?, found(Side::Green)?);
    let mut findings = Vec::new();
    for (side, group) in [(Side::Blue, blue), (Side::Green, green)] {
        findings.extend(elsewhere(side, group, balancer));
        findings.push(health_checks(side, group));
    }
    findings.extend(differences(blue, green));
    Ok(findings)
}

fn elsewhere(side: Side, group: &TargetGroup, balancer: &LoadBalancerArn) -> Option<Finding> {
    let others: Vec<&str> = group
        .load_balancer_arns()
        .iter()
        .map(String::as_str)
        .filter(|arn| *arn != balancer.as_str())
        .collect();
    (!others.is_empty()).then(|| {
        Finding::refusal_unless(
            Acceptance::SharedTargets,
            format!("{side}'s target group also serves {}", others.join(", ")),
        )
        .with_hint(format!(
            "check the target group's ARN, or accept `{}`",
            Acceptance::SharedTargets
        ))
    })
}

/// Without health checks no target ever counts as healthy, and no capacity can be seen.
fn health_checks(side: Side, group: &TargetGroup) -> Finding {
    let name = group.target_group_name.as_deref().unwrap_or("unnamed");
    if group.health_check_enabled == Some(false) {
        return Finding::refusal(format!(
            "health checks of {side}'s target group {name} are off, so its capacity cannot be seen"
        ))
        .with_hint("turn on health checks of the target group");
    }
    let interval = group.health_check_interval_seconds;
    let (Some(interval), Some(failures)) = (interval, group.unhealthy_threshold_count) else {
        return Finding::note(format!(
            "how often {side}'s target group {name} is checked is not known"
        ));
    };
    Finding::note(format!(
        "the balancer takes about {} s to notice a dead target of {side} (target group {name}, interval {interval} s × {failures})",
        i64::from(interval) * i64::from(failures)
    ))
}

fn differences(blue: &TargetGroup, green: &TargetGroup) -> Vec<Finding> {
    let text = |group: &TargetGroup| {
        [
            group.protocol.as_ref().map(|one| one.as_str().to_owned()),
            group.protocol_version.clone(),
            group
                .target_type
                .as_ref()
                .map(|one| one.as_str().to_owned()),
        ]
        .map(|field| field.unwrap_or_else(|| "unknown".to_owned()))
    };
    let names = ["protocol", "protocol version", "target type"];
    let pairs = text(blue).into_iter().zip(text(green));
    names
        .into_iter()
        .zip(pairs)
        .filter(|(_, (blue, green))| blue != green)
        .map(|(name, (blue, green))| {
            Finding::note(format!(
                "the target groups differ in {name}: blue has {blue}, green has {green}"
            ))
        })
        .collect()
}

/// A note on stickiness. Whether it is too long is judged where the steps are known.
pub(super) fn stickiness(length: Duration) -> Finding {
    Finding::note(format!(
        "clients stay for {} s on the side that they first reach, whatever the weights say",
        length.as_secs()
    ))
}
