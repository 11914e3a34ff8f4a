//! Faults at any call.

use std::time::Duration;

use crate::{aws::api::ApiError, error::ErrorKind, traffic::Sides};

/// An AWS call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Call {
    /// Reads rules.
    DescribeRules,
    /// Reads listeners.
    DescribeListeners,
    /// Reads target groups.
    DescribeTargetGroups,
    /// Reads the health of a group's targets.
    DescribeTargetHealth,
    /// Writes a rule.
    ModifyRule,
    /// Writes a listener, and with it its default rule.
    ModifyListener,
    /// Creates a target group.
    CreateTargetGroup,
    /// Deletes a target group.
    DeleteTargetGroup,
    /// Creates a rule.
    CreateRule,
    /// Deletes a rule.
    DeleteRule,
    /// Reads tags of the balancer's resources.
    DescribeTags,
    /// Tags the balancer's resources.
    AddTags,
    /// Takes tags off them.
    RemoveTags,
    /// Reads metrics.
    GetMetricData,
    /// Reads alarms.
    DescribeAlarms,
    /// Creates a service.
    CreateService,
    /// Reads services.
    DescribeServices,
    /// Reads a revision.
    DescribeTaskDefinition,
    /// Reads tasks.
    DescribeTasks,
    /// Lists revisions.
    ListTaskDefinitions,
    /// Lists tasks.
    ListTasks,
    /// Registers a revision.
    RegisterTaskDefinition,
    /// Tags a service.
    TagResource,
    /// Changes a service.
    UpdateService,
    /// Asks for a password of the registry.
    GetAuthorizationToken,
    /// Reads repositories.
    DescribeRepositories,
    /// Creates a repository.
    CreateRepository,
    /// Reads images.
    DescribeImages,
    /// Reads manifests.
    BatchGetImage,
    /// Writes a manifest under a tag.
    PutImage,
    /// Creates a schedule.
    CreateSchedule,
    /// Changes a schedule.
    UpdateSchedule,
    /// Reads a schedule.
    GetSchedule,
    /// Deletes a schedule.
    DeleteSchedule,
}

impl Call {
    /// The operation as AWS spells it.
    #[must_use]
    pub fn operation(self) -> &'static str {
        match self {
            Self::DescribeRules => "DescribeRules",
            Self::DescribeListeners => "DescribeListeners",
            Self::DescribeTargetGroups => "DescribeTargetGroups",
            Self::DescribeTargetHealth => "DescribeTargetHealth",
            Self::ModifyRule => "ModifyRule",
            Self::ModifyListener => "ModifyListener",
            Self::CreateTargetGroup => "CreateTargetGroup",
            Self::DeleteTargetGroup => "DeleteTargetGroup",
            Self::CreateRule => "CreateRule",
            Self::DeleteRule => "DeleteRule",
            Self::DescribeTags => "DescribeTags",
            Self::AddTags => "AddTags",
            Self::RemoveTags => "RemoveTags",
            Self::GetMetricData => "GetMetricData",
            Self::DescribeAlarms => "DescribeAlarms",
            Self::CreateService => "CreateService",
            Self::DescribeServices => "DescribeServices",
            Self::DescribeTaskDefinition => "DescribeTaskDefinition",
            Self::DescribeTasks => "DescribeTasks",
            Self::ListTaskDefinitions => "ListTaskDefinitions",
            Self::ListTasks => "ListTasks",
            Self::RegisterTaskDefinition => "RegisterTaskDefinition",
            Self::TagResource => "TagResource",
            Self::UpdateService => "UpdateService",
            Self::GetAuthorizationToken => "GetAuthorizationToken",
            Self::DescribeRepositories => "DescribeRepositories",
            Self::CreateRepository => "CreateRepository",
            Self::DescribeImages => "DescribeImages",
            Self::BatchGetImage => "BatchGetImage",
            Self::PutImage => "PutImage",
            Self::CreateSchedule => "CreateSchedule",
            Self::UpdateSchedule => "UpdateSchedule",
            Self::GetSchedule => "GetSchedule",
            Self::DeleteSchedule => "DeleteSchedule",
        }
    }

    /// Whether it changes something.
    #[must_use]
    pub fn is_change(self) -> bool {
        matches!(
            self,
            Self::ModifyRule
                | Self::ModifyListener
                | Self::CreateTargetGroup
                | Self::DeleteTargetGroup
                | Self::CreateRule
                | Self::DeleteRule
                | Self::AddTags
                | Self::RemoveTags
                | Self::CreateService
                | Self::RegisterTaskDefinition
                | Self::TagResource
                | Self::UpdateService
                | Self::CreateRepository
                | Self::PutImage
                | Self::CreateSchedule
                | Self::UpdateSchedule
                | Self::DeleteSchedule
        )
    }

    /// The `n`th of these calls, counted from 1.
    #[must_use]
    pub fn nth(self, n: u64) -> Selector {
        Selector::of(Some(self), n, 1)
    }

    /// The `n`th of these calls, counted from 1, and all later ones.
    #[must_use]
    pub fn from_nth(self, n: u64) -> Selector {
        Selector::of(Some(self), n, u64::MAX)
    }

    /// Every one of these calls.
    #[must_use]
    pub fn every(self) -> Selector {
        self.from_nth(1)
    }

    /// Each `n`th of these calls: the `n`th, the `2n`th and so on.
    #[must_use]
    pub fn each_nth(self, n: u64) -> Selector {
        Selector {
            stride: n.max(1),
            ..Selector::of(Some(self), n.max(1), u64::MAX)
        }
    }

    /// These calls, from one time after the start of the simulation to another.
    #[must_use]
    pub fn between(self, from: Duration, to: Duration) -> Selector {
        Selector {
            window: Some((from, to)),
            ..self.every()
        }
    }

    /// Any call at all.
    #[must_use]
    pub fn any() -> AnyCall {
        AnyCall
    }
}

