//! The deployment: runs an image as a service, checks it, and takes it back when it is not well.
//!
//! A [`Deployment`] carries a [`DeploymentPlan`] through three roles, [`ImageBuilder`],
//! [`ServiceDeployer`] and [`ServiceCheck`], on the same engine as a migration: a pure machine
//! that decides, a loop that does, typed events, a journal, and an end that was read back.
//!
//! # Reads that lag
//!
//! A read of the service may be older than the newest change, for
//! [a time that the deployer states](crate::ServiceDeployer::propagation). Each deployment has an id, and
//! the answer of an accepted change carries it. So for that time a read of a deployment that this run has
//! replaced means *not seen yet*. What was accepted is not sent again; what was not answered is waited
//! for. An update that was accepted and never becomes visible is taken back, and the end says so. A
//! third party's deployment is one that two reads at least 3 s apart show.
//!
//! # Where it differs from a migration
//!
//! Exit codes, names of outcomes, and what a failing journal, a takeover and a stop mean are the same. The
//! rest has its reason:
//!
//! | | migration | deployment | why |
//! |---|---|---|---|
//! | restored | two reads show blue | one read shows the way back | an old read shows an older deployment's id; weights have no id |
//! | a third party's change | drift: the run watches and warns to its deadline, then 12 | superseded or gone: 12 at once | their rollout is theirs to watch, and no traffic was split |
//! | a cancel during a change without an answer | restores at once | reads until it is seen, or until the propagation time is over: then 3 | to put back a service that never left would begin a rollout |
//! | a restore that is asked for | always written | written unless reads are newer than the run | for the revision that runs already, a change begins no rollout |
//! | pause, resume, promote, complete, skip-wait | known | ignored, with the reason | there are no steps |
//! | deadline | rolls back or holds, as the plan says | takes back | an unproved rollout is no state to leave |
//! | resume | the same journal continues | a new run, told what is left undone | doing it again finds what was done |
//! | what the surroundings are not ready for | waits: capacity, gates | ends with 3 | a check is asked once all is there |
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
mod watch;
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
    run::Deployment,
    watch::{Copies, DeploymentState},
    worker::DeploymentWorker,
};
