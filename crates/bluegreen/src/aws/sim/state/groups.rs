//! The balancer's target groups and the tags of its resources.

use std::collections::BTreeMap;

use aws_sdk_elasticloadbalancingv2::{
    operation::create_target_group::builders::CreateTargetGroupInputBuilder,
    types::{
        Matcher, ProtocolEnum, Tag, TargetGroup, TargetGroupAttribute,
        TargetGroupIpAddressTypeEnum, TargetTypeEnum,
    },
};

use serde_json::Value;

use super::rules::{self, Rules};
use crate::{
    aws::{
        alb::{TargetGroupArn, spec::conversions},
        api::ApiError,
        sim::fault::{Call, answer},
    },
    error::ErrorKind,
    traffic::Side,
};

/// The network of all groups.
const NETWORK: &str = "vpc-0123456789abcdef0";

/// The attributes of each group of HTTP targets, with their defaults
/// ([ELB API](https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetGroupAttribute.html)).
const ATTRIBUTES: [(&str, &str); 14] = [
    ("deregistration_delay.timeout_seconds", "300"),
    ("load_balancing.algorithm.anomaly_mitigation", "off"),
    ("load_balancing.algorithm.type", "round_robin"),
    (
        "load_balancing.cross_zone.enabled",
        "use_load_balancer_configuration",
    ),
    ("slow_start.duration_seconds", "0"),
    ("stickiness.app_cookie.cookie_name", ""),
    ("stickiness.app_cookie.duration_seconds", "86400"),
    ("stickiness.enabled", "false"),
    ("stickiness.lb_cookie.duration_seconds", "86400"),
    ("stickiness.type", "lb_cookie"),
    (
        "target_group_health.dns_failover.minimum_healthy_targets.count",
        "1",
    ),
    (
        "target_group_health.dns_failover.minimum_healthy_targets.percentage",
        "off",
    ),
    (
        "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count",
        "1",
    ),
    (
        "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage",
        "off",
    ),
];

#[derive(Debug, Clone)]
pub(in crate::aws::sim) struct Groups {
    pub(in crate::aws::sim) all: Vec<TargetGroup>,
    /// Groups that were made after the start: no service registers targets with them.
    made: Vec<String>,
    pub(in crate::aws::sim) tags: BTreeMap<String, BTreeMap<String, String>>,
    /// Attributes that are not the default, by group.
    set: BTreeMap<String, BTreeMap<String, String>>,
}

impl Groups {
    pub(in crate::aws::sim) fn new(has_green: bool) -> Self {
        let mut all = vec![given(&rules::blue(), 5000)];
        if has_green {
            all.push(given(&rules::green(), 8000));
        }
        Self {
            all,
            made: Vec::new(),
            tags: BTreeMap::new(),
            set: BTreeMap::new(),
        }
    }

    /// All attributes of a group.
    pub(in crate::aws::sim) fn attributes(
        &self,
        arn: &str,
    ) -> Result<Vec<TargetGroupAttribute>, ApiError> {
        if !self.exists(arn) {
            return Err(no_group(Call::DescribeTargetGroupAttributes));
        }
        let set = self.set.get(arn);
        let mut all: BTreeMap<&str, &str> = ATTRIBUTES.into_iter().collect();
        for (key, value) in set.into_iter().flatten() {
            all.insert(key, value);
        }
        let all = all.into_iter();
        let attribute = |(key, value)| {
            TargetGroupAttribute::builder()
                .key(key)
                .value(value)
                .build()
        };
        Ok(all.map(attribute).collect())
    }

