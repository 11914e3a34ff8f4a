//! EventBridge Scheduler as the simulation answers it, and what its schedules do.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, AuthenticateOidcActionConfig, FixedResponseActionConfig,
    ForwardActionConfig, TargetGroupStickinessConfig, TargetGroupTuple,
};
use aws_sdk_scheduler::{
    operation::{
        create_schedule::{CreateScheduleOutput, builders::CreateScheduleInputBuilder},
        delete_schedule::{DeleteScheduleOutput, builders::DeleteScheduleInputBuilder},
        get_schedule::{GetScheduleOutput, builders::GetScheduleInputBuilder},
        update_schedule::{UpdateScheduleOutput, builders::UpdateScheduleInputBuilder},
    },
    types::{ActionAfterCompletion, Target},
};
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde_json::Value;

use super::elb;
use crate::{
    aws::{
        api::{ApiError, SchedulerApi},
        sim::{
            fault::{Area, Call, answer},
            simulation::{Shared, Writer},
            state::{rules, world::World},
            time::SimClock,
        },
    },
    clock::{between, later},
    error::ErrorKind,
};

/// How long after its time a schedule fires: it only keeps its minute.
const LATE: Duration = Duration::from_secs(30);

/// The schedules by name.
pub(in crate::aws::sim) type Schedules = BTreeMap<String, Schedule>;

/// A one-time schedule.
#[derive(Debug, Clone)]
pub(in crate::aws::sim) struct Schedule {
    pub(in crate::aws::sim) at: Timestamp,
    target: Target,
}

impl Schedule {
    fn new(
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

/// What a universal target writes, read from its input as the API would.
enum Request {
    Rule(String, Vec<Action>),
    Default(String, Vec<Action>),
}

fn request(target: &Target) -> Result<Request, String> {
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

impl World {
    /// Lets every schedule that is due by `now` write its rule, and go.
    pub(in crate::aws::sim) fn fire_schedules(&mut self, now: Duration) {
        loop {
            let date = self.date(now);
            let due = self
                .schedules
                .iter()
                .filter(|(_, schedule)| later(schedule.at, LATE) <= date)
                .min_by_key(|(_, schedule)| schedule.at);
            let Some((name, schedule)) = due.map(|(name, one)| (name.clone(), one.clone())) else {
                return;
            };
            self.schedules.remove(&name);
            let then = between(SimClock::epoch(), later(schedule.at, LATE));
            self.keep(Area::Balancer, then, None);
            let written = match request(&schedule.target) {
                Ok(Request::Rule(arn, actions)) => elb::write_rule(self, &arn, actions).is_ok(),
                Ok(Request::Default(arn, actions)) => {
                    arn == rules::listener().as_str() && elb::write_default(self, actions).is_ok()
                }
                Err(_) => false,
            };
            // What the API refuses is tried again for a minute, and then forgotten.
            if written {
                self.changed(then, Writer::Schedule);
            } else {
                self.forget();
            }
        }
    }
}

#[derive(Debug)]
pub(in crate::aws::sim) struct SimScheduler(pub(in crate::aws::sim) Arc<Shared>);

#[async_trait]
impl SchedulerApi for SimScheduler {
    async fn create_schedule(
        &self,
        input: CreateScheduleInputBuilder,
    ) -> Result<CreateScheduleOutput, ApiError> {
        let call = Call::CreateSchedule;
        self.0
            .serve(call, move |world, _now| {
                let schedule = Schedule::new(
                    call,
                    input.get_schedule_expression().as_ref(),
                    input.get_action_after_completion().as_ref(),
                    input.get_target().as_ref(),
                )?;
                let name = input.get_name().clone().unwrap_or_default();
                if world.schedules.contains_key(&name) {
                    let message = format!("Schedule {name} already exists.");
                    let kind = ErrorKind::Conflict;
                    return Err(answer(call, kind, "ConflictException", &message));
                }
                let made = CreateScheduleOutput::builder().schedule_arn(arn(&name));
                world.schedules.insert(name, schedule);
                made.build()
                    .map_err(|error| invalid(call, &error.to_string()))
            })
            .await
    }

    async fn update_schedule(
        &self,
        input: UpdateScheduleInputBuilder,
    ) -> Result<UpdateScheduleOutput, ApiError> {
        let call = Call::UpdateSchedule;
        self.0
            .serve(call, move |world, _now| {
                let schedule = Schedule::new(
                    call,
                    input.get_schedule_expression().as_ref(),
                    input.get_action_after_completion().as_ref(),
                    input.get_target().as_ref(),
                )?;
                let name = input.get_name().clone().unwrap_or_default();
                let there = world.schedules.get_mut(&name);
                *there.ok_or_else(|| not_there(call, &name))? = schedule;
                UpdateScheduleOutput::builder()
                    .schedule_arn(arn(&name))
                    .build()
                    .map_err(|error| invalid(call, &error.to_string()))
            })
            .await
    }

    async fn get_schedule(
        &self,
        input: GetScheduleInputBuilder,
    ) -> Result<GetScheduleOutput, ApiError> {
        let call = Call::GetSchedule;
        self.0
            .serve(call, move |world, _now| {
                let name = input.get_name().clone().unwrap_or_default();
                let there = world.schedules.get(&name);
                let schedule = there.ok_or_else(|| not_there(call, &name))?;
                Ok(GetScheduleOutput::builder()
                    .name(name)
                    .target(schedule.target.clone())
                    .build())
            })
            .await
    }

    async fn delete_schedule(
        &self,
        input: DeleteScheduleInputBuilder,
    ) -> Result<DeleteScheduleOutput, ApiError> {
        let call = Call::DeleteSchedule;
        self.0
            .serve(call, move |world, _now| {
                let name = input.get_name().clone().unwrap_or_default();
                let there = world.schedules.remove(&name);
                there.ok_or_else(|| not_there(call, &name))?;
                Ok(DeleteScheduleOutput::builder().build())
            })
            .await
    }
}

fn arn(name: &str) -> String {
    format!("arn:aws:scheduler:us-east-1:123456789012:schedule/default/{name}")
}

fn invalid(call: Call, message: &str) -> ApiError {
    answer(call, ErrorKind::Invalid, "ValidationException", message)
}

fn not_there(call: Call, name: &str) -> ApiError {
    let message = format!("Schedule {name} does not exist.");
    answer(
        call,
        ErrorKind::NotFound,
        "ResourceNotFoundException",
        &message,
    )
}
