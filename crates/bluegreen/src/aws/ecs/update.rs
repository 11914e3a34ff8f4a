//! Changing the service.

use std::fmt::Write as _;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    EcsServiceDeployer, ServiceSpec,
    retire::{BACK, RETIRED_TAG},
    wire::{self, Service, is_same_revision},
};
use crate::{
    aws::api::EcsCall,
    error::{Error, ErrorKind, Result},
    service::{DeploymentId, RevisionId, RollbackPoint, Target, Update},
};

/// The tags of the service in which a deployment keeps what it deployed and what ran before.
pub(super) const DEPLOYED_TAG: &str = "bluegreen:deployed";
pub(super) const PREVIOUS_TAG: &str = "bluegreen:previous";
/// The previous revision of a service that did not exist.
pub(super) const NOTHING: &str = "none";

pub(super) async fn update(deployer: &EcsServiceDeployer, update: &Update) -> Result<DeploymentId> {
    let attempted = format!(
        "update service {} in {}",
        deployer.service, deployer.cluster
    );
    let conflict = |what: &str| {
        let message = format!("{attempted}: {what}");
        Err(Error::new(ErrorKind::Conflict, message))
    };
    let now = deployer.describe().await?.map(|(_, service)| service);
    let answer = match (&update.from, now) {
        (None, None) => match &update.to {
            Target::Revision(revision) => {
                deployer
                    .create(revision, update.rollback_point.as_ref())
                    .await?
            }
            Target::Nothing => return conflict("there is nothing to stop"),
        },
        (None, Some(_)) => return conflict("the service exists by now"),
        (Some(_), None) => return conflict("the service is gone by now"),
        (Some(from), Some(now)) => {
            let primary = now.primary().map(wire::Deployment::id);
            let is_known = |primary: &DeploymentId| {
                *primary == from.deployment || update.older.contains(primary)
            };
            if !primary.as_ref().is_some_and(is_known) {
                return conflict("another deployment has begun since the last read");
            }
            let mut input = json!({"cluster": deployer.cluster, "service": deployer.service});
            match &update.to {
                Target::Nothing => input["desiredCount"] = json!(0),
                Target::Revision(revision) => {
                    input["taskDefinition"] = json!(revision.as_str());
                    if now.desired_count == 0 {
                        input["desiredCount"] = json!(deployer.copies(&now, &attempted)?);
                    }
                    // Without force, ECS sees nothing to do for the revision that it has; a
                    // rollback that is under way already needs nothing more.
                    let is_forward = update.rollback_point.is_some();
                    if is_forward && is_same_revision(from.revision.as_str(), revision.as_str()) {
                        input["forceNewDeployment"] = json!(true);
                    }
                }
            }
            if let Some(point) = &update.rollback_point {
                deployer.record(&now.service_arn, point).await?;
            }
            let sent = deployer.call(EcsCall::UpdateService, input, &attempted);
            match sent.await {
                Ok(answer) => {
                    if now.desired_count == 0 && retired(&now).is_some() {
                        deployer.is_back(&now.service_arn).await;
                    }
                    answer
                }
                Err(error) => {
                    deployer.put_back(&now, update, &error).await;
                    return Err(error);
                }
            }
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
        // Followed by its id, this deployment would complete with another revision than was asked
        // for.
        (Some(primary), Target::Revision(wanted))
            if !is_same_revision(wanted.as_str(), &primary.task_definition) =>
        {
            unknown(format!("a deployment of {}", primary.task_definition))
        }
        (Some(primary), _) => Ok(primary.id()),
    }
}

impl EcsServiceDeployer {
    /// Keeps the rollback point in tags of the service.
    async fn record(&self, arn: &str, point: &RollbackPoint) -> Result<()> {
        let attempted = format!("record the rollback point on {}", self.service);
        let tags: Vec<Value> = tags_of(point)
            .into_iter()
            .map(|(key, value)| json!({"key": key, "value": value}))
            .collect();
        let input = json!({"resourceArn": arn, "tags": tags});
        let tagged = self.aws.ecs.call(EcsCall::TagResource, input).await;
        tagged.map(drop).map_err(|mut error| {
            // The tags may be there or not: no deployment has begun, and writing them again is
            // harmless.
            if error.kind == ErrorKind::OutcomeUnknown {
                error.kind = ErrorKind::Unavailable;
            }
            error.into_error(attempted)
        })
    }

    /// Restores the rollback point of what runs after an update that certainly did not happen.
    async fn put_back(&self, before: &Service, update: &Update, error: &Error) {
        if update.rollback_point.is_none() || error.kind() == ErrorKind::OutcomeUnknown {
            return;
        }
        let Some(point) = point_of(before) else {
            return;
        };
        if let Err(error) = self.record(&before.service_arn, &point).await {
            tracing::warn!(%error, "the rollback point of what runs is not restored");
        }
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

    /// The same create twice, after a lost answer, makes one service
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

    /// Keeps in a tag that a service that was retired runs again.
    async fn is_back(&self, arn: &str) {
        let what = format!("record that service {} is back", self.service);
        let input = json!({"resourceArn": arn, "tags": [{"key": RETIRED_TAG, "value": BACK}]});
        // Without the tag a rollback only says more than it does.
        if let Err(error) = self.call(EcsCall::TagResource, input, &what).await {
            tracing::warn!(%error, "the tag of the retirement stays");
        }
    }

    /// How many copies a service that is scaled to zero gets: as its definition says, or as it ran before it
    /// was retired.
    fn copies(&self, service: &Service, attempted: &str) -> Result<u32> {
        let wanted = self.spec.as_ref().and_then(ServiceSpec::desired_count);
        let wanted = wanted.filter(|count| *count > 0);
        wanted.or_else(|| retired(service)).ok_or_else(|| {
            Error::new(
                ErrorKind::Refused,
                format!("{attempted}: it is scaled to zero"),
            )
            .with_hint("scale it up first, or give its definition with a `desiredCount`")
        })
    }
}

/// How many copies a service ran before it was retired, if it was.
pub(super) fn retired(service: &Service) -> Option<u32> {
    let before = service.tag(RETIRED_TAG)?.parse().ok()?;
    (before > 0).then_some(before)
}

/// The rollback point that an earlier deployment kept with the service.
pub(super) fn point_of(service: &Service) -> Option<RollbackPoint> {
    Some(RollbackPoint {
        deployed: RevisionId::new(service.tag(DEPLOYED_TAG)?),
        previous: match service.tag(PREVIOUS_TAG)? {
            NOTHING => Target::Nothing,
            revision => Target::Revision(RevisionId::new(revision)),
        },
    })
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
