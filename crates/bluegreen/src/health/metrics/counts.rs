//! The numbers that a source counted: [`Bucket`], [`Counts`], [`Tally`].

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    clock::later,
    error::Result,
    health::{Observation, Percentiles},
    traffic::Sides,
};

/// A count that is known exactly, or only to lie between two bounds, both inclusive.
///
/// The reason is counters that a service publishes only if they are not zero: if such a counter is
/// absent, and the others leave some requests unaccounted for, its count is not zero but *at most that
/// number*. A judge takes the low bound for blame and the high bound for trust.
///
/// # Examples
///
/// ```
/// use bluegreen::health::Tally;
///
/// let errors = Tally::exact(3) + Tally::between(0, 4);
/// assert_eq!((errors.low(), errors.high()), (3, 7));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "[u64; 2]", into = "[u64; 2]")]
pub struct Tally {
    low: u64,
    high: u64,
}

impl Tally {
    /// Creates a count that is known.
    #[must_use]
    pub const fn exact(count: u64) -> Self {
        Self {
            low: count,
            high: count,
        }
    }

    /// Creates a count somewhere between two bounds, given in either order.
    #[must_use]
    pub fn between(a: u64, b: u64) -> Self {
        Self {
            low: a.min(b),
            high: a.max(b),
        }
    }

    /// Returns the least that the count can be.
    #[must_use]
    pub const fn low(self) -> u64 {
        self.low
    }

    /// Returns the most that the count can be.
    #[must_use]
    pub const fn high(self) -> u64 {
        self.high
    }

    /// Returns whether the count is known exactly.
    #[must_use]
    pub(crate) const fn is_exact(self) -> bool {
        self.low == self.high
    }
}

impl std::ops::Add for Tally {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            low: self.low.saturating_add(other.low),
            high: self.high.saturating_add(other.high),
        }
    }
}

impl From<[u64; 2]> for Tally {
    fn from([a, b]: [u64; 2]) -> Self {
        Self::between(a, b)
    }
}

impl From<Tally> for [u64; 2] {
    fn from(tally: Tally) -> Self {
        [tally.low, tally.high]
    }
}

/// Latencies that were added up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct LatencySum {
    /// Their sum in milliseconds; finite and not negative.
    pub sum_ms: f64,
    /// The number of the latencies.
    pub samples: u64,
}

impl LatencySum {
    /// Creates a sum of this many samples and this many milliseconds.
    #[must_use]
    pub const fn new(sum_ms: f64, samples: u64) -> Self {
        Self { sum_ms, samples }
    }

    /// Returns the mean in milliseconds; `None` without samples, or if the sum is not a sum of latencies.
    #[must_use]
    pub fn mean_ms(self) -> Option<f64> {
        let is_sum = self.sum_ms.is_finite() && self.sum_ms >= 0.0;
        (self.samples > 0 && is_sum).then(|| self.sum_ms / as_f64(self.samples))
    }
}

impl std::ops::Add for LatencySum {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            sum_ms: self.sum_ms + other.sum_ms,
            samples: self.samples.saturating_add(other.samples),
        }
    }
}

/// The counts of one side in one bucket. `None` is *unknown*, never zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Counts {
    /// Requests that reached this side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<u64>,
    /// The requests that failed by the service's own fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errors: Option<Tally>,
    /// The requests that were slow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow: Option<Tally>,
    /// Responses of the service itself, whatever their status. A balancer that answers for a dead target
    /// leaves a gap between these responses and the requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub responses: Option<u64>,
    /// Connections to the service that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_errors: Option<u64>,
    /// Requests that were sent to targets although all of them fail their health checks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unhealthy_routing: Option<u64>,
    /// The latencies of the requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<LatencySum>,
    /// The spread of the latencies, if the source was asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percentiles: Option<Percentiles>,
}

impl Counts {
    /// Creates counts of requests and errors; nothing else is known.
    #[must_use]
    pub fn of(requests: u64, errors: u64) -> Self {
        Self {
            requests: Some(requests),
            errors: Some(Tally::exact(errors)),
            ..Self::default()
        }
    }

    /// Creates a count of requests, of which nothing else is known.
    #[must_use]
    pub(crate) fn of_requests(requests: u64) -> Self {
        Self {
            requests: Some(requests),
            ..Self::default()
        }
    }

    /// Adds the errors.
    #[must_use]
    pub(crate) fn with_errors(mut self, errors: Tally) -> Self {
        self.errors = Some(errors);
        self
    }

