//! [`TestSettings`]: the rate, the bounds and the comparison of a test.

use std::{collections::BTreeMap, fmt, time::Duration};

use super::{compare::Rules, percentile::Percentile};
use crate::traffic::Percent;

/// How a test is made and judged. Every setting has a default.
#[derive(Clone, Default, PartialEq)]
#[must_use]
pub struct TestSettings {
    pub(super) rate: Option<f64>,
    pub(super) ramp: Option<Duration>,
    pub(super) duration: Option<Duration>,
    pub(super) max_in_flight: Option<u32>,
    pub(super) max_error_rate: Option<Percent>,
    pub(super) max_latency: Option<BTreeMap<Percentile, Duration>>,
    pub(super) confidence: Option<Percent>,
    pub(super) compare: Option<u32>,
    pub(super) rules: Rules,
    pub(super) test_header: Option<String>,
    pub(super) blue_url: Option<String>,
}

/// Without `blue_url`, which may hold a password.
impl fmt::Debug for TestSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestSettings")
            .field("rate", &self.rate)
            .field("ramp", &self.ramp)
            .field("duration", &self.duration)
            .field("max_in_flight", &self.max_in_flight)
            .field("compare", &self.compare)
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

/// A rate that a small service behind a balancer bears.
const RATE: f64 = 5.0;
const DURATION: Duration = Duration::from_secs(120);
/// The longest test that is chosen without a word.
const LONGEST: Duration = Duration::from_secs(30 * 60);
const IN_FLIGHT: u32 = 256;
const ROUNDS: u32 = 5;
/// The header of the test route that `bluegreen prepare` makes.
const TEST_HEADER: &str = "X-Bluegreen-Test: green";

impl TestSettings {
    /// Sets the requests a second. Default: 5. A migration's file has the share of the next step as its
    /// default.
    pub(crate) fn with_rate(mut self, requests_a_second: f64) -> Self {
        self.rate = Some(requests_a_second);
        self
    }

    /// Whether a rate was set.
    #[must_use]
    pub(crate) fn has_rate(&self) -> bool {
        self.rate.is_some()
    }

    /// Returns these settings, with the other's instead of each that the other sets. Places and kinds of
    /// differences add up.
    pub(crate) fn overridden(mut self, other: Self) -> Self {
        fn set<T>(own: &mut Option<T>, other: Option<T>) {
            if other.is_some() {
                *own = other;
            }
        }
        set(&mut self.rate, other.rate);
        set(&mut self.ramp, other.ramp);
        set(&mut self.duration, other.duration);
        set(&mut self.max_in_flight, other.max_in_flight);
        set(&mut self.max_error_rate, other.max_error_rate);
        set(&mut self.max_latency, other.max_latency);
        set(&mut self.confidence, other.confidence);
        set(&mut self.compare, other.compare);
        set(&mut self.test_header, other.test_header);
        set(&mut self.blue_url, other.blue_url);
        self.rules.ignore.extend(other.rules.ignore);
        self.rules.ignore_headers.extend(other.rules.ignore_headers);
        self.rules.tolerances.extend(other.rules.tolerances);
        self.rules.accept.extend(other.rules.accept);
        self
    }

    pub(super) fn rate(&self) -> f64 {
        self.rate.unwrap_or(RATE)
    }

    pub(super) fn ramp(&self) -> Duration {
        self.ramp.unwrap_or_default()
    }

    /// The duration: if it is not set, long enough for the bounds with a third more than they need.
    pub(super) fn duration(&self) -> Duration {
        if let Some(duration) = self.duration {
            return duration;
        }
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        let seconds = (1.3 * self.needed() as f64 / self.rate()).ceil();
        let needed = Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST);
        let needed = needed.saturating_add(self.ramp() / 2);
        needed.clamp(DURATION.max(self.ramp()), LONGEST.max(self.ramp()))
    }

    /// The requests of which none may fail for every bound to be shown.
    pub(super) fn needed(&self) -> u64 {
        let of = |limit| super::bound::needed(limit, self.confidence());
        let slow = self.max_latency();
        let slow = slow.keys().map(|percentile| of(1.0 - percentile.share()));
        slow.chain([of(self.max_error_rate())])
            .max()
            .unwrap_or_default()
    }

    pub(super) fn max_in_flight(&self) -> usize {
        usize::try_from(self.max_in_flight.unwrap_or(IN_FLIGHT)).unwrap_or(usize::MAX)
    }

    /// The limit of the error rate: 5 % as in the guide.
    pub(super) fn max_error_rate(&self) -> f64 {
        self.max_error_rate.map_or(0.05, Percent::as_fraction)
    }

    /// The limits of latency: 3 s, as in the guide, for 99 of a hundred requests.
    pub(super) fn max_latency(&self) -> BTreeMap<Percentile, Duration> {
        let usual = || BTreeMap::from([(Percentile::P99, Duration::from_secs(3))]);
        self.max_latency.clone().unwrap_or_else(usual)
    }

    pub(super) fn confidence(&self) -> f64 {
        self.confidence.map_or(0.99, Percent::as_fraction)
    }

    pub(super) fn rounds(&self) -> u32 {
        self.compare.unwrap_or(ROUNDS)
    }

    /// The header that leads to green, as `NAME: VALUE`; empty for none.
    #[must_use]
    pub fn test_header(&self) -> &str {
        self.test_header.as_deref().unwrap_or(TEST_HEADER)
    }
}
