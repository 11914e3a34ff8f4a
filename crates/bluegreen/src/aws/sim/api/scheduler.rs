//! EventBridge Scheduler as the simulation answers it.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_scheduler::operation::{
    create_schedule::{CreateScheduleOutput, builders::CreateScheduleInputBuilder},
    delete_schedule::{DeleteScheduleOutput, builders::DeleteScheduleInputBuilder},
    get_schedule::{GetScheduleOutput, builders::GetScheduleInputBuilder},
    update_schedule::{UpdateScheduleOutput, builders::UpdateScheduleInputBuilder},
};

use super::shared::Shared;
use crate::{
    aws::{
        api::{ApiError, SchedulerApi},
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
                trusted(call, world)?;
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
                trusted(call, world)?;
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

/// Scheduler refuses a role that it could not take on.
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

fn not_there(call: Call, name: &str) -> ApiError {
    let message = format!("Schedule {name} does not exist.");
    answer(
        call,
        ErrorKind::NotFound,
        "ResourceNotFoundException",
        &message,
    )
}
