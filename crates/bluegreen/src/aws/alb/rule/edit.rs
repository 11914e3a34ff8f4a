//! Edits of a rule's actions. Pure: actions in, actions out.
//!
//! `ModifyRule` and `ModifyListener` replace the whole list of actions
//! ([ELB API](https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_ModifyRule.html)),
//! so everything that is not to change must be sent again as it was read.

use aws_sdk_elasticloadbalancingv2::types::{
    Action, AuthenticateOidcActionConfig, ForwardActionConfig, TargetGroupTuple,
};

use super::{forward, weights::AlbWeight};
use crate::{aws::alb::TargetGroupArn, traffic::Sides};

/// Returns the actions with these two weights; nothing else changes. Both groups must be listed in
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

/// Returns the actions with `group` attached to the forward action at weight 0, so that its targets
/// are health-checked but get no traffic.
pub(in crate::aws::alb) fn with_attached(
    actions: &[Action],
    group: &TargetGroupArn,
) -> Vec<Action> {
    let mut actions = writable(actions);
    for action in actions
        .iter_mut()
        .filter(|action| forward::is_forward(action))
    {
        let mut tuples: Vec<TargetGroupTuple> = forward::groups(action)
            .into_iter()
            .map(|group| weighted(group.arn, group.weight))
            .collect();
        tuples.push(weighted(group.as_str(), 0));
        let config = action
            .forward_config
            .get_or_insert_with(|| ForwardActionConfig::builder().build());
        config.target_groups = Some(tuples);
        action.target_group_arn = None;
    }
    actions
}

/// Returns the actions without `group` in the forward action; nothing else changes.
pub(in crate::aws::alb) fn without_group(
    actions: &[Action],
    group: &TargetGroupArn,
) -> Vec<Action> {
    let mut actions = writable(actions);
    let configs = actions.iter_mut().flat_map(|one| &mut one.forward_config);
    for groups in configs.flat_map(|config| &mut config.target_groups) {
        groups.retain(|one| one.target_group_arn.as_deref() != Some(group.as_str()));
    }
    actions
}

/// Returns the actions with `group` alone in the forward action; nothing else changes.
pub(in crate::aws::alb) fn with_only(actions: &[Action], group: &TargetGroupArn) -> Vec<Action> {
    let mut actions = writable(actions);
    let forwards = actions.iter_mut().filter(|one| forward::is_forward(one));
    for action in forwards {
        action.target_group_arn = Some(group.to_string());
        // One group needs neither weights nor stickiness among groups.
        action.forward_config = None;
    }
    actions
}

/// Removes client secrets, in case the API ever gives one: from here on none can reach an
/// observation, a log or a command.
pub(in crate::aws::alb) fn without_secrets(actions: &mut [Action]) {
    for config in oidc_configs(actions) {
        config.client_secret = None;
    }
}

/// The actions in the form that the API accepts.
fn writable(actions: &[Action]) -> Vec<Action> {
    let mut actions = actions.to_vec();
    for config in oidc_configs(&mut actions) {
        // The API never returns the secret and refuses both fields together.
        config.client_secret = None;
        config.use_existing_client_secret = Some(true);
    }
    for action in &mut actions {
        // The scalar is allowed beside one group only; `ForwardConfig` holds everything.
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

fn weighted(arn: &str, weight: i32) -> TargetGroupTuple {
    TargetGroupTuple::builder()
        .target_group_arn(arn)
        .weight(weight)
        .build()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::aws::alb::testing::*;

    fn weights(blue: i32, green: i32) -> Sides<AlbWeight> {
        Sides { blue, green }.map(|weight| AlbWeight::from_api(weight).unwrap())
    }

    #[test]
    fn p03_log_in_and_token_checks_are_sent_again() {
        let before = [
            oidc(),
            cognito(),
            jwt(),
            sticky(forward(&[(BLUE, 1), (THIRD, 0), (GREEN, 0)]), 60),
        ];
        let after = [
            oidc_written(),
            cognito(),
            jwt(),
            sticky(forward(&[(BLUE, 90), (THIRD, 0), (GREEN, 10)]), 60),
        ];
        assert_eq!(with_weights(&before, &groups(), weights(90, 10)), after);
    }

    #[test]
    fn p03_secret_and_flag_never_go_together() {
        let written = with_weights(&[oidc_with_secret()], &groups(), weights(100, 0));
        assert_eq!(written, [oidc_written()]);
    }

    #[test]
    fn p03_the_scalar_gives_way_to_several_groups() {
        let mut before = forward(&[(BLUE, 1), (GREEN, 0)]);
        before.target_group_arn = Some(BLUE.to_owned());
        assert_eq!(
            with_weights(&[before], &groups(), weights(50, 50)),
            [forward(&[(BLUE, 50), (GREEN, 50)])]
        );
    }

    #[test]
    fn a_group_is_attached_without_traffic() {
        let mut wanted = forward(&[(BLUE, 1), (GREEN, 0)]);
        wanted.order = None;
        if let Some(config) = &mut wanted.forward_config {
            config.target_group_stickiness_config = None;
        }
        assert_eq!(with_attached(&[scalar(BLUE)], &groups().green), [wanted]);
        assert_eq!(
            with_attached(&[forward(&[(BLUE, 7)])], &groups().green),
            [forward(&[(BLUE, 7), (GREEN, 0)])]
        );
    }

    #[test]
    fn p12_secrets_are_taken_out() {
        let mut actions = [oidc_with_secret(), cognito()];
        without_secrets(&mut actions);
        assert_eq!(actions, [oidc(), cognito()]);
    }

    /// The actions with everything blanked that an edit may change.
    fn rest(actions: &[Action]) -> Vec<Action> {
        let mut actions = actions.to_vec();
        for action in &mut actions {
            action.target_group_arn = None;
            for config in action.authenticate_oidc_config.iter_mut() {
                config.client_secret = None;
                config.use_existing_client_secret = None;
            }
            for config in action.forward_config.iter_mut() {
                for tuple in config.target_groups.iter_mut().flatten() {
                    if [BLUE, GREEN].contains(&tuple.target_group_arn().unwrap_or_default()) {
                        tuple.weight = None;
                    }
                }
            }
        }
        actions
    }

    proptest! {
        #[test]
        fn p03_rule_edit_is_lossless(rule in any_rule(), blue in 0..=999, green in 0..=999) {
            let after = with_weights(rule.actions(), &groups(), weights(blue, green));
            prop_assert_eq!(rest(rule.actions()), rest(&after));
            for action in &after {
                if let Some(config) = &action.authenticate_oidc_config {
                    prop_assert_eq!(config.client_secret(), None);
                    prop_assert_eq!(config.use_existing_client_secret(), Some(true));
                }
                if forward::is_forward(action) {
                    prop_assert_eq!(action.target_group_arn(), None);
                    for group in forward::groups(action) {
                        let wanted = match group.arn {
                            BLUE => blue,
                            GREEN => green,
                            _ => 0,
                        };
                        prop_assert_eq!(group.weight, wanted);
                    }
                }
            }
        }
    }
}
