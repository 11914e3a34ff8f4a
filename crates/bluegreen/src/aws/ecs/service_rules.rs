//! What AWS checks of a service beyond its model: what AWS refuses is a refusal here, each with
//! what to write instead; what is merely unwise is a note.
//!
//! If no other page is named, a rule's source is the text of
//! [CreateService](https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateService.html)
//! and of the types that it names.

use serde_json::Value;

use crate::aws::{
    alb::TargetGroupArn,
    document::{Told, each, is_id, is_said, list, placeholders, tags, text, unwise, wrong},
};

/// Everything that is wrong with a service definition beyond the model.
pub(super) fn service(document: &Value) -> Vec<Told> {
    let mut told = Vec::new();
    placeholders("", document, &mut told);
    told.extend(tags(document, "tags", "key"));
    let service = text(document, "serviceName");
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if service.len() > 255 || !service.chars().all(is_name) {
        let message = format!("`{service}` cannot be a service's name");
        let hint = "up to 255 letters, digits, `-` and `_`";
        told.push(wrong("serviceName", message, hint));
    }
    let definition = text(document, "taskDefinition");
    let name = definition.rsplit('/').next().unwrap_or_default();
    if name
        .split_once(':')
        .is_some_and(|(_, revision)| revision.parse::<u32>().is_err())
    {
        let message = format!("`{definition}` is no revision: a family, or family:NUMBER");
        let hint = "leave it out: each deployment sets it";
        told.push(wrong("taskDefinition", message, hint));
    }
    if !text(document, "clientToken").is_empty() {
        told.push(unwise(
            "clientToken",
            "each run sends a token of its own instead",
        ));
    }
    let vpc = "networkConfiguration.awsvpcConfiguration";
    for (kind, prefix, most) in [("securityGroups", "sg-", 5), ("subnets", "subnet-", 16)] {
        let count = each(document, &format!("{vpc}.{kind}[]")).len();
        if count > most {
            let message = format!("{count} of them, and a service may have {most}");
            told.push(wrong(&format!("{vpc}.{kind}"), message, "name fewer"));
        }
        for (path, id) in each(document, &format!("{vpc}.{kind}[]")) {
            let id = id.as_str().unwrap_or_default();
            if !is_id(id, prefix) {
                let message = format!("`{id}` is a name, not an id");
                let hint = format!("{prefix} and hexadecimal digits");
                told.push(wrong(&path, message, &hint));
            }
        }
    }
    let subnets = each(document, &format!("{vpc}.subnets"));
    for (path, subnets) in subnets.iter().filter(|(_, subnets)| !is_said(subnets)) {
        let message = format!("{subnets}: tasks have nowhere to run");
        told.push(wrong(path, message, "name at least one"));
    }
    told.extend(launch(document));
    for (place, one) in list(document, "/loadBalancers") {
        let arn = text(one, "targetGroupArn");
        let is_own = arn.is_empty() || arn.parse::<TargetGroupArn>().is_ok();
        let path = format!("loadBalancers[{place}]");
        if !is_own
            && !told
                .iter()
                .any(|told| told.field == format!("{path}.targetGroupArn"))
        {
            let message = format!("`{arn}` is no target group's ARN");
            let hint = "aws elbv2 describe-target-groups";
            told.push(wrong(&format!("{path}.targetGroupArn"), message, hint));
        }
        for field in ["containerName", "containerPort"] {
            if !one.get(field).is_some_and(is_said) {
                let hint = "name the container behind the balancer, and its port";
                told.push(wrong(&format!("{path}.{field}"), "it is missing", hint));
            }
        }
    }
    told.extend(rollout(document));
    told
}

