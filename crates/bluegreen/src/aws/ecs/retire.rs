//! A service at the end of its life: what it runs, who owns it, and how it is scaled and deleted.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{
    EcsServiceDeployer, reach, traffic,
    wire::{self, Balanced},
};
use crate::{
    aws::{Aws, alb::TargetGroupArn, api::EcsCall},
    error::{Error, ErrorKind, Result},
    service::quoted,
};

/// The tag of a service that was scaled to zero: how many tasks it ran before.
pub(in crate::aws) const RETIRED_TAG: &str = "bluegreen:retired";
/// The tag's value once the service was scaled up again.
pub(super) const BACK: &str = "no";
/// The most services in one DescribeServices
/// ([ECS API](https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeServices.html)).
const DESCRIBED_AT_ONCE: usize = 10;

/// A service that is not deleted, as one look shows it.
#[derive(Debug, Clone)]
pub(in crate::aws) struct ServiceStanding {
    pub(in crate::aws) arn: String,
    pub(in crate::aws) desired: u32,
    /// Tasks that run or start.
    pub(in crate::aws) tasks: u32,
    /// The target groups with which it registers its tasks.
    pub(in crate::aws) groups: Vec<TargetGroupArn>,
    /// The ways in which clients reach it beside its target groups.
    pub(in crate::aws) ways: BTreeSet<String>,
    pub(in crate::aws) tags: BTreeMap<String, String>,
    pub(in crate::aws) is_deploying: bool,
    /// Whether its count cannot be set: one task runs on each instance.
    pub(in crate::aws) is_daemon: bool,
}

impl ServiceStanding {
    /// How many tasks it ran before it was scaled to zero, if it was.
    pub(in crate::aws) fn retired(&self) -> Option<u32> {
        self.tags.get(RETIRED_TAG)?.parse().ok()
    }
}

/// One service of a cluster.
#[derive(Debug, Clone)]
pub(in crate::aws) struct OneService {
    deployer: EcsServiceDeployer,
}

impl OneService {
    pub(in crate::aws) fn new(aws: &Aws, cluster: &str, service: &str) -> Self {
        Self {
            deployer: EcsServiceDeployer::new(aws, cluster, service),
        }
    }

    pub(in crate::aws) fn name(&self) -> &str {
        name_of(&self.deployer.service)
    }

    pub(in crate::aws) fn cluster(&self) -> &str {
        name_of(&self.deployer.cluster)
    }

    /// The command that sets the count, without the number at its end.
    pub(in crate::aws) fn count_command(&self) -> String {
        let (cluster, service) = (
            quoted(&self.deployer.cluster),
            quoted(&self.deployer.service),
        );
        let region = match self.deployer.aws.region() {
            Some(region) => format!(" --region {}", quoted(region)),
            None => String::new(),
        };
        format!(
            "aws ecs update-service{region} --cluster {cluster} --service {service} --desired-count"
        )
    }

    /// Looks at the service; `None` if it does not exist, or is deleted already.
    pub(in crate::aws) async fn look(&self) -> Result<Option<ServiceStanding>> {
        let found = self.deployer.lookup().await?;
        let Some((raw, service)) = found.filter(|(_, service)| service.status == "ACTIVE") else {
            return Ok(None);
        };
        let number = |field: &str| {
            raw[field]
                .as_u64()
                .and_then(|count| u32::try_from(count).ok())
        };
        let tags = service.tags.iter();
        let rollout = |one: &wire::Deployment| {
            one.status != "PRIMARY" || one.rollout_state.as_deref() == Some("IN_PROGRESS")
        };
        Ok(Some(ServiceStanding {
            desired: service.desired_count,
            tasks: service.running_count + number("pendingCount").unwrap_or_default(),
            groups: traffic::groups(&service.load_balancers),
            ways: reach::ways(&raw),
            tags: tags
                .map(|tag| (tag.key.clone(), tag.value.clone()))
                .collect(),
            is_deploying: service.deployments.iter().any(rollout),
            is_daemon: raw["schedulingStrategy"] == "DAEMON",
            arn: service.service_arn,
        }))
    }

