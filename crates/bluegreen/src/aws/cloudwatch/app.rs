//! The application's own metrics.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;

use super::query::{Series, count, read};
use crate::{
    aws::{Aws, api::CloudWatchApi},
    error::{Error, ErrorKind, Result},
    health::{Bucket, Counts, LatencySum, MetricSource, Tally},
    traffic::Sides,
};

/// Counts that the application publishes itself: `ErrorCount`, `SuccessCount` and
/// `RequestLatency` in milliseconds, with the dimension `Endpoint`.
///
/// One batched `GetMetricData` reads both sides.
///
/// An application that is dead publishes nothing, so without either count nothing is known. Where
/// one of the two is there, the other is zero.
#[derive(Debug, Clone)]
pub struct AppMetrics {
    api: Arc<dyn CloudWatchApi>,
    green: Place,
    blue: Option<Place>,
    period: Duration,
}

/// Where a side publishes.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
struct Place {
    namespace: String,
    endpoint: String,
}

/// What is read of each side, in this order.
const METRICS: [(&str, &str); 4] = [
    ("ErrorCount", "Sum"),
    ("SuccessCount", "Sum"),
    ("RequestLatency", "Sum"),
    ("RequestLatency", "SampleCount"),
];

impl AppMetrics {
    /// Green's counts, from its namespace and endpoint.
    #[must_use]
    pub fn new(aws: &Aws, namespace: impl Into<String>, endpoint: impl Into<String>) -> Self {
        Self {
            api: Arc::clone(&aws.cloudwatch),
            green: Place {
                namespace: namespace.into(),
                endpoint: endpoint.into(),
            },
            blue: None,
            period: Duration::from_secs(60),
        }
    }

    /// Adds blue's counts, so that a failure of both is not blamed on green.
    #[must_use]
    pub fn with_blue(mut self, namespace: impl Into<String>, endpoint: impl Into<String>) -> Self {
        self.blue = Some(Place {
            namespace: namespace.into(),
            endpoint: endpoint.into(),
        });
        self
    }

    /// How long a bucket is: 1, 5, 10 or 30 seconds for metrics of high resolution, else a
    /// multiple of 60. Default: a minute.
    ///
    /// # Errors
    ///
    /// `Invalid` for any other period; CloudWatch keeps no such data points.
    pub fn with_period(mut self, period: Duration) -> Result<Self> {
        let seconds = period.as_secs();
        let is_kept =
            matches!(seconds, 1 | 5 | 10 | 30) || (seconds > 0 && seconds.is_multiple_of(60));
        if period.subsec_nanos() != 0 || !is_kept {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!("read application metrics by {period:?}"),
            )
            .with_hint("give 1, 5, 10 or 30 seconds, or a multiple of 60"));
        }
        self.period = period;
        Ok(self)
    }

    fn series(&self) -> Vec<Series> {
        let places = [Some(&self.green), self.blue.as_ref()];
        let of = |place: &Place| {
            METRICS.map(|(name, statistic)| Series {
                namespace: place.namespace.clone(),
                name,
                dimensions: vec![("Endpoint", place.endpoint.clone())],
                statistic,
            })
        };
        places.into_iter().flatten().flat_map(of).collect()
    }
}

#[async_trait]
impl MetricSource for AppMetrics {
    fn period(&self) -> Duration {
        self.period
    }

    async fn read(&self, from: Timestamp, to: Timestamp) -> Result<Vec<Bucket>> {
        let values = read(&*self.api, &self.series(), self.period, (from, to)).await?;
        let starts: BTreeSet<Timestamp> = values
            .iter()
            .flat_map(|of_series| of_series.keys().copied())
            .collect();
        let (green, blue) = values.split_at(METRICS.len());
        let bucket = |start: Timestamp| {
            let mut bucket = Bucket::unknown(start, self.period);
            bucket.sides = Sides {
                green: counts(green, start),
                blue: match blue {
                    [] => Counts::default(),
                    blue => counts(blue, start),
                },
            };
            bucket
        };
        Ok(starts.into_iter().map(bucket).collect())
    }

    fn settings(&self) -> serde_json::Value {
        serde_json::json!({
            "metrics": "application",
            "green": self.green,
            "blue": self.blue,
            "period_seconds": self.period.as_secs(),
        })
    }
}

fn counts(values: &[BTreeMap<Timestamp, f64>], start: Timestamp) -> Counts {
    let of = |index: usize| count(&values[index], start);
    let (errors, successes) = (of(0), of(1));
    if errors.is_none() && successes.is_none() {
        return Counts::default();
    }
    let (errors, successes) = (errors.unwrap_or(0), successes.unwrap_or(0));
    let counts = Counts::of_requests(errors + successes).with_errors(Tally::exactly(errors));
    match (values[2].get(&start), of(3)) {
        (Some(sum_ms), Some(samples)) => counts.with_latency(LatencySum {
            sum_ms: *sum_ms,
            samples,
        }),
        _ => counts,
    }
}
