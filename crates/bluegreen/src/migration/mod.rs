//! The migration: moves live traffic from blue to green, step by step, under gates.

mod action;
mod asked;
mod credentials;
mod difference;
mod entry;
mod error;
mod event;
mod fold;
mod hook;
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
mod run;
mod salvage;
mod snapshot;
mod watch;
mod worker;

#[cfg(feature = "spec")]
pub(crate) use self::hook::LIMITS as HOOK_LIMITS;
pub use self::{
    action::{Action, GateReport, Input, Intent, LookReport, OpenedGate, RestoreOrder},
    entry::Entry,
    error::MigrationError,
    event::{GateStanding, MigrationEvent},
    hook::Hook,
    left::capacity_left,
    machine::MigrationMachine,
    outcome::{
        Cause, HoldReason, MigrationOutcome, Override, Report, Restored, ShortBlue,
        StandingCapacity, StandingSwitch, Unchanged, Unresolved,
    },
    plan::{
        GateId, GatePolicy, MigrationPlan, MigrationPlanBuilder, OnInconclusive, OnResume, Step,
    },
    preview::{Preview, PreviewStage},
    rejudge::{Parting, Rejudged, rejudge},
    reopened::Reopened,
    replay::{Replay, ReplayError, Replayer, Retelling, events_of, origin_of, replay},
    resume::ResumeError,
    run::Migration,
    watch::MigrationState,
    worker::{MigrationAnswer, MigrationWorker},
};
