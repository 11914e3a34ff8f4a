//! The role that puts traffic back when nobody is left to do it.

use std::fmt;

use async_trait::async_trait;
use auto_impl::auto_impl;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::TrafficObservation;
use crate::{error::Result, preflight::Finding};

/// Puts everything back on blue by itself, at a time, unless it is told otherwise before: for a
/// controller that dies and that nobody resumes.
///
/// It lives outside of the process that arms it. There is one for a rule: arming it again replaces
/// time and content. A migration arms it before the first rise, again after each read-back and as
/// long as it looks, and disarms it before it ends with traffic on green.
///
/// # What it is not held to
///
/// It acts alone, on what was true when it was last armed. So it rises above some of the promises
/// that a migration keeps, each of them a reason to leave it off:
///
/// - It checks no capacity (P2): blue gets everything, whether or not its targets are healthy. A
///   [`CapacityKeeper`](super::CapacityKeeper) keeps them from being scaled in meanwhile.
/// - It writes the whole routing as it was when it was armed, not two weights of the routing as it
///   is (P3): what somebody else changed in the actions since then is undone.
/// - It is no holder of a journal and no fence stops it (P6): it may fire in the same moment in
///   which a successor writes. Whoever resumes renews it before a rise, and takes everything on
///   blue after its time for its doing.
/// - It does not stop at drift (P7). A run that is held, and so leaves the rule to somebody else,
///   disarms it first.
#[async_trait]
#[auto_impl(Arc, Box)]
pub trait DeadManSwitch: fmt::Debug + Send + Sync {
    /// Looks, once before the first shift, for what would keep it from acting when it fires. Reads only.
    /// What could not be looked at is a [note](Finding::note).
    ///
    /// # Errors
    ///
    /// If it could not look, and that is to stop the run.
    ///
    /// # Cancel safety
    ///
    /// Only reads: dropping it leaves nothing behind.
    async fn preflight(&self) -> Result<Vec<Finding>>;

    /// Lets it fire at `fires`, in the time of the run, with the routing of `traffic` and everything on blue. Replaces what
    /// was armed before.
    ///
    /// # Errors
    ///
    /// `Conflict` where the routing is no longer that of `traffic`: nothing was armed.
    /// `OutcomeUnknown` where it may be armed or not.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: a dropped call may have armed it.
    async fn arm(&self, traffic: &TrafficObservation, fires: Timestamp) -> Result<Armed>;

    /// Takes it away, and reads that it is gone. One that is not there is gone.
    ///
    /// # Errors
    ///
    /// Where it may still be there.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: a dropped call may have disarmed it. It may be called again.
    async fn disarm(&self) -> Result<()>;
}

/// A switch that is armed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Armed {
    /// What it is called where it lives.
    pub name: String,
    /// The command by which a person disarms it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disarm_command: Option<String>,
}

impl Armed {
    /// Of this name.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            disarm_command: None,
        }
    }

    /// With the command by which a person disarms it.
    #[must_use]
    pub fn with_disarm_command(mut self, command: impl Into<String>) -> Self {
        self.disarm_command = Some(command.into());
        self
    }
}
