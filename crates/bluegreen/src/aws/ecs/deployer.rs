//! [`EcsServiceDeployer`]: observes, registers, updates and follows one ECS service.

use std::fmt::Write as _;

use async_trait::async_trait;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    ServiceSpec, TaskDefinition, follow, preflight,
    wire::{self, Service, Services},
};
use crate::{
    aws::{Aws, api::EcsCall},
    error::{Error, ErrorKind, Result},
    image::ImageRef,
    preflight::Finding,
    service::{
        DeploymentId, DeploymentProgress, Registration, RevisionId, RollbackOwner, RollbackPoint,
        ServiceDeployer, ServiceObservation, Target, Update,
    },
};

/// Where a deployment keeps, with the service itself, what it deployed and what ran before.
pub(super) const DEPLOYED_TAG: &str = "bluegreen:deployed";
pub(super) const PREVIOUS_TAG: &str = "bluegreen:previous";
/// The previous of a service that did not exist.
pub(super) const NOTHING: &str = "none";

/// Deploys revisions of one ECS service by rolling update.
///
/// A deployment changes the task definition and nothing else, so that a rollback restores all
/// that it changed. Where a rollback goes is kept in two tags of the service,
/// `bluegreen:deployed` and `bluegreen:previous`, before the update: it survives any crash, on
/// any machine. Who takes a failed rollout back is the service's own setting: with the circuit
/// breaker's `rollback` on it is ECS while the rollout goes on, else it is us; never both.
///
/// # Permissions
///
/// `ecs:DescribeServices`, `ecs:DescribeTaskDefinition`, `ecs:ListTaskDefinitions`,
/// `ecs:RegisterTaskDefinition`, `ecs:UpdateService`, `ecs:TagResource`, `ecs:ListTasks`,
/// `ecs:DescribeTasks`, `ecs:CreateService` where it is to be created, `iam:PassRole` for the
/// roles of the task, and for the preflight `elasticloadbalancing:Describe*`.
#[derive(Debug, Clone)]
pub struct EcsServiceDeployer {
    pub(super) aws: Aws,
    pub(super) cluster: String,
    pub(super) service: String,
    pub(super) container: Option<String>,
    pub(super) task_definition: Option<TaskDefinition>,
    pub(super) spec: Option<ServiceSpec>,
}

impl EcsServiceDeployer {
    /// A deployer of `service` in `cluster`; names or ARNs.
    pub fn new(aws: &Aws, cluster: impl Into<String>, service: impl Into<String>) -> Self {
        Self {
            aws: aws.clone(),
            cluster: cluster.into(),
            service: service.into(),
            container: None,
            task_definition: None,
            spec: None,
        }
    }

    /// Sets the container that gets the image. Default: the one that the load balancer sends
    /// requests to, else the only one.
    #[must_use]
    pub fn with_container(mut self, name: impl Into<String>) -> Self {
        self.container = Some(name.into());
        self
    }

    /// Registers this task definition, with the image set. Default: a copy of what the service
    /// runs, which is not always the newest of its family.
    #[must_use]
    pub fn with_task_definition(mut self, definition: TaskDefinition) -> Self {
        self.task_definition = Some(definition);
        self
    }

    /// Creates the service by this where it does not exist.
    #[must_use]
    pub fn with_service(mut self, spec: ServiceSpec) -> Self {
        self.spec = Some(spec);
        self
    }

    /// What [`register`](ServiceDeployer::register) would bring, without registering: the
    /// revision that exists already, if one does, and the difference to what runs.
    ///
    /// # Errors
    ///
    /// Where the service or its revisions could not be read.
    ///
    /// # Cancel safety
    ///
    /// Only reads: dropping it leaves nothing behind.
    pub async fn preview(&self, image: &ImageRef) -> Result<(Option<RevisionId>, Vec<String>)> {
        let draft = self.draft(image).await?;
        Ok((draft.existing, draft.diff))
    }

