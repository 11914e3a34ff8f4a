//! The role that schedules use.

use std::collections::BTreeSet;

/// The role of a dead-man switch, as IAM knows it. This one role stands for every ARN.
///
/// # Examples
///
/// ```
/// use bluegreen::aws::sim::{ScheduleRole, Simulation};
///
/// let role = ScheduleRole::default().without("elasticloadbalancing:ModifyRule");
/// let simulation = Simulation::builder().schedule_role(role).build();
/// # let _ = simulation;
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ScheduleRole {
    lacks: BTreeSet<String>,
    is_missing: bool,
    is_untrusting: bool,
}

impl ScheduleRole {
    /// No policy of the role allows this action, such as `elasticloadbalancing:ModifyRule`. Default: all is
    /// allowed.
    #[must_use]
    pub fn without(mut self, action: impl Into<String>) -> Self {
        self.lacks.insert(action.into());
        self
    }

    /// There is no such role. Default: there is.
    #[must_use]
    pub fn missing(mut self) -> Self {
        self.is_missing = true;
        self
    }

    /// The role does not trust EventBridge Scheduler. Default: it does.
    #[must_use]
    pub fn untrusting(mut self) -> Self {
        self.is_untrusting = true;
        self
    }

    pub(in crate::aws::sim) fn is_there(&self) -> bool {
        !self.is_missing
    }

    pub(in crate::aws::sim) fn trusts_scheduler(&self) -> bool {
        !self.is_missing && !self.is_untrusting
    }

    /// Whether a schedule with this role may do this.
    pub(in crate::aws::sim) fn may(&self, action: &str) -> bool {
        !self.lacks.contains(action)
    }
}
