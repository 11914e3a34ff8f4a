//! Elastic Load Balancing v2 as the simulation answers it.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_elasticloadbalancingv2::{
    operation::{
        add_tags::{AddTagsOutput, builders::AddTagsInputBuilder},
        create_rule::{CreateRuleOutput, builders::CreateRuleInputBuilder},
        create_target_group::{CreateTargetGroupOutput, builders::CreateTargetGroupInputBuilder},
        delete_rule::{DeleteRuleOutput, builders::DeleteRuleInputBuilder},
        delete_target_group::{DeleteTargetGroupOutput, builders::DeleteTargetGroupInputBuilder},
        describe_listeners::{DescribeListenersOutput, builders::DescribeListenersInputBuilder},
        describe_rules::{DescribeRulesOutput, builders::DescribeRulesInputBuilder},
        describe_tags::{DescribeTagsOutput, builders::DescribeTagsInputBuilder},
        describe_target_group_attributes::{
            DescribeTargetGroupAttributesOutput,
            builders::DescribeTargetGroupAttributesInputBuilder,
        },
        describe_target_groups::{
            DescribeTargetGroupsOutput, builders::DescribeTargetGroupsInputBuilder,
        },
        describe_target_health::{
            DescribeTargetHealthOutput, builders::DescribeTargetHealthInputBuilder,
        },
        modify_listener::{ModifyListenerOutput, builders::ModifyListenerInputBuilder},
        modify_rule::{ModifyRuleOutput, builders::ModifyRuleInputBuilder},
        modify_target_group_attributes::{
            ModifyTargetGroupAttributesOutput, builders::ModifyTargetGroupAttributesInputBuilder,
        },
        remove_tags::{RemoveTagsOutput, builders::RemoveTagsInputBuilder},
    },
    types::{
        Listener, ProtocolEnum, Rule, Tag, TagDescription, TargetDescription, TargetHealth,
        TargetHealthDescription, TargetHealthStateEnum,
    },
};

use super::shared::Shared;
use crate::{
    aws::{
        api::{ApiError, ElbApi},
        sim::{
            fault::Call,
            mutation::{
                elb::{as_described, listener, no_listener},
                tags::check_tagged,
            },
            state::{
                groups::no_group,
                rules,
                world::World,
                writes::{invalid, no_rule},
            },
        },
    },
    traffic::Side,
};

#[derive(Debug)]
pub(in crate::aws::sim) struct SimElb(pub(in crate::aws::sim) Arc<Shared>);

#[async_trait]
impl ElbApi for SimElb {
    async fn describe_rules(
        &self,
        input: DescribeRulesInputBuilder,
    ) -> Result<DescribeRulesOutput, ApiError> {
        self.0
            .serve(Call::DescribeRules, move |world, _now| {
                describe_rules(world, &input)
            })
            .await
    }

    async fn describe_listeners(
        &self,
        input: DescribeListenersInputBuilder,
    ) -> Result<DescribeListenersOutput, ApiError> {
        self.0
            .serve(Call::DescribeListeners, move |world, _now| {
                describe_listeners(world, &input)
            })
            .await
    }

    async fn describe_target_groups(
        &self,
        input: DescribeTargetGroupsInputBuilder,
    ) -> Result<DescribeTargetGroupsOutput, ApiError> {
        self.0
            .serve(Call::DescribeTargetGroups, move |world, _now| {
                describe_target_groups(world, &input)
            })
            .await
    }

    async fn describe_target_health(
        &self,
        input: DescribeTargetHealthInputBuilder,
    ) -> Result<DescribeTargetHealthOutput, ApiError> {
        self.0
            .serve(Call::DescribeTargetHealth, move |world, now| {
                let arn = input.get_target_group_arn().as_deref().unwrap_or_default();
                if !world.groups.exists(arn) {
                    return Err(no_group(Call::DescribeTargetHealth));
                }
                Ok(match side_of(Some(arn)) {
                    Some(side) => target_health(side, world.targets(now).get(side)),
                    None => DescribeTargetHealthOutput::builder().build(),
                })
            })
            .await
    }

    async fn describe_target_group_attributes(
        &self,
        input: DescribeTargetGroupAttributesInputBuilder,
    ) -> Result<DescribeTargetGroupAttributesOutput, ApiError> {
        self.0
            .serve(Call::DescribeTargetGroupAttributes, move |world, _now| {
                let arn = input.get_target_group_arn().as_deref().unwrap_or_default();
                let attributes = world.groups.attributes(arn)?;
                Ok(DescribeTargetGroupAttributesOutput::builder()
                    .set_attributes(Some(attributes))
                    .build())
            })
            .await
    }

    async fn modify_target_group_attributes(
        &self,
        input: ModifyTargetGroupAttributesInputBuilder,
    ) -> Result<ModifyTargetGroupAttributesOutput, ApiError> {
        self.0.change(input).await
    }

