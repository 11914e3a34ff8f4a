//! [`CloudWatchGate`]: the usual gate over metrics in CloudWatch.

use async_trait::async_trait;
use serde_json::Value;

use super::{AlbMetrics, AppMetrics};
use crate::{
    error::Result,
    health::{
        ConnectionErrors, HealthGate, Judge, JudgeFactory, Limits, Look, MetricSource, MetricsGate,
        Observation, Shortfall, UnhealthyRouting,
    },
};

/// A [`MetricsGate`] over CloudWatch with the judges that usually belong to it.
///
/// For other judges make a [`MetricsGate`] over [`AlbMetrics`] or [`AppMetrics`] directly.
///
/// # False alarms
///
/// Each judge has an alpha of its own, and the probability that a green within all limits is
/// called unhealthy over a whole migration is at most their sum: with the defaults 1 % by
/// [`Limits`] and 0.1 % by each of two tripwires, as long as requests fail independently within a
/// minute. Mean latency and [`Shortfall`] are floors without such a bound.
#[derive(Debug)]
#[must_use]
pub struct CloudWatchGate {
    gate: MetricsGate<Box<dyn MetricSource>>,
}

impl CloudWatchGate {
    /// Watches a load balancer's own metrics: `limits`, and [`ConnectionErrors`],
    /// [`UnhealthyRouting`] and [`Shortfall`] with their defaults, since a green that is dead has
    /// no errors of its own.
    pub fn alb(metrics: AlbMetrics, limits: Limits) -> Self {
        Self::over(metrics)
            .with_judge("limits", limits)
            .with_judge("connections", ConnectionErrors::default())
            .with_judge("routing", UnhealthyRouting::default())
            .with_judge("shortfall", Shortfall::default())
    }

    /// Watches the metrics that the applications publish: `limits` alone.
    pub fn app(metrics: AppMetrics, limits: Limits) -> Self {
        Self::over(metrics).with_judge("limits", limits)
    }

    /// Adds a judge.
    pub fn with_judge(
        mut self,
        name: impl Into<String>,
        judge: impl JudgeFactory + 'static,
    ) -> Self {
        self.gate = self.gate.with_judge(name, judge);
        self
    }

    /// Takes the plan's warm-up after the first shift alone: see [`MetricsGate::warming_once`].
    pub fn warming_once(mut self) -> Self {
        self.gate = self.gate.warming_once();
        self
    }

    fn over(source: impl MetricSource + 'static) -> Self {
        Self {
            gate: MetricsGate::new(Box::new(source)),
        }
    }
}

#[async_trait]
impl HealthGate for CloudWatchGate {
    async fn observe(&self, look: &Look) -> Result<Option<Observation>> {
        self.gate.observe(look).await
    }

    fn judge(&self) -> Box<dyn Judge> {
        self.gate.judge()
    }

    fn settings(&self) -> Value {
        self.gate.settings()
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudwatch::types::StatusCode;

    use super::*;
    use crate::{
        aws::{
            api::MockCloudWatchApi,
            cloudwatch::testing::{START, at, aws, page, result},
        },
        health::{Phase, Progress},
        traffic::Percent,
    };

    /// Green answers every request within 80 ms.
    fn metrics() -> AlbMetrics {
        let mut api = MockCloudWatchApi::new();
        api.expect_get_metric_data().returning(|input| {
            let from = input.get_start_time().expect("a start").secs() - START;
            let to = input.get_end_time().expect("an end").secs() - START;
            let queries = input.get_metric_data_queries().clone().expect("queries");
            let results = queries.iter().map(|query| {
                let id = query.id().expect("an id");
                let value = match id.split_once('_').expect("a side").1 {
                    "requests" | "codes_2xx" | "latency_samples" => Some(100.0),
                    "latency_sum" => Some(8.0),
                    _ => None,
                };
                // Newest first, as the service does unless it is asked otherwise.
                let minutes = (from / 60..to / 60).rev().map(|minute| minute * 60);
                let points: Vec<_> = minutes.filter_map(|at| Some((at, value?))).collect();
                result(id, StatusCode::Complete, &points)
            });
            Ok(page(results.collect()))
        });
        let arn = |kind: &str| {
            format!("arn:aws:elasticloadbalancing:us-east-1:123456789012:{kind}/0123456789abcdef")
        };
        let balancer = arn("loadbalancer/app/web").parse().expect("an ARN");
        let group = |name: &str| arn(&format!("targetgroup/{name}")).parse().expect("an ARN");
        AlbMetrics::new(&aws(api), balancer, group("blue"), group("green"))
    }

    #[tokio::test]
    async fn a_green_that_serves_is_healthy_by_all_four_judges() {
        let gate = CloudWatchGate::alb(metrics(), Limits::default());
        let mut judge = gate.judge();
        let mut last = None;
        let mut statuses = Vec::new();
        for second in (0..=240).step_by(15) {
            let ten = Percent::from_whole(10).expect("a percent");
            let progress = Progress::new(at(second), Phase::Step(0), ten, at(0));
            let mut look = Look::new(progress);
            look.last = last.clone();
            if let Some(seen) = gate.observe(&look).await.expect("reads") {
                let verdict = judge.take(&seen, &progress);
                statuses.push((second, verdict.status()));
                assert_eq!(verdict.evidence().parts.len(), 4);
                assert!(verdict.evidence().traffic.is_some());
                last = Some(seen);
            }
        }
        // The minutes before the shift settle first and are inconclusive.
        let expected = [
            (30, "inconclusive"),
            (90, "inconclusive"),
            (150, "healthy"),
            (210, "healthy"),
        ];
        assert_eq!(statuses, expected);
    }
}
