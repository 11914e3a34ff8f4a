//! Blue's service as the container service has it: its settings, its tags, its deployments, and its end.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{
    change::Writer,
    rollout::{BLUE_SERVICE, Deployment, Service},
    rules,
};

/// Blue's service. [`Fleet`](super::fleet::Fleet) has its count.
#[derive(Debug, Clone)]
pub(in crate::aws::sim) struct BlueService {
    /// Its revisions and deployments. Its desired count is not kept there.
    pub(in crate::aws::sim) service: Service,
    pub(in crate::aws::sim) tags: Vec<(String, String)>,
    pub(in crate::aws::sim) is_deleted: bool,
    /// Whether another service of the cluster registers its tasks with blue's group.
    pub(in crate::aws::sim) is_shared: bool,
}

impl BlueService {
    /// The service that runs this revision from the start.
    pub(super) fn running(revision: &str) -> Self {
        let settings = json!({
            "launchType": "FARGATE",
            "schedulingStrategy": "REPLICA",
            "loadBalancers": [{
                "targetGroupArn": rules::blue().as_str(),
                "containerName": BLUE_SERVICE,
                "containerPort": 5000
            }],
        });
        let settings = settings.as_object().cloned().unwrap_or_default();
        let mut service = Service::new(settings, 0);
        service.name = BLUE_SERVICE;
        service.completed = Some(revision.to_owned());
        service.deployments.push(Deployment {
            id: "ecs-svc/3000000000000000001".to_owned(),
            revision: revision.to_owned(),
            begun: Duration::ZERO,
            desired: 0,
            by: Writer::Start,
            failed: None,
            reason: "ECS deployment completed.".to_owned(),
        });
        Self {
            service,
            tags: Vec::new(),
            is_deleted: false,
            is_shared: false,
        }
    }

    /// Its deployments, each with this desired count.
    pub(in crate::aws::sim) fn deployments(&self, desired: u32) -> Vec<Deployment> {
        let with = |one: &Deployment| Deployment {
            desired,
            ..one.clone()
        };
        self.service.deployments.iter().map(with).collect()
    }

    pub(in crate::aws::sim) fn tag(&mut self, key: &str, value: &str) {
        self.tags.retain(|(known, _)| known != key);
        self.tags.push((key.to_owned(), value.to_owned()));
    }
}

/// The definition that blue's tasks run from the start. This world has one repository, for both services.
pub(super) fn definition(image: &str) -> Map<String, Value> {
    let value = json!({
        "family": BLUE_SERVICE,
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": "1024",
        "memory": "2048",
        "executionRoleArn": "arn:aws:iam::123456789012:role/ecsTaskExecutionRole",
        "containerDefinitions": [{
            "name": BLUE_SERVICE,
            "image": image,
            "essential": true,
            "portMappings": [{"containerPort": 5000, "hostPort": 5000, "protocol": "tcp"}],
        }],
        "placementConstraints": []
    });
    value.as_object().cloned().unwrap_or_default()
}
