//! Service deployments of ECS over the wire: answers of the shapes that AWS documents.

use bluegreen::{
    ErrorKind,
    aws::ecs::EcsNativeDeployment,
    native::{NativeStatus, OnTimeout, PauseId, PauseStatus, PausedDeployment as _, RollBackBy},
};
use serde_json::{Value, json};

use crate::{
    connection::Answer,
    ecs::{Connection, cases},
    over,
};

const ARN: &str =
    "arn:aws:ecs:us-east-1:123456789012:service-deployment/c/chatbot/NCWGC2ZR-tawPAYrIaU5s";
const HOOK: &str = "ecs-pause-e7tK9G_WRJqNF_EOMjztDXfKenlJuEUVjsNStf4WLKw";

/// A canary that waits before its second step, with each field of the service model that may be there. Times
/// are seconds since the epoch, as the protocol has them.
const DEPLOYMENTS: &str = r#"{"serviceDeployments": [{
    "serviceDeploymentArn": "arn:aws:ecs:us-east-1:123456789012:service-deployment/c/chatbot/NCWGC2ZR-tawPAYrIaU5s",
    "serviceArn": "arn:aws:ecs:us-east-1:123456789012:service/c/chatbot",
    "clusterArn": "arn:aws:ecs:us-east-1:123456789012:cluster/c",
    "createdAt": 1767603600.25, "startedAt": 1767603601.5, "updatedAt": 1.767604203607E9,
    "sourceServiceRevisions": [{"arn": "arn:aws:ecs:us-east-1:123456789012:service-revision/c/chatbot/4980306466373577095",
        "requestedTaskCount": 2, "runningTaskCount": 2, "pendingTaskCount": 0,
        "requestedTestTrafficWeight": 0.0, "requestedProductionTrafficWeight": 94.5}],
    "targetServiceRevision": {"arn": "arn:aws:ecs:us-east-1:123456789012:service-revision/c/chatbot/1234567890123456789",
        "requestedTaskCount": 2, "runningTaskCount": 2, "pendingTaskCount": 0,
        "requestedTestTrafficWeight": 100.0, "requestedProductionTrafficWeight": 5.5},
    "status": "IN_PROGRESS", "statusReason": "waits",
    "lifecycleStage": "PRODUCTION_TRAFFIC_SHIFT",
    "lifecycleHookDetails": [
        {"hookId": "ecs-pause-e7tK9G_WRJqNF_EOMjztDXfKenlJuEUVjsNStf4WLKw", "targetType": "PAUSE",
         "status": "AWAITING_ACTION", "expiresAt": 1767690000.0, "timeoutAction": "CONTINUE"},
        {"hookId": "f", "targetType": "AWS_LAMBDA", "targetArn": "arn:aws:lambda:us-east-1:123456789012:function:f",
         "status": "IN_PROGRESS", "expiresAt": 1767690000.0, "timeoutAction": "ROLLBACK"}],
    "deploymentConfiguration": {"maximumPercent": 200, "minimumHealthyPercent": 100, "strategy": "CANARY",
        "bakeTimeInMinutes": 10,
        "canaryConfiguration": {"canaryPercent": 5.5, "canaryBakeTimeInMinutes": 15},
        "alarms": {"alarmNames": ["errors"], "rollback": true, "enable": true},
        "deploymentCircuitBreaker": {"enable": false, "rollback": false},
        "lifecycleHooks": [{"targetType": "PAUSE", "lifecycleStages": ["PRE_PRODUCTION_TRAFFIC_SHIFT"],
            "timeoutConfiguration": {"timeoutInMinutes": 1440, "action": "CONTINUE"}}]},
    "deploymentCircuitBreaker": {"status": "DISABLED", "failureCount": 0, "threshold": 3},
    "alarms": {"status": "MONITORING", "alarmNames": ["errors"], "triggeredAlarmNames": []},
    "fieldOfNextYear": {"kept": [1]}}], "failures": []}"#;

