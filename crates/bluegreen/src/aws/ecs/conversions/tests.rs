use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{
    aws::{
        api::EcsCall,
        ecs::{ServiceSpec, TaskDefinition},
        model::{Input, Model, Shape},
        sim::Simulation,
    },
    preflight::Severity,
};

fn is_same(one: &Value, other: &Value) -> bool {
    let object = |value: &Value| value.as_object().cloned().expect("an object");
    canonical(&object(one)) == canonical(&object(other))
}

#[test]
fn every_row_names_a_field_of_the_model_and_a_value_of_its_type() {
    for (table, input) in [
        (TASK_DEFINITION, Input::TaskDefinition),
        (SERVICE, Input::Service),
    ] {
        let model = input.model();
        for row in table {
            let mut shape = Shape::Any {};
            let mut at = input.shape().to_owned();
            for step in row.path.split('.') {
                let name = step.strip_suffix("[]").unwrap_or(step);
                let Shape::Structure { fields, .. } = model.shape(&at) else {
                    panic!("{}: {at} has no fields", row.path);
                };
                at.clone_from(fields.get(name).unwrap_or_else(|| panic!("{}", row.path)));
                shape = model.shape(&at);
                if let Shape::List { of, .. } = &shape
                    && step.ends_with("[]")
                {
                    at.clone_from(of);
                }
            }
            let is_list = matches!(shape, Shape::List { .. });
            match row.does {
                Does::Sorts => assert!(is_list, "{}", row.path),
                Does::HostPort => assert!(matches!(shape, Shape::Whole(_))),
                Does::Counts(_) => assert!(matches!(shape, Shape::Text(_))),
                Does::Fills(default) | Does::Means(default) => {
                    let default: Value = serde_json::from_str(default).expect("JSON");
                    let fits = match shape {
                        Shape::List { .. } => default.is_array(),
                        Shape::Whole(_) => default.is_i64(),
                        Shape::Bool {} => default.is_boolean(),
                        Shape::Choice { values } => {
                            default == "" || values.iter().any(|value| default == value.as_str())
                        }
                        _ => default.is_string(),
                    };
                    assert!(fits, "{}: {default}", row.path);
                }
            }
            assert!(!row.source.is_empty());
        }
    }
}

/// Documents that the model takes.
fn sound(model: &'static Model, name: &str, depth: u32) -> BoxedStrategy<Value> {
    match model.shape(name) {
        Shape::Structure {
            fields, required, ..
        } => {
            let pairs: Vec<_> = fields
                .iter()
                .map(|(name, shape)| {
                    let value = sound(model, shape, depth + 1);
                    let value = if required.contains(name) {
                        value.prop_map(Some).boxed()
                    } else {
                        let share = 0.5 / f64::from(depth + 1);
                        proptest::option::weighted(share, value).boxed()
                    };
                    (Just(name.clone()), value)
                })
                .collect();
            pairs
                .prop_map(|pairs| {
                    let there = pairs
                        .into_iter()
                        .filter_map(|(name, value)| Some((name, value?)));
                    Value::Object(there.collect())
                })
                .boxed()
        }
        Shape::List { of, .. } => prop::collection::vec(sound(model, &of, depth + 1), 0..3)
            .prop_map(Value::from)
            .boxed(),
        Shape::Map { of } => {
            prop::collection::btree_map("[a-z]{1,3}", sound(model, &of, depth + 1), 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect()))
                .boxed()
        }
        Shape::Choice { values } => prop::sample::select(values).prop_map(Value::from).boxed(),
        Shape::Text(_) => prop_oneof![
            "[a-z]{1,3}",
            Just("1 vCPU".to_owned()),
            Just("2 GB".to_owned()),
            Just("1024".to_owned()),
            Just("/".to_owned()),
        ]
        .prop_map(Value::from)
        .boxed(),
        Shape::Whole(_) | Shape::Number(_) => (0..400_i32).prop_map(Value::from).boxed(),
        Shape::Bool {} => any::<bool>().prop_map(Value::from).boxed(),
        Shape::Any {} => Just(json!({})).boxed(),
    }
}

