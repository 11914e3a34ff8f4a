//! Broken definition files: every problem is reported, nothing is done, and the exit code is 2.

#![expect(clippy::unwrap_used, reason = "all of it is test code")]

mod common;

use std::fs;

use crate::common::{bluegreen, ended};

const SERVICE: &str = include_str!("../data/deploy/service.json");
const TASK: &str = include_str!("../data/deploy/task-definition.json");

/// Runs `bluegreen deploy` on these files, and returns its exit code and its output.
fn deploy(task: &str, service: &str, more: &[&str]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let mut command = bluegreen(&["deploy", "--sim", "first-release", "--speed", "max"]);
    command
        .arg("--task-definition")
        .arg(file("task.json", task));
    command
        .arg("--service-definition")
        .arg(file("service.json", service));
    let run = ended(command.args(more));
    (run.code, run.said())
}

#[test]
fn every_problem_of_both_files_is_told_and_nothing_is_called() {
    let task = TASK.replace("\"cpu\": \"1024\"", "\"cpu\": 1024");
    let service = SERVICE.replace("\"FARGATE\"", "\"FARGAET\"");
    let service = service.replace("\"desiredCount\"", "\"DesiredCount\"");
    let (code, said) = deploy(&task, &service, &[]);
    assert_eq!(code, Some(2), "{said}");
    for wanted in [
        "--task-definition: cpu: a number stands there, not a text (line 5, column 10)",
        "hint: write \"1024\"",
        "--service-definition: launchType: there is no `FARGAET` here (line 5, column 17)",
        "--service-definition: DesiredCount: there is no such field here (line 4, column 3)",
        "it is spelt desiredCount; that is CloudFormation's spelling",
    ] {
        assert!(said.contains(wanted), "{wanted} in\n{said}");
    }
    assert!(!said.contains("preflight"), "{said}");
}

#[test]
fn what_is_newer_than_the_model_is_deployed_if_it_is_accepted() {
    let task = TASK.replacen('{', "{\"novelty\": {\"enabled\": true},", 1);
    let (code, said) = deploy(&task, SERVICE, &[]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("newer than the model of 20"), "{said}");
    let (code, said) = deploy(&task, SERVICE, &["--accept-unknown", "novelty"]);
    assert_eq!(code, Some(0), "{said}");
}

/// A target group's file is checked by the model as the other files are, and an accepted field is sent.
#[test]
fn a_target_group_of_prepare_is_judged_as_the_other_files_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("group.json");
    let prepare = |group: &str, more: &[&str]| {
        fs::write(&path, group).unwrap();
        let mut command = bluegreen(&["prepare", "--sim", "--target-group-definition"]);
        let run = ended(command.arg(&path).args(more));
        (run.code, run.said())
    };
    let group = |kind: &str, port: &str| {
        format!(
            r#"{{"Name": "chatbot-fastapi-tg", "Protocol": "HTTP", "Port": {port},
                "VpcId": "vpc-0123456789abcdef0", "TargetType": "ip", "IpAddressType": "{kind}",
                "HealthCheckPath": "/health"}}"#
        )
    };
    let (code, said) = prepare(&group("ipv10", "\"8000\""), &[]);
    assert_eq!(code, Some(2), "{said}");
    for wanted in [
        "--target-group-definition: IpAddressType: there is no `ipv10` here (line 2, column",
        "--target-group-definition: Port: a text stands there, not a whole number",
    ] {
        assert!(said.contains(wanted), "{wanted} in\n{said}");
    }
    assert!(!said.contains("API calls"), "{said}");
    let accepted = ["--accept-unknown", "IpAddressType"];
    let (code, said) = prepare(&group("ipv10", "8000"), &accepted);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = prepare(&group("ipv4", "8000"), &[]);
    assert_eq!(code, Some(0), "{said}");
}
