//! Replaying a journal: the same inputs must give the same changes and events.

use std::fmt;

use super::{
    Action, DeploymentEvent, DeploymentMachine, Entry, Input, Unfinished, machine::RULES_SINCE,
    salvage,
};
use crate::engine::{JOURNAL_VERSION, Machine as _, Next, Record, Work};

/// The result of a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replay {
    /// Every event, in order.
    pub events: Vec<DeploymentEvent>,
    /// The machine as the journal left it.
    pub machine: DeploymentMachine,
}

/// Why a journal does not replay, and at which record.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplayError {
    /// The record is no record of a deployment's journal.
    Unreadable {
        /// The record's place.
        seq: u64,
        /// Why.
        why: String,
    },
    /// The journal was written by a newer version, or by a version whose rules are gone.
    Version {
        /// The version that wrote it.
        found: u32,
    },
    /// The machine wants a change that the journal does not announce.
    Missing {
        /// The place of the record that comes instead.
        seq: u64,
        /// What the machine wants.
        wanted: Box<Action>,
    },
    /// The machine wants another change than the change that was made.
    Action {
        /// The record's place.
        seq: u64,
        /// The change in the journal.
        recorded: Box<Action>,
        /// The change that the machine wants now.
        wanted: Option<Box<Action>>,
    },
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { seq, why } => write!(f, "record {seq} cannot be read: {why}"),
            Self::Version { found } if *found > JOURNAL_VERSION => write!(
                f,
                "the journal is of version {found}, and this program reads versions up to \
                 {JOURNAL_VERSION}: use the program that wrote it, or a newer one; `rollback` \
                 needs no journal and works in any case"
            ),
            Self::Version { found } => write!(
                f,
                "the journal is of version {found}, and this program replays versions \
                 {RULES_SINCE} to {JOURNAL_VERSION}"
            ),
            Self::Missing { seq, wanted } => write!(
                f,
                "record {seq}: the machine wants {wanted:?}, which the journal does not announce"
            ),
            Self::Action {
                seq,
                recorded,
                wanted,
            } => write!(
                f,
                "record {seq}: the journal holds {recorded:?}, the machine wants {wanted:?}"
            ),
        }
    }
}

impl std::error::Error for ReplayError {}

/// Returns the value that [`Deployment::origin`](super::Deployment::origin) left in a journal; null if there
/// is none, or if the records are not a deployment's.
#[must_use]
pub fn origin_of(records: &[Record]) -> serde_json::Value {
    let first = records.first().map(|record| record.entry.value());
    let origin = first.and_then(|entry| entry.get("origin"));
    origin.cloned().unwrap_or_default()
}

fn version_of(records: &[Record]) -> Option<u32> {
    let version = records.first()?.entry["version"].as_u64()?;
    u32::try_from(version).ok()
}

/// Returns the work that the run of these records left undone.
///
/// # Errors
///
/// As [`replay`], except that an earlier version is no error.
pub(super) fn unfinished(records: &[Record]) -> Result<Unfinished, ReplayError> {
    let found = version_of(records).filter(|found| *found < JOURNAL_VERSION);
    let undone = match found {
        Some(found) if found < RULES_SINCE => salvage::unfinished(records),
        _ => replay(records)?.machine.unfinished(),
    };
    let found = found.filter(|_| undone != Unfinished::default());
    Ok(Unfinished { found, ..undone })
}

/// Why an answer without a question does not replay.
const UNASKED: &str = "it answers something that the machine did not ask for; is a record missing?";

/// Whether an input is the answer to an action.
fn is_answer(input: &Input) -> bool {
    !matches!(
        input,
        Input::Start(_) | Input::Control(_) | Input::JournalFailed(_)
    )
}

/// Whether an input is an answer to this action.
fn answers(action: &Action, input: &Input) -> bool {
    let is_change = matches!(DeploymentMachine::work(action), Work::Change { .. });
    match (action, input) {
        (_, Input::NotBegun(_)) => is_change,
        (action, input) => matches!(
            (action, input),
            (Action::Preflight { .. }, Input::Preflighted { .. })
                | (Action::Resolve { .. }, Input::Resolved(_))
                | (Action::FindImage { .. }, Input::ImageFound(_))
                | (Action::Build { .. }, Input::Built(_))
                | (Action::Register { .. }, Input::Registered(_))
                | (Action::Update { .. }, Input::Updated(_))
                | (Action::Observe, Input::Observed(_))
                | (Action::Follow { .. }, Input::Followed(_))
                | (Action::Check { .. }, Input::Checked(_))
                | (Action::Tag { .. }, Input::Tagged(_))
                | (Action::Wait { .. }, Input::Waited { .. })
        ),
    }
}

/// Plays a journal again: feeds the machine every recorded input, and compares each change with
/// the recorded change.
///
/// # Errors
///
/// [`ReplayError`] at the first difference.
pub fn replay(records: &[Record]) -> Result<Replay, ReplayError> {
    let unreadable = |seq: u64, why: String| ReplayError::Unreadable { seq, why };
    // Before anything else: the records of a newer version may not even be readable.
    if let Some(found) = version_of(records)
        && !(RULES_SINCE..=JOURNAL_VERSION).contains(&found)
    {
        return Err(ReplayError::Version { found });
    }
    let entry = |record: &Record| {
        let read = record.entry.read::<Entry>();
        read.map_err(|error| unreadable(record.seq, error.to_string()))
    };
    let mut records = records.iter();
    let first = records
        .next()
        .ok_or_else(|| unreadable(0, "the journal is empty".to_owned()))?;
    let Entry::Opened {
        plan,
        health,
        smoke,
        by_hand,
        propagation,
        unfinished,
        ..
    } = entry(first)?
    else {
        let why = "the first record does not open a journal".to_owned();
        return Err(unreadable(first.seq, why));
    };
    let mut machine = DeploymentMachine::new(*plan, health.len(), smoke.len())
        .with_by_hand(by_hand)
        .with_propagation(propagation)
        .with_unfinished(unfinished);
    let mut events = Vec::new();
    // The change that the machine wants and the journal has not announced yet.
    let mut wanted: Option<Action> = None;
    let mut outstanding: Option<Action> = None;
    for record in records {
        match entry(record)? {
            Entry::Opened { .. } => {
                return Err(unreadable(record.seq, "opened a second time".to_owned()));
            }
            Entry::Input { input } => {
                // A change is announced right after the input that causes it.
                if let Some(wanted) = wanted.take() {
                    return Err(ReplayError::Missing {
                        seq: record.seq,
                        wanted: Box::new(wanted),
                    });
                }
                if is_answer(&input) {
                    let asked = outstanding.take();
                    if !asked.is_some_and(|action| answers(&action, &input)) {
                        return Err(unreadable(record.seq, UNASKED.to_owned()));
                    }
                }
                let transition = machine.on(record.at, input);
                events.extend(transition.events);
                match transition.next {
                    Next::Do(action) => {
                        let is_change =
                            matches!(DeploymentMachine::work(&action), Work::Change { .. });
                        wanted = is_change.then(|| action.clone());
                        outstanding = Some(action);
                    }
                    Next::Keep => {}
                    Next::End => outstanding = None,
                }
            }
            Entry::Change { action } => {
                let expected = wanted.take();
                if expected.as_ref() != Some(&action) {
                    return Err(ReplayError::Action {
                        seq: record.seq,
                        recorded: Box::new(action),
                        wanted: expected.map(Box::new),
                    });
                }
            }
        }
    }
    Ok(Replay { events, machine })
}
