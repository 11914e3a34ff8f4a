//! A hash over everything in a rule that routes traffic, but the two weights.
//!
//! It is taken over a canonical form of our own: defaults filled in, lists sorted whose order
//! means nothing, both shapes of one thing made one. So a write of ours, which the API may give
//! back in another shape, changes nothing; whatever changes it is somebody else's change. The
//! form holds text, booleans, lists and maps only, since canonical JSON knows no integers.

use std::{collections::HashMap, fmt::Write as _};

use aws_sdk_elasticloadbalancingv2::types::{
    Action, AuthenticateCognitoActionConfig, AuthenticateOidcActionConfig,
    JwtValidationActionConfig, RewriteConfig, Rule, RuleCondition, RuleTransform,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{TargetGroupArn, forward};
use crate::traffic::Sides;

/// The version of the canonical form. Raise it with every change of the form: a run that was
/// started by an older version then sees drift instead of a silent difference in meaning.
const VERSION: &str = "v1";
/// Bytes of the hash that are kept: enough to tell rules apart by accident, short enough to read.
const KEPT_BYTES: usize = 8;

/// `v1:` and 16 hexadecimal digits.
pub(super) fn fingerprint(rule: &Rule, groups: &Sides<TargetGroupArn>) -> String {
    let digest = Sha256::digest(canonical(&rule_form(rule, groups)));
    let mut text = format!("{VERSION}:");
    for byte in &digest[..KEPT_BYTES] {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn rule_form(rule: &Rule, groups: &Sides<TargetGroupArn>) -> Value {
    // The numbers in `Order` mean nothing but the order itself.
    let mut actions: Vec<&Action> = rule.actions().iter().collect();
    actions.sort_by_key(|action| action.order.unwrap_or_default());
    let actions: Vec<Value> = actions
        .into_iter()
        .map(|action| action_form(action, groups))
        .collect();
    json!({
        "rule": rule.rule_arn,
        "priority": rule.priority,
        "default": forward::is_default(rule),
        "conditions": sorted(rule.conditions().iter().map(condition_form)),
        "transforms": sorted(rule.transforms().iter().map(transform_form)),
        "actions": actions,
    })
}

fn action_form(action: &Action, groups: &Sides<TargetGroupArn>) -> Value {
    json!({
        "type": action.r#type.as_ref().map(|kind| kind.as_str()),
        "forward": forward::is_forward(action).then(|| forward_form(action, groups)),
        "oidc": action.authenticate_oidc_config.as_ref().map(oidc_form),
        "cognito": action.authenticate_cognito_config.as_ref().map(cognito_form),
        "jwt": action.jwt_validation_config.as_ref().map(jwt_form),
        "redirect": action.redirect_config.as_ref().map(|to| json!({
            "protocol": to.protocol.as_deref().unwrap_or("#{protocol}"),
            "port": to.port.as_deref().unwrap_or("#{port}"),
            "host": to.host.as_deref().unwrap_or("#{host}"),
            "path": to.path.as_deref().unwrap_or("/#{path}"),
            "query": to.query.as_deref().unwrap_or("#{query}"),
            "status": to.status_code.as_ref().map(|code| code.as_str()),
        })),
        "response": action.fixed_response_config.as_ref().map(|answer| json!({
            "body": answer.message_body,
            "status": answer.status_code,
            "type": answer.content_type,
        })),
    })
}

/// Without the scalar `TargetGroupArn`, which comes and goes, and without our two weights.
fn forward_form(action: &Action, groups: &Sides<TargetGroupArn>) -> Value {
    let groups = forward::groups(action).into_iter().map(|group| {
        let side = if group.arn == groups.blue.as_str() {
            Some("blue")
        } else if group.arn == groups.green.as_str() {
            Some("green")
        } else {
            None
        };
        let weight = match side {
            Some(side) => side.to_owned(),
            None => group.weight.to_string(),
        };
        json!([group.arn, weight])
    });
    json!({
        "groups": sorted(groups),
        "stickiness": forward::stickiness(action).map(|length| length.as_secs().to_string()),
    })
}

/// Never with the client secret, nor with the flag that stands for it in a write.
fn oidc_form(config: &AuthenticateOidcActionConfig) -> Value {
    json!({
        "issuer": config.issuer,
        "authorization": config.authorization_endpoint,
        "token": config.token_endpoint,
        "user_info": config.user_info_endpoint,
        "client": config.client_id,
        "cookie": config.session_cookie_name.as_deref().unwrap_or(SESSION_COOKIE),
        "scope": config.scope.as_deref().unwrap_or(SCOPE),
        "timeout": config.session_timeout.unwrap_or(SESSION_SECONDS).to_string(),
        "parameters": parameters(config.authentication_request_extra_params.as_ref()),
        "unauthenticated": config
            .on_unauthenticated_request
            .as_ref()
            .map_or(UNAUTHENTICATED, |act| act.as_str()),
    })
}

fn cognito_form(config: &AuthenticateCognitoActionConfig) -> Value {
    json!({
        "pool": config.user_pool_arn,
        "client": config.user_pool_client_id,
        "domain": config.user_pool_domain,
        "cookie": config.session_cookie_name.as_deref().unwrap_or(SESSION_COOKIE),
        "scope": config.scope.as_deref().unwrap_or(SCOPE),
        "timeout": config.session_timeout.unwrap_or(SESSION_SECONDS).to_string(),
        "parameters": parameters(config.authentication_request_extra_params.as_ref()),
        "unauthenticated": config
            .on_unauthenticated_request
            .as_ref()
            .map_or(UNAUTHENTICATED, |act| act.as_str()),
    })
}

// Defaults of both ways to log in:
// https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_AuthenticateOidcActionConfig.html
const SESSION_COOKIE: &str = "AWSELBAuthSessionCookie";
const SCOPE: &str = "openid";
const SESSION_SECONDS: i64 = 604_800;
const UNAUTHENTICATED: &str = "authenticate";

fn parameters(parameters: Option<&HashMap<String, String>>) -> Value {
    json!(parameters.cloned().unwrap_or_default())
}

fn jwt_form(config: &JwtValidationActionConfig) -> Value {
    let claims = config.additional_claims().iter().map(|claim| {
        json!({
            "name": claim.name,
            "format": claim.format.as_ref().map(|format| format.as_str()),
            "values": set([claim.values()]),
        })
    });
    json!({
        "keys": config.jwks_endpoint,
        "issuer": config.issuer,
        "claims": sorted(claims),
    })
}

/// Host and path conditions come with their values beside the configuration, in it, or both.
fn condition_form(condition: &RuleCondition) -> Value {
    let host = condition.host_header_config.as_ref();
    let path = condition.path_pattern_config.as_ref();
    let header = condition.http_header_config.as_ref();
    let method = condition.http_request_method_config.as_ref();
    let source = condition.source_ip_config.as_ref();
    let query = condition.query_string_config.as_ref();
    let pairs = query.map(|query| query.values()).unwrap_or_default();
    json!({
        "field": condition.field,
        "values": set([
            condition.values(),
            host.map(|config| config.values()).unwrap_or_default(),
            path.map(|config| config.values()).unwrap_or_default(),
            header.map(|config| config.values()).unwrap_or_default(),
            method.map(|config| config.values()).unwrap_or_default(),
            source.map(|config| config.values()).unwrap_or_default(),
        ]),
        "expressions": set([
            condition.regex_values(),
            host.map(|config| config.regex_values()).unwrap_or_default(),
            path.map(|config| config.regex_values()).unwrap_or_default(),
            header.map(|config| config.regex_values()).unwrap_or_default(),
        ]),
        "header": header.and_then(|config| config.http_header_name.as_deref()),
        "query": sorted(pairs.iter().map(|pair| json!([pair.key, pair.value]))),
        "addresses": source
            .and_then(|config| config.ip_address_type.as_ref())
            .map(|kind| kind.as_str()),
    })
}

fn transform_form(transform: &RuleTransform) -> Value {
    let host = transform.host_header_rewrite_config.as_ref();
    let url = transform.url_rewrite_config.as_ref();
    let rewrites = |rewrites: &[RewriteConfig]| -> Vec<Value> {
        let forms = rewrites.iter();
        forms
            .map(|rewrite| json!([rewrite.regex, rewrite.replace]))
            .collect()
    };
    json!({
        "type": transform.r#type.as_ref().map(|kind| kind.as_str()),
        "host": host.map(|config| rewrites(config.rewrites())),
        "url": url.map(|config| rewrites(config.rewrites())),
    })
}

/// All texts of these lists, each once.
fn set<const N: usize>(lists: [&[String]; N]) -> Value {
    let mut texts = lists.concat();
    texts.sort_unstable();
    texts.dedup();
    json!(texts)
}

fn sorted(values: impl Iterator<Item = Value>) -> Value {
    let mut values: Vec<Value> = values.collect();
    values.sort_by_cached_key(canonical);
    Value::Array(values)
}

fn canonical(value: &Value) -> String {
    serde_json_canonicalizer::to_string(value)
        .expect("text, booleans, lists and maps have a canonical form")
}
