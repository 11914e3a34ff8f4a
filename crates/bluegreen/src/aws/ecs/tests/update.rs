use serde_json::{Value, json};

use crate::{
    Error, ErrorKind,
    aws::{
        api::EcsCall,
        ecs::{EcsServiceDeployer, ServiceSpec, testing::*},
    },
    service::{
        DeploymentId, RollbackPoint, ServiceDeployer as _, ServiceObservation, Target, Update,
    },
};

fn from_first() -> ServiceObservation {
    ServiceObservation::steady("chatbot", revision(ONE), DeploymentId::new(FIRST), 4)
}

/// An update from the first revision to the second.
fn forward() -> Update {
    Update {
        from: Some(from_first()),
        to: Target::Revision(revision(TWO)),
        rollback_point: Some(RollbackPoint {
            deployed: revision(TWO),
            previous: Target::Revision(revision(ONE)),
        }),
        older: Vec::new(),
    }
}

/// An update to the first revision of a service that does not exist yet.
fn creation() -> Update {
    Update {
        from: None,
        to: Target::Revision(revision(ONE)),
        rollback_point: Some(RollbackPoint {
            deployed: revision(ONE),
            previous: Target::Nothing,
        }),
        older: Vec::new(),
    }
}

fn without_point(update: Update) -> Update {
    Update {
        rollback_point: None,
        ..update
    }
}

fn tagged() -> Value {
    json!({"resourceArn": SERVICE, "tags": tags(TWO, ONE)})
}

fn updated(extra: Value) -> Value {
    let mut input = json!({"cluster": "c", "service": "chatbot"});
    let fields = extra.as_object().cloned().expect("fields");
    input.as_object_mut().expect("one").extend(fields);
    input
}

fn answer() -> Value {
    json!({"service": rolling(json!([
        deployment(SECOND, "PRIMARY", TWO, "IN_PROGRESS", 0),
        deployment(FIRST, "ACTIVE", ONE, "COMPLETED", 4)
    ]))})
}

async fn refused(deployer: EcsServiceDeployer, update: &Update) -> Error {
    deployer.update(update).await.expect_err("refused")
}

fn spec() -> ServiceSpec {
    let text = r#"{"serviceName": "other", "desiredCount": 3, "propagateTags": "SERVICE",
        "tags": [{"key": "team", "value": "chat"}]}"#;
    ServiceSpec::from_json(text).expect("a service")
}

fn created(token: &str) -> Value {
    let mut all = json!([{"key": "team", "value": "chat"}]);
    let own = tags(ONE, "none").as_array().cloned().expect("tags");
    all.as_array_mut().expect("tags").extend(own);
    json!({
        "cluster": "c", "serviceName": "chatbot", "taskDefinition": ONE, "desiredCount": 3,
        "propagateTags": "SERVICE", "clientToken": token, "tags": all
    })
}

/// Made from cluster, service and revision, and nothing else.
const TOKEN: &str = "f0f77486ecdaf94115f0c9cf9b1c5e0c";

#[tokio::test]
async fn p05_the_rollback_point_is_kept_before_one_thing_is_changed() {
    let ecs = Ecs::new()
        .describes(service())
        .answers(EcsCall::TagResource, tagged(), json!({}))
        .answers(
            EcsCall::UpdateService,
            updated(json!({"taskDefinition": TWO})),
            answer(),
        );
    let id = ecs.deployer().update(&forward()).await.expect("begun");
    assert_eq!(id.as_str(), SECOND);
}

/// An update that certainly did not happen leaves the way back of what runs as it was; after one
/// that may have happened the new record must stay.
#[tokio::test]
async fn p05_a_refused_update_puts_the_rollback_point_back() {
    let stands = || with(service(), "/tags", tags(ONE, THREE));
    let old = json!([
        {"key": "bluegreen:deployed", "value": ONE},
        {"key": "bluegreen:previous", "value": THREE}
    ]);
    for kind in KINDS.into_iter().chain([ErrorKind::OutcomeUnknown]) {
        let mut ecs = Ecs::new()
            .describes(stands())
            .answers(EcsCall::TagResource, tagged(), json!({}))
            .fails(
                EcsCall::UpdateService,
                updated(json!({"taskDefinition": TWO})),
                kind,
            );
        if kind != ErrorKind::OutcomeUnknown {
            let back = json!({"resourceArn": SERVICE, "tags": old});
            ecs = ecs.answers(EcsCall::TagResource, back, json!({}));
        }
        let error = refused(ecs.deployer(), &forward()).await;
        assert_eq!(error.kind(), kind);
    }
}

