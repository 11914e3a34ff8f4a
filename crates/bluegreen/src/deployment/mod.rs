//! The deployment: runs an image as a service, checks it, and rolls it back if it is not well.
//!
//! A [`Deployment`] carries a [`DeploymentPlan`] through three roles, [`ImageBuilder`],
//! [`ServiceDeployer`] and [`ServiceCheck`], on the same engine as a migration: a pure machine
//! that decides, a loop that acts, typed events, a journal, and an end that was read back.
//!
//! # Reads that lag
//!
//! A read of the service may be older than the newest change, for
//! [the propagation time](crate::ServiceDeployer::propagation). Each deployment has an id, and
//! the answer of an accepted change carries the id. So for that time a read of a deployment that this run
//! has replaced means *not seen yet*. An accepted change is not sent again; a change without an answer is
//! waited for. An update that was accepted and never becomes visible is rolled back, and the end says so. A
//! deployment is a third party's only if two reads at least 3 s apart show it.
//!
//! # Differences from a migration
//!
//! Exit codes, names of outcomes, and the effects of a failing journal, a takeover and a stop are the same.
//! Each difference has its reason:
//!
//! | | migration | deployment | why |
//! |---|---|---|---|
//! | restored | two reads show blue | one read shows the rollback | an old read shows an older deployment's id; weights have no id |
//! | a third party's change | drift: the run watches and warns to its deadline, then 12 | superseded or gone: 12 at once | the third party watches its own rollout, and no traffic was split |
//! | a cancel during a change without an answer | restores at once | reads until the change is seen, or until the propagation time is over: then 3 | to roll back a service that never changed would begin a rollout |
//! | a restore that is asked for | always written | written unless reads are newer than the run | for the revision that runs already, a change begins no rollout |
//! | pause, resume, promote, complete, skip-wait | known | ignored, with the reason | there are no steps |
//! | deadline | rolls back or holds, as the plan says | rolls back | a service must not stay in an unproved rollout |
//! | resume | the same journal continues | a new run, which knows the work left undone | a second deployment finds the work that was done |
//! | a missing precondition | waits: capacity, gates | ends with 3 | checks are asked only once all copies run |
//!
//! [`ImageBuilder`]: crate::ImageBuilder
//! [`ServiceDeployer`]: crate::ServiceDeployer
//! [`ServiceCheck`]: crate::ServiceCheck

mod action;
mod event;
#[cfg(feature = "run")]
mod host;
mod machine;
mod outcome;
mod plan;
mod replay;
#[cfg(feature = "run")]
mod run;
mod salvage;
#[cfg(feature = "run")]
mod watch;
#[cfg(feature = "run")]
mod worker;

pub(crate) use self::action::{Entry, Unfinished};
pub use self::{
    action::{Action, CheckId, CheckKind, ImageSource, Input, Intent},
    event::DeploymentEvent,
    machine::{DeploymentMachine, has_way_back},
    outcome::{
        Cause, DeploymentError, DeploymentOutcome, HoldReason, Report, Unchanged, Unresolved,
    },
    plan::{DeploymentPlan, DeploymentPlanBuilder, HealthPolicy},
    replay::{Replay, ReplayError, origin_of, replay},
};
#[cfg(feature = "run")]
pub use self::{
    run::Deployment,
    watch::{Copies, DeploymentState},
    worker::DeploymentWorker,
};
