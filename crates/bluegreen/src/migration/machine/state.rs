//! The states, each with exactly the data valid in it.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Cause, Control, End, MigrationOutcome, TrafficSplit};
use crate::{
    engine::Operator,
    error::Failure,
    health::Phase,
    migration::ShortBlue,
    traffic::{Armed, Kept, Sides},
};

/// The state of the machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub(crate) enum State {
    /// Before `Start`. Nothing is outstanding. Left to `Preflight`.
    New,
    /// The survey and the first look are outstanding, or the wait before another try. Entered from `New`.
    /// Left to `Watching` if nothing stops the start, else to `Ended`.
    Preflight(Preflight),
    /// A wait or a look is outstanding. Entered when the preflight has passed and after each
    /// rise that was read back. Left to `Rising`, to `Restoring`, to `Drifted`, and to `Ended` on
    /// hold and when the last stage has passed.
    Watching(Watch),
    /// A rise is outstanding, or was sent and no read has shown it: then a wait or a look is
    /// outstanding. Entered from `Watching`. Left to `Watching` when a read shows the rise, or when
    /// it did not happen; to `Restoring` when it never becomes visible, when a gate is unhealthy,
    /// and when the run is cancelled; to `Drifted`.
    Rising(Rise),
    /// Everything goes back to blue, a part at a time: the write of a part is outstanding, which must
    /// finish, or a look at blue's targets and at green, or the wait before that look. Entered from
    /// `Watching` if blue has shrunk and green is healthy. Left to `Restoring` when blue can serve the
    /// rest; and, even if blue cannot, when green is not known to be healthy or time is up.
    Returning(Returning),
    /// A restore is outstanding, or the wait before another try, or a read after the write, or the wait
    /// before that read. Entered from every state in which this run may have moved traffic. Left to
    /// `Confirming` when it was accepted and two reads show it, to `Ended` when it is blocked or its time
    /// is up.
    Restoring(Restore),
    /// A third party changed the rule. This run writes nothing more; a wait or a look is
    /// outstanding, or the disarming of the dead-man switch. Left to `Ended` at the deadline of the
    /// stage, when blue has everything, or when the run is cancelled.
    Drifted(Drifted),
    /// Blue has everything, read back; a wait or a look is outstanding. Entered after a
    /// restore. Left to `Ended` when a minute without requests on green was seen or time is up.
    Confirming(Confirm),
    /// An observation after the process ended is outstanding, or the wait before another try. Entered
    /// from any state but `New` and `Ended` by `Resumed`. Left to the state that the run was in, which
    /// takes the observation; to `Ended` on drift.
    Resuming(Resuming),
    /// The arming of the dead-man switch is outstanding, which must finish. Entered from `Watching`, and
    /// from `Rising` when a read has shown the rise. Left to `Watching` by its answer, to `Restoring` if
    /// the switch cannot be renewed, to `Ended` if it cannot be armed at all.
    ArmingSwitch(ArmingSwitch),
    /// The call that raises blue's minimum is outstanding, which must finish, or the wait before another
    /// try, or the read before that try. Entered from `Preflight`, if blue may be scaled in. Left to
    /// `Watching` once the minimum is raised, or if the plan accepts that it is not; else to `Ended`.
    KeepingCapacity(Keeping),
    /// Blue has everything, and its minimum was raised: the call that puts the minimum back is
    /// outstanding, or the wait for blue, or an observation of blue. Entered from every state that ends
    /// with everything on blue. Left as such a state is left without a raised minimum: to
    /// `DisarmingSwitch` or `Ended`; to `Ended` on drift.
    ReleasingCapacity(Releasing),
    /// Everything is decided except for the end: the disarming of the switch is outstanding, or the wait
    /// before another try, or an observation if the switch may have fired. Entered from every state that
    /// ends while a switch may stand. Left to `Ended`, or to `Restoring` if the switch has fired.
    DisarmingSwitch(DisarmingSwitch),
    /// Nothing is outstanding. Never left.
    Ended(End),
}

/// The state of the dead-man switch, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Switch {
    /// When the newest arming that certainly happened was begun.
    pub(super) renewed: Option<Timestamp>,
    /// When the switch fires by that arming.
    pub(super) fires: Option<Timestamp>,
    /// From when on the switch may fire or may have fired; `None` if there cannot be one.
    pub(super) may_fire: Option<Timestamp>,
    pub(super) armed: Option<Armed>,
    /// Whether the routing that the switch would write is older than the newest read-back.
    pub(super) is_stale: bool,
}

/// The data of `ArmingSwitch`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ArmingSwitch {
    pub(crate) watch: Watch,
    pub(crate) then: ThenWatch,
    /// When the call was begun.
    pub(crate) since: Timestamp,
    /// When the switch fires, once it is armed.
    pub(crate) fires: Timestamp,
    /// Controls that wait for the answer.
    pub(crate) controls: Vec<Control>,
}

