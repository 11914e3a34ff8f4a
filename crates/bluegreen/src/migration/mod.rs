//! The migration: moves live traffic from blue to green, step by step, under gates.

mod action;
mod asked;
mod credentials;
mod difference;
mod entry;
mod error;
mod event;
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
mod run;
mod salvage;
mod snapshot;
mod watch;
mod worker;

pub use self::{
    action::{Action, GateReport, Input, Intent, LookReport, OpenedGate, RestoreOrder},
    entry::Entry,
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
    reopened::Reopened,
    replay::{Replay, ReplayError, Replayer, origin_of, replay},
    resume::ResumeError,
    retelling::{Retelling, events_of},
    run::Migration,
    watch::MigrationState,
    worker::{MigrationAnswer, MigrationWorker},
};
pub use crate::health::session::GateId;
