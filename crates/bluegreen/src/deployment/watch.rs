//! [`DeploymentState`]: the present state of a deployment, folded from its events.

use super::{Cause, DeploymentEvent, DeploymentOutcome, Unresolved};
use crate::{
    check::CheckReport,
    engine::Event,
    service::{Registration, ServiceObservation},
};

/// The present state of a deployment, and its end. [`Deployment::watch`](super::Deployment::watch) returns
/// it. It is folded from events, so it can be made from stored events, too.
///
/// # Examples
///
/// ```
/// # #[cfg(all(feature = "sim", feature = "check"))]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use bluegreen::{Deployment, DeploymentPlan, aws::{ecs::EcsServiceDeployer, sim::ReleaseScenario}};
///
/// let simulation = ReleaseScenario::Healthy.simulation(7);
/// simulation.start_paused();
/// let aws = simulation.aws();
/// let deployer = EcsServiceDeployer::new(&aws, simulation.cluster(), simulation.service());
/// let mut deployment = Deployment::new(DeploymentPlan::builder().build()?, deployer)
///     .clock(aws.clock());
/// let mut state = deployment.watch();
/// let run = tokio::spawn(deployment.roll_back("ann", None));
///
/// let end = state.wait_for(|now| now.end.is_some()).await?.clone();
/// assert_eq!(end.end.and_then(Result::ok), Some(run.await??));
/// # Ok(())
/// # }
/// # #[cfg(not(all(feature = "sim", feature = "check")))]
/// # fn main() {}
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct DeploymentState {
    /// The revision with the image, once it is registered.
    pub registration: Option<Registration>,
    /// The service as it was last read in full; `None` before that, or if there is no such service.
    pub service: Option<ServiceObservation>,
    /// The counts of the rollout that is followed.
    pub copies: Option<Copies>,
    /// The newest answer of a check.
    pub checked: Option<CheckReport>,
    /// Why the service is rolled back, once it is.
    pub rolling_back: Option<Cause>,
    /// How the deployment ended, once it has.
    pub end: Option<Result<DeploymentOutcome, Unresolved>>,
}

/// How many copies of a revision there are, and how many are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Copies {
    /// How many copies are to run.
    pub desired: u32,
    /// How many copies run.
    pub running: u32,
    /// How many copies are starting.
    pub pending: u32,
    /// How many copies have failed to start.
    pub failed: u32,
}

impl DeploymentState {
    /// Takes the next event.
    pub(crate) fn take(&mut self, event: &Event<DeploymentEvent>) {
        use DeploymentEvent as E;
        match &event.kind {
            E::Registered { registration } => self.registration = Some(registration.clone()),
            E::PreflightPassed { service, .. } | E::Restored { service } => {
                self.service.clone_from(service);
            }
            E::AlreadyRuns { service }
            | E::Adopted { service, .. }
            | E::RollbackSeen { service } => self.service = Some(service.clone()),
            E::Rollout {
                desired,
                running,
                pending,
                failed,
                ..
            } => {
                self.copies = Some(Copies {
                    desired: *desired,
                    running: *running,
                    pending: *pending,
                    failed: *failed,
                });
            }
            E::Checked { report, .. } => self.checked = Some(report.clone()),
            E::RollingBack { cause, .. } => self.rolling_back = Some(cause.clone()),
            E::Ended { outcome, .. } => self.end = Some(Ok(outcome.clone())),
            E::Unresolved { unresolved, .. } => self.end = Some(Err(unresolved.clone())),
            _ => {}
        }
    }
}
