//! The changes and answers of ECS: its requests are JSON already.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{
    Mutation, blue, native,
    rollout::{OF_DEPLOYMENTS, deployments, events, invalid, revision},
};
use crate::{
    aws::{
        api::ApiError,
        ecs::conversions,
        sim::{
            fault::{Call, answer},
            state::{
                change::Writer,
                fleet::{CLUSTER, Fate, Fleet, SERVICE, Service},
                world::World,
            },
        },
    },
    error::ErrorKind,
    traffic::Side,
};

/// A change of services and revisions.
#[derive(Debug, PartialEq)]
pub(in crate::aws::sim) struct EcsMutation {
    pub(in crate::aws::sim) call: Call,
    pub(in crate::aws::sim) input: Value,
}

impl Mutation for EcsMutation {
    type Output = Value;

    fn call(&self) -> Call {
        self.call
    }

    fn to_json(&self) -> Value {
        self.input.clone()
    }

    fn from_json(call: Call, json: &Value) -> Self {
        let input = json.clone();
        Self { call, input }
    }

    fn happen(&self, world: &mut World, now: Duration) -> Result<Value, ApiError> {
        if blue::is_about(&self.input) {
            return blue::change(world, now, self.call, &self.input);
        }
        serve(world, now, self.call, &self.input)
    }
}

const ARN: &str = "arn:aws:ecs:us-east-1:123456789012";

/// Lets a request have its effect, and returns ECS's answer.
pub(in crate::aws::sim) fn serve(
    world: &mut World,
    now: Duration,
    call: Call,
    input: &Value,
) -> Result<Value, ApiError> {
    let fleet = &mut world.fleet;
    let field = |name: &str| input.get(name).and_then(Value::as_str).unwrap_or_default();
    if !matches!(
        call,
        Call::ContinueServiceDeployment
            | Call::DescribeServiceDeployments
            | Call::DescribeServiceRevisions
            | Call::DescribeTaskDefinition
            | Call::ListTaskDefinitions
            | Call::RegisterTaskDefinition
            | Call::StopServiceDeployment
            | Call::TagResource
    ) && field("cluster") != CLUSTER
    {
        return Err(no_cluster(call));
    }
    match call {
        Call::DescribeServiceRevisions => {
            let asked = input["serviceRevisionArns"].as_array();
            let service = fleet.service.as_ref().ok_or_else(|| no_service(call))?;
            let revisions = asked.into_iter().flatten().map(|arn| {
                let mut revision = attachments(service);
                revision.insert("serviceRevisionArn".to_owned(), arn.clone());
                Value::Object(revision)
            });
            Ok(json!({"serviceRevisions": revisions.collect::<Vec<_>>(), "failures": []}))
        }
        Call::CreateService => {
            let name = field("serviceName");
            if name != SERVICE {
                return Err(invalid(call, "this simulation has one service only"));
            }
            if fleet.service.is_some() {
                return Err(invalid(call, "Creation of service was not idempotent."));
            }
            let revision = revision(fleet, call, field("taskDefinition"))?;
            let desired = input
                .get("desiredCount")
                .and_then(Value::as_u64)
                .unwrap_or(1);
            let settings = input.as_object().cloned().unwrap_or_default();
            let mut service = Service::new(settings, u32::try_from(desired).unwrap_or(1));
            write_tags(&mut service, input);
            fleet.service = Some(service);
            fleet.deploy(Side::Green, now, &revision, Writer::Caller);
            Ok(answered(world, now))
        }
        Call::UpdateService => {
            if fleet.service.is_none() || field("service") != SERVICE {
                return Err(no_service(call));
            }
            update(fleet, now, call, input)?;
            if let (Some(wanted), None) = (desired_of(input), &world.fleet.native) {
                world.scale(Side::Green, now, wanted);
            }
            Ok(answered(world, now))
        }
        Call::ContinueServiceDeployment | Call::StopServiceDeployment => {
            native::change(fleet, now, call, input)
        }
        Call::DeleteService => {
            let Some(service) = fleet
                .service
                .as_ref()
                .filter(|_| field("service") == SERVICE)
            else {
                return Err(no_service(call));
            };
            if service.desired > 0 && input.get("force") != Some(&json!(true)) {
                let message = "The service cannot be stopped while it is scaled above 0.";
                let (kind, code) = (ErrorKind::Invalid, "InvalidParameterException");
                return Err(answer(call, kind, code, message));
            }
            let answer = answered(world, now);
            world.fleet.service = None;
            Ok(answer)
        }
        Call::TagResource => {
            let Some(service) = fleet.service.as_mut() else {
                return Err(no_service(call));
            };
            write_tags(service, input);
            Ok(json!({}))
        }
        Call::RegisterTaskDefinition => {
            let definition = input.as_object().cloned().unwrap_or_default();
            let arn = fleet.register(definition.clone());
            Ok(task_definition(&arn, &definition))
        }
        Call::DescribeTaskDefinition => {
            let found = fleet.find(field("taskDefinition"));
            let (arn, definition, _) =
                found.ok_or_else(|| invalid(call, "Unable to describe task definition."))?;
            Ok(task_definition(arn, definition))
        }
        Call::ListTaskDefinitions => {
            let newest = fleet.find(field("familyPrefix"));
            let arns: Vec<&String> = newest.iter().map(|(arn, ..)| arn).collect();
            Ok(json!({"taskDefinitionArns": arns}))
        }
        Call::ListTasks => {
            Ok(json!({"taskArns": dead(fleet, now).iter().map(|(arn, _)| arn).collect::<Vec<_>>()}))
        }
        Call::DescribeTasks => {
            let tasks = dead(fleet, now).into_iter().map(|(arn, by)| {
                json!({
                    "taskArn": arn, "startedBy": by, "lastStatus": "STOPPED",
                    "stopCode": "EssentialContainerExited",
                    "stoppedReason": "Essential container in task exited",
                    "containers": [{"name": "chatbot-fastapi", "exitCode": 1}]
                })
            });
            Ok(json!({"tasks": tasks.collect::<Vec<_>>(), "failures": []}))
        }
        _ => Err(invalid(call, "not an operation of ECS")),
    }
}

