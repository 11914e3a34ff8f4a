//! Reading the service.

use serde_json::{Value, json};

use super::{
    EcsServiceDeployer, update,
    wire::{self, Service, Services, is_same_revision},
};
use crate::{
    aws::api::EcsCall,
    error::{Error, ErrorKind, Result},
    service::{ByHand, RollbackOwner, ServiceObservation, quoted},
};

pub(super) async fn observation(
    deployer: &EcsServiceDeployer,
) -> Result<Option<ServiceObservation>> {
    match deployer.describe().await? {
        Some((_, service)) => deployer.observation(&service).map(Some),
        None => Ok(None),
    }
}

impl EcsServiceDeployer {
    /// The service as ECS describes it, raw and read; `None` if there is no service.
    pub(super) async fn describe(&self) -> Result<Option<(Value, Service)>> {
        let found = self.lookup().await?;
        Ok(found.filter(|(_, service)| service.status != "INACTIVE"))
    }

    /// The same, but with a service that was deleted: ECS remembers it for a while.
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
            // Only ECS's own `MISSING` makes a service absent; an empty answer says nothing.
            let reason = match answer.failures.first() {
                Some(failure) if failure.reason == "MISSING" => return Ok(None),
                Some(failure) => failure.reason.as_str(),
                None => "the answer does not mention it",
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
        let mut point = update::point_of(service);
        if let Some(point) = &mut point
            && is_same_revision(point.deployed.as_str(), &primary.task_definition)
        {
            point.deployed = primary.revision();
        }
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
        Ok(observation)
    }

    pub(super) fn by_hand(&self) -> ByHand {
        let (cluster, service) = (quoted(&self.cluster), quoted(&self.service));
        let region = match self.aws.region() {
            Some(region) => format!(" --region {}", quoted(region)),
            None => String::new(),
        };
        let command =
            format!("aws ecs update-service{region} --cluster {cluster} --service {service}");
        ByHand {
            run: format!("{command} --task-definition"),
            run_nothing: format!("{command} --desired-count 0"),
        }
    }
}
