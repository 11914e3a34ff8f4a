//! Application Auto Scaling.

use std::fmt;

use async_trait::async_trait;
use aws_sdk_applicationautoscaling::{
    Client,
    operation::{
        describe_scalable_targets::{
            DescribeScalableTargetsOutput, builders::DescribeScalableTargetsInputBuilder,
        },
        register_scalable_target::{
            RegisterScalableTargetOutput, builders::RegisterScalableTargetInputBuilder,
        },
    },
};

use super::{
    Clients,
    error::{ApiError, Effect},
};
use crate::aws::endpoints::Endpoint;

#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub(crate) trait ScalingApi: fmt::Debug + Send + Sync {
    async fn describe_scalable_targets(
        &self,
        input: DescribeScalableTargetsInputBuilder,
    ) -> Result<DescribeScalableTargetsOutput, ApiError>;

    async fn register_scalable_target(
        &self,
        input: RegisterScalableTargetInputBuilder,
    ) -> Result<RegisterScalableTargetOutput, ApiError>;
}

/// The real service.
#[derive(Debug)]
pub(crate) struct RealScaling {
    reads: Client,
    mutations: Client,
}

impl RealScaling {
    pub(crate) fn new(to: Clients<'_>, endpoint: Option<&Endpoint>) -> Self {
        Self {
            reads: client!(aws_sdk_applicationautoscaling, to, to.reads, endpoint),
            mutations: client!(aws_sdk_applicationautoscaling, to, to.mutations, endpoint),
        }
    }
}

#[async_trait]
impl ScalingApi for RealScaling {
    async fn describe_scalable_targets(
        &self,
        input: DescribeScalableTargetsInputBuilder,
    ) -> Result<DescribeScalableTargetsOutput, ApiError> {
        let sent = input.send_with(&self.reads).await;
        sent.map_err(|error| ApiError::from_sdk("DescribeScalableTargets", Effect::Read, error))
    }

    async fn register_scalable_target(
        &self,
        input: RegisterScalableTargetInputBuilder,
    ) -> Result<RegisterScalableTargetOutput, ApiError> {
        let sent = input.send_with(&self.mutations).await;
        sent.map_err(|error| ApiError::from_sdk("RegisterScalableTarget", Effect::Mutation, error))
    }
}
