//! Changes of target groups.

use std::time::Duration;

use aws_sdk_elasticloadbalancingv2::{
    operation::{
        create_target_group::{
            CreateTargetGroupInput, CreateTargetGroupOutput,
            builders::CreateTargetGroupInputBuilder,
        },
        delete_target_group::{
            DeleteTargetGroupInput, DeleteTargetGroupOutput,
            builders::DeleteTargetGroupInputBuilder,
        },
        modify_target_group_attributes::{
            ModifyTargetGroupAttributesInput, ModifyTargetGroupAttributesOutput,
            builders::ModifyTargetGroupAttributesInputBuilder,
        },
    },
    types::{
        Matcher, ProtocolEnum, TargetGroupAttribute, TargetGroupIpAddressTypeEnum, TargetTypeEnum,
    },
};
use serde_json::{Value, json};

use super::{Mutation, wire};
use crate::aws::{
    alb::spec::request::{number, string, tag},
    api::ApiError,
    sim::{fault::Call, state::world::World},
};

impl Mutation for CreateTargetGroupInputBuilder {
    type Output = CreateTargetGroupOutput;

    fn call(&self) -> Call {
        Call::CreateTargetGroup
    }

    fn to_json(&self) -> Value {
        let protocol = |one: &Option<ProtocolEnum>| json!(one.as_ref().map(ProtocolEnum::as_str));
        let matcher = self
            .get_matcher()
            .as_ref()
            .map(|matcher| json!({ "HttpCode": matcher.http_code, "GrpcCode": matcher.grpc_code }));
        let kind = self.get_target_type().as_ref();
        let family = self.get_ip_address_type().as_ref();
        json!({
            "Name": self.get_name(),
            "Protocol": protocol(self.get_protocol()),
            "ProtocolVersion": self.get_protocol_version(),
            "Port": self.get_port(),
            "VpcId": self.get_vpc_id(),
            "HealthCheckProtocol": protocol(self.get_health_check_protocol()),
            "HealthCheckPort": self.get_health_check_port(),
            "HealthCheckEnabled": self.get_health_check_enabled(),
            "HealthCheckPath": self.get_health_check_path(),
            "HealthCheckIntervalSeconds": self.get_health_check_interval_seconds(),
            "HealthCheckTimeoutSeconds": self.get_health_check_timeout_seconds(),
            "HealthyThresholdCount": self.get_healthy_threshold_count(),
            "UnhealthyThresholdCount": self.get_unhealthy_threshold_count(),
            "Matcher": matcher,
            "TargetType": kind.map(TargetTypeEnum::as_str),
            "IpAddressType": family.map(TargetGroupIpAddressTypeEnum::as_str),
            "TargetControlPort": self.get_target_control_port(),
            "Tags": wire::list(self.get_tags().as_ref(), wire::tag),
        })
    }

    fn from_json(_: Call, json: &Value) -> Self {
        let protocol = |field: &str| string(json, field).map(|one| ProtocolEnum::from(&*one));
        let matcher = json
            .get("Matcher")
            .filter(|one| one.is_object())
            .map(|matcher| {
                Matcher::builder()
                    .set_http_code(string(matcher, "HttpCode"))
                    .set_grpc_code(string(matcher, "GrpcCode"))
                    .build()
            });
        let kind = string(json, "TargetType").map(|one| TargetTypeEnum::from(&*one));
        let family = string(json, "IpAddressType");
        CreateTargetGroupInput::builder()
            .set_name(string(json, "Name"))
            .set_protocol(protocol("Protocol"))
            .set_protocol_version(string(json, "ProtocolVersion"))
            .set_port(number(json, "Port"))
            .set_vpc_id(string(json, "VpcId"))
            .set_health_check_protocol(protocol("HealthCheckProtocol"))
            .set_health_check_port(string(json, "HealthCheckPort"))
            .set_health_check_enabled(json.get("HealthCheckEnabled").and_then(Value::as_bool))
            .set_health_check_path(string(json, "HealthCheckPath"))
            .set_health_check_interval_seconds(number(json, "HealthCheckIntervalSeconds"))
            .set_health_check_timeout_seconds(number(json, "HealthCheckTimeoutSeconds"))
            .set_healthy_threshold_count(number(json, "HealthyThresholdCount"))
            .set_unhealthy_threshold_count(number(json, "UnhealthyThresholdCount"))
            .set_matcher(matcher)
            .set_target_type(kind)
            .set_ip_address_type(family.map(|one| TargetGroupIpAddressTypeEnum::from(&*one)))
            .set_target_control_port(number(json, "TargetControlPort"))
            .set_tags(wire::read_list(json, "Tags", tag))
    }

    fn happen(&self, world: &mut World, _: Duration) -> Result<Self::Output, ApiError> {
        let made = world.groups.create(self)?;
        Ok(CreateTargetGroupOutput::builder()
            .target_groups(made)
            .build())
    }
}

impl Mutation for DeleteTargetGroupInputBuilder {
    type Output = DeleteTargetGroupOutput;

    fn call(&self) -> Call {
        Call::DeleteTargetGroup
    }

    fn to_json(&self) -> Value {
        json!({ "TargetGroupArn": self.get_target_group_arn() })
    }

    fn from_json(_: Call, json: &Value) -> Self {
        DeleteTargetGroupInput::builder().set_target_group_arn(string(json, "TargetGroupArn"))
    }

    fn happen(&self, world: &mut World, _: Duration) -> Result<Self::Output, ApiError> {
        let arn = self.get_target_group_arn().as_deref().unwrap_or_default();
        world.groups.delete(arn, &world.rules)?;
        Ok(DeleteTargetGroupOutput::builder().build())
    }
}

impl Mutation for ModifyTargetGroupAttributesInputBuilder {
    type Output = ModifyTargetGroupAttributesOutput;

    fn call(&self) -> Call {
        Call::ModifyTargetGroupAttributes
    }

    fn to_json(&self) -> Value {
        let attribute = |one: &TargetGroupAttribute| json!({ "Key": one.key, "Value": one.value });
        json!({
            "TargetGroupArn": self.get_target_group_arn(),
            "Attributes": wire::list(self.get_attributes().as_ref(), attribute),
        })
    }

    fn from_json(_: Call, json: &Value) -> Self {
        let attribute = |one: &Value| {
            TargetGroupAttribute::builder()
                .set_key(string(one, "Key"))
                .set_value(string(one, "Value"))
                .build()
        };
        ModifyTargetGroupAttributesInput::builder()
            .set_target_group_arn(string(json, "TargetGroupArn"))
            .set_attributes(wire::read_list(json, "Attributes", attribute))
    }

    fn happen(&self, world: &mut World, _: Duration) -> Result<Self::Output, ApiError> {
        let arn = self.get_target_group_arn().as_deref().unwrap_or_default();
        let wanted = self.get_attributes().as_deref().unwrap_or_default();
        world.groups.set_attributes(arn, wanted)?;
        Ok(ModifyTargetGroupAttributesOutput::builder()
            .set_attributes(Some(world.groups.attributes(arn)?))
            .build())
    }
}
