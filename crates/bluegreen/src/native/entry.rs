//! The entries of a judge's journal.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, de::Error};

use super::{Action, Input, NativePlan};
use crate::{engine::RunId, json::JsonText, migration::OpenedGate};

/// An entry of a judge's journal.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
pub(crate) enum Entry {
    /// The first entry: what was decided before the start.
    Opened {
        /// [`JOURNAL_VERSION`](crate::engine::JOURNAL_VERSION) of the program that wrote the journal.
        version: u32,
        /// The run.
        run: RunId,
        /// The deployment that is judged. No journal of another machine has this field.
        judged: String,
        /// The plan.
        plan: Box<NativePlan>,
        /// The gates, in order, with their policies and settings.
        gates: Vec<OpenedGate>,
        /// The names of the checks.
        checks: Vec<String>,
        /// How long after a change a read may show an older state.
        propagation: Duration,
        /// The command by which a person has the platform put everything back.
        by_hand: Option<String>,
        /// A value of the embedder, to be read when the run is resumed.
        #[serde(skip_serializing_if = "serde_json::Value::is_null")]
        origin: serde_json::Value,
    },
    /// An input of the machine.
    Input {
        /// The input.
        input: Box<Input>,
    },
    /// The state that all records before this one add up to, so that a resume can begin here. A snapshot of
    /// another version is not read.
    Snapshot {
        /// The snapshot.
        snapshot: JsonText,
    },
    /// A change that is about to be made.
    Change {
        /// The action.
        action: Box<Action>,
    },
}

/// The entry that a run writes at each step: as [`Entry`], with borrowed content.
#[derive(Debug, Serialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
pub(super) enum Written<'a> {
    Input { input: &'a Input },
    Change { action: &'a Action },
}

/// Returns an entry as a record keeps it.
pub(super) fn text(entry: &impl Serialize) -> JsonText {
    // Only maps with keys that are no text cannot be JSON, and there are none.
    JsonText::of(entry).unwrap_or_else(|_| serde_json::Value::Null.into())
}

/// Every field of every entry. Read so, an entry goes from its text into its types at once; a derived reader
/// would make a tree of it first, to find its tag, and a tree holds no text of an observation.
#[derive(Deserialize)]
struct Fields {
    entry: Kind,
    version: Option<u32>,
    run: Option<RunId>,
    judged: Option<String>,
    plan: Option<Box<NativePlan>>,
    gates: Option<Vec<OpenedGate>>,
    #[serde(default)]
    checks: Vec<String>,
    propagation: Option<Duration>,
    by_hand: Option<String>,
    #[serde(default)]
    origin: serde_json::Value,
    input: Option<Box<Input>>,
    snapshot: Option<JsonText>,
    action: Option<Box<Action>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Opened,
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
                judged: of(read.judged, "judged")?,
                plan: of(read.plan, "plan")?,
                gates: of(read.gates, "gates")?,
                checks: read.checks,
                propagation: of(read.propagation, "propagation")?,
                by_hand: read.by_hand,
                origin: read.origin,
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
