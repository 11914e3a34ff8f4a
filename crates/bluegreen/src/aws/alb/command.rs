//! The command by which a person writes a rule's actions without this program.

use aws_sdk_elasticloadbalancingv2::types::{
    Action, AuthenticateCognitoActionConfig, AuthenticateOidcActionConfig, ForwardActionConfig,
    JwtValidationActionConfig,
};
use serde_json::{Map, Value, json};

use super::RuleArn;

/// A command of the AWS command line that replaces the actions of a rule, safe to paste into a
/// POSIX shell. A default rule belongs to its listener.
pub(super) fn modify(rule: &RuleArn, is_default: bool, actions: &[Action]) -> String {
    let actions: Vec<Value> = actions.iter().map(action_json).collect();
    let json = quoted(&Value::Array(actions).to_string());
    let region = rule.region();
    if is_default {
        let listener = rule.listener();
        format!(
            "aws elbv2 modify-listener --region {region} --listener-arn {listener} --default-actions {json}"
        )
    } else {
        format!("aws elbv2 modify-rule --region {region} --rule-arn {rule} --actions {json}")
    }
}

/// As one word of a shell: within single quotes only the quote itself is special.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn action_json(action: &Action) -> Value {
    let forward = action.forward_config.as_ref();
    let oidc = action.authenticate_oidc_config.as_ref();
    let cognito = action.authenticate_cognito_config.as_ref();
    let jwt = action.jwt_validation_config.as_ref();
    let redirect = action.redirect_config.as_ref();
    let response = action.fixed_response_config.as_ref();
    object([
        (
            "Type",
            json!(action.r#type.as_ref().map(|kind| kind.as_str())),
        ),
        ("Order", json!(action.order)),
        ("TargetGroupArn", json!(action.target_group_arn)),
        ("ForwardConfig", json!(forward.map(forward_json))),
        ("AuthenticateOidcConfig", json!(oidc.map(oidc_json))),
        (
            "AuthenticateCognitoConfig",
            json!(cognito.map(cognito_json)),
        ),
        ("JwtValidationConfig", json!(jwt.map(jwt_json))),
        (
            "RedirectConfig",
            json!(redirect.map(|config| object([
                ("Protocol", json!(config.protocol)),
                ("Port", json!(config.port)),
                ("Host", json!(config.host)),
                ("Path", json!(config.path)),
                ("Query", json!(config.query)),
                (
                    "StatusCode",
                    json!(config.status_code.as_ref().map(|code| code.as_str()))
                ),
            ]))),
        ),
        (
            "FixedResponseConfig",
            json!(response.map(|config| object([
                ("MessageBody", json!(config.message_body)),
                ("StatusCode", json!(config.status_code)),
                ("ContentType", json!(config.content_type)),
            ]))),
        ),
    ])
}

fn forward_json(config: &ForwardActionConfig) -> Value {
    let groups = config.target_groups.as_ref().map(|groups| {
        let groups = groups.iter().map(|group| {
            object([
                ("TargetGroupArn", json!(group.target_group_arn)),
                ("Weight", json!(group.weight)),
            ])
        });
        groups.collect::<Vec<_>>()
    });
    let stickiness = config.target_group_stickiness_config.as_ref();
    object([
        ("TargetGroups", json!(groups)),
        (
            "TargetGroupStickinessConfig",
            json!(stickiness.map(|sticky| object([
                ("Enabled", json!(sticky.enabled)),
                ("DurationSeconds", json!(sticky.duration_seconds)),
            ]))),
        ),
    ])
}

/// Never with a client secret, whatever the action holds.
fn oidc_json(config: &AuthenticateOidcActionConfig) -> Value {
    let unauthenticated = config.on_unauthenticated_request.as_ref();
    object([
        ("Issuer", json!(config.issuer)),
        (
            "AuthorizationEndpoint",
            json!(config.authorization_endpoint),
        ),
        ("TokenEndpoint", json!(config.token_endpoint)),
        ("UserInfoEndpoint", json!(config.user_info_endpoint)),
        ("ClientId", json!(config.client_id)),
        ("SessionCookieName", json!(config.session_cookie_name)),
        ("Scope", json!(config.scope)),
        ("SessionTimeout", json!(config.session_timeout)),
        (
            "AuthenticationRequestExtraParams",
            json!(config.authentication_request_extra_params),
        ),
        (
            "OnUnauthenticatedRequest",
            json!(unauthenticated.map(|act| act.as_str())),
        ),
        ("UseExistingClientSecret", json!(true)),
    ])
}

fn cognito_json(config: &AuthenticateCognitoActionConfig) -> Value {
    let unauthenticated = config.on_unauthenticated_request.as_ref();
    object([
        ("UserPoolArn", json!(config.user_pool_arn)),
        ("UserPoolClientId", json!(config.user_pool_client_id)),
        ("UserPoolDomain", json!(config.user_pool_domain)),
        ("SessionCookieName", json!(config.session_cookie_name)),
        ("Scope", json!(config.scope)),
        ("SessionTimeout", json!(config.session_timeout)),
        (
            "AuthenticationRequestExtraParams",
            json!(config.authentication_request_extra_params),
        ),
        (
            "OnUnauthenticatedRequest",
            json!(unauthenticated.map(|act| act.as_str())),
        ),
    ])
}

fn jwt_json(config: &JwtValidationActionConfig) -> Value {
    let claims = config.additional_claims.as_ref().map(|claims| {
        let claims = claims.iter().map(|claim| {
            object([
                (
                    "Format",
                    json!(claim.format.as_ref().map(|format| format.as_str())),
                ),
                ("Name", json!(claim.name)),
                ("Values", json!(claim.values)),
            ])
        });
        claims.collect::<Vec<_>>()
    });
    object([
        ("JwksEndpoint", json!(config.jwks_endpoint)),
        ("Issuer", json!(config.issuer)),
        ("AdditionalClaims", json!(claims)),
    ])
}

/// A JSON object of the fields that are there.
fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let fields = fields.into_iter().filter(|(_, value)| !value.is_null());
    let fields = fields.map(|(name, value)| (name.to_owned(), value));
    Value::Object(fields.collect::<Map<_, _>>())
}
