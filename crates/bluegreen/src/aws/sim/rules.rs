//! The balancer: its listeners, their rules, and what a write does to them.

use std::time::Duration;

use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, AuthenticateOidcActionConfig, ForwardActionConfig,
    HostHeaderConditionConfig, PathPatternConditionConfig, Rule, RuleCondition,
    TargetGroupStickinessConfig, TargetGroupTuple,
};

use crate::{
    aws::alb::{ListenerArn, RuleArn, TargetGroupArn},
    traffic::{Side, Sides},
};

pub(super) const BALANCER: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/chatbot-alb/50dc6c495c0c9188";
const LISTENER: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/chatbot-alb/50dc6c495c0c9188/f2f7dc8efc522ab2";
const BLUE: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/chatbot-flask-tg/73e2d6bc24d8a067";
const GREEN: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/chatbot-fastapi-tg/943f017f100becff";
const THIRD: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/chatbot-legacy-tg/0123456789abcdef";

/// The shape of the balancer.
#[derive(Debug, Clone, Default)]
pub(super) struct Shape {
    /// The rule that divides the traffic is the listener's default rule.
    pub(super) is_default: bool,
    /// A log-in stands before the forward.
    pub(super) has_login: bool,
    pub(super) stickiness: Option<Duration>,
    /// A third group stands in the forward, at this weight.
    pub(super) third: Option<i32>,
    /// So many other rules come first.
    pub(super) rules_before: u32,
    /// Another rule forwards to green as well.
    pub(super) is_shared: bool,
    /// Green is not in the rule.
    pub(super) is_detached: bool,
    /// An action of a type that nobody knows stands in the rule.
    pub(super) unknown_action: bool,
    pub(super) weights: Option<Sides<u32>>,
}

#[derive(Debug, Clone)]
pub(super) struct Rules {
    /// Every rule of the one listener, the default rule last.
    pub(super) all: Vec<Rule>,
    /// Which of them divides the traffic.
    main: usize,
}

pub(super) fn blue() -> TargetGroupArn {
    parse(BLUE)
}

pub(super) fn green() -> TargetGroupArn {
    parse(GREEN)
}

pub(super) fn listener() -> ListenerArn {
    parse(LISTENER)
}

fn parse<T: std::str::FromStr>(constant: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    constant.parse().expect("a constant")
}

fn rule_arn(id: u32) -> String {
    let listener = LISTENER.replacen(":listener/", ":listener-rule/", 1);
    format!("{listener}/{id:016x}")
}

impl Rules {
    pub(super) fn new(shape: &Shape) -> Self {
        let mut all = Vec::new();
        for number in 0..shape.rules_before {
            let host = format!("service-{number}.chatbot.company.com");
            all.push(
                Rule::builder()
                    .rule_arn(rule_arn(number + 1))
                    .priority((number + 1).to_string())
                    .conditions(host_is(&host))
                    .actions(answer_404())
                    .is_default(false)
                    .build(),
            );
        }
        if shape.is_shared {
            all.push(
                Rule::builder()
                    .rule_arn(rule_arn(0xa))
                    .priority("90")
                    .conditions(host_is("internal.chatbot.company.com"))
                    .actions(
                        Action::builder()
                            .r#type(ActionTypeEnum::Forward)
                            .target_group_arn(GREEN)
                            .order(1)
                            .build(),
                    )
                    .is_default(false)
                    .build(),
            );
        }
        let actions = main_actions(shape);
        let paths = PathPatternConditionConfig::builder()
            .values("/api/v1/*")
            .values("/health")
            .values("/metrics/*");
        let paths = RuleCondition::builder()
            .field("path-pattern")
            .path_pattern_config(paths.build())
            .build();
        let mut main = all.len();
        let mut default_actions = vec![answer_404()];
        if shape.is_default {
            default_actions = actions;
        } else {
            all.push(
                Rule::builder()
                    .rule_arn(rule_arn(0x100))
                    .priority("100")
                    .conditions(host_is("api.chatbot.company.com"))
                    .conditions(paths)
                    .set_actions(Some(actions))
                    .is_default(false)
                    .build(),
            );
        }
        all.push(
            Rule::builder()
                .rule_arn(rule_arn(0xdefa))
                .priority("default")
                .set_conditions(Some(Vec::new()))
                .set_actions(Some(default_actions))
                .is_default(true)
                .build(),
        );
        if shape.is_default {
            main = all.len() - 1;
        }
        Self { all, main }
    }

    pub(super) fn main(&self) -> &Rule {
        &self.all[self.main]
    }

    pub(super) fn main_arn(&self) -> RuleArn {
        parse(self.main().rule_arn.as_deref().unwrap_or_default())
    }

    pub(super) fn find(&self, arn: &str) -> Option<usize> {
        self.all
            .iter()
            .position(|rule| rule.rule_arn.as_deref() == Some(arn))
    }

    pub(super) fn default_rule(&self) -> usize {
        self.all.len() - 1
    }

    /// The groups of the main rule's forward, with their weights.
    fn groups(&self) -> Vec<(String, u32)> {
        let groups = self.main().actions().iter().flat_map(|action| {
            let listed = action.forward_config.as_ref().map(|c| c.target_groups());
            match (listed, &action.target_group_arn) {
                (Some(listed), _) if !listed.is_empty() => listed
                    .iter()
                    .map(|tuple| {
                        let weight = u32::try_from(tuple.weight.unwrap_or(1)).unwrap_or_default();
                        (tuple.target_group_arn.clone().unwrap_or_default(), weight)
                    })
                    .collect(),
                (_, Some(sole)) => vec![(sole.clone(), 1)],
                _ => Vec::new(),
            }
        });
        groups.collect()
    }

