//! [`AlbMetrics`]: what the balancer counts.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    buckets::{self, count},
    query::{self, Query, Series},
    slow,
};
use crate::{
    aws::{
        Aws,
        alb::{LoadBalancerArn, TargetGroupArn},
    },
    error::{Error, ErrorKind, Result},
    health::{Bucket, Counts, LatencySum, MetricSource, Percentiles, Tally, Window},
    traffic::{Side, Sides},
};

/// Requests, errors and latencies of two target groups, as their Application Load Balancer
/// counts them
/// ([metrics](https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html)).
///
/// One [GetMetricData](https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html)
/// a look reads both groups; each metric is asked with the dimensions `LoadBalancer` and
/// `TargetGroup`, which are parts of the ARNs.
///
/// | count | from |
/// |---|---|
/// | requests | `RequestCount`, sum |
/// | errors | `HTTPCode_Target_5XX_Count`, sum |
/// | responses | `HTTPCode_Target_2XX_Count` to `5XX`, sums |
/// | slow requests | `TargetResponseTime`, sample count less `TC(:x)`, where `x` is blue's 90th percentile of the hour before |
/// | latency | `TargetResponseTime`, sum and sample count, seconds as milliseconds; up to the response's headers |
/// | connection errors | `TargetConnectionErrorCount`, sum |
/// | unhealthy routing | `UnhealthyRoutingRequestCount`, sum |
///
/// # What is absent
///
/// The balancer publishes most counters only if they are not zero. So in a bucket with
/// requests:
///
/// - an absent code counter is zero if the others account for all requests; otherwise the errors
///   are known only to be at most the requests that are not accounted for;
/// - absent connection errors and absent unhealthy routing are zero;
/// - absent latency is unknown.
///
/// An absent `RequestCount` means no data, and never zero requests, with one exception: if the
/// other group's count is there and this group has no datapoint at all, the balancer did publish,
/// and no request reached this group. That confirms a rollback; no judge passes green on it.
///
/// A read asks for 18 metrics, 20 with slow requests, which is what CloudWatch charges for; a [`MetricsGate`] reads at
/// most twice a minute.
///
/// [`MetricsGate`]: crate::health::MetricsGate
///
/// Errors that the balancer makes itself (502, 503, 504) carry no target group and are not
/// among these counts: [`Shortfall`](crate::health::Shortfall) sees them.
#[derive(Debug, Clone)]
pub struct AlbMetrics {
    aws: Aws,
    load_balancer: LoadBalancerArn,
    groups: Sides<TargetGroupArn>,
    period: Duration,
    has_percentiles: bool,
}

const NAMESPACE: &str = "AWS/ApplicationELB";
const RESPONSE_TIME: &str = "TargetResponseTime";
const SIDES: [Side; 2] = [Side::Blue, Side::Green];

/// The queries for each group: a name for the answer, the metric, the statistic.
const METRICS: [(&str, &str, &str); 9] = [
    ("requests", "RequestCount", "Sum"),
    ("codes_2xx", "HTTPCode_Target_2XX_Count", "Sum"),
    ("codes_3xx", "HTTPCode_Target_3XX_Count", "Sum"),
    ("codes_4xx", "HTTPCode_Target_4XX_Count", "Sum"),
    ("codes_5xx", "HTTPCode_Target_5XX_Count", "Sum"),
    ("latency_sum", "TargetResponseTime", "Sum"),
    ("latency_samples", "TargetResponseTime", "SampleCount"),
    ("connection_errors", "TargetConnectionErrorCount", "Sum"),
    ("unhealthy_routing", "UnhealthyRoutingRequestCount", "Sum"),
];

/// Further statistics that are asked for if the latencies are to be shown.
const PERCENTILES: [&str; 3] = ["p50", "p90", "p99"];

impl AlbMetrics {
    /// Reads two groups behind a load balancer, minute by minute.
    #[must_use]
    pub fn new(
        aws: &Aws,
        load_balancer: LoadBalancerArn,
        blue: TargetGroupArn,
        green: TargetGroupArn,
    ) -> Self {
        Self {
            aws: aws.clone(),
            load_balancer,
            groups: Sides { blue, green },
            period: Duration::from_secs(60),
            has_percentiles: false,
        }
    }

    /// Asks for the 50th, 90th and 99th percentile of the latencies, too, for display. That is six
    /// more metrics a call, which CloudWatch charges for
    /// ([pricing](https://aws.amazon.com/cloudwatch/pricing/)). Off by default.
    #[must_use]
    pub fn with_percentiles(mut self) -> Self {
        self.has_percentiles = true;
        self
    }

