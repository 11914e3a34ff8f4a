//! [`Machine`]: what decides, in the middle of every host.

use std::{fmt, time::Duration};

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