/// Changes the service: its count, how it is deployed, and its task definition, which begins a deployment.
fn update(fleet: &mut Fleet, now: Duration, call: Call, input: &Value) -> Result<(), ApiError> {
    let wanted = input.get("taskDefinition").and_then(Value::as_str);
    let wanted = wanted.map(|name| revision(fleet, call, name)).transpose()?;
    native::configure(fleet, call, input)?;
    let forced = input.get("forceNewDeployment") == Some(&json!(true));
    if let Some(service) = fleet.service.as_mut()
        && let Some(desired) = desired_of(input)
    {
        service.desired = desired;
        for deployment in &mut service.deployments {
            deployment.desired = desired;
        }
    }
    if fleet.native.is_some() {
        return native::begin(fleet, now, call, wanted, forced);
    }
    if let Some(revision) = wanted {
        let service = fleet.service.as_ref();
        let primary = service.and_then(|one| one.deployments.first());
        if forced || primary.is_none_or(|one| one.revision != revision) {
            fleet.deploy(Side::Green, now, &revision, Writer::Caller);
        }
    }
    Ok(())
}

/// The fields that only a revision of the service shows.
const OF_REVISIONS: [&str; 2] = ["ecsManagedResources", "gatewayConnectors"];

/// The ways by which clients reach the service, as a revision of it shows them.
pub(in crate::aws::sim) fn attachments(service: &Service) -> Map<String, Value> {
    let all = ["loadBalancers", "serviceRegistries"]
        .into_iter()
        .chain(OF_DEPLOYMENTS)
        .chain(OF_REVISIONS);
    all.filter_map(|field| Some((field.to_owned(), service.settings.get(field)?.clone())))
        .collect()
}

/// The count that a request sets, if it sets one.
fn desired_of(input: &Value) -> Option<u32> {
    let desired = input.get("desiredCount")?.as_u64()?;
    u32::try_from(desired).ok()
}

fn write_tags(service: &mut Service, input: &Value) {
    for tag in input
        .get("tags")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let part = |name: &str| tag.get(name).and_then(Value::as_str).unwrap_or_default();
        service.tag(part("key"), part("value"));
    }
}

/// Copies that died, with the deployment that started each.
fn dead(fleet: &Fleet, now: Duration) -> Vec<(String, String)> {
    let services = fleet.service.iter();
    let deployments = services.flat_map(|one| one.deployments.iter().map(move |own| (one, own)));
    let mut dead = Vec::new();
    for (service, deployment) in deployments {
        if fleet.fate(&deployment.revision) != Fate::Dies {
            continue;
        }
        let number = deployment.id.rsplit('/').next().unwrap_or_default();
        for nth in 0..fleet.progress(service, deployment, now).failed {
            dead.push((
                format!("{ARN}:task/{CLUSTER}/{number}{nth:04}"),
                deployment.id.clone(),
            ));
        }
    }
    dead
}

