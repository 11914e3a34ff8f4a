//! Builds parts of requests from documents: every field that the SDK can send is sent.

use std::collections::HashMap;

use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, AuthenticateCognitoActionConditionalBehaviorEnum,
    AuthenticateCognitoActionConfig, FixedResponseActionConfig, ForwardActionConfig,
    HostHeaderConditionConfig, HostHeaderRewriteConfig, HttpHeaderConditionConfig,
    HttpRequestMethodConditionConfig, JwtValidationActionAdditionalClaim,
    JwtValidationActionAdditionalClaimFormatEnum, JwtValidationActionConfig,
    PathPatternConditionConfig, QueryStringConditionConfig, QueryStringKeyValuePair,
    RedirectActionConfig, RedirectActionStatusCodeEnum, RewriteConfig, RuleCondition,
    RuleTransform, SourceIpAddressTypeEnum, SourceIpConditionConfig, Tag,
    TargetGroupStickinessConfig, TargetGroupTuple, TransformTypeEnum, UrlRewriteConfig,
};
use serde_json::Value;

use crate::aws::document::{list, strings, text};

pub(in crate::aws) fn string(value: &Value, field: &str) -> Option<String> {
    value.get(field)?.as_str().map(str::to_owned)
}

pub(in crate::aws) fn number(value: &Value, field: &str) -> Option<i32> {
    i32::try_from(value.get(field)?.as_i64()?).ok()
}

fn all(value: &Value, field: &str) -> Option<Vec<String>> {
    value.get(field).map(|_| strings(value, field))
}

/// Makes the SDK's type from a part, if the document has the part.
fn part<T>(value: &Value, field: &str, make: impl FnOnce(&Value) -> T) -> Option<T> {
    value.get(field).filter(|inner| inner.is_object()).map(make)
}

/// A text as a value of one of the SDK's enums; unknown texts are kept.
fn choice<T: for<'a> From<&'a str>>(value: &Value, field: &str) -> Option<T> {
    value.get(field)?.as_str().map(T::from)
}

pub(in crate::aws) fn tag(value: &Value) -> Tag {
    Tag::builder()
        .set_key(string(value, "Key"))
        .set_value(string(value, "Value"))
        .build()
}

pub(in crate::aws) fn condition(value: &Value) -> RuleCondition {
    let host = |config: &Value| {
        HostHeaderConditionConfig::builder()
            .set_values(all(config, "Values"))
            .set_regex_values(all(config, "RegexValues"))
            .build()
    };
    let path = |config: &Value| {
        PathPatternConditionConfig::builder()
            .set_values(all(config, "Values"))
            .set_regex_values(all(config, "RegexValues"))
            .build()
    };
    let header = |config: &Value| {
        HttpHeaderConditionConfig::builder()
            .set_http_header_name(string(config, "HttpHeaderName"))
            .set_values(all(config, "Values"))
            .set_regex_values(all(config, "RegexValues"))
            .build()
    };
    let method = |config: &Value| {
        HttpRequestMethodConditionConfig::builder()
            .set_values(all(config, "Values"))
            .build()
    };
    let query = |config: &Value| {
        let pairs = list(config, "/Values").map(|(_, pair)| {
            QueryStringKeyValuePair::builder()
                .set_key(string(pair, "Key"))
                .set_value(string(pair, "Value"))
                .build()
        });
        QueryStringConditionConfig::builder()
            .set_values(Some(pairs.collect()))
            .build()
    };
    let source = |config: &Value| {
        SourceIpConditionConfig::builder()
            .set_values(all(config, "Values"))
            .set_ip_address_type(choice::<SourceIpAddressTypeEnum>(config, "IpAddressType"))
            .build()
    };
    RuleCondition::builder()
        .set_field(string(value, "Field"))
        .set_values(all(value, "Values"))
        .set_regex_values(all(value, "RegexValues"))
        .set_host_header_config(part(value, "HostHeaderConfig", host))
        .set_path_pattern_config(part(value, "PathPatternConfig", path))
        .set_http_header_config(part(value, "HttpHeaderConfig", header))
        .set_http_request_method_config(part(value, "HttpRequestMethodConfig", method))
        .set_query_string_config(part(value, "QueryStringConfig", query))
        .set_source_ip_config(part(value, "SourceIpConfig", source))
        .build()
}

