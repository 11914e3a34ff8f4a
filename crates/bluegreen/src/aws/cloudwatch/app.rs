//! [`AppMetrics`]: what the applications themselves publish.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    buckets::{self, count},
    query::{self, Query, Series},
    slow,
};
use crate::{
    aws::Aws,
    error::{Error, ErrorKind, Result},
    health::{Bucket, Counts, LatencySum, MetricSource, Tally, Window},
    traffic::{Side, Sides},
};

/// The place at which one application publishes its metrics: a namespace and dimensions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[must_use]
pub struct AppNamespace {
    namespace: String,
    dimensions: Vec<(String, String)>,
}

impl AppNamespace {
    /// A namespace without dimensions. CloudWatch finds a metric only by exactly the dimensions
    /// under which it is published.
    pub fn new(namespace: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            dimensions: Vec::new(),
        }
    }

    /// Adds a dimension.
    pub fn with_dimension(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.dimensions.push((name.into(), value.into()));
        self
    }

    /// Adds the dimension `Endpoint`.
    pub fn with_endpoint(self, endpoint: impl Into<String>) -> Self {
        self.with_dimension("Endpoint", endpoint)
    }
}

/// Successes, errors and latencies that the applications publish of one of their endpoints.
///
/// One [GetMetricData](https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html)
/// a look reads both sides: `SuccessCount` and `ErrorCount` as sums, `RequestLatency` in
/// milliseconds as sum and sample count. Requests are successes plus errors.
///
/// # What is absent
///
/// If one of the two counters is there, the other's absence means zero. If both are absent, nothing
/// is known: an application that is dead publishes nothing at all. For the same reason these
/// metrics never say that *no* request came, and cannot confirm a rollback; put
/// [`AlbMetrics`](super::AlbMetrics) and target health beside them.
#[derive(Debug, Clone)]
pub struct AppMetrics {
    aws: Aws,
    blue: Option<AppNamespace>,
    green: AppNamespace,
    period: Duration,
}

/// The queries for each side: a name for the answer, the metric, the statistic.
const METRICS: [(&str, &str, &str); 4] = [
    ("successes", "SuccessCount", "Sum"),
    ("errors", "ErrorCount", "Sum"),
    ("latency_sum", "RequestLatency", "Sum"),
    ("latency_samples", "RequestLatency", "SampleCount"),
];

impl AppMetrics {
    /// Reads green alone, minute by minute.
    #[must_use]
    pub fn new(aws: &Aws, green: AppNamespace) -> Self {
        Self {
            aws: aws.clone(),
            blue: None,
            green,
            period: Duration::from_secs(60),
        }
    }

    /// Reads blue too: then a fault that hurts both is not blamed on green.
    #[must_use]
    pub fn with_blue(mut self, blue: AppNamespace) -> Self {
        self.blue = Some(blue);
        self
    }

    /// Reads buckets of another length. Default: a minute.
    ///
    /// # Errors
    ///
    /// `Invalid` if it is none of the
    /// [periods](https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricStat.html)
    /// that CloudWatch knows: 1, 5, 10 or 30 s, which only find metrics of high resolution, or a
    /// multiple of 60 s up to a day.
    pub fn with_period(mut self, period: Duration) -> Result<Self> {
        let seconds = period.as_secs();
        let is_known =
            matches!(seconds, 1 | 5 | 10 | 30) || seconds > 0 && seconds.is_multiple_of(60);
        if period.subsec_nanos() != 0 || !is_known || seconds > 86_400 {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!("read metrics of {} every {period:?}", self.green.namespace),
            )
            .with_hint("choose 1, 5, 10, 30 or a multiple of 60 s, at most a day"));
        }
        self.period = period;
        Ok(self)
    }

    fn queries(&self) -> Vec<Query> {
        let queries = self
            .sides()
            .flat_map(|(side, app)| METRICS.map(|one| query_of(app, side, one)));
        queries.collect()
    }

    fn sides(&self) -> impl Iterator<Item = (Side, &AppNamespace)> {
        let sides = [
            (Side::Blue, self.blue.as_ref()),
            (Side::Green, Some(&self.green)),
        ];
        sides
            .into_iter()
            .filter_map(|(side, app)| Some((side, app?)))
    }
}

fn query_of(app: &AppNamespace, side: Side, (id, metric, statistic): (&str, &str, &str)) -> Query {
    Query {
        id: format!("{side}_{id}"),
        namespace: app.namespace.clone(),
        metric: metric.to_owned(),
        dimensions: app.dimensions.clone(),
        statistic: statistic.to_owned(),
    }
}

#[async_trait]
impl MetricSource for AppMetrics {
    fn period(&self) -> Duration {
        self.period
    }

    async fn read(&self, window: &Window) -> Result<Vec<Bucket>> {
        let mut queries = self.queries();
        if let Some(above) = window.slow_above {
            queries.extend(self.sides().map(|(side, app)| {
                let at_most = slow::at_most(above.as_secs_f64() * 1e3);
                query_of(app, side, (slow::FAST, "RequestLatency", &at_most))
            }));
        }
        let Window { from, to, .. } = *window;
        let series = query::read(&self.aws, &queries, self.period, from, to).await?;
        Ok(buckets::of(&series, self.period, |start| Sides {
            blue: side(&series, Side::Blue, start),
            green: side(&series, Side::Green, start),
        }))
    }

