//! Edits of a rule's actions. Pure: actions in, actions out.
//!
//! `ModifyRule` and `ModifyListener` replace the whole list of actions
//! ([ELB API](https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_ModifyRule.html)),
//! so whatever is not to change must be sent again as it was read.

use aws_sdk_elasticloadbalancingv2::types::{
    Action, AuthenticateOidcActionConfig, ForwardActionConfig, TargetGroupTuple,
};

use super::{TargetGroupArn, forward, weights::AlbWeight};
use crate::traffic::Sides;

/// The same actions with these two weights; nothing else changes. Both groups must be listed in
/// the `ForwardConfig` of the forward action.
pub(super) fn with_weights(
    actions: &[Action],
    groups: &Sides<TargetGroupArn>,
    weights: Sides<AlbWeight>,
) -> Vec<Action> {
    let mut actions = writable(actions);
    for action in actions
        .iter_mut()
        .filter(|action| forward::is_forward(action))
    {
        let tuples = action.forward_config.iter_mut();
        for tuple in tuples.flat_map(|config| config.target_groups.iter_mut().flatten()) {
            for (group, weight) in [(&groups.blue, weights.blue), (&groups.green, weights.green)] {
                if tuple.target_group_arn.as_deref() == Some(group.as_str()) {
                    tuple.weight = Some(weight.as_api());
                }
            }
        }
    }
    actions
}

/// The same actions with `group` attached to the forward action at weight 0, so that its targets
/// are health-checked but get no traffic.
pub(super) fn with_attached(actions: &[Action], group: &TargetGroupArn) -> Vec<Action> {
    let mut actions = writable(actions);
    for action in actions
        .iter_mut()
        .filter(|action| forward::is_forward(action))
    {
        let mut tuples: Vec<TargetGroupTuple> = forward::groups(action)
            .into_iter()
            .map(|group| tuple(group.arn, group.weight))
            .collect();
        tuples.push(tuple(group.as_str(), 0));
        let config = action
            .forward_config
            .get_or_insert_with(|| ForwardActionConfig::builder().build());
        config.target_groups = Some(tuples);
        action.target_group_arn = None;
    }
    actions
}

/// Takes client secrets out, should the API ever give one: from here on none can reach an
/// observation, a log or a command.
pub(super) fn without_secrets(actions: &mut [Action]) {
    for config in oidc_configs(actions) {
        config.client_secret = None;
    }
}

/// The actions as the API takes them back.
fn writable(actions: &[Action]) -> Vec<Action> {
    let mut actions = actions.to_vec();
    for config in oidc_configs(&mut actions) {
        // The API never returns the secret and refuses both fields together.
        config.client_secret = None;
        config.use_existing_client_secret = Some(true);
    }
    for action in &mut actions {
        // The scalar may stand beside one group only; `ForwardConfig` says it all.
        let listed = action.forward_config.as_ref();
        if listed.is_some_and(|config| config.target_groups().len() > 1) {
            action.target_group_arn = None;
        }
    }
    actions
}

fn oidc_configs(actions: &mut [Action]) -> impl Iterator<Item = &mut AuthenticateOidcActionConfig> {
    actions
        .iter_mut()
        .filter_map(|action| action.authenticate_oidc_config.as_mut())
}

fn tuple(arn: &str, weight: i32) -> TargetGroupTuple {
    TargetGroupTuple::builder()
        .target_group_arn(arn)
        .weight(weight)
        .build()
}
