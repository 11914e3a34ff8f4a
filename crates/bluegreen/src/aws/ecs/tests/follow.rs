use serde_json::{Value, json};

use crate::{
    aws::{api::EcsCall, ecs::testing::*},
    service::{DeploymentEnd, DeploymentId, DeploymentProgress, ServiceDeployer as _},
};

async fn followed(service: Value) -> DeploymentProgress {
    let deployer = Ecs::new().describes(service).deployer();
    let second = DeploymentId::new(SECOND);
    deployer.follow(&second).await.expect("read")
}

/// The same for a service without stopped copies, which are asked for.
async fn followed_to_failure(service: Value) -> DeploymentProgress {
    let ecs = Ecs::new().describes(service).answers(
        EcsCall::ListTasks,
        json!({"cluster": "c", "serviceName": "chatbot", "desiredStatus": "STOPPED"}),
        json!({"taskArns": []}),
    );
    let second = DeploymentId::new(SECOND);
    ecs.deployer().follow(&second).await.expect("read")
}

fn ours(rollout: &str, running: u32) -> Value {
    deployment(SECOND, "PRIMARY", TWO, rollout, running)
}

/// Our deployment after another took its place.
fn passed(rollout: &str) -> Value {
    let one = deployment(SECOND, "ACTIVE", TWO, rollout, 0);
    let reason = "ECS deployment circuit breaker: tasks failed to start.";
    match rollout {
        "FAILED" => with(one, "/rolloutStateReason", json!(reason)),
        _ => one,
    }
}

fn next(revision: &str, rollout: &str) -> Value {
    deployment(THIRD, "PRIMARY", revision, rollout, 4)
}

fn event(message: &str) -> Value {
    json!({"id": message, "createdAt": BEGUN + 60.0, "message": message})
}

fn gone_wrong() -> Value {
    event(&format!(
        "(service chatbot) (deployment {SECOND}) deployment failed: tasks failed to start."
    ))
}

fn going_back() -> Value {
    event(&format!(
        "(service chatbot) rolling back to deployment {THIRD}."
    ))
}

#[tokio::test]
async fn a_rollout_goes_on_until_it_is_complete_and_in_full() {
    let mut first = ours("IN_PROGRESS", 2);
    first["failedTasks"] = json!(0);
    let progress = followed(rolling(json!([
        first,
        deployment(FIRST, "ACTIVE", ONE, "COMPLETED", 4)
    ])))
    .await;
    assert_eq!((progress.desired, progress.running), (4, 2));
    assert_eq!((progress.pending, progress.failed), (2, 0));
    assert_eq!(progress.end, None);
    for (rollout, running, end) in [
        ("IN_PROGRESS", 4, None),
        ("COMPLETED", 3, None),
        ("COMPLETED", 4, Some(DeploymentEnd::Completed)),
    ] {
        let progress = followed(rolling(json!([ours(rollout, running)]))).await;
        assert_eq!(progress.end, end, "{rollout} {running}");
    }
}

#[tokio::test]
async fn p04_without_a_rollout_state_the_services_own_count_must_be_met() {
    for (desired, running, end) in [
        (0, 0, None),
        (2, 2, None),
        (4, 3, None),
        (4, 4, Some(DeploymentEnd::Completed)),
    ] {
        let one = json!({"id": SECOND, "status": "PRIMARY", "taskDefinition": TWO,
            "desiredCount": desired, "runningCount": running});
        let progress = followed(rolling(json!([one]))).await;
        assert_eq!(progress.end, end, "{running} of {desired}, 4 are wanted");
    }
}

