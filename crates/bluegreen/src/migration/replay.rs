//! Replaying a journal: the same inputs must give the same verdicts, actions and events.

use std::{fmt, time::Duration};

use jiff::Timestamp;
use serde::Deserialize;

use super::{
    Action, Entry, GateId, GatePolicy, Input, LookReport, MigrationEvent, MigrationMachine,
    MigrationOutcome, MigrationPlan, OpenedGate, Reopened, Unresolved,
    difference::differences,
    salvage::{Salvage, Taken},
    snapshot::Snapshot,
};
use crate::{
    engine::{JOURNAL_VERSION, Machine as _, Next, Record, RunId, Work},
    error::{Error, ErrorKind},
    health::{HealthGate, Progress, Verdict, session::GateSession},
    json::JsonText,
};

/// The result of a replay.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Replay {
    /// Every event, in order.
    pub events: Vec<MigrationEvent>,
    /// The machine as the journal leaves it.
    pub machine: MigrationMachine,
    /// How many verdicts were judged again with the same result.
    pub verdicts: usize,
}

impl Replay {
    /// Returns how the run ended, if the journal holds its end.
    #[must_use]
    pub fn end(&self) -> Option<Result<&MigrationOutcome, &Unresolved>> {
        self.machine.end()
    }
}

/// The first difference that a replay found.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ReplayError {
    /// The record does not belong to a migration's journal.
    Unreadable {
        /// The record's number.
        seq: u64,
        /// Why.
        why: String,
    },
    /// The journal was written by a newer version.
    Version {
        /// The version that wrote it.
        found: u32,
    },
    /// A gate of the journal was not supplied, or has other settings.
    Gate {
        /// The gate.
        gate: GateId,
        /// The difference.
        why: String,
    },
    /// The judge gives another verdict now.
    Verdict {
        /// The record's number.
        seq: u64,
        /// The gate.
        gate: GateId,
        /// The look, counted from 0; the preflight is the first.
        look: usize,
        /// The verdict in the journal.
        recorded: Option<Box<Verdict>>,
        /// The judge's verdict now.
        judged: Option<Box<Verdict>>,
    },
    /// A setting that [`rejudge`](super::rejudge) is given does not exist, or has no such value.
    Setting {
        /// Which, such as `gates.metrics.limits.max_error_rate`.
        setting: String,
        /// Why.
        why: String,
    },
    /// The machine wants a change that the journal does not announce.
    Missing {
        /// The number of the record that comes instead.
        seq: u64,
        /// The change that the machine wants.
        wanted: Box<Action>,
    },
    /// A snapshot differs from the state that the records before it add up to.
    Snapshot {
        /// The record's number.
        seq: u64,
        /// The part that differs.
        what: &'static str,
    },
    /// The machine wants another change than the one that was made.
    Action {
        /// The record's number.
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
            Self::Version { found } => write!(
                f,
                "the journal is of version {found}, and this program reads versions up to \
                 {JOURNAL_VERSION}: use the program that wrote it, or a newer one; `rollback` \
                 needs no journal and works in any case"
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
                    "gate `{gate}` at look {look} (record {seq}): the journal says `{}`, its judge now `{}`",
                    word(recorded),
                    word(judged)
                )
            }
            Self::Setting { setting, why } => write!(f, "{setting}: {why}"),
            Self::Missing { seq, wanted } => write!(
                f,
                "record {seq}: the machine wants {wanted:?}, which the journal does not announce"
            ),
            Self::Snapshot { seq, what } => write!(
                f,
                "record {seq}: the snapshot differs from the records before it in {what}"
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

impl From<ReplayError> for Error {
    fn from(error: ReplayError) -> Self {
        Self::new(ErrorKind::Invalid, "retell the journal").with_source(error)
    }
}

/// Replays a journal: feeds the machine every recorded input, judges every observation anew, and compares
/// each verdict, each change and each snapshot with the record of it.
///
/// Of a journal of an older version, each verdict is judged again and compared, as far back as
/// [`store`](crate::store#versions) says. Changes are not compared, since the rules of that version are
/// gone; the machine in the result is the one that a resume would begin with.
///
/// `gates` are the gates of the run, in any order, with the settings of the run. For a large journal use
/// [`Replayer`], which takes one record at a time.
///
/// # Errors
///
/// [`ReplayError`] at the first difference, naming gate and look.
pub fn replay(
    records: &[Record],
    gates: &[(GateId, &dyn HealthGate)],
) -> Result<Replay, ReplayError> {
    let (first, rest) = first_of(records)?;
    let mut replayer = Replayer::open(first, gates)?;
    let mut events = Vec::new();
    for record in rest {
        events.extend(replayer.take(record)?);
    }
    Ok(Replay {
        events,
        verdicts: replayer.verdicts(),
        machine: replayer.machine(),
    })
}

pub(super) fn first_of(records: &[Record]) -> Result<(&Record, &[Record]), ReplayError> {
    let split = records.split_first();
    split.ok_or_else(|| unreadable(0, "the journal is empty"))
}

/// The facts of a run that its journal holds before the first input.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Opened {
    version: u32,
    pub(super) run: RunId,
    pub(super) plan: MigrationPlan,
    gates: Vec<OpenedGate>,
    propagation: Duration,
    pub(super) origin: serde_json::Value,
}

