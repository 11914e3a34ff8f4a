//! What AWS checks of a task definition beyond its model: what AWS refuses is a refusal here, each
//! with what to write instead; what is merely unwise is a note.
//!
//! If no other page is named, a rule's source is the text of
//! [RegisterTaskDefinition](https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RegisterTaskDefinition.html)
//! and of the types that it names.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::aws::{
    conversions::units,
    document::{Told, each, is_said, list, placeholders, ranges, tags, text, unwise, wrong},
};

/// The sizes of a task on Fargate: CPU units, and memory in MiB from, to, in steps of
/// ([AWS](https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-cpu-memory-error.html)).
const FARGATE: [(u32, u32, u32, u32); 7] = [
    (256, 512, 2048, 512),
    (512, 1024, 4096, 1024),
    (1024, 2048, 8192, 1024),
    (2048, 4096, 16_384, 1024),
    (4096, 8192, 30_720, 1024),
    (8192, 16_384, 61_440, 4096),
    (16_384, 32_768, 122_880, 8192),
];
/// The sizes of the table above that Windows has.
const WINDOWS: [u32; 3] = [1024, 2048, 4096];

/// Ranges that the model does not have.
const RANGES: [(&str, i64, i64); 10] = [
    ("ephemeralStorage.sizeInGiB", 21, 200),
    ("containerDefinitions[].healthCheck.interval", 5, 300),
    ("containerDefinitions[].healthCheck.timeout", 2, 60),
    ("containerDefinitions[].healthCheck.retries", 1, 10),
    ("containerDefinitions[].healthCheck.startPeriod", 0, 300),
    (
        "containerDefinitions[].restartPolicy.restartAttemptPeriod",
        60,
        1800,
    ),
    (
        "containerDefinitions[].portMappings[].containerPort",
        0,
        65_535,
    ),
    ("containerDefinitions[].portMappings[].hostPort", 0, 65_535),
    ("containerDefinitions[].linuxParameters.swappiness", 0, 100),
    ("containerDefinitions[].memory", 4, i64::MAX),
];

/// Fields that a task on Fargate cannot have
/// ([AWS](https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html));
/// `sourcePath`, `devices` and `sharedMemorySize` by the texts of HostVolumeProperties and
/// LinuxParameters.
const NOT_ON_FARGATE: [&str; 15] = [
    "ipcMode",
    "placementConstraints",
    "volumes[].dockerVolumeConfiguration",
    "volumes[].host.sourcePath",
    "containerDefinitions[].disableNetworking",
    "containerDefinitions[].dnsSearchDomains",
    "containerDefinitions[].dnsServers",
    "containerDefinitions[].dockerSecurityOptions",
    "containerDefinitions[].extraHosts",
    "containerDefinitions[].links",
    "containerDefinitions[].privileged",
    "containerDefinitions[].linuxParameters.devices",
    "containerDefinitions[].linuxParameters.maxSwap",
    "containerDefinitions[].linuxParameters.sharedMemorySize",
    "containerDefinitions[].linuxParameters.swappiness",
];

/// Everything that is wrong with a task definition beyond the model.
pub(super) fn task_definition(document: &Value) -> Vec<Told> {
    let mut told = Vec::new();
    placeholders("", document, &mut told);
    told.extend(tags(document, "tags", "key"));
    let family = text(document, "family");
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if family.len() > 255 || !family.chars().all(is_name) {
        let hint = "up to 255 letters, digits, `-` and `_`";
        told.push(wrong("family", format!("`{family}` is no family"), hint));
    }
    told.extend(ranges(document, &RANGES));
    let needs = |name: &str| list(document, "/requiresCompatibilities").any(|(_, one)| one == name);
    let is_fargate = needs("FARGATE");
    if is_fargate {
        told.extend(fargate(document));
    }
    // On Windows a task has only the sizes of its containers, except on Fargate.
    if is_fargate || !is_windows(document) {
        told.extend(sizes(document, is_fargate));
    }
    told.extend(volumes(document));
    told.extend(dependencies(document));
    told.extend(log_routers(document));
    let containers = list(document, "/containerDefinitions");
    let mut names: Vec<&str> = Vec::new();
    let mut essential = false;
    for (place, container) in containers {
        let field = |name: &str| format!("containerDefinitions[{place}].{name}");
        let name = text(container, "name");
        if name.is_empty() {
            let hint = "every container needs a name";
            told.push(wrong(&field("name"), "it is missing", hint));
        } else if names.contains(&name) {
            let message = format!("`{name}` stands twice");
            let hint = "give each container its own name";
            told.push(wrong(&field("name"), message, hint));
        }
        names.push(name);
        essential |= container.get("essential") != Some(&Value::Bool(false));
        told.extend(in_container(document, container, is_fargate, &field));
    }
    if !essential {
        told.push(wrong(
            "containerDefinitions",
            "no container is essential",
            "at least one must be: its end is the task's",
        ));
    }
    told
}

