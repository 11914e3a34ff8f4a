//! Helpers that the tests of this folder share.

use std::sync::Arc;

use aws_sdk_cloudwatch::{
    operation::get_metric_data::GetMetricDataOutput,
    types::{MetricDataResult, StatusCode},
};
use aws_smithy_types::DateTime;
use jiff::Timestamp;

use crate::aws::{Aws, Parts, api::MockCloudWatchApi};

pub(super) const START: i64 = 1_800_000_000;

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(START + second).expect("in range")
}

pub(super) fn aws(cloudwatch: MockCloudWatchApi) -> Aws {
    let parts = Parts {
        cloudwatch: Arc::new(cloudwatch),
        ..Parts::untouched()
    };
    Aws::from_parts(parts, None)
}

/// An answer to one query, with datapoints at these seconds.
pub(super) fn result(id: &str, status: StatusCode, points: &[(i64, f64)]) -> MetricDataResult {
    let times = points
        .iter()
        .map(|(second, _)| DateTime::from_secs(START + second));
    MetricDataResult::builder()
        .id(id)
        .status_code(status)
        .set_timestamps(Some(times.collect()))
        .set_values(Some(points.iter().map(|(_, value)| *value).collect()))
        .build()
}

/// A page without a token.
pub(super) fn page(results: Vec<MetricDataResult>) -> GetMetricDataOutput {
    GetMetricDataOutput::builder()
        .set_metric_data_results(Some(results))
        .build()
}
