//! [`EcsNativeService`]: a service whose traffic ECS moves itself, before a deployment begins.

use serde_json::{Value, json};

use super::{
    EcsNativeDeployment, read,
    wire::{Configuration, Revisions},
};
use crate::{
    aws::{
        Aws,
        api::EcsCall,
        ecs::wire::{self, Service, Services, is_same_revision},
    },
    error::{Error, ErrorKind, Result},
    native::{NativeStrategy, NativeSurvey},
    preflight::Finding,
    service::RevisionId,
};

/// A service of ECS, and how ECS was told to move the traffic of its deployments.
///
/// # Permissions
///
/// `ecs:DescribeServices`, and for [`deployment_of`](Self::deployment_of)
/// `ecs:DescribeServiceDeployments` and `ecs:DescribeServiceRevisions`.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use bluegreen::aws::{ecs::EcsNativeService, sim::NativeScenario};
///
/// let simulation = NativeScenario::HealthyCanary.idle(7);
/// let service =
///     EcsNativeService::new(&simulation.aws(), simulation.cluster(), simulation.service());
/// let setup = service.setup().await?.ok_or("ECS does not move its traffic")?;
/// assert!(setup.survey.unfit().is_empty(), "a pause comes before each shift");
/// assert_eq!(setup.current, None, "no deployment has begun");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct EcsNativeService {
    aws: Aws,
    cluster: String,
    service: String,
}

/// How ECS moves the traffic of a service.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct NativeSetup {
    /// Strategy, bake, alarms and hooks; without a deployment and its groups.
    pub survey: NativeSurvey,
    /// The role with which ECS writes the rules of the load balancer.
    pub role: Option<String>,
    /// The rule of production traffic.
    pub production_rule: Option<String>,
    /// The rule of test traffic.
    pub test_rule: Option<String>,
    /// The two target groups.
    pub groups: Vec<String>,
    /// The newest deployment, by its ARN; it may be over.
    pub current: Option<String>,
}

impl NativeSetup {
    /// Returns what would make a judge of the service's deployments useless or unsafe: no pause right before a
    /// shift, groups whose requests cannot be told apart, no bake.
    #[must_use]
    pub fn unfit(&self) -> Vec<Finding> {
        let mut found = self.survey.unfit();
        // A service that replaces copies one by one has no setup.
        if self.survey.strategy == NativeStrategy::Rolling {
            let message = "the service deploys by a strategy that this version does not know";
            found.push(Finding::refusal(message).with_hint("use a newer version"));
        }
        if self.production_rule.is_none() || self.groups.len() < 2 {
            let message = "the service has no production listener rule with two target groups, so the requests \
                           of blue and green cannot be told apart";
            found.push(Finding::refusal(message).with_hint(
                "give its load balancer an alternate target group, a production listener rule and a role",
            ));
        }
        if self.survey.bake.is_zero() {
            let message = "the bake after the last rise is zero: harm that shows only at 100 % is not rolled back";
            found
                .push(Finding::note(message).with_hint("set bakeTimeInMinutes to 10, for example"));
        }
        found
    }
}

impl EcsNativeService {
    /// A service by its name and its cluster's. Calls nothing.
    pub fn new(aws: &Aws, cluster: impl Into<String>, service: impl Into<String>) -> Self {
        Self {
            aws: aws.clone(),
            cluster: cluster.into(),
            service: service.into(),
        }
    }

