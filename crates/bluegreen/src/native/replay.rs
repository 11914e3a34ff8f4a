//! Replaying a judge's journal: the same inputs must give the same verdicts, changes and events.

use std::fmt;

use super::{
    Action, Input, NativeEvent, NativeMachine, NativePlan, entry::Entry, snapshot::Snapshot,
};
use crate::{
    engine::{JOURNAL_VERSION, Machine as _, Next, Record, RunId, Work},
    health::{
        HealthGate, Progress, Verdict,
        session::{GateId, GateSession},
    },
    migration::OpenedGate,
};

/// The result of a replay.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Replay {
    /// Every event, in order.
    pub events: Vec<NativeEvent>,
    /// The machine as the journal leaves it.
    pub machine: NativeMachine,
    /// How many verdicts were judged again with the same result.
    pub verdicts: usize,
}

/// The first difference that a replay found, or why a run cannot continue.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ReplayError {
    /// The record does not belong to a judge's journal.
    Unreadable {
        /// The record's number.
        seq: u64,
        /// Why.
        why: String,
    },
    /// The journal was written by another version.
    Version {
        /// The version that wrote it.
        found: u32,
    },
    /// A gate of the journal was not supplied, or has other settings.
    Gate {
        /// The gate.
        gate: GateId,
        /// The difference.
        why: &'static str,
    },
    /// The plan, the deployment or the checks are not those of the journal.
    Changed {
        /// What differs.
        what: &'static str,
    },
    /// The judge gives another verdict now.
    Verdict {
        /// The record's number.
        seq: u64,
        /// The gate.
        gate: GateId,
        /// The look, counted from 0.
        look: usize,
        /// The verdict in the journal.
        recorded: Option<Box<Verdict>>,
        /// The judge's verdict now.
        judged: Option<Box<Verdict>>,
    },
    /// The machine wants a change that the journal does not announce, or another one.
    Action {
        /// The record's number.
        seq: u64,
        /// The change in the journal.
        recorded: Option<Box<Action>>,
        /// The change that the machine wants now.
        wanted: Option<Box<Action>>,
    },
    /// The run has ended: there is nothing to continue.
    Ended,
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { seq, why } => write!(f, "record {seq} cannot be read: {why}"),
            Self::Version { found } => write!(
                f,
                "the journal is of version {found}, and this program reads version \
                 {JOURNAL_VERSION}: use the program that wrote it"
            ),
            Self::Gate { gate, why } => write!(f, "gate `{gate}`: {why}"),
            Self::Changed { what } => write!(f, "{what} is not that of the journal"),
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
                    "gate `{gate}` at look {look} (record {seq}): the journal says `{}`, its judge \
                     now `{}`",
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
            Self::Ended => f.write_str("the run has ended"),
        }
    }
}

impl std::error::Error for ReplayError {}

/// The facts of a run that its journal holds before the first input.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Opened {
    pub(super) run: RunId,
    pub(super) judged: String,
    pub(super) plan: NativePlan,
    pub(super) gates: Vec<OpenedGate>,
    pub(super) checks: Vec<String>,
    machine: NativeMachine,
}

impl Opened {
    /// The machine before its first input.
    pub(super) fn into_machine(self) -> NativeMachine {
        self.machine
    }
}

/// Everything that a resumed run continues with.
#[derive(Debug)]
pub(super) struct Continued {
    pub(super) machine: NativeMachine,
    pub(super) sessions: Vec<GateSession>,
    /// How many events the run has told.
    pub(super) events: u64,
}

/// Replays a journal: feeds the machine every recorded input, judges every observation anew, and compares
/// each verdict and each change with the record of it.
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
    let (first, rest) = first_of(records)?;
    let opened = opened(first)?;
    let mut player = Player::new(opened.machine, sessions(&opened.gates, gates)?);
    for record in rest {
        player.take(record)?;
    }
    Ok(Replay {
        events: player.told,
        machine: player.machine,
        verdicts: player.verdicts,
    })
}

/// Returns whether these records are of a judge's run: a service's journal also holds its deployments.
#[must_use]
pub fn is_of_judge(records: &[Record]) -> bool {
    let first = records.first();
    first.is_some_and(|first| first.entry.value().get("judged").is_some())
}

