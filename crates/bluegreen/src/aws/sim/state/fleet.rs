//! The container service's state: revisions, one service, its deployments, and their progress.

use std::time::Duration;

use serde_json::{Map, Value, json};

pub(in crate::aws::sim) use super::rollout::{BLUE_SERVICE, CLUSTER, Deployment, SERVICE, Service};
use super::{
    blue::{self, BlueService},
    change::Writer,
    count::Count,
    native::Native,
    registry::{HOST, REPOSITORY},
};
use crate::traffic::{Side, Sides};

pub(super) const FAMILY: &str = "chatbot-fastapi";
pub(super) const ACCOUNT: &str = "arn:aws:ecs:us-east-1:123456789012";

/// How a revision behaves when it is run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fate {
    /// It starts, and serves well.
    #[default]
    Works,
    /// Its tasks die at start.
    Dies,
    /// Its tasks never become healthy for the balancer, and never die.
    Stalls,
    /// It starts, and its health page answers 503.
    Unhealthy,
    /// It starts and is healthy, and the chat answers 500.
    Broken,
}

#[derive(Debug, Clone)]
pub(in crate::aws::sim) struct Fleet {
    /// Every registered revision, oldest first: its ARN, its definition and its behaviour.
    pub(in crate::aws::sim) revisions: Vec<(String, Map<String, Value>, Fate)>,
    /// How newly registered revisions behave.
    pub(in crate::aws::sim) next_fate: Fate,
    pub(in crate::aws::sim) service: Option<Service>,
    pub(in crate::aws::sim) blue: BlueService,
    /// The counts that callers have set.
    pub(in crate::aws::sim) counts: Sides<Count>,
    pub(super) deployments_made: u64,
    /// How long after the start third parties deploy.
    pub(in crate::aws::sim) strangers: Vec<Duration>,
    /// The deployments whose traffic ECS moves itself, if the service is deployed like that.
    pub(in crate::aws::sim) native: Option<Native>,
}

/// The first copy runs after this long, the rollout is complete after twice that.
pub(super) const STARTS: Duration = Duration::from_secs(30);
/// A copy that dies does so this long after its start, and the next copy is started.
const DIES: Duration = Duration::from_secs(20);
/// The failures that trip the circuit breaker: the least that AWS accepts.
const TRIPS: u32 = 3;

/// The progress of a deployment at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::aws::sim) struct Progress {
    pub(in crate::aws::sim) running: u32,
    pub(in crate::aws::sim) pending: u32,
    pub(in crate::aws::sim) failed: u32,
    pub(in crate::aws::sim) state: &'static str,
}

impl Default for Fleet {
    /// The service runs one revision with four copies.
    fn default() -> Self {
        let mut fleet = Self {
            revisions: Vec::new(),
            next_fate: Fate::Works,
            service: None,
            blue: BlueService::running(""),
            counts: Sides::default(),
            deployments_made: 0,
            strangers: Vec::new(),
            native: None,
        };
        let arn = fleet.register(first_definition());
        let settings = settings(false);
        let mut service = Service::new(settings, 4);
        service.completed = Some(arn.clone());
        fleet.service = Some(service);
        fleet.deploy(Side::Green, Duration::ZERO, &arn, Writer::Start);
        if let Some(service) = fleet.service.as_mut() {
            // The service was there long before.
            service.events.clear();
        }
        let image = format!("{HOST}/{REPOSITORY}@sha256:{}", "1".repeat(64));
        let arn = fleet.register(blue::definition(&image));
        fleet.blue = BlueService::running(&arn);
        fleet
    }
}

fn settings(breaker_takes_back: bool) -> Map<String, Value> {
    let value = json!({
        "serviceName": SERVICE,
        "launchType": "FARGATE",
        "loadBalancers": [{
            "targetGroupArn": super::rules::green().as_str(),
            "containerName": "chatbot-fastapi",
            "containerPort": 8000
        }],
        "deploymentController": {"type": "ECS"},
        "deploymentConfiguration": {
            "maximumPercent": 200,
            "minimumHealthyPercent": 100,
            "strategy": "ROLLING",
            "deploymentCircuitBreaker": {"enable": true, "rollback": breaker_takes_back}
        },
        "healthCheckGracePeriodSeconds": 60
    });
    value.as_object().cloned().unwrap_or_default()
}

fn first_definition() -> Map<String, Value> {
    let value = json!({
        "family": FAMILY,
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": "1024",
        "memory": "2048",
        "executionRoleArn": "arn:aws:iam::123456789012:role/ecsTaskExecutionRole",
        "containerDefinitions": [{
            "name": "chatbot-fastapi",
            "image": format!("{HOST}/{REPOSITORY}@sha256:{}", "0".repeat(64)),
            "essential": true,
            "portMappings": [{"containerPort": 8000, "hostPort": 8000, "protocol": "tcp"}],
            "environment": [{"name": "LOG_LEVEL", "value": "INFO"}],
            "logConfiguration": {"logDriver": "awslogs", "options": {
                "awslogs-group": "/aws/ecs/chatbot-fastapi",
                "awslogs-region": "us-east-1",
                "awslogs-stream-prefix": "ecs"
            }}
        }],
        "placementConstraints": []
    });
    value.as_object().cloned().unwrap_or_default()
}

