//! Application Auto Scaling.

use std::fmt;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_applicationautoscaling::{
    Client,
    config::Builder,
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
    last_check::LastCheck,
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
        let client = |config: &SdkConfig| {
            let config = Builder::from(config);
            let mut config = config.interceptor(to.reader.clone()).interceptor(LastCheck);
            config.set_endpoint_url(endpoint.map(|one| one.as_str().to_owned()));
            Client::from_conf(config.build())
        };
        Self {
            reads: client(to.reads),
            mutations: client(to.mutations),
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
