use super::*;
use crate::document::parse;

fn told(input: Input, text: &str) -> Vec<String> {
    let root = parse(text).expect("JSON");
    let problems = problems(input, &root, &["revision".to_owned()]);
    let tell = |one: &Problem| format!("{}: {} ({}) {}", one.path, one.message, one.at, one.hint);
    problems.iter().map(tell).collect()
}

/// One sign for each problem, in order, and no problem more.
#[track_caller]
fn are(input: Input, text: &str, signs: &[&str]) {
    let told = told(input, text);
    assert_eq!(told.len(), signs.len(), "{told:#?}");
    for (told, sign) in told.iter().zip(signs) {
        assert!(told.contains(sign), "{sign} in {told}");
    }
}

#[test]
fn each_misspelt_field_is_told_with_the_right_spelling() {
    let text = r#"{
  "family": "orders",
  "ephemeralStorage": {"sizeInGib": 60},
  "TaskRoleArn": "arn:aws:iam::123456789012:role/orders",
  "containerDefinitions": [
    {"name": "app", "portMapping": [{"containerPort": 8000}],
     "environments": [{"name": "STAGE", "value": "prod"}],
     "healthcheck": {"command": ["CMD-SHELL", "true"]},
     "stopTimeOut": 120, "portMappings": [{"containerPort": 1, "protocoll": "tcp"}]}
  ]
}"#;
    are(
        Input::TaskDefinition,
        text,
        &[
            "ephemeralStorage.sizeInGib: there is no such field here (line 3, column 24) it is spelt sizeInGiB",
            "TaskRoleArn: there is no such field here (line 4, column 3) it is spelt taskRoleArn; that is CloudFormation's spelling",
            "containerDefinitions[0].portMapping: there is no such field here (line 6, column 21) did you mean portMappings? (newer than the model of 20",
            "containerDefinitions[0].environments: there is no such field here (line 7, column 6) did you mean environment?",
            "containerDefinitions[0].healthcheck: there is no such field here (line 8, column 6) it is spelt healthCheck",
            "containerDefinitions[0].stopTimeOut: there is no such field here (line 9, column 6) it is spelt stopTimeout",
            "containerDefinitions[0].portMappings[0].protocoll: there is no such field here (line 9, column 64) did you mean protocol?",
        ],
    );
}

