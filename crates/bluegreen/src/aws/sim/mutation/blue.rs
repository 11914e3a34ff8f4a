//! Changes and answers of ECS about blue's service, and the list of all services.

use std::time::Duration;

use serde_json::{Value, json};

use super::rollout::{deployments, events, revision};
use crate::{
    aws::{
        api::ApiError,
        sim::{
            fault::{Call, answer},
            state::{
                change::Writer,
                fleet::{BLUE_SERVICE, CLUSTER, SERVICE},
                world::World,
            },
        },
    },
    error::ErrorKind,
    traffic::Side,
};

const ARN: &str = "arn:aws:ecs:us-east-1:123456789012";
/// The service that shares blue's group, if there is one.
const OTHER_SERVICE: &str = "chatbot-batch";

fn arn_of(service: &str) -> String {
    format!("{ARN}:service/{CLUSTER}/{service}")
}

/// Whether a request is about blue's service.
pub(super) fn is_about(input: &Value) -> bool {
    ["service", "resourceArn"].iter().any(|field| {
        let named = input.get(*field).and_then(Value::as_str);
        named == Some(BLUE_SERVICE) || named == Some(&arn_of(BLUE_SERVICE))
    })
}

/// Lets a change of blue's service have its effect, and returns ECS's answer.
pub(super) fn change(
    world: &mut World,
    now: Duration,
    call: Call,
    input: &Value,
) -> Result<Value, ApiError> {
    let cluster = input.get("cluster").and_then(Value::as_str);
    if call != Call::TagResource && cluster != Some(CLUSTER) {
        let (code, message) = ("ClusterNotFoundException", "Cluster not found.");
        return Err(answer(call, ErrorKind::NotFound, code, message));
    }
    if world.fleet.blue.is_deleted {
        let (code, message) = ("ServiceNotActiveException", "Service was not ACTIVE.");
        return Err(answer(call, ErrorKind::NotFound, code, message));
    }
    match call {
        Call::UpdateService => {
            let desired = input.get("desiredCount").and_then(Value::as_u64);
            if let Some(wanted) = desired.and_then(|count| u32::try_from(count).ok()) {
                world.scale(Side::Blue, now, wanted);
            }
            deploy(world, now, call, input)?;
            Ok(json!({"service": described(world, now)}))
        }
        Call::DeleteService => {
            let is_forced = input.get("force") == Some(&json!(true));
            if !is_forced && !world.ready(Side::Blue).is_empty() {
                let message = "The service cannot be stopped while it is scaled above 0.";
                let (kind, code) = (ErrorKind::Invalid, "InvalidParameterException");
                return Err(answer(call, kind, code, message));
            }
            world.fleet.blue.is_deleted = true;
            Ok(json!({"service": described(world, now)}))
        }
        Call::TagResource => {
            for tag in input["tags"].as_array().into_iter().flatten() {
                let part = |name: &str| tag[name].as_str().unwrap_or_default();
                world.fleet.blue.tag(part("key"), part("value"));
            }
            Ok(json!({}))
        }
        _ => {
            let (kind, code) = (ErrorKind::Invalid, "ClientException");
            Err(answer(
                call,
                kind,
                code,
                "this simulation makes no second service of blue's",
            ))
        }
    }
}

/// Begins a deployment, if the request names another revision than the newest deployment, or forces one.
fn deploy(world: &mut World, now: Duration, call: Call, input: &Value) -> Result<(), ApiError> {
    let Some(name) = input.get("taskDefinition").and_then(Value::as_str) else {
        return Ok(());
    };
    let fleet = &mut world.fleet;
    let revision = revision(fleet, call, name)?;
    let newest = fleet.blue.service.deployments.first();
    let is_forced = input.get("forceNewDeployment") == Some(&json!(true));
    if is_forced || newest.is_none_or(|one| one.revision != revision) {
        fleet.deploy(Side::Blue, now, &revision, Writer::Caller);
        // The next release of blue's service is as fast as green's: else no way back would be well.
        world.services.blue.latency = world.services.green.latency;
    }
    Ok(())
}

/// A service by its name or ARN as DescribeServices shows it; `None` if the service is not one of these.
pub(in crate::aws::sim) fn find(world: &World, now: Duration, asked: &str) -> Option<Value> {
    let name = asked.rsplit('/').next().unwrap_or(asked);
    match name {
        BLUE_SERVICE => Some(described(world, now)),
        OTHER_SERVICE if world.fleet.blue.is_shared => {
            let group = world.fleet.blue.service.settings.get("loadBalancers");
            Some(json!({
                "serviceArn": arn_of(OTHER_SERVICE), "serviceName": OTHER_SERVICE,
                "status": "ACTIVE", "desiredCount": 0, "runningCount": 0, "pendingCount": 0,
                "loadBalancers": group, "deployments": [], "events": [], "tags": [],
            }))
        }
        _ => None,
    }
}

/// The services of the cluster that are not deleted, as ListServices shows them.
pub(in crate::aws::sim) fn listed(world: &World) -> Value {
    let blue = &world.fleet.blue;
    let all = [
        (BLUE_SERVICE, !blue.is_deleted),
        (SERVICE, world.fleet.service.is_some()),
        (OTHER_SERVICE, blue.is_shared),
    ];
    let there = all.into_iter().filter(|(_, is_there)| *is_there);
    json!({"serviceArns": there.map(|(name, _)| arn_of(name)).collect::<Vec<_>>()})
}

/// Blue's service as ECS describes it.
fn described(world: &World, now: Duration) -> Value {
    let targets = world.blue_targets(now);
    let blue = &world.fleet.blue;
    let desired = world.ready(Side::Blue).len();
    let stopping = world.fleet.counts.blue.stopping(now);
    let status = match (blue.is_deleted, stopping) {
        (false, _) => "ACTIVE",
        (true, 0) => "INACTIVE",
        (true, _) => "DRAINING",
    };
    let tags = blue.tags.iter();
    let tags = tags.map(|(key, value)| json!({"key": key, "value": value}));
    let own = blue.deployments(u32::try_from(desired).unwrap_or(u32::MAX));
    let deployments = deployments(&world.fleet, &blue.service, &own, now);
    let mut described = blue.service.settings.clone();
    for (field, value) in [
        ("serviceArn", json!(arn_of(BLUE_SERVICE))),
        ("clusterArn", json!(format!("{ARN}:cluster/{CLUSTER}"))),
        ("serviceName", json!(BLUE_SERVICE)),
        ("status", json!(status)),
        ("desiredCount", json!(desired)),
        ("taskDefinition", deployments[0]["taskDefinition"].clone()),
        (
            "runningCount",
            json!(targets.registered() - targets.initial),
        ),
        ("pendingCount", json!(targets.initial)),
        ("deployments", json!(deployments)),
        ("events", events(&blue.service)),
        ("tags", tags.collect()),
    ] {
        described.insert(field.to_owned(), value);
    }
    Value::Object(described)
}
