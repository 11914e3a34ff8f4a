//! The stages and states of a service deployment, as ECS names and orders them.

use std::time::Duration;

/// A stage of a deployment's life
/// ([ECS guide](https://docs.aws.amazon.com/AmazonECS/latest/developerguide/blue-green-deployment-how-it-works.html)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::aws::sim) enum Stage {
    ReconcileService,
    PreScaleUp,
    ScaleUp,
    PostScaleUp,
    TestTrafficShift,
    PostTestTrafficShift,
    /// Before each shift: a linear or canary deployment comes here before every step.
    PreProductionTrafficShift,
    /// The shift, and the time that ECS waits after it if it is not the last.
    ProductionTrafficShift,
    PostProductionTrafficShift,
    BakeTime,
    CleanUp,
}

/// How long ECS takes from one stage to the next if nothing holds it.
pub(in crate::aws::sim) const PACE: Duration = Duration::from_secs(5);
/// How long a new revision's first task takes to start.
pub(super) const STARTS: Duration = Duration::from_secs(30);
/// How long a rollback takes after its shift, and the last clean-up.
pub(super) const CLEANS: Duration = Duration::from_secs(30);
/// How long a function of a hook takes.
pub(super) const FUNCTION: Duration = Duration::from_secs(10);

impl Stage {
    /// The stage of a hook's setting; `None` if a hook cannot be there.
    pub(super) fn of_hook(name: &str) -> Option<Self> {
        Some(match name {
            "RECONCILE_SERVICE" => Self::ReconcileService,
            "PRE_SCALE_UP" => Self::PreScaleUp,
            "POST_SCALE_UP" => Self::PostScaleUp,
            "TEST_TRAFFIC_SHIFT" => Self::TestTrafficShift,
            "POST_TEST_TRAFFIC_SHIFT" => Self::PostTestTrafficShift,
            "PRE_PRODUCTION_TRAFFIC_SHIFT" => Self::PreProductionTrafficShift,
            "PRODUCTION_TRAFFIC_SHIFT" => Self::ProductionTrafficShift,
            "POST_PRODUCTION_TRAFFIC_SHIFT" => Self::PostProductionTrafficShift,
            _ => return None,
        })
    }

    /// Whether a deployment may pause here.
    pub(super) fn may_pause(self) -> bool {
        !matches!(self, Self::TestTrafficShift | Self::ProductionTrafficShift)
    }

    /// The stage as a deployment shows it. A deployment has no name for the stage before a shift: it shows
    /// the stage that it comes from.
    pub(super) fn shown(self, step: usize) -> &'static str {
        match self {
            Self::ReconcileService => "RECONCILE_SERVICE",
            Self::PreScaleUp => "PRE_SCALE_UP",
            Self::ScaleUp => "SCALE_UP",
            Self::PostScaleUp => "POST_SCALE_UP",
            Self::TestTrafficShift => "TEST_TRAFFIC_SHIFT",
            Self::PreProductionTrafficShift if step == 0 => "POST_TEST_TRAFFIC_SHIFT",
            Self::PostTestTrafficShift => "POST_TEST_TRAFFIC_SHIFT",
            Self::PreProductionTrafficShift | Self::ProductionTrafficShift => {
                "PRODUCTION_TRAFFIC_SHIFT"
            }
            Self::PostProductionTrafficShift => "POST_PRODUCTION_TRAFFIC_SHIFT",
            Self::BakeTime => "BAKE_TIME",
            Self::CleanUp => "CLEAN_UP",
        }
    }
}

/// The state of a deployment
/// ([ECS guide](https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-deployment.html)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::aws::sim) enum Status {
    Pending,
    InProgress,
    StopRequested,
    RollbackRequested,
    RollbackInProgress,
    Successful,
    Stopped,
    RollbackSuccessful,
    RollbackFailed,
}

impl Status {
    pub(in crate::aws::sim) fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::InProgress => "IN_PROGRESS",
            Self::StopRequested => "STOP_REQUESTED",
            Self::RollbackRequested => "ROLLBACK_REQUESTED",
            Self::RollbackInProgress => "ROLLBACK_IN_PROGRESS",
            Self::Successful => "SUCCESSFUL",
            Self::Stopped => "STOPPED",
            Self::RollbackSuccessful => "ROLLBACK_SUCCESSFUL",
            Self::RollbackFailed => "ROLLBACK_FAILED",
        }
    }

    pub(in crate::aws::sim) fn is_over(self) -> bool {
        matches!(
            self,
            Self::Successful | Self::Stopped | Self::RollbackSuccessful | Self::RollbackFailed
        )
    }
}

/// The state of a hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HookStatus {
    /// A pause waits for an answer.
    Awaiting,
    /// A function is asked.
    InProgress,
    Succeeded,
    Failed,
    TimedOut,
}

impl HookStatus {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Awaiting => "AWAITING_ACTION",
            Self::InProgress => "IN_PROGRESS",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::TimedOut => "TIMED_OUT",
        }
    }

    pub(super) fn is_open(self) -> bool {
        matches!(self, Self::Awaiting | Self::InProgress)
    }
}