/// Returns the value that [`Migration::origin`](super::Migration::origin) left in a journal; null if it
/// left none.
///
/// # Errors
///
/// [`ReplayError`] if the first record does not open a migration's journal.
pub fn origin_of(records: &[Record]) -> Result<serde_json::Value, ReplayError> {
    let (first, _) = first_of(records)?;
    opened(first).map(|opened| opened.origin)
}

/// Reads the first record.
pub(super) fn opened(first: &Record) -> Result<Opened, ReplayError> {
    // Before anything else: a record of a newer version may not even be readable.
    let version = head(first).and_then(|head| head.version);
    match (version, entry(first)) {
        (Some(found), _) if found > JOURNAL_VERSION => Err(ReplayError::Version { found }),
        (
            _,
            Ok(Entry::Opened {
                version,
                run,
                plan,
                gates,
                propagation,
                origin,
            }),
        ) => Ok(Opened {
            version,
            run,
            plan,
            gates,
            propagation,
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
    let read = record.entry.read();
    read.map_err(|error| unreadable(record.seq, error))
}

/// The fields that tell an entry's kind and version, even if the rest of the entry cannot be read.
#[derive(Deserialize)]
struct Head {
    entry: String,
    version: Option<u32>,
}

fn head(record: &Record) -> Option<Head> {
    record.entry.read().ok()
}

fn unreadable(seq: u64, why: impl fmt::Display) -> ReplayError {
    ReplayError::Unreadable {
        seq,
        why: why.to_string(),
    }
}

/// Why an answer without its question does not replay.
const UNASKED: &str = "it answers something that the machine did not ask for; is a record missing?";

/// Returns whether an input is the answer to an action.
fn is_answer(input: &Input) -> bool {
    !matches!(
        input,
        Input::Start(_) | Input::Control(_) | Input::JournalFailed(_) | Input::Resumed { .. }
    )
}

/// Returns whether an input is an answer to this action.
fn answers(action: &Action, input: &Input) -> bool {
    matches!(
        (action, input),
        (Action::Preflight { .. }, Input::Preflighted { .. })
            | (Action::Look { .. }, Input::Looked(_))
            | (Action::Observe, Input::Observed(_))
            | (Action::Shift(_), Input::Shifted(_))
            | (Action::ArmSwitch { .. }, Input::SwitchArmed(_))
            | (Action::DisarmSwitch, Input::SwitchDisarmed(_))
            | (Action::ObserveCapacity, Input::CapacityObserved(_))
            | (Action::KeepCapacity { .. }, Input::CapacityKept(_))
            | (Action::ReleaseCapacity { .. }, Input::CapacityReleased(_))
            | (Action::Wait { .. }, Input::Waited { .. })
    )
}

/// Reads records of any version, each under the rules that wrote it.
#[derive(Debug)]
pub(super) struct Reader {
    plan: MigrationPlan,
    rules: Rules,
}

/// The reader of the next record.
#[derive(Debug)]
enum Rules {
    /// An earlier version's: nothing is decided, events are only told.
    Old(Box<Salvage>),
    /// Today's.
    Now(Box<MigrationMachine>),
}

pub(super) enum Read<'a> {
    Old(Taken),
    /// With the gates that hold from this record on.
    Reopened(Vec<OpenedGate>),
    Input(&'a mut MigrationMachine, Input),
    Change(Action),
    /// With the machine as the records before this one leave it.
    Snapshot(&'a MigrationMachine, JsonText),
}

impl Reader {
    pub(super) fn new(opened: &Opened) -> Self {
        let plan = opened.plan.clone();
        let rules = if opened.version < JOURNAL_VERSION {
            let salvage = Salvage::new(opened.version, plan.clone(), opened.gates.clone());
            Rules::Old(Box::new(salvage))
        } else {
            let machine = MigrationMachine::new(plan.clone(), seated(&opened.gates))
                .with_propagation(opened.propagation);
            Rules::Now(Box::new(machine))
        };
        Self { plan, rules }
    }

    /// Continues with the machine of a snapshot.
    pub(super) fn stand_at(&mut self, machine: MigrationMachine) {
        self.rules = Rules::Now(Box::new(machine));
    }

    /// The machine as of the newest record; `None` while an earlier version's rules hold.
    pub(super) fn now(&self) -> Option<&MigrationMachine> {
        match &self.rules {
            Rules::Now(machine) => Some(machine),
            Rules::Old(_) => None,
        }
    }

    /// Returns the machine as the records leave it; the machine of an earlier version continues at `at`.
    fn machine(self, at: Timestamp) -> MigrationMachine {
        match self.rules {
            Rules::Now(machine) => *machine,
            Rules::Old(salvage) => MigrationMachine::reopened(self.plan, salvage.leave(at)),
        }
    }

    pub(super) fn read(&mut self, record: &Record) -> Result<Read<'_>, ReplayError> {
        // What today's rules wrote is read once; what it is stands in it.
        let read = match self.rules {
            Rules::Old(_) => None,
            Rules::Now(_) => entry(record).ok(),
        };
        let may_reopen = matches!(read, None | Some(Entry::Reopened { .. }));
        if may_reopen && let Some(reopened) = reopened(record)? {
            let gates = reopened.gates.clone();
            let machine = MigrationMachine::reopened(self.plan.clone(), reopened);
            self.rules = Rules::Now(Box::new(machine));
            return Ok(Read::Reopened(gates));
        }
        match &mut self.rules {
            Rules::Old(salvage) => {
                let taken = salvage.take(record);
                Ok(Read::Old(taken.map_err(|why| unreadable(record.seq, why))?))
            }
            Rules::Now(machine) => match read.map_or_else(|| entry(record), Ok)? {
                Entry::Opened { .. } | Entry::Reopened { .. } => {
                    Err(unreadable(record.seq, "opened a second time"))
                }
                Entry::Input { input } => Ok(Read::Input(machine, input)),
                Entry::Change { action } => Ok(Read::Change(action)),
                Entry::Snapshot { snapshot } => Ok(Read::Snapshot(machine, snapshot)),
            },
        }
    }
}

/// Returns the state of a run, if this is the record by which this version continued it.
fn reopened(record: &Record) -> Result<Option<Reopened>, ReplayError> {
    let head = head(record).filter(|head| head.entry == "reopened");
    match head.and_then(|head| head.version) {
        Some(found) if found > JOURNAL_VERSION => Err(ReplayError::Version { found }),
        Some(JOURNAL_VERSION) => match entry(record)? {
            Entry::Reopened { reopened, .. } => Ok(Some(*reopened)),
            _ => Ok(None),
        },
        _ => Ok(None),
    }
}

/// Returns the snapshot of a record, so that a replay can begin in the middle of a journal.
pub(super) fn snapshot(record: &Record) -> Result<Snapshot, ReplayError> {
    #[derive(Deserialize)]
    struct Of {
        version: u32,
    }
    let Entry::Snapshot { snapshot } = entry(record)? else {
        return Err(unreadable(record.seq, OLD_SNAPSHOT));
    };
    match snapshot.read().ok().map(|Of { version }| version) {
        Some(JOURNAL_VERSION) => {}
        Some(found) if found > JOURNAL_VERSION => return Err(ReplayError::Version { found }),
        _ => return Err(unreadable(record.seq, OLD_SNAPSHOT)),
    }
    let read = snapshot.read();
    read.map_err(|error| unreadable(record.seq, error))
}

/// Why a replay cannot begin with such a record.
const OLD_SNAPSHOT: &str = "it is no snapshot of this version: read the whole journal";

/// Returns the gates as a machine knows them.
pub(super) fn seated(gates: &[OpenedGate]) -> impl Iterator<Item = (GateId, GatePolicy)> {
    gates.iter().map(|gate| (gate.gate.clone(), gate.policy))
}

/// Creates a session of a gate that the journal names, which must be supplied with these settings.
fn fresh(
    id: &GateId,
    settings: &serde_json::Value,
    gates: &[(GateId, &dyn HealthGate)],
) -> Result<GateSession, ReplayError> {
    let differs = |why: String| ReplayError::Gate {
        gate: id.clone(),
        why,
    };
    let supplied = gates.iter().find(|(supplied, _)| supplied == id);
    let (_, supplied) = supplied.ok_or_else(|| differs("it was not supplied".to_owned()))?;
    let diff = differences(settings, &supplied.settings());
    if diff.is_empty() {
        return Ok(GateSession::new(id.clone(), *supplied));
    }
    let diff = diff.join("; ");
    Err(differs(format!(
        "its settings are not those of the journal: {diff}"
    )))
}

/// Creates sessions of the gates, which must be those of the journal.
fn sessions(
    opened: &[OpenedGate],
    gates: &[(GateId, &dyn HealthGate)],
) -> Result<Vec<GateSession>, ReplayError> {
    let gate = |gate: &OpenedGate| fresh(&gate.gate, &gate.settings, gates);
    opened.iter().map(gate).collect()
}

/// Replays a journal record by record: [`replay`] for a journal that is read as a stream. A replay may
/// also begin at a snapshot: the record after the first one may be any snapshot of the run.
#[derive(Debug)]
pub struct Replayer<'a> {
    gates: &'a [(GateId, &'a dyn HealthGate)],
    opened: Vec<OpenedGate>,
    reader: Reader,
    player: Player,
    /// The newest record.
    newest: (u64, Timestamp),
}

