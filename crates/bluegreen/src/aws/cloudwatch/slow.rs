//! Slow requests as counts, from CloudWatch's percentiles and trimmed counts.

use std::time::Duration;

use jiff::Timestamp;

use super::query::{self, Query};
use crate::{aws::Aws, clock::sooner, error::Result, health::Tally};

/// The name of the count of requests that were not slow.
pub(super) const FAST: &str = "fast";

/// The statistic that counts values up to one, inclusive: a trimmed count
/// ([statistics](https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html)).
pub(super) fn at_most(value: f64) -> String {
    format!("TC(:{value})")
}

/// The time before the migration for which blue is read.
const PAST: Duration = Duration::from_secs(3_600);
/// The period of the queries for it: a minute.
const MINUTE: Duration = Duration::from_secs(60);
/// The fewest minutes with traffic that give a threshold.
const LEAST_MINUTES: usize = 10;

/// The median of the 90th percentiles of the minutes of the hour before, in the metric's unit and
/// to three digits; `None` if blue had too little traffic.
pub(super) async fn threshold(aws: &Aws, query: Query, before: Timestamp) -> Result<Option<f64>> {
    let to = Timestamp::from_second(before.as_second().div_euclid(60) * 60).unwrap_or(before);
    let id = query.id.clone();
    let from = sooner(to, PAST);
    let mut series = query::read(aws, &[query], MINUTE, from, to).await?;
    let mut values: Vec<f64> = series
        .remove(&id)
        .unwrap_or_default()
        .into_values()
        .collect();
    values.retain(|value| *value > 0.0);
    if values.len() < LEAST_MINUTES {
        return Ok(None);
    }
    values.sort_by(f64::total_cmp);
    Ok(Some(rounded(values[values.len() / 2])))
}

/// To three significant digits, so that it reads well and survives as text.
fn rounded(value: f64) -> f64 {
    let scale = 10_f64.powf(2.0 - value.log10().floor());
    (value * scale).round() / scale
}

/// How many of the responses were slow. The count of fast ones is an interpolated approximation and
/// may be no whole number; a response without a latency may have been slow or not. `None` if
/// nothing is left to judge.
pub(super) fn count(samples: u64, fast: Option<f64>, responses: u64) -> Option<Tally> {
    let fast = fast?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a count, not negative after the clamp"
    )]
    let (low, high) = {
        let slow = (samples as f64 - fast).clamp(0.0, samples as f64);
        (slow.floor() as u64, slow.ceil() as u64)
    };
    let unknown = responses.abs_diff(samples);
    // With more than a twentieth of the responses without a latency, nothing can be told.
    (unknown * 20 <= responses.max(1)).then(|| Tally::between(low, high + unknown))
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudwatch::types::StatusCode;

    use super::*;
    use crate::aws::{
        api::MockCloudWatchApi,
        cloudwatch::testing::{at, aws, page, result},
    };

    #[test]
    fn p01_slow_requests_are_bounded_conservatively() {
        assert_eq!(count(100, Some(90.0), 100), Some(Tally::exact(10)));
        assert_eq!(count(100, Some(89.3), 100), Some(Tally::between(10, 11)));
        assert_eq!(count(98, Some(90.0), 100), Some(Tally::between(8, 10)));
        assert_eq!(count(90, Some(90.0), 100), None, "a tenth has no latency");
        assert_eq!(count(100, None, 100), None);
        assert_eq!(count(100, Some(101.2), 100), Some(Tally::exact(0)));
        assert_eq!(count(0, Some(0.0), 0), Some(Tally::exact(0)));
    }

    async fn found(points: Vec<(i64, f64)>) -> Option<f64> {
        let mut api = MockCloudWatchApi::new();
        api.expect_get_metric_data()
            .times(1)
            .returning(move |input| {
                let queries = input.get_metric_data_queries().clone().expect("queries");
                let stat = queries[0].metric_stat().expect("a statistic");
                assert_eq!((stat.stat(), stat.period()), (Some("p90"), Some(60)));
                Ok(page(vec![result("p90", StatusCode::Complete, &points)]))
            });
        let query = Query {
            id: "p90".to_owned(),
            namespace: "N".to_owned(),
            metric: "M".to_owned(),
            dimensions: Vec::new(),
            statistic: "p90".to_owned(),
        };
        threshold(&aws(api), query, at(3_601)).await.expect("read")
    }

    #[tokio::test]
    async fn the_threshold_is_the_usual_90th_percentile_of_the_hour_before() {
        let minutes = |count: i64| (0..count).map(|minute| (minute * 60, 0.228_471)).collect();
        assert_eq!(found(minutes(60)).await, Some(0.228));
        assert_eq!(found(minutes(9)).await, None, "too little traffic");
        let mut spiked: Vec<_> = minutes(20);
        spiked[3].1 = 30.0;
        assert_eq!(
            found(spiked).await,
            Some(0.228),
            "one bad minute says nothing"
        );
    }

    #[test]
    fn a_threshold_has_three_digits_and_reads_back() {
        for (value, wanted) in [
            (0.228_471, 0.228),
            (1_234.5, 1_230.0),
            (0.000_456_7, 0.000_457),
        ] {
            assert_eq!(rounded(value), wanted);
        }
        assert_eq!(at_most(0.228), "TC(:0.228)");
    }
}
