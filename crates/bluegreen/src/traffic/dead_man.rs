//! The role that puts traffic back if the controller has died.

use std::fmt;

use async_trait::async_trait;
use auto_impl::auto_impl;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::TrafficObservation;
use crate::{error::Result, preflight::Finding};

/// Puts everything back on blue by itself at a set time, unless it is renewed or disarmed before: for a
/// controller that dies and is not resumed.
///
/// The switch lives outside of the process that arms it. A rule has one switch: arming it again replaces
/// time and content. A migration arms it before the first rise, again after each read-back and while it
/// looks, and disarms it before it ends with traffic on green.
///
/// # Promises that it does not keep
///
/// The switch acts alone, on the routing that was read when it was last armed. So it breaks some promises
/// that a migration keeps, each of them a reason to leave it off:
///
/// - It checks no capacity (P2): blue gets everything, whether or not its targets are healthy. A
///   [`CapacityKeeper`](super::CapacityKeeper) keeps them from being scaled in meanwhile.
/// - It writes the whole routing as read when the switch was armed, not two weights of the routing as it
///   is now (P3): it undoes every change that a third party made to the actions since then.
/// - It holds no journal, and no fence stops it (P6): it may fire in the same moment in
///   which a successor writes. A controller that resumes the run renews the switch before a rise. If it
///   finds everything on blue after the set time, it concludes that the switch has fired.
/// - It does not stop at drift (P7). A run that is held, and so leaves the rule to a third party,
///   disarms it first.
#[async_trait]
#[auto_impl(Arc, Box)]
pub trait DeadManSwitch: fmt::Debug + Send + Sync {
    /// Checks, once before the first shift, for anything that would keep the switch from acting when it
    /// fires. Reads only. A check that was not possible is a [note](Finding::note).
    ///
    /// # Errors
    ///
    /// If a check was not possible and that is to stop the run.
    ///
    /// # Cancel safety
    ///
    /// Only reads: dropping it leaves nothing behind.
    async fn preflight(&self) -> Result<Vec<Finding>>;

    /// Arms the switch: at `fires`, in the time of the run, it writes the routing of `traffic` with
    /// everything on blue. Replaces an earlier time and content.
    ///
    /// # Errors
    ///
    /// `Conflict` if the routing is no longer that of `traffic`: nothing was armed.
    /// `OutcomeUnknown` if the switch may be armed or not.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: a dropped call may have armed it.
    async fn arm(&self, traffic: &TrafficObservation, fires: Timestamp) -> Result<Armed>;

    /// Removes the switch, and reads that it is gone. A switch that was not there is no error.
    ///
    /// # Errors
    ///
    /// If the switch may still be there.
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
    /// Its name in the system that runs it.
    pub name: String,
    /// The command by which a person disarms it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disarm_command: Option<String>,
}

impl Armed {
    /// A switch of this name, without a command.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            disarm_command: None,
        }
    }

    /// Adds the command by which a person disarms it.
    #[must_use]
    pub(crate) fn with_disarm_command(mut self, command: impl Into<String>) -> Self {
        self.disarm_command = Some(command.into());
        self
    }
}
