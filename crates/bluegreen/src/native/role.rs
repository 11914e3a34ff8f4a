//! The role of a deployment whose platform moves the traffic and pauses until it is answered.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use auto_impl::auto_impl;

use super::{NativeObservation, NativeSurvey, PauseId, RollBackBy};
use crate::error::Result;

/// One deployment of a service whose platform moves the traffic by itself, and pauses until it is answered.
///
/// The implementation reads the deployment, answers its pauses, and stops it. It decides nothing:
/// the judge does.
///
/// # Mocking
///
/// Feature `mock` exports `MockPausedDeployment`. To write one of your own:
///
/// ```
/// # mod embedder {
/// use std::time::Duration;
/// use async_trait::async_trait;
/// use bluegreen::{Result, native::{
///     NativeObservation, NativeSurvey, PauseId, PausedDeployment, RollBackBy,
/// }};
///
/// mockall::mock! {
///     #[derive(Debug)]
///     pub Deployment {}
///     #[async_trait]
///     impl PausedDeployment for Deployment {
///         fn name(&self) -> String;
///         async fn preflight(&self) -> Result<NativeSurvey>;
///         async fn observe(&self) -> Result<NativeObservation>;
///         async fn proceed(&self, pause: &PauseId) -> Result<()>;
///         async fn roll_back(&self, how: &RollBackBy) -> Result<()>;
///         fn propagation(&self) -> Duration;
///         fn by_hand(&self) -> Option<String>;
///     }
/// }
/// # }
/// # fn main() {}
/// ```
#[async_trait]
#[auto_impl(Arc, Box)]
pub trait PausedDeployment: fmt::Debug + Send + Sync {
    /// Returns the deployment's name for people and for the journal; on ECS its ARN. Calls nothing.
    fn name(&self) -> String;

    /// Looks, once before anything starts, how the platform is told to move the traffic, and for what would
    /// make the judge unsafe or useless. Reports all of it. Reads only.
    ///
    /// # Errors
    ///
    /// If the preflight could not look. A problem that it found is not an error but a
    /// [`Finding`](crate::preflight::Finding) in the survey.
    ///
    /// # Cancel safety
    ///
    /// Only reads: dropping it leaves nothing behind.
    async fn preflight(&self) -> Result<NativeSurvey>;

    /// Reads the deployment: its status, its weights and its pauses.
    ///
    /// # Errors
    ///
    /// If the deployment could not be read; never a made-up default. `NotFound` if the platform does not
    /// know the deployment.
    ///
    /// # Cancel safety
    ///
    /// Only reads: dropping it leaves nothing behind.
    async fn observe(&self) -> Result<NativeObservation>;

    /// Answers a pause: the platform continues with its next stage, which may move traffic.
    ///
    /// # Errors
    ///
    /// `OutcomeUnknown` if the answer may or may not have arrived: observe before anything else. Each other
    /// kind says that the platform did not take the answer.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: a dropped call may have continued the deployment. Observe afterwards.
    async fn proceed(&self, pause: &PauseId) -> Result<()>;

    /// Has the platform put the deployment back. It moves the traffic back by itself, and may take a while:
    /// [`observe`](Self::observe) shows how far it is.
    ///
    /// # Errors
    ///
    /// `OutcomeUnknown` if the order may or may not have arrived. Each other kind says that the platform did
    /// not take the order.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: a dropped call may have begun a rollback. Observe afterwards.
    async fn roll_back(&self, how: &RollBackBy) -> Result<()>;

    /// Returns how long after an accepted call of [`proceed`](Self::proceed) or
    /// [`roll_back`](Self::roll_back) a read may still show the deployment as it was before, and how long a
    /// call without an answer may still take effect. Zero if reads are consistent and calls are never late.
    fn propagation(&self) -> Duration;

    /// Returns the command by which a person has the platform put the deployment back, for the last message
    /// of a run. Calls nothing. The default knows none.
    fn by_hand(&self) -> Option<String> {
        None
    }
}
