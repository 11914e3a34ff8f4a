//! CloudWatch as the simulation answers it.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use aws_sdk_cloudwatch::{
    operation::{
        describe_alarms::{DescribeAlarmsOutput, builders::DescribeAlarmsInputBuilder},
        get_metric_data::{GetMetricDataOutput, builders::GetMetricDataInputBuilder},
    },
    types::{
        AlarmType, CompositeAlarm, EvaluationState, LogAlarm, MessageData, MetricAlarm,
        MetricDataQuery, MetricDataResult, ScanBy, StateValue, StatusCode,
    },
};
use aws_smithy_types::DateTime;

use super::shared::Shared;
use crate::{
    aws::{
        api::{ApiError, CloudWatchApi},
        sim::{
            fault::{Call, answer},
            state::{
                alarm::{AlarmEvaluation, AlarmKind, AlarmState},
                metrics::Metric,
                series::Series,
                world::World,
            },
            time::SimClock,
        },
    },
    error::ErrorKind,
};

#[derive(Debug)]
pub(in crate::aws::sim) struct SimCloudWatch(pub(in crate::aws::sim) Arc<Shared>);

#[async_trait]
impl CloudWatchApi for SimCloudWatch {
    async fn get_metric_data(
        &self,
        input: GetMetricDataInputBuilder,
    ) -> Result<GetMetricDataOutput, ApiError> {
        self.0
            .serve(Call::GetMetricData, move |world, now| {
                get_metric_data(world, now, &input)
            })
            .await
    }

    async fn describe_alarms(
        &self,
        input: DescribeAlarmsInputBuilder,
    ) -> Result<DescribeAlarmsOutput, ApiError> {
        self.0
            .serve(Call::DescribeAlarms, move |world, now| {
                Ok(describe_alarms(world, now, &input))
            })
            .await
    }
}

/// One data point on its way into a page.
struct Point {
    query: usize,
    at: i64,
    value: f64,
}

fn get_metric_data(
    world: &mut World,
    now: Duration,
    input: &GetMetricDataInputBuilder,
) -> Result<GetMetricDataOutput, ApiError> {
    let invalid = |message: &str| {
        let call = Call::GetMetricData;
        answer(call, ErrorKind::Invalid, "ValidationError", message)
    };
    let queries = input
        .get_metric_data_queries()
        .as_deref()
        .unwrap_or_default();
    if queries.is_empty() || queries.len() > 500 {
        return Err(invalid("Give 1 to 500 queries"));
    }
    let start = input
        .get_start_time()
        .ok_or_else(|| invalid("StartTime is missing"))?;
    let end = input
        .get_end_time()
        .ok_or_else(|| invalid("EndTime is missing"))?;
    if start >= end {
        return Err(invalid("StartTime must be less than EndTime"));
    }
    let ago = SimClock::epoch().as_second() - start.secs();
    world.remember(u64::try_from(ago).unwrap_or_default());
    let ascending = *input.get_scan_by() == Some(ScanBy::TimestampAscending);
    let mut points = Vec::new();
    let mut refused = Vec::new();
    for (index, query) in queries.iter().enumerate() {
        match points_of(world, now, query, start.secs(), end.secs()) {
            Ok(mut of_query) => {
                of_query.sort_by_key(|(at, _)| if ascending { *at } else { -*at });
                let of_query = of_query.into_iter().map(|(at, value)| Point {
                    query: index,
                    at,
                    value,
                });
                points.extend(of_query);
            }
            Err(Refusal::Invalid(message)) => return Err(invalid(message)),
            Err(Refusal::Query(message)) => refused.push((index, message)),
        }
    }
    let size = input
        .get_max_datapoints()
        .and_then(|max| usize::try_from(max).ok())
        .unwrap_or(usize::MAX)
        .min(world.data_page_size)
        .max(1);
    let from = match input.get_next_token() {
        None => 0,
        Some(token) => token
            .strip_prefix("points-")
            .and_then(|n| n.parse::<usize>().ok())
            .filter(|from| *from < points.len())
            .ok_or_else(|| invalid("The token is invalid"))?,
    };
    let to = from.saturating_add(size).min(points.len());
    let more = to < points.len();
    let results = queries.iter().enumerate().map(|(index, query)| {
        let mut result = MetricDataResult::builder()
            .set_id(query.id.clone())
            .set_timestamps(Some(Vec::new()))
            .set_values(Some(Vec::new()));
        for point in points[from..to].iter().filter(|point| point.query == index) {
            result = result
                .timestamps(DateTime::from_secs(point.at))
                .values(point.value);
        }
        let refusal = refused.iter().find(|(refused, _)| *refused == index);
        let is_cut = points[to..].iter().any(|point| point.query == index);
        result = match refusal {
            Some((_, message)) => result.status_code(StatusCode::InternalError).messages(
                MessageData::builder()
                    .code("Unsupported")
                    .value(*message)
                    .build(),
            ),
            None if is_cut => result.status_code(StatusCode::PartialData),
            None => result.status_code(StatusCode::Complete),
        };
        result.build()
    });
    Ok(GetMetricDataOutput::builder()
        .set_metric_data_results(Some(results.collect()))
        .set_next_token(more.then(|| format!("points-{to}")))
        .build())
}