    pub(super) async fn call(&self, call: EcsCall, input: Value, attempted: &str) -> Result<Value> {
        let answer = self.aws.ecs.call(call, input).await;
        answer.map_err(|error| error.into_error(attempted))
    }

    /// The service as ECS describes it, raw and read; `None` where there is none.
    pub(super) async fn describe(&self) -> Result<Option<(Value, Service)>> {
        let found = self.lookup().await?;
        Ok(found.filter(|(_, service)| service.status != "INACTIVE"))
    }

    /// The same, a service that was deleted included: ECS remembers it for a while.
    pub(super) async fn lookup(&self) -> Result<Option<(Value, Service)>> {
        let attempted = format!("describe service {} in {}", self.service, self.cluster);
        let input = json!({
            "cluster": self.cluster, "services": [self.service], "include": ["TAGS"]
        });
        let answer = self
            .call(EcsCall::DescribeServices, input, &attempted)
            .await
            .map_err(|error| match error.kind() {
                ErrorKind::NotFound => {
                    error.with_hint("check the cluster's name, its region and its account")
                }
                _ => error,
            })?;
        let mut answer: Services = wire::read(answer, &attempted)?;
        let Some(raw) = answer.services.pop() else {
            // Only a word of ECS's makes a service absent; an empty answer says nothing.
            let reason = match answer.failures.first() {
                Some(failure) if failure.reason == "MISSING" => return Ok(None),
                Some(failure) => failure.reason.as_str(),
                None => "the answer says nothing of it",
            };
            let message = format!("{attempted}: {reason}");
            return Err(Error::new(ErrorKind::Unavailable, message));
        };
        let service: Service = wire::read(raw.clone(), &attempted)?;
        Ok(Some((raw, service)))
    }

    fn observation(&self, service: &Service) -> Result<ServiceObservation> {
        let Some(primary) = service.primary() else {
            let message = format!(
                "read service {}: it has no primary deployment",
                self.service
            );
            return Err(Error::new(ErrorKind::Unavailable, message)
                .with_hint("is it deployed by CodeDeploy or an external controller?"));
        };
        let others = service
            .deployments
            .iter()
            .filter(|one| one.id != primary.id && one.running_count + one.pending_count > 0);
        let point = match (service.tag(DEPLOYED_TAG), service.tag(PREVIOUS_TAG)) {
            (Some(deployed), Some(previous)) => Some(RollbackPoint {
                deployed: RevisionId::new(deployed),
                previous: match previous {
                    NOTHING => Target::Nothing,
                    revision => Target::Revision(RevisionId::new(revision)),
                },
            }),
            _ => None,
        };
        let back = match &point {
            Some(point) if is_same_revision(point.deployed.as_str(), &primary.task_definition) => {
                point.previous.clone()
            }
            _ => Target::Revision(primary.revision()),
        };
        let mut observation = ServiceObservation::steady(
            &service.service_name,
            primary.revision(),
            primary.id(),
            service.desired_count,
        );
        observation.rollout = primary.rollout();
        observation.running = primary.running_count;
        observation.others = u32::try_from(others.count()).unwrap_or(u32::MAX);
        if service.takes_back() {
            observation.rollback_owner = RollbackOwner::Service;
        }
        observation.rollback_point = point;
        observation.restore_command = self.command(&back);
        Ok(observation)
    }

    /// The command by which a person makes the service run this.
    fn command(&self, to: &Target) -> String {
        let (cluster, service) = (quoted(&self.cluster), quoted(&self.service));
        let change = match to {
            Target::Revision(revision) => {
                format!("--task-definition {}", quoted(revision.as_str()))
            }
            Target::Nothing => "--desired-count 0".to_owned(),
        };
        let region = match self.aws.region() {
            Some(region) => format!(" --region {}", quoted(region)),
            None => String::new(),
        };
        format!("aws ecs update-service{region} --cluster {cluster} --service {service} {change}")
    }