/// Builds an action of any type but a log-in by OIDC, which holds a secret and is refused before.
pub(in crate::aws) fn action(value: &Value) -> Action {
    let redirect = |config: &Value| {
        RedirectActionConfig::builder()
            .set_protocol(string(config, "Protocol"))
            .set_port(string(config, "Port"))
            .set_host(string(config, "Host"))
            .set_path(string(config, "Path"))
            .set_query(string(config, "Query"))
            .set_status_code(choice::<RedirectActionStatusCodeEnum>(config, "StatusCode"))
            .build()
    };
    let response = |config: &Value| {
        FixedResponseActionConfig::builder()
            .set_message_body(string(config, "MessageBody"))
            .set_status_code(string(config, "StatusCode"))
            .set_content_type(string(config, "ContentType"))
            .build()
    };
    Action::builder()
        .r#type(ActionTypeEnum::from(text(value, "Type")))
        .set_order(number(value, "Order"))
        .set_target_group_arn(string(value, "TargetGroupArn"))
        .set_forward_config(part(value, "ForwardConfig", forward))
        .set_redirect_config(part(value, "RedirectConfig", redirect))
        .set_fixed_response_config(part(value, "FixedResponseConfig", response))
        .set_authenticate_cognito_config(part(value, "AuthenticateCognitoConfig", cognito))
        .set_jwt_validation_config(part(value, "JwtValidationConfig", jwt))
        .build()
}

fn forward(config: &Value) -> ForwardActionConfig {
    let tuples = list(config, "/TargetGroups").map(|(_, group)| {
        TargetGroupTuple::builder()
            .set_target_group_arn(string(group, "TargetGroupArn"))
            .set_weight(number(group, "Weight"))
            .build()
    });
    let sticky = |sticky: &Value| {
        TargetGroupStickinessConfig::builder()
            .set_enabled(sticky.get("Enabled").and_then(Value::as_bool))
            .set_duration_seconds(number(sticky, "DurationSeconds"))
            .build()
    };
    ForwardActionConfig::builder()
        .set_target_groups(Some(tuples.collect()))
        .set_target_group_stickiness_config(part(config, "TargetGroupStickinessConfig", sticky))
        .build()
}

fn cognito(config: &Value) -> AuthenticateCognitoActionConfig {
    let params = config
        .get("AuthenticationRequestExtraParams")
        .and_then(Value::as_object)
        .map(|params| {
            let texts = params
                .iter()
                .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
            texts.collect::<HashMap<_, _>>()
        });
    AuthenticateCognitoActionConfig::builder()
        .set_user_pool_arn(string(config, "UserPoolArn"))
        .set_user_pool_client_id(string(config, "UserPoolClientId"))
        .set_user_pool_domain(string(config, "UserPoolDomain"))
        .set_session_cookie_name(string(config, "SessionCookieName"))
        .set_scope(string(config, "Scope"))
        .set_session_timeout(config.get("SessionTimeout").and_then(Value::as_i64))
        .set_authentication_request_extra_params(params)
        .set_on_unauthenticated_request(choice::<AuthenticateCognitoActionConditionalBehaviorEnum>(
            config,
            "OnUnauthenticatedRequest",
        ))
        .build()
}