const LIST: &str = r#"{"serviceDeployments": [{
    "serviceDeploymentArn": "arn:aws:ecs:us-east-1:123456789012:service-deployment/c/chatbot/NCWGC2ZR-tawPAYrIaU5s",
    "serviceArn": "arn:aws:ecs:us-east-1:123456789012:service/c/chatbot",
    "clusterArn": "arn:aws:ecs:us-east-1:123456789012:cluster/c", "createdAt": 1767603600.25,
    "startedAt": 1767603601.5, "status": "IN_PROGRESS",
    "targetServiceRevisionArn": "arn:aws:ecs:us-east-1:123456789012:service-revision/c/chatbot/1234567890123456789"}]}"#;

/// Both revisions, without the groups: nothing is asked of the balancer.
const REVISIONS: &str = r#"{"serviceRevisions": [
    {"serviceRevisionArn": "arn:aws:ecs:us-east-1:123456789012:service-revision/c/chatbot/4980306466373577095"},
    {"serviceRevisionArn": "arn:aws:ecs:us-east-1:123456789012:service-revision/c/chatbot/1234567890123456789"}],
    "failures": []}"#;

const DONE: &str = r#"{"serviceDeploymentArn": "arn:aws:ecs:us-east-1:123456789012:service-deployment/c/chatbot/NCWGC2ZR-tawPAYrIaU5s"}"#;

/// The answer to an operation of this file.
pub(crate) fn answer(operation: &str) -> Option<&'static str> {
    Some(match operation {
        "DescribeServiceDeployments" => DEPLOYMENTS,
        "ListServiceDeployments" => LIST,
        "DescribeServiceRevisions" => REVISIONS,
        "ContinueServiceDeployment" | "StopServiceDeployment" => DONE,
        _ => return None,
    })
}

fn deployment(connection: &Connection) -> EcsNativeDeployment {
    EcsNativeDeployment::new(&over::aws_over(connection.clone()), ARN).unwrap()
}

/// The bodies that were sent, in order.
fn bodies(connection: &Connection) -> Vec<(String, Value)> {
    let sent = connection.sent.lock().unwrap();
    let bodies = sent.iter().map(|one| {
        assert!(one.is_signed, "{one:?}");
        let body = serde_json::from_slice(&one.body).unwrap();
        (one.operation.clone(), body)
    });
    bodies.collect()
}

#[tokio::test]
async fn a_service_deployment_comes_whole_over_the_wire() {
    let connection = Connection::healthy();
    let seen = deployment(&connection).observe().await.unwrap();
    assert_eq!(seen.status, NativeStatus::InProgress);
    assert_eq!(seen.reason.as_deref(), Some("waits"));
    assert_eq!(
        (seen.blue().to_string(), seen.green().to_string()),
        ("94.5%".into(), "5.5%".into())
    );
    assert_eq!(seen.updated.unwrap().as_millisecond(), 1_767_604_203_607);
    assert_eq!(seen.successor, None);
    let pause = &seen.pauses[0];
    assert_eq!(
        (pause.id.as_str(), &pause.status),
        (HOOK, &PauseStatus::Awaiting)
    );
    assert_eq!(pause.on_timeout, OnTimeout::Continue);
    assert_eq!(pause.expires.unwrap().as_second(), 1_767_690_000);
    assert_eq!(seen.pauses.len(), 1, "a function is no pause");
    let list = json!({
        "cluster": "c", "service": "chatbot", "maxResults": 100,
        "createdAt": {"after": 1_767_603_600.25}
    });
    let revisions = ["4980306466373577095", "1234567890123456789"]
        .map(|id| format!("arn:aws:ecs:us-east-1:123456789012:service-revision/c/chatbot/{id}"));
    assert_eq!(
        bodies(&connection),
        [
            (
                "DescribeServiceDeployments".to_owned(),
                json!({"serviceDeploymentArns": [ARN]})
            ),
            ("ListServiceDeployments".to_owned(), list),
            (
                "DescribeServiceRevisions".to_owned(),
                json!({"serviceRevisionArns": revisions})
            ),
        ]
    );
}