    pub(in crate::aws::sim) fn set_attributes(
        &mut self,
        arn: &str,
        wanted: &[TargetGroupAttribute],
    ) -> Result<(), ApiError> {
        let call = Call::ModifyTargetGroupAttributes;
        if !self.exists(arn) {
            return Err(no_group(call));
        }
        let known = |key: &str| ATTRIBUTES.iter().any(|(name, _)| *name == key);
        for attribute in wanted {
            let key = attribute.key.as_deref().unwrap_or_default();
            let value = attribute.value.as_deref().unwrap_or_default();
            if !known(key) || value.is_empty() {
                let message = format!("Target group attribute key '{key}' is not recognized");
                let kind = ErrorKind::Invalid;
                return Err(answer(call, kind, "InvalidConfigurationRequest", &message));
            }
        }
        for attribute in wanted {
            self.set_attribute(
                arn,
                attribute.key.as_deref().unwrap_or_default(),
                attribute.value.as_deref().unwrap_or_default(),
            );
        }
        Ok(())
    }

    pub(in crate::aws::sim) fn set_attribute(&mut self, arn: &str, key: &str, value: &str) {
        let own = self.set.entry(arn.to_owned()).or_default();
        own.insert(key.to_owned(), value.to_owned());
    }

    pub(in crate::aws::sim) fn find(&self, arn: &str) -> Option<usize> {
        let mut all = self.all.iter();
        all.position(|group| group.target_group_arn.as_deref() == Some(arn))
    }

    pub(in crate::aws::sim) fn exists(&self, arn: &str) -> bool {
        self.find(arn).is_some()
    }

    /// Whether services have registered targets with a side's group.
    pub(super) fn has_targets(&self, side: Side) -> bool {
        let arn = match side {
            Side::Blue => rules::blue(),
            Side::Green => rules::green(),
        };
        self.exists(arn.as_str()) && !self.made.iter().any(|made| made == arn.as_str())
    }

    pub(in crate::aws::sim) fn names(&self) -> Vec<String> {
        let names = self.all.iter();
        names
            .filter_map(|group| group.target_group_name.clone())
            .collect()
    }

    /// The same request twice makes one group; another request for its name is refused.
    pub(in crate::aws::sim) fn create(
        &mut self,
        input: &CreateTargetGroupInputBuilder,
    ) -> Result<TargetGroup, ApiError> {
        let call = Call::CreateTargetGroup;
        let name = input.get_name().clone().unwrap_or_default();
        let arn = match rules::green() {
            green if green.name() == name => green.to_string(),
            green => green.as_str().replacen(green.name(), &name, 1),
        };
        let group = TargetGroup::builder()
            .target_group_arn(&arn)
            .target_group_name(&name)
            .set_protocol(input.get_protocol().clone())
            .set_protocol_version(input.get_protocol_version().clone())
            .set_port(*input.get_port())
            .set_vpc_id(input.get_vpc_id().clone())
            .set_health_check_protocol(input.get_health_check_protocol().clone())
            .set_health_check_port(input.get_health_check_port().clone())
            .set_health_check_enabled(*input.get_health_check_enabled())
            .set_health_check_path(input.get_health_check_path().clone())
            .set_health_check_interval_seconds(*input.get_health_check_interval_seconds())
            .set_health_check_timeout_seconds(*input.get_health_check_timeout_seconds())
            .set_healthy_threshold_count(*input.get_healthy_threshold_count())
            .set_unhealthy_threshold_count(*input.get_unhealthy_threshold_count())
            .set_matcher(input.get_matcher().clone())
            .set_target_type(input.get_target_type().clone())
            .set_ip_address_type(input.get_ip_address_type().clone())
            .set_target_control_port(*input.get_target_control_port())
            .build();
        let group = filled_in(group);
        let of_name = |one: &&TargetGroup| one.target_group_name == group.target_group_name;
        match self.all.iter().find(of_name) {
            Some(there) if *there == group => {}
            Some(_) => {
                let message = format!(
                    "A target group with the same name '{name}' exists, but with different settings"
                );
                let kind = ErrorKind::Conflict;
                return Err(answer(call, kind, "DuplicateTargetGroupName", &message));
            }
            None => {
                self.all.push(group.clone());
                self.made.push(arn.clone());
            }
        }
        self.tag(&arn, input.get_tags().as_deref().unwrap_or_default());
        Ok(group)
    }

