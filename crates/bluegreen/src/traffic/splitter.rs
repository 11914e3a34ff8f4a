//! The role that divides traffic.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use auto_impl::auto_impl;

use super::{Shift, Shifted, TrafficObservation};
use crate::{error::Result, preflight::Finding};

/// Divides live traffic between blue and green.
///
/// The methods follow the loop observe, decide, act. What counts is what an implementation
/// reads; its memory serves a restore while reads fail, and nothing else. Reads may be older than the newest write, for as long as
/// [`propagation`](Self::propagation) says; telling an old read from a third party's change is the
/// caller's work.
///
/// # Mocking
///
/// Feature `mock` exports `MockTrafficSplitter`. To write one of your own:
///
/// ```
/// # mod embedder {
/// use async_trait::async_trait;
/// use std::time::Duration;
///
/// use bluegreen::{Result, TrafficSplitter, preflight::Finding, traffic::{Shift, Shifted, TrafficObservation}};
///
/// mockall::mock! {
///     #[derive(Debug)]
///     pub Splitter {}
///     #[async_trait]
///     impl TrafficSplitter for Splitter {
///         async fn preflight(&self) -> Result<Vec<Finding>>;
///         async fn observe(&self) -> Result<TrafficObservation>;
///         async fn shift(&self, shift: &Shift) -> Result<Shifted>;
///         fn propagation(&self) -> Duration;
///     }
/// }
/// # }
/// # fn main() {}
/// ```
#[async_trait]
#[auto_impl(Arc, Box)]
pub trait TrafficSplitter: fmt::Debug + Send + Sync {
    /// Looks, once before the first shift, for what would make a migration unsafe or its
    /// figures wrong, and reports all of it. Reads only. The default looks for nothing.
    ///
    /// # Errors
    ///
    /// Where it could not look. What it found is no error but a [`Finding`].
    ///
    /// # Cancel safety
    ///
    /// Only reads: dropping it leaves nothing behind.
    async fn preflight(&self) -> Result<Vec<Finding>> {
        Ok(Vec::new())
    }

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

    /// Changes the split. Reads the routing first, edits what it just read, and writes only if the
    /// shift [may replace](Shift::may_replace) that: [`Shift::is_to_write`] decides it.
    ///
    /// A rise to the split that is there already is answered as seen without a write. A restore is
    /// always written. One over what is [held](super::Over::Held) is written without a read, before or
    /// after, from what this splitter itself last read; [`Invalid`](crate::ErrorKind::Invalid) if that
    /// is nothing.
    ///
    /// # Errors
    ///
    /// `Conflict` if the shift may not replace the routing: nothing was written. `OutcomeUnknown`
    /// if the write may or may not have happened: observe before anything else. Every other kind
    /// says that nothing was written. A write that was accepted and cannot be read back is no
    /// error but [`Shifted::Accepted`]. An implementation does not resend a write by itself.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: a dropped call may have written. Observe afterwards. The engine never
    /// drops it, except on a request to stop at once.
    async fn shift(&self, shift: &Shift) -> Result<Shifted>;

    /// How long after the end of a write's call a read may still show an older state, and a call
    /// without an answer may still take effect. Zero if reads are consistent and calls are never
    /// late.
    fn propagation(&self) -> Duration;
}
