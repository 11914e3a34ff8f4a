//! The base of every machine: the event envelope, the journal, the control handle, and the one
//! asynchronous loop.
//!
//! A machine decides and does nothing; the loop does and decides nothing. The loop carries out
//! one action at a time, tells the machine the result, and lets controls through at any
//! moment: a control ends a wait or a read at once, and lets a change that is under way finish.
//!
//! Other processes may ask for controls, too, by a [`Request`] beside the journal, in a place that the
//! journal [names](Journal::requests). A listener beside the loop gives each request to the
//! [`ControlHandle`] and writes the answer, so there is one path of control.

mod appender;
mod control;
mod event;
mod journal;
pub(crate) mod limit;
mod listener;
pub(crate) mod machine;
mod request;
pub(crate) mod retry;
mod run;

#[cfg(test)]
pub(crate) use self::journal::restoring;
pub(crate) use self::{
    control::Controls,
    listener::{Listener, Pace},
    machine::{BoxFuture, Host, Machine, Next, Transition, Work},
    run::{CLOCK_FAULT, CancelFuture, Opening, Resumption, Runner, SNAPSHOT_RECORDS, Sink},
};
pub use self::{
    control::{Answer, Control, ControlEffect, ControlHandle, OnCancel, Operator},
    event::{Event, RunId},
    journal::{Fence, JOURNAL_VERSION, Journal, MemoryJournal, Record, is_restoring},
    request::{
        LARGEST_REQUEST, REQUEST_LIFE, REQUEST_VERSION, Reply, Request, RequestAnswer, RequestName,
        RequestStorage, Verb,
    },
};
pub use crate::json::JsonText;