    pub(super) async fn definition(&self, revision: &str) -> Result<(Value, TaskDefinition)> {
        let attempted = format!("describe task definition {revision}");
        let input = json!({"taskDefinition": revision, "include": ["TAGS"]});
        let answer = self
            .call(EcsCall::DescribeTaskDefinition, input, &attempted)
            .await?;
        Ok((answer.clone(), TaskDefinition::from_described(answer)?))
    }

    pub(super) async fn definition_of(&self, revision: &str) -> Result<TaskDefinition> {
        Ok(self.definition(revision).await?.1)
    }

    /// The container that gets the image.
    pub(super) fn container_in(
        &self,
        definition: &TaskDefinition,
        service: Option<&Service>,
    ) -> Result<String> {
        let names = definition.containers();
        if let Some(container) = &self.container {
            if names.contains(&container.as_str()) {
                return Ok(container.clone());
            }
        } else {
            let balanced = service.map(|service| service.load_balancers.as_slice());
            let spec: Vec<wire::Balanced> = match (&self.spec, balanced) {
                (Some(spec), None) => spec
                    .document()
                    .get("loadBalancers")
                    .and_then(|list| serde_json::from_value(list.clone()).ok())
                    .unwrap_or_default(),
                _ => Vec::new(),
            };
            let mut balanced = balanced.unwrap_or(&spec).iter();
            let served = balanced.find_map(|one| one.container_name.clone());
            if let Some(served) = served.filter(|served| names.contains(&served.as_str())) {
                return Ok(served);
            }
            if let [only] = names.as_slice() {
                return Ok((*only).to_owned());
            }
        }
        let message = match &self.container {
            Some(container) => format!("find container `{container}` in {}", definition.family()),
            None => format!(
                "choose the container of {} that gets the image",
                definition.family()
            ),
        };
        let hint = format!("name one of its containers: {}", names.join(", "));
        Err(Error::new(ErrorKind::Invalid, message).with_hint(hint))
    }

    /// What is to run, and whether a revision does already.
    async fn draft(&self, image: &ImageRef) -> Result<Draft> {
        let described = self.describe().await?;
        let service = described.as_ref().map(|(_, service)| service);
        let runs = service
            .and_then(Service::primary)
            .map(|one| one.task_definition.clone());
        let running = match &runs {
            Some(revision) => Some(self.definition(revision).await?),
            None => None,
        };
        let base = match (&self.task_definition, &running) {
            (Some(given), _) => given.clone(),
            (None, Some((_, running))) => running.clone(),
            (None, None) => {
                let message = format!("find a task definition for service {}", self.service);
                return Err(Error::new(ErrorKind::NotFound, message).with_hint(
                    "the service does not exist yet: give its task definition as a file",
                ));
            }
        };
        let container = self.container_in(&base, service)?;
        let wanted = base.with_image(&container, image)?;
        let diff = match &running {
            Some((_, running)) => running.diff(&wanted),
            None => Vec::new(),
        };
        let mut existing = running
            .filter(|(raw, running)| is_active(raw) && running.is_same_as(&wanted))
            .and(runs)
            .map(RevisionId::new);
        if existing.is_none() {
            existing = self.newest_like(&wanted).await?;
        }
        Ok(Draft {
            wanted,
            existing,
            diff,
        })
    }

    /// The newest revision of the family, if it is the wanted one: an earlier run that was cut
    /// off registered it.
    async fn newest_like(&self, wanted: &TaskDefinition) -> Result<Option<RevisionId>> {
        let family = wanted.family();
        let attempted = format!("list the revisions of {family}");
        let input = json!({
            "familyPrefix": family, "status": "ACTIVE", "sort": "DESC", "maxResults": 1
        });
        let answer = self
            .call(EcsCall::ListTaskDefinitions, input, &attempted)
            .await?;
        // The prefix is a whole family name, but an emulator may take it for less.
        let is_of_family = |arn: &str| {
            let name = arn.rsplit('/').next().unwrap_or(arn);
            name.rsplit_once(':')
                .is_some_and(|(name, _)| name == family)
        };
        let arns = answer.get("taskDefinitionArns").and_then(Value::as_array);
        let newest = arns
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .find(|arn| is_of_family(arn));
        let Some(newest) = newest else {
            return Ok(None);
        };
        let (raw, definition) = self.definition(newest).await?;
        let is_it = is_active(&raw) && definition.is_same_as(wanted);
        Ok(is_it.then(|| RevisionId::new(newest)))
    }

