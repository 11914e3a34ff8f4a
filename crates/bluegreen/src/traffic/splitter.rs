//! The role that divides traffic.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use auto_impl::auto_impl;

use super::{Shift, Shifted, TrafficObservation};
use crate::{error::Result, preflight::Finding};

/// Divides live traffic between blue and green.
///
/// The methods follow the loop observe, decide, act. An implementation relies on its reads alone;
/// its memory serves a restore while reads fail, and nothing else. Reads may be older than the newest
/// write, for the [propagation time](Self::propagation); the caller tells an old read from a third
/// party's change.
///
/// # Mocking
///
/// Feature `mock` exports `MockTrafficSplitter`. To write a mock of your own:
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
    /// Checks, once before the first shift, for anything that would make a migration unsafe or its
    /// figures wrong, and reports all of it. Reads only. The default looks for nothing.
    ///
    /// # Errors
    ///
    /// If the check was not possible. A problem that it found is no error but a [`Finding`].
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
    /// `NotFound` if the rule or a side is missing, `Refused` if the rule has a shape that
    /// an edit could damage; never a made-up default.
    ///
    /// # Cancel safety
    ///
    /// Only reads: dropping it leaves nothing behind.
    async fn observe(&self) -> Result<TrafficObservation>;

    /// Changes the split. Reads the routing first, edits what it just read, and writes only if
    /// [`Shift::is_to_write`] says so of that routing.
    ///
    /// A rise to the split that is there already is answered as seen, without a write. A restore is
    /// always written. A restore over [`Held`](super::Over::Held) is written from the routing that this
    /// splitter itself last read, without a read before or after the write;
    /// [`Invalid`](crate::ErrorKind::Invalid) if this splitter has read nothing yet.
    ///
    /// # Errors
    ///
    /// `Conflict` if the shift may not replace the routing: nothing was written. `OutcomeUnknown`
    /// if the write may or may not have happened: observe before anything else. With every other kind
    /// nothing was written. A write that was accepted and cannot be read back is no
    /// error but [`Shifted::Accepted`]. An implementation does not resend a write by itself.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: a dropped call may have written. Observe afterwards. The engine never
    /// drops it, except on a request to stop at once.
    async fn shift(&self, shift: &Shift) -> Result<Shifted>;

    /// Returns how long after the end of a write's call a read may still show an older state, and a call
    /// without an answer may still take effect. Zero if reads are consistent and calls are never
    /// late.
    fn propagation(&self) -> Duration;
}
