//! [`Change`]: who changed the weights, when, to what.

use jiff::Timestamp;

use crate::traffic::{Sides, TargetCounts};

/// One change of the weights.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// When.
    pub at: Timestamp,
    /// The weights from then on.
    pub weights: Sides<u32>,
    /// Who wrote them.
    pub by: Writer,
    /// The targets at that moment.
    pub targets: Sides<TargetCounts>,
}

/// Who changed the weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Writer {
    /// They were so at the start.
    Start,
    /// Whoever calls this simulated AWS.
    Caller,
    /// Somebody else.
    Stranger,
    /// The service itself.
    Service,
    /// A schedule of EventBridge Scheduler.
    Schedule,
}
