//! ECS as JSON: bodies and answers pass through the SDK unchanged.

use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
    },
    orchestrator::HttpRequest,
    runtime_components::RuntimeComponents,
};
use bluegreen::{
    ErrorKind, ServiceDeployer as _,
    aws::ecs::{EcsServiceDeployer, TaskDefinition},
    image::ImageRef,
    service::{DeploymentId, RevisionId, ServiceObservation, Target, Update},
};
use serde_json::{Value, json};

use crate::{
    connection::{Answer, REQUEST},
    native, over,
};

use ErrorKind::{Conflict, Denied, Invalid, NotFound, OutcomeUnknown, Throttled, Unavailable};

const ONE: &str = "arn:aws:ecs:us-east-1:123456789012:task-definition/chatbot:1";

/// The service runs the first revision.
const SERVICE: &str = r#"{"services": [{"serviceArn": "arn:aws:ecs:us-east-1:123456789012:service/c/chatbot",
    "serviceName": "chatbot", "status": "ACTIVE", "desiredCount": 1, "createdAt": 1767603600.123,
    "deployments": [{"id": "ecs-svc/1", "status": "PRIMARY", "desiredCount": 1, "runningCount": 1,
        "taskDefinition": "arn:aws:ecs:us-east-1:123456789012:task-definition/chatbot:1",
        "rolloutState": "COMPLETED"}]}], "failures": []}"#;

/// A definition with fields that no present SDK knows, and text that is longer in bytes than in characters.
const DEFINITION: &str = r#"{"taskDefinition": {"taskDefinitionArn": "arn:of:it", "revision": 1,
    "status": "ACTIVE", "registeredAt": 1767603600.123, "compatibilities": ["FARGATE"],
    "family": "chatbot", "networkMode": "modeOfNextYear", "quantum": {"spin": [0.5, -1, null, true]},
    "containerDefinitions": [{"name": "app", "image": "old", "environment": [
        {"name": "GREETING", "value": "gr\u00fc\u00df \ud83e\udd9c \"dich\""}], "newerField": 7}]},
    "tags": [{"key": "team", "value": "chat"}]}"#;

const REGISTERED: &str =
    r#"{"taskDefinition": {"taskDefinitionArn": "arn:of:it:2", "newField": 1}}"#;

#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) operation: String,
    content_type: String,
    content_length: String,
    pub(crate) is_signed: bool,
    pub(crate) body: Vec<u8>,
}

/// A connection on which one operation may fail, a number of times from the first on.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    failing: &'static str,
    answer: Answer,
    times: usize,
    pub(crate) sent: Arc<Mutex<Vec<Sent>>>,
}

impl Connection {
    pub(crate) fn failing(failing: &'static str, answer: Answer, times: usize) -> Self {
        Self {
            failing,
            answer,
            times,
            sent: Arc::default(),
        }
    }

    pub(crate) fn healthy() -> Self {
        Self::failing("none", Answer::Never, 0)
    }

    fn deployer(&self) -> EcsServiceDeployer {
        EcsServiceDeployer::new(&over::aws_over(self.clone()), "c", "chatbot")
    }

    pub(crate) fn sent(&self, operation: &str) -> usize {
        let sent = self.sent.lock().unwrap();
        let of_it = sent.iter().filter(|one| one.operation == operation);
        of_it.count()
    }
}

impl HttpConnector for Connection {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let header = |name: &str| request.headers().get(name).unwrap_or_default().to_owned();
        let target = header("x-amz-target");
        let operation = target.rsplit('.').next().unwrap().to_owned();
        let is_failing = operation == self.failing && self.sent(&operation) < self.times;
        let answer = match operation.as_str() {
            _ if is_failing => self.answer,
            "DescribeServices" => Answer::Http(200, SERVICE),
            "DescribeTaskDefinition" => Answer::Http(200, DEFINITION),
            "ListTaskDefinitions" => Answer::Http(200, r#"{"taskDefinitionArns": []}"#),
            "RegisterTaskDefinition" => Answer::Http(200, REGISTERED),
            other => match native::answer(other) {
                Some(body) => Answer::Http(200, body),
                None => panic!("no test asks for {other}"),
            },
        };
        self.sent.lock().unwrap().push(Sent {
            operation,
            content_type: header("content-type"),
            content_length: header("content-length"),
            is_signed: header("authorization").contains("AWS4-HMAC-SHA256"),
            body: request.body().bytes().unwrap().to_vec(),
        });
        answer.send()
    }
}

