//! The entries of a migration's journal.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Action, Input, MigrationPlan, OpenedGate, Reopened};
use crate::engine::RunId;

/// An entry of a migration's journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
pub enum Entry {
    /// The first entry: what was decided before the start.
    Opened {
        /// [`JOURNAL_VERSION`](crate::engine::JOURNAL_VERSION) of the program that wrote the journal.
        version: u32,
        /// The run.
        run: RunId,
        /// The plan.
        plan: MigrationPlan,
        /// The gates, in order, with their policies and settings.
        gates: Vec<OpenedGate>,
        /// How long after a write a read may show an older state, as the splitter says.
        #[serde(default)]
        propagation: Duration,
        /// What the embedder stored for a resume.
        #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
        origin: serde_json::Value,
    },
    /// The run was begun by an earlier version, and continues under the rules of this one. Since
    /// version 4.
    Reopened {
        /// The version whose rules hold from here on.
        version: u32,
        /// Where the run stands.
        reopened: Box<Reopened>,
    },
    /// An input of the machine.
    Input {
        /// The input.
        input: Input,
    },
    /// The state that all records before this one add up to, so that a resume can begin here: the
    /// machine, the action that it waits for, and the state of each judge. A snapshot of another version
    /// is not read; its run is resumed from the whole journal. Since version 4.
    Snapshot {
        /// The snapshot.
        snapshot: serde_json::Value,
    },
    /// A change that is about to be made.
    Change {
        /// The action.
        action: Action,
    },
}

impl Entry {
    /// Returns the entry as a record keeps it.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        // Only maps with keys that are no text cannot be JSON, and there are none.
        serde_json::to_value(self).unwrap_or_default()
    }
}
