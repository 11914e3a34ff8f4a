//! CloudWatch, over the binary protocol that the SDK speaks.
//!
//! The emulator has no pages (it answers everything at once), no metric math, no trimmed means (it
//! silently returns the average), and no metrics but those that a test publishes. These are tested
//! against the simulation and at the seam.

use aws_sdk_cloudwatch::{
    Client,
    primitives::DateTime,
    types::{
        ComparisonOperator, Dimension, Metric, MetricDataQuery, MetricDatum, MetricStat, Statistic,
        StatusCode,
    },
};
use bluegreen::{
    Aws, ErrorKind, HealthGate as _, Percent,
    aws::cloudwatch::{AlarmGate, AlbMetrics, AppMetrics, AppNamespace},
    clock::{Clock as _, SystemClock},
    health::{Look, MetricSource as _, Phase, Progress, Tally, Window},
};
use jiff::Timestamp;

use crate::harness::{self, Emulator, Endpoint};

const NAMESPACE: &str = "AWS/ApplicationELB";
const MINUTE: i64 = 60;

/// The metrics of a test's own load balancer: the name `balancer` keeps tests apart.
struct Metrics {
    raw: Client,
    aws: Aws,
    balancer: &'static str,
    _endpoint: Endpoint,
}

impl Metrics {
    fn new(balancer: &'static str) -> Option<Self> {
        let endpoint = harness::start(Emulator::Ministack)?;
        Some(Self {
            raw: Client::new(&endpoint.config),
            aws: Aws::from_config(&endpoint.config),
            balancer,
            _endpoint: endpoint,
        })
    }

    fn dimensions(&self, group: &str) -> Vec<Dimension> {
        [("LoadBalancer", self.balancer), ("TargetGroup", group)]
            .map(|(name, value)| Dimension::builder().name(name).value(value).build())
            .to_vec()
    }

    /// Publishes one count for the minute that starts at `at`.
    async fn put(&self, name: &str, group: &str, at: i64, value: f64) {
        let datum = MetricDatum::builder()
            .metric_name(name)
            .set_dimensions(Some(self.dimensions(group)))
            .timestamp(DateTime::from_secs(at))
            .value(value)
            .build();
        let put = self.raw.put_metric_data().namespace(NAMESPACE);
        put.metric_data(datum).send().await.expect("publish");
    }

    fn query(&self, id: &str, name: &str, group: &str) -> MetricDataQuery {
        let metric = Metric::builder()
            .namespace(NAMESPACE)
            .metric_name(name)
            .set_dimensions(Some(self.dimensions(group)));
        let stat = MetricStat::builder()
            .metric(metric.build())
            .period(60)
            .stat("Sum");
        MetricDataQuery::builder()
            .id(id)
            .metric_stat(stat.build())
            .build()
    }
}

/// The start of the whole minute that was `minutes` minutes ago.
fn minutes_ago(minutes: i64) -> i64 {
    let now = SystemClock.now().as_second();
    now - now.rem_euclid(MINUTE) - minutes * MINUTE
}

#[tokio::test]
async fn what_was_published_comes_back_by_minute_and_group() {
    let Some(metrics) = Metrics::new("app/by-minute/1") else {
        return;
    };
    let (first, second) = (minutes_ago(3), minutes_ago(2));
    for (at, count) in [(first, 7.0), (first, 3.0), (second, 5.0)] {
        metrics
            .put("RequestCount", "targetgroup/blue/1", at, count)
            .await;
    }
    metrics
        .put("RequestCount", "targetgroup/green/1", second, 2.0)
        .await;

    let output = metrics
        .raw
        .get_metric_data()
        .metric_data_queries(metrics.query("blue", "RequestCount", "targetgroup/blue/1"))
        .metric_data_queries(metrics.query("green", "RequestCount", "targetgroup/green/1"))
        .metric_data_queries(metrics.query(
            "errors",
            "HTTPCode_Target_5XX_Count",
            "targetgroup/green/1",
        ))
        .start_time(DateTime::from_secs(first))
        .end_time(DateTime::from_secs(minutes_ago(0)))
        .send()
        .await
        .unwrap();
    // The emulator answers every request in one page.
    assert_eq!(output.next_token(), None);
    let series: Vec<(&str, Vec<(i64, f64)>)> = output
        .metric_data_results()
        .iter()
        .map(|result| {
            assert_eq!(result.status_code(), Some(&StatusCode::Complete));
            let times = result.timestamps().iter().map(DateTime::secs);
            let values = result.values().iter().copied();
            (result.id().unwrap(), times.zip(values).collect())
        })
        .collect();
    assert_eq!(
        series,
        [
            ("blue", vec![(first, 10.0), (second, 5.0)]),
            ("green", vec![(second, 2.0)]),
            // Absent, not zero.
            ("errors", vec![]),
        ]
    );
}