/// Each shape in which a service may stand after our deployment did not win.
#[tokio::test]
async fn p04_who_went_back_and_who_took_over_are_told_apart() {
    const BREAKER: &str = "ECS deployment circuit breaker: tasks failed to start.";
    let back = format!("ECS deployment circuit breaker: rolling back to deploymentId {FIRST}.");
    let rolled_back = |reason: &str| {
        Some(DeploymentEnd::RolledBack {
            to: revision(ONE),
            reason: reason.to_owned(),
        })
    };
    let superseded = |by: &str| {
        Some(DeploymentEnd::Superseded {
            by: DeploymentId::new(THIRD),
            revision: revision(by),
        })
    };
    let said = format!(
        "(service chatbot) (deployment {SECOND}) deployment failed: tasks failed to start."
    );
    let longer = event(&format!("rolling back to deployment {THIRD}7."));
    let failed_too = format!("{BREAKER}; the service's own rollback to {ONE} failed too");
    let failed_too = Some(DeploymentEnd::Failed { reason: failed_too });
    let explained = |one: Value| with(one, "/rolloutStateReason", json!(back));
    struct Shape {
        name: &'static str,
        deployments: Value,
        events: Vec<Value>,
        /// While the service's own rollback is on; and while it is not.
        on: (Option<DeploymentEnd>, bool),
        off: (Option<DeploymentEnd>, bool),
    }
    let shapes = [
        Shape {
            name: "failed, and the rollback is under way",
            deployments: json!([explained(next(ONE, "IN_PROGRESS")), passed("FAILED")]),
            events: vec![going_back(), gone_wrong()],
            on: (None, true),
            off: (None, true),
        },
        Shape {
            name: "only the reason says that it goes back; ours drains",
            deployments: json!([explained(next(ONE, "IN_PROGRESS")), passed("IN_PROGRESS")]),
            events: vec![],
            on: (None, true),
            off: (None, true),
        },
        Shape {
            name: "only the events say so; ours is gone",
            deployments: json!([next(ONE, "COMPLETED")]),
            events: vec![going_back(), gone_wrong()],
            on: (rolled_back(&said), false),
            off: (rolled_back(&said), false),
        },
        Shape {
            name: "complete, and only ours says that it failed",
            deployments: json!([next(ONE, "COMPLETED"), passed("FAILED")]),
            events: vec![],
            on: (rolled_back(BREAKER), false),
            off: (superseded(ONE), false),
        },
        Shape {
            name: "ours is gone, an event says that it failed",
            deployments: json!([next(ONE, "COMPLETED")]),
            events: vec![gone_wrong()],
            on: (rolled_back(&said), false),
            off: (superseded(ONE), false),
        },
        Shape {
            name: "the way back failed too",
            deployments: json!([next(ONE, "FAILED"), passed("FAILED")]),
            events: vec![going_back()],
            on: (failed_too.clone(), false),
            off: (failed_too, false),
        },
        Shape {
            name: "ours failed, then a third party deployed a third revision",
            deployments: json!([next(THREE, "IN_PROGRESS"), passed("FAILED")]),
            events: vec![gone_wrong()],
            on: (superseded(THREE), false),
            off: (superseded(THREE), false),
        },
        Shape {
            name: "a third party deployed during our rollout",
            deployments: json!([next(THREE, "IN_PROGRESS"), passed("IN_PROGRESS")]),
            events: vec![],
            on: (superseded(THREE), false),
            off: (superseded(THREE), false),
        },
        Shape {
            name: "ours is gone, and no reason is given",
            deployments: json!([next(ONE, "COMPLETED")]),
            events: vec![],
            on: (superseded(ONE), false),
            off: (superseded(ONE), false),
        },
        Shape {
            name: "an event names a deployment that merely begins so",
            deployments: json!([next(THREE, "COMPLETED")]),
            events: vec![longer],
            on: (superseded(THREE), false),
            off: (superseded(THREE), false),
        },
    ];
    for shape in shapes {
        let stands = rolling(shape.deployments);
        let stands = with(stands, "/events", Value::Array(shape.events));
        let on = taking_back(stands.clone());
        for (stands, (end, goes_back)) in [(on, shape.on), (stands, shape.off)] {
            let asks = goes_back || !matches!(end, None | Some(DeploymentEnd::Superseded { .. }));
            let progress = if asks {
                followed_to_failure(stands).await
            } else {
                followed(stands).await
            };
            assert_eq!(progress.end, end, "{}", shape.name);
            let to = goes_back.then(|| revision(ONE));
            assert_eq!(progress.rolling_back_to, to, "{}", shape.name);
        }
    }
}

#[tokio::test]
async fn a_failed_rollout_ends_where_nobody_but_us_takes_it_back() {
    let breaker = "ECS deployment circuit breaker: tasks failed to start.";
    let failed = with(ours("FAILED", 0), "/rolloutStateReason", json!(breaker));
    let end = Some(DeploymentEnd::Failed {
        reason: breaker.to_owned(),
    });
    let stands = rolling(json!([
        failed.clone(),
        deployment(FIRST, "ACTIVE", ONE, "COMPLETED", 4)
    ]));
    assert_eq!(followed_to_failure(stands.clone()).await.end, end);
    let progress = followed(taking_back(stands)).await;
    assert_eq!(progress.end, None, "the service is about to act");

    let first = taking_back(rolling(json!([failed])));
    let first = with(first, "/tags", tags(TWO, "none"));
    let progress = followed_to_failure(first).await;
    assert_eq!(
        progress.end, end,
        "there is nothing that it could go back to"
    );
}

/// It may be too new to be shown; only the caller knows.
#[tokio::test]
async fn p04_a_service_that_is_missing_is_told_as_gone() {
    let second = DeploymentId::new(SECOND);
    let progress = Ecs::new().misses().deployer().follow(&second).await;
    assert_eq!(progress.expect("read").end, Some(DeploymentEnd::Gone));
}

#[tokio::test]
async fn p04_a_service_that_is_deleted_has_not_won() {
    let won = rolling(json!([ours("COMPLETED", 4)]));
    let stands = |status: &str| with(won.clone(), "/status", json!(status));
    let progress = followed(stands("INACTIVE")).await;
    assert_eq!(progress.end, Some(DeploymentEnd::Gone));
    let progress = followed_to_failure(stands("DRAINING")).await;
    let reason = "the service is being deleted".to_owned();
    assert_eq!(progress.end, Some(DeploymentEnd::Failed { reason }));
}

#[tokio::test]
async fn events_since_the_deployment_began_come_oldest_first_and_at_most_fifty() {
    let told = |number: u32, after: f64| {
        let at = BEGUN + after;
        json!({"id": number.to_string(), "createdAt": at, "message": "m"})
    };
    // In ECS's order, the newest first, except for two that changed places.
    let mut events: Vec<Value> = (0..60).rev().map(|n| told(n, f64::from(n))).collect();
    events.swap(3, 4);
    events.push(told(999, -1.0));
    let stands = rolling(json!([ours("IN_PROGRESS", 0)]));
    let progress = followed(with(stands, "/events", json!(events))).await;
    let ids: Vec<String> = progress.events.into_iter().map(|event| event.id).collect();
    let wanted: Vec<String> = (10..60).map(|number: u32| number.to_string()).collect();
    assert_eq!(ids, wanted);
}

#[tokio::test]
async fn each_kind_of_error_reaches_the_caller() {
    for kind in KINDS {
        let ecs = Ecs::new().fails(EcsCall::DescribeServices, asked(), kind);
        let error = ecs.deployer().follow(&DeploymentId::new(SECOND)).await;
        assert_eq!(error.expect_err("it failed").kind(), kind);
    }
}
