//! Registering a revision, or finding one that exists.

use serde_json::{Value, json};

use super::{EcsServiceDeployer, TaskDefinition, fits, wire::Service};
use crate::{
    aws::api::EcsCall,
    error::{Error, ErrorKind, Result},
    image::ImageRef,
    preflight::{Finding, Severity},
    service::{Registration, RevisionId},
};

pub(super) async fn register(
    deployer: &EcsServiceDeployer,
    image: &ImageRef,
) -> Result<Registration> {
    let draft = deployer.draft(image).await?;
    if let Some(revision) = draft.existing {
        return Ok(Registration {
            revision,
            is_new: false,
            diff: draft.diff,
            notes: draft.notes,
        });
    }
    let attempted = format!("register a revision of {}", draft.wanted.family());
    let input = draft.wanted.register_input();
    let answer = deployer
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
        notes: draft.notes,
    })
}

/// The revision that is to be registered.
pub(super) struct Draft {
    pub(super) wanted: TaskDefinition,
    pub(super) existing: Option<RevisionId>,
    pub(super) diff: Vec<String>,
    pub(super) notes: Vec<Finding>,
}

impl EcsServiceDeployer {
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
            let spec = match (&self.spec, balanced) {
                (Some(spec), None) => spec.load_balancers(),
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

    /// The definition that is to run, and the revision of it that exists already.
    pub(super) async fn draft(&self, image: &ImageRef) -> Result<Draft> {
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
        let is_running = self.task_definition.is_none();
        fits::repository_fits(self, &base, &container, image.repository(), is_running)?;
        let mut notes = Vec::new();
        match self.image_fits(&base, image).await {
            Some(finding) if finding.severity != Severity::Note => {
                let hint = finding.hint.unwrap_or_default();
                return Err(Error::new(ErrorKind::Refused, finding.message).with_hint(hint));
            }
            // For an image that was known before, the preflight has told this note.
            Some(note) if self.image.as_ref() != Some(image) => notes.push(note),
            _ => {}
        }
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
            notes,
        })
    }

    /// The definition that the next revision is made from; `None` if there is neither a file nor a
    /// service.
    pub(super) async fn base(&self) -> Result<Option<TaskDefinition>> {
        if let Some(given) = &self.task_definition {
            return Ok(Some(given.clone()));
        }
        let described = self.describe().await?;
        let runs = described.as_ref().and_then(|(_, one)| one.primary());
        match runs {
            Some(runs) => Ok(Some(self.definition_of(&runs.task_definition).await?)),
            None => Ok(None),
        }
    }

    /// The newest revision of the family, if it equals the wanted one: an earlier run that was cut
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
}

/// Whether a described revision can be run: no new deployment can use a deregistered one
/// ([ECS guide](https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deregister-task-definition-v2.html)).
pub(super) fn is_active(described: &Value) -> bool {
    let status = described
        .pointer("/taskDefinition/status")
        .and_then(Value::as_str);
    status.is_none_or(|status| status == "ACTIVE")
}