    /// Keeps in a tag how many tasks the service runs before it is scaled to zero.
    pub(in crate::aws) async fn record(&self, what: &str, arn: &str, tasks: u32) -> Result<()> {
        self.tag(what, arn, &tasks.to_string()).await
    }

    /// Keeps in the tag that the service is back.
    pub(in crate::aws) async fn record_back(&self, what: &str, arn: &str) -> Result<()> {
        self.tag(what, arn, BACK).await
    }

    async fn tag(&self, what: &str, arn: &str, value: &str) -> Result<()> {
        let tags = json!([{"key": RETIRED_TAG, "value": value}]);
        let input = json!({"resourceArn": arn, "tags": tags});
        let tagged = self.deployer.call(EcsCall::TagResource, input, what).await;
        tagged.map(drop)
    }

    /// Sets how many tasks the service is to run.
    pub(in crate::aws) async fn scale(&self, what: &str, tasks: u32) -> Result<()> {
        let (cluster, service) = (&self.deployer.cluster, &self.deployer.service);
        let input = json!({"cluster": cluster, "service": service, "desiredCount": tasks});
        let scaled = self
            .deployer
            .call(EcsCall::UpdateService, input, what)
            .await;
        scaled.map(drop)
    }

    /// Deletes the service, without force: ECS refuses while the service is to run any task. A service
    /// that is gone already is as good.
    pub(in crate::aws) async fn delete(&self, what: &str) -> Result<()> {
        let (cluster, service) = (&self.deployer.cluster, &self.deployer.service);
        let input = json!({"cluster": cluster, "service": service});
        match self
            .deployer
            .call(EcsCall::DeleteService, input, what)
            .await
        {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Returns the names of the other services of the cluster that register tasks with `group`.
    pub(in crate::aws) async fn others_at(&self, group: &TargetGroupArn) -> Result<Vec<String>> {
        let cluster = &self.deployer.cluster;
        let what = format!("describe the services of cluster {cluster}");
        let mut arns = Vec::new();
        let mut token = Value::Null;
        loop {
            let mut input = json!({"cluster": cluster, "maxResults": 100});
            if !token.is_null() {
                input["nextToken"] = token.clone();
            }
            let page = self
                .deployer
                .call(EcsCall::ListServices, input, &what)
                .await?;
            let Some(listed) = page["serviceArns"].as_array() else {
                let message = format!("{what}: the answer lists no services");
                return Err(Error::new(ErrorKind::Unavailable, message));
            };
            let listed = listed.iter();
            arns.extend(listed.filter_map(|arn| arn.as_str().map(str::to_owned)));
            let next = page["nextToken"].clone();
            if !next.is_null() && next == token {
                let message = format!("{what}: the same page came twice");
                return Err(Error::new(ErrorKind::Unavailable, message));
            }
            token = next;
            if token.as_str().is_none_or(str::is_empty) {
                break;
            }
        }
        arns.retain(|arn| name_of(arn) != self.name());
        let mut found = Vec::new();
        for some in arns.chunks(DESCRIBED_AT_ONCE) {
            let input = json!({"cluster": cluster, "services": some});
            let answer = self
                .deployer
                .call(EcsCall::DescribeServices, input, &what)
                .await?;
            let services = answer["services"].as_array();
            let services = services.map(Vec::as_slice).unwrap_or_default();
            // A service that was deleted meanwhile is missing; any other silence may hide one that serves.
            let failures = answer["failures"].as_array().into_iter().flatten();
            let missing = failures.filter(|one| one["reason"] == "MISSING").count();
            if services.len() + missing < some.len() {
                let message = format!("{what}: the answer does not mention all of them");
                return Err(Error::new(ErrorKind::Unavailable, message));
            }
            for service in services {
                let balanced: Vec<Balanced> = match service.get("loadBalancers") {
                    Some(listed) if !listed.is_null() => wire::read(listed.clone(), &what)?,
                    _ => Vec::new(),
                };
                if traffic::groups(&balanced).contains(group) {
                    found.push(
                        service["serviceName"]
                            .as_str()
                            .unwrap_or_default()
                            .to_owned(),
                    );
                }
            }
        }
        Ok(found)
    }
}

/// The last part of a name or an ARN.
fn name_of(text: &str) -> &str {
    text.rsplit('/').next().unwrap_or(text)
}
