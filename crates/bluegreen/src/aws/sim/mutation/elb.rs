//! Changes of rules and of the listener.

use std::time::Duration;

use aws_sdk_elasticloadbalancingv2::{
    operation::{
        create_rule::{CreateRuleInput, CreateRuleOutput, builders::CreateRuleInputBuilder},
        delete_rule::{DeleteRuleInput, DeleteRuleOutput, builders::DeleteRuleInputBuilder},
        modify_listener::{
            ModifyListenerInput, ModifyListenerOutput, builders::ModifyListenerInputBuilder,
        },
        modify_rule::{ModifyRuleInput, ModifyRuleOutput, builders::ModifyRuleInputBuilder},
    },
    types::{
        ActionTypeEnum, ForwardActionConfig, HostHeaderConditionConfig, Listener,
        PathPatternConditionConfig, ProtocolEnum, Rule, TargetGroupTuple,
    },
};
use serde_json::{Value, json};

use super::{Mutation, wire};
use crate::{
    aws::{
        alb::{
            rule::command::action_json,
            spec::request::{action, condition, number, string, tag},
        },
        api::ApiError,
        sim::{
            fault::{Call, answer},
            state::{
                change::Writer,
                rules,
                world::World,
                writes::{check, check_groups, modifiable, write_default, write_rule},
            },
        },
    },
    error::ErrorKind,
};

impl Mutation for ModifyRuleInputBuilder {
    type Output = ModifyRuleOutput;

    fn call(&self) -> Call {
        Call::ModifyRule
    }

    fn to_json(&self) -> Value {
        json!({
            "RuleArn": self.get_rule_arn(),
            "Conditions": wire::list(self.get_conditions().as_ref(), wire::condition),
            "Actions": wire::list(self.get_actions().as_ref(), action_json),
        })
    }

    fn from_json(_: Call, json: &Value) -> Self {
        ModifyRuleInput::builder()
            .set_rule_arn(string(json, "RuleArn"))
            .set_conditions(wire::read_list(json, "Conditions", condition))
            .set_actions(wire::read_list(json, "Actions", action))
    }

    fn happen(&self, world: &mut World, now: Duration) -> Result<Self::Output, ApiError> {
        let arn = self.get_rule_arn().clone().unwrap_or_default();
        let index = modifiable(world, &arn)?;
        if let Some(actions) = self.get_actions().clone() {
            write_rule(world, &arn, actions)?;
        }
        if let Some(conditions) = self.get_conditions().clone() {
            world.rules.all[index].conditions = Some(conditions);
        }
        world.changed(now, Writer::Caller);
        let rule = as_described(&world.rules.all[index]);
        Ok(ModifyRuleOutput::builder().rules(rule).build())
    }
}

impl Mutation for ModifyListenerInputBuilder {
    type Output = ModifyListenerOutput;

    fn call(&self) -> Call {
        Call::ModifyListener
    }

    fn to_json(&self) -> Value {
        json!({
            "ListenerArn": self.get_listener_arn(),
            "DefaultActions": wire::list(self.get_default_actions().as_ref(), action_json),
        })
    }

    fn from_json(_: Call, json: &Value) -> Self {
        ModifyListenerInput::builder()
            .set_listener_arn(string(json, "ListenerArn"))
            .set_default_actions(wire::read_list(json, "DefaultActions", action))
    }

    fn happen(&self, world: &mut World, now: Duration) -> Result<Self::Output, ApiError> {
        let call = Call::ModifyListener;
        if self.get_listener_arn().as_deref() != Some(rules::listener().as_str()) {
            return Err(no_listener(call));
        }
        if let Some(actions) = self.get_default_actions().clone() {
            write_default(world, actions)?;
        }
        world.changed(now, Writer::Caller);
        Ok(ModifyListenerOutput::builder()
            .listeners(listener())
            .build())
    }
}

impl Mutation for CreateRuleInputBuilder {
    type Output = CreateRuleOutput;

    fn call(&self) -> Call {
        Call::CreateRule
    }

    fn to_json(&self) -> Value {
        json!({
            "ListenerArn": self.get_listener_arn(),
            "Priority": self.get_priority(),
            "Conditions": wire::list(self.get_conditions().as_ref(), wire::condition),
            "Actions": wire::list(self.get_actions().as_ref(), action_json),
            "Tags": wire::list(self.get_tags().as_ref(), wire::tag),
        })
    }

