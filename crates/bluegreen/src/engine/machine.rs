//! What the loop asks of a machine, and of the host that carries its actions out.

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

    /// How long a change waits until its record and all before it are kept. If that takes longer it is
    /// not begun. A restore never waits that long.
    const RECORDED_WITHIN: Duration;

    /// Takes what happened at `at` and says what to do next.
    fn on(&mut self, at: Timestamp, input: Self::Input) -> Transition<Self::Event, Self::Action>;

    /// What kind of work an action is.
    fn work(action: &Self::Action) -> Work;

    /// The end, once the machine has reached it.
    fn end(&self) -> Option<Self::End>;

    /// The control that an event answers, and how.
    fn answered(event: &Self::Event) -> Option<(&Control, &ControlEffect)>;
    /// A control as an input.
    fn control(control: Control) -> Self::Input;
    /// The end of a wait as an input; `fault` where real time did not pass with it.
    fn waited(fault: bool) -> Self::Input;
    /// A journal that does not keep its records, as an input.
    fn journal_failed(failure: Failure) -> Self::Input;
    /// A change that was not even begun, as the answer to it.
    fn not_begun(action: &Self::Action, failure: Failure) -> Self::Input;
    /// An input as a journal entry.
    fn input_entry(input: &Self::Input) -> JsonText;
    /// A change that is about to be made as a journal entry.
    fn change_entry(action: &Self::Action) -> JsonText;
}

/// What came of an input: facts to tell, and what to do next.
#[derive(Debug, Clone, PartialEq)]
pub struct Transition<E, A> {
    /// What happened, in order.
    pub events: Vec<E>,
    /// What to do next.
    pub next: Next<A>,
}

/// What the host of a machine does after a transition.
#[derive(Debug, Clone, PartialEq)]
pub enum Next<A> {
    /// Go on with what is outstanding.
    Keep,
    /// Drop what is outstanding and do this.
    Do(A),
    /// The machine has reached its end.
    End,
}

/// What kind of work an action is, for the loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// Wait until then.
    Wait(Timestamp),
    /// Read; may be dropped at any time.
    Read,
    /// Change something. Journalled before its call; goes ahead without a journal only if it
    /// restores.
    Change { restores: bool },
}

/// Carries out what is not a wait.
pub(crate) trait Host {
    type Machine: Machine;
    /// What an action brought, before it is made an input.
    type Raw: Send + 'static;

    /// Starts an action. Dropping the future abandons it.
    fn begin(&self, action: &Action<Self>) -> BoxFuture<Self::Raw>;

    /// Makes an input of what an action brought.
    fn complete(&mut self, raw: Self::Raw) -> <Self::Machine as Machine>::Input;

    /// Everything that a resume needs to go on from here, as a journal entry: `machine`, what this host has
    /// learnt, the action that is outstanding, how many events were told, and the requests that were taken
    /// of late. `None`: a resume reads all.
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
