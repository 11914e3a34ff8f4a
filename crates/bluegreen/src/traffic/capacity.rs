//! The role that keeps blue's capacity while traffic is elsewhere.

use std::fmt;

use async_trait::async_trait;
use auto_impl::auto_impl;
use serde::{Deserialize, Serialize};

use crate::{error::Result, preflight::Finding};

/// Keeps blue as large as it is, while green gets blue's requests.
///
/// A service that scales with its load shrinks as its requests go elsewhere: at 90 % green, blue may be
/// one task. A rollback, and a dead-man switch even more, send everything back at once. So before the
/// first rise a migration raises the smallest number of tasks that scaling may leave to what runs now.
/// It puts the old minimum back after a rollback, once blue is whole and has served everything for a
/// few minutes: right after the restore, scaling still follows the figures from before. After a
/// promotion the minimum stays, since blue is still the way back, and the outcome names the command that
/// puts the old minimum back.
///
/// # Promises that it does not keep
///
/// A keeper locks nothing: a third party (infrastructure code, a scheduled action) may lower the minimum
/// during the run. [`release`](Self::release) finds such a minimum, and leaves it.
///
/// # Examples
///
/// For a service that is scaled elsewhere:
///
/// ```
/// use std::sync::Mutex;
/// use async_trait::async_trait;
/// use bluegreen::{Error, ErrorKind, Result};
/// use bluegreen::traffic::{Capacity, CapacityKeeper, Kept, Released, ScalingRange};
///
/// #[derive(Debug)]
/// struct Pool { minimum: Mutex<u32> }
///
/// #[async_trait]
/// impl CapacityKeeper for Pool {
///     async fn observe(&self) -> Result<Capacity> {
///         let minimum = *self.minimum.lock().expect("no panic");
///         Ok(Capacity::new("pool blue", 4).with_range(ScalingRange { minimum, maximum: 8 }))
///     }
///
///     async fn keep(&self, kept: &Kept) -> Result<()> {
///         let mut minimum = self.minimum.lock().expect("no panic");
///         if *minimum != kept.before && *minimum != kept.minimum {
///             return Err(Error::new(ErrorKind::Conflict, "raise the minimum of the pool"));
///         }
///         *minimum = kept.minimum;
///         Ok(())
///     }
///
///     async fn release(&self, kept: &Kept) -> Result<Released> {
///         let mut minimum = self.minimum.lock().expect("no panic");
///         if *minimum != kept.before && *minimum != kept.minimum {
///             return Ok(Released::Changed { minimum: Some(*minimum) });
///         }
///         *minimum = kept.before;
///         Ok(Released::PutBack)
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// let pool = Pool { minimum: Mutex::new(1) };
/// let kept = pool.observe().await?.to_keep().expect("it would shrink to 1");
/// pool.keep(&kept).await?;
/// assert_eq!(pool.observe().await?.to_keep(), None, "there is nothing left to keep");
/// assert_eq!(pool.release(&kept).await?, Released::PutBack);
///
/// // A third party has set the minimum meanwhile.
/// *pool.minimum.lock().expect("no panic") = 6;
/// assert_eq!(pool.release(&kept).await?, Released::Changed { minimum: Some(6) });
/// # Ok(())
/// # }
/// ```
#[async_trait]
#[auto_impl(Arc, Box)]
pub trait CapacityKeeper: fmt::Debug + Send + Sync {
    /// Reads how many tasks run, and how far scaling may go.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such service.
    ///
    /// # Cancel safety
    ///
    /// Only reads: dropping it leaves nothing behind.
    async fn observe(&self) -> Result<Capacity>;

    /// Raises the minimum from `kept.before` to `kept.minimum`, and reads it back. A second call changes
    /// nothing more.
    ///
    /// # Errors
    ///
    /// `Conflict` if the minimum is neither of the two: nothing was changed. `OutcomeUnknown` if the minimum
    /// may be raised or not.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: a dropped call may have raised it.
    async fn keep(&self, kept: &Kept) -> Result<()>;

    /// Puts the old minimum back, if the present minimum is still `kept.minimum`, and reads it back.
    /// Leaves any other minimum.
    ///
    /// # Errors
    ///
    /// `OutcomeUnknown` if the old minimum may be put back or not.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: a dropped call may have put the minimum back. `release` may be called again.
    async fn release(&self, kept: &Kept) -> Result<Released>;
}

/// How many tasks of a service run, and how far it may be scaled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Capacity {
    /// The service's name in the system that runs it, such as `service/cluster/name`.
    pub resource: String,
    /// How many tasks are to run now.
    pub running: u32,
    /// How far scaling may go; `None` if nothing scales the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<ScalingRange>,
    /// The command by which a person sets the minimum, without the number at its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

