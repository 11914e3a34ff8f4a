//! [`Percentiles`]: how latencies are spread.

use serde::{Deserialize, Serialize};

/// How the latencies of one bucket are spread, in milliseconds: half of the requests took at most
/// [`p50_ms`](Self::p50_ms), and so on. For people: percentiles of two buckets say nothing of both
/// together, so nothing is judged by them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Percentiles {
    /// The 50th.
    pub p50_ms: f64,
    /// The 90th.
    pub p90_ms: f64,
    /// The 99th.
    pub p99_ms: f64,
}

impl Percentiles {
    /// The 50th, 90th and 99th, in milliseconds.
    #[must_use]
    pub(crate) const fn new(p50_ms: f64, p90_ms: f64, p99_ms: f64) -> Self {
        Self {
            p50_ms,
            p90_ms,
            p99_ms,
        }
    }
}
