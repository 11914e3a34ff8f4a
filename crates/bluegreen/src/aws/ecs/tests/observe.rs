use serde_json::json;

use crate::{
    ErrorKind,
    aws::{api::EcsCall, ecs::testing::*},
    service::{
        DeploymentId, RevisionId, RollbackOwner, RollbackPoint, Rollout, ServiceDeployer,
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
    let steady = ServiceObservation::steady("chatbot", revision(ONE), deployment, 4);
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
async fn the_rollback_point_is_read_from_the_tags() {
    let cases = [
        (ONE, Target::Nothing, "none"),
        (ONE, Target::Revision(revision(THREE)), THREE),
        (TWO, Target::Revision(revision(ONE)), ONE),
    ];
    for (deployed, previous, text) in cases {
        let seen = observed(with(service(), "/tags", tags(deployed, text))).await;
        let point = RollbackPoint {
            deployed: revision(deployed),
            previous,
        };
        assert_eq!(seen.rollback_point, Some(point));
    }
    let half = json!([{"key": "bluegreen:deployed", "value": ONE}]);
    let seen = observed(with(service(), "/tags", half)).await;
    assert_eq!(seen.rollback_point, None, "half a record is none");
}

#[tokio::test]
async fn a_short_name_and_an_arn_of_one_revision_are_one() {
    let primary = deployment(SECOND, "PRIMARY", "chatbot:2", "COMPLETED", 4);
    let short = with(service(), "/deployments", json!([primary]));
    let seen = observed(with(short, "/tags", tags(TWO, ONE))).await;
    assert_eq!(seen.revision.as_str(), "chatbot:2");
    let point = seen.rollback_point.expect("it is recorded");
    assert_eq!(point.deployed, seen.revision);
}

#[test]
fn p04_a_person_can_change_the_service_by_hand() {
    let mut deployer = Ecs::new().deployer();
    let by_hand = ServiceDeployer::by_hand(&deployer).expect("it knows how");
    let begin = "aws ecs update-service --cluster c --service chatbot";
    assert_eq!(
        by_hand.command(&Target::Revision(revision(ONE))),
        format!("{begin} --task-definition {ONE}")
    );
    let nothing = by_hand.command(&Target::Nothing);
    assert_eq!(nothing, format!("{begin} --desired-count 0"));

    deployer.cluster = "it's $HOME".to_owned();
    let quoted = ServiceDeployer::by_hand(&deployer).expect("it knows how");
    let wanted = r"--cluster 'it'\''s $HOME' --service chatbot";
    assert!(quoted.run.contains(wanted), "{}", quoted.run);
}

#[tokio::test]
async fn a_revision_that_a_person_named_is_found_by_its_arn() {
    let ecs = Ecs::new().answers(
        EcsCall::DescribeTaskDefinition,
        json!({"taskDefinition": "chatbot:1", "include": ["TAGS"]}),
        definition(ONE, &image('a')),
    );
    let named = RevisionId::new("chatbot:1");
    let found = ecs.deployer().resolve(&named).await.expect("it is there");
    assert_eq!(found, revision(ONE));
}