    /// Reads buckets of another length. Default: a minute, the shortest that the balancer
    /// publishes.
    ///
    /// # Errors
    ///
    /// `Invalid` if it is not a multiple of 60 s, or more than a day.
    pub fn with_period(mut self, period: Duration) -> Result<Self> {
        let seconds = period.as_secs();
        if period.subsec_nanos() != 0
            || !seconds.is_multiple_of(60)
            || !(60..=86_400).contains(&seconds)
        {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!("read metrics of a load balancer every {period:?}"),
            )
            .with_hint("choose a multiple of 60 s, at most a day"));
        }
        self.period = period;
        Ok(self)
    }

    fn queries(&self) -> Vec<Query> {
        let queries = SIDES
            .into_iter()
            .flat_map(|side| METRICS.map(|one| self.query(side, one)));
        queries.collect()
    }

    fn query(&self, side: Side, (id, metric, statistic): (&str, &str, &str)) -> Query {
        let balancer = self.load_balancer.dimension().to_owned();
        let group = self.groups.get(side).resource().to_owned();
        Query {
            id: format!("{side}_{id}"),
            namespace: NAMESPACE.to_owned(),
            metric: metric.to_owned(),
            dimensions: vec![
                ("LoadBalancer".to_owned(), balancer),
                ("TargetGroup".to_owned(), group),
            ],
            statistic: statistic.to_owned(),
        }
    }
}

#[async_trait]
impl MetricSource for AlbMetrics {
    fn period(&self) -> Duration {
        self.period
    }

    async fn read(&self, window: &Window) -> Result<Vec<Bucket>> {
        let mut queries = self.queries();
        if let Some(above) = window.slow_above {
            let at_most = slow::at_most(above.as_secs_f64());
            let metric = (slow::FAST, RESPONSE_TIME, at_most.as_str());
            queries.extend(SIDES.map(|side| self.query(side, metric)));
        }
        if self.has_percentiles {
            let of = |side| PERCENTILES.map(|p| self.query(side, (p, RESPONSE_TIME, p)));
            queries.extend(SIDES.into_iter().flat_map(of));
        }
        let Window { from, to, .. } = *window;
        let series = query::read(&self.aws, &queries, self.period, from, to).await?;
        Ok(buckets::of(&series, self.period, |start| {
            sides(&series, start)
        }))
    }

    fn ahead(&self, at: Timestamp) -> Option<SignedDuration> {
        self.aws.ahead(at)
    }

    async fn slow_above(&self, before: Timestamp) -> Result<Option<Duration>> {
        let query = self.query(Side::Blue, ("p90", RESPONSE_TIME, "p90"));
        let found = slow::threshold(&self.aws, query, before).await?;
        Ok(found.map(Duration::from_secs_f64))
    }

    fn settings(&self) -> Value {
        let mut settings = json!({
            "source": "alb",
            "load_balancer": self.load_balancer,
            "blue": self.groups.blue,
            "green": self.groups.green,
            "period_s": self.period.as_secs(),
        });
        if self.has_percentiles {
            settings["percentiles"] = json!(PERCENTILES);
        }
        settings
    }
}

fn sides(series: &BTreeMap<String, Series>, start: Timestamp) -> Sides<Counts> {
    let mut sides = Sides {
        blue: side(series, Side::Blue, start),
        green: side(series, Side::Green, start),
    };
    // The other side's count shows that the balancer has published this bucket.
    let has_requests = |counts: &Counts| counts.requests.is_some();
    if has_requests(&sides.blue) && sides.green.is_unknown() {
        sides.green = Counts::of_requests(0);
    } else if has_requests(&sides.green) && sides.blue.is_unknown() {
        sides.blue = Counts::of_requests(0);
    }
    sides
}

