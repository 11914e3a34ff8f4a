//! What is wrong with a task definition or a service definition: everything at once, each with
//! what to write instead. What AWS would refuse, or run otherwise than was meant, refuses; what is
//! merely unwise is a note.

use serde_json::{Map, Value};

use crate::{
    aws::document::{is_id, list, placeholders, text, unwise, wrong},
    preflight::Finding,
};

/// What a task may have on Fargate: CPU units, and memory in MiB from, to, in steps of
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

/// Everything that is wrong with a task definition.
pub(super) fn task_definition(document: &Map<String, Value>) -> Vec<Finding> {
    let document = &Value::Object(document.clone());
    let mut findings = Vec::new();
    placeholders("", document, &mut findings);
    let family = text(document, "family");
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if family.len() > 255 || !family.chars().all(is_name) {
        let hint = "up to 255 letters, digits, `-` and `_`";
        findings.push(wrong("family", format!("`{family}` is no family"), hint));
    }
    let needs = |name: &str| list(document, "/requiresCompatibilities").any(|(_, one)| one == name);
    let is_fargate = needs("FARGATE");
    if is_fargate {
        findings.extend(fargate(document));
    }
    let mut names: Vec<&str> = Vec::new();
    let mut essential = false;
    for (place, container) in list(document, "/containerDefinitions") {
        let field = |name: &str| format!("containerDefinitions[{place}].{name}");
        let name = text(container, "name");
        if name.is_empty() {
            findings.push(wrong(
                &field("name"),
                "it is missing",
                "every container needs a name",
            ));
        } else if names.contains(&name) {
            let message = format!("`{name}` stands twice");
            findings.push(wrong(
                &field("name"),
                message,
                "give each container its own name",
            ));
        }
        names.push(name);
        essential |= container.get("essential") != Some(&Value::Bool(false));
        findings.extend(in_container(document, container, is_fargate, &field));
    }
    if !essential {
        findings.push(wrong(
            "containerDefinitions",
            "none is essential",
            "at least one must be: its end is the task's",
        ));
    }
    findings
}

fn fargate(document: &Value) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mode = text(document, "networkMode");
    if mode != "awsvpc" {
        let message = format!("Fargate needs `awsvpc`, not `{mode}`");
        findings.push(wrong("networkMode", message, "write awsvpc"));
    }
    let cpu = units(text(document, "cpu"), "vcpu");
    let memory = units(text(document, "memory"), "gb");
    let (Some(cpu), Some(memory)) = (cpu, memory) else {
        let hint = "Fargate needs both: \"1024\" or \"1 vCPU\", and \"2048\" or \"2 GB\"";
        findings.push(wrong("cpu, memory", "they are missing, or no sizes", hint));
        return findings;
    };
    let fits = FARGATE.iter().any(|(units, from, to, step)| {
        let is_step = (*from..=*to).contains(&memory) && (memory - from).is_multiple_of(*step);
        // The smallest task has three sizes, which are no steps.
        *units == cpu && is_step && (cpu, memory) != (256, 1536)
    });
    if !fits {
        let message = format!("Fargate has no task of {cpu} CPU units and {memory} MiB");
        findings.push(wrong(
            "cpu, memory",
            message,
            "see AWS's table of Fargate task sizes",
        ));
    }
    findings
}

/// A size: a whole number, or one of the larger unit, which is 1024 of it.
fn units(size: &str, larger: &str) -> Option<u32> {
    let size = size.trim().to_lowercase();
    let Some(number) = size.strip_suffix(larger) else {
        return size.parse().ok();
    };
    let number: f64 = number.trim().parse().ok()?;
    // Quarters are the finest that there are.
    (1..=480)
        .map(|n| n * 256)
        .find(|units| f64::from(*units) == number * 1024.0)
}