    /// Reads how ECS moves the traffic of the service. `None` if ECS does not: there is no such service,
    /// another controller deploys it, or its strategy is `ROLLING`.
    ///
    /// # Errors
    ///
    /// If the service could not be read.
    ///
    /// # Cancel safety
    ///
    /// Only reads.
    pub async fn setup(&self) -> Result<Option<NativeSetup>> {
        let Some((raw, service)) = self.described().await? else {
            return Ok(None);
        };
        let controller = service.deployment_controller.as_ref();
        if controller.is_some_and(|one| !matches!(one.r#type.as_str(), "" | "ECS")) {
            return Ok(None);
        }
        let configuration = service.deployment_configuration.as_ref();
        let strategy = configuration.and_then(|one| one.strategy.as_deref());
        if matches!(strategy, None | Some("" | "ROLLING")) {
            return Ok(None);
        }
        Ok(Some(setup_of(&raw, &service)))
    }

    /// Returns the ARN of the service's newest deployment, if that deployment is of `revision`; `None` if it is
    /// of another one, or cannot be seen yet.
    ///
    /// # Errors
    ///
    /// If the service, its deployment or its revisions could not be read.
    ///
    /// # Cancel safety
    ///
    /// Only reads.
    pub async fn deployment_of(&self, revision: &RevisionId) -> Result<Option<String>> {
        let Some((_, service)) = self.described().await? else {
            return Ok(None);
        };
        let Some(arn) = service.current_service_deployment else {
            return Ok(None);
        };
        let one = EcsNativeDeployment::new(&self.aws, &arn);
        let one = one.map_err(|error| Error::new(ErrorKind::Unavailable, error.to_string()))?;
        let deployment = read::described(&one).await?;
        let Some(target) = deployment.target_service_revision else {
            return Ok(None);
        };
        let attempted = format!("describe the revisions of service {}", self.service);
        let input = json!({"serviceRevisionArns": [target.arn]});
        let call = EcsCall::DescribeServiceRevisions;
        let answer: Revisions = wire::read(one.call(call, input, &attempted).await?, &attempted)?;
        let mut revisions = answer.service_revisions.iter();
        let is_it = revisions.any(|one| is_same_revision(revision.as_str(), &one.task_definition));
        Ok(is_it.then_some(arn))
    }

    async fn described(&self) -> Result<Option<(Value, Service)>> {
        let attempted = format!("describe service {} in {}", self.service, self.cluster);
        let input = json!({"cluster": self.cluster, "services": [self.service]});
        let answer = self.aws.ecs.call(EcsCall::DescribeServices, input).await;
        let answer = answer.map_err(|error| error.into_error(attempted.as_str()))?;
        let mut answer: Services = wire::read(answer, &attempted)?;
        let Some(raw) = answer.services.pop() else {
            return match answer.failures.first() {
                Some(failure) if failure.reason == "MISSING" => Ok(None),
                failure => {
                    let unsaid = "the answer does not mention the service";
                    let why = failure.map_or(unsaid, |failure| failure.reason.as_str());
                    let message = format!("{attempted}: {why}");
                    Err(Error::new(ErrorKind::Unavailable, message))
                }
            };
        };
        let service = wire::read(raw.clone(), &attempted)?;
        Ok(Some((raw, service)))
    }
}

/// How ECS moves the traffic of a service that was read.
pub(in crate::aws::ecs) fn setup_of(raw: &Value, service: &Service) -> NativeSetup {
    let written = raw.get("deploymentConfiguration").cloned();
    let configuration: Configuration = written
        .and_then(|written| serde_json::from_value(written).ok())
        .unwrap_or_default();
    let strategy = configuration.strategy();
    let strategy = strategy.unwrap_or(NativeStrategy::Rolling);
    let mut setup = NativeSetup {
        survey: configuration.survey(&service.service_name, strategy),
        role: None,
        production_rule: None,
        test_rule: None,
        groups: Vec::new(),
        current: service.current_service_deployment.clone(),
    };
    let mut balanced = service.load_balancers.iter();
    let found = balanced.find_map(|one| Some((one, one.advanced_configuration.as_ref()?)));
    if let Some((balanced, advanced)) = found {
        setup.role.clone_from(&advanced.role_arn);
        let rule = &advanced.production_listener_rule;
        setup.production_rule.clone_from(rule);
        setup.test_rule.clone_from(&advanced.test_listener_rule);
        let groups = balanced.target_group_arn.iter();
        let groups = groups.chain(&advanced.alternate_target_group_arn);
        setup.groups = groups.cloned().collect();
    }
    setup
}
