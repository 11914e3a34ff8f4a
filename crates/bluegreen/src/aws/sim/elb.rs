//! Elastic Load Balancing v2 as the simulation answers it.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_elasticloadbalancingv2::{
    operation::{
        describe_listeners::{DescribeListenersOutput, builders::DescribeListenersInputBuilder},
        describe_rules::{DescribeRulesOutput, builders::DescribeRulesInputBuilder},
        describe_target_groups::{
            DescribeTargetGroupsOutput, builders::DescribeTargetGroupsInputBuilder,
        },
        describe_target_health::{
            DescribeTargetHealthOutput, builders::DescribeTargetHealthInputBuilder,
        },
        modify_listener::{ModifyListenerOutput, builders::ModifyListenerInputBuilder},
        modify_rule::{ModifyRuleOutput, builders::ModifyRuleInputBuilder},
    },
    types::{
        Action, ActionTypeEnum, Listener, ProtocolEnum, Rule, TargetDescription, TargetGroup,
        TargetGroupTuple, TargetHealth, TargetHealthDescription, TargetHealthStateEnum,
        TargetTypeEnum,
    },
};

use super::{
    fault::{Call, answer},
    rules,
    simulation::{Shared, Writer},
    world::World,
};
use crate::{
    aws::api::{ApiError, ElbApi},
    error::ErrorKind,
    traffic::Side,
};

#[derive(Debug)]
pub(super) struct SimElb(pub(super) Arc<Shared>);

#[async_trait]
impl ElbApi for SimElb {
    async fn describe_rules(
        &self,
        input: DescribeRulesInputBuilder,
    ) -> Result<DescribeRulesOutput, ApiError> {
        self.0
            .serve(Call::DescribeRules, |world, _now| {
                describe_rules(world, &input)
            })
            .await
    }

    async fn describe_listeners(
        &self,
        input: DescribeListenersInputBuilder,
    ) -> Result<DescribeListenersOutput, ApiError> {
        self.0
            .serve(Call::DescribeListeners, |_world, _now| {
                describe_listeners(&input)
            })
            .await
    }

    async fn describe_target_groups(
        &self,
        input: DescribeTargetGroupsInputBuilder,
    ) -> Result<DescribeTargetGroupsOutput, ApiError> {
        self.0
            .serve(Call::DescribeTargetGroups, |_world, _now| {
                describe_target_groups(&input)
            })
            .await
    }

    async fn describe_target_health(
        &self,
        input: DescribeTargetHealthInputBuilder,
    ) -> Result<DescribeTargetHealthOutput, ApiError> {
        self.0
            .serve(Call::DescribeTargetHealth, |world, now| {
                let side = side_of(input.get_target_group_arn().as_deref())
                    .ok_or_else(|| no_group(Call::DescribeTargetHealth))?;
                let counts = *world.targets(now).get(side);
                Ok(target_health(side, &counts))
            })
            .await
    }

    async fn modify_rule(
        &self,
        input: ModifyRuleInputBuilder,
    ) -> Result<ModifyRuleOutput, ApiError> {
        self.0
            .serve(Call::ModifyRule, |world, now| {
                let call = Call::ModifyRule;
                let arn = input.get_rule_arn().clone().unwrap_or_default();
                let index = world.rules.find(&arn).ok_or_else(|| no_rule(call))?;
                if index == world.rules.default_rule() {
                    let message = "The default rule cannot be modified by this operation";
                    return Err(invalid(call, "OperationNotPermitted", message));
                }
                if let Some(actions) = input.get_actions().clone() {
                    check(call, &actions)?;
                    world.rules.all[index].actions = Some(actions);
                }
                if let Some(conditions) = input.get_conditions().clone() {
                    world.rules.all[index].conditions = Some(conditions);
                }
                world.changed(now, Writer::Caller);
                let rule = as_described(&world.rules.all[index]);
                Ok(ModifyRuleOutput::builder().rules(rule).build())
            })
            .await
    }

