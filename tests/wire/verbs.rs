//! Green's place is made and removed, and blue is retired, over the wire: each request is held against AWS's
//! service models, each answer may fail.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_smithy_runtime_api::{
    client::{
        http::{
            HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings,
            SharedHttpConnector,
        },
        orchestrator::{HttpRequest, HttpResponse},
        runtime_components::RuntimeComponents,
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use bluegreen::{
    ErrorKind,
    aws::{
        alb::{AlbRule, GreenGroup, GreenPlace},
        ecs::EcsCapacityKeeper,
        retire::Retirement,
    },
    clock::{Clock as _, SystemClock},
    traffic::{CapacityKeeper as _, Kept, Released, Sides},
};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::{
    connection::Answer,
    ecs,
    fleet::{Asked, BLUE, Fleet, GREEN, ROUTE, RULE, SERVICE},
    over,
};

/// The members and errors of each operation, by AWS's service models; `derive.py` writes the file.
const MODEL: &str = include_str!("model.json");

/// A connection to a fleet, on which one operation may fail, a number of times from the first on.
#[derive(Debug, Clone)]
struct Connection {
    fleet: Fleet,
    failing: &'static str,
    answer: Answer,
    times: usize,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Connection {
    fn to(fleet: Fleet) -> Self {
        Self {
            fleet,
            failing: "none",
            answer: Answer::Never,
            times: 0,
            asked: Arc::default(),
        }
    }

    fn failing(mut self, operation: &'static str, answer: Answer, times: usize) -> Self {
        (self.failing, self.answer, self.times) = (operation, answer, times);
        self
    }

    /// Blue at its end, with an hour of minutes in which green alone was asked.
    fn retiring() -> Self {
        let first = SystemClock.now().as_second().div_euclid(60) * 60 - 59 * 60;
        Self::to(Fleet::retiring(first.try_into().unwrap(), 58))
    }

    fn retirement(&self) -> Retirement {
        let aws = over::aws_over(self.clone());
        let sides = Sides {
            blue: BLUE.parse().unwrap(),
            green: GREEN.parse().unwrap(),
        };
        // Minutes older than twenty settle by one read.
        let ended = SystemClock.now() - SignedDuration::from_mins(58);
        Retirement::new(&aws, RULE.parse().unwrap(), sides, "c", "flask", ended).deleting()
    }

    fn place(&self) -> GreenPlace {
        let aws = over::aws_over(self.clone());
        let rule = AlbRule::Arn(RULE.parse().unwrap());
        GreenPlace::new(
            &aws,
            rule,
            BLUE.parse().unwrap(),
            GreenGroup::named("fastapi"),
        )
        .unwrap()
    }

    fn sent(&self, operation: &str) -> usize {
        let asked = self.asked.lock().unwrap();
        asked
            .iter()
            .filter(|one| one.operation == operation)
            .count()
    }

    /// The operations that were sent, in order.
    fn order(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        asked.iter().map(|one| one.operation.clone()).collect()
    }

    /// The changes that were sent, with what they say.
    fn changes(&self) -> Vec<(String, Value)> {
        let asked = self.asked.lock().unwrap();
        let is_read = |name: &str| {
            ["Describe", "List", "Get"]
                .iter()
                .any(|verb| name.starts_with(verb))
        };
        let changes = asked.iter().filter(|one| !is_read(&one.operation));
        let said = |one: &Asked| match one.form.contains_key("Action") {
            true => {
                let fields = one.form.iter();
                let fields =
                    fields.filter(|(name, _)| !["Action", "Version"].contains(&name.as_str()));
                json!(fields.collect::<BTreeMap<_, _>>())
            }
            false => serde_json::from_slice(&one.body).unwrap(),
        };
        changes
            .map(|one| (one.operation.clone(), said(one)))
            .collect()
    }

    /// Asserts that each request has the members of AWS's model, and those that it requires.
    #[track_caller]
    fn assert_modelled(&self) {
        let model: Value = serde_json::from_str(MODEL).unwrap();
        for one in self.asked.lock().unwrap().iter() {
            let shape = &model[&one.operation];
            let names = |part: &str| -> BTreeSet<String> {
                let listed = shape[part].as_array();
                let listed = listed.unwrap_or_else(|| panic!("no model of {}", one.operation));
                listed
                    .iter()
                    .map(|name| name.as_str().unwrap().to_owned())
                    .collect()
            };
            let sent: BTreeSet<String> = match one.form.contains_key("Action") {
                true => {
                    assert_eq!(one.form["Version"], "2015-12-01", "{one:?}");
                    let names = one
                        .form
                        .keys()
                        .map(|name| name.split('.').next().unwrap_or_default());
                    let names = names.filter(|name| !["Action", "Version"].contains(name));
                    names.map(str::to_owned).collect()
                }
                // The names of CBOR, and what is in a path.
                false if ["GetMetricData", "GetSchedule"].contains(&one.operation.as_str()) => {
                    continue;
                }
                false => {
                    let body: Value = serde_json::from_slice(&one.body).unwrap();
                    body.as_object().unwrap().keys().cloned().collect()
                }
            };
            assert!(sent.is_subset(&names("input")), "{one:?}");
            assert!(names("required").is_subset(&sent), "{one:?}");
        }
    }
}

impl HttpConnector for Connection {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let asked = Asked::of(&request);
        let is_failing = asked.operation == self.failing && self.sent(self.failing) < self.times;
        self.asked.lock().unwrap().push(asked.clone());
        if is_failing {
            return self.answer.send();
        }
        let (status, body) = self.fleet.answer(&asked);
        let status = StatusCode::try_from(status).unwrap();
        let mut response = HttpResponse::new(status, SdkBody::from(body));
        let headers = response.headers_mut();
        if request.headers().get("smithy-protocol").is_some() {
            headers.insert("smithy-protocol", "rpc-v2-cbor");
            headers.insert("content-type", "application/cbor");
        }
        if asked.operation == "GetSchedule" {
            headers.insert("x-amzn-errortype", "ResourceNotFoundException");
        }
        HttpConnectorFuture::ready(Ok(response))
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

fn change(operation: &str, said: Value) -> (String, Value) {
    (operation.to_owned(), said)
}

#[tokio::test(start_paused = true)]
async fn p03_each_change_of_a_retirement_says_what_it_must_and_no_more() {
    let connection = Connection::retiring();
    let report = connection.retirement().run().await.unwrap();
    assert_eq!(report.done.len(), 6, "{report:?}");
    let forward = "Actions.member.1.ForwardConfig.";
    assert_eq!(
        connection.changes(),
        [
            change(
                "TagResource",
                json!({"resourceArn": SERVICE, "tags": [{"key": "bluegreen:retired", "value": "2"}]})
            ),
            change(
                "UpdateService",
                json!({"cluster": "c", "service": "flask", "desiredCount": 0})
            ),
            change("DeleteRule", json!({"RuleArn": ROUTE})),
            change(
                "ModifyRule",
                json!({
                    "RuleArn": RULE,
                    "Actions.member.1.Type": "forward",
                    format!("{forward}TargetGroups.member.1.TargetGroupArn"): GREEN,
                    format!("{forward}TargetGroups.member.1.Weight"): "100",
                    format!("{forward}TargetGroupStickinessConfig.Enabled"): "false",
                })
            ),
            // Without `force`, ECS refuses while the service is to run any task.
            change("DeleteService", json!({"cluster": "c", "service": "flask"})),
            change("DeleteTargetGroup", json!({"TargetGroupArn": BLUE})),
        ]
    );
    let listed = json!({"cluster": "c", "maxResults": 100});
    let asked = connection.asked.lock().unwrap().clone();
    let list = asked
        .iter()
        .find(|one| one.operation == "ListServices")
        .unwrap();
    let list: Value = serde_json::from_slice(&list.body).unwrap();
    assert_eq!(list, listed);
    connection.assert_modelled();
}

#[tokio::test(start_paused = true)]
async fn p03_each_request_of_a_place_is_one_of_the_model() {
    for has_group in [false, true] {
        let connection = Connection::to(Fleet::preparing(has_group));
        let made = connection.place().prepare().await.unwrap();
        let undone = connection.place().undo().await.unwrap();
        assert!(made.done.len() >= 3 && undone.done.len() >= 3, "{undone:?}");
        connection.assert_modelled();
        let changes: Vec<String> = connection
            .changes()
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        let (first, last) = match has_group {
            true => (vec!["AddTags"], "RemoveTags"),
            false => (
                vec!["CreateTargetGroup", "ModifyTargetGroupAttributes"],
                "DeleteTargetGroup",
            ),
        };
        let between = ["ModifyRule", "CreateRule", "DeleteRule", "ModifyRule", last];
        assert_eq!(changes, [first, between.to_vec()].concat());
    }
}

/// A cut or refused answer to a read that guards a deletion stops the deletion.
#[tokio::test(start_paused = true)]
async fn a_list_of_services_that_fails_is_retried_if_that_can_help_and_stops_the_deletion() {
    for case in ecs::cases() {
        let connection = Connection::retiring().failing("ListServices", case.answer, usize::MAX);
        let (kind, sent) = case.read;
        if kind == ErrorKind::NotFound {
            // Reads may be old, so a cluster that is not found is looked for again, and nothing is changed.
            let retirement = connection.retirement();
            let waits = tokio::time::timeout(Duration::from_secs(25), retirement.run()).await;
            assert!(waits.is_err());
        } else {
            let error = connection.retirement().run().await.unwrap_err();
            assert_eq!(error.kind(), kind, "{:?}: {error:?}", case.answer);
            assert_eq!(connection.sent("ListServices"), sent, "{:?}", case.answer);
            let message = error.message();
            assert!(
                message.starts_with("describe the services of cluster c"),
                "{error}"
            );
        }
        assert_eq!(connection.changes(), [], "{:?}", case.answer);
    }
}

#[tokio::test(start_paused = true)]
async fn p10_a_deletion_that_fails_is_sent_once_and_looked_at_before_it_is_sent_again() {
    let unsure = |kind| {
        matches!(
            kind,
            ErrorKind::OutcomeUnknown | ErrorKind::Conflict | ErrorKind::Throttled
        )
    };
    for case in ecs::cases() {
        let connection = Connection::retiring().failing("DeleteService", case.answer, 1);
        let retirement = connection.retirement();
        let limit = Duration::from_secs(120);
        let Ok(ended) = tokio::time::timeout(limit, retirement.run()).await else {
            // A service that is gone is as good as one that was deleted, and an empty answer is one, too; here
            // reads show the service still, which is waited for.
            let is_empty = matches!(case.answer, Answer::Http(200, "{}" | "[]"));
            assert!(
                is_empty || case.mutation == ErrorKind::NotFound,
                "{:?}",
                case.answer
            );
            assert_eq!(connection.sent("DeleteService"), 1);
            continue;
        };
        match case.mutation {
            kind if unsure(kind) => {
                assert_eq!(ended.unwrap().done.len(), 6, "{:?}", case.answer);
                assert_eq!(connection.sent("DeleteService"), 2, "{:?}", case.answer);
                let order = connection.order();
                let mut sent = order.iter().enumerate();
                let mut next = || {
                    let found = sent.find(|(_, name)| *name == "DeleteService");
                    found.unwrap().0
                };
                let between = &order[next() + 1..next()];
                for read in ["DescribeRules", "DescribeServices", "ListServices"] {
                    assert!(between.iter().any(|name| name == read), "{between:?}");
                }
            }
            kind => {
                let error = ended.unwrap_err();
                assert_eq!(error.kind(), kind, "{:?}: {error:?}", case.answer);
                assert_eq!(error.message(), "delete service flask");
                assert_eq!(connection.sent("DeleteService"), 1, "{:?}", case.answer);
                assert_eq!(connection.sent("DeleteTargetGroup"), 0);
            }
        }
    }
}

/// Each error that AWS's model names for a change is a definite answer, unless it is an error of the server.
#[tokio::test(start_paused = true)]
async fn each_error_of_the_model_says_whether_the_deletion_happened() {
    let model: Value = serde_json::from_str(MODEL).unwrap();
    let codes = model["DeleteService"]["errors"].as_array().unwrap();
    assert!(codes.len() > 4, "{codes:?}");
    for code in codes {
        let code = code.as_str().unwrap();
        let (status, kind) = match code {
            "ServerException" => (500, ErrorKind::OutcomeUnknown),
            "AccessDeniedException" => (400, ErrorKind::Denied),
            "ServiceNotFoundException" | "ClusterNotFoundException" => (400, ErrorKind::NotFound),
            _ => (400, ErrorKind::Invalid),
        };
        let body = format!(r#"{{"__type": "{code}", "message": "no"}}"#);
        let answer = Answer::Http(status, body.leak());
        let connection = Connection::retiring().failing("DeleteService", answer, 1);
        let retirement = connection.retirement();
        let ended = tokio::time::timeout(Duration::from_secs(120), retirement.run()).await;
        let sent = connection.sent("DeleteService");
        match (kind, ended) {
            (ErrorKind::OutcomeUnknown, Ok(ended)) => {
                assert_eq!((ended.is_ok(), sent), (true, 2), "{code}");
            }
            // It is as good as deleted, so the next look is waited for.
            (ErrorKind::NotFound, ended) => assert_eq!((ended.is_err(), sent), (true, 1), "{code}"),
            (kind, Ok(ended)) => {
                assert_eq!((ended.unwrap_err().kind(), sent), (kind, 1), "{code}");
            }
            (kind, Err(_)) => panic!("{code}: {kind:?}, and no end"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_denied_deletion_names_the_action() {
    for (operation, action, answer) in [
        (
            "DeleteService",
            "ecs:DeleteService",
            Answer::Http(
                400,
                r#"{"__type": "AccessDeniedException", "message": "no"}"#,
            ),
        ),
        (
            "ListServices",
            "ecs:ListServices",
            Answer::Http(
                400,
                r#"{"__type": "AccessDeniedException", "message": "no"}"#,
            ),
        ),
        (
            "DeleteTargetGroup",
            "elasticloadbalancing:DeleteTargetGroup",
            Answer::error(403, "AccessDenied", "no"),
        ),
        (
            "DeleteRule",
            "elasticloadbalancing:DeleteRule",
            Answer::error(403, "AccessDenied", "no"),
        ),
    ] {
        let connection = Connection::retiring().failing(operation, answer, usize::MAX);
        let error = connection.retirement().run().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied, "{operation}: {error:?}");
        assert!(error.hint().unwrap().contains(action), "{error:?}");
        assert_eq!(connection.sent(operation), 1, "{operation}");
    }
}

#[tokio::test(start_paused = true)]
async fn p03_a_minimum_is_put_back_by_one_request_and_nothing_else_of_the_scaling_is_said() {
    let connection = Connection::retiring();
    let keeper = EcsCapacityKeeper::new(&over::aws_over(connection.clone()), "c", "flask");
    let kept = Kept::new("service/c/flask", 1, 2);
    assert_eq!(keeper.release(&kept).await.unwrap(), Released::PutBack);
    assert_eq!(keeper.release(&kept).await.unwrap(), Released::PutBack);
    let said = json!({"ServiceNamespace": "ecs", "ResourceId": "service/c/flask",
        "ScalableDimension": "ecs:service:DesiredCount", "MinCapacity": 1});
    assert_eq!(
        connection.changes(),
        [change("RegisterScalableTarget", said)]
    );
    connection.assert_modelled();
}

/// No answer at all within the limit of a change.
#[tokio::test(start_paused = true)]
async fn p10_a_deletion_without_an_answer_is_given_up_after_ten_seconds() {
    let connection = Connection::retiring().failing("DeleteService", Answer::Never, 1);
    let started = tokio::time::Instant::now();
    connection.retirement().run().await.unwrap();
    assert!(started.elapsed() >= Duration::from_secs(10));
    assert_eq!(connection.sent("DeleteService"), 2);
}
