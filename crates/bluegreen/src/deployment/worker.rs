//! [`DeploymentWorker`]: carries out what a machine asks for, for a host of your own.

use std::sync::Arc;

use super::{Action, DeploymentMachine, DeploymentPlan, Input, host::DeploymentHost};
use crate::{
    check::ServiceCheck, engine::Host as _, image::ImageBuilder, service::ServiceDeployer,
};

/// Carries out the actions of a [`DeploymentMachine`](super::DeploymentMachine) through the roles, for a
/// host of your own such as a workflow engine.
///
/// A deployment has no judges, so that what an action brings is the machine's next input, and plain data.
#[derive(Debug)]
#[must_use]
pub struct DeploymentWorker {
    host: DeploymentHost,
}

impl DeploymentWorker {
    /// A worker that deploys through `deployer`, without a builder or a check.
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

    /// What builds the image, if it is not given.
    pub fn builder(mut self, builder: impl ImageBuilder + 'static) -> Self {
        self.host.builder = Some(Arc::new(builder));
        self
    }

    /// Adds a health check. All of them come before [`machine`](Self::machine).
    pub fn health_check(mut self, check: impl ServiceCheck + 'static) -> Self {
        self.host.health.push(Arc::new(check));
        self
    }

    /// Adds a smoke test. All of them come before [`machine`](Self::machine).
    pub fn smoke_test(mut self, check: impl ServiceCheck + 'static) -> Self {
        self.host.smoke.push(Arc::new(check));
        self
    }

    /// A machine under this plan for the deployer and the checks.
    pub fn machine(&self, plan: DeploymentPlan) -> DeploymentMachine {
        DeploymentMachine::new(plan, self.host.health.len(), self.host.smoke.len())
            .with_by_hand(self.host.deployer.by_hand())
            .with_propagation(self.host.deployer.propagation())
    }

    /// Carries an action out, within the limits that the engine here has too, and returns what to tell the
    /// machine. A wait is the host's own and is not carried out: see [`Action::work`].
    ///
    /// # Cancel safety
    ///
    /// A read may be dropped. A change that is dropped may have happened: tell the machine
    /// [`Action::failed`] with [`ErrorKind::OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown). Dropping a
    /// build ends it.
    #[must_use = "the machine waits for it"]
    pub async fn carry_out(&self, action: &Action) -> Input {
        self.host.begin(action).await
    }
}
