//! [`DeploymentWorker`]: carries out the actions of a machine, for a host of your own.

use std::sync::Arc;

use super::{Action, DeploymentMachine, DeploymentPlan, Input, host::DeploymentHost};
use crate::{
    check::ServiceCheck, engine::Host as _, image::ImageBuilder, service::ServiceDeployer,
};

/// Carries out the actions of a [`DeploymentMachine`](super::DeploymentMachine) through the roles, for a
/// host of your own such as a workflow engine.
///
/// A deployment has no judges, so the answer to an action is the machine's next input, which is plain data.
#[derive(Debug)]
#[must_use]
pub struct DeploymentWorker {
    host: DeploymentHost,
}

impl DeploymentWorker {
    /// Creates a worker that deploys through `deployer`, without a builder or a check.
    pub fn new(deployer: impl ServiceDeployer + 'static) -> Self {
        Self {
            host: DeploymentHost {
                builder: None,
                deployer: Arc::new(deployer),
                health: Vec::new(),
                smoke: Vec::new(),
            },
        }
    }

    /// Sets the builder of the image. A run with a given image needs none.
    pub fn builder(mut self, builder: impl ImageBuilder + 'static) -> Self {
        self.host.builder = Some(Arc::new(builder));
        self
    }

    /// Adds a health check. Add all checks before you call [`machine`](Self::machine).
    pub fn health_check(mut self, check: impl ServiceCheck + 'static) -> Self {
        self.host.health.push(Arc::new(check));
        self
    }

    /// Adds a smoke test. Add all tests before you call [`machine`](Self::machine).
    pub fn smoke_test(mut self, check: impl ServiceCheck + 'static) -> Self {
        self.host.smoke.push(Arc::new(check));
        self
    }

    /// Creates a machine with this plan for the deployer and the checks.
    pub fn machine(&self, plan: DeploymentPlan) -> DeploymentMachine {
        DeploymentMachine::new(plan, self.host.health.len(), self.host.smoke.len())
            .with_by_hand(self.host.deployer.by_hand())
            .with_propagation(self.host.deployer.propagation())
    }

    /// Carries out an action, within the same time limits as the engine of this crate, and returns the
    /// machine's next input. Waits are the host's work and are not carried out: see [`Action::work`].
    ///
    /// # Cancel safety
    ///
    /// A read may be dropped. A change that is dropped may have happened: tell the machine
    /// [`Action::failed`] with [`ErrorKind::OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown). A build
    /// that is dropped ends.
    #[must_use = "the machine waits for it"]
    pub async fn carry_out(&self, action: &Action) -> Input {
        self.host.begin(action).await
    }
}
