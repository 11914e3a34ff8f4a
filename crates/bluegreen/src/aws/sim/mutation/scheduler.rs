//! Changes of schedules.

use std::time::Duration;

use aws_sdk_scheduler::{
    operation::{
        create_schedule::{
            CreateScheduleInput, CreateScheduleOutput, builders::CreateScheduleInputBuilder,
        },
        delete_schedule::{
            DeleteScheduleInput, DeleteScheduleOutput, builders::DeleteScheduleInputBuilder,
        },
        update_schedule::{
            UpdateScheduleInput, UpdateScheduleOutput, builders::UpdateScheduleInputBuilder,
        },
    },
    types::{
        ActionAfterCompletion, FlexibleTimeWindow, FlexibleTimeWindowMode, RetryPolicy,
        ScheduleState, Target,
    },
};
use serde_json::{Value, json};

use super::Mutation;
use crate::{
    aws::{
        alb::spec::request::{number, string},
        api::ApiError,
        sim::{
            fault::{Call, answer},
            state::{
                schedules::{Schedule, invalid},
                world::World,
            },
        },
    },
    error::ErrorKind,
};

/// Requests to create and to update a schedule have the same fields.
macro_rules! put_as_json {
    ($builder:expr) => {{
        let state = $builder.get_state().as_ref();
        let after = $builder.get_action_after_completion().as_ref();
        let window = $builder.get_flexible_time_window().as_ref();
        json!({
            "Name": $builder.get_name(),
            "Description": $builder.get_description(),
            "ScheduleExpression": $builder.get_schedule_expression(),
            "ScheduleExpressionTimezone": $builder.get_schedule_expression_timezone(),
            "State": state.map(ScheduleState::as_str),
            "FlexibleTimeWindow": window.map(|window| json!({ "Mode": window.mode.as_str() })),
            "ActionAfterCompletion": after.map(ActionAfterCompletion::as_str),
            "Target": $builder.get_target().as_ref().map(target_as_json),
        })
    }};
}

macro_rules! put_from_json {
    ($builder:expr, $json:expr) => {{
        let after = string($json, "ActionAfterCompletion");
        $builder
            .set_name(string($json, "Name"))
            .set_description(string($json, "Description"))
            .set_schedule_expression(string($json, "ScheduleExpression"))
            .set_schedule_expression_timezone(string($json, "ScheduleExpressionTimezone"))
            .set_state(string($json, "State").map(|state| ScheduleState::from(&*state)))
            .set_flexible_time_window(window($json))
            .set_action_after_completion(after.map(|after| ActionAfterCompletion::from(&*after)))
            .set_target($json.get("Target").and_then(target))
    }};
}

impl Mutation for CreateScheduleInputBuilder {
    type Output = CreateScheduleOutput;

    fn call(&self) -> Call {
        Call::CreateSchedule
    }

    fn to_json(&self) -> Value {
        put_as_json!(self)
    }

    fn from_json(_: Call, json: &Value) -> Self {
        put_from_json!(CreateScheduleInput::builder(), json)
    }

    fn happen(&self, world: &mut World, _: Duration) -> Result<Self::Output, ApiError> {
        let call = Call::CreateSchedule;
        trusted(call, world)?;
        let schedule = Schedule::new(
            call,
            self.get_schedule_expression().as_ref(),
            self.get_action_after_completion().as_ref(),
            self.get_target().as_ref(),
        )?;
        let name = self.get_name().clone().unwrap_or_default();
        if world.schedules.contains_key(&name) {
            let message = format!("Schedule {name} already exists.");
            let kind = ErrorKind::Conflict;
            return Err(answer(call, kind, "ConflictException", &message));
        }
        let made = CreateScheduleOutput::builder().schedule_arn(arn(&name));
        world.schedules.insert(name, schedule);
        made.build()
            .map_err(|error| invalid(call, &error.to_string()))
    }
}

impl Mutation for UpdateScheduleInputBuilder {
    type Output = UpdateScheduleOutput;

