//! The deployment in its role: which file does what.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;

use super::{EcsNativeDeployment, read, survey};
use crate::{
    aws::api::EcsCall,
    error::Result,
    native::{NativeObservation, NativeSurvey, PauseId, PausedDeployment, RollBackBy},
    service::quoted,
};

/// See [`EcsNativeDeployment`]'s `propagation`.
const PROPAGATION: Duration = Duration::from_secs(30);

#[async_trait]
impl PausedDeployment for EcsNativeDeployment {
    fn name(&self) -> String {
        self.arn.clone()
    }

    async fn preflight(&self) -> Result<NativeSurvey> {
        survey::survey(self).await
    }

    async fn observe(&self) -> Result<NativeObservation> {
        read::observation(self).await
    }

    async fn proceed(&self, pause: &PauseId) -> Result<()> {
        self.answer(pause, "CONTINUE").await
    }

    async fn roll_back(&self, how: &RollBackBy) -> Result<()> {
        let pause = match how {
            RollBackBy::Answer(pause) => pause,
            RollBackBy::Stop => {
                let attempted = format!(
                    "stop deployment {} of service {} with a rollback",
                    self.id(),
                    self.service
                );
                let input = json!({"serviceDeploymentArn": self.arn, "stopType": "ROLLBACK"});
                let call = EcsCall::StopServiceDeployment;
                return self.order(call, input, &attempted).await;
            }
        };
        self.answer(pause, "ROLLBACK").await
    }

    /// 30 seconds, as for other deployments of ECS: a call without an answer may still land for 10 s, the
    /// limit of a change, and three times that leaves room for reads that lag behind it. ECS states no bound.
    fn propagation(&self) -> Duration {
        PROPAGATION
    }

    fn by_hand(&self) -> Option<String> {
        Some(format!(
            "aws ecs stop-service-deployment --region {} --service-deployment-arn {} --stop-type ROLLBACK",
            quoted(&self.region),
            quoted(&self.arn)
        ))
    }
}