#[tokio::test]
async fn p07_a_service_that_is_no_longer_as_observed_is_left_alone() {
    let theirs = deployment(THIRD, "PRIMARY", THREE, "IN_PROGRESS", 0);
    let moved = with(service(), "/deployments", json!([theirs]));
    let inactive = with(service(), "/status", json!("INACTIVE"));
    let stop = Update {
        to: Target::Nothing,
        ..creation()
    };
    for (ecs, update) in [
        (Ecs::new().describes(moved), forward()),
        (Ecs::new().describes(inactive), forward()),
        (Ecs::new().misses(), forward()),
        (Ecs::new().describes(service()), creation()),
        (Ecs::new().misses(), stop),
    ] {
        let deployer = ecs.deployer().with_service(spec());
        let error = refused(deployer, &update).await;
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    }
}

#[tokio::test]
async fn p10_a_lost_tag_is_no_lost_deployment() {
    for kind in KINDS.into_iter().chain([ErrorKind::OutcomeUnknown]) {
        let ecs = Ecs::new()
            .describes(service())
            .fails(EcsCall::TagResource, tagged(), kind);
        let error = refused(ecs.deployer(), &forward()).await;
        let wanted = match kind {
            ErrorKind::OutcomeUnknown => ErrorKind::Unavailable,
            kind => kind,
        };
        assert_eq!(error.kind(), wanted);
        assert_eq!(error.message(), "record the rollback point on chatbot");
    }
}

#[tokio::test]
async fn p10_each_kind_of_error_of_the_update_is_kept() {
    for kind in KINDS.into_iter().chain([ErrorKind::OutcomeUnknown]) {
        let ecs = Ecs::new().describes(service()).fails(
            EcsCall::UpdateService,
            updated(json!({"taskDefinition": TWO})),
            kind,
        );
        let error = refused(ecs.deployer(), &without_point(forward())).await;
        assert_eq!(error.kind(), kind);
        let ecs = Ecs::new().fails(EcsCall::DescribeServices, asked(), kind);
        assert_eq!(refused(ecs.deployer(), &forward()).await.kind(), kind);
    }
}

#[tokio::test]
async fn p10_an_answer_that_does_not_show_what_was_asked_for_is_unknown() {
    let primary = |revision: &str| {
        let one = deployment(SECOND, "PRIMARY", revision, "IN_PROGRESS", 0);
        json!({"service": with(service(), "/deployments", json!([one]))})
    };
    let other = primary(THREE);
    let none = json!({"service": with(service(), "/deployments", json!([]))});
    for answer in [
        other,
        none,
        json!({}),
        json!({"service": {"deployments": 7}}),
    ] {
        let ecs = Ecs::new().describes(service()).answers(
            EcsCall::UpdateService,
            updated(json!({"taskDefinition": TWO})),
            answer.clone(),
        );
        let error = refused(ecs.deployer(), &without_point(forward())).await;
        assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{answer}");
    }
    let ecs = Ecs::new().describes(service()).answers(
        EcsCall::UpdateService,
        updated(json!({"taskDefinition": TWO})),
        primary("chatbot:2"),
    );
    let id = ecs.deployer().update(&without_point(forward())).await;
    assert_eq!(id.expect("the same, said shorter").as_str(), SECOND);
}

#[tokio::test]
async fn nothing_is_no_copies_of_the_same_revision() {
    let stop = Update {
        to: Target::Nothing,
        ..without_point(forward())
    };
    let ecs = Ecs::new().describes(service()).answers(
        EcsCall::UpdateService,
        updated(json!({"desiredCount": 0})),
        json!({"service": with(service(), "/desiredCount", json!(0))}),
    );
    let id = ecs.deployer().update(&stop).await.expect("stopped");
    assert_eq!(id.as_str(), FIRST, "no deployment begins by it");
}