fn fargate(document: &Value) -> Vec<Told> {
    let mut told = Vec::new();
    let mode = text(document, "networkMode");
    if mode != "awsvpc" {
        let message = format!("Fargate needs `awsvpc`, not `{mode}`");
        told.push(wrong("networkMode", message, "write awsvpc"));
    }
    for path in NOT_ON_FARGATE {
        for (path, value) in each(document, path) {
            if is_said(value) && *value != Value::Bool(false) {
                let hint = "leave it out";
                told.push(wrong(&path, "Fargate does not have it", hint));
            }
        }
    }
    let is_windows = is_windows(document);
    for (path, value) in each(document, "pidMode") {
        if value == "host" {
            told.push(wrong(&path, "Fargate has no `host` here", "write task"));
        } else if is_windows && is_said(value) {
            told.push(wrong(&path, "Windows on Fargate has none", "leave it out"));
        }
    }
    for (path, kind) in each(
        document,
        "containerDefinitions[].resourceRequirements[].type",
    ) {
        if kind == "GPU" {
            told.push(wrong(&path, "Fargate has no GPU", "leave it out"));
        }
    }
    let added = "containerDefinitions[].linuxParameters.capabilities.add[]";
    for (path, capability) in each(document, added) {
        if capability != "SYS_PTRACE" {
            let message = format!("Fargate adds only SYS_PTRACE, not {capability}");
            told.push(wrong(&path, message, "leave it out"));
        }
    }
    if is_windows && text(&document["runtimePlatform"], "cpuArchitecture") == "ARM64" {
        let message = "Windows runs only on X86_64";
        let path = "runtimePlatform.cpuArchitecture";
        told.push(wrong(path, message, "write X86_64"));
    }
    let cpu = units(text(document, "cpu"), "vcpu");
    let memory = units(text(document, "memory"), "gb");
    let (Some(cpu), Some(memory)) = (cpu, memory) else {
        let hint = "Fargate needs both: \"1024\" or \"1 vCPU\", and \"2048\" or \"2 GB\"";
        told.push(wrong(
            "cpu, memory",
            "they are missing, or are not sizes",
            hint,
        ));
        return told;
    };
    let fits = FARGATE.iter().any(|(units, from, to, step)| {
        let is_step = (*from..=*to).contains(&memory) && (memory - from).is_multiple_of(*step);
        // The smallest task has three sizes, which are no steps.
        *units == cpu && is_step && (cpu, memory) != (256, 1536)
    });
    if !fits || is_windows && !WINDOWS.contains(&cpu) {
        let kind = if is_windows { " of Windows" } else { "" };
        let message = format!("Fargate has no task{kind} of {cpu} CPU units and {memory} MiB");
        let hint = "see AWS's table of Fargate task sizes";
        told.push(wrong("cpu, memory", message, hint));
    }
    told
}

fn is_windows(document: &Value) -> bool {
    text(&document["runtimePlatform"], "operatingSystemFamily").starts_with("WINDOWS")
}