/// How far scaling may go, in tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScalingRange {
    /// The fewest tasks.
    pub minimum: u32,
    /// The most tasks.
    pub maximum: u32,
}

impl Capacity {
    /// The capacity of a resource that nothing scales, with `running` tasks that are to run.
    #[must_use]
    pub fn new(resource: impl Into<String>, running: u32) -> Self {
        Self {
            resource: resource.into(),
            running,
            range: None,
            command: None,
        }
    }

    /// Adds the range of its scaling.
    #[must_use]
    pub fn with_range(mut self, range: ScalingRange) -> Self {
        self.range = Some(range);
        self
    }

    /// Adds the command by which a person sets the minimum, without the number at its end.
    #[must_use]
    pub(crate) fn with_command(mut self, command: impl Into<String>) -> Self {
        self.command = Some(command.into());
        self
    }

    /// The minimum that keeps all running tasks, at most the range's maximum; `None` if scaling cannot go
    /// below them.
    #[must_use]
    pub fn to_keep(&self) -> Option<Kept> {
        let range = self.range?;
        let minimum = self.running.min(range.maximum);
        (minimum > range.minimum).then(|| Kept {
            resource: self.resource.clone(),
            before: range.minimum,
            minimum,
            command: self.command.clone(),
        })
    }

    /// The preflight's note about this capacity.
    #[must_use]
    pub fn finding(&self) -> Finding {
        let Self {
            resource, running, ..
        } = self;
        Finding::note(match (self.range, self.to_keep()) {
            (None, _) => format!("nothing scales blue ({resource}), which runs {running}"),
            (Some(_), Some(kept)) => format!(
                "blue ({resource}) runs {running} and may be scaled in to {}: its minimum is raised to \
                 {} for the run",
                kept.before, kept.minimum
            ),
            (Some(range), None) => format!(
                "blue ({resource}) runs {running} and is not scaled in below {}",
                range.minimum
            ),
        })
    }
}

/// A minimum that was raised, and the minimum before, so that it can be put back. A value for journals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Kept {
    /// The service's name in the system that runs it.
    pub resource: String,
    /// The minimum before.
    pub before: u32,
    /// The minimum that keeps all tasks that ran.
    pub minimum: u32,
    /// The command by which a person sets the minimum, without the number at its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

impl Kept {
    /// A minimum that was raised from `before` to `minimum`.
    #[must_use]
    pub fn new(resource: impl Into<String>, before: u32, minimum: u32) -> Self {
        Self {
            resource: resource.into(),
            before,
            minimum,
            command: None,
        }
    }

    /// The command by which a person raises the minimum.
    #[must_use]
    pub(crate) fn keep_command(&self) -> Option<String> {
        self.command_to(self.minimum)
    }

    /// The command by which a person puts the old minimum back.
    #[must_use]
    pub fn release_command(&self) -> Option<String> {
        self.command_to(self.before)
    }

    fn command_to(&self, minimum: u32) -> Option<String> {
        let command = self.command.as_ref()?;
        Some(format!("{command} {minimum}"))
    }
}

/// The result of [`CapacityKeeper::release`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "released", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Released {
    /// The old minimum stands, read back.
    PutBack,
    /// A third party has set another minimum, which was left.
    Changed {
        /// The minimum that was found; `None` if nothing scales the service any more.
        minimum: Option<u32>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scaled(running: u32, minimum: u32, maximum: u32) -> Capacity {
        Capacity::new("service/c/s", running)
            .with_range(ScalingRange { minimum, maximum })
            .with_command("set --min")
    }

    #[test]
    fn p02_what_runs_is_kept_as_far_as_scaling_may_go() {
        let to_keep = |running, minimum, maximum| {
            let kept = scaled(running, minimum, maximum).to_keep()?;
            Some((kept.before, kept.minimum))
        };
        assert_eq!(to_keep(4, 1, 8), Some((1, 4)));
        assert_eq!(to_keep(4, 4, 8), None);
        assert_eq!(to_keep(4, 6, 8), None);
        assert_eq!(to_keep(10, 2, 8), Some((2, 8)), "no more than the maximum");
        assert_eq!(to_keep(10, 8, 8), None);
        assert_eq!(to_keep(0, 0, 8), None);
        assert_eq!(Capacity::new("service/c/s", 4).to_keep(), None);
    }

    #[test]
    fn what_is_kept_names_both_commands() {
        let kept = scaled(4, 1, 8).to_keep().expect("it may shrink");
        assert_eq!(kept.keep_command().as_deref(), Some("set --min 4"));
        assert_eq!(kept.release_command().as_deref(), Some("set --min 1"));
        assert_eq!(Kept::new("service/c/s", 1, 4).release_command(), None);
        let json = serde_json::to_string(&kept).expect("plain data");
        assert_eq!(serde_json::from_str::<Kept>(&json).expect("the same"), kept);
    }
}