    fn call(&self) -> Call {
        Call::UpdateSchedule
    }

    fn to_json(&self) -> Value {
        put_as_json!(self)
    }

    fn from_json(_: Call, json: &Value) -> Self {
        put_from_json!(UpdateScheduleInput::builder(), json)
    }

    fn happen(&self, world: &mut World, _: Duration) -> Result<Self::Output, ApiError> {
        let call = Call::UpdateSchedule;
        trusted(call, world)?;
        let schedule = Schedule::new(
            call,
            self.get_schedule_expression().as_ref(),
            self.get_action_after_completion().as_ref(),
            self.get_target().as_ref(),
        )?;
        let name = self.get_name().clone().unwrap_or_default();
        let there = world.schedules.get_mut(&name);
        *there.ok_or_else(|| not_there(call, &name))? = schedule;
        UpdateScheduleOutput::builder()
            .schedule_arn(arn(&name))
            .build()
            .map_err(|error| invalid(call, &error.to_string()))
    }
}

impl Mutation for DeleteScheduleInputBuilder {
    type Output = DeleteScheduleOutput;

    fn call(&self) -> Call {
        Call::DeleteSchedule
    }

    fn to_json(&self) -> Value {
        json!({ "Name": self.get_name() })
    }

    fn from_json(_: Call, json: &Value) -> Self {
        DeleteScheduleInput::builder().set_name(string(json, "Name"))
    }

    fn happen(&self, world: &mut World, _: Duration) -> Result<Self::Output, ApiError> {
        let name = self.get_name().clone().unwrap_or_default();
        let there = world.schedules.remove(&name);
        there.ok_or_else(|| not_there(Call::DeleteSchedule, &name))?;
        Ok(DeleteScheduleOutput::builder().build())
    }
}

fn target_as_json(target: &Target) -> Value {
    let retry = target.retry_policy.as_ref().map(|retry| {
        json!({
            "MaximumEventAgeInSeconds": retry.maximum_event_age_in_seconds,
            "MaximumRetryAttempts": retry.maximum_retry_attempts,
        })
    });
    json!({
        "Arn": target.arn,
        "RoleArn": target.role_arn,
        "Input": target.input,
        "RetryPolicy": retry,
    })
}

fn target(json: &Value) -> Option<Target> {
    let retry = json
        .get("RetryPolicy")
        .filter(|one| one.is_object())
        .map(|retry| {
            RetryPolicy::builder()
                .set_maximum_event_age_in_seconds(number(retry, "MaximumEventAgeInSeconds"))
                .set_maximum_retry_attempts(number(retry, "MaximumRetryAttempts"))
                .build()
        });
    let target = Target::builder()
        .set_arn(string(json, "Arn"))
        .set_role_arn(string(json, "RoleArn"))
        .set_input(string(json, "Input"))
        .set_retry_policy(retry);
    target.build().ok()
}

fn window(json: &Value) -> Option<FlexibleTimeWindow> {
    let mode = string(json.get("FlexibleTimeWindow")?, "Mode")?;
    let window = FlexibleTimeWindow::builder().mode(FlexibleTimeWindowMode::from(&*mode));
    window.build().ok()
}

/// Scheduler refuses a role that it could not assume.
fn trusted(call: Call, world: &World) -> Result<(), ApiError> {
    if world.schedule_role.trusts_scheduler() {
        return Ok(());
    }
    let message =
        "The execution role you provide must allow AWS EventBridge Scheduler to assume the role.";
    Err(invalid(call, message))
}

fn arn(name: &str) -> String {
    format!("arn:aws:scheduler:us-east-1:123456789012:schedule/default/{name}")
}

pub(in crate::aws::sim) fn not_there(call: Call, name: &str) -> ApiError {
    let message = format!("Schedule {name} does not exist.");
    answer(
        call,
        ErrorKind::NotFound,
        "ResourceNotFoundException",
        &message,
    )
}
