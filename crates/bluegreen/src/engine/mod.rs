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

#[cfg(feature = "run")]
mod appender;
mod control;
mod event;
#[cfg(feature = "run")]
mod fence;
#[cfg(feature = "run")]
mod handle;
#[cfg(feature = "run")]
mod host;
mod journal;
#[cfg(feature = "run")]
pub(crate) mod limit;
#[cfg(feature = "run")]
mod listener;
pub(crate) mod machine;
mod request;
pub(crate) mod retry;
#[cfg(feature = "run")]
mod run;

pub(crate) use self::machine::{Machine, Next, Transition, Work};
pub use self::{
    control::{Control, ControlEffect, OnCancel, Operator},
    event::{Event, RunId},
    journal::{JOURNAL_VERSION, Journal, MemoryJournal, Record},
    request::{
        LARGEST_REQUEST, REQUEST_LIFE, REQUEST_VERSION, Reply, Request, RequestAnswer, RequestName,
        RequestStorage, Verb,
    },
    retry::APART,
};
#[cfg(feature = "run")]
pub(crate) use self::{
    fence::restoring,
    handle::Controls,
    host::{BoxFuture, Host},
    listener::{Listener, Pace},
    run::{CancelFuture, Opening, Resumption, Runner, SNAPSHOT_RECORDS, Sink},
};
#[cfg(feature = "run")]
pub use self::{
    fence::{Fence, is_restoring},
    handle::{Answer, ControlHandle},
};
pub use crate::json::JsonText;