/// Any call at all, for a loop that breaks a run at each of its calls.
#[derive(Debug, Clone, Copy)]
pub struct AnyCall;

impl AnyCall {
    /// The `n`th call of the simulation, counted from 1.
    #[must_use]
    pub fn nth(self, n: u64) -> Selector {
        Selector::of(None, n, 1)
    }

    /// The `n`th call of the simulation, counted from 1, and all later ones.
    #[must_use]
    pub fn from_nth(self, n: u64) -> Selector {
        Selector::of(None, n, u64::MAX)
    }
}

/// Which calls a fault hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selector {
    call: Option<Call>,
    first: u64,
    count: u64,
    stride: u64,
    window: Option<(Duration, Duration)>,
}

impl Selector {
    fn of(call: Option<Call>, first: u64, count: u64) -> Self {
        Self {
            call,
            first,
            count,
            stride: 1,
            window: None,
        }
    }

    /// Whether it hits a call that is the `of_call`th of its kind and the `of_all`th of all.
    pub(super) fn hits(&self, call: Call, of_call: u64, of_all: u64, now: Duration) -> bool {
        let number = match self.call {
            Some(wanted) if wanted == call => of_call,
            Some(_) => return false,
            None => of_all,
        };
        let in_window = self.window.is_none_or(|(from, to)| now >= from && now < to);
        let past = number.checked_sub(self.first);
        in_window && past.is_some_and(|past| past < self.count && past.is_multiple_of(self.stride))
    }
}

/// What goes wrong at a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// AWS asks for fewer calls. Nothing happens.
    Throttle,
    /// The credentials may not. Nothing happens.
    Denied,
    /// The credentials have expired. Nothing happens.
    Expired,
    /// AWS is unavailable. Nothing happens; of a change the caller cannot know that.
    Unavailable,
    /// The request is lost: no answer comes, and nothing happens.
    TimeoutBeforeEffect,
    /// The answer is lost: no answer comes, though it happened.
    TimeoutAfterEffect,
    /// Somebody else writes these weights right before the call is served.
    ThirdPartyWrite {
        /// The weights.
        weights: Sides<u32>,
    },
}

/// How long a caller waits for an answer that does not come.
pub(super) const TIME_OUT: Duration = Duration::from_secs(10);

/// The error of a call whose answer does not say whether it happened.
pub(super) fn lost(call: Call, message: &str) -> ApiError {
    let kind = if call.is_change() {
        ErrorKind::OutcomeUnknown
    } else {
        ErrorKind::Unavailable
    };
    ApiError {
        kind,
        operation: call.operation(),
        code: None,
        message: message.to_owned(),
        request_id: None,
        advice: None,
    }
}

/// The error of a call that AWS answered with `code`.
pub(super) fn answer(call: Call, kind: ErrorKind, code: &str, message: &str) -> ApiError {
    ApiError::new(kind, call.operation(), code, message)
}
