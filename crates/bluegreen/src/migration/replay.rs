//! Replaying a journal: the same inputs must give the same verdicts, actions and events.

use std::fmt;

use serde::Deserialize;

use super::{
    Action, Entry, GateId, Input, LookReport, MACHINE_VERSION, MigrationEvent, MigrationMachine,
    MigrationOutcome, MigrationPlan, OpenedGate, Unresolved, difference::differences,
    machine::OLDEST_VERSION,
};
use crate::{
    clock::between,
    engine::{Event, Machine as _, Next, Record, RunId, Work},
    health::{HealthGate, Judge, Observation, Progress, Verdict},
};

/// What a replay gave.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Replay {
    /// Every event, in order.
    pub events: Vec<MigrationEvent>,
    /// The machine as the journal left it.
    pub machine: MigrationMachine,
    /// How many verdicts were judged again and found the same.
    pub verdicts: usize,
}

impl Replay {
    /// How it ended, if the journal holds its end.
    #[must_use]
    pub fn end(&self) -> Option<Result<&MigrationOutcome, &Unresolved>> {
        self.machine.end()
    }
}

/// Where a journal does not replay.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ReplayError {
    /// The record is not one of a migration's journal.
    Unreadable {
        /// The record's place.
        seq: u64,
        /// Why.
        why: String,
    },
    /// The journal was written by another version of the machine.
    Version {
        /// The version that wrote it.
        found: u32,
    },
    /// A gate of the journal was not supplied, or has other settings.
    Gate {
        /// The gate.
        gate: GateId,
        /// What is different.
        why: String,
    },
    /// A judge says something else now.
    Verdict {
        /// The record's place.
        seq: u64,
        /// The gate.
        gate: GateId,
        /// The look, counted from 0; the preflight is the first.
        look: usize,
        /// What the journal says.
        recorded: Option<Box<Verdict>>,
        /// What the judge says now.
        judged: Option<Box<Verdict>>,
    },
    /// The machine wants another change than the one that was made.
    Action {
        /// The record's place.
        seq: u64,
        /// What the journal says.
        recorded: Box<Action>,
        /// What the machine wants now.
        wanted: Option<Box<Action>>,
    },
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { seq, why } => write!(f, "record {seq} cannot be read: {why}"),
            Self::Version { found } => write!(
                f,
                "the journal is of version {found}, this program reads versions {OLDEST_VERSION} \
                 to {MACHINE_VERSION}"
            ),
            Self::Gate { gate, why } => write!(f, "gate `{gate}`: {why}"),
            Self::Verdict {
                seq,
                gate,
                look,
                recorded,
                judged,
            } => {
                let word = |verdict: &Option<Box<Verdict>>| match verdict {
                    Some(verdict) => verdict.to_string(),
                    None => "nothing".to_owned(),
                };
                write!(
                    f,
                    "gate `{gate}` at look {look} (record {seq}): the journal says `{}`, its judge `{}`",
                    word(recorded),
                    word(judged)
                )
            }
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

/// Plays a journal again: feeds the machine every recorded input, judges every observation
/// afresh, and compares each verdict and each change with what was recorded.
///
/// `gates` are the gates of the run, in any order, with the settings of the run.
///
/// # Errors
///
/// [`ReplayError`] at the first difference, naming gate and look.
pub fn replay(
    records: &[Record],
    gates: &[(GateId, &dyn HealthGate)],
) -> Result<Replay, ReplayError> {
    let (_, player) = play(records, gates)?;
    Ok(Replay {
        events: player.events,
        machine: player.machine,
        verdicts: player.verdicts,
    })
}

/// The events of a journal, each with its time, as the run told them. Nothing is judged again, so no
/// gate is needed: for whoever only wants to see what happened.
///
/// # Errors
///
/// [`ReplayError`] where a record is not one of a migration's journal.
pub fn events_of(records: &[Record]) -> Result<Vec<Event<MigrationEvent>>, ReplayError> {
    let opened = opened(records)?;
    let seated = opened.gates.iter().map(|g| (g.gate.clone(), g.policy));
    let mut machine = MigrationMachine::new(opened.plan, seated);
    let mut events: Vec<Event<MigrationEvent>> = Vec::new();
    for record in &records[1..] {
        let Entry::Input { input } = entry(record)? else {
            continue;
        };
        for kind in machine.on(record.at, input).events {
            let started = events.first().map_or(record.at, |first| first.at);
            events.push(Event {
                run: opened.run.clone(),
                seq: events.len() as u64,
                at: record.at,
                elapsed: between(started, record.at),
                kind,
            });
        }
    }
    Ok(events)
}

/// What a journal says of a run before anything happened in it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Opened {
    pub(super) run: RunId,
    pub(super) plan: MigrationPlan,
    gates: Vec<OpenedGate>,
    origin: serde_json::Value,
}

/// What [`Migration::origin`](super::Migration::origin) left in a journal; null where it left
/// nothing.
///
/// # Errors
///
/// [`ReplayError`] where the records do not begin as a journal does.
pub fn origin_of(records: &[Record]) -> Result<serde_json::Value, ReplayError> {
    opened(records).map(|opened| opened.origin)
}