impl HttpClient for Connection {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

fn image() -> ImageRef {
    format!("r/chatbot@sha256:{}", "a".repeat(64))
        .parse()
        .unwrap()
}

/// An update of the service as it was read.
fn update() -> Update {
    let deployment = DeploymentId::new("ecs-svc/1");
    let from = ServiceObservation::steady("chatbot", RevisionId::new(ONE), deployment, 1);
    Update {
        from: Some(from),
        to: Target::Revision(RevisionId::new("chatbot:2")),
        rollback_point: None,
        older: Vec::new(),
    }
}

#[tokio::test]
async fn p03_fields_that_nobody_knows_come_and_go_over_the_wire() {
    let connection = Connection::healthy();
    let done = connection.deployer().register(&image()).await.unwrap();
    assert_eq!(done.revision.as_str(), "arn:of:it:2");
    assert!(done.is_new);
    let sent = connection.sent.lock().unwrap();
    let operations: Vec<&str> = sent.iter().map(|one| one.operation.as_str()).collect();
    assert_eq!(
        operations,
        [
            "DescribeServices",
            "DescribeTaskDefinition",
            "ListTaskDefinitions",
            "RegisterTaskDefinition"
        ]
    );
    for one in sent.iter() {
        assert_eq!(one.content_type, "application/x-amz-json-1.1", "{one:?}");
        assert_eq!(one.content_length, one.body.len().to_string(), "{one:?}");
        assert!(one.is_signed, "{one:?}");
    }
    let body: Value = serde_json::from_slice(&sent[3].body).unwrap();
    let wanted = json!({
        "family": "chatbot", "networkMode": "modeOfNextYear",
        "quantum": {"spin": [0.5, -1, null, true]},
        "containerDefinitions": [{
            "name": "app", "image": image().to_string(), "newerField": 7,
            "environment": [{"name": "GREETING", "value": "gr\u{fc}\u{df} \u{1f99c} \"dich\""}]
        }],
        "tags": [{"key": "team", "value": "chat"}]
    });
    assert_eq!(body, wanted);
}

/// Real files, each with a value that a model of AWS could lose or change.
fn files() -> Vec<Value> {
    let base = json!({"family": "chatbot", "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"],
        "cpu": "1 vCPU", "memory": "2 GB",
        "containerDefinitions": [{"name": "app", "image": "set by every deployment"}]});
    let with = |top: Value, inner: Value| {
        let mut file = base.clone();
        for (field, value) in top.as_object().into_iter().flatten() {
            file[field] = value.clone();
        }
        for (field, value) in inner.as_object().into_iter().flatten() {
            file["containerDefinitions"][0][field] = value.clone();
        }
        file
    };
    let none = || json!({});
    vec![
        base.clone(),
        with(
            json!({"taskRoleArn": null, "placementConstraints": []}),
            json!({"links": null, "environment": []}),
        ),
        with(
            json!({"volumes": [{"name": "shared", "efsVolumeConfiguration": {"fileSystemId": "fs-0123456789abcdef0",
                "rootDirectory": "/", "transitEncryption": "ENABLED"}}, {"name": "launch", "configuredAtLaunch": true}]}),
            json!({"mountPoints": [{"sourceVolume": "shared", "containerPath": "/d", "readOnly": false}]}),
        ),
        with(
            none(),
            json!({"portMappings": [{"containerPort": 8443, "protocol": "tcp", "appProtocol": "http2", "name": "a"},
                {"containerPortRange": "9000-9010"}], "stopTimeout": 120, "versionConsistency": "disabled"}),
        ),
        with(
            none(),
            json!({"logConfiguration": {"logDriver": "splunk", "options": {"tag": "", "splunk-url": "https://s.example.com"},
                "secretOptions": [{"name": "splunk-token", "valueFrom": "arn:aws:ssm:us-east-1:123456789012:parameter/t"}]}}),
        ),
        with(
            none(),
            json!({"environment": [{"name": "B", "value": "gr\u{fc}\u{df} \u{1f99c}\n"}, {"name": "A", "value": ""}],
                "healthCheck": {"command": ["CMD-SHELL", "a \"b\" || exit 1"], "startPeriod": 0},
                "restartPolicy": {"enabled": true, "ignoredExitCodes": [0], "restartAttemptPeriod": 60}}),
        ),
        with(
            json!({"runtimePlatform": {"cpuArchitecture": "ARM64"}, "ephemeralStorage": {"sizeInGiB": 200},
                "enableFaultInjection": false, "tags": [{"key": "b", "value": "2"}, {"key": "a"}]}),
            json!({"ulimits": [{"name": "nofile", "softLimit": 65535, "hardLimit": 65535}],
                "linuxParameters": {"initProcessEnabled": true, "capabilities": {"drop": ["ALL"]}},
                "dockerLabels": {"b": "2", "a": "1"}, "command": ["b", "a"]}),
        ),
        // A field newer than the model is sent if it is accepted.
        with(
            json!({"quantum": {"spin": [0.5, -1, 9_007_199_254_740_993_u64, null]}}),
            none(),
        ),
    ]
}

