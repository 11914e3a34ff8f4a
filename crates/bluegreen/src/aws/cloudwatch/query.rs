//! One batched GetMetricData, read whole.

use std::{collections::BTreeMap, time::Duration};

use aws_sdk_cloudwatch::{
    operation::get_metric_data::GetMetricDataInput,
    types::{Dimension, Metric, MetricDataQuery, MetricStat, ScanBy, StatusCode},
};
use aws_smithy_types::DateTime;
use jiff::Timestamp;

use crate::{
    aws::api::CloudWatchApi,
    error::{Error, ErrorKind, Result},
};

/// A metric with its dimensions, and the statistic wanted of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Series {
    pub(super) namespace: String,
    pub(super) name: &'static str,
    pub(super) dimensions: Vec<(&'static str, String)>,
    pub(super) statistic: &'static str,
}

/// The values of each series, by the start of their period.
pub(super) type Values = Vec<BTreeMap<Timestamp, f64>>;

/// A page that never ends is an error, not a loop.
const MOST_PAGES: usize = 100;

/// Reads all `series` over `from..to` in one request, page by page.
///
/// The order of the values is not relied on, and a series that is not complete in the end makes
/// the read fail: half an answer must not look like a quiet service.
pub(super) async fn read(
    api: &dyn CloudWatchApi,
    series: &[Series],
    period: Duration,
    (from, to): (Timestamp, Timestamp),
) -> Result<Values> {
    let seconds = i32::try_from(period.as_secs()).unwrap_or(i32::MAX);
    let queries: Vec<MetricDataQuery> = series
        .iter()
        .enumerate()
        .map(|(index, series)| query(index, series, seconds))
        .collect();
    let mut values: Values = vec![BTreeMap::new(); series.len()];
    let mut complete = vec![false; series.len()];
    let mut token: Option<String> = None;
    for _ in 0..MOST_PAGES {
        let input = GetMetricDataInput::builder()
            .set_metric_data_queries(Some(queries.clone()))
            .start_time(DateTime::from_secs(from.as_second()))
            .end_time(DateTime::from_secs(to.as_second()))
            .scan_by(ScanBy::TimestampAscending)
            .set_next_token(token.clone());
        let output = api.get_metric_data(input).await.map_err(|error| {
            error.into_error(format!("read {} metrics from CloudWatch", series.len()))
        })?;
        for result in output.metric_data_results() {
            let index = result.id().and_then(index_of).filter(|i| *i < series.len());
            let Some(index) = index else { continue };
            check(&series[index], result.status_code(), || {
                let messages = result.messages().iter();
                messages
                    .filter_map(|m| m.value())
                    .collect::<Vec<_>>()
                    .join("; ")
            })?;
            complete[index] = result.status_code() == Some(&StatusCode::Complete);
            for (at, value) in result.timestamps().iter().zip(result.values()) {
                let at = Timestamp::from_second(at.secs());
                if let (Ok(at), true) = (at, value.is_finite()) {
                    values[index].insert(at, *value);
                }
            }
        }
        match output.next_token() {
            Some(next) if !next.is_empty() && token.as_deref() != Some(next) => {
                token = Some(next.to_owned());
            }
            _ => {
                return match complete.iter().position(|complete| !complete) {
                    None => Ok(values),
                    Some(index) => Err(unavailable(&series[index], "came only in part")),
                };
            }
        }
    }
    Err(unavailable(&series[0], "has more pages than can be"))
}

fn query(index: usize, series: &Series, period: i32) -> MetricDataQuery {
    let dimensions = series
        .dimensions
        .iter()
        .map(|(name, value)| Dimension::builder().name(*name).value(value).build());
    let metric = Metric::builder()
        .namespace(&series.namespace)
        .metric_name(series.name)
        .set_dimensions(Some(dimensions.collect()))
        .build();
    let stat = MetricStat::builder()
        .metric(metric)
        .period(period)
        .stat(series.statistic)
        .build();
    MetricDataQuery::builder()
        .id(format!("m{index}"))
        .metric_stat(stat)
        .return_data(true)
        .build()
}

fn index_of(id: &str) -> Option<usize> {
    id.strip_prefix('m')?.parse().ok()
}

/// Whether what AWS says of a series can be used at all.
fn check(
    series: &Series,
    status: Option<&StatusCode>,
    messages: impl Fn() -> String,
) -> Result<()> {
    match status {
        Some(StatusCode::Complete | StatusCode::PartialData) => Ok(()),
        Some(StatusCode::Forbidden) => Err(Error::new(
            ErrorKind::Denied,
            format!(
                "read metric {} of {}: {}",
                series.name,
                series.namespace,
                messages()
            ),
        )
        .with_hint("allow cloudwatch:GetMetricData for the credentials in use")),
        status => {
            let status = status.map_or("no status", StatusCode::as_str);
            Err(unavailable(
                series,
                &format!("was answered {status}: {}", messages()),
            ))
        }
    }
}

fn unavailable(series: &Series, what: &str) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        format!("metric {} of {} {what}", series.name, series.namespace),
    )
}

/// A count, as CloudWatch gives it: a float that is whole.
pub(super) fn count(values: &BTreeMap<Timestamp, f64>, at: Timestamp) -> Option<u64> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a sum of counts; saturates where it is not"
    )]
    values.get(&at).map(|value| value.round() as u64)
}
