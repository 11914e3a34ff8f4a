//! The states of the machine, each with exactly the data that is valid in it.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Cause, End, HoldReason, NativeObservation, Pause};
use crate::{
    check::CheckReport,
    clock::{between, later},
    engine::{Control, Operator, retry::APART},
    error::Failure,
    health::Phase,
    native::RollBackBy,
    traffic::Percent,
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", content = "with", rename_all = "snake_case")]
pub(super) enum State {
    /// Waits for `Start`.
    New,
    /// Surveys; left once the survey is there, or cannot be made.
    Preflight(Retry),
    /// Looks, or waits for the next look. Entered after the preflight, and after each answer.
    Watching(Watch),
    /// Asks the checks, before green gets its first traffic. Left to `Watching` once they have passed.
    Checking(Checking),
    /// An answer to a pause is under way. Left to `Watching`, whatever the platform says.
    Answering(Answering),
    /// The platform is to put everything back, or does so.
    Restoring(Restore),
    /// Reads once more, then the run ends and leaves the deployment as it is.
    Holding(Holding),
    /// The end.
    Ended(Box<End>),
}

/// A read that is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Retry {
    /// The number of this try, from 1.
    pub(super) attempt: u32,
    pub(super) waiting: bool,
}

/// The watch over one share of green.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Watch {
    /// Green's share.
    pub(super) green: Percent,
    /// The read that first showed this share.
    pub(super) since: Timestamp,
    /// How many shares above zero came before this one.
    pub(super) step: usize,
    /// The pause that waits for an answer.
    pub(super) pause: Option<Waiting>,
    /// The pause of an operator.
    pub(super) paused: Option<OperatorPause>,
    /// The override of an operator that holds.
    pub(super) promote: Option<Control>,
    /// The override that the outcome names for the pause that waits.
    #[serde(default)]
    pub(super) noted: Option<Control>,
    /// Whether an operator has cut the bake short.
    pub(super) skips_bake: bool,
    pub(super) looking: bool,
    /// How often the answer to this pause has failed, and the newest failure.
    pub(super) failed: u32,
    pub(super) failure: Option<Failure>,
    /// What was last told to be missing.
    pub(super) told: Option<String>,
}

impl Watch {
    pub(super) fn new(at: Timestamp) -> Self {
        Self {
            green: Percent::ZERO,
            since: at,
            step: 0,
            pause: None,
            paused: None,
            promote: None,
            noted: None,
            skips_bake: false,
            looking: false,
            failed: 0,
            failure: None,
            told: None,
        }
    }

    /// Forgets the tries of a pause that does not wait any more.
    pub(super) fn forget_tries(&mut self) {
        self.failed = 0;
        self.failure = None;
        self.noted = None;
    }

    /// The platform has taken the answer to the pause: an override for one answer is used up.
    pub(super) fn on_answered(&mut self) {
        self.pause = None;
        self.told = None;
        self.forget_tries();
        if !matches!(self.promote, Some(Control::PromoteFully { .. })) {
            self.promote = None;
        }
    }

    pub(super) fn phase(&self) -> Phase {
        match self.has_traffic() {
            true => Phase::Step(self.step),
            false => Phase::Preflight,
        }
    }

    pub(super) fn has_traffic(&self) -> bool {
        self.green > Percent::ZERO
    }

    pub(super) fn bakes_until(&self, bake: Duration) -> Timestamp {
        match self.skips_bake || !self.has_traffic() {
            true => self.since,
            false => later(self.since, bake),
        }
    }
}

/// A pause of the platform that waits for an answer of this run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Waiting {
    pub(super) pause: Pause,
    /// When the plan's policy decides.
    pub(super) due: Timestamp,
}

/// A pause that an operator asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OperatorPause {
    pub(super) by: Operator,
    pub(super) since: Timestamp,
    pub(super) until: Timestamp,
    pub(super) warned: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Checking {
    pub(super) watch: Watch,
    /// The check that is asked.
    pub(super) index: usize,
    /// The checks that failed in this round.
    pub(super) failed: Vec<CheckReport>,
    /// The number of this round, from 1.
    pub(super) round: u32,
    pub(super) waiting: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Answering {
    pub(super) watch: Watch,
    /// The control that ends the run once the answer has come.
    pub(super) then: Option<Control>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Restore {
    pub(super) cause: Cause,
    pub(super) step: RestoreStep,
    /// The call of the newest order; `None` if the platform rolls back by itself.
    pub(super) how: Option<RollBackBy>,
    /// When this process sent it.
    #[serde(default)]
    pub(super) ordered_at: Option<Timestamp>,
    /// How often an order was sent.
    pub(super) attempt: u32,
    /// How often the deployment was read without an end.
    pub(super) reads: u32,
    pub(super) deadline: Timestamp,
    pub(super) failure: Option<Failure>,
    /// The newest sentence about the way back.
    pub(super) told: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RestoreStep {
    Calling,
    Reading,
    Waiting,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Holding {
    pub(super) reason: HoldReason,
    pub(super) retry: Retry,
}

/// The newest answer of this run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Sent {
    pub(super) pause: Pause,
    /// Green's share at the pause: a platform may use one name for the pause before each step.
    pub(super) green: Percent,
    pub(super) fate: Fate,
    /// Until when a read may not show it yet.
    pub(super) visible_by: Timestamp,
    /// The first read after that time which does not show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) denied: Option<Timestamp>,
}

impl Sent {
    /// Returns whether this read after the propagation time, and one long enough before, do not show the answer:
    /// one read alone denies nothing.
    pub(super) fn is_denied(&mut self, at: Timestamp) -> bool {
        let first = *self.denied.get_or_insert(at);
        between(first, at) >= APART
    }

    /// Returns whether an observation shows the pause of this answer as waiting.
    pub(super) fn awaits_in(&self, observed: &NativeObservation) -> bool {
        self.green == observed.green() && observed.awaiting().any(|one| one.is_same(&self.pause))
    }

    /// Returns whether an observation cannot show what became of the answer: it does not know the pause, and
    /// green's share has not changed.
    pub(super) fn is_unknown_to(&self, observed: &NativeObservation) -> bool {
        self.green == observed.green()
            && !observed.status.is_over()
            && !observed.pauses.iter().any(|one| one.id == self.pause.id)
    }
}

/// What became of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Fate {
    /// The call is under way.
    Calling,
    /// The platform has taken it, and no read has shown it.
    Accepted,
    /// The call was not answered.
    Unknown,
    /// A read has shown it.
    Arrived,
}

/// The newest order to put everything back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ordered {
    pub(super) is_accepted: bool,
    /// Until when a read may not show it yet.
    pub(super) visible_by: Timestamp,
}