    async fn modify_listener(
        &self,
        input: ModifyListenerInputBuilder,
    ) -> Result<ModifyListenerOutput, ApiError> {
        self.0
            .serve(Call::ModifyListener, |world, now| {
                let call = Call::ModifyListener;
                if input.get_listener_arn().as_deref() != Some(rules::listener().as_str()) {
                    return Err(no_listener(call));
                }
                if let Some(actions) = input.get_default_actions().clone() {
                    check(call, &actions)?;
                    let index = world.rules.default_rule();
                    world.rules.all[index].actions = Some(actions);
                }
                world.changed(now, Writer::Caller);
                Ok(ModifyListenerOutput::builder()
                    .listeners(listener())
                    .build())
            })
            .await
    }
}

fn describe_rules(
    world: &World,
    input: &DescribeRulesInputBuilder,
) -> Result<DescribeRulesOutput, ApiError> {
    let call = Call::DescribeRules;
    match (input.get_listener_arn(), input.get_rule_arns()) {
        (Some(listener), None) => {
            if listener != rules::listener().as_str() {
                return Err(no_listener(call));
            }
            let described: Vec<Rule> = world.rules.all.iter().map(as_described).collect();
            let asked = input
                .get_page_size()
                .and_then(|size| usize::try_from(size).ok());
            let size = asked.unwrap_or(world.page_size).clamp(1, 400);
            let from = match input.get_marker() {
                None => 0,
                Some(marker) => marker
                    .strip_prefix("rules-")
                    .and_then(|n| n.parse::<usize>().ok())
                    .filter(|from| *from < described.len())
                    .ok_or_else(|| invalid(call, "ValidationError", "Invalid marker"))?,
            };
            let to = (from + size).min(described.len());
            let next = (to < described.len()).then(|| format!("rules-{to}"));
            Ok(DescribeRulesOutput::builder()
                .set_rules(Some(described[from..to].to_vec()))
                .set_next_marker(next)
                .build())
        }
        (None, Some(arns)) => {
            let mut found = Vec::new();
            for arn in arns {
                let index = world.rules.find(arn).ok_or_else(|| no_rule(call))?;
                found.push(as_described(&world.rules.all[index]));
            }
            Ok(DescribeRulesOutput::builder()
                .set_rules(Some(found))
                .build())
        }
        _ => {
            let message = "You must specify either listener ARN or rule ARNs";
            Err(invalid(call, "ValidationError", message))
        }
    }
}

fn describe_listeners(
    input: &DescribeListenersInputBuilder,
) -> Result<DescribeListenersOutput, ApiError> {
    let known = match (input.get_load_balancer_arn(), input.get_listener_arns()) {
        (Some(balancer), None) => balancer == rules::BALANCER,
        (None, Some(arns)) => arns.iter().all(|arn| arn == rules::listener().as_str()),
        _ => false,
    };
    if !known {
        return Err(no_listener(Call::DescribeListeners));
    }
    Ok(DescribeListenersOutput::builder()
        .listeners(listener())
        .build())
}

fn listener() -> Listener {
    Listener::builder()
        .listener_arn(rules::listener().as_str())
        .load_balancer_arn(rules::BALANCER)
        .port(443)
        .protocol(ProtocolEnum::Https)
        .build()
}

fn describe_target_groups(
    input: &DescribeTargetGroupsInputBuilder,
) -> Result<DescribeTargetGroupsOutput, ApiError> {
    let mut output = DescribeTargetGroupsOutput::builder();
    for arn in input.get_target_group_arns().iter().flatten() {
        let side = side_of(Some(arn)).ok_or_else(|| no_group(Call::DescribeTargetGroups))?;
        let (group, port) = match side {
            Side::Blue => (rules::blue(), 5000),
            Side::Green => (rules::green(), 8000),
        };
        output = output.target_groups(
            TargetGroup::builder()
                .target_group_arn(group.as_str())
                .target_group_name(group.name())
                .protocol(ProtocolEnum::Http)
                .protocol_version("HTTP1")
                .port(port)
                .vpc_id("vpc-0123456789abcdef0")
                .health_check_enabled(true)
                .health_check_protocol(ProtocolEnum::Http)
                .health_check_path("/health")
                .health_check_interval_seconds(30)
                .health_check_timeout_seconds(5)
                .healthy_threshold_count(2)
                .unhealthy_threshold_count(3)
                .target_type(TargetTypeEnum::Ip)
                .load_balancer_arns(rules::BALANCER)
                .build(),
        );
    }
    Ok(output.build())
}