fn task_definition(arn: &str, definition: &Map<String, Value>) -> Value {
    let mut described = conversions::described(definition);
    let tags = described.remove("tags").unwrap_or_else(|| json!([]));
    let revision: u64 = arn
        .rsplit(':')
        .next()
        .and_then(|n| n.parse().ok())
        .unwrap_or(1);
    for (field, value) in [
        ("taskDefinitionArn", json!(arn)),
        ("revision", json!(revision)),
        ("status", json!("ACTIVE")),
        (
            "requiresAttributes",
            json!([{"name": "ecs.capability.task-eni"}]),
        ),
        ("compatibilities", json!(["EC2", "FARGATE"])),
        ("registeredAt", json!(1_767_603_600.123)),
        (
            "registeredBy",
            json!("arn:aws:iam::123456789012:user/somebody"),
        ),
    ] {
        described.insert(field.to_owned(), value);
    }
    json!({"taskDefinition": described, "tags": tags})
}

fn answered(world: &World, now: Duration) -> Value {
    let service = world.fleet.service.as_ref();
    let service = service.map(|service| described(world, service, now));
    json!({"service": service})
}

fn described(world: &World, service: &Service, now: Duration) -> Value {
    let fleet = &world.fleet;
    let deployments = deployments(fleet, service, &service.deployments, now);
    let running = deployments
        .iter()
        .filter_map(|one| one["runningCount"].as_u64());
    let running_in_all: u64 = running.sum();
    let tags = service
        .tags
        .iter()
        .map(|(key, value)| json!({"key": key, "value": value}));
    let mut described = conversions::described_service(&service.settings);
    described.retain(|field, _| {
        let field = field.as_str();
        !OF_DEPLOYMENTS.contains(&field) && !OF_REVISIONS.contains(&field)
    });
    let revision_arn = format!("{ARN}:service-revision/{CLUSTER}/{SERVICE}/1000000000000000001");
    let revision = service.deployments.first().map(|one| one.revision.clone());
    for (field, value) in [
        (
            "serviceArn",
            json!(format!("{ARN}:service/{CLUSTER}/{SERVICE}")),
        ),
        ("clusterArn", json!(format!("{ARN}:cluster/{CLUSTER}"))),
        ("serviceName", json!(SERVICE)),
        ("status", json!("ACTIVE")),
        ("desiredCount", json!(service.desired)),
        ("runningCount", json!(running_in_all)),
        ("taskDefinition", json!(revision)),
        ("tags", tags.collect()),
        (
            "currentServiceRevisions",
            json!([{"arn": revision_arn, "runningTaskCount": running_in_all}]),
        ),
    ] {
        described.insert(field.to_owned(), value);
    }
    described.insert("deployments".to_owned(), Value::Array(deployments));
    described.insert("events".to_owned(), events(service));
    if let Some(deployed) = &fleet.native {
        described.extend(native::shown(world, deployed, now));
    }
    Value::Object(described)
}

/// The answer of DescribeServices, which may ask for several.
pub(in crate::aws::sim) fn describe(
    world: &World,
    now: Duration,
    input: &Value,
) -> Result<Value, ApiError> {
    let call = Call::DescribeServices;
    let field = |name: &str| input.get(name).and_then(Value::as_str);
    if field("cluster") != Some(CLUSTER) {
        return Err(no_cluster(call));
    }
    let fleet = &world.fleet;
    let (mut services, mut failures) = (Vec::new(), Vec::new());
    let asked = input.get("services").and_then(Value::as_array);
    for asked in asked.into_iter().flatten().filter_map(Value::as_str) {
        let name = asked.rsplit('/').next().unwrap_or(asked);
        let own = fleet.service.as_ref().filter(|_| name == SERVICE);
        let own = own.map(|service| described(world, service, now));
        match own.or_else(|| blue::find(world, now, asked)) {
            Some(service) => services.push(service),
            None => failures.push(json!({"arn": asked, "reason": "MISSING"})),
        }
    }
    Ok(json!({"services": services, "failures": failures}))
}

fn no_cluster(call: Call) -> ApiError {
    let (code, message) = ("ClusterNotFoundException", "Cluster not found.");
    answer(call, ErrorKind::NotFound, code, message)
}

fn no_service(call: Call) -> ApiError {
    answer(
        call,
        ErrorKind::NotFound,
        "ServiceNotFoundException",
        "Service not found.",
    )
}