#[test]
fn a_file_of_another_form_is_told_whose_it_is() {
    are(
        Input::Service,
        r#"{"ServiceName": "orders", "DeploymentController": {"Type": "CODEDEPLOY"}}"#,
        &[
            "ServiceName: there is no such field here (line 1, column 2) it is spelt serviceName; that is CloudFormation's",
            "DeploymentController: there is no such field",
            "DeploymentController.Type: there is no such field here (line 1, column 52) it is spelt type",
            "DeploymentController.Type: there is no `CODEDEPLOY` here (line 1, column 60) did you mean CODE_DEPLOY? one of ECS, ",
        ],
    );
    are(
        Input::TaskDefinition,
        r#"{"family": "f", "container_definitions": [{"memory_reservation": 5}]}"#,
        &[
            "container_definitions: there is no such field here (line 1, column 17) it is spelt containerDefinitions; that is Terraform's",
            "container_definitions[0].memory_reservation: there is no such field here",
        ],
    );
    are(
        Input::TargetGroup,
        r#"{"Name": "x", "alb.ingress.kubernetes.io/healthcheck-path": "/", "alb.ingress.kubernetes.io/scheme": "internal"}"#,
        &[
            "healthcheck-path: there is no such field here (line 1, column 15) it is spelt HealthCheckPath; that is an annotation of Kubernetes",
            "scheme: there is no such field here (line 1, column 66) that is an annotation of Kubernetes",
        ],
    );
    for (text, sign) in [
        (
            r#"{"Type": "AWS::ECS::TaskDefinition", "Properties": {}}"#,
            "CloudFormation's form",
        ),
        (r#"{"Resources": {}}"#, "CloudFormation's form"),
        (r#"{"apiVersion": "v1", "kind": "Service"}"#, "Kubernetes"),
        (
            r#"{"resource": {"aws_ecs_service": {}}}"#,
            "Terraform's form",
        ),
        (
            r#"{"services": [], "failures": []}"#,
            "what a describe prints",
        ),
    ] {
        are(Input::Service, text, &[sign]);
    }
}

#[test]
fn what_a_describe_of_a_service_adds_is_told_as_such() {
    are(
        Input::Service,
        r#"{"serviceName": "s", "status": "ACTIVE", "deployments": []}"#,
        &[
            "status: there is no such field here (line 1, column 22) AWS sets it",
            "deployments: there is",
        ],
    );
}

#[test]
fn types_values_and_what_is_missing_are_told_at_once() {
    are(
        Input::TaskDefinition,
        r#"{"family": "f", "cpu": 512, "memory": null, "requiresCompatibilities": "FARGATE",
            "containerDefinitions": [{"environment": {"A": "b"}, "essential": "true",
                "portMappings": [{"containerPort": "8000"}, null], "dependsOn": [{"condition": "START"}]}]}"#,
        &[
            "cpu: a number stands there, not a text (line 1, column 24) write \"512\"",
            "requiresCompatibilities: a text stands there, not a list (line 1, column 72) put it into [ ]",
            "environment: an object stands there, not a list (line 2, column 54) write [{\"name\": …, \"value\": …}]",
            "essential: a text stands there, not true or false (line 2, column 79) write true, without the quotes",
            "portMappings[0].containerPort: a text stands there, not a whole number (line 3, column 52) write 8000, without",
            "portMappings[1]: nothing stands there, not an object",
            "dependsOn[0].containerName: it is missing (line 3, column 82) AWS requires it: a text",
        ],
    );
    are(
        Input::Service,
        r#"{"serviceName": "s", "launchType": "FARGAET", "desiredCount": "2", "desiredCount": 2.5,
            "networkConfiguration": {"awsvpcConfiguration": {}}, "desiredCuont": 99999999999}"#,
        &[
            "desiredCount: it stands on line 1 too",
            "launchType: there is no `FARGAET` here (line 1, column 36) did you mean FARGATE? one of EC2, FARGATE, EXTERNAL",
            "desiredCount: a text stands there, not a whole number",
            "desiredCount: a number with a fraction stands there, not a whole number",
            "awsvpcConfiguration.subnets: it is missing",
            "desiredCuont: there is no such field here (line 2, column 66) did you mean desiredCount?",
        ],
    );
    are(
        Input::Rule,
        r#"{"Priority": "100", "Conditions": [], "Actions": [{"Type": "forward", "ForwardConfig":
            {"TargetGroups": [{"TargetGroupArn": "x", "Weight": "100"}, {"Weight": 99999999999}]}}], "Tags": {"a": "b"}}"#,
        &[
            "Priority: a text stands there, not a whole number",
            "TargetGroups[0].Weight: a text stands there, not a whole number",
            "TargetGroups[1].Weight: 99999999999 is not from",
            "Tags: an object stands there, not a list (line 2, column 110) write [{\"Key\": …, \"Value\": …}]",
        ],
    );
    are(
        Input::TargetGroup,
        r#"{"Port": 0, "HealthCheckPath": "", "TargetType": "pod", "Tags": []}"#,
        &[
            "Port: 0 is not from 1 to 65535",
            "HealthCheckPath: 0 characters, not from 1 to 1024",
            "TargetType: there is no `pod` here",
            "Tags: 0 entries, not at least 1",
            "Name: it is missing",
        ],
    );
    are(
        Input::TaskDefinition,
        r#"[{"name": "app"}]"#,
        &[
            "a list stands there, not an object (line 1, column 1) a list alone is not enough: {\"containerDefinitions\"",
        ],
    );
}

