//! The dead-man switch against an emulated EventBridge Scheduler.

use std::sync::Arc;

use aws_sdk_scheduler::{Client, types::ScheduleState};
use bluegreen::{
    ErrorKind, TrafficSplitter as _,
    aws::alb::{AlbDeadManSwitch, AlbRule},
    traffic::DeadManSwitch as _,
};
use serde_json::Value;

use crate::{
    harness::{self, Emulator},
    patience::wait_for,
    program::{events, terminate, world},
    topology::Topology,
};

const ROLE: &str = "arn:aws:iam::123456789012:role/blue-again";

#[tokio::test]
async fn a_switch_is_armed_renewed_and_disarmed() {
    let Some(topology) = Topology::new().await else {
        return;
    };
    let rule = topology.split_rule(10, 90, 10).await;
    let splitter = Arc::new(topology.splitter(AlbRule::Arn(rule.clone())));
    let role = ROLE.parse().unwrap();
    let topic = "arn:aws:sns:us-east-1:123456789012:on-call";
    let switch = AlbDeadManSwitch::new(&topology.aws, Arc::clone(&splitter), role)
        .with_notice(topic.parse().unwrap());
    let schedules = Client::new(&topology.endpoint.config);

    // To disarm a switch that does not exist is a success.
    switch.disarm().await.unwrap();

    let seen = splitter.observe().await.unwrap();
    let mut name = String::new();
    for time in ["2030-01-05T09:07:03Z", "2030-01-05T09:08:04Z"] {
        let armed = switch.arm(&seen, time.parse().unwrap()).await.unwrap();
        name = armed.name;
        let command = armed.disarm_command.unwrap();
        assert!(command.contains(&name), "{command}");
        let kept = schedules.get_schedule().name(&name).send().await.unwrap();
        let at = format!("at({})", time.trim_end_matches('Z'));
        assert_eq!(kept.schedule_expression(), Some(at.as_str()));
        assert_eq!(kept.schedule_expression_timezone(), Some("UTC"));
        assert_eq!(kept.state(), Some(&ScheduleState::Enabled));
        let target = kept.target().unwrap();
        assert_eq!(target.role_arn(), ROLE);
        let api = "arn:aws:scheduler:::aws-sdk:elasticloadbalancingv2:modifyRule";
        assert_eq!(target.arn(), api);
        let retry = target.retry_policy().unwrap();
        assert_eq!(retry.maximum_retry_attempts(), Some(2));
        assert_eq!(retry.maximum_event_age_in_seconds(), Some(60));
        let input: Value = serde_json::from_str(target.input().unwrap()).unwrap();
        assert_eq!(input["RuleArn"], rule.as_str());
        let groups = &input["Actions"][0]["ForwardConfig"]["TargetGroups"];
        assert_eq!(groups[0]["Weight"], 100);
        assert_eq!(groups[1]["Weight"], 0);
        // A notice to people is scheduled for the same time.
        let notice = format!("{name}-notice");
        let kept = schedules.get_schedule().name(notice).send().await.unwrap();
        assert_eq!(kept.schedule_expression(), Some(at.as_str()));
        let target = kept.target().unwrap();
        assert_eq!(target.arn(), "arn:aws:scheduler:::aws-sdk:sns:publish");
        let input: Value = serde_json::from_str(target.input().unwrap()).unwrap();
        assert_eq!(input["TopicArn"], topic);
        assert!(input["Message"].as_str().unwrap().contains(rule.as_str()));
    }

    // A third party changed the rule: the switch must not be armed from the changed rule.
    topology.write(&rule, vec![topology.forward(30, 70)]).await;
    let late = "2030-01-05T10:00:00Z".parse().unwrap();
    let error = switch.arm(&seen, late).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");

    switch.disarm().await.unwrap();
    for name in [name.clone(), format!("{name}-notice")] {
        let gone = schedules.get_schedule().name(&name).send().await;
        let error = gone.unwrap_err().into_service_error();
        assert!(error.is_resource_not_found_exception(), "{name}: {error}");
    }
}

/// The real program asks an IAM that evaluates the role's policies.
#[tokio::test]
async fn a_role_that_cannot_write_is_found_before_anything_moves() {
    let (Some(world), Some(iam)) = (world().await, harness::start(Emulator::Ministack)) else {
        return;
    };
    let name = "blue-again-or-not";
    let made = |form: &str| {
        iam.post("iam", &format!("{form}&Version=2010-05-08"))
            .unwrap()
    };
    let trust = |service: &str| {
        format!(
            "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22\
             Principal%22%3A%7B%22Service%22%3A%22{service}.amazonaws.com%22%7D%2C%22Action%22%3A%22sts%3A\
             AssumeRole%22%7D%5D%7D"
        )
    };
    let rule = world.topology.split_rule(11, 100, 0).await;
    let mut number = 0;
    let mut run = |role: &str| {
        number += 1;
        let out = world.folder.path().join(format!("role-{number}.json"));
        let child = world.run(&rule, &["migrate", "--dead-man-role", role], &out);
        (child, out)
    };
    let mut refused = |role: &str, said: &str| {
        let (mut child, out) = run(role);
        assert_eq!(child.wait().unwrap().code(), Some(3));
        let words = std::fs::read_to_string(&out).unwrap();
        assert!(words.contains(said), "`{said}` is not in\n{words}");
    };

    refused("arn:aws:iam::000000000000:role/not-there", "does not exist");
    let role = made(&format!(
        "Action=CreateRole&RoleName={name}&AssumeRolePolicyDocument={}",
        trust("ecs-tasks")
    ));
    let begins = role.find("<Arn>").unwrap() + 5;
    let role = &role[begins..begins + role[begins..].find('<').unwrap()];
    refused(role, "does not trust scheduler.amazonaws.com");
    made(&format!(
        "Action=UpdateAssumeRolePolicy&RoleName={name}&PolicyDocument={}",
        trust("scheduler")
    ));
    refused(role, "may not do elasticloadbalancing:ModifyRule");
    let policy = |effect: &str| {
        format!(
            "Action=PutRolePolicy&RoleName={name}&PolicyName=write&PolicyDocument=%7B%22Version%22%3A%22\
             2012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22{effect}%22%2C%22Action%22%3A%22\
             elasticloadbalancing%3AModifyRule%22%2C%22Resource%22%3A%22{rule}%22%7D%5D%7D"
        )
    };
    made(&policy("Deny"));
    refused(role, "denies it");
    assert_eq!(world.topology.weights(&rule).await, (100, 0));

    made(&policy("Allow"));
    let (mut child, out) = run(role);
    wait_for(
        || "a rise under a switch whose role may write".to_owned(),
        || {
            let seen = events(&out);
            let is_there = |name: &str| seen.iter().any(|event| event["event"] == name);
            assert!(child.try_wait().unwrap().is_none(), "{seen:?}");
            (is_there("switch_armed") && is_there("shifted")).then_some(())
        },
    );
    let told = std::fs::read_to_string(&out).unwrap();
    assert!(!told.contains("could not be checked"), "{told}");
    terminate(&child);
    assert_eq!(child.wait().unwrap().code(), Some(11));
    assert_eq!(world.topology.weights(&rule).await.1, 0);
}