fn in_container(
    document: &Value,
    container: &Value,
    is_fargate: bool,
    field: &dyn Fn(&str) -> String,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let image = text(container, "image");
    if image.is_empty() {
        findings.push(wrong(&field("image"), "it is missing", "name an image"));
    } else if !image.contains("@sha256:") {
        let message = format!("`{image}` is no digest, so it may be another image tomorrow");
        findings.push(unwise(&field("image"), message));
    }
    if text(document, "networkMode") == "awsvpc" {
        for (place, port) in list(container, "/portMappings") {
            let (own, host) = (port.get("containerPort"), port.get("hostPort"));
            if host.is_some_and(|host| Some(host) != own && host != 0) {
                let message = "in awsvpc it must be the containerPort";
                let hint = "leave it out";
                findings.push(wrong(
                    &field(&format!("portMappings[{place}].hostPort")),
                    message,
                    hint,
                ));
            }
        }
    }
    let logs = container.pointer("/logConfiguration/logDriver") == Some(&Value::from("awslogs"));
    let has_secrets = list(container, "/secrets").next().is_some();
    let is_private = image.contains(".dkr.ecr.");
    let needs_role = logs || has_secrets || is_private;
    if is_fargate && needs_role && text(document, "executionRoleArn").is_empty() {
        let message = "logs, secrets and private images need it on Fargate";
        findings.push(wrong(
            "executionRoleArn",
            message,
            "name the task's execution role",
        ));
    }
    let creates = container.pointer("/logConfiguration/options/awslogs-create-group");
    if creates == Some(&Value::from("true")) {
        let message =
            "the execution role needs logs:CreateLogGroup, which AWS's managed policy lacks";
        findings.push(unwise(&field("logConfiguration"), message));
    }
    let check: Vec<&str> = list(container, "/healthCheck/command")
        .filter_map(|(_, word)| word.as_str())
        .collect();
    for program in ["curl", "wget"] {
        if check.iter().any(|word| word.contains(program)) {
            let message =
                format!("`{program}` must be in the image, or the container is unhealthy for ever");
            findings.push(unwise(&field("healthCheck"), message));
        }
    }
    findings
}

/// Everything that is wrong with a service definition.
pub(super) fn service(document: &Map<String, Value>) -> Vec<Finding> {
    let document = &Value::Object(document.clone());
    let mut findings = Vec::new();
    placeholders("", document, &mut findings);
    let definition = text(document, "taskDefinition");
    if definition
        .rsplit_once(':')
        .is_some_and(|(_, end)| end.parse::<u32>().is_err())
    {
        let message = format!("`{definition}` is no revision: a family, or family:NUMBER");
        findings.push(wrong(
            "taskDefinition",
            message,
            "leave it out: each deployment sets it",
        ));
    }
    let vpc = "/networkConfiguration/awsvpcConfiguration";
    for (kind, prefix) in [("securityGroups", "sg-"), ("subnets", "subnet-")] {
        for (place, id) in list(document, &format!("{vpc}/{kind}")) {
            let id = id.as_str().unwrap_or_default();
            if !is_id(id, prefix) {
                let field = format!("networkConfiguration.awsvpcConfiguration.{kind}[{place}]");
                let message = format!("`{id}` is a name, not an id");
                findings.push(wrong(
                    &field,
                    message,
                    &format!("{prefix} and hexadecimal digits"),
                ));
            }
        }
    }
    let launch = text(document, "launchType");
    let by_provider = list(document, "/capacityProviderStrategy").any(|(_, one)| {
        let provider = text(one, "capacityProvider");
        ["FARGATE", "FARGATE_SPOT"].contains(&provider)
    });
    if (launch == "FARGATE" || by_provider) && document.pointer(vpc).is_none() {
        findings.push(wrong(
            "networkConfiguration",
            "Fargate needs it",
            "name subnets and security groups",
        ));
    }
    if !launch.is_empty() && list(document, "/capacityProviderStrategy").next().is_some() {
        let message = "it excludes a capacityProviderStrategy";
        findings.push(wrong("launchType", message, "leave one of them out"));
    }
    findings.extend(rollout(document));
    findings
}

