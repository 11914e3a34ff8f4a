//! AWS's answers to the verbs that make green's place and retire blue.

use std::{
    collections::BTreeSet,
    panic::AssertUnwindSafe,
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
    aws::{
        alb::{AlbRule, GreenGroup, GreenPlace},
        retire::Retirement,
    },
    clock::{Clock as _, SystemClock},
    traffic::Sides,
};
use jiff::SignedDuration;

use crate::{
    ITERATIONS, check_memory,
    fleet::{Asked, BLUE, Fleet, GREEN, RULE},
    mutation::Mutation,
    operations, over, runtime,
};

/// The operations of both verbs, reads first.
const READS: [&str; 11] = [
    "DescribeListeners",
    "DescribeRules",
    "DescribeScalableTargets",
    "DescribeServices",
    "DescribeTags",
    "DescribeTargetGroupAttributes",
    "DescribeTargetGroups",
    "DescribeTargetHealth",
    "GetMetricData",
    "GetSchedule",
    "ListServices",
];
const CHANGES: [&str; 10] = [
    "AddTags",
    "CreateRule",
    "CreateTargetGroup",
    "DeleteRule",
    "DeleteService",
    "DeleteTargetGroup",
    "ModifyRule",
    "ModifyTargetGroupAttributes",
    "TagResource",
    "UpdateService",
];

/// What becomes of the answer to an operation.
#[derive(Debug, Clone)]
enum Broken {
    Mutated(Mutation),
    /// Cut off, at a byte.
    Cut(u16),
}

