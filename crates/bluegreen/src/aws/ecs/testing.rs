//! Answers and expectations that the tests of this module share.

use std::sync::Arc;

use mockall::Sequence;
use serde_json::{Value, json};

use super::EcsServiceDeployer;
use crate::{
    ErrorKind,
    aws::{
        Aws, Parts,
        api::{ApiError, EcsCall, MockEcsApi, MockElbApi},
    },
    image::ImageRef,
    service::RevisionId,
};

macro_rules! arn {
    ($resource:literal) => {
        concat!("arn:aws:ecs:us-east-1:123456789012:", $resource)
    };
}

pub(super) const SERVICE: &str = arn!("service/c/chatbot");
pub(super) const ONE: &str = arn!("task-definition/chatbot:1");
pub(super) const TWO: &str = arn!("task-definition/chatbot:2");
pub(super) const THREE: &str = arn!("task-definition/chatbot:3");
pub(super) const FIRST: &str = "ecs-svc/1000000000000000001";
pub(super) const SECOND: &str = "ecs-svc/1000000000000000002";
pub(super) const THIRD: &str = "ecs-svc/1000000000000000003";
/// When deployments of these tests began, in seconds since the epoch.
pub(super) const BEGUN: f64 = 1_767_603_600.5;

/// ECS as a test expects it: these calls, with exactly these inputs, in this order.
pub(super) struct Ecs {
    mock: MockEcsApi,
    sequence: Sequence,
}

impl Ecs {
    pub(super) fn new() -> Self {
        Self {
            mock: MockEcsApi::new(),
            sequence: Sequence::new(),
        }
    }

    pub(super) fn answers(self, call: EcsCall, input: Value, answer: Value) -> Self {
        self.returns(call, input, Ok(answer))
    }

    pub(super) fn fails(self, call: EcsCall, input: Value, kind: ErrorKind) -> Self {
        self.returns(call, input, Err(failure(call, kind)))
    }

    fn returns(mut self, call: EcsCall, input: Value, answer: Result<Value, ApiError>) -> Self {
        self.mock
            .expect_call()
            .withf(move |sent, body| *sent == call && *body == input)
            .times(1)
            .in_sequence(&mut self.sequence)
            .return_once(move |_, _| answer);
        self
    }

    /// ECS describes the service like this.
    pub(super) fn describes(self, service: Value) -> Self {
        self.answers(
            EcsCall::DescribeServices,
            asked(),
            json!({"services": [service], "failures": []}),
        )
    }

    /// ECS is asked for the service, and has none.
    pub(super) fn misses(self) -> Self {
        let failures = json!([{"arn": SERVICE, "reason": "MISSING"}]);
        self.answers(
            EcsCall::DescribeServices,
            asked(),
            json!({"services": [], "failures": failures}),
        )
    }

    /// ECS describes a revision like this.
    pub(super) fn defines(self, revision: &str, answer: Value) -> Self {
        self.answers(EcsCall::DescribeTaskDefinition, defined(revision), answer)
    }

    /// ECS is asked for the newest revision of the family.
    pub(super) fn lists(self, arns: &[&str]) -> Self {
        self.answers(
            EcsCall::ListTaskDefinitions,
            listed(),
            json!({"taskDefinitionArns": arns}),
        )
    }

    pub(super) fn deployer(self) -> EcsServiceDeployer {
        self.deployer_with(MockElbApi::new())
    }

    pub(super) fn deployer_with(self, elb: MockElbApi) -> EcsServiceDeployer {
        EcsServiceDeployer::new(&self.aws_with(elb), "c", "chatbot")
    }

    pub(super) fn aws_with(self, elb: MockElbApi) -> Aws {
        let parts = Parts {
            ecs: Arc::new(self.mock),
            elb: Arc::new(elb),
            ..Parts::untouched()
        };
        Aws::from_parts(parts, None)
    }
}

/// An error as AWS, or the way to AWS, would give it.
pub(super) fn failure(call: EcsCall, kind: ErrorKind) -> ApiError {
    ApiError::new(kind, call.operation(), "Code", "what AWS says")
}

pub(super) fn asked() -> Value {
    json!({"cluster": "c", "services": ["chatbot"], "include": ["TAGS"]})
}

pub(super) fn defined(revision: &str) -> Value {
    json!({"taskDefinition": revision, "include": ["TAGS"]})
}

pub(super) fn listed() -> Value {
    json!({"familyPrefix": "chatbot", "status": "ACTIVE", "sort": "DESC", "maxResults": 1})
}