fn task_definition() -> BoxedStrategy<Value> {
    sound(
        Input::TaskDefinition.model(),
        Input::TaskDefinition.shape(),
        0,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// AWS answers a registered file with a definition that is the same as the file, for any file.
    #[test]
    fn what_aws_answers_after_a_register_is_the_same(document in task_definition()) {
        let object = document.as_object().cloned().expect("an object");
        let answer = Value::Object(described(&object));
        prop_assert!(is_same(&document, &answer), "{document:#}\n{answer:#}");
        // Another image is another definition, however much AWS fills in.
        let mut other = answer;
        other["family"] = json!("another");
        prop_assert!(!is_same(&document, &other));
    }
}

/// Features of real task definitions, each with what it puts at the top and into the container.
fn features() -> Vec<(&'static str, Value, Value)> {
    let fs = json!({"fileSystemId": "fs-0123456789abcdef0", "transitEncryption": "ENABLED",
        "authorizationConfig": {"accessPointId": "fsap-0123456789abcdef0", "iam": "ENABLED"}});
    vec![
        (
            "larger units",
            json!({"cpu": "1 vCPU", "memory": "2 GB"}),
            json!({}),
        ),
        (
            "half a unit",
            json!({"cpu": ".5 vcpu", "memory": "1GB"}),
            json!({}),
        ),
        (
            "ARM",
            json!({"runtimePlatform": {"cpuArchitecture": "ARM64", "operatingSystemFamily": "LINUX"}}),
            json!({}),
        ),
        (
            "storage",
            json!({"ephemeralStorage": {"sizeInGiB": 50}}),
            json!({}),
        ),
        ("faults", json!({"enableFaultInjection": true}), json!({})),
        ("process", json!({"pidMode": "task"}), json!({})),
        (
            "tags",
            json!({"tags": [{"key": "b", "value": "2"}, {"key": "a", "value": "1"}]}),
            json!({}),
        ),
        (
            "EFS",
            json!({"volumes": [{"name": "shared", "efsVolumeConfiguration": fs}, {"name": "launch", "configuredAtLaunch": true}]}),
            json!({"mountPoints": [{"sourceVolume": "shared", "containerPath": "/d"}, {"sourceVolume": "launch", "containerPath": "/a", "readOnly": false}]}),
        ),
        (
            "ports",
            json!({}),
            json!({"portMappings": [{"containerPort": 8443, "protocol": "tcp"}, {"containerPort": 8000, "name": "http", "appProtocol": "http2"}]}),
        ),
        (
            "environment",
            json!({}),
            json!({"environment": [{"name": "B", "value": ""}, {"name": "A", "value": "1"}]}),
        ),
        (
            "secrets",
            json!({}),
            json!({"secrets": [{"name": "Y", "valueFrom": "arn:aws:ssm:us-east-1:123456789012:parameter/y"}, {"name": "X", "valueFrom": "x"}]}),
        ),
        (
            "health",
            json!({}),
            json!({"healthCheck": {"command": ["CMD-SHELL", "true"]}}),
        ),
        (
            "health, spelt",
            json!({}),
            json!({"healthCheck": {"command": ["CMD", "true"], "interval": 30, "timeout": 5, "retries": 3, "startPeriod": 0}}),
        ),
        (
            "restarts",
            json!({}),
            json!({"restartPolicy": {"enabled": true, "ignoredExitCodes": [0]}}),
        ),
        (
            "limits",
            json!({}),
            json!({"ulimits": [{"name": "nofile", "softLimit": 65535, "hardLimit": 65535}], "memoryReservation": 128, "cpu": 64}),
        ),
        (
            "Linux",
            json!({}),
            json!({"linuxParameters": {"initProcessEnabled": true, "capabilities": {"drop": ["NET_RAW", "ALL"]}}}),
        ),
        (
            "logs",
            json!({}),
            json!({"logConfiguration": {"logDriver": "splunk", "options": {"tag": "", "splunk-url": "https://s.example.com"}}}),
        ),
        (
            "version",
            json!({}),
            json!({"versionConsistency": "enabled", "stopTimeout": 30}),
        ),
        (
            "words",
            json!({}),
            json!({"command": ["b", "a"], "entryPoint": ["sh", "-c"], "dockerLabels": {"b": "2", "a": "1"}}),
        ),
        (
            "nothing said",
            json!({"taskRoleArn": null, "placementConstraints": [], "inferenceAccelerators": null}),
            json!({"environment": [], "links": null}),
        ),
    ]
}

/// The features crossed pairwise: register, describe, compare.
#[tokio::test(start_paused = true)]
async fn real_features_crossed_pairwise_come_back_the_same() {
    let features = features();
    let mut tried = 0;
    for one in 0..features.len() {
        for other in one..features.len() {
            let mut document = json!({"family": "orders", "networkMode": "awsvpc",
                "requiresCompatibilities": ["FARGATE"], "cpu": "512", "memory": "1024",
                "executionRoleArn": "arn:aws:iam::123456789012:role/ecsTaskExecutionRole"});
            let mut container =
                json!({"name": "app", "image": "orders@sha256:0", "essential": true});
            let beside =
                json!({"name": "a-sidecar", "image": "proxy@sha256:0", "essential": false});
            for (_, top, inner) in [&features[one], &features[other]] {
                for (to, from) in [(&mut document, top), (&mut container, inner)] {
                    for (field, value) in from.as_object().into_iter().flatten() {
                        to[field] = value.clone();
                    }
                }
            }
            document["containerDefinitions"] = json!([container, beside]);
            let names = (features[one].0, features[other].0);
            let file = TaskDefinition::from_json(&document.to_string()).expect("an object");
            let stops = file
                .findings()
                .into_iter()
                .filter(|one| one.severity != Severity::Note);
            assert_eq!(stops.collect::<Vec<_>>(), [], "{names:?}");
            // Nothing of the file is left out of the request.
            assert_eq!(file.register_input(), document, "{names:?}");

            let ecs = Simulation::builder().build().aws().ecs;
            let answer = ecs
                .call(EcsCall::RegisterTaskDefinition, document.clone())
                .await;
            let arn = answer.expect("registered")["taskDefinition"]["taskDefinitionArn"].clone();
            let answer = ecs
                .call(
                    EcsCall::DescribeTaskDefinition,
                    json!({"taskDefinition": arn, "include": ["TAGS"]}),
                )
                .await
                .expect("described");
            assert_ne!(
                answer["taskDefinition"]["containerDefinitions"][0],
                document["containerDefinitions"][0]
            );
            let described = TaskDefinition::from_described(answer).expect("well-formed");
            assert!(
                file.is_same_as(&described),
                "{names:?}: {:?}",
                file.diff(&described)
            );
            tried += 1;
        }
    }
    assert!(tried >= 200, "{tried}");
}

#[test]
fn what_runs_otherwise_is_another() {
    let base = json!({"family": "f", "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"], "cpu": "1024",
        "containerDefinitions": [{"name": "app", "image": "i", "command": ["a", "b"],
            "logConfiguration": {"logDriver": "splunk", "options": {"tag": ""}}}]});
    for (pointer, value) in [
        ("/cpu", json!("2 vCPU")),
        ("/containerDefinitions/0/command", json!(["b", "a"])),
        ("/containerDefinitions/0/essential", json!(false)),
        (
            "/containerDefinitions/0/logConfiguration/options",
            json!({}),
        ),
        ("/containerDefinitions/0/stopTimeout", json!(60)),
        (
            "/containerDefinitions/0/healthCheck",
            json!({"command": ["CMD", "x"], "interval": 31}),
        ),
        ("/enableFaultInjection", json!(true)),
    ] {
        let mut other = base.clone();
        let (parent, field) = pointer.rsplit_once('/').expect("a pointer");
        other.pointer_mut(parent).expect("it is there")[field] = value;
        assert!(!is_same(&base, &other), "{pointer}");
    }
}

