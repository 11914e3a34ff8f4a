//! [`Host`]: carries the actions of a machine out, for the loop.

use std::{future::Future, pin::Pin};

use jiff::Timestamp;

use super::Machine;
use crate::json::JsonText;

/// Carries out every action that is not a wait.
pub(crate) trait Host {
    type Machine: Machine;
    /// The result of an action, before it becomes an input.
    type Raw: Send + 'static;

    /// Starts an action. Dropping the future abandons it.
    fn begin(&self, action: &Action<Self>) -> BoxFuture<Self::Raw>;

    /// Makes an input of an action's result.
    fn complete(&mut self, raw: Self::Raw) -> <Self::Machine as Machine>::Input;

    /// Everything that a resume needs to continue from here, as a journal entry: `machine`, what this host
    /// has learnt, the outstanding action, how many events were told, and the requests that were taken
    /// recently. `None`: a resume reads all records.
    fn snapshot(
        &self,
        machine: &Self::Machine,
        outstanding: &Action<Self>,
        events: u64,
        requests: &[(Timestamp, String)],
    ) -> Option<JsonText> {
        let _ = (machine, outstanding, events, requests);
        None
    }
}

type Action<H> = <<H as Host>::Machine as Machine>::Action;
pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;
