//! The envelope of every event.

use std::{fmt, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock::elapsed;

/// The name of one run, the same in all its events and records.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(String);

impl RunId {
    /// Creates a name that you choose, such as the id of a CI job.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// Creates a name from the time at which the run starts.
    #[must_use]
    pub(crate) fn from_start(at: Timestamp) -> Self {
        Self(at.strftime("%Y%m%dT%H%M%S%.3fZ").to_string())
    }

    /// Returns the name as text.
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
/// As JSON an event is one flat object: the fields of the envelope, the fields of `kind`, and `event` with
/// the name of the kind's variant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event<K> {
    /// The run.
    pub run: RunId,
    /// The place in the run's total order, from 0 without gaps.
    pub seq: u64,
    /// When it happened.
    pub at: Timestamp,
    /// The time since the start of the run.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub elapsed: Duration,
    /// What happened.
    #[serde(flatten)]
    pub kind: K,
}

impl<K: fmt::Display> Event<K> {
    /// Returns the event as one line of at most `columns` columns, for a terminal: the time, and the first
    /// line of its words. A long name, such as an ARN, is cut to its last part; a line that is still too long
    /// ends with `…`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use bluegreen::engine::{Event, RunId};
    ///
    /// let event = Event {
    ///     run: RunId::new("7"),
    ///     seq: 3,
    ///     at: "2026-01-05T09:02:05Z".parse()?,
    ///     elapsed: Duration::from_secs(125),
    ///     kind: "registered arn:aws:ecs:us-east-1:123456789012:task-definition/chat:8\nand more",
    /// };
    /// assert_eq!(event.line(80), " +2m05s  registered chat:8");
    /// assert_eq!(event.line(16), " +2m05s  regist…");
    /// # Ok::<(), jiff::Error>(())
    /// ```
    #[must_use]
    pub fn line(&self, columns: usize) -> String {
        let text = self.kind.to_string();
        let words = text.lines().next().unwrap_or_default().split(' ');
        let words: Vec<&str> = words.map(short).collect();
        let line = format!("{:>7}  {}", self.time(), words.join(" "));
        match line.char_indices().nth(columns) {
            None => line,
            Some(_) => line
                .chars()
                .take(columns.saturating_sub(1))
                .chain(['…'])
                .collect(),
        }
    }
}

impl<K> Event<K> {
    /// Returns the time since the start of the run, for people: `+2m05s`, or `+1h02m05s`.
    #[must_use]
    pub fn time(&self) -> String {
        elapsed(self.elapsed)
    }
}

/// The most characters of a name that a line shows in full.
const LONG: usize = 40;

/// The last part of a long name, without its digest.
fn short(word: &str) -> &str {
    match word.rsplit_once('/') {
        Some((_, last)) if word.chars().count() > LONG => last.split('@').next().unwrap_or(last),
        _ => word,
    }
}

impl<K: fmt::Display> fmt::Display for Event<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.time(), self.kind)
    }
}
