//! The schedules of EventBridge Scheduler, and the writes of their targets.

use std::collections::BTreeMap;

use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, AuthenticateOidcActionConfig, FixedResponseActionConfig,
    ForwardActionConfig, TargetGroupStickinessConfig, TargetGroupTuple,
};
use aws_sdk_scheduler::types::{ActionAfterCompletion, Target};
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde_json::Value;

use crate::{
    aws::{
        api::ApiError,
        sim::fault::{Call, answer},
    },
    error::ErrorKind,
};

/// The schedules by name.
pub(in crate::aws::sim) type Schedules = BTreeMap<String, Schedule>;

/// A one-time schedule.
#[derive(Debug, Clone)]
pub(in crate::aws::sim) struct Schedule {
    pub(in crate::aws::sim) at: Timestamp,
    pub(in crate::aws::sim) target: Target,
}

impl Schedule {
    pub(in crate::aws::sim) fn new(
        call: Call,
        expression: Option<&String>,
        after: Option<&ActionAfterCompletion>,
        target: Option<&Target>,
    ) -> Result<Self, ApiError> {
        let Some(at) = expression.and_then(|expression| time(expression)) else {
            let message = "Invalid Schedule Expression";
            return Err(invalid(call, message));
        };
        let Some(target) = target else {
            return Err(invalid(call, "Target is required"));
        };
        if after != Some(&ActionAfterCompletion::Delete) {
            return Err(invalid(call, "a schedule here deletes itself"));
        }
        request(target).map_err(|why| invalid(call, &why))?;
        Ok(Self {
            at,
            target: target.clone(),
        })
    }
}

/// `at(2026-01-05T09:07:03)`, in UTC.
fn time(expression: &str) -> Option<Timestamp> {
    let text = expression.strip_prefix("at(")?.strip_suffix(')')?;
    let time: DateTime = text.parse().ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// The write of a universal target, read from its input as the API would.
pub(super) enum Request {
    Rule(String, Vec<Action>),
    Default(String, Vec<Action>),
    /// A message to a topic.
    Notice(String),
}

pub(super) fn request(target: &Target) -> Result<Request, String> {
    let input = target.input().unwrap_or_default();
    let input: Value = serde_json::from_str(input).map_err(|error| error.to_string())?;
    let text = |name: &str| input[name].as_str().unwrap_or_default().to_owned();
    let (_, api) = target
        .arn()
        .split_once(":scheduler:::aws-sdk:")
        .unwrap_or_default();
    match api {
        "elasticloadbalancingv2:modifyRule" => {
            Ok(Request::Rule(text("RuleArn"), actions(&input["Actions"])?))
        }
        "elasticloadbalancingv2:modifyListener" => Ok(Request::Default(
            text("ListenerArn"),
            actions(&input["DefaultActions"])?,
        )),
        "sns:publish" if input["TopicArn"].is_string() => Ok(Request::Notice(text("Message"))),
        _ => Err(format!("the target {} is not known here", target.arn())),
    }
}

fn actions(json: &Value) -> Result<Vec<Action>, String> {
    let actions = json.as_array().ok_or("no actions")?;
    actions.iter().map(action).collect()
}

fn text(json: &Value) -> Option<String> {
    json.as_str().map(str::to_owned)
}

fn number(json: &Value) -> Option<i32> {
    json.as_i64().and_then(|number| i32::try_from(number).ok())
}

/// The kinds of action that the worlds of this simulation hold.
fn action(json: &Value) -> Result<Action, String> {
    let kind = text(&json["Type"]).ok_or("an action without a type")?;
    let mut action = Action::builder()
        .r#type(ActionTypeEnum::from(kind.as_str()))
        .set_order(number(&json["Order"]))
        .set_target_group_arn(text(&json["TargetGroupArn"]));
    let config = &json["ForwardConfig"];
    if config.is_object() {
        let mut forward = ForwardActionConfig::builder();
        for group in config["TargetGroups"].as_array().into_iter().flatten() {
            let tuple = TargetGroupTuple::builder()
                .set_target_group_arn(text(&group["TargetGroupArn"]))
                .set_weight(number(&group["Weight"]));
            forward = forward.target_groups(tuple.build());
        }
        let sticky = &config["TargetGroupStickinessConfig"];
        if sticky.is_object() {
            let sticky = TargetGroupStickinessConfig::builder()
                .set_enabled(sticky["Enabled"].as_bool())
                .set_duration_seconds(number(&sticky["DurationSeconds"]));
            forward = forward.target_group_stickiness_config(sticky.build());
        }
        action = action.forward_config(forward.build());
    }
    let config = &json["AuthenticateOidcConfig"];
    if config.is_object() {
        let login = AuthenticateOidcActionConfig::builder()
            .set_issuer(text(&config["Issuer"]))
            .set_authorization_endpoint(text(&config["AuthorizationEndpoint"]))
            .set_token_endpoint(text(&config["TokenEndpoint"]))
            .set_user_info_endpoint(text(&config["UserInfoEndpoint"]))
            .set_client_id(text(&config["ClientId"]))
            .set_session_cookie_name(text(&config["SessionCookieName"]))
            .set_scope(text(&config["Scope"]))
            .set_session_timeout(config["SessionTimeout"].as_i64())
            .set_use_existing_client_secret(config["UseExistingClientSecret"].as_bool());
        action = action.authenticate_oidc_config(login.build());
    }
    let config = &json["FixedResponseConfig"];
    if config.is_object() {
        let response = FixedResponseActionConfig::builder()
            .set_status_code(text(&config["StatusCode"]))
            .set_content_type(text(&config["ContentType"]))
            .set_message_body(text(&config["MessageBody"]));
        action = action.fixed_response_config(response.build());
    }
    Ok(action.build())
}

pub(in crate::aws::sim) fn invalid(call: Call, message: &str) -> ApiError {
    answer(call, ErrorKind::Invalid, "ValidationException", message)
}