/// The sizes of the containers against the task's: by the texts of ContainerDefinition, all
/// reserved memory must be within the task's, and on Fargate all CPU too.
fn sizes(document: &Value, is_fargate: bool) -> Vec<Told> {
    let mut told = Vec::new();
    let task_memory = units(text(document, "memory"), "gb").map(u64::from);
    let task_cpu = units(text(document, "cpu"), "vcpu").map(u64::from);
    let (mut cpu, mut memory) = (0, 0);
    for (place, container) in list(document, "/containerDefinitions") {
        let path = format!("containerDefinitions[{place}]");
        let number = |field: &str| container.get(field).and_then(Value::as_u64);
        let (hard, soft) = (number("memory"), number("memoryReservation"));
        cpu += number("cpu").unwrap_or_default();
        memory += soft.or(hard).unwrap_or_default();
        let at = format!("{path}.memory");
        match (hard, soft, task_memory) {
            (Some(hard), _, Some(all)) if hard > all => {
                let message = format!("{hard} MiB are more than the task's {all}");
                told.push(wrong(
                    &at,
                    message,
                    "give the task more, or this container less",
                ));
            }
            (Some(hard), Some(soft), _) if hard < soft => {
                let message = format!("{hard} MiB are less than the {soft} that are reserved");
                told.push(wrong(&at, message, "make it the larger one"));
            }
            (None, None, None) if document.get("memory").is_none_or(Value::is_null) => {
                let message = "neither the task nor the container says how much memory it gets";
                told.push(wrong(&at, message, "write one of them, in MiB"));
            }
            _ => {}
        }
    }
    for (field, sum, all) in [("cpu", cpu, task_cpu), ("memory", memory, task_memory)] {
        let Some(all) = all.filter(|all| sum > *all && told.is_empty()) else {
            continue;
        };
        let message = format!("the containers take {sum} in all, and the task has {all}");
        told.push(match field {
            "cpu" if !is_fargate => unwise(field, message),
            _ => wrong(field, message, "give the task more, or the containers less"),
        });
    }
    told
}

fn volumes(document: &Value) -> Vec<Told> {
    let mut told = Vec::new();
    let mut names = BTreeSet::new();
    for (place, volume) in list(document, "/volumes") {
        let name = text(volume, "name");
        if !name.is_empty() && !names.insert(name) {
            let message = format!("`{name}` stands twice");
            let path = format!("volumes[{place}].name");
            told.push(wrong(&path, message, "give each volume its own name"));
        }
        let efs = &volume["efsVolumeConfiguration"];
        let path = format!("volumes[{place}].efsVolumeConfiguration");
        let access = &efs["authorizationConfig"];
        let has_point = !text(access, "accessPointId").is_empty();
        if has_point && !["", "/"].contains(&text(efs, "rootDirectory")) {
            let message = "an access point has its own root";
            told.push(wrong(
                &format!("{path}.rootDirectory"),
                message,
                "leave it out",
            ));
        }
        let is_open = text(efs, "transitEncryption") != "ENABLED";
        if is_open && (has_point || text(access, "iam") == "ENABLED") {
            let message = "an access point and IAM need encryption in transit";
            let at = format!("{path}.transitEncryption");
            told.push(wrong(&at, message, "write ENABLED"));
        }
    }
    for (path, volume) in each(
        document,
        "containerDefinitions[].mountPoints[].sourceVolume",
    ) {
        let name = volume.as_str().unwrap_or_default();
        if !names.contains(name) {
            let message = format!("there is no volume `{name}`");
            told.push(wrong(&path, message, "add it to `volumes`"));
        }
    }
    told
}

