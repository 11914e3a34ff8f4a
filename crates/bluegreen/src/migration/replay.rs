//! Replaying a journal: the same inputs must give the same verdicts, actions and events.

use std::fmt;

use super::{
    Action, Entry, GateId, Input, LookReport, MACHINE_VERSION, MigrationEvent, MigrationMachine,
    Outcome, Unresolved,
};
use crate::{
    engine::{Next, Record},
    health::{HealthGate, Judge, Progress, Verdict},
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
    pub fn end(&self) -> Option<Result<&Outcome, &Unresolved>> {
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
                "the journal is of version {found}, this program reads version {MACHINE_VERSION}"
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
    let entry = |record: &Record| {
        serde_json::from_value::<Entry>(record.entry.clone()).map_err(|error| {
            ReplayError::Unreadable {
                seq: record.seq,
                why: error.to_string(),
            }
        })
    };
    let unreadable = |seq: u64, why: &str| ReplayError::Unreadable {
        seq,
        why: why.to_owned(),
    };
    let mut records = records.iter();
    let first = records
        .next()
        .ok_or_else(|| unreadable(0, "the journal is empty"))?;
    let Entry::Opened {
        version,
        plan,
        gates: opened,
        ..
    } = entry(first)?
    else {
        return Err(unreadable(
            first.seq,
            "the first record does not open a journal",
        ));
    };
    if version != MACHINE_VERSION {
        return Err(ReplayError::Version { found: version });
    }
    let mut seats = Vec::new();
    for gate in &opened {
        let differs = |why: &str| ReplayError::Gate {
            gate: gate.gate.clone(),
            why: why.to_owned(),
        };
        let supplied = gates.iter().find(|(id, _)| *id == gate.gate);
        let (_, supplied) = supplied.ok_or_else(|| differs("it was not supplied"))?;
        if supplied.settings() != gate.settings {
            return Err(differs("its settings are not those of the journal"));
        }
        seats.push((gate.gate.clone(), supplied.judge()));
    }
    let machine = MigrationMachine::new(plan, opened.into_iter().map(|g| (g.gate, g.policy)));
    let mut player = Player {
        machine,
        seats,
        outstanding: None,
        wanted: None,
        events: Vec::new(),
        looks: 0,
        verdicts: 0,
    };
    for record in records {
        match entry(record)? {
            Entry::Opened { .. } => return Err(unreadable(record.seq, "opened a second time")),
            Entry::Input { input } => player.input(record, input)?,
            Entry::Change { action } => player.change(record, action)?,
        }
    }
    Ok(Replay {
        events: player.events,
        machine: player.machine,
        verdicts: player.verdicts,
    })
}

struct Player {
    machine: MigrationMachine,
    seats: Vec<(GateId, Box<dyn Judge>)>,
    outstanding: Option<Action>,
    /// The change that the machine wants and that the journal must hold next.
    wanted: Option<Action>,
    events: Vec<MigrationEvent>,
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
                self.wanted = matches!(action, Action::Shift { .. }).then(|| action.clone());
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
            let Some((_, judge)) = self.seats.iter_mut().find(|(id, _)| *id == report.gate) else {
                continue;
            };
            let judged = match &report.seen {
                Ok(Some(observation)) => Some(judge.take(observation, &progress)),
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
