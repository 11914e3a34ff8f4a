//! Faults at any call.

use std::time::Duration;

use crate::{aws::api::ApiError, error::ErrorKind, traffic::Sides};

/// An AWS call.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[non_exhaustive]
pub enum Call {
    /// Reads rules.
    DescribeRules,
    /// Reads listeners.
    DescribeListeners,
    /// Reads target groups.
    DescribeTargetGroups,
    /// Reads attributes of a target group.
    DescribeTargetGroupAttributes,
    /// Reads the health of a group's targets.
    DescribeTargetHealth,
    /// Writes a rule.
    ModifyRule,
    /// Writes a listener, and with it its default rule.
    ModifyListener,
    /// Changes attributes of a target group.
    ModifyTargetGroupAttributes,
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
    /// Removes tags of the balancer's resources.
    RemoveTags,
    /// Reads metrics.
    GetMetricData,
    /// Reads alarms.
    DescribeAlarms,
    /// Continues a service deployment that is paused, or rolls it back.
    ContinueServiceDeployment,
    /// Creates a service.
    CreateService,
    /// Deletes a service.
    DeleteService,
    /// Reads service deployments.
    DescribeServiceDeployments,
    /// Reads revisions of a service.
    DescribeServiceRevisions,
    /// Reads services.
    DescribeServices,
    /// Reads a revision.
    DescribeTaskDefinition,
    /// Reads tasks.
    DescribeTasks,
    /// Lists service deployments.
    ListServiceDeployments,
    /// Lists services.
    ListServices,
    /// Lists revisions.
    ListTaskDefinitions,
    /// Lists tasks.
    ListTasks,
    /// Registers a revision.
    RegisterTaskDefinition,
    /// Stops a service deployment.
    StopServiceDeployment,
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
    /// Asks for the URL of a blob of an image.
    GetDownloadUrlForLayer,
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
    /// Reads the limits of services' scaling.
    DescribeScalableTargets,
    /// Changes the limits of a service's scaling.
    RegisterScalableTarget,
    /// Reads a role and its trust policy.
    GetRole,
    /// Asks which actions the policies of a role allow.
    SimulatePrincipalPolicy,
    /// Publishes a message to a topic.
    Publish,
}

