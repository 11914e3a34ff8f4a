//! Rules, answers and expectations that the tests of this module share.

use std::sync::Arc;

use aws_sdk_elasticloadbalancingv2::{
    operation::{
        describe_rules::{DescribeRulesInput, DescribeRulesOutput},
        describe_target_health::{DescribeTargetHealthInput, DescribeTargetHealthOutput},
        modify_listener::{ModifyListenerInput, ModifyListenerOutput},
        modify_rule::{ModifyRuleInput, ModifyRuleOutput},
    },
    types::{
        Action, ActionTypeEnum, AuthenticateCognitoActionConfig, AuthenticateOidcActionConfig,
        ForwardActionConfig, HostHeaderConditionConfig, HttpHeaderConditionConfig,
        JwtValidationActionAdditionalClaim, JwtValidationActionAdditionalClaimFormatEnum,
        JwtValidationActionConfig, PathPatternConditionConfig, QueryStringConditionConfig,
        QueryStringKeyValuePair, RewriteConfig, Rule, RuleCondition, RuleTransform,
        SourceIpConditionConfig, TargetGroupStickinessConfig, TargetGroupTuple, TargetHealth,
        TargetHealthDescription, TargetHealthStateEnum, TransformTypeEnum, UrlRewriteConfig,
    },
};
use mockall::Sequence;
use proptest::prelude::*;

use super::{AlbRule, AlbTrafficSplitter, ListenerArn, RuleArn, TargetGroupArn};
use crate::{
    aws::{
        Aws, Parts,
        api::{ApiError, MockElbApi},
    },
    traffic::Sides,
};

macro_rules! arn {
    ($resource:literal) => {
        concat!(
            "arn:aws:elasticloadbalancing:us-east-1:123456789012:",
            $resource
        )
    };
}

pub(super) const BALANCER: &str = arn!("loadbalancer/app/chatbot/50dc6c495c0c9188");
pub(super) const LISTENER: &str = arn!("listener/app/chatbot/50dc6c495c0c9188/f2f7dc8efc522ab2");
pub(super) const RULE: &str =
    arn!("listener-rule/app/chatbot/50dc6c495c0c9188/f2f7dc8efc522ab2/9683b2d02a6cabee");
pub(super) const OTHER_RULE: &str =
    arn!("listener-rule/app/chatbot/50dc6c495c0c9188/f2f7dc8efc522ab2/1291d13826f405c3");
pub(super) const BLUE: &str = arn!("targetgroup/flask/73e2d6bc24d8a067");
pub(super) const GREEN: &str = arn!("targetgroup/fastapi/943f017f100becff");
pub(super) const THIRD: &str = arn!("targetgroup/third/0123456789abcdef");
pub(super) const FOURTH: &str = arn!("targetgroup/fourth/fedcba9876543210");
pub(super) const SECRET: &str = "hunter2-client-secret";

pub(super) fn groups() -> Sides<TargetGroupArn> {
    Sides {
        blue: BLUE.parse().unwrap(),
        green: GREEN.parse().unwrap(),
    }
}

pub(super) fn rule_arn() -> RuleArn {
    RULE.parse().unwrap()
}

pub(super) fn listener_arn() -> ListenerArn {
    LISTENER.parse().unwrap()
}

pub(super) fn aws(elb: MockElbApi) -> Aws {
    let parts = Parts {
        elb: Arc::new(elb),
        ..Parts::untouched()
    };
    Aws::from_parts(parts, None)
}

/// A splitter of the rule by its ARN.
pub(super) fn splitter(elb: MockElbApi) -> AlbTrafficSplitter {
    splitter_of(elb, AlbRule::Arn(rule_arn()))
}

pub(super) fn splitter_of(elb: MockElbApi, rule: AlbRule) -> AlbTrafficSplitter {
    let Sides { blue, green } = groups();
    AlbTrafficSplitter::new(&aws(elb), rule, blue, green).unwrap()
}

pub(super) fn tuple(arn: &str, weight: impl Into<Option<i32>>) -> TargetGroupTuple {
    TargetGroupTuple::builder()
        .target_group_arn(arn)
        .set_weight(weight.into())
        .build()
}

pub(super) fn forward(groups: &[(&str, i32)]) -> Action {
    let tuples = groups.iter().map(|(arn, weight)| tuple(arn, *weight));
    Action::builder()
        .r#type(ActionTypeEnum::Forward)
        .order(50)
        .forward_config(
            ForwardActionConfig::builder()
                .set_target_groups(Some(tuples.collect()))
                .target_group_stickiness_config(
                    TargetGroupStickinessConfig::builder()
                        .enabled(false)
                        .build(),
                )
                .build(),
        )
        .build()
}

/// The older shape: one group, no configuration.
pub(super) fn scalar(arn: &str) -> Action {
    Action::builder()
        .r#type(ActionTypeEnum::Forward)
        .target_group_arn(arn)
        .build()
}

