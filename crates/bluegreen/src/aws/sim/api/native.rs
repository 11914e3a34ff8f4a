//! ECS's reads of service deployments and revisions, as the simulation answers them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    aws::{
        api::ApiError,
        sim::{
            fault::{Call, answer},
            mutation::{ecs::attachments, native::date},
            state::{
                fleet::{CLUSTER, SERVICE},
                native::{Native, deployment::Deployment, hook::Hook, stage::Status},
                rules,
                world::World,
            },
        },
    },
    error::ErrorKind,
    traffic::Side,
};

const ARN: &str = "arn:aws:ecs:us-east-1:123456789012";
/// The most that one call describes.
const MOST: usize = 20;

/// The answer of DescribeServiceDeployments.
pub(super) fn describe(world: &World, now: Duration, input: &Value) -> Result<Value, ApiError> {
    let asked = asked(
        Call::DescribeServiceDeployments,
        input,
        "serviceDeploymentArns",
    )?;
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for arn in asked {
        let native = world.fleet.native.as_ref();
        let one = native.and_then(|native| {
            let one = native.deployments.iter().find(|one| one.arn == arn)?;
            Some(described(world, native, one, now))
        });
        match one {
            Some(one) => found.push(one),
            None => failures.push(json!({"arn": arn, "reason": "MISSING"})),
        }
    }
    Ok(json!({"serviceDeployments": found, "failures": failures}))
}

/// The answer of DescribeServiceRevisions about a service whose traffic ECS moves.
pub(super) fn describe_revisions(world: &World, input: &Value) -> Result<Value, ApiError> {
    let asked = asked(Call::DescribeServiceRevisions, input, "serviceRevisionArns")?;
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for arn in asked {
        match revision(world, arn) {
            Some(one) => found.push(one),
            None => failures.push(json!({"arn": arn, "reason": "MISSING"})),
        }
    }
    Ok(json!({"serviceRevisions": found, "failures": failures}))
}

fn asked<'a>(call: Call, input: &'a Value, field: &str) -> Result<Vec<&'a str>, ApiError> {
    let asked = input[field].as_array().into_iter().flatten();
    let asked: Vec<&str> = asked.filter_map(Value::as_str).collect();
    if asked.is_empty() || asked.len() > MOST {
        return Err(invalid(call, &format!("{field} takes 1 to {MOST} ARNs")));
    }
    Ok(asked)
}

fn revision(world: &World, arn: &str) -> Option<Value> {
    let native = world.fleet.native.as_ref()?;
    let service = world.fleet.service.as_ref()?;
    let place = native.revisions.iter().position(|one| one.arn == arn)?;
    let one = &native.revisions[place];
    let mut shown = Value::Object(attachments(service));
    for (field, value) in [
        ("serviceRevisionArn", json!(one.arn)),
        ("serviceArn", service_arn()),
        ("clusterArn", cluster_arn()),
        ("taskDefinition", json!(one.task_definition)),
        ("createdAt", date(one.created)),
    ] {
        shown[field] = value;
    }
    let mut pending = native.deployments.iter();
    // ECS chooses the group when the deployment starts.
    if !pending.any(|one| one.target == place && one.status == Status::Pending) {
        let group = match one.side {
            Side::Blue => rules::blue(),
            Side::Green => rules::green(),
        };
        let balanced = &service.settings["loadBalancers"][0];
        let rule = &balanced["advancedConfiguration"]["productionListenerRule"];
        shown["resolvedConfiguration"] = json!({"loadBalancers": [
            {"targetGroupArn": group.as_str(), "productionListenerRule": rule}
        ]});
    }
    Some(shown)
}

fn service_arn() -> Value {
    json!(format!("{ARN}:service/{CLUSTER}/{SERVICE}"))
}

fn cluster_arn() -> Value {
    json!(format!("{ARN}:cluster/{CLUSTER}"))
}

/// What a list and a description of a deployment have in common.
fn brief(one: &Deployment) -> Value {
    let mut shown = json!({
        "serviceDeploymentArn": one.arn, "serviceArn": service_arn(), "clusterArn": cluster_arn(),
        "createdAt": date(one.created), "status": one.status.as_str(),
    });
    if let Some(at) = one.started {
        shown["startedAt"] = date(at);
    }
    if let Some(at) = one.finished {
        shown["finishedAt"] = date(at);
    }
    if let Some(reason) = &one.reason {
        shown["statusReason"] = json!(reason);
    }
    shown
}