fn jwt(config: &Value) -> JwtValidationActionConfig {
    let claims = list(config, "/AdditionalClaims").map(|(_, claim)| {
        JwtValidationActionAdditionalClaim::builder()
            .set_format(choice::<JwtValidationActionAdditionalClaimFormatEnum>(
                claim, "Format",
            ))
            .set_name(string(claim, "Name"))
            .set_values(all(claim, "Values"))
            .build()
    });
    let claims: Vec<_> = claims.collect();
    JwtValidationActionConfig::builder()
        .set_jwks_endpoint(string(config, "JwksEndpoint"))
        .set_issuer(string(config, "Issuer"))
        .set_additional_claims(Some(claims).filter(|claims| !claims.is_empty()))
        .build()
}

pub(in crate::aws) fn transform(value: &Value) -> RuleTransform {
    let rewrites = |config: &Value| {
        let rewrites = list(config, "/Rewrites").map(|(_, one)| {
            RewriteConfig::builder()
                .set_regex(string(one, "Regex"))
                .set_replace(string(one, "Replace"))
                .build()
        });
        rewrites.collect::<Vec<_>>()
    };
    let host = |config: &Value| {
        HostHeaderRewriteConfig::builder()
            .set_rewrites(Some(rewrites(config)))
            .build()
    };
    let url = |config: &Value| {
        UrlRewriteConfig::builder()
            .set_rewrites(Some(rewrites(config)))
            .build()
    };
    RuleTransform::builder()
        .set_type(choice::<TransformTypeEnum>(value, "Type"))
        .set_host_header_rewrite_config(part(value, "HostHeaderRewriteConfig", host))
        .set_url_rewrite_config(part(value, "UrlRewriteConfig", url))
        .build()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::aws::{
        alb::{ListenerRuleSpec, TargetGroupSpec, spec::request::*, testing::listener_arn},
        model::{Input, Model, Shape},
    };

    /// A document with every field of the model, each text and number a different one.
    fn full(model: &Model, name: &str, leaves: &mut Vec<String>) -> Value {
        let mut leaf = |number: bool| {
            let nth = 1000 + leaves.len();
            let text = if number {
                nth.to_string()
            } else {
                format!("leaf{nth}")
            };
            leaves.push(text.clone());
            if number { json!(nth) } else { json!(text) }
        };
        match model.shape(name) {
            Shape::Structure { fields, .. } => {
                // An OIDC action holds a secret, so it is refused.
                let fields = fields
                    .iter()
                    .filter(|(name, _)| *name != "AuthenticateOidcConfig");
                let pairs = fields.map(|(name, shape)| (name.clone(), full(model, shape, leaves)));
                Value::Object(pairs.collect())
            }
            Shape::List { of, .. } => json!([full(model, &of, leaves)]),
            Shape::Map { of } => json!({"leaf-of-a-map": full(model, &of, leaves)}),
            Shape::Choice { .. } | Shape::Text(_) => leaf(false),
            Shape::Whole(_) | Shape::Number(_) => leaf(true),
            Shape::Bool {} => json!(true),
            Shape::Any {} => json!({}),
        }
    }

    #[test]
    fn all_that_the_model_has_reaches_the_request() {
        for input in [Input::Rule, Input::TargetGroup] {
            let mut leaves = Vec::new();
            let mut document = full(input.model(), input.shape(), &mut leaves);
            let sent = if input == Input::Rule {
                document["ListenerArn"] = json!(null);
                let spec = ListenerRuleSpec::from_json(&document.to_string()).unwrap();
                format!("{:?}", spec.create_input(&listener_arn()))
            } else {
                let spec = TargetGroupSpec::from_json(&document.to_string()).unwrap();
                format!("{:?}", spec.create_input(Vec::new()))
            };
            let text = document.to_string();
            let lost: Vec<&String> = leaves
                .iter()
                .filter(|leaf| text.contains(*leaf) && !sent.contains(*leaf))
                .collect();
            assert!(lost.is_empty(), "{lost:?} of {text} in {sent}");
            assert!(
                leaves.len() > 15 && sent.matches("true").count() > 0,
                "{sent}"
            );
        }
    }
}