/// A service that runs its first revision with four copies, and leaves rollbacks to us.
pub(super) fn service() -> Value {
    json!({
        "serviceArn": SERVICE, "serviceName": "chatbot", "status": "ACTIVE",
        "desiredCount": 4, "runningCount": 4, "taskDefinition": ONE,
        "deploymentController": {"type": "ECS"},
        "deploymentConfiguration": {
            "strategy": "ROLLING", "maximumPercent": 200, "minimumHealthyPercent": 100,
            "deploymentCircuitBreaker": {"enable": true, "rollback": false}
        },
        "deployments": [deployment(FIRST, "PRIMARY", ONE, "COMPLETED", 4)],
        "events": [], "tags": []
    })
}

/// The same with another value at a path.
pub(super) fn with(mut value: Value, path: &str, to: Value) -> Value {
    let (parent, field) = path.rsplit_once('/').expect("a path");
    let parent = value.pointer_mut(parent).expect("a parent");
    match parent {
        Value::Array(list) => list[field.parse::<usize>().expect("a place")] = to,
        other => other[field] = to,
    }
    value
}

pub(super) fn deployment(
    id: &str,
    status: &str,
    revision: &str,
    rollout: &str,
    running: u32,
) -> Value {
    json!({
        "id": id, "status": status, "taskDefinition": revision, "desiredCount": 4,
        "runningCount": running, "pendingCount": 4 - running, "failedTasks": 0,
        "rolloutState": rollout, "createdAt": BEGUN,
        "rolloutStateReason": format!("ECS deployment {id} {}.", rollout.to_lowercase())
    })
}

/// The service while its second revision, by [`SECOND`], is rolled out.
pub(super) fn rolling(deployments: Value) -> Value {
    let tags = tags(TWO, ONE);
    with(with(service(), "/deployments", deployments), "/tags", tags)
}

/// With the circuit breaker's rollback on.
pub(super) fn taking_back(service: Value) -> Value {
    let breaker = json!({"enable": true, "rollback": true});
    let path = "/deploymentConfiguration/deploymentCircuitBreaker";
    with(service, path, breaker)
}

pub(super) fn tags(deployed: &str, previous: &str) -> Value {
    json!([
        {"key": "bluegreen:deployed", "value": deployed},
        {"key": "bluegreen:previous", "value": previous}
    ])
}

/// The answer of DescribeTaskDefinition.
pub(super) fn definition(arn: &str, image: &ImageRef) -> Value {
    let mut described = document(image);
    for (field, value) in [
        ("taskDefinitionArn", json!(arn)),
        ("revision", json!(1)),
        ("status", json!("ACTIVE")),
        ("requiresAttributes", json!([{"name": "eni"}])),
        ("compatibilities", json!(["EC2", "FARGATE"])),
        ("registeredAt", json!(BEGUN)),
        ("registeredBy", json!("arn:aws:iam::123456789012:user/x")),
    ] {
        described[field] = value;
    }
    let tags = described["tags"].take();
    described.as_object_mut().expect("one").remove("tags");
    json!({"taskDefinition": described, "tags": tags})
}

/// The fields that a register accepts, with one that no version knows yet.
pub(super) fn document(image: &ImageRef) -> Value {
    json!({
        "family": "chatbot", "networkMode": "awsvpc", "fieldOfNextYear": {"kept": [1, 2.5, "x"]},
        "placementConstraints": [{"type": "memberOf", "expression": "attribute:a == b"}],
        "containerDefinitions": [
            {"name": "proxy", "image": "envoy:1", "essential": true},
            {"name": "app", "image": image.to_string(), "logConfiguration": {
                "logDriver": "awslogs",
                "options": {"awslogs-group": "/ecs/chatbot", "awslogs-stream-prefix": "ecs"}}}
        ],
        "tags": [{"key": "team", "value": "chat"}]
    })
}

pub(super) fn image(c: char) -> ImageRef {
    let digest = c.to_string().repeat(64);
    let text = format!("registry/chatbot@sha256:{digest}");
    text.parse().expect("an image")
}

pub(super) fn revision(arn: &str) -> RevisionId {
    RevisionId::new(arn)
}

/// Each kind of error that a call may end in.
pub(super) const KINDS: [ErrorKind; 6] = [
    ErrorKind::NotFound,
    ErrorKind::Denied,
    ErrorKind::Throttled,
    ErrorKind::Invalid,
    ErrorKind::Conflict,
    ErrorKind::Unavailable,
];
