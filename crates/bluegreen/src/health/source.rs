//! The role that counts.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;

use super::Bucket;
use crate::error::Result;

/// Where counts of requests, errors and latencies come from.
///
/// A source only reads. When a bucket is complete is decided by [`MetricsGate`](super::MetricsGate),
/// which reads each of them at least twice.
#[async_trait]
pub trait MetricSource: fmt::Debug + Send + Sync {
    /// How long a bucket is. Buckets begin at multiples of it since 1970-01-01T00:00:00Z.
    fn period(&self) -> Duration;

    /// Reads the buckets that begin from `from` on and end by `to`, both at multiples of the
    /// period: for both sides in as few calls as possible. What has no data is left out; the
    /// order does not matter; what is not known is `None`, never zero.
    ///
    /// # Errors
    ///
    /// Where it could not read, or read only a part.
    ///
    /// # Cancel safety
    ///
    /// Only reads: dropping it leaves nothing behind.
    async fn read(&self, from: Timestamp, to: Timestamp) -> Result<Vec<Bucket>>;

    /// What decides its counts, for the journal; nothing secret.
    fn settings(&self) -> serde_json::Value;
}

#[async_trait]
impl<T: MetricSource + ?Sized> MetricSource for Arc<T> {
    fn period(&self) -> Duration {
        (**self).period()
    }

    async fn read(&self, from: Timestamp, to: Timestamp) -> Result<Vec<Bucket>> {
        (**self).read(from, to).await
    }

    fn settings(&self) -> serde_json::Value {
        (**self).settings()
    }
}