fn described(world: &World, native: &Native, one: &Deployment, now: Duration) -> Value {
    let mut shown = brief(one);
    let sources = one.sources.iter();
    let sources = sources.map(|place| share(world, native, *place, now));
    shown["sourceServiceRevisions"] = sources.collect();
    shown["targetServiceRevision"] = share(world, native, one.target, now);
    shown["updatedAt"] = date(one.updated);
    if one.status == Status::Stopped
        && let Some(at) = one.finished
    {
        shown["stoppedAt"] = date(at);
    }
    if let Some(stage) = one.stage() {
        shown["lifecycleStage"] = json!(stage);
    }
    if !one.hooks().is_empty() {
        shown["lifecycleHookDetails"] = one.hooks().iter().map(hook).collect();
    }
    shown["deploymentConfiguration"] = one.configuration.written.clone();
    if let Some(rollback) = &one.rollback {
        let back = one
            .sources
            .first()
            .map(|place| &native.revisions[*place].arn);
        shown["rollback"] = json!({
            "reason": rollback.reason, "startedAt": date(rollback.started),
            "serviceRevisionArn": back,
        });
    }
    let names = &one.configuration.alarms;
    // Alarms that are not watched are shown as if there were none.
    let is_watched = !world.watched(one).is_empty();
    let monitors = match (!is_watched, one.triggered.is_empty()) {
        (true, _) => "DISABLED",
        (false, false) => "TRIGGERED",
        (false, true) if one.status.is_over() => "MONITORING_COMPLETE",
        (false, true) => "MONITORING",
    };
    shown["alarms"] = json!({
        "status": monitors, "alarmNames": names, "triggeredAlarmNames": one.triggered
    });
    shown
}

/// A revision with its tasks and its shares of the traffic.
fn share(world: &World, native: &Native, place: usize, now: Duration) -> Value {
    let revision = &native.revisions[place];
    let [requested, running, pending] = world.task_counts(place, now);
    let is_there = native.tasks_of(place).is_some();
    let production = match is_there {
        true => f64::from(*native.production.get(revision.side)) / 10.0,
        false => 0.0,
    };
    let test = match is_there && native.test == revision.side {
        true => 100.0,
        false => 0.0,
    };
    json!({
        "arn": revision.arn, "requestedTaskCount": requested, "runningTaskCount": running,
        "pendingTaskCount": pending, "requestedTestTrafficWeight": test,
        "requestedProductionTrafficWeight": production,
    })
}

fn hook(hook: &Hook) -> Value {
    let mut shown = json!({
        "hookId": hook.id, "targetType": "PAUSE", "status": hook.status(),
        "expiresAt": date(hook.expires()), "timeoutAction": hook.on_timeout().as_str(),
    });
    if let Some(function) = hook.function() {
        shown["targetType"] = json!("AWS_LAMBDA");
        shown["targetArn"] = json!(function);
    }
    shown
}

/// The answer of ListServiceDeployments: the newest first, a page of them.
pub(super) fn list(world: &World, input: &Value) -> Result<Value, ApiError> {
    let call = Call::ListServiceDeployments;
    let last = |name: &str| {
        let text = input[name].as_str().unwrap_or_default();
        text.rsplit('/').next().unwrap_or(text)
    };
    if last("cluster") != CLUSTER {
        let (code, message) = ("ClusterNotFoundException", "Cluster not found.");
        return Err(answer(call, ErrorKind::NotFound, code, message));
    }
    if last("service") != SERVICE || world.fleet.service.is_none() {
        let (code, message) = ("ServiceNotFoundException", "Service not found.");
        return Err(answer(call, ErrorKind::NotFound, code, message));
    }
    let size = match &input["maxResults"] {
        Value::Null => MOST,
        size => {
            let size = size.as_u64().filter(|size| (1..=100).contains(size));
            let size = size.and_then(|size| usize::try_from(size).ok());
            size.ok_or_else(|| invalid(call, "maxResults must be from 1 to 100"))?
        }
    };
    let from = match input["nextToken"].as_str() {
        None => 0,
        Some(token) => {
            let from = token.strip_prefix("deployments-");
            let from = from.and_then(|from| from.parse::<usize>().ok());
            from.ok_or_else(|| invalid(call, "The token is invalid"))?
        }
    };
    let native = world.fleet.native.iter();
    let all = native.flat_map(|native| {
        let newest_first = native.deployments.iter().rev();
        newest_first.map(|one| {
            let mut brief = brief(one);
            let target = &native.revisions[one.target];
            brief["targetServiceRevisionArn"] = json!(target.arn);
            brief
        })
    });
    let found: Vec<Value> = all.filter(|one| is_wanted(one, input)).collect();
    let page: Vec<&Value> = found.iter().skip(from).take(size).collect();
    let mut answer = json!({"serviceDeployments": page});
    if from + size < found.len() {
        answer["nextToken"] = json!(format!("deployments-{}", from + size));
    }
    Ok(answer)
}

fn is_wanted(one: &Value, input: &Value) -> bool {
    let created = one["createdAt"].as_f64().unwrap_or_default();
    let bound = |name: &str| input["createdAt"][name].as_f64();
    let statuses = input["status"].as_array();
    let is_of = statuses.is_none_or(|wanted| wanted.is_empty() || wanted.contains(&one["status"]));
    is_of
        && bound("after").is_none_or(|after| created > after)
        && bound("before").is_none_or(|before| created < before)
}

fn invalid(call: Call, why: &str) -> ApiError {
    answer(call, ErrorKind::Invalid, "InvalidParameterException", why)
}