    pub(in crate::aws::sim) fn delete(&mut self, arn: &str, rules: &Rules) -> Result<(), ApiError> {
        let call = Call::DeleteTargetGroup;
        if rules.name(arn) {
            let message =
                format!("Target group '{arn}' is currently in use by a listener or a rule");
            return Err(answer(call, ErrorKind::Conflict, "ResourceInUse", &message));
        }
        // Deleting a group that does not exist succeeds.
        if let Some(index) = self.find(arn) {
            self.all.remove(index);
            self.tags.remove(arn);
            self.set.remove(arn);
        }
        Ok(())
    }

    pub(in crate::aws::sim) fn tag(&mut self, arn: &str, tags: &[Tag]) {
        let own = self.tags.entry(arn.to_owned()).or_default();
        for tag in tags {
            let value = tag.value.clone().unwrap_or_default();
            own.insert(tag.key.clone().unwrap_or_default(), value);
        }
    }

    pub(in crate::aws::sim) fn untag(&mut self, arn: &str, keys: &[String]) {
        let own = self.tags.entry(arn.to_owned()).or_default();
        own.retain(|key, _| !keys.contains(key));
    }
}

/// A group with AWS's defaults filled in, as AWS answers it.
fn filled_in(mut group: TargetGroup) -> TargetGroup {
    let described = Value::Object(conversions::described(&conversions::document(&group)));
    let text = |field: &str| described.get(field)?.as_str().map(str::to_owned);
    let number = |field: &str| i32::try_from(described.get(field)?.as_i64()?).ok();
    let code = |field: &str| Some(described.get("Matcher")?.get(field)?.as_str()?.to_owned());
    group.protocol_version = text("ProtocolVersion");
    group.health_check_protocol =
        text("HealthCheckProtocol").map(|one| ProtocolEnum::from(one.as_str()));
    group.health_check_port = text("HealthCheckPort");
    group.health_check_enabled = described.get("HealthCheckEnabled").and_then(Value::as_bool);
    group.health_check_path = text("HealthCheckPath");
    group.health_check_interval_seconds = number("HealthCheckIntervalSeconds");
    group.health_check_timeout_seconds = number("HealthCheckTimeoutSeconds");
    group.healthy_threshold_count = number("HealthyThresholdCount");
    group.unhealthy_threshold_count = number("UnhealthyThresholdCount");
    let matcher = Matcher::builder().set_http_code(code("HttpCode"));
    group.matcher = Some(matcher.set_grpc_code(code("GrpcCode")).build());
    group.target_type = text("TargetType").map(|one| TargetTypeEnum::from(one.as_str()));
    let family = text("IpAddressType");
    group.ip_address_type = family.map(|one| TargetGroupIpAddressTypeEnum::from(one.as_str()));
    group
}

/// A group as the guide describes it.
fn given(arn: &TargetGroupArn, port: i32) -> TargetGroup {
    TargetGroup::builder()
        .target_group_arn(arn.as_str())
        .target_group_name(arn.name())
        .protocol(ProtocolEnum::Http)
        .protocol_version("HTTP1")
        .port(port)
        .vpc_id(NETWORK)
        .health_check_enabled(true)
        .health_check_protocol(ProtocolEnum::Http)
        .health_check_path("/health")
        .health_check_interval_seconds(30)
        .health_check_timeout_seconds(5)
        .healthy_threshold_count(2)
        .unhealthy_threshold_count(3)
        .target_type(TargetTypeEnum::Ip)
        .build()
}

pub(in crate::aws::sim) fn no_group(call: Call) -> ApiError {
    let message = "One or more target groups not found";
    answer(call, ErrorKind::NotFound, "TargetGroupNotFound", message)
}
