//! The states, each with exactly the data valid in it.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Cause, Control, MigrationOutcome, TrafficSplit, Unresolved};
use crate::{error::Failure, health::Phase, traffic::Armed};

/// What the machine is doing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub(crate) enum State {
    /// Before `Start`. Nothing is outstanding. Left to `Preflight`.
    New,
    /// The survey and the first look are outstanding, or the wait before another try. Entered
    /// from `New`. Left to `Watching` when nothing stops the start, to `Ended` when something
    /// does.
    Preflight(Preflight),
    /// A wait or a look is outstanding. Entered when the preflight has passed and after each
    /// rise that was read back. Left to `Writing` for a rise or a restore, to `Ended` on drift,
    /// on hold, and when the last stage has passed.
    Watching(Watch),
    /// A shift is outstanding; it is let to finish. Entered from `Watching` and from the two
    /// states below. Left by its answer: read back, to `Watching` (rise) or `Confirming`
    /// (restore); failed, to `Verifying`.
    Writing(Write),
    /// An observation after a failed write is outstanding. Left to `Watching` when a rise had
    /// happened or had not, to `Confirming` when a restore had happened, to `BackingOff` when it
    /// had not or the observation failed, to `Ended` on drift and when the budget is used up.
    Verifying(Write),
    /// The wait before the next try is outstanding. Left to `Writing` where the routing is
    /// known, else to `Verifying`.
    BackingOff(Write),
    /// Blue has everything, read back; a wait or a look is outstanding. Entered after a
    /// restore. Left to `Ended` when a minute without requests on green was seen or time is up.
    Confirming(Confirm),
    /// An observation after the process ended is outstanding, or the wait before another try.
    /// Entered from any state but `New` and `Ended` by `Resumed`. Left to where the run was, as
    /// that state takes an observation; to `Ended` on drift.
    Resuming(Resuming),
    /// The arming of the dead-man switch is outstanding; it is let to finish. Entered from
    /// `Watching`, and from `Writing` and `Verifying` after a rise. Left to `Watching` by its
    /// answer, to `Writing` for a restore where it cannot be renewed, to `Ended` where it cannot be
    /// armed at all.
    ArmingSwitch(ArmingSwitch),
    /// Everything is decided but the end: the disarming of the switch is outstanding, or the wait
    /// before another try, or an observation where it may have fired. Entered from every state
    /// that ends while a switch may stand. Left to `Ended`, or to `Confirming` where it has fired.
    DisarmingSwitch(DisarmingSwitch),
    /// Nothing is outstanding. Never left.
    Ended(End),
}

/// What is known of the dead-man switch.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Switch {
    /// When the newest arming that is certain was begun.
    pub(super) renewed: Option<Timestamp>,
    /// When that one fires.
    pub(super) fires: Option<Timestamp>,
    /// From when on it may fire or may have fired; `None` where it cannot be there.
    pub(super) may_fire: Option<Timestamp>,
    pub(super) armed: Option<Armed>,
    /// Whether what it would write was made before the newest read-back.
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

/// How watching goes on once the switch is armed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ThenWatch {
    /// With a look.
    Look,
    /// With the wait for the next look.
    Wait,
}

/// The data of `DisarmingSwitch`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct DisarmingSwitch {
    /// How the run ends then.
    pub(crate) outcome: MigrationOutcome,
    /// Which try this is, counted from 1.
    pub(crate) attempt: u32,
    pub(crate) step: DisarmStep,
}

/// What is outstanding while the switch is disarmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DisarmStep {
    /// The call.
    Call,
    /// The wait before another.
    Wait,
    /// An observation: the switch is gone, and may have fired before.
    Observe,
    /// The wait before another.
    WaitToObserve,
}

/// The data of `Resuming`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Resuming {
    /// Where the run was.
    pub(crate) was: Box<State>,
    pub(crate) since: Timestamp,
    /// How many observations in a row have failed.
    pub(crate) blind: u32,
    /// A control that waits for the observation.
    pub(crate) then: Option<Control>,
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
    /// When the split became as it is, by its read-back.
    pub(crate) since: Timestamp,
    /// From when on green may go on.
    pub(crate) bake_until: Timestamp,
    /// When it must have gone on.
    pub(crate) deadline: Timestamp,
    /// Since when a pause is on.
    pub(crate) paused: Option<Timestamp>,
    /// An operator's override that waits for the next look, or for capacity.
    pub(crate) promote: Option<Control>,
    /// How often a rise from here has failed without effect.
    pub(crate) failed_rises: u32,
    /// Whether a look is outstanding, not a wait.
    pub(crate) looking: bool,
}

/// What is watched.
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

/// The data of `Writing`, `Verifying` and `BackingOff`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Write {
    pub(crate) goal: Goal,
    /// Which try of this goal this is, counted from 1.
    pub(crate) attempt: u32,
    /// How many observations in a row have failed.
    pub(crate) blind: u32,
    /// When the goal was set.
    pub(crate) since: Timestamp,
    /// What an unanswered change wanted; it may be there by now.
    pub(crate) unseen: Option<TrafficSplit>,
    /// The last failure, of a write or of an observation after it.
    pub(crate) failure: Option<Failure>,
    /// A control that waits for the change under way.
    pub(crate) then: Option<Control>,
}

/// What a write is for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "goal", rename_all = "snake_case")]
pub(crate) enum Goal {
    /// Green's rise to a step.
    Rise {
        /// The step, counted from 0.
        step: usize,
        /// Where it rises from. A rise that did not happen goes back there, so that the next
        /// try has a fresh look, a standing verdict and the capacity that it needs.
        back: Box<Watch>,
    },
    /// Everything back on blue.
    Restore {
        /// Why.
        cause: Cause,
    },
}

/// The data of `Confirming`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Confirm {
    pub(crate) cause: Cause,
    pub(crate) restored_at: Timestamp,
    pub(crate) until: Timestamp,
    /// How long clients may stay pinned to green.
    pub(crate) stickiness: Option<Duration>,
    /// Whether a look is outstanding, not a wait.
    pub(crate) looking: bool,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum End {
    /// In a state that is known and was read.
    Known(MigrationOutcome),
    /// Not restored, or not known.
    Unresolved(Unresolved),
}
