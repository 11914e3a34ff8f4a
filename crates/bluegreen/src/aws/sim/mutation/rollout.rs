//! Deployments as ECS shows them, and the revision that a request names.

use std::time::Duration;

use serde_json::{Value, json};

use super::native;
use crate::{
    aws::{
        api::ApiError,
        sim::{
            fault::{Call, answer},
            state::fleet::{Deployment, Fleet, Service},
        },
    },
    error::ErrorKind,
};

/// The fields that AWS shows with a deployment, and not with the service itself.
pub(super) const OF_DEPLOYMENTS: [&str; 3] = [
    "serviceConnectConfiguration",
    "volumeConfigurations",
    "vpcLatticeConfigurations",
];
/// The deployments of a service as ECS shows them.
pub(super) fn deployments(
    fleet: &Fleet,
    service: &Service,
    deployments: &[Deployment],
    now: Duration,
) -> Vec<Value> {
    let shown = deployments.iter().enumerate().map(|(place, one)| {
        let progress = fleet.progress(service, one, now);
        let mut shown = json!({
            "id": one.id, "status": if place == 0 { "PRIMARY" } else { "ACTIVE" },
            "taskDefinition": one.revision, "desiredCount": one.desired,
            "runningCount": progress.running, "pendingCount": progress.pending,
            "failedTasks": progress.failed, "rolloutState": progress.state,
            "rolloutStateReason": one.reason, "createdAt": native::date(one.begun),
        });
        for field in OF_DEPLOYMENTS {
            if let Some(setting) = service.settings.get(field) {
                shown[field] = setting.clone();
            }
        }
        shown
    });
    shown.collect()
}

/// The events of a service as ECS shows them, the newest first.
pub(super) fn events(service: &Service) -> Value {
    let shown = service.events.iter().enumerate().rev();
    let shown = shown.map(|(number, (at, message))| {
        json!({"id": format!("event-{number}"), "createdAt": native::date(*at), "message": message})
    });
    shown.collect()
}

/// Returns the ARN of the revision that a request names.
pub(super) fn revision(fleet: &Fleet, call: Call, name: &str) -> Result<String, ApiError> {
    let found = fleet.find(name).map(|(arn, ..)| arn.clone());
    found.ok_or_else(|| invalid(call, "TaskDefinition not found."))
}

pub(super) fn invalid(call: Call, message: &str) -> ApiError {
    answer(call, ErrorKind::Invalid, "ClientException", message)
}