#[tokio::test]
async fn an_alarm_is_described_with_its_state() {
    let Some(metrics) = Metrics::new("app/alarm/1") else {
        return;
    };
    let name = "bluegreen-emulator-alarm";
    let put = metrics
        .raw
        .put_metric_alarm()
        .alarm_name(name)
        .namespace(NAMESPACE)
        .metric_name("HTTPCode_ELB_5XX_Count")
        .set_dimensions(Some(metrics.dimensions("targetgroup/blue/1")))
        .statistic(Statistic::Sum)
        .period(60)
        .evaluation_periods(1)
        .threshold(1.0)
        .comparison_operator(ComparisonOperator::GreaterThanOrEqualToThreshold);
    put.send().await.unwrap();
    let described = metrics.raw.describe_alarms().alarm_names(name);
    let described = described.send().await.unwrap();
    let alarms = described.metric_alarms();
    assert_eq!(alarms.len(), 1);
    assert_eq!(alarms[0].alarm_name(), Some(name));
    assert!(alarms[0].state_value().is_some());
}

#[tokio::test]
async fn the_balancers_metrics_are_counted_by_minute_and_side() {
    let Some(metrics) = Metrics::new("app/counted/1") else {
        return;
    };
    let (blue, green) = ("targetgroup/flask/1", "targetgroup/fastapi/1");
    let (first, second) = (minutes_ago(3), minutes_ago(2));
    for (name, group, at, value) in [
        ("RequestCount", blue, first, 90.0),
        ("HTTPCode_Target_2XX_Count", blue, first, 90.0),
        ("RequestCount", green, first, 10.0),
        ("HTTPCode_Target_2XX_Count", green, first, 7.0),
        ("HTTPCode_Target_5XX_Count", green, first, 3.0),
        ("TargetResponseTime", green, first, 0.25),
        ("TargetResponseTime", green, first, 0.75),
        ("RequestCount", blue, second, 100.0),
        ("HTTPCode_Target_2XX_Count", blue, second, 98.0),
    ] {
        metrics.put(name, group, at, value).await;
    }
    let arn =
        |resource: &str| format!("arn:aws:elasticloadbalancing:us-east-1:123456789012:{resource}");
    let source = AlbMetrics::new(
        &metrics.aws,
        arn("loadbalancer/app/counted/1").parse().unwrap(),
        arn(blue).parse().unwrap(),
        arn(green).parse().unwrap(),
    );
    let at = |second: i64| Timestamp::from_second(second).unwrap();
    let buckets = source
        .read(&Window::new(at(first), at(minutes_ago(0))))
        .await
        .unwrap();
    assert_eq!(buckets.len(), 2);
    let green = &buckets[0].sides.green;
    assert_eq!(green.requests, Some(10));
    assert_eq!(green.errors, Some(Tally::exact(3)));
    assert_eq!(green.latency.unwrap().mean_ms(), Some(500.0));
    assert_eq!(buckets[0].sides.blue.errors, Some(Tally::exact(0)));
    // Two requests without an answer may have been errors, and green got no request in this minute.
    assert_eq!(buckets[1].sides.blue.errors, Some(Tally::between(0, 2)));
    assert_eq!(buckets[1].sides.green.requests, Some(0));
}

#[tokio::test]
async fn the_applications_metrics_are_counted() {
    let Some(metrics) = Metrics::new("app/application/1") else {
        return;
    };
    let at = minutes_ago(2);
    let endpoint = Dimension::builder()
        .name("Endpoint")
        .value("/api/v1/chat")
        .build();
    for (name, value) in [
        ("SuccessCount", 40.0),
        ("RequestLatency", 120.0),
        ("RequestLatency", 80.0),
    ] {
        let datum = MetricDatum::builder()
            .metric_name(name)
            .dimensions(endpoint.clone())
            .timestamp(DateTime::from_secs(at))
            .value(value);
        let put = metrics.raw.put_metric_data().namespace("ChatBot/FastAPI");
        put.metric_data(datum.build()).send().await.unwrap();
    }
    let place = |namespace: &str| AppNamespace::new(namespace).with_endpoint("/api/v1/chat");
    let source =
        AppMetrics::new(&metrics.aws, place("ChatBot/FastAPI")).with_blue(place("ChatBot/Flask"));
    let from = Timestamp::from_second(at).unwrap();
    let to = Timestamp::from_second(minutes_ago(0)).unwrap();
    let buckets = source.read(&Window::new(from, to)).await.unwrap();
    assert_eq!(buckets.len(), 1);
    let sides = &buckets[0].sides;
    assert_eq!(sides.green.requests, Some(40));
    assert_eq!(sides.green.errors, Some(Tally::exact(0)));
    assert_eq!(sides.green.latency.unwrap().mean_ms(), Some(100.0));
    assert_eq!(sides.blue.requests, None);
}

#[tokio::test]
async fn an_alarm_that_does_not_exist_is_an_error_that_names_it() {
    let Some(metrics) = Metrics::new("app/no-alarm/1") else {
        return;
    };
    let now = SystemClock.now();
    let look = Look::new(Progress::new(now, Phase::Preflight, Percent::ZERO, now));
    let gate = AlarmGate::new(&metrics.aws, ["no-such-alarm"]).unwrap();
    let error = gate.observe(&look).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("no-such-alarm"));
}