/// A failed deployment is begun again; a rollback that is under way is not.
#[tokio::test]
async fn the_same_revision_is_forced_forwards_and_only_that() {
    let point = RollbackPoint {
        deployed: revision(ONE),
        previous: Target::Nothing,
    };
    for (rollback_point, extra) in [
        (
            Some(point),
            json!({"taskDefinition": ONE, "forceNewDeployment": true}),
        ),
        (None, json!({"taskDefinition": ONE})),
    ] {
        let again = Update {
            to: Target::Revision(revision(ONE)),
            rollback_point,
            ..forward()
        };
        let primary = deployment(THIRD, "PRIMARY", ONE, "IN_PROGRESS", 0);
        let mut ecs = Ecs::new().describes(service());
        if again.rollback_point.is_some() {
            let kept = json!({"resourceArn": SERVICE, "tags": tags(ONE, "none")});
            ecs = ecs.answers(EcsCall::TagResource, kept, json!({}));
        }
        let ecs = ecs.answers(
            EcsCall::UpdateService,
            updated(extra),
            json!({"service": with(service(), "/deployments", json!([primary]))}),
        );
        let id = ecs.deployer().update(&again).await.expect("begun");
        assert_eq!(id.as_str(), THIRD);
    }
}

/// A late read shows what this run has replaced itself: that is no third party's deployment.
#[tokio::test]
async fn p07_a_service_as_this_run_knew_it_before_is_written_over() {
    let from = ServiceObservation::steady("chatbot", revision(TWO), DeploymentId::new(SECOND), 4);
    let back = |older: &[&str]| Update {
        from: Some(from.clone()),
        to: Target::Revision(revision(ONE)),
        rollback_point: None,
        older: older.iter().copied().map(DeploymentId::new).collect(),
    };
    let late = Ecs::new().describes(service());
    let error = refused(late.deployer(), &back(&[THIRD])).await;
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    let primary = deployment(THIRD, "PRIMARY", ONE, "IN_PROGRESS", 0);
    let late = Ecs::new().describes(service()).answers(
        EcsCall::UpdateService,
        updated(json!({"taskDefinition": ONE})),
        json!({"service": with(service(), "/deployments", json!([primary]))}),
    );
    let id = late
        .deployer()
        .update(&back(&[FIRST]))
        .await
        .expect("begun");
    assert_eq!(id.as_str(), THIRD);
}

#[tokio::test]
async fn a_service_at_zero_gets_the_files_number_or_is_left_at_zero() {
    let zero = || with(service(), "/desiredCount", json!(0));
    let error = refused(Ecs::new().describes(zero()).deployer(), &forward()).await;
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(
        error
            .hint()
            .is_some_and(|hint| hint.contains("desiredCount"))
    );
    let ecs = Ecs::new()
        .describes(zero())
        .answers(EcsCall::TagResource, tagged(), json!({}))
        .answers(
            EcsCall::UpdateService,
            updated(json!({"taskDefinition": TWO, "desiredCount": 3})),
            answer(),
        );
    let deployer = ecs.deployer().with_service(spec());
    assert_eq!(
        deployer.update(&forward()).await.expect("begun").as_str(),
        SECOND
    );
}

#[tokio::test]
async fn p05_a_service_is_created_with_its_rollback_point_and_twice_is_once() {
    for found in [true, false] {
        let ecs = if found {
            let inactive = with(service(), "/status", json!("INACTIVE"));
            Ecs::new().describes(inactive)
        } else {
            Ecs::new().misses()
        };
        let ecs = ecs.answers(
            EcsCall::CreateService,
            created(TOKEN),
            json!({"service": service()}),
        );
        let deployer = ecs.deployer().with_service(spec());
        let id = deployer.update(&creation()).await.expect("created");
        assert_eq!(id.as_str(), FIRST);
    }
}

#[tokio::test]
async fn p10_each_kind_of_error_of_the_create_is_kept() {
    for kind in KINDS.into_iter().chain([ErrorKind::OutcomeUnknown]) {
        let ecs = Ecs::new()
            .misses()
            .fails(EcsCall::CreateService, created(TOKEN), kind);
        let deployer = ecs.deployer().with_service(spec());
        assert_eq!(refused(deployer, &creation()).await.kind(), kind);
    }
}

#[tokio::test]
async fn a_service_that_is_absent_and_not_described_is_asked_for() {
    let error = refused(Ecs::new().misses().deployer(), &creation()).await;
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.hint().is_some_and(|hint| hint.contains("definition")));
}
