//! What reached each side in a span of time, counted.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{SeenSide, SeenTraffic};
use crate::{clock::later, traffic::Sides};

/// The schema of the observations that the judges of this crate read.
pub const COUNTS_SCHEMA: &str = "bluegreen.counts/1";

/// The body of an observation of [`COUNTS_SCHEMA`]: buckets that have settled since the last one,
/// oldest first, each once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CountsSeen {
    /// The buckets.
    pub buckets: Vec<Bucket>,
}

impl CountsSeen {
    /// An observation's body of these buckets.
    #[must_use]
    pub fn new(buckets: Vec<Bucket>) -> Self {
        Self { buckets }
    }
}

/// What both sides got in one span of time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Bucket {
    /// Where it begins.
    pub start: Timestamp,
    /// How long it is.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub period: Duration,
    /// What each side got.
    pub sides: Sides<Counts>,
}

impl Bucket {
    /// A bucket of which nothing is known yet.
    #[must_use]
    pub fn unknown(start: Timestamp, period: Duration) -> Self {
        Self {
            start,
            period,
            sides: Sides::default(),
        }
    }

    /// Where it ends, exclusive.
    #[must_use]
    pub fn end(&self) -> Timestamp {
        later(self.start, self.period)
    }

    /// What reached each side, where the requests of both are known.
    #[must_use]
    pub fn seen(&self) -> Option<SeenTraffic> {
        let sides = Sides {
            blue: self.sides.blue.seen()?,
            green: self.sides.green.seen()?,
        };
        Some(SeenTraffic::new(self.start, self.end(), sides))
    }
}

/// What one side got. `None` is not known, and never zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Counts {
    /// Requests that were sent to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<u64>,
    /// Requests that it failed itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errors: Option<Tally>,
    /// Requests that it answered, however.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub responses: Option<u64>,
    /// Connections that it did not take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_errors: Option<u64>,
    /// How long its answers took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<LatencySum>,
}

impl Counts {
    /// So many requests, of which nothing else is known.
    #[must_use]
    pub fn of_requests(requests: u64) -> Self {
        Self {
            requests: Some(requests),
            ..Self::default()
        }
    }

    /// Adds how many of them failed.
    #[must_use]
    pub fn with_errors(mut self, errors: Tally) -> Self {
        self.errors = Some(errors);
        self
    }

    /// Adds how many of them were answered.
    #[must_use]
    pub fn with_responses(mut self, responses: u64) -> Self {
        self.responses = Some(responses);
        self
    }

    /// Adds how many connections were not taken.
    #[must_use]
    pub fn with_connection_errors(mut self, errors: u64) -> Self {
        self.connection_errors = Some(errors);
        self
    }

    /// Adds how long the answers took.
    #[must_use]
    pub fn with_latency(mut self, latency: LatencySum) -> Self {
        self.latency = Some(latency);
        self
    }

    fn seen(&self) -> Option<SeenSide> {
        let requests = self.requests?;
        let mut seen = SeenSide::of_requests(requests);
        let errors = self.errors.filter(|_| requests > 0);
        seen.error_rate = errors.map(|errors| fraction(errors.low, requests));
        seen.mean_latency_ms = self.latency.and_then(|latency| latency.mean_ms());
        Some(seen)
    }
}

/// A count that is known exactly, or between two bounds.
///
/// A balancer that shows no count of server errors may have had none, or as many as its other
/// counts leave unexplained. Harm is judged by the lower bound, health by the upper one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Tally {
    /// At least so many.
    pub low: u64,
    /// At most so many.
    pub high: u64,
}

impl Tally {
    /// Exactly so many.
    #[must_use]
    pub fn exactly(count: u64) -> Self {
        Self {
            low: count,
            high: count,
        }
    }

    /// Somewhere from nothing to so many.
    #[must_use]
    pub fn up_to(high: u64) -> Self {
        Self { low: 0, high }
    }
}

/// The sum of latencies, and over how many answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct LatencySum {
    /// The sum in milliseconds. Always finite.
    pub sum_ms: f64,
    /// Over so many answers.
    pub samples: u64,
}

impl LatencySum {
    /// The mean in milliseconds, where there is an answer.
    #[must_use]
    pub fn mean_ms(&self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "a mean")]
        let mean = self.sum_ms / self.samples as f64;
        (self.samples > 0).then_some(mean)
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            sum_ms: self.sum_ms + other.sum_ms,
            samples: self.samples + other.samples,
        }
    }
}

/// `part` of `all`, 0 to 1; 0 where there is nothing.
#[expect(clippy::cast_precision_loss, reason = "a ratio")]
pub(crate) fn fraction(part: u64, all: u64) -> f64 {
    if all == 0 {
        0.0
    } else {
        part as f64 / all as f64
    }
}
