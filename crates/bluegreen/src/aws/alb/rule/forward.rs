//! Reading a forward action, in both of its shapes.

use std::time::Duration;

use aws_sdk_elasticloadbalancingv2::types::{Action, ActionTypeEnum, Rule};

/// The longest stickiness, 7 days
/// ([ELB API](https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetGroupStickinessConfig.html)).
const LONGEST_STICKINESS: i32 = 604_800;

/// One target group of a forward action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::aws::alb) struct Group<'a> {
    /// Its ARN; empty if the API gave none.
    pub(in crate::aws::alb) arn: &'a str,
    /// Its relative weight, as read. A missing weight is 1, as AWS shows for a group without one; the
    /// API demands weights if there are several groups.
    pub(in crate::aws::alb) weight: i32,
}

pub(in crate::aws::alb) fn is_forward(action: &Action) -> bool {
    action.r#type == Some(ActionTypeEnum::Forward)
}

/// The groups of a forward action: those of its `ForwardConfig`, or else the one of its scalar
/// `TargetGroupArn`, which gets everything.
pub(in crate::aws::alb) fn groups(action: &Action) -> Vec<Group<'_>> {
    let listed = action
        .forward_config
        .as_ref()
        .map(|config| config.target_groups())
        .unwrap_or_default();
    if listed.is_empty() {
        let sole = action.target_group_arn.as_deref();
        return sole
            .map(|arn| Group { arn, weight: 1 })
            .into_iter()
            .collect();
    }
    listed
        .iter()
        .map(|group| Group {
            arn: group.target_group_arn.as_deref().unwrap_or_default(),
            weight: group.weight.unwrap_or(1),
        })
        .collect()
}

/// The groups of all forward actions of a rule.
pub(in crate::aws::alb) fn groups_of_rule(rule: &Rule) -> Vec<Group<'_>> {
    let forwards = rule.actions().iter().filter(|action| is_forward(action));
    forwards.flat_map(groups).collect()
}

/// How long clients stay on the group that they first reached, if stickiness is enabled. Enabled
/// without a duration, which the API does not allow, counts as the longest.
pub(in crate::aws::alb) fn stickiness(action: &Action) -> Option<Duration> {
    let config = action.forward_config.as_ref()?;
    let sticky = config.target_group_stickiness_config.as_ref()?;
    let seconds = sticky.duration_seconds.unwrap_or(LONGEST_STICKINESS);
    (sticky.enabled == Some(true))
        .then(|| Duration::from_secs(u64::try_from(seconds).unwrap_or_default()))
}

/// Whether this is the rule that applies if no other does.
pub(in crate::aws::alb) fn is_default(rule: &Rule) -> bool {
    rule.is_default
        .unwrap_or_else(|| rule.priority.as_deref() == Some("default"))
}

/// Describes a rule in messages: its ARN and its priority.
pub(in crate::aws::alb) fn describe(rule: &Rule) -> String {
    format!(
        "rule {} (priority {})",
        rule.rule_arn.as_deref().unwrap_or("without ARN"),
        rule.priority.as_deref().unwrap_or("unknown"),
    )
}