/// The launch type, capacity providers and network of the service.
fn launch(document: &Value) -> Vec<Told> {
    let mut told = Vec::new();
    let launch = text(document, "launchType");
    let providers: Vec<&Value> = list(document, "/capacityProviderStrategy")
        .map(|(_, one)| one)
        .collect();
    let by_provider = providers.iter().any(|one| {
        let provider = text(one, "capacityProvider");
        ["FARGATE", "FARGATE_SPOT"].contains(&provider)
    });
    let is_fargate = launch == "FARGATE" || by_provider;
    let vpc = document.pointer("/networkConfiguration/awsvpcConfiguration");
    if is_fargate && !vpc.is_some_and(is_said) {
        let hint = "name subnets and security groups";
        told.push(wrong("networkConfiguration", "Fargate needs it", hint));
    }
    if !launch.is_empty() && !providers.is_empty() {
        let message = "it excludes a capacityProviderStrategy";
        told.push(wrong("launchType", message, "leave one of them out"));
    }
    if launch == "MANAGED_INSTANCES" {
        let message = "managed instances are chosen by a capacityProviderStrategy";
        let hint = "write that instead, and leave launchType out";
        told.push(wrong("launchType", message, hint));
    }
    let weight = |one: &&Value| one.get("weight").and_then(Value::as_u64).unwrap_or(0);
    if providers.len() > 1 && providers.iter().map(weight).sum::<u64>() == 0 {
        let message = "every weight is 0, so no provider gets a copy";
        told.push(wrong(
            "capacityProviderStrategy",
            message,
            "give one a weight",
        ));
    }
    let is_daemon = text(document, "schedulingStrategy") == "DAEMON";
    let desired = document.get("desiredCount").filter(|one| is_said(one));
    match desired {
        None if !is_daemon => {
            let message = "it is missing: only you know how many copies are to run";
            told.push(wrong("desiredCount", message, "write a number"));
        }
        Some(count) if is_daemon => {
            let message = format!("{count}: a DAEMON runs once on every instance");
            told.push(wrong("desiredCount", message, "leave it out"));
        }
        _ => {}
    }
    let is_there = |field: &str| document.get(field).is_some_and(is_said);
    for field in ["placementConstraints", "placementStrategy"] {
        if is_fargate && is_there(field) {
            let message = "Fargate places tasks by itself";
            told.push(wrong(field, message, "leave it out"));
        }
    }
    // "The platform version must be null when specifying an EC2 launch type", says AWS
    // (https://github.com/hashicorp/terraform-provider-awscc/issues/2122).
    if ["EC2", "EXTERNAL"].contains(&launch) && is_there("platformVersion") {
        let message = format!("{launch} has no platform version, only Fargate has");
        told.push(wrong("platformVersion", message, "leave it out"));
    }
    if is_there("role") && vpc.is_some_and(is_said) {
        let message = "tasks in awsvpc mode have ECS's own role for the balancer";
        told.push(wrong("role", message, "leave it out"));
    }
    if is_daemon && is_fargate {
        let message = "Fargate does not have DAEMON";
        told.push(wrong("schedulingStrategy", message, "write REPLICA"));
    }
    told
}

