//! The balancer: its listeners, their rules, and what a write does to them.

use std::time::Duration;

use aws_sdk_elasticloadbalancingv2::{
    operation::create_rule::builders::CreateRuleInputBuilder,
    types::{
        Action, ActionTypeEnum, AuthenticateOidcActionConfig, ForwardActionConfig,
        HostHeaderConditionConfig, HttpHeaderConditionConfig, PathPatternConditionConfig, Rule,
        RuleCondition, TargetGroupStickinessConfig, TargetGroupTuple,
    },
};

use crate::{
    aws::{
        alb::{ListenerArn, RuleArn, TargetGroupArn},
        api::ApiError,
        sim::fault::{Call, answer},
    },
    error::ErrorKind,
    traffic::{Side, Sides},
};

pub(in crate::aws::sim) const BALANCER: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/chatbot-alb/50dc6c495c0c9188";
const LISTENER: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/chatbot-alb/50dc6c495c0c9188/f2f7dc8efc522ab2";
/// A network load balancer, and its listener.
pub(in crate::aws::sim) const NETWORK_BALANCER: &str =
    "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/net/edge/0a1b2c3d4e5f6071";
pub(in crate::aws::sim) const NETWORK_LISTENER: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/net/edge/0a1b2c3d4e5f6071/8192a3b4c5d6e7f8";
/// The test route that is there from the start.
pub(in crate::aws::sim) const TEST_ROUTE: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener-rule/app/chatbot-alb/50dc6c495c0c9188/f2f7dc8efc522ab2/000000000000000b";
const BLUE: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/chatbot-flask-tg/73e2d6bc24d8a067";
const GREEN: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/chatbot-fastapi-tg/943f017f100becff";
pub(in crate::aws::sim) const THIRD: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/chatbot-legacy-tg/0123456789abcdef";

/// The shape of the balancer.
#[derive(Debug, Clone, Default)]
pub(in crate::aws::sim) struct Shape {
    /// The rule that divides the traffic is the listener's default rule.
    pub(in crate::aws::sim) is_default: bool,
    /// A log-in stands before the forward.
    pub(in crate::aws::sim) has_login: bool,
    pub(in crate::aws::sim) stickiness: Option<Duration>,
    /// A third group stands in the forward, at this weight.
    pub(in crate::aws::sim) third: Option<i32>,
    /// How many other rules come first.
    pub(in crate::aws::sim) rules_before: u32,
    /// Another rule forwards to green as well.
    pub(in crate::aws::sim) is_shared: bool,
    /// Green is not in the rule.
    pub(in crate::aws::sim) is_detached: bool,
    /// Tests reach green by a route of their own.
    pub(in crate::aws::sim) has_test_route: bool,
    /// The test route has the tag of a route that was made for the main rule.
    pub(in crate::aws::sim) test_route_is_marked: bool,
    /// Another rule sends green every request with a certain header.
    pub(in crate::aws::sim) is_behind_header: bool,
    /// Green is behind a network load balancer as well.
    pub(in crate::aws::sim) is_behind_network_balancer: bool,
    /// An action of an unknown type stands in the rule.
    pub(in crate::aws::sim) unknown_action: bool,
    pub(in crate::aws::sim) weights: Option<Sides<u32>>,
    /// Another change of the rule that divides the traffic.
    #[cfg(test)]
    pub(in crate::aws::sim) change: Option<fn(&mut Rule)>,
}

#[derive(Debug, Clone)]
pub(in crate::aws::sim) struct Rules {
    /// Every rule of the one listener, the default rule last.
    pub(in crate::aws::sim) all: Vec<Rule>,
    /// The ARN of the rule that divides the traffic.
    main: String,
    /// How many rules were made since the start.
    made: u32,
    /// Green is behind a network load balancer as well.
    pub(in crate::aws::sim) is_behind_network_balancer: bool,
}

pub(in crate::aws::sim) fn blue() -> TargetGroupArn {
    parse(BLUE)
}

pub(in crate::aws::sim) fn green() -> TargetGroupArn {
    parse(GREEN)
}