fn target_health(side: Side, counts: &crate::traffic::TargetCounts) -> DescribeTargetHealthOutput {
    let network = match side {
        Side::Blue => 1,
        Side::Green => 2,
    };
    let states = [
        (counts.healthy, TargetHealthStateEnum::Healthy),
        (counts.unhealthy, TargetHealthStateEnum::Unhealthy),
        (counts.initial, TargetHealthStateEnum::Initial),
        (counts.draining, TargetHealthStateEnum::Draining),
        (counts.other, TargetHealthStateEnum::Unused),
    ];
    let mut output = DescribeTargetHealthOutput::builder();
    let mut host = 10;
    for (count, state) in states {
        for _ in 0..count {
            host += 1;
            let target = TargetDescription::builder()
                .id(format!("10.0.{network}.{host}"))
                .port(8000);
            output = output.target_health_descriptions(
                TargetHealthDescription::builder()
                    .target(target.build())
                    .target_health(TargetHealth::builder().state(state.clone()).build())
                    .build(),
            );
        }
    }
    output.build()
}

/// A rule as AWS shows it: a forward to one group in both shapes, and never a client secret.
fn as_described(rule: &Rule) -> Rule {
    let mut rule = rule.clone();
    for action in rule.actions.iter_mut().flatten() {
        if let Some(login) = action.authenticate_oidc_config.as_mut() {
            login.client_secret = None;
            login.use_existing_client_secret = None;
        }
        if action.r#type != Some(ActionTypeEnum::Forward) {
            continue;
        }
        if action.forward_config.is_none()
            && let Some(sole) = action.target_group_arn.clone()
        {
            let group = TargetGroupTuple::builder().target_group_arn(sole).weight(1);
            let config = aws_sdk_elasticloadbalancingv2::types::ForwardActionConfig::builder()
                .target_groups(group.build());
            action.forward_config = Some(config.build());
        }
    }
    rule
}

/// What AWS refuses.
fn check(call: Call, actions: &[Action]) -> Result<(), ApiError> {
    if actions.is_empty() {
        return Err(invalid(
            call,
            "ValidationError",
            "Actions must not be empty",
        ));
    }
    for action in actions {
        if let Some(login) = &action.authenticate_oidc_config {
            let existing = login.use_existing_client_secret == Some(true);
            if existing == login.client_secret.is_some() {
                let message = "Give either a client secret or UseExistingClientSecret";
                return Err(invalid(call, "InvalidLoadBalancerAction", message));
            }
        }
        let Some(config) = &action.forward_config else {
            continue;
        };
        let groups = config.target_groups();
        if groups.len() > 5 {
            let message = "A forward takes up to five target groups";
            return Err(invalid(call, "TooManyTargetGroups", message));
        }
        if groups.len() > 1 && action.target_group_arn.is_some() {
            let message = "TargetGroupArn goes with a single target group only";
            return Err(invalid(call, "ValidationError", message));
        }
        for group in groups {
            let weight = group.weight.unwrap_or(1);
            if !(0..=999).contains(&weight) {
                let message = format!("Weight {weight} is not between 0 and 999");
                return Err(invalid(call, "ValidationError", &message));
            }
        }
    }
    Ok(())
}

fn side_of(arn: Option<&str>) -> Option<Side> {
    match arn {
        Some(arn) if arn == rules::blue().as_str() => Some(Side::Blue),
        Some(arn) if arn == rules::green().as_str() => Some(Side::Green),
        _ => None,
    }
}

fn invalid(call: Call, code: &str, message: &str) -> ApiError {
    answer(call, ErrorKind::Invalid, code, message)
}

fn no_rule(call: Call) -> ApiError {
    let message = "One or more rules not found";
    answer(call, ErrorKind::NotFound, "RuleNotFound", message)
}

fn no_listener(call: Call) -> ApiError {
    let message = "One or more listeners not found";
    answer(call, ErrorKind::NotFound, "ListenerNotFound", message)
}

fn no_group(call: Call) -> ApiError {
    let message = "One or more target groups not found";
    answer(call, ErrorKind::NotFound, "TargetGroupNotFound", message)
}
