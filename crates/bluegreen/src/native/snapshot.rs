//! [`Snapshot`]: a run at one moment, as its journal keeps it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Action, NativeMachine};
use crate::health::session::SavedSession;

/// A run at one moment: everything that a resume needs to continue from there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Snapshot {
    pub(super) version: u32,
    pub(super) machine: NativeMachine,
    /// The action that the machine waits for.
    pub(super) outstanding: Action,
    /// What each gate's judge has learnt, in the order of the gates.
    pub(super) judges: Vec<SavedSession>,
    /// How many events the run has told.
    pub(super) events: u64,
    /// The nonces of the latest requests from outside, and when each was taken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) requests: Vec<(Timestamp, String)>,
}