/// Returns the value that [`NativeJudge::origin`](super::NativeJudge::origin) left in a journal; null if there
/// is none, or if the records are not a judge's.
#[must_use]
pub fn origin_of(records: &[Record]) -> serde_json::Value {
    let first = records.first().map(|record| record.entry.value());
    let judged = first.filter(|entry| entry.get("judged").is_some());
    let origin = judged.as_ref().and_then(|entry| entry.get("origin"));
    origin.cloned().unwrap_or_default()
}

/// Returns the state in which a run continues: from the newest snapshot, or else from its first record.
pub(super) fn continued(
    records: &[Record],
    gates: &[(GateId, &dyn HealthGate)],
) -> Result<Continued, ReplayError> {
    let (first, rest) = first_of(records)?;
    let opened = opened(first)?;
    let sessions = sessions(&opened.gates, gates)?;
    let newest = rest.iter().rposition(|record| record.is_snapshot);
    let mut player = Player::new(opened.machine, sessions);
    let rest = match newest {
        Some(place) => {
            player.stand_at(&rest[place])?;
            &rest[place + 1..]
        }
        None => rest,
    };
    for record in rest {
        player.take(record)?;
    }
    Ok(Continued {
        machine: player.machine,
        sessions: player.sessions,
        events: player.before + player.told.len() as u64,
    })
}

fn first_of(records: &[Record]) -> Result<(&Record, &[Record]), ReplayError> {
    let split = records.split_first();
    split.ok_or_else(|| unreadable(0, "the journal is empty"))
}

fn unreadable(seq: u64, why: impl fmt::Display) -> ReplayError {
    ReplayError::Unreadable {
        seq,
        why: why.to_string(),
    }
}

fn entry(record: &Record) -> Result<Entry, ReplayError> {
    let read = record.entry.read();
    read.map_err(|error| unreadable(record.seq, error))
}

/// Reads the first record.
pub(super) fn opened(first: &Record) -> Result<Opened, ReplayError> {
    // Before anything else: a record of another version may not even be readable.
    let version = first.entry.value()["version"].as_u64();
    if let Some(found) = version.and_then(|version| u32::try_from(version).ok())
        && found != JOURNAL_VERSION
    {
        return Err(ReplayError::Version { found });
    }
    let Entry::Opened {
        run,
        judged,
        plan,
        gates,
        checks,
        propagation,
        by_hand,
        ..
    } = entry(first)?
    else {
        let why = "the first record does not open a judge's journal";
        return Err(unreadable(first.seq, why));
    };
    let policies = gates.iter().map(|gate| (gate.gate.clone(), gate.policy));
    let machine = NativeMachine::new((*plan).clone(), judged.clone(), policies)
        .with_checks(checks.len())
        .with_propagation(propagation)
        .with_by_hand(by_hand);
    Ok(Opened {
        run,
        judged,
        plan: *plan,
        gates,
        checks,
        machine,
    })
}

/// Returns fresh sessions for the gates of a journal.
fn sessions(
    opened: &[OpenedGate],
    gates: &[(GateId, &dyn HealthGate)],
) -> Result<Vec<GateSession>, ReplayError> {
    let session = |one: &OpenedGate| {
        let gate = &one.gate;
        let found = gates.iter().find(|(id, _)| id == gate);
        let differs = |why| ReplayError::Gate {
            gate: gate.clone(),
            why,
        };
        let (_, found) = found.ok_or_else(|| differs("was not supplied"))?;
        if found.settings() != one.settings {
            return Err(differs("has other settings than in the journal"));
        }
        Ok(GateSession::new(gate.clone(), *found))
    };
    opened.iter().map(session).collect()
}

/// Plays records one by one.
#[derive(Debug)]
pub(super) struct Player {
    machine: NativeMachine,
    sessions: Vec<GateSession>,
    told: Vec<NativeEvent>,
    /// How many events were told before the first record that is played.
    before: u64,
    verdicts: usize,
    looks: usize,
    /// The change that the machine wants and the journal has not announced yet.
    wanted: Option<Action>,
    outstanding: Option<Action>,
}

impl Player {
    pub(super) fn new(machine: NativeMachine, sessions: Vec<GateSession>) -> Self {
        Self {
            machine,
            sessions,
            told: Vec::new(),
            before: 0,
            verdicts: 0,
            looks: 0,
            wanted: None,
            outstanding: None,
        }
    }