fn dependencies(document: &Value) -> Vec<Told> {
    let mut told = Vec::new();
    let containers: Vec<&Value> = list(document, "/containerDefinitions")
        .map(|(_, one)| one)
        .collect();
    let named = |name: &str| {
        let mut all = containers.iter();
        all.position(|one| text(one, "name") == name && !name.is_empty())
    };
    let mut edges = Vec::new();
    for (place, container) in containers.iter().enumerate() {
        for (nth, one) in list(container, "/volumesFrom") {
            let name = text(one, "sourceContainer");
            if named(name).is_none() {
                let path = format!("containerDefinitions[{place}].volumesFrom[{nth}]");
                let message = format!("there is no container `{name}`");
                told.push(wrong(&path, message, "name one of the containers"));
            }
        }
        for (nth, one) in list(container, "/dependsOn") {
            let path = format!("containerDefinitions[{place}].dependsOn[{nth}]");
            let (name, condition) = (text(one, "containerName"), text(one, "condition"));
            let Some(other) = named(name) else {
                let message = format!("there is no container `{name}`");
                told.push(wrong(&path, message, "name one of the containers"));
                continue;
            };
            edges.push((place, other));
            let is_essential = containers[other].get("essential") != Some(&Value::Bool(false));
            if condition == "HEALTHY" && !is_said(&containers[other]["healthCheck"]) {
                let message = format!("`{name}` has no healthCheck, so it is never HEALTHY");
                told.push(wrong(&path, message, "give it one, or wait for START"));
            }
            if ["COMPLETE", "SUCCESS"].contains(&condition) && is_essential {
                let message = format!("`{name}` is essential: its end is the task's");
                told.push(wrong(&path, message, "write \"essential\": false there"));
            }
        }
    }
    // A container that waits for nothing can start; containers that are left at the end wait in a
    // circle.
    let mut waiting: BTreeSet<usize> = edges.iter().map(|(from, _)| *from).collect();
    loop {
        let is_free = |one: &usize| {
            let mut own = edges.iter().filter(|(from, _)| from == one);
            own.all(|(_, to)| !waiting.contains(to))
        };
        let Some(free) = waiting.iter().copied().find(is_free) else {
            break;
        };
        waiting.remove(&free);
    }
    if let Some(first) = waiting.first() {
        let path = format!("containerDefinitions[{first}].dependsOn");
        let message = "the containers wait for each other in a circle";
        told.push(wrong(&path, message, "take one dependency out"));
    }
    told
}

/// FireLens: logs that go to a router, and the router itself
/// ([AWS](https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using_firelens.html)).
fn log_routers(document: &Value) -> Vec<Told> {
    let mut told = Vec::new();
    let routers = each(document, "containerDefinitions[].firelensConfiguration");
    let routers: Vec<_> = routers.iter().filter(|(_, value)| is_said(value)).collect();
    if let Some((path, _)) = routers.get(1) {
        let message = "a task has one log router";
        told.push(wrong(path, message, "leave one of them out"));
    }
    for (path, driver) in each(
        document,
        "containerDefinitions[].logConfiguration.logDriver",
    ) {
        if driver == "awsfirelens" && routers.is_empty() {
            let message = "no container has a firelensConfiguration, so nothing takes the logs";
            told.push(wrong(&path, message, "add the log router's container"));
        }
    }
    let is_fargate = list(document, "/requiresCompatibilities").any(|(_, one)| one == "FARGATE");
    let kinds = "containerDefinitions[].firelensConfiguration.options.config-file-type";
    for (path, kind) in each(document, kinds) {
        if is_fargate && kind == "s3" {
            let message = "Fargate reads the log router's settings only from a file in the image";
            told.push(wrong(
                &path,
                message,
                "write `file`, and put the settings into the image",
            ));
        }
    }
    told
}

