//! [`Percentiles`]: the spread of latencies.

use serde::{Deserialize, Serialize};

/// The spread of the latencies of one bucket, in milliseconds: half of the requests took at most
/// [`p50_ms`](Self::p50_ms), and so on. For people to read: the percentiles of two buckets do not give
/// the percentiles of both together, so no verdict uses them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Percentiles {
    /// The 50th percentile.
    pub p50_ms: f64,
    /// The 90th percentile.
    pub p90_ms: f64,
    /// The 99th percentile.
    pub p99_ms: f64,
}

impl Percentiles {
    /// Creates percentiles: the 50th, 90th and 99th, in milliseconds.
    #[must_use]
    pub const fn new(p50_ms: f64, p90_ms: f64, p99_ms: f64) -> Self {
        Self {
            p50_ms,
            p90_ms,
            p99_ms,
        }
    }
}