    fn from_json(_: Call, json: &Value) -> Self {
        CreateRuleInput::builder()
            .set_listener_arn(string(json, "ListenerArn"))
            .set_priority(number(json, "Priority"))
            .set_conditions(wire::read_list(json, "Conditions", condition))
            .set_actions(wire::read_list(json, "Actions", action))
            .set_tags(wire::read_list(json, "Tags", tag))
    }

    fn happen(&self, world: &mut World, _: Duration) -> Result<Self::Output, ApiError> {
        let call = Call::CreateRule;
        if self.get_listener_arn().as_deref() != Some(rules::listener().as_str()) {
            return Err(no_listener(call));
        }
        check(call, self.get_actions().as_deref().unwrap_or_default())?;
        check_groups(call, world, self.get_actions().as_deref())?;
        let made = world.rules.create(self)?;
        let arn = made.rule_arn.clone().unwrap_or_default();
        let tags = self.get_tags().as_deref().unwrap_or_default();
        world.groups.tag(&arn, tags);
        Ok(CreateRuleOutput::builder()
            .rules(as_described(&made))
            .build())
    }
}

impl Mutation for DeleteRuleInputBuilder {
    type Output = DeleteRuleOutput;

    fn call(&self) -> Call {
        Call::DeleteRule
    }

    fn to_json(&self) -> Value {
        json!({ "RuleArn": self.get_rule_arn() })
    }

    fn from_json(_: Call, json: &Value) -> Self {
        DeleteRuleInput::builder().set_rule_arn(string(json, "RuleArn"))
    }

    fn happen(&self, world: &mut World, _: Duration) -> Result<Self::Output, ApiError> {
        let arn = self.get_rule_arn().as_deref().unwrap_or_default();
        world.rules.delete(arn)?;
        Ok(DeleteRuleOutput::builder().build())
    }
}

pub(in crate::aws::sim) fn listener() -> Listener {
    Listener::builder()
        .listener_arn(rules::listener().as_str())
        .load_balancer_arn(rules::BALANCER)
        .port(443)
        .protocol(ProtocolEnum::Https)
        .build()
}

/// A rule as AWS shows it: a forward to one group in both shapes, and never a client secret.
pub(in crate::aws::sim) fn as_described(rule: &Rule) -> Rule {
    let mut rule = rule.clone();
    // In whichever place values were given, AWS returns them in both.
    for condition in rule.conditions.iter_mut().flatten() {
        let short = condition.values.clone();
        match condition.field.as_deref() {
            Some("host-header") => {
                let own = condition.host_header_config.get_or_insert_with(|| {
                    let config = HostHeaderConditionConfig::builder();
                    config.set_values(short).build()
                });
                condition.values.clone_from(&own.values);
            }
            Some("path-pattern") => {
                let own = condition.path_pattern_config.get_or_insert_with(|| {
                    let config = PathPatternConditionConfig::builder();
                    config.set_values(short).build()
                });
                condition.values.clone_from(&own.values);
            }
            _ => {}
        }
    }
    for action in rule.actions.iter_mut().flatten() {
        if let Some(login) = action.authenticate_oidc_config.as_mut() {
            login.client_secret = None;
            login.use_existing_client_secret = None;
        }
        // A part of the URL that is absent stays as in the request.
        if let Some(to) = action.redirect_config.as_mut() {
            for (part, own) in [
                (&mut to.protocol, "#{protocol}"),
                (&mut to.port, "#{port}"),
                (&mut to.host, "#{host}"),
                (&mut to.path, "/#{path}"),
                (&mut to.query, "#{query}"),
            ] {
                part.get_or_insert_with(|| own.to_owned());
            }
        }
        if action.r#type != Some(ActionTypeEnum::Forward) {
            continue;
        }
        if action.forward_config.is_none()
            && let Some(sole) = action.target_group_arn.clone()
        {
            let group = TargetGroupTuple::builder().target_group_arn(sole).weight(1);
            let config = ForwardActionConfig::builder().target_groups(group.build());
            action.forward_config = Some(config.build());
        }
    }
    rule
}

pub(in crate::aws::sim) fn no_listener(call: Call) -> ApiError {
    let message = "One or more listeners not found";
    answer(call, ErrorKind::NotFound, "ListenerNotFound", message)
}
