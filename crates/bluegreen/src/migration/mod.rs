//! The migration: moves live traffic from blue to green, step by step, under gates.

mod action;
mod asked;
mod blue;
#[cfg(feature = "run")]
mod credentials;
mod difference;
mod entry;
mod error;
mod event;
#[cfg(feature = "run")]
mod hook;
#[cfg(feature = "run")]
mod host;
mod left;
mod machine;
mod outcome;
mod plan;
mod preview;
mod rejudge;
mod reopened;
mod replay;
mod resume;
mod retelling;
#[cfg(feature = "run")]
mod run;
mod salvage;
mod snapshot;
#[cfg(feature = "run")]
mod watch;
#[cfg(feature = "run")]
mod worker;

#[cfg(feature = "aws")]
pub(crate) use self::blue::QUIET_MINUTES;
#[cfg(feature = "spec")]
pub(crate) use self::blue::{KEEP, free_from};
#[cfg(feature = "spec")]
pub(crate) use self::hook::LIMITS as HOOK_LIMITS;
#[cfg(feature = "run")]
pub(crate) use self::hook::{Caller, Hooks, Moment, Notable};
#[cfg(feature = "aws")]
pub(crate) use self::hook::{Deliver, Letter};
pub(crate) use self::{
    action::OpenedGate, entry::Entry, machine::standing::Standings, reopened::Reopened,
};
pub use self::{
    action::{Action, GateReport, Input, Intent, LookReport, RestoreOrder},
    error::MigrationError,
    event::{GateStanding, MigrationEvent},
    left::capacity_left,
    machine::MigrationMachine,
    outcome::{
        Cause, HoldReason, MigrationOutcome, Override, Report, Restored, ShortBlue,
        StandingCapacity, StandingSwitch, Unchanged, Unresolved,
    },
    plan::{GatePolicy, MigrationPlan, MigrationPlanBuilder, OnInconclusive, OnResume, Step},
    preview::{Preview, PreviewStage},
    rejudge::{Parting, Rejudged, rejudge},
    replay::{Replay, ReplayError, Replayer, origin_of, replay},
    resume::ResumeError,
    retelling::{Retelling, events_of},
};
#[cfg(feature = "run")]
pub use self::{
    hook::Hook,
    run::Migration,
    watch::MigrationState,
    worker::{MigrationAnswer, MigrationWorker},
};
pub use crate::health::session::GateId;
