//! The entries of a migration's journal.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, de::Error};

use super::{Action, Input, MigrationPlan, OpenedGate, Reopened};
use crate::{engine::RunId, json::JsonText};

/// An entry of a migration's journal.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
pub(crate) enum Entry {
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
        propagation: Duration,
        /// A value of the embedder, to be read when the run is resumed.
        #[serde(skip_serializing_if = "serde_json::Value::is_null")]
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
        snapshot: JsonText,
    },
    /// A change that is about to be made.
    Change {
        /// The action.
        action: Action,
    },
}

impl Entry {
    /// Returns the entry as a record keeps it.
    pub(crate) fn text(&self) -> JsonText {
        text(self)
    }
}

/// The entry that a run writes at each step: as [`Entry`], with borrowed content.
#[derive(Debug, Serialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
pub(super) enum Written<'a> {
    Input { input: &'a Input },
    Change { action: &'a Action },
}

impl Written<'_> {
    /// As a record's entry.
    pub(super) fn text(&self) -> JsonText {
        text(self)
    }
}

fn text(entry: &impl Serialize) -> JsonText {
    // Only maps with keys that are no text cannot be JSON, and there are none.
    JsonText::of(entry).unwrap_or_else(|_| serde_json::Value::Null.into())
}

/// Every field of every entry. Read so, an entry goes from its text into its types at once; a derived
/// reader would make a tree of it first, to find its tag.
#[derive(Deserialize)]
struct Fields {
    entry: Kind,
    version: Option<u32>,
    run: Option<RunId>,
    plan: Option<MigrationPlan>,
    gates: Option<Vec<OpenedGate>>,
    propagation: Option<Duration>,
    #[serde(default)]
    origin: serde_json::Value,
    reopened: Option<Box<Reopened>>,
    input: Option<Input>,
    snapshot: Option<JsonText>,
    action: Option<Action>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Opened,
    Reopened,
    Input,
    Snapshot,
    Change,
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        fn of<T, E: Error>(field: Option<T>, name: &'static str) -> Result<T, E> {
            field.ok_or_else(|| E::missing_field(name))
        }
        let read = Fields::deserialize(deserializer)?;
        Ok(match read.entry {
            Kind::Opened => Self::Opened {
                version: of(read.version, "version")?,
                run: of(read.run, "run")?,
                plan: of(read.plan, "plan")?,
                gates: of(read.gates, "gates")?,
                propagation: read.propagation.unwrap_or_default(),
                origin: read.origin,
            },
            Kind::Reopened => Self::Reopened {
                version: of(read.version, "version")?,
                reopened: of(read.reopened, "reopened")?,
            },
            Kind::Input => Self::Input {
                input: of(read.input, "input")?,
            },
            Kind::Snapshot => Self::Snapshot {
                snapshot: of(read.snapshot, "snapshot")?,
            },
            Kind::Change => Self::Change {
                action: of(read.action, "action")?,
            },
        })
    }
}