impl<'a> Replayer<'a> {
    /// Begins with the first record of a journal; `gates` as for [`replay`].
    ///
    /// # Errors
    ///
    /// [`ReplayError`] if the record does not open a migration's journal.
    pub fn open(
        first: &Record,
        gates: &'a [(GateId, &'a dyn HealthGate)],
    ) -> Result<Self, ReplayError> {
        let opened = opened(first)?;
        Ok(Self {
            gates,
            reader: Reader::new(&opened),
            opened: opened.gates,
            player: Player::default(),
            newest: (first.seq, first.at),
        })
    }

    /// Takes the next record and returns the events that the run told at it.
    ///
    /// # Errors
    ///
    /// [`ReplayError`] if the record differs from the replay.
    pub fn take(&mut self, record: &Record) -> Result<Vec<MigrationEvent>, ReplayError> {
        let (before, _) = self.newest;
        let is_first = before == 0;
        if is_first && record.is_snapshot && record.seq > 1 {
            let snapshot = snapshot(record)?;
            self.player = Player::from_snapshot(record, &snapshot, self.gates)?;
            self.reader.stand_at(snapshot.machine);
            self.newest = (record.seq, record.at);
            return Ok(Vec::new());
        }
        if is_first {
            self.player.sessions = sessions(&self.opened, self.gates)?;
        }
        if record.seq != before + 1 {
            let why = format!("it comes after record {before}; is a record missing?");
            return Err(unreadable(record.seq, why));
        }
        self.newest = (record.seq, record.at);
        let player = &mut self.player;
        let events = match self.reader.read(record)? {
            Read::Old(taken) => {
                if let Some((progress, look)) = &taken.look {
                    player.judge(record, look, progress)?;
                }
                taken.events
            }
            Read::Reopened(opened) => {
                player.sessions = sessions(&opened, self.gates)?;
                Vec::new()
            }
            Read::Input(machine, input) => player.input(record, machine, input)?,
            Read::Change(action) => {
                player.change(record, action)?;
                Vec::new()
            }
            Read::Snapshot(machine, snapshot) => {
                let snapshot: Result<Snapshot, _> = snapshot.read();
                let snapshot = snapshot.map_err(|error| unreadable(record.seq, error))?;
                player.compare(record, machine, &snapshot)?;
                Vec::new()
            }
        };
        player.events += events.len() as u64;
        Ok(events)
    }

    /// Returns how many verdicts were judged again with the same result.
    #[must_use]
    pub fn verdicts(&self) -> usize {
        self.player.verdicts
    }

    /// Returns the machine as the records leave it.
    pub(crate) fn machine(self) -> MigrationMachine {
        let (_, at) = self.newest;
        self.reader.machine(at)
    }
}