/// The answer of AWS to a file that says little, from a public dump.
#[test]
fn a_real_answer_to_a_short_file_is_the_same() {
    let file = json!({"family": "orders", "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"],
        "cpu": ".5 vCPU", "memory": "1 GB",
        "containerDefinitions": [{"name": "app", "image": "i", "portMappings": [{"containerPort": 8000}]}]});
    let answer = json!({"family": "orders", "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"],
        "cpu": "512", "memory": "1024", "volumes": [], "placementConstraints": [], "enableFaultInjection": false,
        "containerDefinitions": [{"name": "app", "image": "i", "cpu": 0, "essential": true, "environment": [],
            "portMappings": [{"containerPort": 8000, "hostPort": 8000, "protocol": "tcp"}],
            "mountPoints": [], "volumesFrom": [], "systemControls": []}]});
    assert!(is_same(&file, &answer));
    let object = file.as_object().cloned().expect("an object");
    assert_eq!(
        Value::Object(described(&object)),
        answer,
        "and the simulation answers as AWS does"
    );
}

/// Settings of real services; null leaves one out.
fn settings() -> Vec<(&'static str, Value)> {
    vec![
        ("nothing", json!({})),
        ("strategy, spelt", json!({"schedulingStrategy": "REPLICA"})),
        (
            "controller, spelt",
            json!({"deploymentController": {"type": "ECS"}}),
        ),
        ("latest platform", json!({"platformVersion": "LATEST"})),
        (
            "tags",
            json!({"tags": [{"key": "b", "value": "2"}, {"key": "a", "value": "1"}],
                "propagateTags": "SERVICE", "enableECSManagedTags": true}),
        ),
        (
            "no tags",
            json!({"propagateTags": "NONE", "enableECSManagedTags": false}),
        ),
        ("shell", json!({"enableExecuteCommand": true})),
        (
            "balanced",
            json!({"loadBalancers": [{"containerName": "app", "containerPort": 8000, "targetGroupArn":
                "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/fastapi/943f017f100becff"}],
                "healthCheckGracePeriodSeconds": 60}),
        ),
        ("no patience", json!({"healthCheckGracePeriodSeconds": 0})),
        (
            "found by name",
            json!({"serviceRegistries": [{"registryArn": "arn:aws:servicediscovery:us-east-1:123456789012:service/srv-1"}]}),
        ),
        (
            "connected",
            json!({"serviceConnectConfiguration": {"enabled": true, "namespace": "prod"}}),
        ),
        (
            "breaker",
            json!({"deploymentConfiguration": {"maximumPercent": 150, "minimumHealthyPercent": 100,
                "deploymentCircuitBreaker": {"enable": true, "rollback": true}}}),
        ),
        (
            "no breaker, spelt",
            json!({"deploymentConfiguration": {"maximumPercent": 200, "minimumHealthyPercent": 100,
                "strategy": "ROLLING", "bakeTimeInMinutes": 0,
                "deploymentCircuitBreaker": {"enable": false, "rollback": false}}}),
        ),
        (
            "subnets in any order",
            json!({"networkConfiguration": {"awsvpcConfiguration": {"assignPublicIp": "DISABLED",
                "subnets": ["subnet-0b", "subnet-0a"], "securityGroups": ["sg-0b", "sg-0a"]}}}),
        ),
        (
            "by provider",
            json!({"launchType": null, "capacityProviderStrategy": [
                {"capacityProvider": "FARGATE", "base": 1, "weight": 1},
                {"capacityProvider": "FARGATE_SPOT", "weight": 3}]}),
        ),
        (
            "empty lists",
            json!({"placementStrategy": [], "placementConstraints": []}),
        ),
        ("zones", json!({"availabilityZoneRebalancing": "ENABLED"})),
    ]
}