impl Fleet {
    pub(in crate::aws::sim) fn register(&mut self, definition: Map<String, Value>) -> String {
        let family = definition
            .get("family")
            .and_then(Value::as_str)
            .unwrap_or(FAMILY);
        let prefix = format!("{ACCOUNT}:task-definition/{family}:");
        let earlier = self
            .revisions
            .iter()
            .filter(|(arn, ..)| arn.starts_with(&prefix));
        let arn = format!("{prefix}{}", earlier.count() + 1);
        self.revisions
            .push((arn.clone(), definition, self.next_fate));
        arn
    }

    /// A revision by ARN, `family:revision`, or family.
    pub(in crate::aws::sim) fn find(
        &self,
        name: &str,
    ) -> Option<&(String, Map<String, Value>, Fate)> {
        let short = |arn: &str| arn.rsplit('/').next().unwrap_or(arn).to_owned();
        let is_it = |arn: &str| {
            arn == name
                || short(arn) == name
                || short(arn).rsplit_once(':').is_some_and(|(f, _)| f == name)
        };
        self.revisions.iter().rev().find(|(arn, ..)| is_it(arn))
    }

    pub(in crate::aws::sim) fn fate(&self, revision: &str) -> Fate {
        self.find(revision)
            .map(|(_, _, fate)| *fate)
            .unwrap_or_default()
    }

    /// Turns on the service's own rollback of failed rollouts.
    pub(in crate::aws::sim) fn breaker_takes_back(&mut self) {
        if let Some(service) = self.service.as_mut() {
            service.settings = settings(true);
        }
    }

    /// Puts a proxy before the program of the service.
    pub(in crate::aws::sim) fn put_proxy(&mut self) {
        let proxy = json!({"name": "proxy", "image": "nginx:1.27", "essential": true});
        let own = |arn: &str| !arn.contains(BLUE_SERVICE);
        let revisions = self.revisions.iter_mut();
        for (_, definition, _) in revisions.filter(|(arn, ..)| own(arn)) {
            let containers = definition.get_mut("containerDefinitions");
            if let Some(Value::Array(containers)) = containers {
                containers.insert(0, proxy.clone());
            }
        }
        if let Some(service) = self.service.as_mut() {
            service.settings["loadBalancers"][0]["containerName"] = json!("proxy");
        }
    }

    /// One of the two services, if it exists. Blue's stays after its end.
    pub(in crate::aws::sim) fn service_of(&self, side: Side) -> Option<&Service> {
        match side {
            Side::Blue => Some(&self.blue.service),
            Side::Green => self.service.as_ref(),
        }
    }

    fn service_of_mut(&mut self, side: Side) -> Option<&mut Service> {
        match side {
            Side::Blue => Some(&mut self.blue.service),
            Side::Green => self.service.as_mut(),
        }
    }

    /// How many revisions are registered, without that which blue has run from the start.
    pub(in crate::aws::sim) fn registered(&self) -> usize {
        self.revisions.len() - 1
    }

    /// Begins a deployment of a side's service.
    pub(in crate::aws::sim) fn deploy(
        &mut self,
        side: Side,
        now: Duration,
        revision: &str,
        by: Writer,
    ) -> Option<String> {
        self.deployments_made += 1;
        let id = format!(
            "ecs-svc/{:019}",
            4_000_000_000_000_000_000 + self.deployments_made
        );
        let service = self.service_of_mut(side)?;
        service.deployments.insert(
            0,
            Deployment {
                id: id.clone(),
                revision: revision.to_owned(),
                begun: now,
                desired: service.desired,
                by,
                failed: None,
                reason: format!("ECS deployment {id} in progress."),
            },
        );
        service.history.push((revision.to_owned(), by));
        let message = format!("(service {}) has started a deployment {id}.", service.name);
        service.events.push((now, message));
        Some(id)
    }

