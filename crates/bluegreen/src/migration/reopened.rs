//! A run of an earlier version, as this version continues it.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Cause, Intent, OpenedGate, Override, outcome::End};
use crate::{
    engine::Control,
    traffic::{Armed, TrafficObservation},
};

/// The state of a run of an earlier version, as its records show it. A resume writes it into the journal,
/// so that a later resume or replay begins here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Reopened {
    /// The version that wrote the records before this one.
    pub(super) found: u32,
    /// When it was reopened, and bake, evidence and deadlines began anew.
    pub(super) at: Timestamp,
    /// The gates that were supplied to the resume.
    pub(super) gates: Vec<OpenedGate>,
    /// When the run began.
    pub(super) started: Timestamp,
    pub(super) intent: Intent,
    /// The routing that was last read back as the run's own.
    pub(super) expected: Option<TrafficObservation>,
    /// The newest observation, and when the split was read.
    pub(super) last: Option<(Timestamp, TrafficObservation)>,
    /// Blue's healthy targets at the start.
    pub(super) blue_at_start: Option<u32>,
    /// Whether a change was ever sent.
    pub(super) moved: bool,
    /// How long after a write a read may show an older state.
    pub(super) propagation: Duration,
    pub(super) stands: Stands,
    pub(super) paused: bool,
    /// An operator's request that the run has not carried out yet.
    pub(super) then: Option<Control>,
    pub(super) overrides: Vec<Override>,
    /// From when on a dead-man switch may fire.
    pub(super) may_fire: Option<Timestamp>,
    /// The dead-man switch, as it was certainly armed last, and when it fires.
    pub(super) armed: Option<(Armed, Timestamp)>,
}

/// Where a run stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "stands", rename_all = "snake_case")]
pub(super) enum Stands {
    /// Nothing was sent: the survey is repeated.
    Survey,
    /// The share of this step is live.
    Step { step: usize },
    /// A rise to `to` was sent, and its outcome is unknown.
    Rising { from: Option<usize>, to: usize },
    /// Everything is on its way back to blue.
    Restoring { cause: Cause },
    /// Blue has everything, read back.
    Restored { cause: Cause, at: Timestamp },
    /// The run has ended.
    Ended { end: Box<End> },
}