pub(super) fn sticky(mut action: Action, seconds: i32) -> Action {
    if let Some(config) = &mut action.forward_config {
        config.target_group_stickiness_config = Some(
            TargetGroupStickinessConfig::builder()
                .enabled(true)
                .duration_seconds(seconds)
                .build(),
        );
    }
    action
}

/// As AWS describes it: without secret and without the flag.
pub(super) fn oidc() -> Action {
    Action::builder()
        .r#type(ActionTypeEnum::AuthenticateOidc)
        .order(1)
        .authenticate_oidc_config(
            AuthenticateOidcActionConfig::builder()
                .issuer("https://login.example.com")
                .authorization_endpoint("https://login.example.com/authorize")
                .token_endpoint("https://login.example.com/token")
                .user_info_endpoint("https://login.example.com/me")
                .client_id("chatbot")
                .authentication_request_extra_params("prompt", "it's you")
                .authentication_request_extra_params("display", "page")
                .build(),
        )
        .build()
}

/// As some servers describe it.
pub(super) fn oidc_with_secret() -> Action {
    let mut action = oidc();
    if let Some(config) = &mut action.authenticate_oidc_config {
        config.client_secret = Some(SECRET.to_owned());
    }
    action
}

/// As it must be written.
pub(super) fn oidc_written() -> Action {
    let mut action = oidc();
    if let Some(config) = &mut action.authenticate_oidc_config {
        config.use_existing_client_secret = Some(true);
    }
    action
}

pub(super) fn cognito() -> Action {
    Action::builder()
        .r#type(ActionTypeEnum::AuthenticateCognito)
        .order(1)
        .authenticate_cognito_config(
            AuthenticateCognitoActionConfig::builder()
                .user_pool_arn("arn:aws:cognito-idp:us-east-1:123456789012:userpool/pool")
                .user_pool_client_id("client")
                .user_pool_domain("login")
                .session_timeout(3600)
                .build(),
        )
        .build()
}

pub(super) fn jwt() -> Action {
    Action::builder()
        .r#type(ActionTypeEnum::JwtValidation)
        .order(2)
        .jwt_validation_config(
            JwtValidationActionConfig::builder()
                .issuer("https://login.example.com")
                .jwks_endpoint("https://login.example.com/keys")
                .additional_claims(
                    JwtValidationActionAdditionalClaim::builder()
                        .name("aud")
                        .format(JwtValidationActionAdditionalClaimFormatEnum::StringArray)
                        .values("chatbot")
                        .values("admin")
                        .build(),
                )
                .build(),
        )
        .build()
}

pub(super) fn rule(actions: Vec<Action>) -> Rule {
    Rule::builder()
        .rule_arn(RULE)
        .priority("100")
        .is_default(false)
        .set_conditions(Some(conditions()))
        .transforms(
            RuleTransform::builder()
                .r#type(TransformTypeEnum::UrlRewrite)
                .url_rewrite_config(
                    UrlRewriteConfig::builder()
                        .rewrites(RewriteConfig::builder().regex("^/v1").replace("/").build())
                        .build(),
                )
                .build(),
        )
        .set_actions(Some(actions))
        .build()
}

pub(super) fn default_rule(actions: Vec<Action>) -> Rule {
    Rule::builder()
        .rule_arn(RULE)
        .priority("default")
        .is_default(true)
        .set_actions(Some(actions))
        .build()
}

/// Blue and green with these weights, and nothing else of note.
pub(super) fn split(blue: i32, green: i32) -> Rule {
    rule(vec![forward(&[(BLUE, blue), (GREEN, green)])])
}

/// One of each kind.
pub(super) fn conditions() -> Vec<RuleCondition> {
    let condition = |field: &str| RuleCondition::builder().field(field);
    vec![
        condition("host-header")
            .values("api.example.com")
            .host_header_config(
                HostHeaderConditionConfig::builder()
                    .values("api.example.com")
                    .build(),
            )
            .build(),
        condition("path-pattern")
            .path_pattern_config(
                PathPatternConditionConfig::builder()
                    .values("/chat/*")
                    .regex_values("^/v[12]/")
                    .build(),
            )
            .build(),
        condition("http-header")
            .http_header_config(
                HttpHeaderConditionConfig::builder()
                    .http_header_name("X-Tier")
                    .values("gold")
                    .build(),
            )
            .build(),
        condition("query-string")
            .query_string_config(
                QueryStringConditionConfig::builder()
                    .values(
                        QueryStringKeyValuePair::builder()
                            .key("v")
                            .value("2")
                            .build(),
                    )
                    .build(),
            )
            .build(),
        condition("source-ip")
            .source_ip_config(
                SourceIpConditionConfig::builder()
                    .values("10.0.0.0/8")
                    .build(),
            )
            .build(),
    ]
}

pub(super) fn by_arn()
-> aws_sdk_elasticloadbalancingv2::operation::describe_rules::builders::DescribeRulesInputBuilder {
    DescribeRulesInput::builder().rule_arns(RULE)
}

