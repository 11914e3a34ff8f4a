//! The role that divides traffic.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{TrafficObservation, TrafficSplit};
use crate::error::Result;

/// Divides live traffic between blue and green.
///
/// The three methods follow the loop observe, decide, act. An implementation keeps no memory of
/// the split: what counts is what it reads.
///
/// # Mocking
///
/// Feature `mock` exports `MockTrafficSplitter`. To write one of your own:
///
/// ```
/// # mod embedder {
/// use async_trait::async_trait;
/// use bluegreen::{Result, TrafficSplit, TrafficSplitter, traffic::{Finding, TrafficObservation}};
///
/// mockall::mock! {
///     #[derive(Debug)]
///     pub Splitter {}
///     #[async_trait]
///     impl TrafficSplitter for Splitter {
///         async fn preflight(&self) -> Result<Vec<Finding>>;
///         async fn observe(&self) -> Result<TrafficObservation>;
///         async fn shift(&self, from: &TrafficObservation, to: TrafficSplit) -> Result<TrafficObservation>;
///     }
/// }
/// # }
/// # fn main() {}
/// ```
#[async_trait]
pub trait TrafficSplitter: fmt::Debug + Send + Sync {
    /// Looks, once before the first shift, for what would make a migration unsafe or its
    /// figures wrong, and reports all of it. Reads only.
    ///
    /// # Errors
    ///
    /// Where it could not look. What it found is no error but a [`Finding`].
    ///
    /// # Cancel safety
    ///
    /// Only reads: dropping it leaves nothing behind.
    async fn preflight(&self) -> Result<Vec<Finding>>;

    /// Reads the split as it is, the healthy targets of each side, and a fingerprint of
    /// everything else that routes this traffic.
    ///
    /// # Errors
    ///
    /// `NotFound` where the rule or a side is missing, `Refused` where the rule has a shape that
    /// an edit could damage; never a made-up default.
    ///
    /// # Cancel safety
    ///
    /// Only reads: dropping it leaves nothing behind.
    async fn observe(&self) -> Result<TrafficObservation>;

    /// Changes the split from what was observed to what is wanted, and returns what it read
    /// back. Re-reads first, edits what it just read, and writes only if that is still the
    /// routing of `from`.
    ///
    /// A routing that already is `to` is not written again.
    ///
    /// # Errors
    ///
    /// `Conflict` where the routing is no longer that of `from`: nothing was written.
    /// `OutcomeUnknown` where the write may or may not have happened: observe before anything
    /// else. An implementation does not resend a write by itself.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: a dropped call may have written. Observe afterwards. The engine never
    /// drops it, except on a request to stop at once.
    async fn shift(
        &self,
        from: &TrafficObservation,
        to: TrafficSplit,
    ) -> Result<TrafficObservation>;
}

#[async_trait]
impl<T: TrafficSplitter + ?Sized> TrafficSplitter for Arc<T> {
    async fn preflight(&self) -> Result<Vec<Finding>> {
        (**self).preflight().await
    }

    async fn observe(&self) -> Result<TrafficObservation> {
        (**self).observe().await
    }

    async fn shift(
        &self,
        from: &TrafficObservation,
        to: TrafficSplit,
    ) -> Result<TrafficObservation> {
        (**self).shift(from, to).await
    }
}

/// One thing that a preflight found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Finding {
    /// Whether the migration may start.
    pub severity: Severity,
    /// What was seen.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Finding {
    /// Worth knowing; stops nothing.
    pub fn note(message: impl Into<String>) -> Self {
        Self::new(Severity::Note, message)
    }

    /// Stops the migration before it changes anything.
    pub fn refusal(message: impl Into<String>) -> Self {
        Self::new(Severity::Refuse, message)
    }

    /// Stops the migration, unless its plan accepts exactly this.
    pub fn refusal_unless(acceptance: Acceptance, message: impl Into<String>) -> Self {
        Self::new(Severity::RefuseUnless(acceptance), message)
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    fn new(severity: Severity, message: impl Into<String>) -> Self {
        Self {
            severity,
            message: message.into(),
            hint: None,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// What a [`Finding`] does to the start of a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Shown; stops nothing.
    Note,
    /// Stops it.
    Refuse,
    /// Stops it unless the plan accepts this by name.
    RefuseUnless(Acceptance),
}

/// A risk that a plan can take on by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Acceptance {
    /// Blue's or green's targets also get traffic that this migration does not steer, so shares,
    /// capacity and metrics include it.
    SharedTargets,
    /// Clients stay on a side for longer than a step bakes, so a step says less about new
    /// clients, and a rollback does not move pinned ones at once.
    LongStickiness,
}

impl Acceptance {
    /// All of them, for help texts.
    pub const ALL: [Self; 2] = [Self::SharedTargets, Self::LongStickiness];

    /// The name as it is written in plans and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SharedTargets => "shared-targets",
            Self::LongStickiness => "long-stickiness",
        }
    }
}

impl fmt::Display for Acceptance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