    /// The weights that divide the traffic now.
    pub(super) fn weights(&self) -> Sides<u32> {
        let of = |arn: &str| {
            let groups = self.groups();
            let found = groups.iter().find(|(group, _)| group == arn);
            found.map_or(0, |(_, weight)| *weight)
        };
        Sides {
            blue: of(BLUE),
            green: of(GREEN),
        }
    }

    /// Whether any rule forwards to a side, at whatever weight: only then it is health-checked.
    pub(super) fn is_attached(&self, side: Side) -> bool {
        let arn = match side {
            Side::Blue => BLUE,
            Side::Green => GREEN,
        };
        self.groups().iter().any(|(group, _)| group == arn)
    }

    pub(super) fn stickiness(&self) -> Option<Duration> {
        let config = self.main().actions().iter().find_map(|action| {
            let forward = action.forward_config.as_ref()?;
            forward.target_group_stickiness_config.as_ref()
        })?;
        let seconds = u64::try_from(config.duration_seconds.unwrap_or_default()).ok()?;
        (config.enabled == Some(true)).then(|| Duration::from_secs(seconds))
    }

    /// Somebody else's write: only weights, nothing else of the rule.
    pub(super) fn write_weights(&mut self, weights: Sides<u32>) {
        let rule = &mut self.all[self.main];
        for action in rule.actions.iter_mut().flatten() {
            let Some(groups) = action
                .forward_config
                .as_mut()
                .and_then(|config| config.target_groups.as_mut())
            else {
                continue;
            };
            for group in groups {
                let weight = match group.target_group_arn.as_deref() {
                    Some(BLUE) => weights.blue,
                    Some(GREEN) => weights.green,
                    _ => continue,
                };
                group.weight = i32::try_from(weight).ok();
            }
        }
    }

    /// The main rule without the two weights: what no migration may change.
    pub(super) fn text_without_weights(&self) -> String {
        let mut rules = self.clone();
        rules.write_weights(Sides { blue: 0, green: 0 });
        let mut main = rules.main().clone();
        // The order of groups and the scalar form say nothing.
        for action in main.actions.iter_mut().flatten() {
            if let Some(config) = action.forward_config.as_mut() {
                if let Some(groups) = config.target_groups.as_mut() {
                    groups.sort_by(|a, b| a.target_group_arn.cmp(&b.target_group_arn));
                }
                action.target_group_arn = None;
            }
            // How a secret was confirmed is no part of the rule.
            if let Some(login) = action.authenticate_oidc_config.as_mut() {
                login.use_existing_client_secret = None;
                login.client_secret = None;
            }
        }
        format!("{main:#?}")
    }
}

fn main_actions(shape: &Shape) -> Vec<Action> {
    let mut actions = Vec::new();
    if shape.has_login {
        let login = AuthenticateOidcActionConfig::builder()
            .issuer("https://login.company.com")
            .authorization_endpoint("https://login.company.com/authorize")
            .token_endpoint("https://login.company.com/token")
            .user_info_endpoint("https://login.company.com/userinfo")
            .client_id("chatbot")
            .session_cookie_name("AWSELBAuthSessionCookie")
            .scope("openid")
            .session_timeout(604_800)
            .build();
        actions.push(
            Action::builder()
                .r#type(ActionTypeEnum::AuthenticateOidc)
                .order(1)
                .authenticate_oidc_config(login)
                .build(),
        );
    }
    if shape.unknown_action {
        actions.push(
            Action::builder()
                .r#type(ActionTypeEnum::from("mirror-request"))
                .order(2)
                .build(),
        );
    }
    let weights = shape.weights.unwrap_or(Sides {
        blue: 100,
        green: 0,
    });
    let group = |arn: &str, weight: u32| {
        TargetGroupTuple::builder()
            .target_group_arn(arn)
            .weight(i32::try_from(weight).unwrap_or_default())
            .build()
    };
    let mut forward = ForwardActionConfig::builder().target_groups(group(BLUE, weights.blue));
    if !shape.is_detached {
        forward = forward.target_groups(group(GREEN, weights.green));
    }
    if let Some(weight) = shape.third {
        forward = forward.target_groups(group(THIRD, u32::try_from(weight).unwrap_or_default()));
    }
    if let Some(stickiness) = shape.stickiness {
        forward = forward.target_group_stickiness_config(
            TargetGroupStickinessConfig::builder()
                .enabled(true)
                .duration_seconds(i32::try_from(stickiness.as_secs()).unwrap_or(i32::MAX))
                .build(),
        );
    }
    actions.push(
        Action::builder()
            .r#type(ActionTypeEnum::Forward)
            .order(3)
            .forward_config(forward.build())
            .build(),
    );
    actions
}

fn host_is(host: &str) -> RuleCondition {
    RuleCondition::builder()
        .field("host-header")
        .host_header_config(HostHeaderConditionConfig::builder().values(host).build())
        .build()
}

fn answer_404() -> Action {
    use aws_sdk_elasticloadbalancingv2::types::FixedResponseActionConfig;
    let mut answer = FixedResponseActionConfig::builder();
    answer = answer.status_code("404");
    Action::builder()
        .r#type(ActionTypeEnum::FixedResponse)
        .order(1)
        .fixed_response_config(answer.build())
        .build()
}
