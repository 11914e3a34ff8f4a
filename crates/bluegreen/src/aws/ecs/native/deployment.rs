//! [`EcsNativeDeployment`]: one deployment by its ARN, and the calls about it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    aws::{Aws, api::EcsCall},
    error::{Error, ErrorKind, ParseError, Result},
    native::{PauseId, RevisionGroup},
};

/// One deployment of an ECS service whose traffic ECS moves itself: strategy `BLUE_GREEN`, `LINEAR` or
/// `CANARY`, with `PAUSE` hooks
/// ([ECS guide](https://docs.aws.amazon.com/AmazonECS/latest/developerguide/pause-lifecycle-hooks.html)).
///
/// ECS writes the weights; this type only answers pauses and stops the deployment. A deployment has no stage
/// of its own before a shift, so pauses are found by the state of their hooks. The group of each revision is
/// read from the revision itself, since the two groups of a service change their roles with each deployment.
///
/// # Permissions
///
/// [`IamPolicy::judge`](crate::aws::iam::IamPolicy::judge): `ecs:DescribeServiceDeployments`,
/// `ecs:ListServiceDeployments`, `ecs:DescribeServices`, `ecs:DescribeServiceRevisions`,
/// `elasticloadbalancing:DescribeTargetHealth`, and for answers `ecs:ContinueServiceDeployment` and
/// `ecs:StopServiceDeployment`.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use bluegreen::aws::{ecs::EcsNativeDeployment, sim::NativeScenario};
/// use bluegreen::native::PausedDeployment;
///
/// let simulation = NativeScenario::HealthyCanary.simulation(7);
/// simulation.start_paused();
/// let (arn, _) = simulation.service_deployments().remove(0);
/// let deployment = EcsNativeDeployment::new(&simulation.aws(), &arn)?;
/// tokio::time::sleep(Duration::from_secs(60)).await;
///
/// let seen = deployment.observe().await?;
/// let pause = seen.awaiting().next().ok_or("no pause")?;
/// assert_eq!(pause.stage, "PRE_PRODUCTION_TRAFFIC_SHIFT");
/// deployment.proceed(&pause.id).await?;
/// tokio::time::sleep(Duration::from_secs(10)).await;
/// assert_eq!(deployment.observe().await?.green().to_string(), "10%");
///
/// // The pause was answered: it takes no other answer.
/// assert!(deployment.proceed(&pause.id).await.is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct EcsNativeDeployment {
    pub(super) aws: Aws,
    pub(super) arn: String,
    pub(super) region: String,
    pub(super) cluster: String,
    pub(super) service: String,
    seen: Arc<Mutex<Seen>>,
}

/// What was read before and does not change.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The group of each revision that has one.
    pub(super) groups: BTreeMap<String, RevisionGroup>,
    /// The stage of each pause, by the first read that showed the pause waiting. One hook may pause before
    /// several stages: each of its pauses has another end.
    pub(super) stages: BTreeMap<(String, Option<Timestamp>), String>,
}

impl EcsNativeDeployment {
    /// A deployment by its ARN: `arn:aws:ecs:REGION:ACCOUNT:service-deployment/CLUSTER/SERVICE/ID`.
    ///
    /// # Errors
    ///
    /// [`ParseError`] if that is not the ARN of a service deployment.
    pub fn new(aws: &Aws, arn: &str) -> Result<Self, ParseError> {
        let fields: Vec<&str> = arn.splitn(6, ':').collect();
        let names = fields
            .get(5)
            .map(|path| path.split('/').collect::<Vec<_>>());
        match (&fields[..], names.as_deref()) {
            (
                ["arn", _, "ecs", region, account, _],
                Some(["service-deployment", cluster, service, id]),
            ) if ![region, account, cluster, service, id].iter().any(|one| one.is_empty()) => {
                Ok(Self {
                    aws: aws.clone(),
                    arn: arn.to_owned(),
                    region: (*region).to_owned(),
                    cluster: (*cluster).to_owned(),
                    service: (*service).to_owned(),
                    seen: Arc::default(),
                })
            }
            _ => Err(
                ParseError::new(format!("`{arn}` is not the ARN of a service deployment"))
                    .with_hint(
                        "list them: aws ecs list-service-deployments --cluster CLUSTER --service SERVICE",
                    ),
            ),
        }
    }

    /// The name of the deployment's cluster.
    #[must_use]
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// The name of the deployment's service.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.service
    }

    pub(super) async fn call(&self, call: EcsCall, input: Value, attempted: &str) -> Result<Value> {
        let answer = self.aws.ecs.call(call, input).await;
        answer.map_err(|error| error.into_error(attempted))
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last part of the ARN, for messages.
    pub(super) fn id(&self) -> &str {
        self.arn.rsplit('/').next().unwrap_or(&self.arn)
    }

    pub(super) async fn answer(&self, pause: &PauseId, action: &str) -> Result<()> {
        let attempted = format!(
            "answer {action} to pause {pause} of deployment {} of service {}",
            self.id(),
            self.service
        );
        let input = json!({
            "serviceDeploymentArn": self.arn, "hookId": pause.as_str(), "action": action
        });
        let call = EcsCall::ContinueServiceDeployment;
        self.order(call, input, &attempted).await
    }

    /// Makes a change. Its answer names the deployment; an answer that does not says nothing.
    pub(super) async fn order(&self, call: EcsCall, input: Value, attempted: &str) -> Result<()> {
        let answer = self.call(call, input, attempted).await?;
        if answer["serviceDeploymentArn"].is_string() {
            return Ok(());
        }
        let message = format!("{attempted}: the answer does not name the deployment");
        Err(Error::new(ErrorKind::OutcomeUnknown, message))
    }
}
