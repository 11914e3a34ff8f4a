//! The role that divides traffic.

use std::{fmt, sync::Arc};

use async_trait::async_trait;

use super::{TrafficObservation, TrafficSplit};
use crate::{error::Result, preflight::Finding};

/// Divides live traffic between blue and green.
///
/// The three methods follow the loop observe, decide, act. An implementation keeps no memory of
/// the split: what counts is what it reads.
///
/// # Mocking
///
/// Feature `mock` exports `MockTrafficSplitter`. To write one of your own:
///
/// ```
/// # mod embedder {
/// use async_trait::async_trait;
/// use bluegreen::{Result, TrafficSplit, TrafficSplitter, preflight::Finding, traffic::TrafficObservation};
///
/// mockall::mock! {
///     #[derive(Debug)]
///     pub Splitter {}
///     #[async_trait]
///     impl TrafficSplitter for Splitter {
///         async fn preflight(&self) -> Result<Vec<Finding>>;
///         async fn observe(&self) -> Result<TrafficObservation>;
///         async fn shift(&self, from: &TrafficObservation, to: TrafficSplit) -> Result<TrafficObservation>;
///     }
/// }
/// # }
/// # fn main() {}
/// ```
#[async_trait]
pub trait TrafficSplitter: fmt::Debug + Send + Sync {
    /// Looks, once before the first shift, for what would make a migration unsafe or its
    /// figures wrong, and reports all of it. Reads only.
    ///
    /// # Errors
    ///
    /// Where it could not look. What it found is no error but a [`Finding`].
    ///
    /// # Cancel safety
    ///
    /// Only reads: dropping it leaves nothing behind.
    async fn preflight(&self) -> Result<Vec<Finding>>;

    /// Reads the split as it is, the healthy targets of each side, and a fingerprint of
    /// everything else that routes this traffic.
    ///
    /// # Errors
    ///
    /// `NotFound` where the rule or a side is missing, `Refused` where the rule has a shape that
    /// an edit could damage; never a made-up default.
    ///
    /// # Cancel safety
    ///
    /// Only reads: dropping it leaves nothing behind.
    async fn observe(&self) -> Result<TrafficObservation>;

    /// Changes the split from what was observed to what is wanted, and returns what it read
    /// back. Re-reads first, edits what it just read, and writes only if that is still the
    /// routing of `from`.
    ///
    /// A routing that already is `to` is not written again.
    ///
    /// # Errors
    ///
    /// `Conflict` where the routing is no longer that of `from`: nothing was written.
    /// `OutcomeUnknown` where the write may or may not have happened: observe before anything
    /// else. An implementation does not resend a write by itself.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: a dropped call may have written. Observe afterwards. The engine never
    /// drops it, except on a request to stop at once.
    async fn shift(
        &self,
        from: &TrafficObservation,
        to: TrafficSplit,
    ) -> Result<TrafficObservation>;
}

#[async_trait]
impl<T: TrafficSplitter + ?Sized> TrafficSplitter for Arc<T> {
    async fn preflight(&self) -> Result<Vec<Finding>> {
        (**self).preflight().await
    }

    async fn observe(&self) -> Result<TrafficObservation> {
        (**self).observe().await
    }

    async fn shift(
        &self,
        from: &TrafficObservation,
        to: TrafficSplit,
    ) -> Result<TrafficObservation> {
        (**self).shift(from, to).await
    }
}
