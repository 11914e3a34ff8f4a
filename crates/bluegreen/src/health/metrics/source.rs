//! The role that counts: [`MetricSource`].

use std::{fmt, time::Duration};

use async_trait::async_trait;
use auto_impl::auto_impl;
use jiff::{SignedDuration, Timestamp};

use crate::{
    error::Result,
    health::{Bucket, Window},
};

/// Reports the counts of blue and green, in buckets of time.
///
/// A source only reports the counts of the moment. A settler deals with the
/// rest: newest buckets that are partial, old ones that are stated again, and missing ones. Two rules are
/// the source's own:
///
/// - an unknown count is `None`, never zero;
/// - one look is one batched call for both sides, so that both are of the same moment.
///
/// A source dates its buckets by a clock of its own, and is asked in its own time; it
/// [tells](Self::ahead) how far its clock is ahead of the run's.
///
/// A source for CloudWatch is included; a source of your own makes a
/// [`MetricsGate`](crate::health::MetricsGate) with
/// all its judges.
///
/// # Mocking
///
/// ```
/// # mod embedder {
/// use std::time::Duration;
/// use async_trait::async_trait;
/// use bluegreen::{Result, health::{Bucket, MetricSource, Window}};
///
/// mockall::mock! {
///     #[derive(Debug)]
///     pub Source {}
///     #[async_trait]
///     impl MetricSource for Source {
///         fn period(&self) -> Duration;
///         async fn read(&self, window: &Window) -> Result<Vec<Bucket>>;
///         fn settings(&self) -> serde_json::Value;
///     }
/// }
/// # }
/// # fn main() {}
/// ```
#[async_trait]
#[auto_impl(Arc, Box)]
pub trait MetricSource: fmt::Debug + Send + Sync {
    /// Returns the length of a bucket: whole seconds, at least one. Buckets begin at multiples of this
    /// length since the epoch.
    fn period(&self) -> Duration;

    /// Reads the buckets that begin in the window, whose ends are multiples of the period. In any
    /// order; a bucket of which nothing is known may be missing.
    ///
    /// # Errors
    ///
    /// If any part could not be read: half an answer does not count.
    ///
    /// # Cancel safety
    ///
    /// Must only read.
    async fn read(&self, window: &Window) -> Result<Vec<Bucket>>;

    /// Returns how far the source's clock is ahead of the run's, whose time is `at`; negative if it is
    /// behind. Whole seconds. `None`, the default, if the source does not know, or not yet: then the last
    /// known difference holds, or none.
    ///
    /// The run asks before each read and after it, since an answer may tell the source's time. A change
    /// of less than 5 s between looks is taken for noise.
    fn ahead(&self, at: Timestamp) -> Option<SignedDuration> {
        let _ = at;
        None
    }

    /// Returns the latency above which a request is slow: a tenth of blue's requests in the hour before
    /// took longer. The run asks once, before the first shift, and keeps the answer for the whole
    /// migration, so that both sides are compared with the same latency.
    ///
    /// `None`, the default, if this source cannot tell, or if blue had too little traffic. `before` is in
    /// the source's time.
    ///
    /// # Errors
    ///
    /// If the latency could not be read.
    ///
    /// # Cancel safety
    ///
    /// Must only read.
    async fn slow_above(&self, before: Timestamp) -> Result<Option<Duration>> {
        let _ = before;
        Ok(None)
    }

    /// Returns the settings that decide what the source counts, for the journal; nothing secret.
    fn settings(&self) -> serde_json::Value;
}