/// The settings crossed pairwise: create, describe, compare.
#[tokio::test(start_paused = true)]
async fn services_crossed_pairwise_come_back_without_a_difference() {
    let settings = settings();
    let mut tried = 0;
    for (one, first) in &settings {
        for (other, second) in &settings {
            let simulation = Simulation::builder().no_service().build();
            let mut file = json!({"serviceName": simulation.service(), "desiredCount": 2,
                "launchType": "FARGATE", "networkConfiguration": {"awsvpcConfiguration": {
                    "subnets": ["subnet-0123456789abcdef0"], "securityGroups": ["sg-0123456789abcdef0"]}}});
            for set in [first, second] {
                for (field, value) in set.as_object().into_iter().flatten() {
                    file[field] = value.clone();
                }
            }
            let spec = ServiceSpec::from_json(&file.to_string()).expect("an object");
            let ecs = simulation.aws().ecs;
            let family = json!({"family": "chatbot-fastapi",
                "containerDefinitions": [{"name": "app", "image": "i"}]});
            let registered = ecs
                .call(EcsCall::RegisterTaskDefinition, family)
                .await
                .expect("registered");
            let arn = registered["taskDefinition"]["taskDefinitionArn"].as_str();
            let (cluster, service) = (simulation.cluster(), simulation.service());
            let input = spec.create_input(cluster, service, arn.expect("an ARN"), &[], "token");
            ecs.call(EcsCall::CreateService, input).await.expect("made");
            let asked = json!({"cluster": cluster, "services": [service], "include": ["TAGS"]});
            let answer = ecs
                .call(EcsCall::DescribeServices, asked)
                .await
                .expect("described");
            let lines = spec.differences(&answer["services"][0]);
            assert_eq!(lines, Vec::<String>::new(), "{one}, {other}");
            tried += 1;
        }
    }
    assert!(tried >= 200, "{tried}");
}
