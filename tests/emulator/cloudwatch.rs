//! CloudWatch, over the binary protocol that the SDK speaks.
//!
//! What the emulator cannot: pages (it answers all at once), metric math, trimmed means (it
//! silently gives the average), metrics that nobody put there. Those are tested against the
//! simulation and at the seam.

use aws_sdk_cloudwatch::{
    Client,
    primitives::DateTime,
    types::{
        ComparisonOperator, Dimension, Metric, MetricDataQuery, MetricDatum, MetricStat, Statistic,
        StatusCode,
    },
};
use bluegreen::{
    Aws,
    clock::{Clock as _, SystemClock},
};

use crate::harness::{self, Emulator, Endpoint};

const NAMESPACE: &str = "AWS/ApplicationELB";
const MINUTE: i64 = 60;

/// A load balancer's metrics of a test's own: `balancer` keeps tests apart.
struct Metrics {
    raw: Client,
    #[expect(dead_code, reason = "what the sources are made from")]
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

/// The start of a whole minute, so many minutes ago.
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
    // The emulator answers in one page, whatever is asked.
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

// Sources and gates: publish with `Metrics::put`, make the source from `Metrics::aws`, compare
// what it counts.