fn rollout(document: &Value) -> Vec<Finding> {
    let mut findings = Vec::new();
    let controller = document
        .pointer("/deploymentController/type")
        .and_then(Value::as_str);
    if let Some(kind @ ("CODE_DEPLOY" | "EXTERNAL")) = controller {
        let message = format!("{kind} would deploy it, not ECS");
        findings.push(wrong("deploymentController", message, "leave it out"));
    }
    let configuration = "/deploymentConfiguration";
    let strategy = document
        .pointer(&format!("{configuration}/strategy"))
        .and_then(Value::as_str);
    if let Some(kind @ ("BLUE_GREEN" | "CANARY" | "LINEAR")) = strategy {
        let message =
            format!("by {kind} ECS would shift the traffic itself: two writers on one rule");
        findings.push(wrong(
            "deploymentConfiguration.strategy",
            message,
            "write ROLLING, or leave it out",
        ));
    }
    let switch = |name: &str| {
        let path = format!("{configuration}/deploymentCircuitBreaker/{name}");
        document.pointer(&path) == Some(&Value::Bool(true))
    };
    if switch("enable") && switch("rollback") {
        let message =
            "with rollback ECS takes failed rollouts back by itself, to the last that was complete";
        findings.push(unwise(
            "deploymentConfiguration.deploymentCircuitBreaker",
            message,
        ));
    }
    let number = |path: &str| document.pointer(path).and_then(Value::as_u64);
    let desired = number("/desiredCount");
    let least = number(&format!("{configuration}/minimumHealthyPercent")).unwrap_or(100);
    let most = number(&format!("{configuration}/maximumPercent")).unwrap_or(200);
    // ECS rounds the minimum up and the maximum down, in whole copies.
    let copies = desired.unwrap_or(1).max(1);
    let (fewest, most_copies) = ((copies * least).div_ceil(100), copies * most / 100);
    if most < 100 || least > 100 || fewest >= most_copies {
        let message = format!("between {least} % and {most} % of {copies} no copy can be replaced");
        findings.push(wrong(
            "deploymentConfiguration",
            message,
            "100 and 200 keep all copies up",
        ));
    } else if fewest < copies {
        let message = format!("a rollout may take copies down to {least} %");
        findings.push(unwise(
            "deploymentConfiguration.minimumHealthyPercent",
            message,
        ));
    }
    if desired == Some(1) {
        findings.push(unwise(
            "desiredCount",
            "one copy alone serves all that is sent there, and its end is an outage",
        ));
    }
    let is_balanced = list(document, "/loadBalancers").next().is_some();
    if is_balanced && number("/healthCheckGracePeriodSeconds").unwrap_or_default() == 0 {
        let message = "without it the balancer's checks end copies that are still starting";
        findings.push(unwise("healthCheckGracePeriodSeconds", message));
    }
    findings
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::preflight::Severity;

    fn told(findings: &[Finding]) -> Vec<String> {
        let tell = |one: &Finding| match one.severity {
            Severity::Note => format!("note {one}"),
            _ => {
                assert!(one.hint.is_some(), "{one}");
                one.to_string()
            }
        };
        findings.iter().map(tell).collect()
    }

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().cloned().expect("an object")
    }

    /// As the guide prints it, shortened where it is right.
    fn guides_service() -> Map<String, Value> {
        object(json!({
            "serviceName": "chatbot-fastapi", "taskDefinition": "chatbot-fastapi:LATEST",
            "desiredCount": 1, "launchType": "FARGATE",
            "networkConfiguration": {"awsvpcConfiguration": {
                "subnets": ["subnet-12345678"], "securityGroups": ["sg-chatbot-fastapi"]}},
            "loadBalancers": [{"targetGroupArn": "arn:aws:elasticloadbalancing:us-east-1:ACCOUNT:targetgroup/x/1",
                "containerName": "chatbot-fastapi", "containerPort": 8000}],
            "deploymentConfiguration": {"maximumPercent": 200, "minimumHealthyPercent": 50,
                "deploymentCircuitBreaker": {"enable": true, "rollback": true}},
            "healthCheckGracePeriodSeconds": 60
        }))
    }

    #[test]
    fn every_mistake_of_the_guides_service_is_found_at_once() {
        assert_eq!(
            told(&service(&guides_service())),
            [
                "loadBalancers[0].targetGroupArn: a placeholder stands there, not a value",
                "taskDefinition: `chatbot-fastapi:LATEST` is no revision: a family, or family:NUMBER",
                "networkConfiguration.awsvpcConfiguration.securityGroups[0]: `sg-chatbot-fastapi` is a name, not an id",
                "note deploymentConfiguration.deploymentCircuitBreaker: with rollback ECS takes failed rollouts back by itself, to the last that was complete",
                "note desiredCount: one copy alone serves all that is sent there, and its end is an outage",
            ]
        );
    }

    #[test]
    fn every_mistake_of_the_guides_task_definition_is_found_at_once() {
        let guides = object(json!({
            "family": "chatbot-fastapi", "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"],
            "cpu": "1024", "memory": "2048", "executionRoleArn": "arn:aws:iam::ACCOUNT:role/ecsTaskExecutionRole",
            "containerDefinitions": [{
                "name": "chatbot-fastapi", "essential": true,
                "image": "YOUR_ACCOUNT.dkr.ecr.us-east-1.amazonaws.com/chatbot-fastapi:latest",
                "environment": [{"name": "BEDROCK_AGENT_ID", "value": "YOUR_AGENT_ID"}],
                "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-create-group": "true"}},
                "healthCheck": {"command": ["CMD-SHELL", "curl -f http://localhost:8000/health || exit 1"]}
            }]
        }));
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
        let service_of = |field: &str, value: Value| {
            let mut document = guides_service();
            document.insert(field.to_owned(), value);
            told(&service(&document)).join("\n")
        };
        for (field, value, sign) in [
            (
                "deploymentController",
                json!({"type": "CODE_DEPLOY"}),
                "CODE_DEPLOY would deploy",
            ),
            (
                "deploymentConfiguration",
                json!({"strategy": "CANARY"}),
                "two writers",
            ),
            (
                "deploymentConfiguration",
                json!({"maximumPercent": 100, "minimumHealthyPercent": 100}),
                "no copy can be replaced",
            ),
            (
                "capacityProviderStrategy",
                json!([{"capacityProvider": "FARGATE"}]),
                "excludes",
            ),
            ("networkConfiguration", json!({}), "Fargate needs it"),
            ("healthCheckGracePeriodSeconds", json!(0), "still starting"),
        ] {
            let told = service_of(field, value);
            assert!(told.contains(sign), "{field}: {told}");
        }
        let task = |value: Value| told(&task_definition(&object(value))).join("\n");
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
            "none is essential",
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

    #[test]
    fn copies_are_counted_whole() {
        let told_of = |desired: u32, least: u32, most: u32| {
            let configuration = json!({"minimumHealthyPercent": least, "maximumPercent": most});
            let value = json!({"desiredCount": desired, "deploymentConfiguration": configuration});
            told(&rollout(&value)).join("; ")
        };
        assert!(told_of(1, 50, 150).contains("no copy can be replaced"));
        assert!(told_of(4, 50, 200).contains("down to 50 %"));
        assert!(!told_of(1, 50, 200).contains("down to"));
        assert_eq!(told_of(4, 100, 200), "");
    }

    #[test]
    fn the_examples_files_have_no_problem() {
        let read = |text: &str| object(serde_json::from_str(text).expect("JSON"));
        let service = service(&read(include_str!(
            "../../../../../examples/deploy/service.json"
        )));
        assert_eq!(told(&service), Vec::<String>::new());
        let definition = read(include_str!(
            "../../../../../examples/deploy/task-definition.json"
        ));
        let told = told(&task_definition(&definition));
        assert_eq!(
            told.len(),
            1,
            "only the image that a deployment sets: {told:?}"
        );
    }
}
