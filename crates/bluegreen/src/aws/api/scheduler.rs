//! EventBridge Scheduler.

use std::fmt;

use async_trait::async_trait;
use aws_sdk_scheduler::{
    Client,
    operation::{
        create_schedule::{CreateScheduleOutput, builders::CreateScheduleInputBuilder},
        delete_schedule::{DeleteScheduleOutput, builders::DeleteScheduleInputBuilder},
        get_schedule::{GetScheduleOutput, builders::GetScheduleInputBuilder},
        update_schedule::{UpdateScheduleOutput, builders::UpdateScheduleInputBuilder},
    },
};

use super::{
    Clients,
    error::{ApiError, Effect},
};
use crate::aws::endpoints::Endpoint;

#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub(crate) trait SchedulerApi: fmt::Debug + Send + Sync {
    async fn create_schedule(
        &self,
        input: CreateScheduleInputBuilder,
    ) -> Result<CreateScheduleOutput, ApiError>;

    async fn update_schedule(
        &self,
        input: UpdateScheduleInputBuilder,
    ) -> Result<UpdateScheduleOutput, ApiError>;

    async fn get_schedule(
        &self,
        input: GetScheduleInputBuilder,
    ) -> Result<GetScheduleOutput, ApiError>;

    async fn delete_schedule(
        &self,
        input: DeleteScheduleInputBuilder,
    ) -> Result<DeleteScheduleOutput, ApiError>;
}

/// The real service.
#[derive(Debug)]
pub(crate) struct RealScheduler {
    reads: Client,
    mutations: Client,
}

impl RealScheduler {
    pub(crate) fn new(to: Clients<'_>, endpoint: Option<&Endpoint>) -> Self {
        Self {
            reads: client!(aws_sdk_scheduler, to, to.reads, endpoint),
            mutations: client!(aws_sdk_scheduler, to, to.mutations, endpoint),
        }
    }
}

#[async_trait]
impl SchedulerApi for RealScheduler {
    async fn create_schedule(
        &self,
        input: CreateScheduleInputBuilder,
    ) -> Result<CreateScheduleOutput, ApiError> {
        let sent = input.send_with(&self.mutations).await;
        sent.map_err(|error| ApiError::from_sdk("CreateSchedule", Effect::Mutation, error))
    }

    async fn update_schedule(
        &self,
        input: UpdateScheduleInputBuilder,
    ) -> Result<UpdateScheduleOutput, ApiError> {
        let sent = input.send_with(&self.mutations).await;
        sent.map_err(|error| ApiError::from_sdk("UpdateSchedule", Effect::Mutation, error))
    }

    async fn get_schedule(
        &self,
        input: GetScheduleInputBuilder,
    ) -> Result<GetScheduleOutput, ApiError> {
        let sent = input.send_with(&self.reads).await;
        sent.map_err(|error| ApiError::from_sdk("GetSchedule", Effect::Read, error))
    }

    async fn delete_schedule(
        &self,
        input: DeleteScheduleInputBuilder,
    ) -> Result<DeleteScheduleOutput, ApiError> {
        let sent = input.send_with(&self.mutations).await;
        sent.map_err(|error| ApiError::from_sdk("DeleteSchedule", Effect::Mutation, error))
    }
}