/// The state that a run continues with.
pub(super) struct Continued {
    pub(super) machine: MigrationMachine,
    /// The gates as the journal leaves them, if this version wrote it.
    pub(super) sessions: Vec<GateSession>,
    /// How many events the run has told.
    pub(super) events: u64,
    /// The next record for the journal, if an earlier version wrote it.
    pub(super) reopened: Option<Reopened>,
}

/// Returns everything that a run needs to continue at `at`; `None` if the run has not begun.
///
/// # Errors
///
/// [`ReplayError`] if the records do not replay. The records of an earlier version are not judged again:
/// the run continues with fresh judges, under the settings that were supplied.
pub(super) fn continued(
    records: &[Record],
    gates: &[(GateId, &dyn HealthGate)],
    at: Timestamp,
) -> Result<Option<Continued>, ReplayError> {
    let (first, rest) = first_of(records)?;
    let opened = opened(first)?;
    let is_old = |record: &Record| match record.is_snapshot {
        true => Ok(false),
        false => reopened(record).map(|reopened| reopened.is_none()),
    };
    let mut is_salvaged = opened.version < JOURNAL_VERSION;
    for record in rest {
        is_salvaged &= is_old(record)?;
    }
    if !is_salvaged {
        let mut replayer = Replayer::open(first, gates)?;
        for record in rest {
            let _ = replayer.take(record)?;
        }
        let Replayer { player, reader, .. } = replayer;
        let machine = reader.machine(at);
        return Ok(machine.started().map(|_| Continued {
            machine,
            sessions: player.sessions,
            events: player.events,
            reopened: None,
        }));
    }
    let mut salvage = Salvage::new(opened.version, opened.plan.clone(), opened.gates.clone());
    let mut events = 0;
    for record in rest {
        let taken = salvage.take(record);
        events += taken
            .map_err(|why| unreadable(record.seq, why))?
            .events
            .len() as u64;
    }
    if salvage.started().is_none() {
        return Ok(None);
    }
    let mut reopened = salvage.leave(at);
    for gate in &mut reopened.gates {
        let supplied = gates.iter().find(|(id, _)| *id == gate.gate);
        let (_, supplied) = supplied.ok_or_else(|| ReplayError::Gate {
            gate: gate.gate.clone(),
            why: "it was not supplied".to_owned(),
        })?;
        gate.settings = supplied.settings();
    }
    Ok(Some(Continued {
        machine: MigrationMachine::reopened(opened.plan, reopened.clone()),
        sessions: Vec::new(),
        events,
        reopened: Some(reopened),
    }))
}

