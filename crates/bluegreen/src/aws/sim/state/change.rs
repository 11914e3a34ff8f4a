//! [`Change`]: a change of the weights, its time and its writer.

use jiff::Timestamp;

use crate::traffic::{Sides, TargetCounts};

/// One change of the weights.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// The time of the change.
    pub at: Timestamp,
    /// The weights from then on.
    pub weights: Sides<u32>,
    /// The writer of the weights.
    pub by: Writer,
    /// The targets at that moment.
    pub targets: Sides<TargetCounts>,
}

/// The origin of a change of the weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Writer {
    /// The weights of the start.
    Start,
    /// The caller of this simulated AWS.
    Caller,
    /// A third party.
    Stranger,
    /// The service itself.
    Service,
    /// A schedule of EventBridge Scheduler.
    Schedule,
}
