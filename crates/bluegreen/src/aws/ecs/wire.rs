//! The parts of ECS's answers that are read: exactly the fields in use.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::{
    error::{Error, ErrorKind, Result},
    service::{DeploymentId, RevisionId, Rollout},
};

/// Reads an answer.
pub(super) fn read<T: serde::de::DeserializeOwned>(answer: Value, attempted: &str) -> Result<T> {
    serde_json::from_value(answer).map_err(|error| {
        Error::new(
            ErrorKind::Unavailable,
            format!("{attempted}: the answer cannot be read"),
        )
        .with_source(error)
    })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
pub(super) struct Services {
    pub(super) services: Vec<Value>,
    pub(super) failures: Vec<Missing>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Missing {
    pub(super) reason: String,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Service {
    pub(super) service_arn: String,
    pub(super) service_name: String,
    pub(super) status: String,
    pub(super) desired_count: u32,
    pub(super) running_count: u32,
    pub(super) task_definition: String,
    pub(super) deployments: Vec<Deployment>,
    pub(super) deployment_controller: Option<Controller>,
    pub(super) deployment_configuration: Option<Configuration>,
    /// The newest deployment of a service whose traffic ECS moves itself.
    pub(super) current_service_deployment: Option<String>,
    pub(super) load_balancers: Vec<Balanced>,
    pub(super) events: Vec<Event>,
    pub(super) tags: Vec<Tag>,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Deployment {
    pub(super) id: String,
    pub(super) status: String,
    pub(super) task_definition: String,
    pub(super) desired_count: u32,
    pub(super) running_count: u32,
    pub(super) pending_count: u32,
    pub(super) failed_tasks: u32,
    pub(super) rollout_state: Option<String>,
    pub(super) rollout_state_reason: Option<String>,
    #[serde(deserialize_with = "time")]
    pub(super) created_at: Option<Timestamp>,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(super) struct Controller {
    pub(super) r#type: String,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Configuration {
    pub(super) strategy: Option<String>,
    pub(super) deployment_circuit_breaker: Option<Switch>,
    pub(super) alarms: Option<Switch>,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(super) struct Switch {
    pub(super) enable: bool,
    pub(super) rollback: bool,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Balanced {
    pub(super) target_group_arn: Option<String>,
    pub(super) container_name: Option<String>,
    pub(super) advanced_configuration: Option<Advanced>,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Advanced {
    pub(super) alternate_target_group_arn: Option<String>,
    pub(super) role_arn: Option<String>,
    pub(super) production_listener_rule: Option<String>,
    pub(super) test_listener_rule: Option<String>,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Event {
    pub(super) id: String,
    #[serde(deserialize_with = "time")]
    pub(super) created_at: Option<Timestamp>,
    pub(super) message: String,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(super) struct Tag {
    pub(super) key: String,
    pub(super) value: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct TaskList {
    pub(super) task_arns: Vec<String>,
    pub(super) next_token: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Tasks {
    pub(super) tasks: Vec<Task>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Task {
    pub(super) task_arn: String,
    pub(super) started_by: String,
    pub(super) stop_code: Option<String>,
    pub(super) stopped_reason: Option<String>,
    #[serde(deserialize_with = "time")]
    pub(super) stopped_at: Option<Timestamp>,
    pub(super) containers: Vec<Container>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Container {
    pub(super) name: String,
    pub(super) exit_code: Option<i64>,
    pub(super) reason: Option<String>,
}

impl Service {
    /// The deployment that the service is to reach.
    pub(super) fn primary(&self) -> Option<&Deployment> {
        self.deployments.iter().find(|one| one.status == "PRIMARY")
    }

    /// Whether all copies of a deployment run. If the service does not say how far rollouts are, a
    /// deployment that has only begun may want no copies yet; so the service's count must hold too.
    pub(super) fn is_up(&self, deployment: &Deployment) -> bool {
        deployment.running_count == deployment.desired_count
            && deployment.running_count > 0
            && (deployment.rollout_state.is_some()
                || deployment.running_count >= self.desired_count)
    }

    /// Whether the service rolls a failed rollout back by itself.
    pub(super) fn takes_back(&self) -> bool {
        let on = |switch: &Option<Switch>| {
            switch
                .as_ref()
                .is_some_and(|switch| switch.enable && switch.rollback)
        };
        let configuration = self.deployment_configuration.as_ref();
        configuration.is_some_and(|one| on(&one.deployment_circuit_breaker) || on(&one.alarms))
    }

    pub(super) fn tag(&self, key: &str) -> Option<&str> {
        let tag = self.tags.iter().find(|tag| tag.key == key)?;
        Some(&tag.value)
    }
}

impl Deployment {
    pub(super) fn id(&self) -> DeploymentId {
        DeploymentId::new(&self.id)
    }

    pub(super) fn revision(&self) -> RevisionId {
        RevisionId::new(&self.task_definition)
    }

    /// How far the rollout is; judged by the counts if the service does not say.
    pub(super) fn rollout(&self) -> Rollout {
        match self.rollout_state.as_deref() {
            Some("COMPLETED") => Rollout::Completed,
            Some("FAILED") => Rollout::Failed,
            Some(_) => Rollout::InProgress,
            None if self.running_count == self.desired_count && self.pending_count == 0 => {
                Rollout::Completed
            }
            None => Rollout::InProgress,
        }
    }
}

/// Seconds since the epoch, as ECS sends them, or a text, as some emulators do.
pub(super) fn time<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Timestamp>, D::Error> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "milliseconds of any year that AWS will see fit"
    )]
    let from_seconds = |seconds: f64| Timestamp::from_millisecond((seconds * 1000.0) as i64).ok();
    Ok(match Option::<Value>::deserialize(deserializer)? {
        Some(Value::Number(number)) => number.as_f64().and_then(from_seconds),
        Some(Value::String(text)) => text.parse().ok(),
        _ => None,
    })
}

/// Whether two names are of one revision: ARNs, or `family:revision` as some answers have it.
pub(super) fn is_same_revision(one: &str, other: &str) -> bool {
    let short = |name: &str| name.rsplit('/').next().unwrap_or(name).to_owned();
    let is_arn = |name: &str| name.starts_with("arn:");
    one == other || (is_arn(one) != is_arn(other) && short(one) == short(other))
}
