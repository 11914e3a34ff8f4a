//! Changes of deployments whose traffic ECS moves itself, and how the service shows them.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::{
    aws::{
        api::ApiError,
        sim::{
            fault::{Call, answer},
            state::{
                change::Writer,
                fleet::Fleet,
                native::{
                    Native, Refusal,
                    configuration::{Action, Configuration},
                },
                world::World,
            },
            time::SimClock,
        },
    },
    clock::later,
    error::ErrorKind,
};

/// A time as ECS writes it: seconds since the epoch.
pub(in crate::aws::sim) fn date(at: Duration) -> Value {
    let at = later(SimClock::epoch(), at);
    Value::from(at.as_duration().as_secs_f64())
}

/// Answers a pause, or stops a deployment.
pub(super) fn change(
    fleet: &mut Fleet,
    now: Duration,
    call: Call,
    input: &Value,
) -> Result<Value, ApiError> {
    let field = |name: &str| input[name].as_str().unwrap_or_default();
    let arn = field("serviceDeploymentArn");
    let native = fleet.native.as_mut().ok_or_else(|| missing(call))?;
    let done = match call {
        Call::ContinueServiceDeployment => {
            let action = Action::read(&input["action"], Action::Continue);
            let action = action.map_err(|why| invalid(call, &why))?;
            native.answer(arn, field("hookId"), action, now)
        }
        _ if matches!(input["stopType"].as_str(), None | Some("ROLLBACK")) => native.stop(arn, now),
        _ => return Err(invalid(call, "ROLLBACK is the only stop type")),
    };
    match done {
        Ok(()) => Ok(json!({"serviceDeploymentArn": arn})),
        Err(Refusal::Missing) => Err(missing(call)),
        Err(Refusal::Not(why)) if call == Call::StopServiceDeployment => {
            Err(answer(call, ErrorKind::Conflict, "ConflictException", &why))
        }
        Err(Refusal::Not(why)) => Err(invalid(call, &why)),
    }
}

/// Sets how the service is deployed from now on. A service keeps what the request leaves out.
pub(super) fn configure(fleet: &mut Fleet, call: Call, input: &Value) -> Result<(), ApiError> {
    let Some(wanted) = input
        .get("deploymentConfiguration")
        .and_then(Value::as_object)
    else {
        return Ok(());
    };
    let is_native = fleet.native.is_some();
    let Some(service) = fleet.service.as_mut() else {
        return Ok(());
    };
    let known = service.settings.get("deploymentConfiguration");
    let known = known.and_then(Value::as_object).cloned();
    let mut merged = known.unwrap_or_default();
    merged.extend(wanted.clone());
    let merged = Value::Object(merged);
    let read = Configuration::read(&merged).map_err(|why| invalid(call, &why))?;
    if !is_native && !read.is_rolling() {
        let why = "an alternate target group is required; this world has none for its service";
        return Err(invalid(call, why));
    }
    let settings = &mut service.settings;
    settings.insert("deploymentConfiguration".to_owned(), merged);
    Ok(())
}

/// Begins a deployment if the request asks for one: for another task definition, or by force.
pub(super) fn begin(
    fleet: &mut Fleet,
    now: Duration,
    call: Call,
    revision: Option<String>,
    is_forced: bool,
) -> Result<(), ApiError> {
    let Some(native) = &fleet.native else {
        return Ok(());
    };
    let wanted = native.wanted().task_definition.clone();
    let revision = revision.unwrap_or_else(|| wanted.clone());
    if revision == wanted && !is_forced {
        return Ok(());
    }
    let begun = fleet.begin(now, &revision, Writer::Caller);
    begun.map_err(|why| invalid(call, &why))
}

/// What DescribeServices shows of such a service, instead of what it shows of another.
pub(super) fn shown(world: &World, native: &Native, now: Duration) -> Map<String, Value> {
    let places = match native.active() {
        Some(one) => {
            let older = one.sources.iter().copied();
            std::iter::once(one.target).chain(older).collect()
        }
        None => vec![native.live_place()],
    };
    let mut all = [0; 3];
    let (mut deployments, mut revisions) = (Vec::new(), Vec::new());
    for (turn, place) in places.into_iter().enumerate() {
        let revision = &native.revisions[place];
        let [requested, running, pending] = world.task_counts(place, now);
        for (sum, count) in all.iter_mut().zip([requested, running, pending]) {
            *sum += count;
        }
        revisions.push(json!({
            "arn": revision.arn, "requestedTaskCount": requested,
            "runningTaskCount": running, "pendingTaskCount": pending,
        }));
        let is_over = native.active().is_none() || turn > 0;
        deployments.push(json!({
            "id": format!("ecs-svc/{}", 5_000_000_000_000_000_001_u64 + place as u64),
            "status": if turn == 0 { "PRIMARY" } else { "ACTIVE" },
            "taskDefinition": revision.task_definition, "desiredCount": requested,
            "runningCount": running, "pendingCount": pending, "failedTasks": 0,
            "rolloutState": if is_over { "COMPLETED" } else { "IN_PROGRESS" },
            "createdAt": date(revision.created),
        }));
    }
    let [_, running, pending] = all;
    let mut shown = Map::new();
    for (field, value) in [
        ("deployments", Value::Array(deployments)),
        ("currentServiceRevisions", Value::Array(revisions)),
        ("runningCount", json!(running)),
        ("pendingCount", json!(pending)),
        ("taskDefinition", json!(native.wanted().task_definition)),
    ] {
        shown.insert(field.to_owned(), value);
    }
    if let Some(newest) = native.deployments.last() {
        shown.insert("currentServiceDeployment".to_owned(), json!(newest.arn));
    }
    shown
}

fn invalid(call: Call, why: &str) -> ApiError {
    answer(call, ErrorKind::Invalid, "InvalidParameterException", why)
}

fn missing(call: Call) -> ApiError {
    let (code, message) = (
        "ServiceDeploymentNotFoundException",
        "Service deployment not found.",
    );
    answer(call, ErrorKind::NotFound, code, message)
}