/// The rule is read by its ARN, next in `sequence`.
pub(super) fn expect_rule(
    elb: &mut MockElbApi,
    sequence: &mut Sequence,
    answer: Result<Rule, ApiError>,
) {
    elb.expect_describe_rules()
        .withf(|input| *input == by_arn())
        .times(1)
        .in_sequence(sequence)
        .return_once(|_| answer.map(|rule| DescribeRulesOutput::builder().rules(rule).build()));
}

/// Exactly these actions are written to the rule, next in `sequence`.
pub(super) fn expect_write(
    elb: &mut MockElbApi,
    sequence: &mut Sequence,
    actions: Vec<Action>,
    answer: Result<(), ApiError>,
) {
    let wanted = ModifyRuleInput::builder()
        .rule_arn(RULE)
        .set_actions(Some(actions));
    elb.expect_modify_rule()
        .withf(move |input| *input == wanted)
        .times(1)
        .in_sequence(sequence)
        .return_once(|_| answer.map(|()| ModifyRuleOutput::builder().build()));
}

/// Exactly these actions are written to the listener, next in `sequence`.
pub(super) fn expect_default_write(
    elb: &mut MockElbApi,
    sequence: &mut Sequence,
    actions: Vec<Action>,
) {
    let wanted = ModifyListenerInput::builder()
        .listener_arn(LISTENER)
        .set_default_actions(Some(actions));
    elb.expect_modify_listener()
        .withf(move |input| *input == wanted)
        .times(1)
        .in_sequence(sequence)
        .return_once(|_| Ok(ModifyListenerOutput::builder().build()));
}

/// Both groups are asked for their targets once: blue has two healthy ones, green one.
pub(super) fn expect_targets(elb: &mut MockElbApi) {
    use TargetHealthStateEnum::Healthy;
    expect_health(elb, BLUE, Ok(vec![Some(Healthy), Some(Healthy)]));
    expect_health(elb, GREEN, Ok(vec![Some(Healthy)]));
}

pub(super) fn expect_health(
    elb: &mut MockElbApi,
    group: &'static str,
    answer: Result<Vec<Option<TargetHealthStateEnum>>, ApiError>,
) {
    elb.expect_describe_target_health()
        .withf(move |input| *input == DescribeTargetHealthInput::builder().target_group_arn(group))
        .times(1)
        .return_once(|_| {
            let described = answer?.into_iter().map(|state| {
                TargetHealthDescription::builder()
                    .target_health(TargetHealth::builder().set_state(state).build())
                    .build()
            });
            Ok(DescribeTargetHealthOutput::builder()
                .set_target_health_descriptions(Some(described.collect()))
                .build())
        });
}

/// A rule that divides traffic between blue and green, of any shape that can be edited.
pub(super) fn any_rule() -> impl Strategy<Value = Rule> {
    let others = prop::sample::subsequence(vec![THIRD, FOURTH], 0..=2);
    let listed = (0..=999, 0..=999, others).prop_flat_map(|(blue, green, others)| {
        let mut tuples = vec![tuple(BLUE, blue), tuple(GREEN, green)];
        tuples.extend(others.into_iter().map(|arn| tuple(arn, 0)));
        Just(tuples).prop_shuffle()
    });
    let stickiness = prop_oneof![
        Just(None),
        Just(Some((false, None))),
        (1..=604_800).prop_map(|seconds| Some((false, Some(seconds)))),
        (1..=604_800).prop_map(|seconds| Some((true, Some(seconds)))),
    ];
    let scalar = prop::option::of(Just(BLUE.to_owned()));
    let order = prop::option::of(100..200);
    let forward =
        (listed, stickiness, scalar, order).prop_map(|(tuples, stickiness, scalar, order)| {
            let stickiness = stickiness.map(|(enabled, seconds)| {
                TargetGroupStickinessConfig::builder()
                    .enabled(enabled)
                    .set_duration_seconds(seconds)
                    .build()
            });
            Action::builder()
                .r#type(ActionTypeEnum::Forward)
                .set_order(order)
                .set_target_group_arn(scalar)
                .forward_config(
                    ForwardActionConfig::builder()
                        .set_target_groups(Some(tuples))
                        .set_target_group_stickiness_config(stickiness)
                        .build(),
                )
                .build()
        });
    let checks = prop::sample::subsequence(vec![oidc_with_secret(), cognito(), jwt()], 0..=3);
    let conditions = prop::sample::subsequence(conditions(), 1..=5).prop_shuffle();
    (forward, checks, conditions, 1_u16..50_000, any::<bool>()).prop_map(
        |(forward, checks, conditions, priority, is_first)| {
            let mut actions = checks;
            if is_first {
                actions.insert(0, forward);
            } else {
                actions.push(forward);
            }
            let mut rule = rule(actions);
            rule.conditions = Some(conditions);
            rule.priority = Some(priority.to_string());
            rule
        },
    )
}