/// Reads the first record.
pub(super) fn opened(records: &[Record]) -> Result<Opened, ReplayError> {
    let first = records
        .first()
        .ok_or_else(|| unreadable(0, "the journal is empty"))?;
    // Before anything else: what a newer version wrote may not even be readable.
    let version = first
        .entry
        .get("version")
        .and_then(serde_json::Value::as_u64);
    let version = version.and_then(|version| u32::try_from(version).ok());
    match (version, entry(first)) {
        (Some(found), _) if !(OLDEST_VERSION..=MACHINE_VERSION).contains(&found) => {
            Err(ReplayError::Version { found })
        }
        (
            _,
            Ok(Entry::Opened {
                run,
                plan,
                gates,
                origin,
                ..
            }),
        ) => Ok(Opened {
            run,
            plan,
            gates,
            origin,
        }),
        (_, Ok(_)) => Err(unreadable(
            first.seq,
            "the first record does not open a journal",
        )),
        (_, Err(error)) => Err(error),
    }
}

fn entry(record: &Record) -> Result<Entry, ReplayError> {
    Entry::deserialize(&record.entry).map_err(|error| unreadable(record.seq, error))
}

fn unreadable(seq: u64, why: impl fmt::Display) -> ReplayError {
    ReplayError::Unreadable {
        seq,
        why: why.to_string(),
    }
}

/// Plays a journal again, and gives back everything by which a run can go on.
pub(super) fn play(
    records: &[Record],
    gates: &[(GateId, &dyn HealthGate)],
) -> Result<(Opened, Player), ReplayError> {
    let opened = opened(records)?;
    let mut seats = Vec::new();
    for gate in &opened.gates {
        let differs = |why: String| ReplayError::Gate {
            gate: gate.gate.clone(),
            why,
        };
        let supplied = gates.iter().find(|(id, _)| *id == gate.gate);
        let (_, supplied) = supplied.ok_or_else(|| differs("it was not supplied".to_owned()))?;
        let diff = differences(&gate.settings, &supplied.settings());
        if !diff.is_empty() {
            let why = format!(
                "its settings are not those of the journal: {}",
                diff.join("; ")
            );
            return Err(differs(why));
        }
        seats.push(Seat {
            gate: gate.gate.clone(),
            judge: supplied.judge(),
            last: None,
        });
    }
    let seated = opened.gates.iter().map(|g| (g.gate.clone(), g.policy));
    let machine = MigrationMachine::new(opened.plan.clone(), seated);
    let mut player = Player {
        machine,
        seats,
        outstanding: None,
        wanted: None,
        events: Vec::new(),
        looks: 0,
        verdicts: 0,
    };
    for record in &records[1..] {
        match entry(record)? {
            Entry::Opened { .. } => return Err(unreadable(record.seq, "opened a second time")),
            Entry::Input { input } => player.input(record, input)?,
            Entry::Change { action } => player.change(record, action)?,
        }
    }
    Ok((opened, player))
}

/// A gate's fold as the journal left it.
pub(super) struct Seat {
    pub(super) gate: GateId,
    pub(super) judge: Box<dyn Judge>,
    pub(super) last: Option<Observation>,
}

pub(super) struct Player {
    pub(super) machine: MigrationMachine,
    pub(super) seats: Vec<Seat>,
    outstanding: Option<Action>,
    /// The change that the machine wants and that the journal must hold next.
    wanted: Option<Action>,
    pub(super) events: Vec<MigrationEvent>,
    looks: usize,
    verdicts: usize,
}

impl Player {
    fn input(&mut self, record: &Record, input: Input) -> Result<(), ReplayError> {
        if let Input::Preflighted { look, .. } | Input::Looked(look) = &input {
            self.judge(record, look)?;
        }
        let transition = self.machine.on(record.at, input);
        self.events.extend(transition.events);
        match transition.next {
            Next::Keep => {}
            Next::End => self.outstanding = None,
            Next::Do(action) => {
                let is_change = matches!(MigrationMachine::work(&action), Work::Change { .. });
                self.wanted = is_change.then(|| action.clone());
                self.outstanding = Some(action);
            }
        }
        Ok(())
    }

    fn change(&mut self, record: &Record, recorded: Action) -> Result<(), ReplayError> {
        let wanted = self.wanted.take();
        if wanted.as_ref() == Some(&recorded) {
            return Ok(());
        }
        Err(ReplayError::Action {
            seq: record.seq,
            recorded: Box::new(recorded),
            wanted: wanted.map(Box::new),
        })
    }

    fn judge(&mut self, record: &Record, look: &LookReport) -> Result<(), ReplayError> {
        let Some(progress) = self.progress() else {
            return Ok(());
        };
        for report in &look.gates {
            let Some(seat) = self.seats.iter_mut().find(|s| s.gate == report.gate) else {
                continue;
            };
            let judged = match &report.seen {
                Ok(Some(observation)) => {
                    seat.last = Some(observation.clone());
                    Some(seat.judge.take(observation, &progress))
                }
                _ => None,
            };
            if judged != report.verdict {
                return Err(ReplayError::Verdict {
                    seq: record.seq,
                    gate: report.gate.clone(),
                    look: self.looks,
                    recorded: report.verdict.clone().map(Box::new),
                    judged: judged.map(Box::new),
                });
            }
            self.verdicts += usize::from(judged.is_some());
        }
        self.looks += 1;
        Ok(())
    }

    /// What the gates were told at the outstanding look.
    fn progress(&self) -> Option<Progress> {
        match &self.outstanding {
            Some(Action::Preflight { progress } | Action::Look { progress }) => Some(*progress),
            _ => None,
        }
    }
}