#[test]
fn what_a_describe_adds_and_what_is_given_up_do_not_refuse() {
    are(
        Input::TaskDefinition,
        r#"{"family": "f", "revision": 3, "inferenceAccelerators": null, "containerDefinitions": [],
            "volumes": [{"name": "x", "host": {}}]}"#,
        &[],
    );
    let old = r#"{"family": "f", "containerDefinitions": [], "inferenceAccelerators": [{"deviceName": "a", "deviceType": "b"}]}"#;
    let root = parse(old).expect("JSON");
    let problems = problems(Input::TaskDefinition, &root, &[]);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].kind, Kind::Deprecated);
}

/// A document that the service takes in any form is not looked into.
#[test]
fn a_document_within_a_document_is_free() {
    are(
        Input::Service,
        r#"{"serviceName": "s", "deploymentConfiguration": {"lifecycleHooks": [{"hookDetails": {"any": [1]}}]}}"#,
        &[],
    );
}

/// One case of `tests/model/oracle.py`.
#[derive(serde::Deserialize)]
struct Case {
    operation: String,
    document: serde_json::Value,
    /// The verdict of AWS's client library: nothing, if it would send the file.
    theirs: Vec<String>,
    /// How the file was changed, if it was.
    change: String,
}

/// The verdicts of AWS's own client library on files, against ours. `tests/model/oracle.py` makes
/// the files and starts this test.
#[test]
#[ignore = "needs the files that tests/model/oracle.py makes"]
#[expect(clippy::print_stdout, reason = "the verdicts are what it is run for")]
fn judges_files_as_the_client_library_does() {
    let path = std::env::var_os("BLUEGREEN_MODEL_CASES").expect("oracle.py sets it");
    let text = std::fs::read_to_string(path).expect("oracle.py wrote it");
    let mut counts = BTreeMap::new();
    let mut verdicts = BTreeMap::new();
    let mut apart = Vec::new();
    for line in text.lines() {
        let case: Case = serde_json::from_str(line).expect("oracle.py writes JSON");
        let input = Input::ALL
            .into_iter()
            .find(|one| one.operation() == case.operation)
            .expect("one of ours");
        let root = parse(&case.document.to_string()).expect("JSON");
        let ours = problems(input, &root, &[]);
        // AWS still takes deprecated fields, and so does the library.
        let ours: Vec<&Problem> = ours
            .iter()
            .filter(|one| one.kind != Kind::Deprecated)
            .collect();
        let is_all = |kind| ours.iter().all(|one| one.kind == kind);
        let agrees = match (
            case.change.as_str(),
            ours.is_empty(),
            case.theirs.is_empty(),
        ) {
            // The disagreements that there must be; `oracle.py` gives the reason of each.
            ("value", is_taken, true) => !is_taken && is_all(Kind::Choice),
            ("above", is_taken, true) => !is_taken && is_all(Kind::Range),
            ("null", true, is_taken) => !is_taken,
            ("value" | "above", _, false) => false,
            (_, ours, theirs) => ours == theirs,
        };
        let sides = match (ours.is_empty(), case.theirs.is_empty()) {
            (true, true) => "both take it",
            (false, false) => "both refuse it",
            (false, true) => "ours alone refuses it",
            (true, false) => "the library alone refuses it",
        };
        *verdicts
            .entry(format!("{}: {sides}", case.change))
            .or_insert(0_u32) += 1;
        *counts.entry(case.change.clone()).or_insert(0_u32) += 1;
        if !agrees {
            apart.push(format!("{} {line}\nours: {ours:?}", case.change));
        }
    }
    assert!(
        apart.is_empty(),
        "{} apart, the first:\n{}",
        apart.len(),
        apart[0]
    );
    println!("verdicts by what was changed: {verdicts:#?}");
    for change in [
        "nothing", "name", "type", "value", "missing", "null", "below", "above",
    ] {
        let count = counts.get(change).copied().unwrap_or_default();
        assert!(count >= 100, "{change} was made {count} times: {counts:?}");
    }
}