/// The next action once the switch is armed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ThenWatch {
    /// A look.
    Look,
    /// The wait for the next look.
    Wait,
}

/// The data of `DisarmingSwitch`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct DisarmingSwitch {
    /// How the run ends once the switch is disarmed.
    pub(crate) outcome: MigrationOutcome,
    /// Which try this is, counted from 1.
    pub(crate) attempt: u32,
    pub(crate) step: DisarmStep,
}

/// The outstanding action while the switch is disarmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DisarmStep {
    /// The call.
    Call,
    /// The wait before another call.
    Wait,
    /// An observation: the switch is gone, and may have fired before.
    Observe,
    /// The wait before another observation.
    WaitToObserve,
}

/// The state of blue's minimum, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct KeptCapacity {
    /// The minimum that this run has raised, or may have raised.
    pub(super) kept: Option<Kept>,
    /// Why the old minimum was not put back.
    pub(super) why: Option<String>,
}

/// The data of `KeepingCapacity`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Keeping {
    /// The stage that is watched next.
    pub(crate) watch: Watch,
    pub(crate) kept: Kept,
    /// Which try this is, counted from 1.
    pub(crate) attempt: u32,
    pub(crate) step: KeepStep,
    /// Controls that wait for the answer.
    pub(crate) controls: Vec<Control>,
}

/// The outstanding action while blue's minimum is raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum KeepStep {
    /// The call, which must finish.
    Call,
    /// The wait before another call.
    Wait,
    /// The read before another call.
    Observe,
}

/// The data of `ReleasingCapacity`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Releasing {
    /// How the run ends once the minimum is put back.
    pub(crate) outcome: MigrationOutcome,
    pub(crate) since: Timestamp,
    /// Which try this is, counted from 1.
    pub(crate) attempt: u32,
    pub(crate) step: ReleaseStep,
}

/// The outstanding action while blue's minimum is put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReleaseStep {
    /// The call, which must finish.
    Call,
    /// The wait for blue, or before another try.
    Wait,
    /// An observation of blue.
    Observe,
}

/// The data of `Resuming`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Resuming {
    /// The state that the run was in.
    pub(crate) was: Box<State>,
    pub(crate) since: Timestamp,
    /// How many observations in a row have failed.
    pub(crate) blind: u32,
    /// Controls that wait for the observation.
    pub(crate) controls: Vec<Control>,
    /// Whether the wait before another try is outstanding, not an observation.
    pub(crate) waiting: bool,
}

/// The data of `Preflight`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Preflight {
    /// Which try this is, counted from 1.
    pub(crate) attempt: u32,
    /// Whether the wait before another try is outstanding, not the preflight itself.
    pub(crate) waiting: bool,
}

/// The data of `Watching`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Watch {
    pub(crate) stage: Stage,
    /// When a read-back first showed the split.
    pub(crate) since: Timestamp,
    /// The earliest time of the next rise.
    pub(crate) bake_until: Timestamp,
    /// The deadline of the next rise.
    pub(crate) deadline: Timestamp,
    /// The current pause.
    pub(crate) paused: Option<Pause>,
    /// An operator's override that waits for the next look, or for capacity.
    pub(crate) promote: Option<Control>,
    /// The first of an unbroken row of reads that show the routing as it should be, with the
    /// capacity for the next rise.
    #[serde(default)]
    pub(crate) ready: Option<Timestamp>,
    /// How often a rise from here has failed without effect.
    pub(crate) failed_rises: u32,
    /// Whether a look is outstanding, not a wait.
    pub(crate) looking: bool,
    /// Whether the run has told that it waits for an operator here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) awaits: bool,
}

/// A pause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pause {
    pub(crate) by: Operator,
    pub(crate) since: Timestamp,
    /// When the pause ends, as a cancellation.
    pub(crate) until: Timestamp,
    /// Whether a warning of its end was given.
    pub(crate) warned: bool,
}

/// The part of the migration that is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stage {
    /// Before the first step, until green can carry it.
    Arming,
    /// A step, counted from 0.
    Step(usize),
    /// After the last step; blue is kept warm.
    Bake,
}

impl Stage {
    pub(crate) fn phase(self) -> Phase {
        match self {
            Self::Arming => Phase::Preflight,
            Self::Step(index) => Phase::Step(index),
            Self::Bake => Phase::Bake,
        }
    }
}

/// The data of `Rising`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rise {
    /// The step, counted from 0.
    pub(crate) step: usize,
    /// The stage that the rise starts from.
    pub(crate) back: Box<Watch>,
    /// How many looks have not shown the rise.
    pub(crate) looks: u32,
    /// Controls that wait until a read shows the rise.
    pub(crate) controls: Vec<Control>,
    pub(crate) outstanding: RiseStep,
}

/// The outstanding action of a rise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RiseStep {
    /// The call, which must finish.
    Call,
    Wait,
    Look,
}

