//! The deployer in its role: which file does what.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use super::{EcsServiceDeployer, follow, observe, preflight, register, update};
use crate::{
    error::Result,
    image::ImageRef,
    preflight::Finding,
    service::{
        ByHand, DeploymentId, DeploymentProgress, Registration, RevisionId, ServiceDeployer,
        ServiceObservation, Update,
    },
};

/// See [`EcsServiceDeployer`]'s `propagation`.
const PROPAGATION: Duration = Duration::from_secs(30);

#[async_trait]
impl ServiceDeployer for EcsServiceDeployer {
    async fn preflight(&self) -> Result<Vec<Finding>> {
        preflight::findings(self).await
    }

    async fn observe(&self) -> Result<Option<ServiceObservation>> {
        observe::observation(self).await
    }

    async fn register(&self, image: &ImageRef) -> Result<Registration> {
        register::register(self, image).await
    }

    async fn update(&self, update: &Update) -> Result<DeploymentId> {
        update::update(self, update).await
    }

    /// 30 seconds: a call without an answer may still land for 10 s, the limit of a change, and
    /// three times that leaves room for reads that lag behind it. ECS is
    /// [eventually consistent](https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html)
    /// and states no bound.
    fn propagation(&self) -> Duration {
        PROPAGATION
    }

    async fn resolve(&self, revision: &RevisionId) -> Result<RevisionId> {
        let (described, _) = self.definition(revision.as_str()).await?;
        let arn = described
            .pointer("/taskDefinition/taskDefinitionArn")
            .and_then(Value::as_str)
            .unwrap_or(revision.as_str());
        Ok(RevisionId::new(arn))
    }

    fn by_hand(&self) -> Option<ByHand> {
        Some(Self::by_hand(self))
    }

    async fn follow(&self, deployment: &DeploymentId) -> Result<DeploymentProgress> {
        follow::progress(self, deployment).await
    }
}
