//! A load balancer with a listener and target groups, made and read with the SDK alone.

use std::sync::atomic::{AtomicUsize, Ordering};

use aws_sdk_elasticloadbalancingv2::{
    Client,
    types::{
        Action, ActionTypeEnum, AuthenticateOidcActionConfig, FixedResponseActionConfig,
        ForwardActionConfig, PathPatternConditionConfig, ProtocolEnum, Rule, RuleCondition,
        TargetDescription, TargetGroupStickinessConfig, TargetGroupTuple, TargetTypeEnum,
    },
};
use bluegreen::{
    Aws, Percent, TrafficSplit,
    aws::alb::{AlbRule, AlbTrafficSplitter, ListenerArn, RuleArn, TargetGroupArn},
};

use crate::harness::{self, Emulator, Endpoint};

/// The secret of the log-in that [`oidc`] makes.
pub(crate) const SECRET: &str = "hush-4711";

/// A test's own load balancer, with its groups.
#[derive(Debug)]
pub(crate) struct Topology {
    pub(crate) raw: Client,
    pub(crate) aws: Aws,
    pub(crate) endpoint: Endpoint,
    pub(crate) listener: ListenerArn,
    pub(crate) blue: TargetGroupArn,
    pub(crate) green: TargetGroupArn,
    pub(crate) third: TargetGroupArn,
}

impl Topology {
    /// Two targets in blue, three in green, none in the third group; a listener whose default
    /// answer is fixed. `None` if there is no emulator, see [`harness::start`].
    pub(crate) async fn new() -> Option<Self> {
        Some(Self::on(harness::start(Emulator::Moto)?).await)
    }

    /// The same on this server.
    pub(crate) async fn on(endpoint: Endpoint) -> Self {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let name = format!("alb-{}", MADE.fetch_add(1, Ordering::Relaxed));
        let raw = Client::new(&endpoint.config);
        let subnets = endpoint
            .post("ec2", "Action=DescribeSubnets&Version=2016-11-15")
            .expect("list subnets");
        let balancer = raw
            .create_load_balancer()
            .name(&name)
            .subnets(element(&subnets, "subnetId"))
            .send()
            .await
            .expect("make a load balancer");
        let balancer = balancer.load_balancers()[0].load_balancer_arn().unwrap();
        let listener = raw
            .create_listener()
            .load_balancer_arn(balancer)
            .protocol(ProtocolEnum::Http)
            .port(80)
            .default_actions(fixed_response())
            .send()
            .await
            .expect("make a listener");
        let listener = listener.listeners()[0].listener_arn().unwrap().to_owned();
        let vpc = element(&subnets, "vpcId");
        let [blue, green, third] = [("blue", 2), ("green", 3), ("third", 0)]
            .map(|(side, targets)| group(&raw, format!("{name}-{side}"), vpc, targets));
        Self {
            aws: Aws::from_config(&endpoint.config),
            listener: listener.parse().unwrap(),
            blue: blue.await,
            green: green.await,
            third: third.await,
            raw,
            endpoint,
        }
    }

    /// Adds a rule for one path.
    pub(crate) async fn rule(&self, priority: i32, actions: Vec<Action>) -> RuleArn {
        let made = self
            .raw
            .create_rule()
            .listener_arn(self.listener.as_str())
            .priority(priority)
            .conditions(path(&format!("/{priority}/*")))
            .set_actions(Some(actions))
            .send()
            .await
            .expect("make a rule");
        made.rules()[0].rule_arn().unwrap().parse().unwrap()
    }

    /// Adds a rule whose forward action holds blue and green with these weights.
    pub(crate) async fn split_rule(&self, priority: i32, blue: i32, green: i32) -> RuleArn {
        let forward = self.forward(blue, green);
        self.rule(priority, vec![forward]).await
    }

    pub(crate) fn forward(&self, blue: i32, green: i32) -> Action {
        forward(&[(&self.blue, blue), (&self.green, green)])
    }

    /// Our splitter.
    pub(crate) fn splitter(&self, rule: AlbRule) -> AlbTrafficSplitter {
        let (blue, green) = (self.blue.clone(), self.green.clone());
        AlbTrafficSplitter::new(&self.aws, rule, blue, green).expect("it fits together")
    }

    pub(crate) fn by_priority(&self, priority: u32) -> AlbRule {
        AlbRule::Priority {
            listener: self.listener.clone(),
            priority,
        }
    }

    /// The rule as the API returns it.
    pub(crate) async fn read(&self, rule: &RuleArn) -> Rule {
        let read = self.raw.describe_rules().rule_arns(rule.as_str());
        let mut read = read.send().await.expect("read a rule");
        let rules = read.rules.take().unwrap_or_default();
        rules.into_iter().next().expect("one rule")
    }