    /// Keeps the rollback point with the service.
    async fn record(&self, arn: &str, point: &RollbackPoint) -> Result<()> {
        let attempted = format!("record on {} where a rollback goes", self.service);
        let tags: Vec<Value> = tags_of(point)
            .into_iter()
            .map(|(key, value)| json!({"key": key, "value": value}))
            .collect();
        let input = json!({"resourceArn": arn, "tags": tags});
        let tagged = self.aws.ecs.call(EcsCall::TagResource, input).await;
        tagged.map(drop).map_err(|mut error| {
            // Whether or not the tags are there: no deployment has begun, and writing them again
            // is harmless.
            if error.kind == ErrorKind::OutcomeUnknown {
                error.kind = ErrorKind::Unavailable;
            }
            error.into_error(attempted)
        })
    }

    async fn create(&self, revision: &RevisionId, point: Option<&RollbackPoint>) -> Result<Value> {
        let attempted = format!("create service {} in {}", self.service, self.cluster);
        let Some(spec) = &self.spec else {
            return Err(Error::new(ErrorKind::NotFound, attempted)
                .with_hint("there is no such service: give its definition, and it is created"));
        };
        let tags = point.map(tags_of).unwrap_or_default();
        let token = self.token(revision);
        let input = spec.create_input(
            &self.cluster,
            &self.service,
            revision.as_str(),
            &tags,
            &token,
        );
        self.call(EcsCall::CreateService, input, &attempted).await
    }

    /// The same create twice, after a lost answer, is one service
    /// ([ECS API](https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateService.html)).
    fn token(&self, revision: &RevisionId) -> String {
        let mut hash = Sha256::new();
        for part in [&self.cluster, &self.service, revision.as_str()] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        let mut token = String::new();
        for byte in hash.finalize().iter().take(16) {
            // Writing to a text cannot fail.
            let _ = write!(token, "{byte:02x}");
        }
        token
    }
}

/// Whether a described revision can be run: a deregistered one is in nobody's next deployment
/// ([ECS guide](https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deregister-task-definition-v2.html)).
pub(super) fn is_active(described: &Value) -> bool {
    let status = described.pointer("/taskDefinition/status");
    let status = status.and_then(Value::as_str);
    status.is_none_or(|status| status == "ACTIVE")
}

/// Whether two names are of one revision: ARNs, or `family:revision` as some answers have it.
fn is_same_revision(one: &str, other: &str) -> bool {
    let short = |name: &str| name.rsplit('/').next().unwrap_or(name).to_owned();
    let is_arn = |name: &str| name.starts_with("arn:");
    one == other || (is_arn(one) != is_arn(other) && short(one) == short(other))
}

struct Draft {
    wanted: TaskDefinition,
    existing: Option<RevisionId>,
    diff: Vec<String>,
}

fn tags_of(point: &RollbackPoint) -> Vec<(&'static str, String)> {
    let previous = match &point.previous {
        Target::Revision(revision) => revision.as_str(),
        Target::Nothing => NOTHING,
    };
    vec![
        (DEPLOYED_TAG, point.deployed.as_str().to_owned()),
        (PREVIOUS_TAG, previous.to_owned()),
    ]
}

/// As a word of a shell.
pub(super) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@=+,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[async_trait]
impl ServiceDeployer for EcsServiceDeployer {
    async fn preflight(&self) -> Result<Vec<Finding>> {
        preflight::findings(self).await
    }

    async fn observe(&self) -> Result<Option<ServiceObservation>> {
        match self.describe().await? {
            Some((_, service)) => self.observation(&service).map(Some),
            None => Ok(None),
        }
    }