enum Refusal {
    /// The whole request is wrong.
    Invalid(&'static str),
    /// This query cannot be answered.
    Query(&'static str),
}

/// The data points of one query that CloudWatch shows at `now`, by epoch second.
fn points_of(
    world: &World,
    now: Duration,
    query: &MetricDataQuery,
    start: i64,
    end: i64,
) -> Result<Vec<(i64, f64)>, Refusal> {
    let Some(stat) = &query.metric_stat else {
        return Err(Refusal::Query("the simulation computes no expressions"));
    };
    let period = i64::from(stat.period.unwrap_or_default());
    let is_fine = matches!(period, 1 | 5 | 10 | 30);
    if !is_fine && (period <= 0 || period % 60 != 0) {
        return Err(Refusal::Invalid(
            "Period must be 1, 5, 10, 30 or a multiple of 60",
        ));
    }
    let Some(series) = stat.metric.as_ref().and_then(series_of) else {
        return Ok(Vec::new());
    };
    let is_app = matches!(
        series.metric,
        Metric::AppErrors | Metric::AppSuccesses | Metric::AppLatency
    );
    if stat.unit.is_some() || (is_fine && !is_app) {
        // Another unit, or a finer period than was published: no data, and no error.
        return Ok(Vec::new());
    }
    let epoch = SimClock::epoch().as_second();
    let mut points = Vec::new();
    let mut at = start - start.rem_euclid(period);
    while at < end {
        let name = stat.stat.as_deref().unwrap_or_default();
        let value = world.shown(series, name, (at - epoch, at + period - epoch), now);
        if let Some(value) = value {
            points.push((at, value));
        }
        at += period;
    }
    Ok(points)
}

fn series_of(metric: &aws_sdk_cloudwatch::types::Metric) -> Option<Series> {
    let dimensions = metric.dimensions().iter().map(|one| {
        let (name, value) = (one.name.as_deref(), one.value.as_deref());
        (name.unwrap_or_default(), value.unwrap_or_default())
    });
    let (namespace, name) = (metric.namespace.as_deref()?, metric.metric_name.as_deref()?);
    Series::of(namespace, name, dimensions.collect())
}

/// Without types only metric alarms are listed, as AWS does. Names that do not exist are ignored.
fn describe_alarms(
    world: &World,
    now: Duration,
    input: &DescribeAlarmsInputBuilder,
) -> DescribeAlarmsOutput {
    let wanted = input.get_alarm_names().as_deref().unwrap_or_default();
    let types = input.get_alarm_types().as_deref().unwrap_or_default();
    let is_listed = |kind: AlarmKind| match kind {
        AlarmKind::Metric => types.is_empty() || types.contains(&AlarmType::MetricAlarm),
        AlarmKind::Composite => types.contains(&AlarmType::CompositeAlarm),
        AlarmKind::Log => types.contains(&AlarmType::LogAlarm),
    };
    let rises = &world.rises.green;
    let mut output = DescribeAlarmsOutput::builder()
        .set_metric_alarms(Some(Vec::new()))
        .set_composite_alarms(Some(Vec::new()))
        .set_log_alarms(Some(Vec::new()));
    let alarms = world.alarms.iter();
    for alarm in alarms.filter(|alarm| {
        is_listed(alarm.kind) && (wanted.is_empty() || wanted.contains(&alarm.name))
    }) {
        let (state, reason) = match alarm.state(now, rises) {
            AlarmState::Alarm => (StateValue::Alarm, "Threshold Crossed"),
            AlarmState::Ok => (StateValue::Ok, "Threshold not crossed"),
            AlarmState::InsufficientData => (StateValue::InsufficientData, "Insufficient Data"),
        };
        let fails = alarm
            .fails
            .as_ref()
            .filter(|(_, when)| when.is_on(now, rises));
        let evaluation = fails.map(|(evaluation, _)| match evaluation {
            AlarmEvaluation::PartialData => EvaluationState::PartialData,
            AlarmEvaluation::Failure => EvaluationState::EvaluationFailure,
            AlarmEvaluation::Error => EvaluationState::EvaluationError,
        });
        output = match alarm.kind {
            AlarmKind::Metric => output.metric_alarms(
                MetricAlarm::builder()
                    .alarm_name(&alarm.name)
                    .state_value(state)
                    .state_reason(reason)
                    .set_evaluation_state(evaluation)
                    .build(),
            ),
            AlarmKind::Composite => output.composite_alarms(
                CompositeAlarm::builder()
                    .alarm_name(&alarm.name)
                    .state_value(state)
                    .state_reason(reason)
                    .build(),
            ),
            AlarmKind::Log => output.log_alarms(
                LogAlarm::builder()
                    .alarm_name(&alarm.name)
                    .state_value(state)
                    .state_reason(reason)
                    .set_evaluation_state(evaluation)
                    .build(),
            ),
        };
    }
    output.build()
}