fn rollout(document: &Value) -> Vec<Told> {
    let mut told = Vec::new();
    let controller = document
        .pointer("/deploymentController/type")
        .and_then(Value::as_str);
    if let Some(kind @ ("CODE_DEPLOY" | "EXTERNAL")) = controller {
        let message = format!("{kind} would deploy it, not ECS");
        told.push(wrong("deploymentController", message, "leave it out"));
    }
    let configuration = "/deploymentConfiguration";
    let strategy = document
        .pointer(&format!("{configuration}/strategy"))
        .and_then(Value::as_str);
    if let Some(kind @ ("BLUE_GREEN" | "CANARY" | "LINEAR")) = strategy {
        let message =
            format!("by {kind} ECS would shift the traffic itself: two writers on one rule");
        told.push(wrong(
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
            "with `rollback`, ECS rolls failed rollouts back by itself, to the last completed one";
        told.push(unwise(
            "deploymentConfiguration.deploymentCircuitBreaker",
            message,
        ));
    }
    let number = |path: &str| document.pointer(path).and_then(Value::as_u64);
    let desired = number("/desiredCount");
    let is_daemon = text(document, "schedulingStrategy") == "DAEMON";
    // A daemon is replaced in place, instance by instance.
    let defaults = if is_daemon { (0, 100) } else { (100, 200) };
    let least = number(&format!("{configuration}/minimumHealthyPercent")).unwrap_or(defaults.0);
    let most = number(&format!("{configuration}/maximumPercent")).unwrap_or(defaults.1);
    // ECS rounds the minimum up and the maximum down, in whole copies.
    let copies = desired.unwrap_or(1).max(1);
    let fewest = copies.saturating_mul(least).div_ceil(100);
    let most_copies = copies.saturating_mul(most) / 100;
    if most < 100 || least > 100 || fewest >= most_copies {
        let message = format!("between {least} % and {most} % of {copies} no copy can be replaced");
        told.push(wrong(
            "deploymentConfiguration",
            message,
            "100 and 200 keep all copies up",
        ));
    } else if fewest < copies && !is_daemon {
        let message = format!("a rollout may take copies down to {least} %");
        told.push(unwise(
            "deploymentConfiguration.minimumHealthyPercent",
            message,
        ));
    }
    if desired == Some(1) {
        told.push(unwise(
            "desiredCount",
            "a single copy serves all requests, and its end is an outage",
        ));
    }
    let is_balanced = list(document, "/loadBalancers").next().is_some();
    let grace = number("/healthCheckGracePeriodSeconds").unwrap_or_default();
    if is_balanced && grace == 0 {
        let message = "without it the balancer's checks end copies that are still starting";
        told.push(unwise("healthCheckGracePeriodSeconds", message));
    }
    let is_reached = ["/vpcLatticeConfigurations", "/gatewayConnectors"]
        .iter()
        .any(|path| document.pointer(path).is_some_and(is_said));
    if grace > 0 && !is_balanced && !is_reached {
        let message = "without a balancer it counts only for the containers' own checks";
        told.push(unwise("healthCheckGracePeriodSeconds", message));
    }
    told
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::aws::document::told;

    /// The guide's service, shortened to the parts with problems.
    fn guides_service() -> Value {
        json!({
            "serviceName": "chatbot-fastapi", "taskDefinition": "chatbot-fastapi:LATEST",
            "desiredCount": 1, "launchType": "FARGATE",
            "networkConfiguration": {"awsvpcConfiguration": {
                "subnets": ["subnet-12345678"], "securityGroups": ["sg-chatbot-fastapi"]}},
            "loadBalancers": [{"targetGroupArn": "arn:aws:elasticloadbalancing:us-east-1:ACCOUNT:targetgroup/x/1",
                "containerName": "chatbot-fastapi", "containerPort": 8000}],
            "deploymentConfiguration": {"maximumPercent": 200, "minimumHealthyPercent": 50,
                "deploymentCircuitBreaker": {"enable": true, "rollback": true}},
            "healthCheckGracePeriodSeconds": 60
        })
    }

    #[test]
    fn every_mistake_of_the_guides_service_is_found_at_once() {
        assert_eq!(
            told(&service(&guides_service())),
            [
                "loadBalancers[0].targetGroupArn: a placeholder stands there, not a value",
                "taskDefinition: `chatbot-fastapi:LATEST` is no revision: a family, or family:NUMBER",
                "networkConfiguration.awsvpcConfiguration.securityGroups[0]: `sg-chatbot-fastapi` is a name, not an id",
                "note deploymentConfiguration.deploymentCircuitBreaker: with `rollback`, ECS rolls failed rollouts back by itself, to the last completed one",
                "note desiredCount: a single copy serves all requests, and its end is an outage",
            ]
        );
    }

    #[test]
    fn what_aws_would_refuse_is_refused() {
        let service_of = |field: &str, value: Value| {
            let mut document = guides_service();
            document[field] = value;
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
    fn a_daemon_has_defaults_of_its_own_and_no_count() {
        let daemon = |more: Value| {
            let mut document = json!({"serviceName": "agent", "schedulingStrategy": "DAEMON", "launchType": "EC2"});
            for (field, value) in more.as_object().into_iter().flatten() {
                document[field] = value.clone();
            }
            told(&service(&document))
        };
        let most = json!({"deploymentConfiguration": {"maximumPercent": 100}});
        assert_eq!(daemon(most), [""; 0]);
        let stuck = json!({"deploymentConfiguration": {"maximumPercent": 100, "minimumHealthyPercent": 100}});
        assert!(daemon(stuck)[0].contains("no copy can be replaced"));
        assert!(daemon(json!({"desiredCount": 2}))[0].contains("once on every instance"));
        assert!(
            daemon(json!({"launchType": "FARGATE"}))
                .join("\n")
                .contains("does not have DAEMON")
        );
    }

    #[test]
    fn a_service_says_where_it_runs_and_how_many_copies() {
        for (value, sign) in [
            (json!({"serviceName": "s"}), "desiredCount: it is missing"),
            (
                json!({"desiredCount": 2, "launchType": "MANAGED_INSTANCES"}),
                "launchType: managed instances are chosen by",
            ),
            (
                json!({"desiredCount": 2, "networkConfiguration": {"awsvpcConfiguration": {"subnets": []}}}),
                "networkConfiguration.awsvpcConfiguration.subnets: []",
            ),
            (
                json!({"desiredCount": 2, "capacityProviderStrategy": [{"capacityProvider": "a"}, {"capacityProvider": "b"}]}),
                "every weight is 0",
            ),
            (
                json!({"desiredCount": 2, "loadBalancers": [{"targetGroupArn": "green"}]}),
                "loadBalancers[0].targetGroupArn: `green` is no target group's ARN",
            ),
            (
                json!({"desiredCount": 2, "loadBalancers": [{"containerPort": 1}]}),
                "loadBalancers[0].containerName: it is missing",
            ),
            (
                json!({"desiredCount": 2, "healthCheckGracePeriodSeconds": 60}),
                "note healthCheckGracePeriodSeconds: without a balancer",
            ),
            (
                json!({"serviceName": "my service", "desiredCount": 2}),
                "serviceName: `my service` cannot be a service's name",
            ),
            (
                json!({"desiredCount": 2, "launchType": "EC2", "platformVersion": "1.4.0"}),
                "platformVersion: EC2 has no platform version",
            ),
            (
                json!({"desiredCount": 2, "launchType": "FARGATE", "placementStrategy": [{"type": "random"}]}),
                "placementStrategy: Fargate places tasks by itself",
            ),
            (
                json!({"desiredCount": 2, "role": "ecs", "networkConfiguration":
                    {"awsvpcConfiguration": {"subnets": ["subnet-0123456789abcdef0"]}}}),
                "role: tasks in awsvpc mode",
            ),
            (
                json!({"desiredCount": 2, "networkConfiguration": {"awsvpcConfiguration": {
                    "subnets": ["subnet-0123456789abcdef0"], "securityGroups": vec!["sg-0123456789abcdef0"; 6]}}}),
                "securityGroups: 6 of them, and a service may have 5",
            ),
            (
                json!({"desiredCount": u64::MAX, "deploymentConfiguration": {"maximumPercent": u64::MAX}}),
                "",
            ),
        ] {
            let told = told(&service(&value)).join("\n");
            assert!(told.contains(sign), "{sign} in {told}");
        }
        for definition in [
            "orders",
            "orders:7",
            "arn:aws:ecs:us-east-1:123456789012:task-definition/orders",
        ] {
            let value = json!({"desiredCount": 2, "taskDefinition": definition});
            assert_eq!(told(&service(&value)), [""; 0]);
        }
    }

    #[test]
    fn the_examples_file_has_no_problem() {
        let text = include_str!("../../../testdata/deploy/service.json");
        let document = serde_json::from_str(text).expect("JSON");
        assert_eq!(told(&service(&document)), [""; 0]);
    }
}