fn in_container(
    document: &Value,
    container: &Value,
    is_fargate: bool,
    field: &dyn Fn(&str) -> String,
) -> Vec<Told> {
    let mut told = Vec::new();
    let image = text(container, "image");
    if image.is_empty() {
        told.push(wrong(&field("image"), "it is missing", "name an image"));
    } else if !image.contains("@sha256:") {
        let message = format!("`{image}` is no digest, so it may be another image tomorrow");
        told.push(unwise(&field("image"), message));
    }
    let mode = text(document, "networkMode");
    for (place, port) in list(container, "/portMappings") {
        let at = |name: &str| field(&format!("portMappings[{place}].{name}"));
        let (own, host) = (port.get("containerPort"), port.get("hostPort"));
        let is_own = host.is_none_or(|host| Some(host) == own || host == 0 || host.is_null());
        if ["awsvpc", "host"].contains(&mode) && !is_own {
            let message = format!("in {mode} it must be the containerPort");
            told.push(wrong(&at("hostPort"), message, "leave it out"));
        }
        if !text(port, "containerPortRange").is_empty() && own.is_some_and(is_said) {
            let message = "it stands beside a containerPort";
            told.push(wrong(
                &at("containerPortRange"),
                message,
                "leave one of them out",
            ));
        }
    }
    if mode == "none" && list(container, "/portMappings").next().is_some() {
        let message = "network mode none has no ports";
        told.push(wrong(&field("portMappings"), message, "leave it out"));
    }
    for (name, needed) in [("links", "bridge"), ("hostname", "bridge, host or none")] {
        let is_there = container.get(name).is_some_and(is_said);
        if is_there && mode == "awsvpc" && !(is_fargate && name == "links") {
            let message = format!("it needs network mode {needed}");
            told.push(wrong(&field(name), message, "leave it out"));
        }
    }
    let stop = container.get("stopTimeout").and_then(Value::as_i64);
    if is_fargate && stop.is_some_and(|seconds| seconds > 120) {
        let message = "Fargate waits 120 s at most";
        told.push(wrong(&field("stopTimeout"), message, "write 120 or less"));
    }
    let variables = list(container, "/environment").map(|(_, one)| text(one, "name"));
    let variables: BTreeSet<&str> = variables.collect();
    for (place, secret) in list(container, "/secrets") {
        let name = text(secret, "name");
        if variables.contains(name) {
            let message = format!("`{name}` stands in environment too");
            let at = field(&format!("secrets[{place}].name"));
            told.push(wrong(&at, message, "leave one of them out"));
        }
    }
    let logs = container.pointer("/logConfiguration/logDriver") == Some(&Value::from("awslogs"));
    let has_secrets = list(container, "/secrets").next().is_some();
    let is_private = image.contains(".dkr.ecr.");
    let needs_role = logs || has_secrets || is_private;
    if is_fargate && needs_role && text(document, "executionRoleArn").is_empty() {
        let message = "logs, secrets and private images need it on Fargate";
        let hint = "name the task's execution role";
        told.push(wrong("executionRoleArn", message, hint));
    }
    let creates = container.pointer("/logConfiguration/options/awslogs-create-group");
    if creates == Some(&Value::from("true")) {
        let message =
            "the execution role needs logs:CreateLogGroup, which AWS's managed policy lacks";
        told.push(unwise(&field("logConfiguration"), message));
    }
    let check: Vec<&str> = list(container, "/healthCheck/command")
        .filter_map(|(_, word)| word.as_str())
        .collect();
    if check
        .first()
        .is_some_and(|first| !["CMD", "CMD-SHELL", "NONE"].contains(first))
    {
        let message = format!("it begins with `{}`", check[0]);
        let hint = "begin with CMD or CMD-SHELL";
        told.push(wrong(&field("healthCheck.command"), message, hint));
    }
    for program in ["curl", "wget"] {
        if check.iter().any(|word| word.contains(program)) {
            let message =
                format!("`{program}` must be in the image, or the container is unhealthy for ever");
            told.push(unwise(&field("healthCheck"), message));
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::aws::document::told;

    #[test]
    fn every_mistake_of_the_guides_task_definition_is_found_at_once() {
        let guides = json!({
            "family": "chatbot-fastapi", "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"],
            "cpu": "1024", "memory": "2048", "executionRoleArn": "arn:aws:iam::ACCOUNT:role/ecsTaskExecutionRole",
            "containerDefinitions": [{
                "name": "chatbot-fastapi", "essential": true,
                "image": "YOUR_ACCOUNT.dkr.ecr.us-east-1.amazonaws.com/chatbot-fastapi:latest",
                "environment": [{"name": "BEDROCK_AGENT_ID", "value": "YOUR_AGENT_ID"}],
                "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-create-group": "true"}},
                "healthCheck": {"command": ["CMD-SHELL", "curl -f http://localhost:8000/health || exit 1"]}
            }]
        });
        let placeholder = "a placeholder stands there, not a value";
        assert_eq!(
            told(&task_definition(&guides)),
            [
                "note containerDefinitions[0].environment[0].value: it looks like a placeholder".to_owned(),
                format!("containerDefinitions[0].image: {placeholder}"),
                format!("executionRoleArn: {placeholder}"),
                "note containerDefinitions[0].image: `YOUR_ACCOUNT.dkr.ecr.us-east-1.amazonaws.com/chatbot-fastapi:latest` is no digest, so it may be another image tomorrow".to_owned(),
                "note containerDefinitions[0].logConfiguration: the execution role needs logs:CreateLogGroup, which AWS's managed policy lacks".to_owned(),
                "note containerDefinitions[0].healthCheck: `curl` must be in the image, or the container is unhealthy for ever".to_owned(),
            ]
        );
    }

    #[test]
    fn what_aws_would_refuse_is_refused() {
        let task = |value: Value| told(&task_definition(&value)).join("\n");
        let base = json!({"family": "f", "requiresCompatibilities": ["FARGATE"], "networkMode": "bridge",
            "cpu": "256", "memory": "8192",
            "containerDefinitions": [
                {"name": "a", "image": "i@sha256:0", "essential": false},
                {"name": "a", "essential": false, "secrets": [{"name": "S"}]}]});
        let told = task(base);
        for sign in [
            "not `bridge`",
            "256 CPU units and 8192 MiB",
            "stands twice",
            "image: it is missing",
            "no container is essential",
            "need it on Fargate",
        ] {
            assert!(told.contains(sign), "{sign} in {told}");
        }
    }

    #[test]
    fn sizes_are_those_that_fargate_has_in_both_spellings() {
        let fits = |cpu: &str, memory: &str| {
            let document = json!({"networkMode": "awsvpc", "cpu": cpu, "memory": memory});
            fargate(&document).is_empty()
        };
        for (cpu, memory) in [
            ("256", "1024"),
            ("1 vCPU", "2 GB"),
            (".25 vcpu", "0.5GB"),
            ("4096", "30720"),
        ] {
            assert!(fits(cpu, memory), "{cpu} {memory}");
        }
        for (cpu, memory) in [
            ("256", "1536"),
            ("1024", "1024"),
            ("3 vCPU", "8 GB"),
            ("", "2 GB"),
            ("a", "b"),
        ] {
            assert!(!fits(cpu, memory), "{cpu} {memory}");
        }
    }

    /// A sound task on Fargate, with `more` in its container and at its top.
    fn task(container: Value, more: Value) -> Vec<String> {
        let mut one = json!({"name": "app", "image": "orders@sha256:0", "essential": true});
        let mut document = json!({"family": "orders", "networkMode": "awsvpc", "cpu": "512",
            "memory": "1024", "requiresCompatibilities": ["FARGATE"],
            "executionRoleArn": "arn:aws:iam::123456789012:role/x"});
        for (field, value) in container.as_object().into_iter().flatten() {
            one[field] = value.clone();
        }
        document["containerDefinitions"] = json!([one]);
        for (field, value) in more.as_object().into_iter().flatten() {
            document[field] = value.clone();
        }
        told(&task_definition(&document))
    }

    #[test]
    fn a_sound_task_has_no_finding() {
        assert_eq!(task(json!({}), json!({})), [""; 0]);
        let volume = json!({"volumes": [{"name": "data", "efsVolumeConfiguration": {"fileSystemId": "fs-1",
            "transitEncryption": "ENABLED", "authorizationConfig": {"accessPointId": "fsap-1"}}}]});
        let mount = json!({"mountPoints": [{"sourceVolume": "data", "containerPath": "/d"}],
            "privileged": false, "memory": 1024, "cpu": 512,
            "portMappings": [{"containerPort": 80, "hostPort": 80}]});
        assert_eq!(task(mount, volume), [""; 0]);
    }

    #[test]
    fn what_stands_in_aws_s_prose_is_checked() {
        let none = || json!({});
        let path = "containerDefinitions[0]";
        for (container, more, sign) in [
            (
                json!({"memory": 4096}),
                none(),
                format!("{path}.memory: 4096 MiB are more than the task's 1024"),
            ),
            (
                json!({"cpu": 1024}),
                none(),
                "cpu: the containers take 1024 in all, and the task has 512".into(),
            ),
            (
                json!({"memory": 256, "memoryReservation": 512}),
                none(),
                format!("{path}.memory: 256 MiB are less than the 512"),
            ),
            (
                none(),
                json!({"ephemeralStorage": {"sizeInGiB": 10}}),
                "ephemeralStorage.sizeInGiB: 10 is not from 21 to 200".into(),
            ),
            (
                json!({"restartPolicy": {"enabled": true, "restartAttemptPeriod": 10}}),
                none(),
                format!("{path}.restartPolicy.restartAttemptPeriod: 10 is not from 60 to 1800"),
            ),
            (
                json!({"healthCheck": {"command": ["true"], "interval": 1}}),
                none(),
                format!("{path}.healthCheck.interval: 1 is not from 5 to 300"),
            ),
            (
                json!({"healthCheck": {"command": ["true"]}}),
                none(),
                format!("{path}.healthCheck.command: it begins with `true`"),
            ),
            (
                json!({"logConfiguration": {"logDriver": "awsfirelens"}}),
                none(),
                format!(
                    "{path}.logConfiguration.logDriver: no container has a firelensConfiguration"
                ),
            ),
            (
                json!({"firelensConfiguration": {"type": "fluentbit", "options": {"config-file-type": "s3"}}}),
                none(),
                format!("{path}.firelensConfiguration.options.config-file-type: Fargate reads"),
            ),
            (
                none(),
                json!({"tags": [{"key": "AWS:x", "value": "1"}]}),
                "tags[0].key: `AWS:x` is AWS's own".into(),
            ),
            (
                json!({"mountPoints": [{"sourceVolume": "data", "containerPath": "/d"}]}),
                none(),
                format!("{path}.mountPoints[0].sourceVolume: there is no volume `data`"),
            ),
            (
                json!({"dependsOn": [{"containerName": "app", "condition": "START"}]}),
                none(),
                format!("{path}.dependsOn: the containers wait for each other"),
            ),
            (
                json!({"dependsOn": [{"containerName": "db", "condition": "START"}]}),
                none(),
                format!("{path}.dependsOn[0]: there is no container `db`"),
            ),
            (
                json!({"dependsOn": [{"containerName": "app", "condition": "HEALTHY"}]}),
                none(),
                format!("{path}.dependsOn[0]: `app` has no healthCheck"),
            ),
            (
                json!({"dependsOn": [{"containerName": "app", "condition": "SUCCESS"}]}),
                none(),
                format!("{path}.dependsOn[0]: `app` is essential"),
            ),
            (
                json!({"volumesFrom": [{"sourceContainer": "db"}]}),
                none(),
                format!("{path}.volumesFrom[0]: there is no container"),
            ),
            (
                json!({"privileged": true}),
                none(),
                format!("{path}.privileged: Fargate does not have it"),
            ),
            (
                json!({"extraHosts": [{"hostname": "db", "ipAddress": "10.0.0.1"}]}),
                none(),
                format!("{path}.extraHosts: Fargate does not have it"),
            ),
            (
                json!({"linuxParameters": {"sharedMemorySize": 64}}),
                none(),
                format!("{path}.linuxParameters.sharedMemorySize: Fargate does not have it"),
            ),
            (
                json!({"linuxParameters": {"capabilities": {"add": ["SYS_PTRACE", "NET_ADMIN"]}}}),
                none(),
                format!("{path}.linuxParameters.capabilities.add[1]: Fargate adds only SYS_PTRACE"),
            ),
            (
                json!({"resourceRequirements": [{"type": "GPU", "value": "1"}]}),
                none(),
                format!("{path}.resourceRequirements[0].type: Fargate has no GPU"),
            ),
            (
                none(),
                json!({"pidMode": "task", "cpu": "1024", "memory": "2048",
                    "runtimePlatform": {"operatingSystemFamily": "WINDOWS_SERVER_2022_CORE"}}),
                "pidMode: Windows on Fargate has none".into(),
            ),
            (
                json!({"cpu": 1024}),
                json!({"requiresCompatibilities": ["EC2"]}),
                "note cpu: the containers take 1024 in all, and the task has 512".into(),
            ),
            (
                json!({"stopTimeout": 300}),
                none(),
                format!("{path}.stopTimeout: Fargate waits 120 s"),
            ),
            (
                json!({"hostname": "web"}),
                none(),
                format!("{path}.hostname: it needs network mode"),
            ),
            (
                json!({"environment": [{"name": "A", "value": "1"}], "secrets": [{"name": "A", "valueFrom": "x"}]}),
                none(),
                format!("{path}.secrets[0].name: `A` stands in environment too"),
            ),
            (
                json!({"portMappings": [{"containerPort": 80, "hostPort": 8080}]}),
                none(),
                format!("{path}.portMappings[0].hostPort: in awsvpc it must be the containerPort"),
            ),
            (
                json!({"portMappings": [{"containerPort": 80, "containerPortRange": "80-90"}]}),
                none(),
                format!("{path}.portMappings[0].containerPortRange: it stands beside"),
            ),
            (
                json!({"portMappings": [{"containerPort": 80}]}),
                json!({"networkMode": "none"}),
                format!("{path}.portMappings: network mode none"),
            ),
            (
                none(),
                json!({"pidMode": "host"}),
                "pidMode: Fargate has no `host`".into(),
            ),
            (
                none(),
                json!({"runtimePlatform": {"operatingSystemFamily": "WINDOWS_SERVER_2022_CORE"}}),
                "cpu, memory: Fargate has no task of Windows of 512 CPU units".into(),
            ),
            (
                none(),
                json!({"volumes": [{"name": "d", "efsVolumeConfiguration": {"fileSystemId": "f", "rootDirectory": "/x",
                    "authorizationConfig": {"accessPointId": "a"}}}]}),
                "volumes[0].efsVolumeConfiguration.rootDirectory: an access point has its own root"
                    .into(),
            ),
            (
                none(),
                json!({"volumes": [{"name": "d", "efsVolumeConfiguration": {"fileSystemId": "f",
                    "authorizationConfig": {"iam": "ENABLED"}}}]}),
                "volumes[0].efsVolumeConfiguration.transitEncryption: an access point and IAM"
                    .into(),
            ),
            (
                none(),
                json!({"volumes": [{"name": "d"}, {"name": "d"}]}),
                "volumes[1].name: `d` stands twice".into(),
            ),
            (
                none(),
                json!({"requiresCompatibilities": ["EC2"], "memory": null, "cpu": null}),
                format!("{path}.memory: neither the task nor the container"),
            ),
        ] {
            let told = task(container, more).join("\n");
            assert!(told.contains(&sign), "{sign} in\n{told}");
        }
    }

    #[test]
    fn what_a_template_left_open_is_refused_where_no_text_is_free() {
        let told = task(
            json!({"image": "<IMAGE_APP>", "logConfiguration": {"logDriver": "awslogs",
                "options": {"awslogs-region": "<AWS_REGION>"}}}),
            json!({"executionRoleArn": "<EXECUTION_ROLE_ARN>", "taskRoleArn": "<TASK_ROLE_ARN>"}),
        );
        let stops = told
            .iter()
            .filter(|one| one.ends_with("a placeholder stands there, not a value"));
        assert_eq!(stops.count(), 3, "{told:?}");
        let region = "note containerDefinitions[0].logConfiguration.options.awslogs-region: it looks like a placeholder";
        assert!(told.iter().any(|one| one == region), "{told:?}");
        let secret = json!({"secrets": [{"name": "SID",
            "valueFrom": "arn:aws:secretsmanager:us-east-1:123456789012:secret:prod/orders-Ab12Cd:SMS_ACCOUNT_SID::"}]});
        assert_eq!(task(secret, json!({})), [""; 0]);
    }

    #[test]
    fn the_examples_file_has_no_problem() {
        let text = include_str!("../../../testdata/deploy/task-definition.json");
        let document = serde_json::from_str(text).expect("JSON");
        let told = told(&task_definition(&document));
        assert_eq!(
            told.len(),
            1,
            "only the image that a deployment sets: {told:?}"
        );
    }
}