#[tokio::test]
async fn p03_the_body_on_the_wire_is_the_file_with_the_image_set() {
    for file in files() {
        let connection = Connection::healthy();
        let definition = TaskDefinition::from_json(&file.to_string()).unwrap();
        let deployer = connection.deployer().with_task_definition(definition);
        assert!(deployer.register(&image()).await.unwrap().is_new);
        let sent = connection.sent.lock().unwrap();
        let register = |one: &&Sent| one.operation == "RegisterTaskDefinition";
        let bodies: Vec<Value> = sent
            .iter()
            .filter(register)
            .map(|one| serde_json::from_slice(&one.body).unwrap())
            .collect();
        let mut wanted = file;
        wanted["containerDefinitions"][0]["image"] = json!(image().to_string());
        assert_eq!(bodies, [wanted]);
    }
}

pub(crate) struct Case {
    pub(crate) answer: Answer,
    /// The kind of a read's error, and how many times the read is sent.
    pub(crate) read: (ErrorKind, usize),
    pub(crate) mutation: ErrorKind,
}

pub(crate) fn cases() -> Vec<Case> {
    let case = |answer, read, mutation| Case {
        answer,
        read,
        mutation,
    };
    let client = |body| Answer::Http(400, body);
    vec![
        case(
            client(r#"{"__type": "ThrottlingException", "message": "Rate exceeded"}"#),
            (Throttled, 3),
            Throttled,
        ),
        case(
            client(r#"{"__type": "AccessDeniedException", "Message": "no"}"#),
            (Denied, 1),
            Denied,
        ),
        case(
            client(r#"{"__type": "com.amazonaws.ecs#ClusterNotFoundException", "message": "no"}"#),
            (NotFound, 1),
            NotFound,
        ),
        case(
            client(r#"{"__type": "InvalidParameterException", "message": "no"}"#),
            (Invalid, 1),
            Invalid,
        ),
        case(
            client(r#"{"__type": "ClientException", "message": "no"}"#),
            (Invalid, 1),
            Invalid,
        ),
        case(
            client(r#"{"__type": "UpdateInProgressException", "message": "no"}"#),
            (Conflict, 1),
            Conflict,
        ),
        case(
            Answer::Http(500, r#"{"__type": "ServerException", "message": "sorry"}"#),
            (Unavailable, 3),
            OutcomeUnknown,
        ),
        case(
            Answer::Http(503, "<html>Service Unavailable</html>"),
            (Unavailable, 3),
            OutcomeUnknown,
        ),
        case(Answer::Http(200, ""), (Unavailable, 1), OutcomeUnknown),
        case(
            Answer::Http(200, r#"{"service": {"deploym"#),
            (Unavailable, 1),
            OutcomeUnknown,
        ),
        case(Answer::Http(200, "{}"), (Unavailable, 1), OutcomeUnknown),
        case(Answer::Http(200, "[]"), (Unavailable, 1), OutcomeUnknown),
        case(Answer::NotConnected, (Unavailable, 3), OutcomeUnknown),
        case(Answer::Reset, (Unavailable, 3), OutcomeUnknown),
        case(Answer::Never, (Unavailable, 3), OutcomeUnknown),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_read_of_ecs_that_fails_is_retried_where_that_can_help() {
    for case in cases() {
        let connection = Connection::failing("DescribeServices", case.answer, usize::MAX);
        let error = connection.deployer().observe().await.unwrap_err();
        let (kind, sent) = case.read;
        assert_eq!(error.kind(), kind, "{:?}: {error:?}", case.answer);
        assert_eq!(
            connection.sent("DescribeServices"),
            sent,
            "{:?}",
            case.answer
        );
        assert!(
            error.message().starts_with("describe service chatbot in c"),
            "{error}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn p10_a_mutation_of_ecs_that_fails_is_sent_once() {
    for case in cases() {
        let connection = Connection::failing("UpdateService", case.answer, usize::MAX);
        let error = connection.deployer().update(&update()).await.unwrap_err();
        assert_eq!(error.kind(), case.mutation, "{:?}: {error:?}", case.answer);
        assert_eq!(connection.sent("UpdateService"), 1, "{:?}", case.answer);
    }
}

#[tokio::test(start_paused = true)]
async fn the_answer_that_counts_is_that_of_the_last_try() {
    let throttled = Answer::Http(400, r#"{"__type": "ThrottlingException", "message": "no"}"#);
    let connection = Connection::failing("DescribeServices", throttled, 2);
    let seen = connection.deployer().observe().await.unwrap().unwrap();
    assert_eq!(seen.revision.as_str(), ONE);
    assert_eq!(connection.sent("DescribeServices"), 3);
}

#[tokio::test]
async fn an_error_of_ecs_names_its_code_and_its_request() {
    let denied = Answer::Http(
        400,
        r#"{"__type": "AccessDeniedException", "message": "no"}"#,
    );
    let connection = Connection::failing("DescribeServices", denied, 1);
    let error = connection.deployer().observe().await.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    let wanted = format!("DescribeServices answered AccessDeniedException: no (request {REQUEST})");
    assert_eq!(cause, wanted);
    assert!(error.hint().unwrap().contains("ecs:DescribeServices"));
}