#[derive(Debug, Default)]
struct Player {
    sessions: Vec<GateSession>,
    outstanding: Option<Action>,
    /// The change that the machine wants and that the next record must announce.
    wanted: Option<Action>,
    /// How many events the run has told.
    events: u64,
    looks: usize,
    verdicts: usize,
}

impl Player {
    /// Creates a player that stands at a snapshot.
    fn from_snapshot(
        record: &Record,
        snapshot: &Snapshot,
        gates: &[(GateId, &dyn HealthGate)],
    ) -> Result<Self, ReplayError> {
        let mut sessions = Vec::new();
        for saved in &snapshot.judges {
            let mut session = fresh(&saved.gate, saved.settings.value(), gates)?;
            let restored = session.restore(saved);
            restored.map_err(|error| unreadable(record.seq, error))?;
            sessions.push(session);
        }
        Ok(Self {
            sessions,
            outstanding: Some(snapshot.outstanding.clone()),
            events: snapshot.events,
            ..Self::default()
        })
    }

    /// Compares a snapshot with the state that the records before it add up to.
    fn compare(
        &self,
        record: &Record,
        machine: &MigrationMachine,
        snapshot: &Snapshot,
    ) -> Result<(), ReplayError> {
        let sessions = self.sessions.iter();
        let judges: Option<Vec<_>> = sessions.map(GateSession::saved).collect();
        let what = if snapshot.machine != *machine {
            "the machine's state"
        } else if self.outstanding.as_ref() != Some(&snapshot.outstanding) {
            "the outstanding action"
        } else if snapshot.events != self.events {
            "the count of events"
        } else if judges.as_ref() != Some(&snapshot.judges) {
            "the state of the judges"
        } else {
            return Ok(());
        };
        Err(ReplayError::Snapshot {
            seq: record.seq,
            what,
        })
    }

