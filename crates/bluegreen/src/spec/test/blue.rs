//! Looks at blue's metrics while green is tested: green may share blue's database.

use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

use super::super::gates::MetricsSource;
use crate::{
    aws::Aws,
    check::load::{BlueLook, BlueWatch},
    error::Result,
    health::{Bucket, Counts, LatencySum, RateAbove, Window},
};

/// How much of blue's past is the measure.
const PAST: SignedDuration = SignedDuration::from_hours(1);
/// How long after its end a point is read: it hardly changes any more, and more errors only speak louder.
const SETTLING: SignedDuration = SignedDuration::from_mins(2);
/// Blue's error rate may double, and its latency too.
const WORSE: f64 = 2.0;
/// The least error rate that counts as worse, and the least rise of latency.
const LEAST_RATE: f64 = 0.005;
const LEAST_RISE_MS: f64 = 100.0;
/// The logarithm of the evidence that is needed: wrong in at most one of a hundred tests.
const NEEDED: f64 = 4.605;

/// Compares blue's points during the test with those of the hour before.
#[derive(Debug)]
pub(super) struct MetricsOfBlue {
    source: MetricsSource,
    aws: Aws,
    state: Mutex<State>,
}

/// What is known so far.
#[derive(Debug)]
struct State {
    /// The start of the test, by the source's clock.
    began: Timestamp,
    before: Option<Before>,
    evidence: RateAbove,
    /// The end of the newest point that was taken.
    until: Timestamp,
    points: u32,
    requests: u64,
    errors: u64,
    slow_in_a_row: u32,
}

/// Blue before the test.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Before {
    error_rate: f64,
    mean_ms: Option<f64>,
}

impl MetricsOfBlue {
    pub(super) fn new(source: MetricsSource, aws: &Aws) -> Self {
        let began = aws.time_there();
        Self {
            source,
            aws: aws.clone(),
            state: Mutex::new(State {
                began,
                before: None,
                evidence: RateAbove::new(),
                until: began,
                points: 0,
                requests: 0,
                errors: 0,
                slow_in_a_row: 0,
            }),
        }
    }

    async fn read(&self, from: Timestamp, to: Timestamp) -> Result<Vec<Bucket>> {
        if from >= to {
            return Ok(Vec::new());
        }
        let mut read = self.source.as_dyn().read(&Window::new(from, to)).await?;
        read.sort_by_key(|bucket| bucket.start);
        Ok(read)
    }

    async fn look_once(&self) -> Result<BlueLook> {
        let mut state = self.state.lock().await;
        let period = self.source.as_dyn().period();
        if state.before.is_none() {
            let to = floor(state.began, period);
            let past = self.read(floor(to - PAST, period), to).await?;
            state.before = Some(Before::of(past.iter().map(|bucket| &bucket.sides.blue)));
            state.until = to;
        }
        let to = floor(self.aws.time_there() - SETTLING, period);
        let fresh = self.read(state.until, to).await?;
        for bucket in &fresh {
            state.take(&bucket.sides.blue);
        }
        state.until = state.until.max(to);
        Ok(state.look())
    }
}

#[async_trait]
impl BlueWatch for MetricsOfBlue {
    async fn look(&self) -> BlueLook {
        // A read that fails is told, and is no reason to stop: the test changes nothing.
        match self.look_once().await {
            Ok(look) => look,
            Err(error) => BlueLook::Well(format!("not seen: {}", error.message())),
        }
    }
}

impl Before {
    fn of<'a>(minutes: impl Iterator<Item = &'a Counts>) -> Self {
        let (mut requests, mut errors) = (0_u64, 0_u64);
        let mut latency = LatencySum::default();
        for counts in minutes {
            if let (Some(came), Some(failed)) = (counts.requests, counts.errors) {
                requests = requests.saturating_add(came);
                errors = errors.saturating_add(failed.high());
            }
            if let Some(sum) = counts.latency {
                latency = latency + sum;
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "a rate")]
        let error_rate = match requests {
            0 => 0.0,
            _ => errors as f64 / requests as f64,
        };
        Self {
            error_rate,
            mean_ms: latency.mean_ms(),
        }
    }
}