    async fn modify_rule(
        &self,
        input: ModifyRuleInputBuilder,
    ) -> Result<ModifyRuleOutput, ApiError> {
        self.0.change(input).await
    }

    async fn modify_listener(
        &self,
        input: ModifyListenerInputBuilder,
    ) -> Result<ModifyListenerOutput, ApiError> {
        self.0.change(input).await
    }

    async fn create_target_group(
        &self,
        input: CreateTargetGroupInputBuilder,
    ) -> Result<CreateTargetGroupOutput, ApiError> {
        self.0.change(input).await
    }

    async fn delete_target_group(
        &self,
        input: DeleteTargetGroupInputBuilder,
    ) -> Result<DeleteTargetGroupOutput, ApiError> {
        self.0.change(input).await
    }

    async fn create_rule(
        &self,
        input: CreateRuleInputBuilder,
    ) -> Result<CreateRuleOutput, ApiError> {
        self.0.change(input).await
    }

    async fn delete_rule(
        &self,
        input: DeleteRuleInputBuilder,
    ) -> Result<DeleteRuleOutput, ApiError> {
        self.0.change(input).await
    }

    async fn describe_tags(
        &self,
        input: DescribeTagsInputBuilder,
    ) -> Result<DescribeTagsOutput, ApiError> {
        self.0
            .serve(Call::DescribeTags, move |world, _now| {
                let arns = input.get_resource_arns().iter().flatten();
                check_tagged(Call::DescribeTags, world, arns.clone())?;
                Ok(describe_tags(world, arns))
            })
            .await
    }

    async fn add_tags(&self, input: AddTagsInputBuilder) -> Result<AddTagsOutput, ApiError> {
        self.0.change(input).await
    }

    async fn remove_tags(
        &self,
        input: RemoveTagsInputBuilder,
    ) -> Result<RemoveTagsOutput, ApiError> {
        self.0.change(input).await
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
    world: &World,
    input: &DescribeListenersInputBuilder,
) -> Result<DescribeListenersOutput, ApiError> {
    let asked = input.get_load_balancer_arn().as_deref();
    if asked == Some(rules::NETWORK_BALANCER) && world.rules.is_behind_network_balancer {
        let listener = Listener::builder()
            .listener_arn(rules::NETWORK_LISTENER)
            .load_balancer_arn(rules::NETWORK_BALANCER)
            .port(443)
            .protocol(ProtocolEnum::Tls)
            .default_actions(rules::forward_to(rules::green().as_str()));
        return Ok(DescribeListenersOutput::builder()
            .listeners(listener.build())
            .build());
    }
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

fn describe_target_groups(
    world: &World,
    input: &DescribeTargetGroupsInputBuilder,
) -> Result<DescribeTargetGroupsOutput, ApiError> {
    let call = Call::DescribeTargetGroups;
    let groups = &world.groups;
    let arns = input.get_target_group_arns().iter().flatten();
    let names = input.get_names().iter().flatten();
    let by_name = |name: &String| {
        let mut all = groups.all.iter();
        all.position(|group| group.target_group_name.as_ref() == Some(name))
    };
    let found: Option<Vec<usize>> = arns
        .map(|arn| groups.find(arn))
        .chain(names.map(by_name))
        .collect();
    let Some(found) = found else {
        return Err(no_group(call));
    };
    let described = found.into_iter().map(|index| {
        let mut group = groups.all[index].clone();
        let arn = group.target_group_arn.as_deref().unwrap_or_default();
        let balancers = world.rules.name(arn).then_some(rules::BALANCER);
        let is_behind_both = world.rules.is_behind_network_balancer;
        let network =
            (is_behind_both && arn == rules::green().as_str()).then_some(rules::NETWORK_BALANCER);
        let balancers = balancers.into_iter().chain(network);
        group.load_balancer_arns = Some(balancers.map(str::to_owned).collect());
        group
    });
    Ok(DescribeTargetGroupsOutput::builder()
        .set_target_groups(Some(described.collect()))
        .build())
}

fn describe_tags<'a>(world: &World, arns: impl Iterator<Item = &'a String>) -> DescribeTagsOutput {
    let descriptions = arns.map(|arn| {
        let own = world.groups.tags.get(arn).into_iter().flatten();
        let tags = own.map(|(key, value)| Tag::builder().key(key).value(value).build());
        TagDescription::builder()
            .resource_arn(arn)
            .set_tags(Some(tags.collect()))
            .build()
    });
    DescribeTagsOutput::builder()
        .set_tag_descriptions(Some(descriptions.collect()))
        .build()
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

fn side_of(arn: Option<&str>) -> Option<Side> {
    match arn {
        Some(arn) if arn == rules::blue().as_str() => Some(Side::Blue),
        Some(arn) if arn == rules::green().as_str() => Some(Side::Green),
        _ => None,
    }
}