    async fn register(&self, image: &ImageRef) -> Result<Registration> {
        let draft = self.draft(image).await?;
        if let Some(revision) = draft.existing {
            return Ok(Registration {
                revision,
                is_new: false,
                diff: draft.diff,
            });
        }
        let attempted = format!("register a revision of {}", draft.wanted.family());
        let input = draft.wanted.register_input();
        let answer = self
            .call(EcsCall::RegisterTaskDefinition, input, &attempted)
            .await?;
        let arn = answer.pointer("/taskDefinition/taskDefinitionArn");
        let Some(arn) = arn.and_then(Value::as_str) else {
            let message = format!("{attempted}: the answer has no ARN");
            return Err(Error::new(ErrorKind::OutcomeUnknown, message));
        };
        Ok(Registration {
            revision: RevisionId::new(arn),
            is_new: true,
            diff: draft.diff,
        })
    }

    async fn update(&self, update: &Update) -> Result<DeploymentId> {
        let attempted = format!("update service {} in {}", self.service, self.cluster);
        let conflict = |what: &str| {
            let message = format!("{attempted}: {what}");
            Err(Error::new(ErrorKind::Conflict, message))
        };
        let now = self.describe().await?.map(|(_, service)| service);
        let answer = match (&update.from, now) {
            (None, None) => match &update.to {
                Target::Revision(revision) => {
                    self.create(revision, update.rollback_point.as_ref())
                        .await?
                }
                Target::Nothing => return conflict("there is nothing to stop"),
            },
            (None, Some(_)) => return conflict("it exists meanwhile"),
            (Some(_), None) => return conflict("it is gone meanwhile"),
            (Some(from), Some(now)) => {
                let primary = now.primary().map(wire::Deployment::id);
                if primary.as_ref() != Some(&from.deployment) {
                    return conflict("somebody else deployed meanwhile");
                }
                let mut input = json!({"cluster": self.cluster, "service": self.service});
                match &update.to {
                    Target::Nothing => input["desiredCount"] = json!(0),
                    Target::Revision(revision) => {
                        input["taskDefinition"] = json!(revision.as_str());
                        if now.desired_count == 0 {
                            input["desiredCount"] = json!(self.copies(&attempted)?);
                        }
                        // Without it ECS sees nothing to do for the revision that it has.
                        if is_same_revision(from.revision.as_str(), revision.as_str()) {
                            input["forceNewDeployment"] = json!(true);
                        }
                    }
                }
                if let Some(point) = &update.rollback_point {
                    self.record(&now.service_arn, point).await?;
                }
                self.call(EcsCall::UpdateService, input, &attempted).await?
            }
        };
        let service = answer.get("service").cloned().unwrap_or_default();
        let service: Service = wire::read(service, &attempted).map_err(|error| {
            Error::new(ErrorKind::OutcomeUnknown, attempted.clone()).with_source(error)
        })?;
        let unknown = |what: String| {
            let message = format!("{attempted}: the answer has {what}");
            Err(Error::new(ErrorKind::OutcomeUnknown, message))
        };
        match (service.primary(), &update.to) {
            (None, _) => unknown("no deployment".to_owned()),
            // Followed by its id, it would win with something else than was asked for.
            (Some(primary), Target::Revision(wanted))
                if !is_same_revision(wanted.as_str(), &primary.task_definition) =>
            {
                unknown(format!("a deployment of {}", primary.task_definition))
            }
            (Some(primary), _) => Ok(primary.id()),
        }
    }

    async fn follow(&self, deployment: &DeploymentId) -> Result<DeploymentProgress> {
        follow::progress(self, deployment).await
    }
}

impl EcsServiceDeployer {
    /// How many copies a service that stands at zero gets.
    fn copies(&self, attempted: &str) -> Result<u32> {
        let wanted = self.spec.as_ref().and_then(ServiceSpec::desired_count);
        wanted.filter(|count| *count > 0).ok_or_else(|| {
            Error::new(
                ErrorKind::Refused,
                format!("{attempted}: it is scaled to zero"),
            )
            .with_hint("scale it up first, or give its definition with a `desiredCount`")
        })
    }
}
