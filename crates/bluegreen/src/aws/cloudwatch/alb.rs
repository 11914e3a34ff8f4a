//! The load balancer's own metrics, per target group.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;

use super::query::{Series, count, read};
use crate::{
    aws::{
        Aws,
        alb::{LoadBalancerArn, TargetGroupArn},
        api::CloudWatchApi,
    },
    error::{Error, ErrorKind, Result},
    health::{Bucket, Counts, LatencySum, MetricSource, Tally},
    traffic::{Side, Sides},
};

/// Counts from `AWS/ApplicationELB`, per target group, published every minute
/// ([metrics](https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html)).
///
/// One batched `GetMetricData` reads both sides.
///
/// # What absence means
///
/// The balancer publishes a count only when it is not zero, and nothing at all without traffic.
/// So without `RequestCount` of either side nothing is known; a side without it, while the other
/// has it, got no request. A missing count of a status class is zero where the other classes
/// account for all requests; else it lies between zero and what they leave unexplained.
#[derive(Debug, Clone)]
pub struct AlbMetrics {
    api: Arc<dyn CloudWatchApi>,
    balancer: LoadBalancerArn,
    groups: Sides<TargetGroupArn>,
    period: Duration,
}

const NAMESPACE: &str = "AWS/ApplicationELB";
/// What is read of each side, in this order.
const METRICS: [(&str, &str); 8] = [
    ("RequestCount", "Sum"),
    ("HTTPCode_Target_2XX_Count", "Sum"),
    ("HTTPCode_Target_3XX_Count", "Sum"),
    ("HTTPCode_Target_4XX_Count", "Sum"),
    ("HTTPCode_Target_5XX_Count", "Sum"),
    ("TargetConnectionErrorCount", "Sum"),
    ("TargetResponseTime", "Sum"),
    ("TargetResponseTime", "SampleCount"),
];

impl AlbMetrics {
    /// Counts of blue and green behind a load balancer.
    #[must_use]
    pub fn new(
        aws: &Aws,
        balancer: LoadBalancerArn,
        blue: TargetGroupArn,
        green: TargetGroupArn,
    ) -> Self {
        Self {
            api: Arc::clone(&aws.cloudwatch),
            balancer,
            groups: Sides { blue, green },
            period: Duration::from_secs(60),
        }
    }

    /// How long a bucket is: a multiple of a minute. Default: a minute, the finest there is.
    ///
    /// # Errors
    ///
    /// `Invalid` for any other period.
    pub fn with_period(mut self, period: Duration) -> Result<Self> {
        let is_whole = period.subsec_nanos() == 0 && period.as_secs().is_multiple_of(60);
        if !is_whole || period.is_zero() {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!("read load balancer metrics by {period:?}"),
            )
            .with_hint("they come by the minute: give a multiple of 60 seconds"));
        }
        self.period = period;
        Ok(self)
    }

    fn series(&self) -> Vec<Series> {
        let of = |side: Side| {
            METRICS.map(|(name, statistic)| Series {
                namespace: NAMESPACE.to_owned(),
                name,
                dimensions: vec![
                    ("LoadBalancer", self.balancer.dimension().to_owned()),
                    ("TargetGroup", self.groups.get(side).resource().to_owned()),
                ],
                statistic,
            })
        };
        [of(Side::Blue), of(Side::Green)].concat()
    }
}

#[async_trait]
impl MetricSource for AlbMetrics {
    fn period(&self) -> Duration {
        self.period
    }

    async fn read(&self, from: Timestamp, to: Timestamp) -> Result<Vec<Bucket>> {
        let values = read(&*self.api, &self.series(), self.period, (from, to)).await?;
        let starts: BTreeSet<Timestamp> = values
            .iter()
            .flat_map(|of_series| of_series.keys().copied())
            .collect();
        let bucket = |start: Timestamp| {
            let (blue, green) = values.split_at(METRICS.len());
            let mut bucket = Bucket::unknown(start, self.period);
            let mut sides = Sides {
                blue: counts(blue, start),
                green: counts(green, start),
            };
            // The balancer had traffic, so a side that shows none got none.
            if sides.blue.requests.is_some() || sides.green.requests.is_some() {
                for side in [Side::Blue, Side::Green] {
                    let counts = sides.get_mut(side);
                    if counts.requests.is_none() {
                        *counts = Counts::of_requests(0);
                    }
                }
            }
            bucket.sides = sides;
            bucket
        };
        Ok(starts.into_iter().map(bucket).collect())
    }

    fn settings(&self) -> serde_json::Value {
        serde_json::json!({
            "metrics": NAMESPACE,
            "load_balancer": self.balancer,
            "blue": self.groups.blue,
            "green": self.groups.green,
            "period_seconds": self.period.as_secs(),
        })
    }
}

/// One side's counts of the bucket that begins at `start`.
fn counts(values: &[std::collections::BTreeMap<Timestamp, f64>], start: Timestamp) -> Counts {
    let of = |index: usize| count(&values[index], start);
    let Some(requests) = of(0) else {
        return Counts::default();
    };
    let classes = [of(1), of(2), of(3), of(4)];
    let answered: u64 = classes.iter().flatten().sum();
    let unexplained = requests.saturating_sub(answered);
    let errors = match of(4) {
        Some(errors) => Tally::exactly(errors),
        None => Tally::up_to(unexplained),
    };
    let mut counts = Counts::of_requests(requests)
        .with_errors(errors)
        .with_responses(answered)
        .with_connection_errors(of(5).unwrap_or(0));
    let sum_ms = values[6].get(&start).map(|seconds| seconds * 1000.0);
    if let (Some(sum_ms), Some(samples)) = (sum_ms, of(7)) {
        counts = counts.with_latency(LatencySum { sum_ms, samples });
    }
    counts
}
