//! CloudWatch.

use std::fmt;

use async_trait::async_trait;
use aws_sdk_cloudwatch::{
    Client,
    operation::{
        describe_alarms::{DescribeAlarmsOutput, builders::DescribeAlarmsInputBuilder},
        get_metric_data::{GetMetricDataOutput, builders::GetMetricDataInputBuilder},
    },
};

use super::{
    Clients,
    error::{ApiError, Effect},
};
use crate::aws::endpoints::Endpoint;

#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub(crate) trait CloudWatchApi: fmt::Debug + Send + Sync {
    async fn get_metric_data(
        &self,
        input: GetMetricDataInputBuilder,
    ) -> Result<GetMetricDataOutput, ApiError>;

    async fn describe_alarms(
        &self,
        input: DescribeAlarmsInputBuilder,
    ) -> Result<DescribeAlarmsOutput, ApiError>;
}

/// The real service.
#[derive(Debug)]
pub(crate) struct RealCloudWatch {
    reads: Client,
}

impl RealCloudWatch {
    pub(crate) fn new(to: Clients<'_>, endpoint: Option<&Endpoint>) -> Self {
        Self {
            reads: client!(aws_sdk_cloudwatch, to, to.reads, endpoint),
        }
    }
}

#[async_trait]
impl CloudWatchApi for RealCloudWatch {
    async fn get_metric_data(
        &self,
        input: GetMetricDataInputBuilder,
    ) -> Result<GetMetricDataOutput, ApiError> {
        let sent = input.send_with(&self.reads).await;
        sent.map_err(|error| ApiError::from_sdk("GetMetricData", Effect::Read, error))
    }

    async fn describe_alarms(
        &self,
        input: DescribeAlarmsInputBuilder,
    ) -> Result<DescribeAlarmsOutput, ApiError> {
        let sent = input.send_with(&self.reads).await;
        sent.map_err(|error| ApiError::from_sdk("DescribeAlarms", Effect::Read, error))
    }
}
