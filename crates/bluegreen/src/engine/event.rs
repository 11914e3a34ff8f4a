//! The envelope of every event.

use std::{fmt, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The name of one run, the same in all its events and records.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(String);

impl RunId {
    /// A name of your own, such as the id of a CI job.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// A name made of the time at which the run starts.
    #[must_use]
    pub(crate) fn from_start(at: Timestamp) -> Self {
        Self(at.strftime("%Y%m%dT%H%M%S%.3fZ").to_string())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One thing that happened: a typed fact with its place in the total order of a run.
///
/// As JSON an event is one flat object: the envelope's fields beside those of `kind`, whose
/// variant is named by `event`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event<K> {
    /// The run.
    pub run: RunId,
    /// The place in the run's total order, from 0 without gaps.
    pub seq: u64,
    /// When it happened.
    pub at: Timestamp,
    /// How long after the start of the run.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub elapsed: Duration,
    /// What happened.
    #[serde(flatten)]
    pub kind: K,
}

impl<K: fmt::Display> fmt::Display for Event<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.elapsed.as_secs();
        write!(f, "{:02}:{:02} {}", seconds / 60, seconds % 60, self.kind)
    }
}