    /// The progress of a deployment of a service.
    pub(in crate::aws::sim) fn progress(
        &self,
        service: &Service,
        deployment: &Deployment,
        now: Duration,
    ) -> Progress {
        let is_primary = service
            .deployments
            .first()
            .is_some_and(|one| one.id == deployment.id);
        let age = now.saturating_sub(deployment.begun);
        let desired = deployment.desired;
        let served_before = service.completed.as_deref() == Some(&deployment.revision);
        if !is_primary {
            let running = if served_before { desired } else { 0 };
            let state = if deployment.failed.is_some() {
                "FAILED"
            } else {
                "COMPLETED"
            };
            let failed = if deployment.failed.is_some() {
                TRIPS
            } else {
                0
            };
            return Progress {
                running,
                pending: 0,
                failed,
                state,
            };
        }
        if deployment.by == Writer::Start {
            return Progress {
                running: desired,
                pending: 0,
                failed: 0,
                state: "COMPLETED",
            };
        }
        match self.fate(&deployment.revision) {
            Fate::Dies => {
                let tries = u32::try_from(age.as_secs() / DIES.as_secs()).unwrap_or(u32::MAX);
                let failed = if deployment.failed.is_some() {
                    TRIPS
                } else {
                    tries
                };
                let state = if deployment.failed.is_some() {
                    "FAILED"
                } else {
                    "IN_PROGRESS"
                };
                Progress {
                    running: 0,
                    pending: desired.min(1),
                    failed,
                    state,
                }
            }
            Fate::Stalls => Progress {
                running: 0,
                pending: desired,
                failed: 0,
                state: "IN_PROGRESS",
            },
            _ if age >= STARTS * 2 => Progress {
                running: desired,
                pending: 0,
                failed: 0,
                state: "COMPLETED",
            },
            _ if age >= STARTS => {
                let running = desired.div_ceil(2);
                Progress {
                    running,
                    pending: desired - running,
                    failed: 0,
                    state: "IN_PROGRESS",
                }
            }
            _ => Progress {
                running: 0,
                pending: desired,
                failed: 0,
                state: "IN_PROGRESS",
            },
        }
    }

    /// When a third party deploys next.
    pub(super) fn next_stranger(&self) -> Option<Duration> {
        self.strangers.iter().min().copied()
    }

    /// Lets the third party deploy whose turn it is.
    pub(super) fn deploy_of_stranger(&mut self, due: Duration) {
        let turn = self.strangers.iter().position(|one| *one == due);
        turn.map(|turn| self.strangers.remove(turn));
        while self.settle(Side::Green, due) {}
        let fate = std::mem::replace(&mut self.next_fate, Fate::Works);
        let mut definition = first_definition();
        definition.insert("cpu".to_owned(), json!("512"));
        let arn = self.register(definition);
        self.next_fate = fate;
        if self.native.is_none() {
            self.deploy(Side::Green, due, &arn, Writer::Stranger);
        } else if let Err(why) = self.begin(due, &arn, Writer::Stranger) {
            // The service would not exist with such a configuration.
            tracing::warn!(why, "no deployment");
        }
    }

    /// Lets the service's own events up to `now` happen, in order: otherwise the result would depend
    /// on how often the world is looked at.
    pub(in crate::aws::sim) fn advance(&mut self, now: Duration) {
        for side in [Side::Blue, Side::Green] {
            while self.settle(side, now) {}
        }
    }

    /// Ends the newest deployment, if it has ended by `now`. Returns whether something changed.
    fn settle(&mut self, side: Side, now: Duration) -> bool {
        let service = self.service_of(side);
        let newest = service.and_then(|one| Some((one, one.deployments.first()?.clone())));
        let Some((service, primary)) = newest else {
            return false;
        };
        let progress = self.progress(service, &primary, now);
        if progress.state == "COMPLETED" {
            let done = primary.begun + STARTS * 2;
            let Some(service) = self.service_of_mut(side) else {
                return false;
            };
            let is_new = service.deployments.len() > 1
                || service.completed.as_ref() != Some(&primary.revision);
            if is_new {
                service.deployments.truncate(1);
                service.completed = Some(primary.revision.clone());
                if let Some(first) = service.deployments.first_mut() {
                    first.reason = format!("ECS deployment {} completed.", primary.id);
                }
                let message = format!("(service {}) has reached a steady state.", service.name);
                service.events.push((done, message));
            }
            return is_new;
        }
        let trips = primary.failed.is_none() && progress.failed >= TRIPS;
        let Some(service) = self.service_of_mut(side) else {
            return false;
        };
        if !trips || !service.breaker("enable") {
            return false;
        }
        let tripped = primary.begun + DIES * TRIPS;
        if let Some(first) = service.deployments.first_mut() {
            first.failed = Some(tripped);
            first.reason = "ECS deployment circuit breaker: tasks failed to start.".to_owned();
        }
        let message = format!(
            "(service {}) (deployment {}) deployment failed: tasks failed to start.",
            service.name, primary.id
        );
        service.events.push((tripped, message));
        if service.breaker("rollback")
            && let Some(completed) = service.completed.clone()
            && let Some(id) = self.deploy(side, tripped, &completed, Writer::Service)
            && let Some(service) = self.service_of_mut(side)
        {
            if let Some(first) = service.deployments.first_mut() {
                first.reason =
                    format!("ECS deployment circuit breaker: rolling back to deploymentId {id}.");
            }
            let message = format!(
                "(service {}) rolling back to deployment {id}.",
                service.name
            );
            service.events.push((tripped, message));
        }
        true
    }
}