fn side(series: &BTreeMap<String, Series>, side: Side, start: Timestamp) -> Counts {
    let value = |id: &str| series.get(&format!("{side}_{id}"))?.get(&start).copied();
    let counted = |id: &str| value(id).map(count);
    let codes = ["codes_2xx", "codes_3xx", "codes_4xx", "codes_5xx"];
    let responses = codes
        .into_iter()
        .filter_map(counted)
        .reduce(u64::saturating_add);
    let latency = match (value("latency_sum"), counted("latency_samples")) {
        (Some(seconds), Some(samples)) => Some(LatencySum::new(seconds * 1e3, samples)),
        _ => None,
    };

    let percentile = |id: &str| value(id).map(|seconds| seconds * 1e3);
    let percentiles = PERCENTILES.map(percentile);
    let mut counts = Counts {
        percentiles: match percentiles {
            [Some(p50), Some(p90), Some(p99)] => Some(Percentiles::new(p50, p90, p99)),
            _ => None,
        },
        requests: counted("requests"),
        errors: counted("codes_5xx").map(Tally::exact),
        responses,
        connection_errors: counted("connection_errors"),
        unhealthy_routing: counted("unhealthy_routing"),
        latency,
        slow: latency.and_then(|latency| {
            slow::count(latency.samples, value(slow::FAST), responses.unwrap_or(0))
        }),
    };
    if let Some(requests) = counts.requests {
        let responses = responses.unwrap_or(0);
        let unaccounted = requests.saturating_sub(responses);
        counts.responses = Some(responses);
        counts.errors.get_or_insert(Tally::between(0, unaccounted));
        counts.connection_errors.get_or_insert(0);
        counts.unhealthy_routing.get_or_insert(0);
    }
    counts
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudwatch::types::StatusCode;

    use super::*;
    use crate::aws::{
        api::MockCloudWatchApi,
        cloudwatch::testing::{START, at, aws, page, result},
    };

    const BALANCER: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/chatbot-alb/50dc6c495c0c9188";
    const BLUE: &str =
        "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/flask/0123456789abcdef";
    const GREEN: &str =
        "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/fastapi/fedcba9876543210";

    fn metrics(api: MockCloudWatchApi) -> AlbMetrics {
        let group = |text: &str| text.parse().expect("an ARN");
        let balancer = BALANCER.parse().expect("an ARN");
        AlbMetrics::new(&aws(api), balancer, group(BLUE), group(GREEN))
    }

    /// Reads the first minute, in which only these metrics have a datapoint.
    async fn read(points: &[(&'static str, f64)]) -> Option<Sides<Counts>> {
        read_from(points, metrics).await
    }

    async fn read_from(
        points: &[(&'static str, f64)],
        metrics: fn(MockCloudWatchApi) -> AlbMetrics,
    ) -> Option<Sides<Counts>> {
        let points = points.to_vec();
        let mut api = MockCloudWatchApi::new();
        api.expect_get_metric_data()
            .times(1)
            .returning(move |input| {
                let queries = input.get_metric_data_queries().clone().expect("queries");
                let results = queries.iter().map(|query| {
                    let id = query.id().expect("an id");
                    let point = points
                        .iter()
                        .find(|(named, _)| *named == id)
                        .map(|(_, value)| (0, *value));
                    result(id, StatusCode::Complete, point.as_slice())
                });
                Ok(page(results.collect()))
            });
        let buckets = metrics(api)
            .read(&Window::new(at(0), at(60)))
            .await
            .expect("complete");
        assert!(buckets.len() <= 1);
        buckets.first().map(|bucket| {
            assert_eq!(
                (bucket.start, bucket.period),
                (at(0), Duration::from_secs(60))
            );
            bucket.sides
        })
    }

    #[tokio::test]
    async fn percentiles_come_only_where_they_were_asked_for_and_all_three_are_there() {
        let points = [
            ("green_requests", 100.0),
            ("green_p50", 0.1),
            ("green_p90", 0.25),
            ("green_p99", 1.5),
            ("blue_p50", 0.1),
        ];
        let of = |sides: Option<Sides<Counts>>| sides.expect("a minute").map(|c| c.percentiles);
        assert_eq!(of(read(&points).await), Sides::default());
        let asked = read_from(&points, |api| metrics(api).with_percentiles()).await;
        let spread = Percentiles::new(100.0, 250.0, 1_500.0);
        let wanted = Sides {
            blue: None,
            green: Some(spread),
        };
        assert_eq!(of(asked), wanted);
    }

    #[tokio::test]
    async fn one_call_asks_for_both_groups_by_the_suffixes_of_their_arns() {
        let mut api = MockCloudWatchApi::new();
        api.expect_get_metric_data().times(1).returning(|input| {
            assert_eq!(input.get_start_time().map(|at| at.secs()), Some(START));
            assert_eq!(input.get_end_time().map(|at| at.secs()), Some(START + 120));
            let queries = input.get_metric_data_queries().clone().expect("queries");
            let asked: Vec<String> = queries
                .iter()
                .map(|query| {
                    let stat = query.metric_stat().expect("a statistic");
                    assert_eq!((stat.period(), stat.unit()), (Some(60), None));
                    let metric = stat.metric().expect("a metric");
                    assert_eq!(metric.namespace(), Some("AWS/ApplicationELB"));
                    let dimensions = metric.dimensions().iter().map(|dimension| {
                        let (name, value) = (dimension.name(), dimension.value());
                        format!("{}={}", name.expect("a name"), value.expect("a value"))
                    });
                    let dimensions: Vec<String> = dimensions.collect();
                    assert_eq!(
                        dimensions[0],
                        "LoadBalancer=app/chatbot-alb/50dc6c495c0c9188"
                    );
                    let group = match query.id().expect("an id").split_once('_') {
                        Some(("blue", _)) => "TargetGroup=targetgroup/flask/0123456789abcdef",
                        _ => "TargetGroup=targetgroup/fastapi/fedcba9876543210",
                    };
                    assert_eq!(dimensions[1..], [group]);
                    let name = metric.metric_name().expect("a metric");
                    let statistic = stat.stat().expect("a statistic");
                    format!("{} {name} {statistic}", query.id().expect("an id"))
                })
                .collect();
            assert_eq!(asked.len(), 18);
            assert_eq!(
                asked[9..],
                [
                    "green_requests RequestCount Sum",
                    "green_codes_2xx HTTPCode_Target_2XX_Count Sum",
                    "green_codes_3xx HTTPCode_Target_3XX_Count Sum",
                    "green_codes_4xx HTTPCode_Target_4XX_Count Sum",
                    "green_codes_5xx HTTPCode_Target_5XX_Count Sum",
                    "green_latency_sum TargetResponseTime Sum",
                    "green_latency_samples TargetResponseTime SampleCount",
                    "green_connection_errors TargetConnectionErrorCount Sum",
                    "green_unhealthy_routing UnhealthyRoutingRequestCount Sum",
                ]
            );
            let results = queries
                .iter()
                .map(|query| result(query.id().expect("an id"), StatusCode::Complete, &[]));
            Ok(page(results.collect()))
        });
        let buckets = metrics(api)
            .read(&Window::new(at(0), at(120)))
            .await
            .expect("complete");
        assert!(buckets.is_empty(), "no datapoint, no bucket");
    }

    #[tokio::test]
    async fn counts_both_sides_and_makes_seconds_milliseconds() {
        let sides = read(&[
            ("blue_requests", 900.0),
            ("blue_codes_2xx", 890.0),
            ("blue_codes_3xx", 4.0),
            ("blue_codes_4xx", 3.0),
            ("blue_codes_5xx", 3.0),
            ("blue_latency_sum", 90.0),
            ("blue_latency_samples", 900.0),
            ("green_requests", 100.0),
            ("green_codes_2xx", 100.0),
        ])
        .await
        .expect("a bucket");
        let blue = sides.blue;
        assert_eq!((blue.requests, blue.responses), (Some(900), Some(900)));
        assert_eq!(blue.errors, Some(Tally::exact(3)));
        assert_eq!(blue.latency.and_then(LatencySum::mean_ms), Some(100.0));
        let green = sides.green;
        assert_eq!(green.errors, Some(Tally::exact(0)), "all are accounted for");
        assert_eq!(
            (green.connection_errors, green.unhealthy_routing),
            (Some(0), Some(0))
        );
        assert_eq!(green.latency, None);
    }

    #[tokio::test]
    async fn an_absent_error_count_is_at_most_what_is_unaccounted_for() {
        let sides = read(&[("green_requests", 100.0), ("green_codes_2xx", 93.0)]).await;
        let green = sides.expect("a bucket").green;
        assert_eq!(green.errors, Some(Tally::between(0, 7)));
        assert_eq!(green.responses, Some(93));

        let dead = read(&[("green_requests", 6.0), ("green_connection_errors", 18.0)]).await;
        let green = dead.expect("a bucket").green;
        assert_eq!(
            (green.responses, green.connection_errors),
            (Some(0), Some(18))
        );
        assert_eq!(green.errors, Some(Tally::between(0, 6)));
    }

    #[tokio::test]
    async fn p04_no_request_count_is_no_data_unless_the_other_group_has_one() {
        assert_eq!(read(&[]).await, None);
        let blue_only = read(&[("blue_requests", 1_000.0)]).await.expect("a bucket");
        assert_eq!(blue_only.green, Counts::of_requests(0));
        let green_only = read(&[("green_requests", 1_000.0)])
            .await
            .expect("a bucket");
        assert_eq!(green_only.blue.requests, Some(0));

        // If green publishes anything else, its count is merely late.
        let late = read(&[("blue_requests", 900.0), ("green_codes_2xx", 3.0)]).await;
        assert_eq!(late.expect("a bucket").green.requests, None);
        let alone = read(&[("green_codes_2xx", 3.0)]).await.expect("a bucket");
        assert_eq!((alone.green.requests, alone.green.errors), (None, None));
        assert!(alone.blue.is_unknown());
    }

    #[test]
    fn a_period_is_a_multiple_of_a_minute() {
        for (seconds, is_valid) in [
            (60, true),
            (300, true),
            (0, false),
            (30, false),
            (90, false),
        ] {
            let period =
                metrics(MockCloudWatchApi::new()).with_period(Duration::from_secs(seconds));
            assert_eq!(period.is_ok(), is_valid, "{seconds}");
        }
    }
}
