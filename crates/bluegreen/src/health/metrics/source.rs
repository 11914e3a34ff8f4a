//! The role that counts: [`MetricSource`].

use std::{fmt, time::Duration};

use async_trait::async_trait;
use auto_impl::auto_impl;
use jiff::{SignedDuration, Timestamp};

use crate::{
    error::Result,
    health::{Bucket, Window},
};

/// Tells what blue and green did, in buckets of time.
///
/// A source only reports what it sees now. That its newest buckets are partial, that it states
/// old ones again, that some are missing: all of this is for a settler to
/// deal with. Two rules are the source's own:
///
/// - what it does not know is `None`, never zero;
/// - one look is one batched call for both sides, so that both are of the same moment.
///
/// A source dates its buckets by a clock of its own, and is asked in its own time; how far that is
/// ahead of the run's it [tells](Self::ahead).
///
/// Ships for CloudWatch; a source of your own makes a [`MetricsGate`](crate::health::MetricsGate) with
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
    /// How long a bucket is: whole seconds, at least one. Buckets begin at multiples of it since
    /// the epoch.
    fn period(&self) -> Duration;

    /// Reads the buckets that begin in the window, whose ends are multiples of the period. In any
    /// order; a bucket of which nothing is known may be missing.
    ///
    /// # Errors
    ///
    /// Where any part could not be read: half an answer is none.
    ///
    /// # Cancel safety
    ///
    /// Must only read.
    async fn read(&self, window: &Window) -> Result<Vec<Bucket>>;

    /// How far the source's clock is ahead of the run's, whose time is `at`; negative if it is
    /// behind. Whole seconds. `None`, the default, if the source does not know it, or not yet: then
    /// both are taken for the same, or what was known last stands.
    ///
    /// It is asked before each read and after it, since an answer may be what tells it. A difference
    /// that moves by less than 5 s between looks is taken for noise.
    fn ahead(&self, at: Timestamp) -> Option<SignedDuration> {
        let _ = at;
        None
    }

    /// What counts as slow: the latency above which a tenth of blue's requests were in the hour
    /// before. It is asked once, before the first shift, and then kept for the whole migration, so
    /// that both sides are held against the same.
    ///
    /// `None`, the default, where this source cannot tell, or blue had too little traffic. `before` is
    /// in the source's time.
    ///
    /// # Errors
    ///
    /// Where it could not be read.
    ///
    /// # Cancel safety
    ///
    /// Must only read.
    async fn slow_above(&self, before: Timestamp) -> Result<Option<Duration>> {
        let _ = before;
        Ok(None)
    }

    /// What decides what it counts, for the journal; nothing secret.
    fn settings(&self) -> serde_json::Value;
}
