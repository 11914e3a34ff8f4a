//! A migration of [`bluegreen`] as a [Temporal](https://temporal.io) workflow: it survives the machines that run
//! it.
//!
//! The machine of the library decides, unchanged; Temporal keeps it, waits, and gives its work to workers:
//!
//! | of the machine | in Temporal |
//! |---|---|
//! | the machine, its judges, the lease | the state of the workflow, a pure function of its history |
//! | a wait | a durable timer |
//! | a look, another read | a local activity |
//! | a change | an activity with one attempt; without an answer its outcome is unknown, and a read decides |
//! | a control | a signal: `abort`, `pause`, `continue`, `promote`, `leave` |
//! | what a person sees | the query `status` |
//! | a step | a run of the workflow: it continues as new, with a snapshot of machine and judges |
//! | the rule | the id of the workflow: one migration of a rule at a time |
//!
//! # Fence
//!
//! Temporal gives the work of a worker that is silent to another worker. The first worker may only have been
//! stopped, and may continue. So each change is fenced three times:
//!
//! 1. The change carries the lease of the rule in the journal's store, and writes a record before it begins.
//!    The lease keeps every other controller out, the command too, for the whole run: each look renews it.
//!    Without a store there is no migration.
//! 2. A change begins within [`BEGINS_WITHIN`](activities::BEGINS_WITHIN) of the time at which Temporal gave it
//!    to the worker, by a clock that runs while the process is stopped. Temporal waits for
//!    [`SILENT_FOR`](workflow::SILENT_FOR), which is longer, before it calls the change lost.
//! 3. After a change without an answer, the workflow drops the lease and takes it anew. That takes a minute of
//!    silence, after which no change of the first worker can still begin. Looks continue meanwhile. A restore
//!    does not wait.
//!
//! # What it does not do
//!
//! - It calls no hooks: a specification with hooks is refused.
//! - It keeps no journal of events: the history of the workflow is the evidence, and [`workflow`] replays it.
//!   `bluegreen status` shows that a workflow holds the rule, and no more. `bluegreen rollback` works as ever.
//! - Times are Temporal's: the clocks of the server and of the workers should agree within some seconds.

pub mod activities;
pub mod client;
pub mod data;
mod fence;
pub mod workflow;