#[tokio::test]
async fn answers_and_stops_are_sent_as_the_service_model_has_them() {
    let connection = Connection::healthy();
    let one = deployment(&connection);
    let pause = PauseId::from(HOOK);
    one.proceed(&pause).await.unwrap();
    one.roll_back(&RollBackBy::Answer(pause)).await.unwrap();
    one.roll_back(&RollBackBy::Stop).await.unwrap();
    let answered = |action: &str| {
        let body = json!({"serviceDeploymentArn": ARN, "hookId": HOOK, "action": action});
        ("ContinueServiceDeployment".to_owned(), body)
    };
    let stopped = json!({"serviceDeploymentArn": ARN, "stopType": "ROLLBACK"});
    assert_eq!(
        bodies(&connection),
        [
            answered("CONTINUE"),
            answered("ROLLBACK"),
            ("StopServiceDeployment".to_owned(), stopped),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_read_of_a_deployment_that_fails_is_tried_again_if_that_can_help() {
    for operation in ["DescribeServiceDeployments", "ListServiceDeployments"] {
        for case in cases() {
            // A list without anything in it is a list.
            let is_list = operation == "ListServiceDeployments";
            if is_list
                && matches!(
                    case.answer,
                    Answer::Http(200, "{}" | "[]" | r#"{"service": {}}"#)
                )
            {
                continue;
            }
            let connection = Connection::failing(operation, case.answer, usize::MAX);
            let error = deployment(&connection).observe().await.unwrap_err();
            let (kind, sent) = case.read;
            assert_eq!(
                error.kind(),
                kind,
                "{operation} {:?}: {error:?}",
                case.answer
            );
            assert_eq!(
                connection.sent(operation),
                sent,
                "{operation} {:?}",
                case.answer
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn p10_an_answer_or_a_stop_that_fails_is_sent_once() {
    for operation in ["ContinueServiceDeployment", "StopServiceDeployment"] {
        for case in cases() {
            let connection = Connection::failing(operation, case.answer, usize::MAX);
            let one = deployment(&connection);
            let sent = match operation {
                "StopServiceDeployment" => one.roll_back(&RollBackBy::Stop).await,
                _ => one.proceed(&PauseId::from(HOOK)).await,
            };
            let error = sent.unwrap_err();
            assert_eq!(
                error.kind(),
                case.mutation,
                "{operation} {:?}: {error:?}",
                case.answer
            );
            assert_eq!(
                connection.sent(operation),
                1,
                "{operation} {:?}",
                case.answer
            );
        }
    }
}

#[tokio::test]
async fn errors_of_these_operations_have_their_kinds() {
    for (operation, body, kind) in [
        (
            "StopServiceDeployment",
            r#"{"__type": "ConflictException", "message": "no"}"#,
            ErrorKind::Conflict,
        ),
        (
            "StopServiceDeployment",
            r#"{"__type": "ServiceDeploymentNotFoundException", "message": "no"}"#,
            ErrorKind::NotFound,
        ),
        (
            "StopServiceDeployment",
            r#"{"__type": "UnsupportedFeatureException", "message": "no"}"#,
            ErrorKind::Invalid,
        ),
    ] {
        let connection = Connection::failing(operation, Answer::Http(400, body), 1);
        let sent = deployment(&connection).roll_back(&RollBackBy::Stop).await;
        assert_eq!(sent.unwrap_err().kind(), kind, "{body}");
    }
    let missing = r#"{"serviceDeployments": [], "failures": [{"arn": "a", "reason": "MISSING"}]}"#;
    let connection =
        Connection::failing("DescribeServiceDeployments", Answer::Http(200, missing), 1);
    let error = deployment(&connection).observe().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.hint().unwrap().contains("90 days"), "{error:?}");
}