    fn ahead(&self, at: Timestamp) -> Option<SignedDuration> {
        self.aws.ahead(at)
    }

    async fn slow_above(&self, before: Timestamp) -> Result<Option<Duration>> {
        let Some(blue) = &self.blue else {
            return Ok(None);
        };
        let query = query_of(blue, Side::Blue, ("p90", "RequestLatency", "p90"));
        let found = slow::threshold(&self.aws, query, before).await?;
        Ok(found.map(|milliseconds| Duration::from_secs_f64(milliseconds / 1e3)))
    }

    fn settings(&self) -> Value {
        json!({
            "source": "app",
            "blue": self.blue,
            "green": self.green,
            "period_s": self.period.as_secs(),
        })
    }
}

fn side(series: &BTreeMap<String, Series>, side: Side, start: Timestamp) -> Counts {
    let value = |id: &str| series.get(&format!("{side}_{id}"))?.get(&start).copied();
    let counted = |id: &str| value(id).map(count);
    let mut counts = match (counted("successes"), counted("errors")) {
        (None, None) => Counts::default(),
        (successes, errors) => {
            let errors = errors.unwrap_or(0);
            let requests = successes.unwrap_or(0).saturating_add(errors);
            Counts::of_requests(requests).with_errors(Tally::exact(errors))
        }
    };
    if let (Some(sum), Some(samples)) = (value("latency_sum"), counted("latency_samples")) {
        counts = counts.with_latency(LatencySum::new(sum, samples));
        let responses = counts.requests.unwrap_or_default();
        counts.slow = slow::count(samples, value(slow::FAST), responses);
    }
    counts
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudwatch::types::StatusCode;

    use super::*;
    use crate::aws::{
        api::MockCloudWatchApi,
        cloudwatch::testing::{at, aws, page, result},
    };

    fn app(name: &str) -> AppNamespace {
        AppNamespace::new(name).with_endpoint("/chat")
    }

    async fn read(points: &[(&'static str, f64)]) -> Option<Sides<Counts>> {
        let points = points.to_vec();
        let mut api = MockCloudWatchApi::new();
        api.expect_get_metric_data()
            .times(1)
            .returning(move |input| {
                let queries = input.get_metric_data_queries().clone().expect("queries");
                assert_eq!(queries.len(), 8, "one call for both sides");
                let results = queries.iter().map(|query| {
                    let id = query.id().expect("an id");
                    let metric = query
                        .metric_stat()
                        .and_then(|stat| stat.metric())
                        .expect("a metric");
                    let namespace = if id.starts_with("blue") {
                        "Acme/Old"
                    } else {
                        "Acme/New"
                    };
                    assert_eq!(metric.namespace(), Some(namespace));
                    let [dimension] = metric.dimensions() else {
                        panic!("one dimension");
                    };
                    assert_eq!(
                        (dimension.name(), dimension.value()),
                        (Some("Endpoint"), Some("/chat"))
                    );
                    let point = points
                        .iter()
                        .find(|(named, _)| *named == id)
                        .map(|(_, value)| (0, *value));
                    result(id, StatusCode::Complete, point.as_slice())
                });
                Ok(page(results.collect()))
            });
        let metrics = AppMetrics::new(&aws(api), app("Acme/New")).with_blue(app("Acme/Old"));
        let buckets = metrics
            .read(&Window::new(at(0), at(60)))
            .await
            .expect("complete");
        buckets.first().map(|bucket| bucket.sides)
    }

    #[tokio::test]
    async fn requests_are_successes_plus_errors() {
        let sides = read(&[
            ("blue_successes", 90.0),
            ("green_successes", 7.0),
            ("green_errors", 3.0),
            ("green_latency_sum", 800.0),
            ("green_latency_samples", 10.0),
        ])
        .await
        .expect("a bucket");
        assert_eq!(sides.blue, Counts::of(90, 0));
        let green = Counts::of(10, 3).with_latency(LatencySum::new(800.0, 10));
        assert_eq!(sides.green, green);
    }

    #[tokio::test]
    async fn errors_alone_are_all_requests_and_silence_is_unknown() {
        let sides = read(&[("green_errors", 3.0)]).await.expect("a bucket");
        assert_eq!(sides.green, Counts::of(3, 3));
        assert!(
            sides.blue.is_unknown(),
            "a dead application publishes nothing"
        );
        assert_eq!(read(&[]).await, None);
    }

    #[test]
    fn a_period_is_one_that_cloudwatch_knows() {
        let cases = [
            (1, true),
            (5, true),
            (10, true),
            (30, true),
            (60, true),
            (600, true),
        ];
        let wrong = [
            (0, false),
            (2, false),
            (20, false),
            (90, false),
            (172_800, false),
        ];
        for (seconds, is_valid) in cases.into_iter().chain(wrong) {
            let metrics = AppMetrics::new(&aws(MockCloudWatchApi::new()), app("Acme/New"))
                .with_period(Duration::from_secs(seconds));
            assert_eq!(metrics.is_ok(), is_valid, "{seconds}");
        }
    }
}
