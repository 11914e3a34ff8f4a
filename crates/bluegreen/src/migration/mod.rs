//! The migration: moves live traffic from blue to green, step by step, under gates.

mod action;
mod difference;
mod error;
mod event;
mod host;
mod machine;
mod outcome;
mod plan;
mod preview;
mod replay;
mod resume;
mod run;
mod salvage;

pub use self::{
    action::{Action, Entry, GateReport, Input, Intent, LookReport, OpenedGate},
    error::MigrationError,
    event::{GateStanding, MigrationEvent},
    machine::{MigrationMachine, MigrationTransition},
    outcome::{
        Cause, HoldReason, MigrationOutcome, Override, Report, Restored, StandingSwitch, Unchanged,
        Unresolved,
    },
    plan::{
        GateId, GatePolicy, MigrationPlan, MigrationPlanBuilder, OnInconclusive, OnResume, Step,
    },
    preview::{Preview, PreviewStage},
    replay::{Replay, ReplayError, events_of, origin_of, replay},
    resume::ResumeError,
    run::Migration,
    salvage::Reopened,
};
