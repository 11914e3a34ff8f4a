use serde_json::json;

use crate::{
    ErrorKind,
    aws::{api::EcsCall, ecs::testing::*},
    service::{
        DeploymentId, RollbackOwner, RollbackPoint, Rollout, ServiceDeployer as _,
        ServiceObservation, Target,
    },
};

async fn observed(service: serde_json::Value) -> ServiceObservation {
    let deployer = Ecs::new().describes(service).deployer();
    deployer.observe().await.expect("read").expect("there")
}

#[tokio::test]
async fn p04_a_service_is_read_as_it_is() {
    let seen = observed(service()).await;
    let deployment = DeploymentId::new(FIRST);
    let mut steady = ServiceObservation::steady("chatbot", revision(ONE), deployment, 4);
    steady.restore_command =
        format!("aws ecs update-service --cluster c --service chatbot --task-definition {ONE}");
    assert_eq!(seen, steady);
    assert!(seen.is_steady());
}

#[tokio::test]
async fn a_missing_service_and_a_deleted_one_are_none_and_a_missing_cluster_is_not() {
    let deployer = Ecs::new().misses().deployer();
    assert_eq!(deployer.observe().await.expect("read"), None);
    let inactive = with(service(), "/status", json!("INACTIVE"));
    let deployer = Ecs::new().describes(inactive).deployer();
    assert_eq!(deployer.observe().await.expect("read"), None);
    let deployer = Ecs::new()
        .fails(EcsCall::DescribeServices, asked(), ErrorKind::NotFound)
        .deployer();
    let error = deployer.observe().await.expect_err("no cluster");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.hint().is_some_and(|hint| hint.contains("cluster")));
}

#[tokio::test]
async fn p04_an_answer_that_cannot_be_read_is_never_a_default() {
    let no_primary = with(service(), "/deployments", json!([]));
    let odd = with(service(), "/desiredCount", json!("four"));
    for answer in [
        json!({"services": [no_primary]}),
        json!({"services": [odd]}),
        json!({"services": "none"}),
        json!({"services": [], "failures": []}),
        json!({}),
        json!({"failures": [{"arn": SERVICE, "reason": "SOMETHING_ELSE"}]}),
    ] {
        let ecs = Ecs::new().answers(EcsCall::DescribeServices, asked(), answer.clone());
        let error = ecs.deployer().observe().await.expect_err("no answer");
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{answer}");
    }
}

#[tokio::test]
async fn each_kind_of_error_reaches_the_caller() {
    for kind in KINDS {
        let ecs = Ecs::new().fails(EcsCall::DescribeServices, asked(), kind);
        let error = ecs.deployer().observe().await.expect_err("it failed");
        assert_eq!(error.kind(), kind);
        assert_eq!(error.message(), "describe service chatbot in c");
    }
}

#[tokio::test]
async fn a_rollout_under_way_counts_what_else_has_copies() {
    let deployments = json!([
        deployment(SECOND, "PRIMARY", TWO, "IN_PROGRESS", 1),
        deployment(FIRST, "ACTIVE", ONE, "COMPLETED", 4),
        {"id": THIRD, "status": "ACTIVE", "taskDefinition": ONE, "desiredCount": 0}
    ]);
    let seen = observed(with(service(), "/deployments", deployments)).await;
    assert_eq!(
        (seen.revision.as_str(), seen.deployment.as_str()),
        (TWO, SECOND)
    );
    assert_eq!((seen.running, seen.others), (1, 1));
    assert_eq!(seen.rollout, Rollout::InProgress);
}

#[tokio::test]
async fn a_service_that_does_not_say_how_far_it_is_is_judged_by_its_counts() {
    for (running, rollout) in [(4, Rollout::Completed), (3, Rollout::InProgress)] {
        let mut one = deployment(FIRST, "PRIMARY", ONE, "", running);
        one.as_object_mut().expect("one").remove("rolloutState");
        let seen = observed(with(service(), "/deployments", json!([one]))).await;
        assert_eq!(seen.rollout, rollout, "{running} of 4");
    }
}

#[tokio::test]
async fn whoever_may_roll_back_by_the_services_setting_owns_it() {
    let on = json!({"enable": true, "rollback": true});
    let cases = [
        (
            "deploymentCircuitBreaker",
            on.clone(),
            RollbackOwner::Service,
        ),
        ("alarms", on, RollbackOwner::Service),
        (
            "deploymentCircuitBreaker",
            json!({"enable": false, "rollback": true}),
            RollbackOwner::Us,
        ),
        (
            "alarms",
            json!({"enable": true, "rollback": false}),
            RollbackOwner::Us,
        ),
    ];
    for (switch, value, owner) in cases {
        let path = format!("/deploymentConfiguration/{switch}");
        let seen = observed(with(service(), &path, value.clone())).await;
        assert_eq!(seen.rollback_owner, owner, "{switch} {value}");
    }
}

#[tokio::test]
async fn the_rollback_point_is_read_from_the_tags_and_the_command_goes_there() {
    let cases = [
        (ONE, Target::Nothing, "none", "--desired-count 0"),
        (
            ONE,
            Target::Revision(revision(THREE)),
            THREE,
            "--task-definition arn:aws:ecs:us-east-1:123456789012:task-definition/chatbot:3",
        ),
        // Recorded, and never begun: what runs is what is to run again.
        (
            TWO,
            Target::Revision(revision(ONE)),
            ONE,
            "--task-definition arn:aws:ecs:us-east-1:123456789012:task-definition/chatbot:1",
        ),
    ];
    for (deployed, previous, text, command) in cases {
        let seen = observed(with(service(), "/tags", tags(deployed, text))).await;
        let point = RollbackPoint {
            deployed: revision(deployed),
            previous,
        };
        assert_eq!(seen.rollback_point, Some(point));
        let command = format!("aws ecs update-service --cluster c --service chatbot {command}");
        assert_eq!(seen.restore_command, command);
    }
    let half = json!([{"key": "bluegreen:deployed", "value": ONE}]);
    let seen = observed(with(service(), "/tags", half)).await;
    assert_eq!(seen.rollback_point, None, "half a record is none");
}

#[tokio::test]
async fn short_names_of_revisions_are_kept_and_compared_with_arns() {
    let primary = deployment(SECOND, "PRIMARY", "chatbot:2", "COMPLETED", 4);
    let short = with(service(), "/deployments", json!([primary]));
    let seen = observed(with(short, "/tags", tags(TWO, ONE))).await;
    assert_eq!(seen.revision.as_str(), "chatbot:2");
    assert!(
        seen.restore_command.ends_with(ONE),
        "{}",
        seen.restore_command
    );
}

#[tokio::test]
async fn names_in_the_command_are_quoted_for_a_shell() {
    let mut deployer = Ecs::new()
        .answers(
            EcsCall::DescribeServices,
            json!({"cluster": "it's $HOME", "services": ["chatbot"], "include": ["TAGS"]}),
            json!({"services": [service()]}),
        )
        .deployer();
    deployer.cluster = "it's $HOME".to_owned();
    let seen = deployer.observe().await.expect("read").expect("there");
    assert!(
        seen.restore_command
            .contains(r"--cluster 'it'\''s $HOME' --service chatbot"),
        "{}",
        seen.restore_command
    );
}