    /// Continues with the machine and the judges of a snapshot.
    pub(super) fn stand_at(&mut self, record: &Record) -> Result<(), ReplayError> {
        let Entry::Snapshot { snapshot } = entry(record)? else {
            return Err(unreadable(record.seq, "it is marked as a snapshot"));
        };
        let snapshot: Snapshot = snapshot
            .read()
            .map_err(|error| unreadable(record.seq, error))?;
        if snapshot.version != JOURNAL_VERSION {
            return Err(ReplayError::Version {
                found: snapshot.version,
            });
        }
        for session in &mut self.sessions {
            let saved = snapshot.judges.iter().find(|saved| session.is_of(saved));
            let Some(saved) = saved else {
                return Err(ReplayError::Gate {
                    gate: session.gate().clone(),
                    why: "is not in the snapshot of the journal",
                });
            };
            session
                .restore(saved)
                .map_err(|error| unreadable(record.seq, error))?;
        }
        self.machine = snapshot.machine;
        self.outstanding = Some(snapshot.outstanding);
        self.before = snapshot.events;
        Ok(())
    }

    pub(super) fn machine(&self) -> &NativeMachine {
        &self.machine
    }

    /// Plays a record, and returns the number of its first event and its events.
    pub(super) fn tells(
        &mut self,
        record: &Record,
    ) -> Result<(u64, Vec<NativeEvent>), ReplayError> {
        let first = self.before;
        self.take(record)?;
        self.before += self.told.len() as u64;
        Ok((first, std::mem::take(&mut self.told)))
    }

    fn take(&mut self, record: &Record) -> Result<(), ReplayError> {
        match entry(record)? {
            Entry::Opened { .. } => Err(unreadable(record.seq, "opened a second time")),
            // A snapshot is written before its action begins, and changes nothing.
            Entry::Snapshot { .. } => Ok(()),
            Entry::Change { action } => {
                let wanted = self.wanted.take();
                if wanted.as_ref() == Some(&*action) {
                    return Ok(());
                }
                Err(ReplayError::Action {
                    seq: record.seq,
                    recorded: Some(action),
                    wanted: wanted.map(Box::new),
                })
            }
            Entry::Input { input } => self.input(record, *input),
        }
    }

    fn input(&mut self, record: &Record, input: Input) -> Result<(), ReplayError> {
        // A change is announced right after the input that causes it. Only a process that ended in
        // between leaves the announcement out, and then the change was not begun.
        let is_resumed = matches!(input, Input::Resumed { .. });
        if let Some(wanted) = self.wanted.take().filter(|_| !is_resumed) {
            return Err(ReplayError::Action {
                seq: record.seq,
                recorded: None,
                wanted: Some(Box::new(wanted)),
            });
        }
        if input.is_answer() {
            let asked = self.outstanding.take();
            let Some(asked) = asked.filter(|action| input.answers(action)) else {
                let why = "it answers something that the machine did not ask for; is a record \
                           missing?";
                return Err(unreadable(record.seq, why));
            };
            if let (Action::Look { progress, .. }, Input::Looked(_)) = (&asked, &input) {
                self.judge(record.seq, progress, &input)?;
            }
        }
        let transition = self.machine.on(record.at, input);
        self.told.extend(transition.events);
        match transition.next {
            Next::Do(action) => {
                let is_change = matches!(NativeMachine::work(&action), Work::Change { .. });
                self.wanted = is_change.then(|| action.clone());
                self.outstanding = Some(action);
            }
            Next::Keep => {}
            Next::End => self.outstanding = None,
        }
        Ok(())
    }

    fn judge(&mut self, seq: u64, progress: &Progress, input: &Input) -> Result<(), ReplayError> {
        let Input::Looked(look) = input else {
            return Ok(());
        };
        for report in &look.gates {
            let session = self.sessions.iter_mut();
            let Some(session) = session.into_iter().find(|one| *one.gate() == report.gate) else {
                continue;
            };
            let judged = session.judge(&report.seen, progress);
            if judged != report.verdict {
                return Err(ReplayError::Verdict {
                    seq,
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
}

#[cfg(test)]
mod tests;
