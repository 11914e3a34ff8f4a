//! The role that judges green: [`HealthGate`] looks, its [`Judge`] decides.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use auto_impl::auto_impl;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Observation, Verdict};
use crate::{
    error::{Error, ErrorKind, Result},
    json::JsonText,
    traffic::{Percent, TrafficObservation},
};

/// Judges whether green serves well, in two halves.
///
/// [`observe`](Self::observe) does the I/O of one look and returns a value for the journal.
/// [`judge`](Self::judge) starts a fresh fold over such values, which does no I/O at all. So a
/// verdict is a function of the journal alone: a restarted controller continues from the point that the
/// old one had reached, a recorded migration can be judged again with other settings, and gates are
/// tested with tables.
///
/// # Mocking
///
/// Feature `mock` exports `MockHealthGate`. To write one of your own:
///
/// ```
/// # mod embedder {
/// use async_trait::async_trait;
/// use bluegreen::{HealthGate, Result, health::{Judge, Look, Observation}};
///
/// mockall::mock! {
///     #[derive(Debug)]
///     pub Gate {}
///     #[async_trait]
///     impl HealthGate for Gate {
///         async fn observe(&self, look: &Look) -> Result<Option<Observation>>;
///         fn judge(&self) -> Box<dyn Judge>;
///         fn settings(&self) -> serde_json::Value;
///     }
/// }
/// # }
/// # fn main() {}
/// ```
#[async_trait]
#[auto_impl(Arc, Box)]
pub trait HealthGate: fmt::Debug + Send + Sync {
    /// Looks once. `None` means that there is nothing new since this gate's last observation; the last
    /// verdict then stands until it expires.
    ///
    /// # Errors
    ///
    /// If the gate could not look. The run counts that as inconclusive, never as healthy.
    ///
    /// # Cancel safety
    ///
    /// Must only read: the engine drops a look when an operator takes control.
    async fn observe(&self, look: &Look) -> Result<Option<Observation>>;

    /// Starts a fresh fold over this gate's observations.
    fn judge(&self) -> Box<dyn Judge>;

    /// Returns the settings that the judge's verdicts depend on, for the journal. A resumed migration
    /// compares them, so they hold everything that changes a verdict and nothing secret.
    fn settings(&self) -> serde_json::Value;
}

/// Folds a gate's observations into a verdict. Pure: the same observations and progress give the
/// same verdicts, on any machine and at any time.
///
/// A judge sees every observation of its gate once, in order, through all steps of a migration.
// No `Arc`: taking an observation changes a judge.
#[auto_impl(Box)]
pub trait Judge: fmt::Debug + Send {
    /// Takes the next observation and returns the verdict on all of them together.
    ///
    /// An observation that the judge cannot read is inconclusive, never healthy.
    fn take(&mut self, observation: &Observation, progress: &Progress) -> Verdict;

    /// Returns all that the judge has learnt, as JSON without secrets. Another judge of the same
    /// gate, restored from it, continues as this one would. The journal keeps a snapshot every half hour,
    /// so that a resume need not read days of observations. `None`, the default: the journal keeps the
    /// observations instead, as long as they are few.
    fn snapshot(&self) -> Option<JsonText> {
        None
    }

    /// Continues from a [`snapshot`](Self::snapshot) of a judge of the same gate with the same settings.
    ///
    /// # Errors
    ///
    /// `Refused` if it is not such a snapshot.
    fn restore(&mut self, snapshot: &JsonText) -> Result<()> {
        let _ = snapshot;
        let message = "restore a judge that takes no snapshots";
        Err(Error::new(ErrorKind::Refused, message))
    }
}

/// What a gate is told when it must look.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Look {
    /// When the look happens, and in which phase of the migration.
    pub progress: Progress,
    /// This gate's newest observation, of this step or an earlier one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Observation>,
    /// The split and the targets as they were read at this very look; `None` if that read failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<TrafficObservation>,
}

impl Look {
    /// Creates a first look without any traffic observation.
    #[must_use]
    pub fn new(progress: Progress) -> Self {
        Self {
            progress,
            last: None,
            traffic: None,
        }
    }

    /// Adds this gate's newest observation.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn with_last(mut self, last: Observation) -> Self {
        self.last = Some(last);
        self
    }

    /// Adds the split and the targets of this look.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn with_traffic(mut self, traffic: TrafficObservation) -> Self {
        self.traffic = Some(traffic);
        self
    }

    /// Whether this look has read that green gets requests. `false` if the split could not be read.
    #[must_use]
    pub fn green_has_traffic(&self) -> bool {
        let traffic = self.traffic.as_ref();
        traffic.is_some_and(|traffic| traffic.weights.green > 0)
    }
}

/// The state of a migration at a look: everything that a judge may know beside its observations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Progress {
    /// The time of the look.
    pub at: Timestamp,
    /// The present phase of the migration.
    pub phase: Phase,
    /// Green's share that the migration last wrote.
    pub green: Percent,
    /// When the split became as it is: the read-back of the last shift, or the start.
    pub since: Timestamp,
    /// How long after `since` green's figures do not count for its health, since caches and connections
    /// are cold.
    pub warm_up: Duration,
}

impl Progress {
    /// Creates a progress of a phase that began at `since`, without a warm-up.
    #[must_use]
    pub fn new(at: Timestamp, phase: Phase, green: Percent, since: Timestamp) -> Self {
        Self {
            at,
            phase,
            green,
            since,
            warm_up: Duration::ZERO,
        }
    }

    /// Adds a warm-up after `since`.
    #[must_use]
    pub(crate) fn with_warm_up(mut self, warm_up: Duration) -> Self {
        self.warm_up = warm_up;
        self
    }

    /// Returns the time from which on green's figures count for its health.
    #[must_use]
    pub fn warm_since(&self) -> Timestamp {
        self.since
            .checked_add(self.warm_up)
            .unwrap_or(Timestamp::MAX)
    }
}

/// The phase of a migration at a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Phase {
    /// Before the first shift; this run has given green no traffic.
    Preflight,
    /// Watching a step, counted from 0.
    Step(usize),
    /// All traffic is on green and the steps are done; blue is kept warm.
    Bake,
    /// Blue has everything again; the run waits to see that no request reaches green.
    Confirm,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Preflight => f.write_str("preflight"),
            Self::Step(index) => write!(f, "step {}", index + 1),
            Self::Bake => f.write_str("bake"),
            Self::Confirm => f.write_str("confirm"),
        }
    }
}
