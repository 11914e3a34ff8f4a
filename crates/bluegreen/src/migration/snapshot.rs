//! [`Snapshot`]: a run at one moment, as its journal keeps it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Action, MigrationMachine, fold::FoldSnapshot};

/// A run at one moment: all that a resume needs to go on from there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Snapshot {
    pub(super) version: u32,
    pub(super) machine: MigrationMachine,
    /// What the machine waits for.
    pub(super) outstanding: Action,
    /// What each gate's judge has learnt, in the order of the gates.
    pub(super) folds: Vec<FoldSnapshot>,
    /// How many events were told.
    pub(super) events: u64,
    /// The requests from elsewhere that were taken of late, by their nonces, and when.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) requests: Vec<(Timestamp, String)>,
}