/// The data of `Returning`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Returning {
    /// Why everything goes back.
    pub(crate) cause: Cause,
    /// The facts for the outcome.
    pub(crate) short: ShortBlue,
    /// When the return began.
    pub(crate) since: Timestamp,
    /// When the rest goes at once.
    pub(crate) until: Timestamp,
    /// The phase that was watched before, and since when: the gates continue to look at that phase.
    pub(crate) phase: Phase,
    pub(crate) watched_since: Timestamp,
    /// The newest part that was sent.
    pub(crate) sent: Option<TrafficSplit>,
    /// How many looks there were since that part was sent.
    pub(crate) looks: u32,
    /// The control that ends the waiting once the call is answered.
    pub(crate) hurried: Option<Control>,
    pub(crate) outstanding: ReturnStep,
}

/// The outstanding action of a gradual restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReturnStep {
    /// The call, which must finish.
    Call,
    Wait,
    Look,
}

/// The data of `Restoring`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Restore {
    /// Why blue is restored.
    pub(crate) cause: Cause,
    /// When the restore was decided.
    pub(crate) since: Timestamp,
    /// Which try this is, counted from 1.
    pub(crate) attempt: u32,
    /// Whether a restoring write was accepted.
    pub(crate) is_accepted: bool,
    /// The first of an unbroken row of reads that show blue with everything.
    pub(crate) blue_since: Option<Timestamp>,
    /// Since when reads show an older state, after they had shown the restore.
    pub(crate) relapsed: Option<Timestamp>,
    /// Until when a rise without an answer may still take effect.
    pub(crate) lands_until: Option<Timestamp>,
    /// Until when an operator's restore stays, since a call of another controller may still land.
    pub(crate) stay_until: Option<Timestamp>,
    /// Whether the event that blue is restored was told.
    pub(crate) is_told: bool,
    /// How many observations in a row have failed.
    pub(crate) blind: u32,
    /// How often the restore has waited.
    pub(crate) polls: u32,
    /// The last failure, of a write or of an observation after it.
    pub(crate) failure: Option<Failure>,
    /// For the outcome: the course of the restore, if blue had too few targets.
    #[serde(default)]
    pub(crate) short_blue: Option<ShortBlue>,
    /// Whether each change that this run has sent was refused by a definite answer, so that none happened.
    #[serde(default)]
    pub(crate) untouched: bool,
    pub(crate) outstanding: RestoreStep,
}

/// The outstanding action of a restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RestoreStep {
    /// The call, which must finish.
    Call,
    /// An observation.
    Read,
    WaitToRead,
    WaitToCall,
}

/// The data of `Drifted`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Drifted {
    /// The differences from what this run wrote, a line each.
    pub(crate) diff: Vec<String>,
    pub(crate) since: Timestamp,
    /// When the run ends at the latest.
    pub(crate) until: Timestamp,
    /// The gate that says that green does harm, if there is one.
    pub(crate) unhealthy: Option<String>,
    /// When that verdict was last told.
    pub(crate) told: Option<Timestamp>,
    pub(crate) outstanding: DriftStep,
}

/// The outstanding action after a drift.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DriftStep {
    Wait,
    Look,
    Disarm,
}

/// The data of `Confirming`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Confirm {
    pub(crate) cause: Cause,
    pub(crate) restored_at: Timestamp,
    pub(crate) until: Timestamp,
    /// How long clients may stay pinned to green.
    pub(crate) stickiness: Option<Duration>,
    /// For the outcome: the course of the restore, if blue had too few targets.
    #[serde(default)]
    pub(crate) short_blue: Option<ShortBlue>,
    /// Whether a look is outstanding, not a wait.
    pub(crate) looking: bool,
}

/// The newest change of this run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sent {
    pub(crate) to: TrafficSplit,
    /// When its call ended, or when the run was resumed after it: propagation is counted from then.
    pub(crate) ended: Timestamp,
    /// The weights that were accepted; `None` if no answer came.
    pub(crate) accepted: Option<Sides<u32>>,
    /// Whether a read has shown the change.
    pub(crate) seen: bool,
    /// The weights before the change, and before older changes that reads may still show.
    pub(crate) base: Vec<Sides<u32>>,
    /// The splits of those older changes.
    pub(crate) older: Vec<TrafficSplit>,
}

/// How fresh this process's knowledge of the rule is. Another process knows nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Contact {
    /// When the rule was last read, or a write of it accepted.
    pub(crate) held: Option<Timestamp>,
    /// The first of an unbroken row of reads that failed.
    pub(crate) failing: Option<Timestamp>,
    /// The first of an unbroken row of reads that found no rule, or no target group.
    pub(crate) missing: Option<Timestamp>,
}

/// The results of the reads since the newest change.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Reads {
    /// The first of an unbroken row of reads that show the routing as it should be.
    pub(crate) steady: Option<Timestamp>,
    /// The first of an unbroken row of reads that nothing of this run explains.
    pub(crate) foreign: Option<Timestamp>,
    /// Since when reads contradict each other.
    pub(crate) flapping: Option<Timestamp>,
}