    /// Adds the slow requests.
    #[must_use]
    pub fn with_slow(mut self, slow: Tally) -> Self {
        self.slow = Some(slow);
        self
    }

    /// Adds the responses.
    #[must_use]
    pub fn with_responses(mut self, responses: u64) -> Self {
        self.responses = Some(responses);
        self
    }

    /// Adds the failed connections.
    #[must_use]
    pub fn with_connection_errors(mut self, errors: u64) -> Self {
        self.connection_errors = Some(errors);
        self
    }

    /// Adds the requests that were sent to unhealthy targets.
    #[must_use]
    pub fn with_unhealthy_routing(mut self, requests: u64) -> Self {
        self.unhealthy_routing = Some(requests);
        self
    }

    /// Adds the latencies.
    #[must_use]
    pub fn with_latency(mut self, latency: LatencySum) -> Self {
        self.latency = Some(latency);
        self
    }

    /// Returns whether nothing at all is known.
    #[must_use]
    pub(crate) fn is_unknown(&self) -> bool {
        *self == Self::default()
    }

    /// Returns whether it is known that requests came.
    #[must_use]
    pub(crate) fn has_traffic(&self) -> bool {
        self.requests.is_some_and(|requests| requests > 0)
    }

    /// Returns the fraction of the requests that the service did not answer itself: requests less
    /// responses, over requests. Negative if responses to the requests of an earlier bucket came.
    #[must_use]
    pub(crate) fn shortfall(&self) -> Option<f64> {
        let (requests, responses) = (self.requests?, self.responses?);
        (requests > 0).then(|| (as_f64(requests) - as_f64(responses)) / as_f64(requests))
    }
}

/// One span of time, and the counts of each side in it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Bucket {
    /// The start of the bucket: a multiple of its period since the epoch.
    pub start: Timestamp,
    /// The length of the bucket.
    pub period: Duration,
    /// The counts of each side.
    pub sides: Sides<Counts>,
}

impl Bucket {
    /// Creates a bucket of `period` that begins at `start`.
    #[must_use]
    pub fn new(start: Timestamp, period: Duration, sides: Sides<Counts>) -> Self {
        Self {
            start,
            period,
            sides,
        }
    }

    /// Returns the end of the bucket, exclusive.
    #[must_use]
    pub fn end(&self) -> Timestamp {
        later(self.start, self.period)
    }
}

/// Buckets that settled since the last observation, in order and without holes: the body of an
/// observation of schema [`SettledBuckets::SCHEMA`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SettledBuckets {
    /// The buckets, oldest first, in the source's time. A bucket of which nothing is known is in the
    /// list, too, so that time does not stop.
    pub buckets: Vec<Bucket>,
    /// How far the source's clock was [ahead](crate::health::MetricSource::ahead) of the run's.
    #[serde(default, skip_serializing_if = "SignedDuration::is_zero")]
    pub ahead: SignedDuration,
    /// The latency above which requests counted as slow in these buckets, and will in all later ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_above: Option<Duration>,
    /// Whether clients stay on a side, so that weights do not say how many requests reach it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_sticky: bool,
}

impl SettledBuckets {
    /// The schema of these observations in the journal.
    pub const SCHEMA: &'static str = "bluegreen.counts/1";

    /// Creates an observation of these buckets.
    #[must_use]
    pub fn new(buckets: Vec<Bucket>) -> Self {
        Self {
            buckets,
            ahead: SignedDuration::ZERO,
            slow_above: None,
            is_sticky: false,
        }
    }

    /// Sets how far the source's clock was ahead of the run's.
    #[must_use]
    pub(crate) fn with_ahead(mut self, ahead: SignedDuration) -> Self {
        self.ahead = ahead;
        self
    }

    /// Sets the latency above which requests counted as slow.
    #[must_use]
    pub(crate) fn with_slow_above(mut self, above: Option<Duration>) -> Self {
        self.slow_above = above;
        self
    }

    /// Sets whether clients stay on a side.
    #[must_use]
    pub(crate) fn with_stickiness(mut self, is_sticky: bool) -> Self {
        self.is_sticky = is_sticky;
        self
    }

    /// Encodes the buckets for the journal.
    ///
    /// # Errors
    ///
    /// `Invalid` if a latency is not finite.
    pub fn observe(&self) -> Result<Observation> {
        Observation::new(Self::SCHEMA, self)
    }