/// A connection to a fleet, one of whose answers is broken.
#[derive(Debug, Clone)]
struct Connection {
    fleet: Fleet,
    broken: Option<(&'static str, Broken)>,
    /// Breaks the first answer alone; else each of them.
    once: bool,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Connection {
    fn new(fleet: Fleet) -> Self {
        Self {
            fleet,
            broken: None,
            once: false,
            asked: Arc::default(),
        }
    }

    fn retiring() -> Self {
        let first = SystemClock.now().as_second().div_euclid(60) * 60 - 59 * 60;
        Self::new(Fleet::retiring(first.cast_unsigned(), 58))
    }

    fn retirement(&self) -> Retirement {
        let arn = |arn: &str| arn.parse().expect("an ARN");
        let sides = Sides {
            blue: arn(BLUE),
            green: arn(GREEN),
        };
        let ended = SystemClock.now() - SignedDuration::from_mins(58);
        let rule = RULE.parse().expect("an ARN");
        let aws = over::aws_over(self.clone());
        Retirement::new(&aws, rule, sides, "c", "flask", ended).deleting()
    }

    fn place(&self) -> GreenPlace {
        let rule = AlbRule::Arn(RULE.parse().expect("an ARN"));
        let (blue, group) = (BLUE.parse().expect("an ARN"), GreenGroup::named("fastapi"));
        GreenPlace::new(&over::aws_over(self.clone()), rule, blue, group).expect("well-formed")
    }

    fn asked(&self) -> BTreeSet<String> {
        let asked = self.asked.lock().expect("no panic");
        asked.iter().cloned().collect()
    }
}

impl HttpConnector for Connection {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let asked = Asked::of(&request);
        let (status, mut body) = self.fleet.answer(&asked);
        let mut log = self.asked.lock().expect("no panic");
        let is_first = !log.contains(&asked.operation);
        log.push(asked.operation.clone());
        drop(log);
        if let Some((operation, broken)) = &self.broken
            && *operation == asked.operation
            && (is_first || !self.once)
        {
            match broken {
                Broken::Mutated(mutation) => body = mutation.of(&body),
                Broken::Cut(at) => body.truncate(usize::from(*at) % body.len()),
            }
        }
        let status = StatusCode::try_from(status).expect("a status");
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

/// As long as reads may show an old state; time is tokio's, which is paused.
const LIMIT: Duration = Duration::from_secs(25);

/// A cut answer to any read that a plan rests on makes no plan, and no bytes make either verb panic.
#[test]
fn answers_to_reads_of_place_and_retirement() {
    let runtime = runtime();
    runtime.block_on(async {
        let valid = Connection::retiring();
        let report = valid.retirement().preview().await.expect("valid");
        assert_eq!(report.done.len(), 6, "{report:?}");
        let place = Connection::new(Fleet::preparing(false));
        assert_eq!(place.place().preview().await.expect("valid").len(), 3);
        let mut asked = valid.asked();
        asked.extend(place.asked());
        // The attributes are read once there is a group.
        asked.insert("DescribeTargetGroupAttributes".to_owned());
        assert_eq!(Vec::from_iter(asked), READS);
    });
    let runtime = AssertUnwindSafe(runtime);
    bolero::check!()
        .with_iterations(ITERATIONS)
        .with_type::<(Mutation, Option<u16>, bool)>()
        .for_each(|(mutation, cut, places)| {
            let operation = READS[mutation.pick(READS.len())];
            let broken = match cut {
                Some(at) => Broken::Cut(*at),
                None => Broken::Mutated(mutation.clone()),
            };
            let mut connection = match places {
                true => Connection::new(Fleet::preparing(true)),
                false => Connection::retiring(),
            };
            connection.broken = Some((operation, broken));
            runtime.block_on(async {
                let planned = match places {
                    true => {
                        let place = connection.place();
                        let looked = tokio::time::timeout(LIMIT, place.preview()).await;
                        looked.is_ok_and(|looked| looked.is_ok())
                    }
                    false => {
                        let retirement = connection.retirement();
                        let looked = tokio::time::timeout(LIMIT, retirement.preview()).await;
                        looked.is_ok_and(|looked| looked.is_ok())
                    }
                };
                // Its code is in a header.
                let is_read = connection.asked().contains(operation) && operation != "GetSchedule";
                assert!(
                    !(cut.is_some() && is_read && planned),
                    "half of {operation}"
                );
            });
        });
    check_memory();
}

/// Whatever a change is answered, the changes after it are those that were planned, in their order.
#[test]
fn answers_to_changes_of_place_and_retirement() {
    let order = [
        "TagResource",
        "UpdateService",
        "DeleteRule",
        "ModifyRule",
        "DeleteService",
    ];
    let order = [&order[..], &["DeleteTargetGroup"]].concat();
    let runtime = AssertUnwindSafe(runtime());
    bolero::check!()
        .with_iterations(ITERATIONS / 10)
        .with_type::<(Mutation, Option<u16>, bool)>()
        .for_each(|(mutation, cut, places)| {
            let operation = CHANGES[mutation.pick(CHANGES.len())];
            let broken = match cut {
                Some(at) => Broken::Cut(*at),
                None => Broken::Mutated(mutation.clone()),
            };
            let mut connection = match places {
                true => Connection::new(Fleet::preparing(false)),
                false => Connection::retiring(),
            };
            (connection.broken, connection.once) = (Some((operation, broken)), true);
            runtime.block_on(async {
                if *places {
                    let place = connection.place();
                    let _ = tokio::time::timeout(20 * LIMIT, place.prepare()).await;
                    return;
                }
                let retirement = connection.retirement();
                let _ = tokio::time::timeout(20 * LIMIT, retirement.run()).await;
                let asked = connection.asked.lock().expect("no panic");
                let changes = asked.iter().filter(|one| CHANGES.contains(&one.as_str()));
                let mut changes: Vec<&str> = changes.map(String::as_str).collect();
                // One whose outcome is unknown may be sent again, after a look.
                changes.dedup();
                assert!(order.starts_with(&changes), "{operation}: {changes:?}");
            });
        });
    check_memory();
}

/// An operation that the code gets anew comes with its bytes.
#[test]
fn each_operation_of_the_code_has_an_answer_here() {
    operations::assert_held("fuzz", &operations::NOT_IN_FUZZ);
}