    fn input(
        &mut self,
        record: &Record,
        machine: &mut MigrationMachine,
        input: Input,
    ) -> Result<Vec<MigrationEvent>, ReplayError> {
        if let Input::Preflighted { look, .. } | Input::Looked(look) = &input
            && let Some(progress) = self.progress()
        {
            self.judge(record, look, &progress)?;
        }
        // A change is announced right after the input that causes it. Only a process that ended in
        // between leaves the announcement out, and then the change was not begun.
        let is_resumed = matches!(input, Input::Resumed { .. });
        if let Some(wanted) = self.wanted.take().filter(|_| !is_resumed) {
            return Err(ReplayError::Missing {
                seq: record.seq,
                wanted: Box::new(wanted),
            });
        }
        if is_answer(&input) {
            let outstanding = self.outstanding.take();
            if !outstanding.is_some_and(|action| answers(&action, &input)) {
                return Err(unreadable(record.seq, UNASKED));
            }
        }
        let transition = machine.on(record.at, input);
        match transition.next {
            Next::Keep => {}
            Next::End => self.outstanding = None,
            Next::Do(action) => {
                let is_change = matches!(MigrationMachine::work(&action), Work::Change { .. });
                self.wanted = is_change.then(|| action.clone());
                self.outstanding = Some(action);
            }
        }
        Ok(transition.events)
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

    fn judge(
        &mut self,
        record: &Record,
        look: &LookReport,
        progress: &Progress,
    ) -> Result<(), ReplayError> {
        for report in &look.gates {
            let mut sessions = self.sessions.iter_mut();
            let Some(session) = sessions.find(|session| *session.gate() == report.gate) else {
                continue;
            };
            let judged = session.judge(&report.seen, progress);
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

    /// Returns what the gates were told at the outstanding look.
    fn progress(&self) -> Option<Progress> {
        match &self.outstanding {
            Some(Action::Preflight { progress } | Action::Look { progress, .. }) => Some(*progress),
            _ => None,
        }
    }
}