    /// Reads an observation of [`observe`](Self::observe).
    ///
    /// # Errors
    ///
    /// `Invalid` if the observation is of another schema.
    pub fn read(observation: &Observation) -> Result<Self> {
        observation.read(Self::SCHEMA)
    }

    /// As [`observe`](Self::observe); callers of [`shared`](Self::shared) get these buckets without a decode.
    pub(in crate::health) fn observed(self) -> Result<Observation> {
        Observation::typed(Self::SCHEMA, self)
    }

    /// As [`read`](Self::read), but that an observation is read once for all that ask.
    pub(in crate::health) fn shared(observation: &Observation) -> Result<Arc<Self>> {
        observation.shared(Self::SCHEMA)
    }

    /// Returns the end of the newest bucket.
    #[must_use]
    pub fn end(&self) -> Option<Timestamp> {
        self.buckets.last().map(Bucket::end)
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts stay far below 2^53, where every integer is exact"
)]
pub(crate) fn as_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn unknown_survives_the_journal_as_unknown() {
        let bucket = Bucket::new(
            Timestamp::UNIX_EPOCH,
            Duration::from_secs(60),
            Sides {
                blue: Counts::of(7, 1).with_latency(LatencySum::new(0.1 + 0.2, 7)),
                green: Counts::default(),
            },
        );
        let seen = SettledBuckets::new(vec![bucket]);
        let observation = seen.observe().expect("encodes");
        let text = serde_json::to_string(&observation).expect("encodes");
        let back: Observation = serde_json::from_str(&text).expect("decodes");
        assert_eq!(SettledBuckets::read(&back).expect("decodes"), seen);
        assert!(text.contains(r#""green":{}"#), "{text}");
    }

    fn counts() -> impl Strategy<Value = Counts> {
        let number = prop::option::of(any::<u64>());
        let tally = prop::option::of((any::<u64>(), any::<u64>()));
        let finite = || prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::ZERO;
        let latency = prop::option::of((finite(), any::<u64>()));
        let spread = prop::option::of((finite(), finite(), finite()));
        (
            number.clone(),
            tally.clone(),
            tally,
            number,
            latency,
            spread,
        )
            .prop_map(
                |(requests, errors, slow, responses, latency, spread)| Counts {
                    requests,
                    errors: errors.map(|(a, b)| Tally::between(a, b)),
                    slow: slow.map(|(a, b)| Tally::between(a, b)),
                    responses,
                    latency: latency.map(|(sum, samples)| LatencySum::new(sum, samples)),
                    percentiles: spread.map(|(a, b, c)| Percentiles::new(a, b, c)),
                    ..Counts::default()
                },
            )
    }

    proptest! {
        /// Judges get the observed buckets; a replay gets the buckets that it reads from the journal.
        #[test]
        fn p09_what_is_observed_is_what_is_read(
            blue in counts(),
            green in counts(),
            second in 0_i64..4_000_000_000,
            ahead in any::<i32>(),
            slow_ns in prop::option::of(0..u64::MAX),
        ) {
            let start = Timestamp::from_second(second).expect("in range");
            let period = Duration::from_secs(60);
            let seen = SettledBuckets::new(vec![Bucket::new(start, period, Sides { blue, green })])
                .with_ahead(SignedDuration::from_micros(ahead.into()))
                .with_slow_above(slow_ns.map(Duration::from_nanos))
                .with_stickiness(ahead > 0);
            let observation = seen.clone().observed().expect("finite");
            prop_assert_eq!(&*SettledBuckets::shared(&observation).expect("shared"), &seen);
            prop_assert_eq!(SettledBuckets::read(&observation).expect("reads"), seen);
        }
    }

    #[test]
    fn a_mean_needs_samples_and_a_sum() {
        assert_eq!(LatencySum::new(9.0, 3).mean_ms(), Some(3.0));
        assert_eq!(LatencySum::new(9.0, 0).mean_ms(), None);
        assert_eq!(LatencySum::new(f64::NAN, 3).mean_ms(), None);
        assert_eq!(LatencySum::new(-1.0, 3).mean_ms(), None);
    }

    #[test]
    fn shortfall_is_signed_and_needs_requests() {
        let counts = Counts::of_requests(10);
        assert_eq!(counts.shortfall(), None);
        assert_eq!(counts.with_responses(4).shortfall(), Some(0.6));
        assert_eq!(counts.with_responses(11).shortfall(), Some(-0.1));
        assert_eq!(Counts::of_requests(0).with_responses(0).shortfall(), None);
    }
}
