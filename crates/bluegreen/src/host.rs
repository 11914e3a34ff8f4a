//! What another engine needs: both machines run by a host of yours, such as a workflow engine or a chain
//! of functions, without the loop of this crate.
//!
//! A [`MigrationMachine`](crate::migration::MigrationMachine) and a
//! [`DeploymentMachine`](crate::deployment::DeploymentMachine) decide and do nothing. Their host tells them
//! what happened and when, keeps them as JSON, and does what the [`Transition`] says:
//!
//! | it says | the host |
//! |---|---|
//! | [`Next::Do`] an action that is [`Work::Wait`] | waits until then, and tells `Input::Waited` |
//! | [`Next::Do`] an action that is [`Work::Read`] | lets a worker carry it out; may drop it for a control |
//! | [`Next::Do`] an action that is [`Work::Change`] | keeps the machine first, then lets a worker carry it out |
//! | [`Next::Keep`] | continues with what is outstanding |
//! | [`Next::End`] | is done: the machine's `end` tells how it ended |
//!
//! A [`MigrationWorker`] or a [`DeploymentWorker`] carries an action out and returns plain data. An action
//! that was never begun is told as its `not_begun`, one that failed on the way to the worker as its
//! `failed`. A host whose gates look from elsewhere gives them a [`Look`](crate::health::Look), which is
//! plain data too, and makes their judges from what a journal holds of them with
//! [`judge_of`](crate::health::judge_of).

pub use crate::{
    deployment::DeploymentWorker,
    engine::machine::{Next, Transition, Work},
    migration::{MigrationAnswer, MigrationWorker},
};