pub(in crate::aws::sim) fn listener() -> ListenerArn {
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
    pub(in crate::aws::sim) fn new(shape: &Shape) -> Self {
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
                    .actions(forward_to(GREEN))
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
        let mut main = rule_arn(0x100);
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
            main = rule_arn(0xdefa);
        }
        #[cfg(test)]
        if let Some(change) = shape.change {
            let mut rules = all.iter_mut();
            let found = rules.find(|rule| rule.rule_arn.as_ref() == Some(&main));
            found.into_iter().for_each(change);
        }
        if shape.has_test_route {
            let index = all
                .iter()
                .position(|rule| rule.rule_arn.as_ref() == Some(&main))
                .unwrap_or_default();
            let route = test_route(&all[index]);
            all.insert(index, route);
        }
        if shape.is_behind_header {
            let place = all.len() - 1;
            let place = if shape.is_default { place } else { place - 1 };
            all.insert(
                place,
                of_network("X-Origin-Verify", "s3cr3t", forward_to(GREEN)),
            );
        }
        Self {
            all,
            main,
            made: 0,
            is_behind_network_balancer: shape.is_behind_network_balancer,
        }
    }

    pub(in crate::aws::sim) fn main(&self) -> &Rule {
        &self.all[self.main_index()]
    }

    /// The main rule is never deleted: see [`delete`](Self::delete).
    fn main_index(&self) -> usize {
        self.find(&self.main).expect("the main rule")
    }

    pub(in crate::aws::sim) fn main_arn(&self) -> RuleArn {
        parse(self.main().rule_arn.as_deref().unwrap_or_default())
    }

    pub(in crate::aws::sim) fn find(&self, arn: &str) -> Option<usize> {
        self.all
            .iter()
            .position(|rule| rule.rule_arn.as_deref() == Some(arn))
    }

    pub(in crate::aws::sim) fn default_rule(&self) -> usize {
        self.all.len() - 1
    }

    /// The groups of the main rule's forward, with their weights.
    fn groups(&self) -> Vec<(String, u32)> {
        groups_of(self.main().actions())
    }

    /// The weights that divide the traffic now.
    pub(in crate::aws::sim) fn weights(&self) -> Sides<u32> {
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

    /// Whether any rule forwards to a side, at any weight: only then the side is health-checked.
    pub(super) fn is_attached(&self, side: Side) -> bool {
        self.name(match side {
            Side::Blue => BLUE,
            Side::Green => GREEN,
        })
    }

    /// Whether any rule names a group.
    pub(in crate::aws::sim) fn name(&self, group: &str) -> bool {
        let actions = self.all.iter().flat_map(Rule::actions);
        groups_of(actions).iter().any(|(arn, _)| arn == group)
    }

    /// Makes a rule.
    pub(in crate::aws::sim) fn create(
        &mut self,
        input: &CreateRuleInputBuilder,
    ) -> Result<Rule, ApiError> {
        let call = Call::CreateRule;
        let refused = |kind, code, message: &str| Err(answer(call, kind, code, message));
        let priority = input.get_priority().unwrap_or_default();
        if !(1..=50_000).contains(&priority) {
            let message = format!("Rule priority '{priority}' must be between 1 and 50000");
            return refused(ErrorKind::Invalid, "ValidationError", &message);
        }
        if self.all.iter().any(|rule| turn(rule) == priority) {
            let message = format!("Priority '{priority}' is currently in use");
            return refused(ErrorKind::Conflict, "PriorityInUse", &message);
        }
        let conditions = input.get_conditions().clone().unwrap_or_default();
        if conditions.is_empty() {
            let message = "A rule must have at least one condition";
            return refused(ErrorKind::Invalid, "ValidationError", message);
        }
        let twice = |one: &RuleCondition| {
            one.values.is_some()
                && (one.host_header_config.is_some() || one.path_pattern_config.is_some())
        };
        if conditions.iter().any(twice) {
            let message = "Condition values cannot be given in two ways";
            return refused(ErrorKind::Invalid, "ValidationError", message);
        }
        self.made += 1;
        let rule = Rule::builder()
            .rule_arn(rule_arn(0x1000 + self.made))
            .priority(priority.to_string())
            .set_conditions(Some(conditions))
            .set_actions(input.get_actions().clone())
            .set_transforms(input.get_transforms().clone())
            .is_default(false)
            .build();
        let place = self.all.partition_point(|other| turn(other) < priority);
        self.all.insert(place, rule.clone());
        Ok(rule)
    }

    /// Deletes a rule. Unlike AWS it keeps the rule that divides the traffic.
    pub(in crate::aws::sim) fn delete(&mut self, arn: &str) -> Result<(), ApiError> {
        let call = Call::DeleteRule;
        let index = self.find(arn);
        let Some(index) = index else {
            let message = "One or more rules not found";
            return Err(answer(call, ErrorKind::NotFound, "RuleNotFound", message));
        };
        if arn == self.main || index == self.default_rule() {
            let message = "This rule cannot be deleted";
            let kind = ErrorKind::Invalid;
            return Err(answer(call, kind, "OperationNotPermitted", message));
        }
        self.all.remove(index);
        Ok(())
    }

    /// The rule that takes a request.
    pub(in crate::aws::sim) fn of_request(
        &self,
        host: &str,
        path: &str,
        header: impl Fn(&str) -> Option<String>,
    ) -> &Rule {
        let meets = |rule: &&Rule| {
            rule.conditions().iter().all(|condition| {
                if let Some(hosts) = &condition.host_header_config {
                    hosts.values().iter().any(|wanted| wanted == host)
                } else if let Some(paths) = &condition.path_pattern_config {
                    paths.values().iter().any(|wanted| fits(wanted, path))
                } else if let Some(wanted) = &condition.http_header_config {
                    let found = header(wanted.http_header_name.as_deref().unwrap_or_default());
                    found.is_some_and(|found| wanted.values().contains(&found))
                } else {
                    true
                }
            })
        };
        let found = self.all.iter().find(meets);
        found.unwrap_or(&self.all[self.default_rule()])
    }

    pub(in crate::aws::sim) fn stickiness(&self) -> Option<Duration> {
        let config = self.main().actions().iter().find_map(|action| {
            let forward = action.forward_config.as_ref()?;
            forward.target_group_stickiness_config.as_ref()
        })?;
        let seconds = u64::try_from(config.duration_seconds.unwrap_or_default()).ok()?;
        (config.enabled == Some(true)).then(|| Duration::from_secs(seconds))
    }

    /// A third party's write: only weights, nothing else of the rule.
    pub(in crate::aws::sim) fn write_weights(&mut self, weights: Sides<u32>) {
        let index = self.main_index();
        let rule = &mut self.all[index];
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

    /// ECS sends the test traffic to this side.
    pub(in crate::aws::sim) fn write_test_route(&mut self, side: Side) {
        let group = match side {
            Side::Blue => BLUE,
            Side::Green => GREEN,
        };
        if let Some(index) = self.find(TEST_ROUTE) {
            self.all[index].actions = Some(vec![forward_to(group)]);
        }
    }

    /// The main rule without the two weights: no migration may change this text.
    pub(in crate::aws::sim) fn text_without_weights(&self) -> String {
        let mut rules = self.clone();
        rules.write_weights(Sides { blue: 0, green: 0 });
        let mut main = rules.main().clone();
        // The order of groups and the scalar form mean nothing.
        for action in main.actions.iter_mut().flatten() {
            if let Some(config) = action.forward_config.as_mut() {
                if let Some(groups) = config.target_groups.as_mut() {
                    groups.sort_by(|a, b| a.target_group_arn.cmp(&b.target_group_arn));
                }
                action.target_group_arn = None;
            }
            // The way in which a secret was confirmed is no part of the rule.
            if let Some(login) = action.authenticate_oidc_config.as_mut() {
                login.use_existing_client_secret = None;
                login.client_secret = None;
            }
        }
        format!("{main:#?}")
    }
}

/// The groups of forward actions, with their weights.
pub(in crate::aws::sim) fn groups_of<'a>(
    actions: impl IntoIterator<Item = &'a Action>,
) -> Vec<(String, u32)> {
    let groups = actions.into_iter().flat_map(|action| {
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

/// The position at which a rule is evaluated; the default rule comes last.
fn turn(rule: &Rule) -> i32 {
    let priority = rule.priority.as_deref().and_then(|text| text.parse().ok());
    priority.unwrap_or(i32::MAX)
}

/// Whether a path fits a pattern that may end in `*`.
fn fits(pattern: &str, path: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(begin) => path.starts_with(begin),
        None => path == pattern,
    }
}

/// A forward to one group alone.
pub(in crate::aws::sim) fn forward_to(group: &str) -> Action {
    Action::builder()
        .r#type(ActionTypeEnum::Forward)
        .target_group_arn(group)
        .order(1)
        .build()
}

/// A rule for requests with a header, as a content delivery network sends it.
fn of_network(header: &str, value: &str, action: Action) -> Rule {
    Rule::builder()
        .rule_arn(rule_arn(0xc))
        .priority("95")
        .conditions(asks_for(header, value))
        .actions(action)
        .is_default(false)
        .build()
}

fn asks_for(header: &str, value: &str) -> RuleCondition {
    let config = HttpHeaderConditionConfig::builder()
        .http_header_name(header)
        .values(value);
    RuleCondition::builder()
        .field("http-header")
        .http_header_config(config.build())
        .build()
}

/// The route by which tests reach green: the main rule's conditions and a header.
fn test_route(main: &Rule) -> Rule {
    Rule::builder()
        .rule_arn(TEST_ROUTE)
        .priority("99")
        .set_conditions(main.conditions.clone())
        .conditions(asks_for("X-Bluegreen-Test", "green"))
        .actions(forward_to(GREEN))
        .is_default(false)
        .build()
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
