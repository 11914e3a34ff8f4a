//! Commands and requests that write a rule's actions without this program, for a person or a
//! schedule.

use std::collections::BTreeMap;

use aws_sdk_elasticloadbalancingv2::types::{
    Action, AuthenticateCognitoActionConfig, AuthenticateOidcActionConfig, ForwardActionConfig,
    JwtValidationActionConfig,
};
use serde_json::{Map, Value, json};

use crate::aws::alb::RuleArn;

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

/// The same write as a request of the API: the operation, and its input as JSON.
pub(super) fn request(
    rule: &RuleArn,
    is_default: bool,
    actions: &[Action],
) -> (&'static str, Value) {
    let actions = Value::Array(actions.iter().map(action_json).collect());
    if is_default {
        let listener = json!(rule.listener().as_str());
        let input = [("ListenerArn", listener), ("DefaultActions", actions)];
        ("modifyListener", object(input))
    } else {
        let input = [("RuleArn", json!(rule.as_str())), ("Actions", actions)];
        ("modifyRule", object(input))
    }
}

/// As one word of a shell: within single quotes only the quote itself is special.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

pub(in crate::aws) fn action_json(action: &Action) -> Value {
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

/// Never with a client secret, even if the action holds one.
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

/// A JSON object of the fields that have a value, sorted: whether `serde_json` sorts them depends on
/// the other crates of the build.
fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let fields = fields.into_iter().filter(|(_, value)| !value.is_null());
    let fields: BTreeMap<_, _> = fields
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    Value::Object(fields.into_iter().collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        aws::alb::{
            rule::{edit, weights::weights_of},
            testing::*,
        },
        traffic::TrafficSplit,
    };

    fn restore(is_default: bool, actions: &[Action]) -> String {
        let actions = edit::with_weights(actions, &groups(), weights_of(TrafficSplit::ALL_BLUE));
        modify(&rule_arn(), is_default, &actions)
    }

    #[test]
    fn p04_a_person_can_restore_blue_by_hand() {
        let actions = [sticky(forward(&[(BLUE, 5), (GREEN, 95)]), 60)];
        assert_eq!(
            restore(false, &actions),
            format!(
                r#"aws elbv2 modify-rule --region us-east-1 --rule-arn {RULE} --actions '[{{"ForwardConfig":{{"TargetGroupStickinessConfig":{{"DurationSeconds":60,"Enabled":true}},"TargetGroups":[{{"TargetGroupArn":"{BLUE}","Weight":100}},{{"TargetGroupArn":"{GREEN}","Weight":0}}]}},"Order":50,"Type":"forward"}}]'"#
            )
        );
    }

    #[test]
    fn p04_a_default_rule_is_restored_through_its_listener() {
        let command = restore(true, &[forward(&[(BLUE, 5), (GREEN, 95)])]);
        let head = format!(
            "aws elbv2 modify-listener --region us-east-1 --listener-arn {LISTENER} --default-actions '[{{"
        );
        assert!(command.starts_with(&head), "{command}");
    }

    #[test]
    fn p12_the_command_never_holds_a_client_secret() {
        // Not even if the secret was not removed before.
        let command = modify(&rule_arn(), false, &[oidc_with_secret()]);
        assert!(!command.contains(SECRET));
        assert!(!command.contains("ClientSecret\":\""));
        assert!(command.contains(r#""UseExistingClientSecret":true"#));
    }

    /// A shell must give back the very JSON; `it's you` is one of the parameters.
    #[test]
    fn quotes_are_safe_in_a_shell() {
        let command = modify(&rule_arn(), false, &[oidc()]);
        assert!(command.contains(r#""prompt":"it'\''s you""#), "{command}");
        let word = command.split_once("--actions ").unwrap().1;
        let inner = word
            .strip_prefix('\'')
            .and_then(|word| word.strip_suffix('\''));
        let json: Value = serde_json::from_str(&inner.unwrap().replace(r"'\''", "'")).unwrap();
        let config = &json[0]["AuthenticateOidcConfig"];
        assert_eq!(
            config["AuthenticationRequestExtraParams"]["prompt"],
            "it's you"
        );
        assert_eq!(config["ClientId"], "chatbot");
    }

    #[test]
    fn p03_the_command_holds_every_action() {
        let command = modify(&rule_arn(), false, &[cognito(), jwt()]);
        for text in [
            r#""UserPoolClientId":"client""#,
            r#""SessionTimeout":3600"#,
            r#""Order":1"#,
            r#""JwksEndpoint":"https://login.example.com/keys""#,
            r#""AdditionalClaims":[{"Format":"string-array","Name":"aud","Values":["chatbot","admin"]}]"#,
        ] {
            assert!(command.contains(text), "{text} in {command}");
        }
        assert!(!command.contains("null"));
    }
}
