//! What AWS makes of a request: what it fills in, converts and keeps no order of.
//!
//! One table for both sides: a comparison undoes it, and the simulation does it.

use std::cmp::Reverse;

use serde_json::{Map, Value};

use super::task_rules::units;
use crate::aws::document::{is_said, text};

/// What becomes of one place. A path names every entry of a list by `[]`.
#[derive(Debug)]
struct Conversion {
    path: &'static str,
    does: Does,
    when: When,
    /// The page of the API, without its common beginning, and what confirms it.
    #[cfg_attr(not(test), expect(dead_code, reason = "for a reader who doubts a row"))]
    source: &'static str,
}

#[derive(Debug, Clone, Copy)]
enum Does {
    /// Stands for nothing said; AWS answers with it.
    Fills(&'static str),
    /// Stands for nothing said; AWS answers as it was asked.
    Means(&'static str),
    /// A number of a larger unit becomes one of the smaller.
    Counts(&'static str),
    /// The port on the host: the container's, or one that is chosen at start.
    HostPort,
    /// The order says nothing.
    Sorts,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Always,
    /// The task can run on Fargate.
    Fargate,
    /// The service runs so many copies as it is told.
    Replica,
    /// The service runs one copy on each instance.
    Daemon,
}

const fn row(path: &'static str, does: Does, when: When, source: &'static str) -> Conversion {
    Conversion {
        path,
        does,
        when,
        source,
    }
}

/// [RegisterTaskDefinition](https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RegisterTaskDefinition.html).
/// "Dumps" are task definitions that people published as `describe-task-definition` printed them.
const TASK_DEFINITION: &[Conversion] = {
    use Does::{Counts, Fills, HostPort, Means, Sorts};
    use When::{Always, Fargate};
    &[
        row(
            "cpu",
            Counts("vcpu"),
            Always,
            "API_RegisterTaskDefinition; moto keeps it",
        ),
        row(
            "memory",
            Counts("gb"),
            Always,
            "API_RegisterTaskDefinition; moto keeps it",
        ),
        row(
            "enableFaultInjection",
            Fills("false"),
            Always,
            "API_RegisterTaskDefinition; dumps since 2024",
        ),
        row(
            "networkMode",
            Means("\"bridge\""),
            Always,
            "API_RegisterTaskDefinition",
        ),
        row("pidMode", Means("\"\""), Always, "answers of emulators"),
        row("ipcMode", Means("\"\""), Always, "answers of emulators"),
        row("volumes", Fills("[]"), Always, "dumps"),
        row("volumes", Sorts, Always, "named by mountPoints"),
        row("placementConstraints", Fills("[]"), Always, "dumps"),
        row("placementConstraints", Sorts, Always, "all must hold"),
        row("requiresCompatibilities", Sorts, Always, "a set"),
        row("tags", Sorts, Always, "found by key"),
        row(
            "containerDefinitions[].cpu",
            Fills("0"),
            Always,
            "API_ContainerDefinition; dumps",
        ),
        row(
            "containerDefinitions[].essential",
            Fills("true"),
            Always,
            "API_ContainerDefinition; dumps",
        ),
        row(
            "containerDefinitions[].portMappings",
            Fills("[]"),
            Always,
            "dumps",
        ),
        row(
            "containerDefinitions[].environment",
            Fills("[]"),
            Always,
            "dumps",
        ),
        row(
            "containerDefinitions[].mountPoints",
            Fills("[]"),
            Always,
            "dumps",
        ),
        row(
            "containerDefinitions[].volumesFrom",
            Fills("[]"),
            Always,
            "dumps",
        ),
        row(
            "containerDefinitions[].systemControls",
            Fills("[]"),
            Always,
            "dumps since 2024",
        ),
        row(
            "containerDefinitions[].portMappings[].protocol",
            Fills("\"tcp\""),
            Always,
            "API_PortMapping; dumps",
        ),
        row(
            "containerDefinitions[].portMappings[].hostPort",
            HostPort,
            Always,
            "API_PortMapping; dumps",
        ),
        row(
            "containerDefinitions[].healthCheck.interval",
            Fills("30"),
            Always,
            "API_HealthCheck; dumps",
        ),
        row(
            "containerDefinitions[].healthCheck.timeout",
            Fills("5"),
            Always,
            "API_HealthCheck; dumps",
        ),
        row(
            "containerDefinitions[].healthCheck.retries",
            Fills("3"),
            Always,
            "API_HealthCheck; dumps",
        ),
        row(
            "containerDefinitions[].healthCheck.startPeriod",
            Means("0"),
            Always,
            "API_HealthCheck: off by default",
        ),
        row(
            "containerDefinitions[].restartPolicy.restartAttemptPeriod",
            Means("300"),
            Always,
            "API_ContainerRestartPolicy",
        ),
        row(
            "containerDefinitions[].versionConsistency",
            Means("\"enabled\""),
            Always,
            "API_ContainerDefinition",
        ),
        row(
            "containerDefinitions[].stopTimeout",
            Means("30"),
            Fargate,
            "API_ContainerDefinition",
        ),
        row(
            "containerDefinitions[].mountPoints[].readOnly",
            Means("false"),
            Always,
            "API_MountPoint",
        ),
        row(
            "containerDefinitions[].volumesFrom[].readOnly",
            Means("false"),
            Always,
            "API_VolumeFrom",
        ),
        row(
            "containerDefinitions[].linuxParameters.swappiness",
            Means("60"),
            Always,
            "API_LinuxParameters",
        ),
        row(
            "containerDefinitions[].linuxParameters.devices[].permissions",
            Means(r#"["read","write","mknod"]"#),
            Always,
            "API_Device",
        ),
        row(
            "volumes[].efsVolumeConfiguration.rootDirectory",
            Fills("\"/\""),
            Always,
            "API_EFSVolumeConfiguration; dumps",
        ),
        row(
            "volumes[].efsVolumeConfiguration.transitEncryption",
            Means("\"DISABLED\""),
            Always,
            "API_EFSVolumeConfiguration",
        ),
        row(
            "volumes[].efsVolumeConfiguration.authorizationConfig.iam",
            Means("\"DISABLED\""),
            Always,
            "API_EFSAuthorizationConfig",
        ),
        row(
            "volumes[].s3filesVolumeConfiguration.rootDirectory",
            Means("\"/\""),
            Always,
            "API_S3FilesVolumeConfiguration",
        ),
        row(
            "containerDefinitions",
            Sorts,
            Always,
            "dependsOn says what starts when",
        ),
        row(
            "containerDefinitions[].environment",
            Sorts,
            Always,
            "found by name",
        ),
        row(
            "containerDefinitions[].secrets",
            Sorts,
            Always,
            "found by name",
        ),
        row(
            "containerDefinitions[].mountPoints",
            Sorts,
            Always,
            "found by containerPath",
        ),
        row(
            "containerDefinitions[].portMappings",
            Sorts,
            Always,
            "a set",
        ),
        row("containerDefinitions[].volumesFrom", Sorts, Always, "a set"),
        row(
            "containerDefinitions[].dependsOn",
            Sorts,
            Always,
            "all must hold",
        ),
        row(
            "containerDefinitions[].ulimits",
            Sorts,
            Always,
            "found by name",
        ),
        row(
            "containerDefinitions[].systemControls",
            Sorts,
            Always,
            "found by namespace",
        ),
        row(
            "containerDefinitions[].resourceRequirements",
            Sorts,
            Always,
            "found by type",
        ),
        row(
            "containerDefinitions[].logConfiguration.secretOptions",
            Sorts,
            Always,
            "found by name",
        ),
        row(
            "containerDefinitions[].linuxParameters.capabilities.add",
            Sorts,
            Always,
            "a set",
        ),
        row(
            "containerDefinitions[].linuxParameters.capabilities.drop",
            Sorts,
            Always,
            "a set",
        ),
    ]
};

/// [CreateService](https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateService.html).
const SERVICE: &[Conversion] = {
    use Does::{Fills, Means};
    use When::{Always, Daemon, Replica};
    &[
        row(
            "schedulingStrategy",
            Fills("\"REPLICA\""),
            Always,
            "API_Service; public describe outputs",
        ),
        row(
            "deploymentController.type",
            Means("\"ECS\""),
            Always,
            "API_CreateService",
        ),
        row(
            "enableECSManagedTags",
            Fills("false"),
            Always,
            "public describe outputs",
        ),
        row(
            "enableExecuteCommand",
            Fills("false"),
            Always,
            "public describe outputs",
        ),
        row(
            "propagateTags",
            Fills("\"NONE\""),
            Always,
            "API_CreateService; public describe outputs",
        ),
        row(
            "placementConstraints",
            Fills("[]"),
            Always,
            "public describe outputs",
        ),
        row(
            "placementStrategy",
            Fills("[]"),
            Always,
            "public describe outputs",
        ),
        row(
            "serviceRegistries",
            Fills("[]"),
            Always,
            "public describe outputs",
        ),
        row(
            "loadBalancers",
            Fills("[]"),
            Always,
            "public describe outputs",
        ),
        row(
            "healthCheckGracePeriodSeconds",
            Means("0"),
            Always,
            "API_CreateService",
        ),
        row(
            "platformVersion",
            Means("\"LATEST\""),
            Always,
            "API_CreateService",
        ),
        row(
            "networkConfiguration.awsvpcConfiguration.assignPublicIp",
            Fills("\"DISABLED\""),
            Always,
            "API_AwsVpcConfiguration",
        ),
        row(
            "capacityProviderStrategy[].weight",
            Fills("0"),
            Always,
            "API_CapacityProviderStrategyItem",
        ),
        row(
            "capacityProviderStrategy[].base",
            Fills("0"),
            Always,
            "API_CapacityProviderStrategyItem",
        ),
        row(
            "deploymentConfiguration.maximumPercent",
            Fills("200"),
            Replica,
            "API_DeploymentConfiguration",
        ),
        row(
            "deploymentConfiguration.maximumPercent",
            Fills("100"),
            Daemon,
            "API_DeploymentConfiguration",
        ),
        row(
            "deploymentConfiguration.minimumHealthyPercent",
            Fills("100"),
            Replica,
            "API_DeploymentConfiguration",
        ),
        row(
            "deploymentConfiguration.minimumHealthyPercent",
            Fills("0"),
            Daemon,
            "API_DeploymentConfiguration",
        ),
        row(
            "deploymentConfiguration.strategy",
            Fills("\"ROLLING\""),
            Always,
            "API_DeploymentConfiguration",
        ),
        row(
            "deploymentConfiguration.bakeTimeInMinutes",
            Fills("0"),
            Always,
            "public describe outputs since 2025",
        ),
        row(
            "deploymentConfiguration.deploymentCircuitBreaker.enable",
            Means("false"),
            Always,
            "API_DeploymentCircuitBreaker",
        ),
        row(
            "deploymentConfiguration.deploymentCircuitBreaker.rollback",
            Means("false"),
            Always,
            "API_DeploymentCircuitBreaker",
        ),
        row(
            "deploymentConfiguration.deploymentCircuitBreaker.resetOnHealthyTask",
            Means("true"),
            Always,
            "API_DeploymentCircuitBreaker",
        ),
        row(
            "deploymentConfiguration.deploymentCircuitBreaker.thresholdConfiguration.type",
            Means("\"BOUNDED_PERCENT\""),
            Always,
            "API_ThresholdConfiguration",
        ),
        row(
            "deploymentConfiguration.deploymentCircuitBreaker.thresholdConfiguration.value",
            Means("50"),
            Always,
            "API_ThresholdConfiguration",
        ),
    ]
};

/// A task definition without what AWS fills in, converts and reorders: equal for two that run the
/// same.
pub(super) fn canonical(document: &Map<String, Value>) -> Value {
    let mut value = Value::Object(document.clone());
    without_empty(&mut value);
    let is_equal_port = has_equal_ports(&value);
    let all: Vec<&Conversion> = rows(TASK_DEFINITION, &value).collect();
    for conversion in &all {
        visit(&mut value, conversion.path, &mut |object, field| {
            let Some(found) = object.get(field).cloned() else {
                return;
            };
            match conversion.does {
                Does::Fills(default) | Does::Means(default) => {
                    if found == read(default) {
                        object.remove(field);
                    }
                }
                Does::Counts(unit) => count(object, field, unit),
                Does::HostPort => {
                    let is_own = is_equal_port && Some(&found) == object.get("containerPort");
                    if found == 0 || is_own {
                        object.remove(field);
                    }
                }
                Does::Sorts => {}
            }
        });
    }
    without_empty(&mut value);
    // Entries are compared by all that they hold, so the innermost lists come first.
    let mut sorts = all;
    sorts.retain(|row| matches!(row.does, Does::Sorts));
    sorts.sort_by_key(|row| Reverse(row.path.matches('.').count()));
    for conversion in sorts {
        visit(&mut value, conversion.path, &mut sort);
    }
    value
}

/// A task definition as DescribeTaskDefinition answers it.
#[cfg(any(test, feature = "sim"))]
pub(in crate::aws) fn described(document: &Map<String, Value>) -> Map<String, Value> {
    let is_equal_port = has_equal_ports(&Value::Object(document.clone()));
    answered(document, TASK_DEFINITION, is_equal_port)
}

/// What DescribeServices answers of a service that was made so.
#[cfg(any(test, feature = "sim"))]
pub(in crate::aws) fn described_service(document: &Map<String, Value>) -> Map<String, Value> {
    answered(document, SERVICE, false)
}

#[cfg(any(test, feature = "sim"))]
fn answered(
    document: &Map<String, Value>,
    table: &'static [Conversion],
    is_equal_port: bool,
) -> Map<String, Value> {
    let mut value = Value::Object(document.clone());
    without_null(&mut value);
    for conversion in rows(table, &value.clone()) {
        visit(&mut value, conversion.path, &mut |object, field| {
            match conversion.does {
                Does::Fills(default) => {
                    object.entry(field).or_insert_with(|| read(default));
                }
                Does::Counts(unit) => count(object, field, unit),
                Does::HostPort => {
                    let own = object.get("containerPort").cloned();
                    let asked = object.get(field).filter(|port| **port != 0);
                    let port = match (asked, own) {
                        (Some(_), _) | (_, None) => return,
                        (None, Some(own)) if is_equal_port => own,
                        (None, Some(_)) => Value::from(0),
                    };
                    object.insert(field.to_owned(), port);
                }
                // Callers name containers in messages, so these stay as they are.
                Does::Sorts if field != "containerDefinitions" => {
                    sort(object, field);
                    if let Some(Value::Array(list)) = object.get_mut(field) {
                        list.reverse();
                    }
                }
                Does::Sorts | Does::Means(_) => {}
            }
        });
    }
    match value {
        Value::Object(answered) => answered,
        _ => Map::new(),
    }
}

/// What a place of a service holds if nothing is said there; `false` if AWS states nothing.
pub(super) fn default_of_service(path: &str, described: &Value) -> Value {
    let found = rows(SERVICE, described).find(|row| row.path == path);
    found.map_or(Value::Bool(false), |row| match row.does {
        Does::Fills(default) | Does::Means(default) => read(default),
        _ => Value::Null,
    })
}

fn rows<'a>(
    table: &'static [Conversion],
    document: &'a Value,
) -> impl Iterator<Item = &'static Conversion> + 'a {
    let compatible = document.get("requiresCompatibilities");
    let compatible = compatible.and_then(Value::as_array);
    let is_fargate = compatible.is_some_and(|all| all.iter().any(|one| one == "FARGATE"));
    let is_daemon = text(document, "schedulingStrategy") == "DAEMON";
    table.iter().filter(move |row| match row.when {
        When::Always => true,
        When::Fargate => is_fargate,
        When::Daemon => is_daemon,
        When::Replica => !is_daemon,
    })
}

/// In these modes a port on the host is the container's own.
fn has_equal_ports(document: &Value) -> bool {
    ["awsvpc", "host"].contains(&text(document, "networkMode"))
}

/// Every object that may have the field at the end of a path, and that field.
fn visit(value: &mut Value, path: &str, act: &mut dyn FnMut(&mut Map<String, Value>, &str)) {
    let Some((step, rest)) = path.split_once('.') else {
        if let Value::Object(object) = value {
            act(object, path);
        }
        return;
    };
    match step.strip_suffix("[]") {
        Some(name) => {
            let list = value.get_mut(name).and_then(Value::as_array_mut);
            for one in list.into_iter().flatten() {
                visit(one, rest, act);
            }
        }
        None => {
            if let Some(inner) = value.get_mut(step) {
                visit(inner, rest, act);
            }
        }
    }
}

fn count(object: &mut Map<String, Value>, field: &str, unit: &str) {
    let size = object.get(field).and_then(Value::as_str);
    if let Some(size) = size.and_then(|size| units(size, unit)) {
        object.insert(field.to_owned(), Value::String(size.to_string()));
    }
}

fn sort(object: &mut Map<String, Value>, field: &str) {
    if let Some(Value::Array(list)) = object.get_mut(field) {
        list.sort_by_cached_key(Value::to_string);
    }
}

/// A value of the table.
fn read(default: &str) -> Value {
    serde_json::from_str(default).unwrap_or_default()
}

/// An absent list, an empty one and null are the same to AWS.
fn without_empty(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.values_mut().for_each(without_empty);
            object.retain(|_, inner| is_said(inner));
        }
        Value::Array(list) => list.iter_mut().for_each(without_empty),
        _ => {}
    }
}

#[cfg(any(test, feature = "sim"))]
fn without_null(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.retain(|_, inner| !inner.is_null());
            object.values_mut().for_each(without_null);
        }
        Value::Array(list) => list.iter_mut().for_each(without_null),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