    /// Replaces the actions of a rule, as a third party might.
    pub(crate) async fn write(&self, rule: &RuleArn, actions: Vec<Action>) {
        self.raw
            .modify_rule()
            .rule_arn(rule.as_str())
            .set_actions(Some(actions))
            .send()
            .await
            .expect("write a rule");
    }

    /// Blue's and green's weight as the API returns them.
    pub(crate) async fn weights(&self, rule: &RuleArn) -> (i32, i32) {
        let rule = self.read(rule).await;
        let groups = rule.actions().iter().filter_map(|one| one.forward_config());
        let groups: Vec<_> = groups.flat_map(|config| config.target_groups()).collect();
        let weight = |arn: &TargetGroupArn| {
            let group = groups
                .iter()
                .find(|group| group.target_group_arn() == Some(arn.as_str()));
            group.and_then(|group| group.weight()).expect("a weight")
        };
        (weight(&self.blue), weight(&self.green))
    }
}

/// Makes a target group with this many targets.
pub(crate) async fn group(raw: &Client, name: String, vpc: &str, targets: u8) -> TargetGroupArn {
    let made = raw
        .create_target_group()
        .name(name)
        .protocol(ProtocolEnum::Http)
        .port(8080)
        .vpc_id(vpc)
        .target_type(TargetTypeEnum::Ip)
        .send()
        .await
        .expect("make a target group");
    let arn = made.target_groups()[0].target_group_arn().unwrap();
    if targets > 0 {
        let targets = (1..=targets)
            .map(|last| {
                let address = format!("172.31.0.{last}");
                TargetDescription::builder().id(address).port(8080).build()
            })
            .collect();
        let registered = raw.register_targets().target_group_arn(arn);
        registered
            .set_targets(Some(targets))
            .send()
            .await
            .expect("register targets");
    }
    arn.parse().unwrap()
}

/// A forward action with these groups and weights.
pub(crate) fn forward(groups: &[(&TargetGroupArn, i32)]) -> Action {
    let groups = groups.iter().map(|(arn, weight)| {
        TargetGroupTuple::builder()
            .target_group_arn(arn.as_str())
            .weight(*weight)
            .build()
    });
    Action::builder()
        .r#type(ActionTypeEnum::Forward)
        .forward_config(
            ForwardActionConfig::builder()
                .set_target_groups(Some(groups.collect()))
                .build(),
        )
        .build()
}

/// The same action with stickiness.
pub(crate) fn sticky(mut action: Action, seconds: i32) -> Action {
    let sticky = TargetGroupStickinessConfig::builder()
        .enabled(true)
        .duration_seconds(seconds)
        .build();
    let config = action.forward_config.as_mut().expect("a forward action");
    config.target_group_stickiness_config = Some(sticky);
    action
}

/// A log-in with a client secret. AWS requires HTTPS for it; the emulator does not.
pub(crate) fn oidc() -> Action {
    Action::builder()
        .r#type(ActionTypeEnum::AuthenticateOidc)
        .authenticate_oidc_config(
            AuthenticateOidcActionConfig::builder()
                .issuer("https://login.example.com")
                .authorization_endpoint("https://login.example.com/authorize?a=1&b=2")
                .token_endpoint("https://login.example.com/token")
                .user_info_endpoint("https://login.example.com/user")
                .client_id("it's me")
                .client_secret(SECRET)
                .authentication_request_extra_params("prompt", "login")
                .authentication_request_extra_params("display", "page")
                .session_timeout(3600)
                .build(),
        )
        .build()
}

pub(crate) fn path(pattern: &str) -> RuleCondition {
    let config = PathPatternConditionConfig::builder().values(pattern);
    RuleCondition::builder()
        .field("path-pattern")
        .path_pattern_config(config.build())
        .build()
}

fn fixed_response() -> Action {
    let config = FixedResponseActionConfig::builder().status_code("404");
    Action::builder()
        .r#type(ActionTypeEnum::FixedResponse)
        .fixed_response_config(config.build())
        .build()
}

/// A split with this percentage on green.
pub(crate) fn percent(green: u8) -> TrafficSplit {
    TrafficSplit::to_green(Percent::from_whole(green).unwrap())
}

/// The text of the first element of this name.
fn element<'a>(xml: &'a str, name: &str) -> &'a str {
    let (_, rest) = xml.split_once(&format!("<{name}>")).expect("the element");
    rest.split('<').next().unwrap_or_default()
}