impl Call {
    /// The operation as AWS spells it.
    #[must_use]
    pub fn operation(self) -> &'static str {
        match self {
            Self::DescribeRules => "DescribeRules",
            Self::DescribeListeners => "DescribeListeners",
            Self::DescribeTargetGroups => "DescribeTargetGroups",
            Self::DescribeTargetGroupAttributes => "DescribeTargetGroupAttributes",
            Self::DescribeTargetHealth => "DescribeTargetHealth",
            Self::ModifyRule => "ModifyRule",
            Self::ModifyListener => "ModifyListener",
            Self::ModifyTargetGroupAttributes => "ModifyTargetGroupAttributes",
            Self::CreateTargetGroup => "CreateTargetGroup",
            Self::DeleteTargetGroup => "DeleteTargetGroup",
            Self::CreateRule => "CreateRule",
            Self::DeleteRule => "DeleteRule",
            Self::DescribeTags => "DescribeTags",
            Self::AddTags => "AddTags",
            Self::RemoveTags => "RemoveTags",
            Self::GetMetricData => "GetMetricData",
            Self::DescribeAlarms => "DescribeAlarms",
            Self::ContinueServiceDeployment => "ContinueServiceDeployment",
            Self::CreateService => "CreateService",
            Self::DeleteService => "DeleteService",
            Self::DescribeServiceDeployments => "DescribeServiceDeployments",
            Self::DescribeServiceRevisions => "DescribeServiceRevisions",
            Self::DescribeServices => "DescribeServices",
            Self::DescribeTaskDefinition => "DescribeTaskDefinition",
            Self::DescribeTasks => "DescribeTasks",
            Self::ListServiceDeployments => "ListServiceDeployments",
            Self::ListServices => "ListServices",
            Self::ListTaskDefinitions => "ListTaskDefinitions",
            Self::ListTasks => "ListTasks",
            Self::RegisterTaskDefinition => "RegisterTaskDefinition",
            Self::StopServiceDeployment => "StopServiceDeployment",
            Self::TagResource => "TagResource",
            Self::UpdateService => "UpdateService",
            Self::GetAuthorizationToken => "GetAuthorizationToken",
            Self::DescribeRepositories => "DescribeRepositories",
            Self::CreateRepository => "CreateRepository",
            Self::DescribeImages => "DescribeImages",
            Self::BatchGetImage => "BatchGetImage",
            Self::GetDownloadUrlForLayer => "GetDownloadUrlForLayer",
            Self::PutImage => "PutImage",
            Self::CreateSchedule => "CreateSchedule",
            Self::UpdateSchedule => "UpdateSchedule",
            Self::GetSchedule => "GetSchedule",
            Self::DeleteSchedule => "DeleteSchedule",
            Self::DescribeScalableTargets => "DescribeScalableTargets",
            Self::RegisterScalableTarget => "RegisterScalableTarget",
            Self::GetRole => "GetRole",
            Self::SimulatePrincipalPolicy => "SimulatePrincipalPolicy",
            Self::Publish => "Publish",
        }
    }

    /// Whether the call changes state.
    #[must_use]
    pub(crate) fn is_change(self) -> bool {
        matches!(
            self,
            Self::ModifyRule
                | Self::ModifyListener
                | Self::ModifyTargetGroupAttributes
                | Self::CreateTargetGroup
                | Self::DeleteTargetGroup
                | Self::CreateRule
                | Self::DeleteRule
                | Self::AddTags
                | Self::RemoveTags
                | Self::ContinueServiceDeployment
                | Self::CreateService
                | Self::DeleteService
                | Self::RegisterTaskDefinition
                | Self::StopServiceDeployment
                | Self::TagResource
                | Self::UpdateService
                | Self::CreateRepository
                | Self::PutImage
                | Self::CreateSchedule
                | Self::UpdateSchedule
                | Self::DeleteSchedule
                | Self::RegisterScalableTarget
        )
    }

    /// The area that the call reads or writes. Metrics and alarms belong to the balancer.
    pub(super) fn area(self) -> Area {
        match self {
            Self::DescribeRules
            | Self::DescribeListeners
            | Self::DescribeTargetGroups
            | Self::DescribeTargetGroupAttributes
            | Self::DescribeTargetHealth
            | Self::ModifyRule
            | Self::ModifyListener
            | Self::ModifyTargetGroupAttributes
            | Self::CreateTargetGroup
            | Self::DeleteTargetGroup
            | Self::CreateRule
            | Self::DeleteRule
            | Self::DescribeTags
            | Self::AddTags
            | Self::RemoveTags
            | Self::GetMetricData
            | Self::DescribeAlarms => Area::Balancer,
            Self::ContinueServiceDeployment
            | Self::CreateService
            | Self::DeleteService
            | Self::DescribeServiceDeployments
            | Self::DescribeServiceRevisions
            | Self::DescribeServices
            | Self::DescribeTaskDefinition
            | Self::DescribeTasks
            | Self::ListServiceDeployments
            | Self::ListServices
            | Self::ListTaskDefinitions
            | Self::ListTasks
            | Self::RegisterTaskDefinition
            | Self::StopServiceDeployment
            | Self::TagResource
            | Self::UpdateService => Area::Service,
            Self::GetAuthorizationToken
            | Self::DescribeRepositories
            | Self::CreateRepository
            | Self::DescribeImages
            | Self::BatchGetImage
            | Self::GetDownloadUrlForLayer
            | Self::PutImage => Area::Registry,
            Self::CreateSchedule
            | Self::UpdateSchedule
            | Self::GetSchedule
            | Self::DeleteSchedule
            | Self::GetRole
            | Self::SimulatePrincipalPolicy
            | Self::Publish => Area::Schedules,
            Self::DescribeScalableTargets | Self::RegisterScalableTarget => Area::Scaling,
        }
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
    pub(crate) fn each_nth(self, n: u64) -> Selector {
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

    /// Any call at all, for a loop that breaks a run at each of its calls.
    #[must_use]
    pub fn any() -> Selector {
        Selector::of(None, 1, u64::MAX)
    }
}

/// A part of the state that is read and written by calls of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Area {
    /// Rules, target groups, and what is measured of them.
    Balancer,
    /// The container service.
    Service,
    Registry,
    /// Schedules, and the role that they write as.
    Schedules,
    /// How far services may be scaled.
    Scaling,
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

    /// The `n`th call of these, counted from 1.
    #[must_use]
    pub fn nth(self, n: u64) -> Self {
        Self {
            first: n,
            count: 1,
            ..self
        }
    }

    /// The `n`th call of these, counted from 1, and all later ones.
    #[must_use]
    pub fn from_nth(self, n: u64) -> Self {
        Self { first: n, ..self }
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
    /// AWS throttles the call. Nothing happens.
    Throttle,
    /// The credentials do not allow the call. Nothing happens.
    Denied,
    /// The credentials have expired. Nothing happens.
    Expired,
    /// AWS does not find the named resource, as after its deletion. Nothing happens.
    Missing,
    /// AWS is unavailable. Nothing happens; after a change the caller cannot know that.
    Unavailable,
    /// The request is lost: no answer comes, and nothing happens.
    TimeoutBeforeEffect,
    /// The answer is lost: no answer comes, although the call had its effect.
    TimeoutAfterEffect,
    /// The answer is lost, and the effect comes only after the caller has given up, like that of a
    /// request which was delayed on its way. If AWS would refuse the request by then, nothing
    /// happens.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    /// use bluegreen::{ErrorKind, TrafficSplit, TrafficSplitter, traffic::Shift};
    /// use bluegreen::aws::{alb::AlbTrafficSplitter, sim::{Call, Fault, Simulation}};
    ///
    /// let simulation = Simulation::builder().build();
    /// simulation.start_paused();
    /// let after = Duration::from_secs(4);
    /// simulation.fail(Call::ModifyRule.nth(1), Fault::LateEffect { after });
    ///
    /// let (rule, blue, green) = (simulation.rule(), simulation.blue(), simulation.green());
    /// let splitter = AlbTrafficSplitter::new(&simulation.aws(), rule, blue, green)?;
    /// let before = splitter.observe().await?;
    /// let error = splitter.shift(&Shift::rise(&before, TrafficSplit::ALL_GREEN)).await.unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
    /// assert!(splitter.observe().await?.is_at(TrafficSplit::ALL_BLUE), "not yet");
    ///
    /// tokio::time::sleep(after).await;
    /// assert!(splitter.observe().await?.is_at(TrafficSplit::ALL_GREEN));
    /// # Ok(())
    /// # }
    /// ```
    LateEffect {
        /// The time from the end of the caller's wait to the effect; at most 10 s, the limit of a write.
        after: Duration,
    },
    /// No answer ever comes, and nothing happens: the call ends when its caller drops it.
    ///
    /// The clients of [`Aws`](crate::Aws) have a time limit of their own, so with them this is
    /// [`TimeoutBeforeEffect`](Self::TimeoutBeforeEffect). It is for code that must hold without such
    /// a limit.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    /// use bluegreen::TrafficSplitter;
    /// use bluegreen::aws::{alb::AlbTrafficSplitter, sim::{Call, Fault, Simulation}};
    ///
    /// let simulation = Simulation::builder().build();
    /// simulation.start_paused();
    /// simulation.fail(Call::DescribeRules.nth(1), Fault::HangBeforeEffect);
    ///
    /// let (rule, blue, green) = (simulation.rule(), simulation.blue(), simulation.green());
    /// let splitter = AlbTrafficSplitter::new(&simulation.aws(), rule, blue, green)?;
    /// let day = Duration::from_secs(86_400);
    /// assert!(tokio::time::timeout(day, splitter.observe()).await.is_err());
    /// assert!(splitter.observe().await.is_ok(), "the next one is answered");
    /// # Ok(())
    /// # }
    /// ```
    HangBeforeEffect,
    /// No answer ever comes, although the call had its effect: the call ends when its caller drops
    /// it.
    HangAfterEffect,
    /// A third party writes these weights right before the call is served.
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
        service: None,
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