impl State {
    fn take(&mut self, counts: &Counts) {
        let before = self.before.unwrap_or(Before {
            error_rate: 0.0,
            mean_ms: None,
        });
        let (Some(requests), Some(errors)) = (counts.requests, counts.errors) else {
            return;
        };
        self.points += 1;
        self.requests = self.requests.saturating_add(requests);
        self.errors = self.errors.saturating_add(errors.low());
        let limit = (WORSE * before.error_rate).max(LEAST_RATE);
        self.evidence.push(requests, errors.low(), limit, false);
        let mean = counts.latency.and_then(LatencySum::mean_ms);
        if let (Some(now), Some(before)) = (mean, before.mean_ms) {
            let is_slow = now > WORSE * before && now > before + LEAST_RISE_MS;
            self.slow_in_a_row = if is_slow { self.slow_in_a_row + 1 } else { 0 };
        }
    }

    fn look(&self) -> BlueLook {
        let before = self.before.unwrap_or(Before {
            error_rate: 0.0,
            mean_ms: None,
        });
        let (points, requests, errors) = (self.points, self.requests, self.errors);
        if self.evidence.ln_value() >= NEEDED {
            return BlueLook::Worse(format!(
                "{errors} of its {requests} requests failed during the test, {:.2} % before",
                100.0 * before.error_rate
            ));
        }
        if self.slow_in_a_row >= 2 {
            return BlueLook::Worse(format!(
                "its answers take more than twice the {:.0} ms of before, in two points of its metrics",
                before.mean_ms.unwrap_or_default()
            ));
        }
        BlueLook::Well(match points {
            0 => "no point of its metrics has settled during the test yet".to_owned(),
            _ => format!("as before in {points} points: {errors} of {requests} requests failed"),
        })
    }
}

/// The multiple of the period at or before this time.
fn floor(at: Timestamp, period: Duration) -> Timestamp {
    let period = i64::try_from(period.as_secs()).unwrap_or(60).max(1);
    let second = at.as_second().div_euclid(period) * period;
    Timestamp::from_second(second).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(before: Before) -> State {
        State {
            began: Timestamp::UNIX_EPOCH,
            before: Some(before),
            evidence: RateAbove::new(),
            until: Timestamp::UNIX_EPOCH,
            points: 0,
            requests: 0,
            errors: 0,
            slow_in_a_row: 0,
        }
    }

    fn minute(errors: u64, mean_ms: f64) -> Counts {
        Counts::of(1_000, errors).with_latency(LatencySum::new(1_000.0 * mean_ms, 1_000))
    }

    #[test]
    fn blue_is_worse_if_its_errors_or_its_latency_double() {
        let before = Before::of([minute(10, 100.0), minute(10, 120.0)].iter());
        assert_eq!(
            before,
            Before {
                error_rate: 0.01,
                mean_ms: Some(110.0)
            }
        );
        let told = |minutes: &[Counts]| {
            let mut state = state(before);
            minutes.iter().for_each(|counts| state.take(counts));
            state.look()
        };
        let is_worse = |minutes: &[Counts]| matches!(told(minutes), BlueLook::Worse(_));
        assert!(!is_worse(&[
            minute(10, 110.0),
            minute(15, 110.0),
            minute(12, 200.0)
        ]));
        assert!(is_worse(&[minute(100, 110.0)]));
        assert!(is_worse(&[minute(10, 300.0), minute(10, 300.0)]));
        assert!(!is_worse(&[
            minute(10, 300.0),
            minute(10, 110.0),
            minute(10, 300.0)
        ]));
        assert!(!is_worse(&[Counts::default(), Counts::default()]));
        assert_eq!(
            told(&[minute(10, 110.0)]),
            BlueLook::Well("as before in 1 points: 10 of 1000 requests failed".to_owned())
        );
    }
}
