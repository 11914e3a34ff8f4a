//! Roles around the loop: the machine that decides, and the host that carries its actions out.

use std::{fmt, future::Future, pin::Pin, time::Duration};

use jiff::Timestamp;
use serde::Serialize;

use super::{Control, ControlEffect};
use crate::{error::Failure, json::JsonText};

/// A pure state machine: no clock, no I/O. At most one of its actions is outstanding.
pub(crate) trait Machine {
    type Input: Clone + fmt::Debug + Serialize + Send;
    type Action: Clone + fmt::Debug + Serialize + Send;
    type Event: Clone + fmt::Debug;
    type End;

    /// How long a change waits until its record and all records before it are kept. If that takes longer,
    /// the change is not begun. A restore never waits that long.
    const RECORDED_WITHIN: Duration;

    /// Takes the input that came at `at`, and says what to do next.
    fn on(&mut self, at: Timestamp, input: Self::Input) -> Transition<Self::Event, Self::Action>;

    /// Returns the kind of work that an action is.
    fn work(action: &Self::Action) -> Work;

    /// The end, once the machine has reached it.
    fn end(&self) -> Option<Self::End>;

    /// The control that an event answers, and how.
    fn answered(event: &Self::Event) -> Option<(&Control, &ControlEffect)>;
    /// A control as an input.
    fn control(control: Control) -> Self::Input;
    /// The end of a wait as an input; `fault` if real time did not pass during the wait.
    fn waited(fault: bool) -> Self::Input;
    /// A journal that does not keep its records, as an input.
    fn journal_failed(failure: Failure) -> Self::Input;
    /// A change that was not begun, as an input.
    fn not_begun(action: &Self::Action, failure: Failure) -> Self::Input;
    /// An input as a journal entry.
    fn input_entry(input: &Self::Input) -> JsonText;
    /// A change that is about to be made as a journal entry.
    fn change_entry(action: &Self::Action) -> JsonText;
}

/// The result of an input: facts to tell, and what to do next.
#[derive(Debug, Clone, PartialEq)]
pub struct Transition<E, A> {
    /// What happened, in order.
    pub events: Vec<E>,
    /// What to do next.
    pub next: Next<A>,
}

/// The next step of a machine's host after a transition.
#[derive(Debug, Clone, PartialEq)]
pub enum Next<A> {
    /// Continue the outstanding action.
    Keep,
    /// Drop the outstanding action and do this action.
    Do(A),
    /// The machine has reached its end.
    End,
}

/// The kind of work that an action is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Wait until this time.
    Wait(Timestamp),
    /// Read; may be dropped at any time.
    Read,
    /// Change something. The change is written to the journal before its call, and is left to finish.
    Change {
        /// Whether the change restores: only a restore proceeds if its record cannot be written.
        restores: bool,
    },
}

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
