//! The container service's state: revisions, one service, its deployments, and their progress.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{
    blue::BlueService,
    change::Writer,
    native::Native,
    registry::{HOST, REPOSITORY},
};

pub(in crate::aws::sim) const CLUSTER: &str = "chatbot-cluster";
/// Blue's service: it is scaled and deleted, but never deployed.
pub(in crate::aws::sim) const BLUE_SERVICE: &str = "chatbot-flask";
pub(in crate::aws::sim) const SERVICE: &str = "chatbot-fastapi";
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

/// One deployment of the service.
#[derive(Debug, Clone)]
pub(in crate::aws::sim) struct Deployment {
    pub(in crate::aws::sim) id: String,
    pub(in crate::aws::sim) revision: String,
    pub(in crate::aws::sim) begun: Duration,
    pub(in crate::aws::sim) desired: u32,
    pub(in crate::aws::sim) by: Writer,
    /// When it was given up, if it was.
    pub(in crate::aws::sim) failed: Option<Duration>,
    pub(in crate::aws::sim) reason: String,
}

#[derive(Debug, Clone)]
pub(in crate::aws::sim) struct Fleet {
    /// Every registered revision, oldest first: its ARN, its definition and its behaviour.
    pub(in crate::aws::sim) revisions: Vec<(String, Map<String, Value>, Fate)>,
    /// How newly registered revisions behave.
    pub(in crate::aws::sim) next_fate: Fate,
    pub(in crate::aws::sim) service: Option<Service>,
    pub(in crate::aws::sim) blue: BlueService,
    pub(super) deployments_made: u64,
    /// How long after the start third parties deploy.
    pub(in crate::aws::sim) strangers: Vec<Duration>,
    /// The deployments whose traffic ECS moves itself, if the service is deployed like that.
    pub(in crate::aws::sim) native: Option<Native>,
}

#[derive(Debug, Clone)]
pub(in crate::aws::sim) struct Service {
    /// The settings with which the service was created.
    pub(in crate::aws::sim) settings: Map<String, Value>,
    pub(in crate::aws::sim) desired: u32,
    pub(in crate::aws::sim) tags: Vec<(String, String)>,
    /// The newest first.
    pub(in crate::aws::sim) deployments: Vec<Deployment>,
    pub(super) completed: Option<String>,
    pub(in crate::aws::sim) events: Vec<(Duration, String)>,
    /// Every deployment that ever began, for tests.
    pub(in crate::aws::sim) history: Vec<(String, Writer)>,
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
            blue: BlueService::default(),
            deployments_made: 0,
            strangers: Vec::new(),
            native: None,
        };
        let arn = fleet.register(first_definition());
        let settings = settings(false);
        let mut service = Service::new(settings, 4);
        service.completed = Some(arn.clone());
        fleet.service = Some(service);
        fleet.deploy(Duration::ZERO, &arn, Writer::Start);
        if let Some(service) = fleet.service.as_mut() {
            // The service was there long before.
            service.events.clear();
        }
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

impl Service {
    pub(in crate::aws::sim) fn new(settings: Map<String, Value>, desired: u32) -> Self {
        Self {
            settings,
            desired,
            tags: Vec::new(),
            deployments: Vec::new(),
            completed: None,
            events: Vec::new(),
            history: Vec::new(),
        }
    }

    fn breaker(&self, switch: &str) -> bool {
        let path = format!("/deploymentConfiguration/deploymentCircuitBreaker/{switch}");
        let settings = Value::Object(self.settings.clone());
        settings.pointer(&path) == Some(&json!(true))
    }

    pub(in crate::aws::sim) fn tag(&mut self, key: &str, value: &str) {
        self.tags.retain(|(known, _)| known != key);
        self.tags.push((key.to_owned(), value.to_owned()));
    }
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
        for (_, definition, _) in &mut self.revisions {
            let containers = definition.get_mut("containerDefinitions");
            if let Some(Value::Array(containers)) = containers {
                containers.insert(0, proxy.clone());
            }
        }
        if let Some(service) = self.service.as_mut() {
            service.settings["loadBalancers"][0]["containerName"] = json!("proxy");
        }
    }

    pub(in crate::aws::sim) fn deploy(
        &mut self,
        now: Duration,
        revision: &str,
        by: Writer,
    ) -> Option<String> {
        self.deployments_made += 1;
        let id = format!(
            "ecs-svc/{:019}",
            4_000_000_000_000_000_000 + self.deployments_made
        );
        let service = self.service.as_mut()?;
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
        let message = format!("(service {SERVICE}) has started a deployment {id}.");
        service.events.push((now, message));
        Some(id)
    }

    pub(in crate::aws::sim) fn progress(&self, deployment: &Deployment, now: Duration) -> Progress {
        let Some(service) = &self.service else {
            return Progress {
                running: 0,
                pending: 0,
                failed: 0,
                state: "FAILED",
            };
        };
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
        while self.settle(due) {}
        let fate = std::mem::replace(&mut self.next_fate, Fate::Works);
        let mut definition = first_definition();
        definition.insert("cpu".to_owned(), json!("512"));
        let arn = self.register(definition);
        self.next_fate = fate;
        if self.native.is_none() {
            self.deploy(due, &arn, Writer::Stranger);
        } else if let Err(why) = self.begin(due, &arn, Writer::Stranger) {
            // The service would not exist with such a configuration.
            tracing::warn!(why, "no deployment");
        }
    }

    /// Lets the service's own events up to `now` happen, in order: otherwise the result would depend
    /// on how often the world is looked at.
    pub(in crate::aws::sim) fn advance(&mut self, now: Duration) {
        while self.settle(now) {}
    }

    /// Ends the newest deployment, if it has ended by `now`. Returns whether something changed.
    fn settle(&mut self, now: Duration) -> bool {
        let Some(primary) = self
            .service
            .as_ref()
            .and_then(|one| one.deployments.first())
            .cloned()
        else {
            return false;
        };
        let progress = self.progress(&primary, now);
        if progress.state == "COMPLETED" {
            let done = primary.begun + STARTS * 2;
            let Some(service) = self.service.as_mut() else {
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
                let message = format!("(service {SERVICE}) has reached a steady state.");
                service.events.push((done, message));
            }
            return is_new;
        }
        let trips = primary.failed.is_none() && progress.failed >= TRIPS;
        let Some(service) = self.service.as_mut() else {
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
            "(service {SERVICE}) (deployment {}) deployment failed: tasks failed to start.",
            primary.id
        );
        service.events.push((tripped, message));
        if service.breaker("rollback")
            && let Some(completed) = service.completed.clone()
            && let Some(id) = self.deploy(tripped, &completed, Writer::Service)
            && let Some(service) = self.service.as_mut()
        {
            if let Some(first) = service.deployments.first_mut() {
                first.reason =
                    format!("ECS deployment circuit breaker: rolling back to deploymentId {id}.");
            }
            let message = format!("(service {SERVICE}) rolling back to deployment {id}.");
            service.events.push((tripped, message));
        }
        true
    }

    /// How the service answers requests now; `None` if nothing runs.
    pub(in crate::aws::sim) fn serving(&self, now: Duration) -> Option<Fate> {
        let service = self.service.as_ref()?;
        for deployment in &service.deployments {
            if self.progress(deployment, now).running > 0 {
                return Some(self.fate(&deployment.revision));
            }
        }
        None
    }
}
