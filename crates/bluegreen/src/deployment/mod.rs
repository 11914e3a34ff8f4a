//! The deployment: runs an image as a service, checks it, and takes it back when it is not well.
//!
//! A [`Deployment`] carries a [`DeploymentPlan`] through three roles, [`ImageBuilder`],
//! [`ServiceDeployer`] and [`ServiceCheck`], on the same engine as a migration: a pure machine
//! that decides, a loop that does, typed events, a journal, and an end that was read back.
//!
//! [`ImageBuilder`]: crate::ImageBuilder
//! [`ServiceDeployer`]: crate::ServiceDeployer
//! [`ServiceCheck`]: crate::ServiceCheck

mod action;
mod event;
mod host;
mod machine;
mod outcome;
mod plan;
mod replay;
mod run;
mod salvage;

pub use self::{
    action::{Action, CheckId, CheckKind, Entry, ImageSource, Input, Intent, Unfinished},
    event::DeploymentEvent,
    machine::{DeploymentMachine, DeploymentTransition},
    outcome::{
        Cause, DeploymentError, DeploymentOutcome, HoldReason, Report, Unchanged, Unresolved,
    },
    plan::{DeploymentPlan, DeploymentPlanBuilder, HealthPolicy},
    replay::{Replay, ReplayError, origin_of, replay},
    run::Deployment,
};
