use serde_json::{Value, json};

use crate::{
    aws::{api::EcsCall, ecs::testing::*},
    service::{DeploymentId, ServiceDeployer as _, StoppedTask},
};

/// The service while copies of ours fail.
fn failing() -> Value {
    let mut ours = deployment(SECOND, "PRIMARY", TWO, "IN_PROGRESS", 0);
    ours["failedTasks"] = json!(3);
    rolling(json!([ours]))
}

fn listing(token: Option<&str>) -> Value {
    let mut input = json!({"cluster": "c", "serviceName": "chatbot", "desiredStatus": "STOPPED"});
    if let Some(token) = token {
        input["nextToken"] = json!(token);
    }
    input
}

fn arn(number: u32) -> String {
    format!("arn:aws:ecs:us-east-1:123456789012:task/c/{number}")
}

fn describing(numbers: impl Iterator<Item = u32>) -> Value {
    json!({"cluster": "c", "tasks": numbers.map(arn).collect::<Vec<_>>()})
}

fn task(number: u32, by: &str, containers: Value) -> Value {
    json!({
        "taskArn": arn(number), "startedBy": by, "stoppedAt": BEGUN + f64::from(number),
        "stopCode": "EssentialContainerExited", "stoppedReason": "Essential container in task exited",
        "containers": containers
    })
}

async fn stopped(ecs: Ecs) -> Vec<StoppedTask> {
    let second = DeploymentId::new(SECOND);
    let progress = ecs.deployer().follow(&second).await.expect("read");
    assert_eq!(progress.failed, 3);
    assert_eq!(progress.end, None);
    progress.stopped
}

#[tokio::test]
async fn the_newest_five_of_ours_are_shown_with_reasons_and_logs() {
    let crashed = |code: i64| {
        json!([
            {"name": "proxy", "exitCode": 0},
            {"name": "app", "exitCode": code, "reason": "OutOfMemoryError: killed"}
        ])
    };
    let mut tasks: Vec<Value> = (0..8).map(|n| task(n, SECOND, crashed(137))).collect();
    tasks.push(task(50, FIRST, crashed(1)));
    tasks.reverse();
    let arns: Vec<String> = (0..9).map(arn).collect();
    let ecs = Ecs::new()
        .describes(failing())
        .answers(EcsCall::ListTasks, listing(None), json!({"taskArns": arns}))
        .answers(
            EcsCall::DescribeTasks,
            describing(0..9),
            json!({"tasks": tasks}),
        )
        .defines(TWO, definition(TWO, &image('b')));
    let shown = stopped(ecs).await;
    let names: Vec<&str> = shown.iter().map(|one| one.task.as_str()).collect();
    assert_eq!(names, ["3", "4", "5", "6", "7"], "of ours, oldest first");
    assert_eq!(
        shown[0].to_string(),
        "task 3 stopped: Essential container in task exited; \
         app exited with 137: OutOfMemoryError: killed; \
         logs: log group /ecs/chatbot, stream ecs/app/3"
    );
}

#[tokio::test]
async fn a_copy_whose_image_cannot_be_pulled_says_so() {
    let containers = json!([{"name": "app", "reason": "CannotPullContainerError: not found"}]);
    let mut one = task(1, SECOND, containers);
    one.as_object_mut().expect("one").remove("stoppedReason");
    let silent = json!({"taskArn": arn(2), "startedBy": SECOND, "stoppedAt": BEGUN + 9.0});
    let ecs = Ecs::new()
        .describes(failing())
        .answers(
            EcsCall::ListTasks,
            listing(None),
            json!({"taskArns": [arn(1), arn(2)]}),
        )
        .answers(
            EcsCall::DescribeTasks,
            describing(1..3),
            json!({"tasks": [one, silent]}),
        )
        .defines(TWO, definition(TWO, &image('b')));
    let shown = stopped(ecs).await;
    assert_eq!(
        shown[0].reason,
        "EssentialContainerExited; app: CannotPullContainerError: not found"
    );
    assert_eq!(
        shown[0].logs.as_deref(),
        Some("log group /ecs/chatbot, stream ecs/app/1")
    );
    assert_eq!(shown[1].reason, "no reason was given");
    assert_eq!(shown[1].logs, None);
}

#[tokio::test]
async fn every_page_is_read_and_a_hundred_are_described_at_a_time() {
    let page = |from: u32, to: u32| (from..to).map(arn).collect::<Vec<_>>();
    let ecs = Ecs::new()
        .describes(failing())
        .answers(
            EcsCall::ListTasks,
            listing(None),
            json!({"taskArns": page(0, 100), "nextToken": "more"}),
        )
        .answers(
            EcsCall::ListTasks,
            listing(Some("more")),
            json!({"taskArns": page(100, 150)}),
        )
        .answers(
            EcsCall::DescribeTasks,
            describing(0..100),
            json!({"tasks": []}),
        )
        .answers(
            EcsCall::DescribeTasks,
            describing(100..150),
            json!({"tasks": [task(149, SECOND, json!([]))]}),
        )
        .defines(TWO, definition(TWO, &image('b')));
    assert_eq!(stopped(ecs).await.len(), 1);
}

#[tokio::test]
async fn the_progress_is_told_even_where_the_reasons_cannot_be_had() {
    let some = || json!({"taskArns": [arn(1)]});
    for kind in KINDS {
        let listed = || {
            Ecs::new()
                .describes(failing())
                .answers(EcsCall::ListTasks, listing(None), some())
        };
        let no_list =
            Ecs::new()
                .describes(failing())
                .fails(EcsCall::ListTasks, listing(None), kind);
        let no_tasks = listed().fails(EcsCall::DescribeTasks, describing(1..2), kind);
        for ecs in [no_list, no_tasks] {
            assert_eq!(stopped(ecs).await, Vec::new());
        }
        let found = json!({"tasks": [task(1, SECOND, json!([{"name": "app"}]))]});
        let no_definition = listed()
            .answers(EcsCall::DescribeTasks, describing(1..2), found)
            .fails(EcsCall::DescribeTaskDefinition, defined(TWO), kind);
        let shown = stopped(no_definition).await;
        assert_eq!((shown.len(), &shown[0].logs), (1, &None));
    }
}

#[tokio::test]
async fn nothing_is_asked_while_no_copy_fails() {
    let ours = deployment(SECOND, "PRIMARY", TWO, "IN_PROGRESS", 1);
    let ecs = Ecs::new().describes(rolling(json!([ours])));
    let second = DeploymentId::new(SECOND);
    let progress = ecs.deployer().follow(&second).await.expect("read");
    assert_eq!(progress.stopped, Vec::new());
}
