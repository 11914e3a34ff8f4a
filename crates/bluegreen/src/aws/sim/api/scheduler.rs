//! EventBridge Scheduler as the simulation answers it.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_scheduler::operation::{
    create_schedule::{CreateScheduleOutput, builders::CreateScheduleInputBuilder},
    delete_schedule::{DeleteScheduleOutput, builders::DeleteScheduleInputBuilder},
    get_schedule::{GetScheduleOutput, builders::GetScheduleInputBuilder},
    update_schedule::{UpdateScheduleOutput, builders::UpdateScheduleInputBuilder},
};
use jiff::tz::TimeZone;

use super::shared::Shared;
use crate::aws::{
    api::{ApiError, SchedulerApi},
    sim::{fault::Call, mutation::scheduler::not_there},
};

#[derive(Debug)]
pub(in crate::aws::sim) struct SimScheduler(pub(in crate::aws::sim) Arc<Shared>);

#[async_trait]
impl SchedulerApi for SimScheduler {
    async fn create_schedule(
        &self,
        input: CreateScheduleInputBuilder,
    ) -> Result<CreateScheduleOutput, ApiError> {
        self.0.change(input).await
    }

    async fn update_schedule(
        &self,
        input: UpdateScheduleInputBuilder,
    ) -> Result<UpdateScheduleOutput, ApiError> {
        self.0.change(input).await
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
                let at = schedule.at.to_zoned(TimeZone::UTC);
                Ok(GetScheduleOutput::builder()
                    .name(name)
                    .schedule_expression(format!("at({})", at.strftime("%Y-%m-%dT%H:%M:%S")))
                    .target(schedule.target.clone())
                    .build())
            })
            .await
    }

    async fn delete_schedule(
        &self,
        input: DeleteScheduleInputBuilder,
    ) -> Result<DeleteScheduleOutput, ApiError> {
        self.0.change(input).await
    }
}
