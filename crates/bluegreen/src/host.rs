//! The parts for a host of your own, such as a workflow engine or a chain of functions, that runs a machine
//! without the loop of this crate.
//!
//! A [`MigrationMachine`](crate::migration::MigrationMachine) and a
//! [`DeploymentMachine`](crate::deployment::DeploymentMachine) only decide. The host tells a machine what
//! happened and when, keeps the machine as JSON, and does what each [`Transition`] says:
//!
//! | the transition says | the host |
//! |---|---|
//! | [`Next::Do`] an action that is [`Work::Wait`] | waits until that time, then tells `Input::Waited` |
//! | [`Next::Do`] an action that is [`Work::Read`] | gives the action to a worker; a control may drop it |
//! | [`Next::Do`] an action that is [`Work::Change`] | saves the machine; gives the action to a worker |
//! | [`Next::Keep`] | continues with the outstanding action |
//! | [`Next::End`] | stops: the machine's `end` tells how the run ended |
//!
//! A [`MigrationWorker`] or a [`DeploymentWorker`] carries out an action and returns plain data. The workers
//! come with the feature `run`, since they keep time limits on tokio. A host without it calls the roles itself,
//! makes the action's answer an `Input`, and needs only the machines, which every build has. If an action
//! was never begun, tell the machine the action's `not_begun`; if the action failed on its way to the worker,
//! tell the machine the action's `failed`. A host whose gates run in another process sends them a
//! [`Look`](crate::health::Look), which is plain data too, and makes their judges with
//! [`judge_of`](crate::health::judge_of) from the settings that a journal holds.

pub use crate::engine::machine::{Next, Transition, Work};
#[cfg(feature = "run")]
pub use crate::{
    deployment::DeploymentWorker,
    migration::{MigrationAnswer, MigrationWorker},
};
