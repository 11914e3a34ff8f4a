//! Deployments whose traffic ECS moves itself. The expected order of stages and states is that of AWS's
//! developer guide; the times are computed by hand from the assumptions of `SimulationBuilder::native`.

use serde_json::{Value, json};

use super::*;
use crate::aws::{
    api::EcsCall,
    sim::{Lag, NativeScenario},
};

const HOOK: &str = "/lifecycleHookDetails/0/hookId";

async fn ask(simulation: &Simulation, call: EcsCall, input: Value) -> Result<Value, ApiError> {
    simulation.aws().ecs.call(call, input).await
}

/// The ARN of the newest deployment.
fn newest(simulation: &Simulation) -> String {
    simulation.service_deployments().pop().unwrap().0
}

async fn read(simulation: &Simulation, arn: &str) -> Value {
    let input = json!({"serviceDeploymentArns": [arn]});
    let answer = ask(simulation, EcsCall::DescribeServiceDeployments, input).await;
    answer.unwrap()["serviceDeployments"][0].clone()
}

async fn answer(simulation: &Simulation, action: &str) -> Result<Value, ApiError> {
    let arn = newest(simulation);
    let read = read(simulation, &arn).await;
    let hook = read.pointer(HOOK).unwrap();
    let input = json!({"serviceDeploymentArn": arn, "hookId": hook, "action": action});
    ask(simulation, EcsCall::ContinueServiceDeployment, input).await
}

async fn stop(simulation: &Simulation) -> Result<Value, ApiError> {
    let input = json!({"serviceDeploymentArn": newest(simulation), "stopType": "ROLLBACK"});
    ask(simulation, EcsCall::StopServiceDeployment, input).await
}

async fn until(simulation: &Simulation, second: u64) {
    sleep(Duration::from_secs(second) - simulation.elapsed()).await;
}

/// One line for what a deployment shows: state, stage, first hook, shares of blue and green, tasks of both.
fn line(read: &Value) -> String {
    let text = |path: &str| read.pointer(path).and_then(Value::as_str).unwrap_or("-");
    let (blue, green) = ("/sourceServiceRevisions/0", "/targetServiceRevision");
    let number = |side: &str, field: &str| {
        read.pointer(&format!("{side}/{field}"))
            .unwrap()
            .to_string()
    };
    let (weight, tasks) = ("requestedProductionTrafficWeight", "runningTaskCount");
    format!(
        "{} {} {} {}/{} test {} tasks {}/{}",
        text("/status"),
        text("/lifecycleStage"),
        text("/lifecycleHookDetails/0/status"),
        number(blue, weight),
        number(green, weight),
        number(green, "requestedTestTrafficWeight"),
        number(blue, tasks),
        number(green, tasks),
    )
}

#[tokio::test(start_paused = true)]
async fn a_canary_passes_its_stages_in_the_documented_order_and_pauses_before_each_shift() {
    let simulation = NativeScenario::HealthyCanary.simulation(1);
    assert_eq!(simulation.elapsed(), Duration::ZERO);
    let arn = newest(&simulation);
    let mut seen: Vec<String> = Vec::new();
    for second in 0..1_100 {
        until(&simulation, second).await;
        let read = read(&simulation, &arn).await;
        let now = line(&read);
        if seen.last().is_none_or(|last| !last.ends_with(&now)) {
            seen.push(format!("{second} {now}"));
        }
        if matches!(second, 60 | 700) {
            answer(&simulation, "CONTINUE").await.unwrap();
        }
    }
    assert_eq!(
        seen,
        [
            "0 PENDING - - 100.0/0.0 test 0.0 tasks 4/0",
            "5 IN_PROGRESS PRE_SCALE_UP - 100.0/0.0 test 0.0 tasks 4/0",
            "10 IN_PROGRESS SCALE_UP - 100.0/0.0 test 0.0 tasks 4/0",
            "40 IN_PROGRESS POST_SCALE_UP - 100.0/0.0 test 0.0 tasks 4/4",
            "45 IN_PROGRESS TEST_TRAFFIC_SHIFT - 100.0/0.0 test 100.0 tasks 4/4",
            "50 IN_PROGRESS POST_TEST_TRAFFIC_SHIFT - 100.0/0.0 test 100.0 tasks 4/4",
            // The stage before a shift has no name of its own: only the hook tells.
            "55 IN_PROGRESS POST_TEST_TRAFFIC_SHIFT AWAITING_ACTION 100.0/0.0 test 100.0 tasks 4/4",
            "61 IN_PROGRESS POST_TEST_TRAFFIC_SHIFT SUCCEEDED 100.0/0.0 test 100.0 tasks 4/4",
            "65 IN_PROGRESS PRODUCTION_TRAFFIC_SHIFT SUCCEEDED 90.0/10.0 test 100.0 tasks 4/4",
            "670 IN_PROGRESS PRODUCTION_TRAFFIC_SHIFT AWAITING_ACTION 90.0/10.0 test 100.0 tasks 4/4",
            "701 IN_PROGRESS PRODUCTION_TRAFFIC_SHIFT SUCCEEDED 90.0/10.0 test 100.0 tasks 4/4",
            "705 IN_PROGRESS PRODUCTION_TRAFFIC_SHIFT SUCCEEDED 0.0/100.0 test 100.0 tasks 4/4",
            "710 IN_PROGRESS POST_PRODUCTION_TRAFFIC_SHIFT SUCCEEDED 0.0/100.0 test 100.0 tasks 4/4",
            "715 IN_PROGRESS BAKE_TIME SUCCEEDED 0.0/100.0 test 100.0 tasks 4/4",
            "1015 IN_PROGRESS CLEAN_UP SUCCEEDED 0.0/100.0 test 100.0 tasks 0/4",
            "1045 SUCCESSFUL - SUCCEEDED 0.0/100.0 test 100.0 tasks 0/4",
        ]
    );
    let shifts = simulation.changes();
    let shifts: Vec<_> = shifts
        .iter()
        .map(|one| (one.weights.green, one.by))
        .collect();
    let by_service = Writer::Service;
    assert_eq!(
        shifts,
        [(0, Writer::Start), (10, by_service), (100, by_service)]
    );
}

#[tokio::test(start_paused = true)]
async fn a_linear_deployment_pauses_before_every_step_with_a_hook_of_its_own() {
    let simulation = NativeScenario::HealthyLinear.simulation(1);
    let mut pauses = Vec::new();
    for second in (0..1_800).step_by(5) {
        until(&simulation, second).await;
        let read = read(&simulation, &newest(&simulation)).await;
        let hook = &read["lifecycleHookDetails"][0];
        if hook["status"] == "AWAITING_ACTION" {
            let id = hook["hookId"].as_str().unwrap().to_owned();
            let weight = &read["targetServiceRevision"]["requestedProductionTrafficWeight"];
            pauses.push((id, weight.as_f64().unwrap()));
            answer(&simulation, "CONTINUE").await.unwrap();
        }
    }
    let weights: Vec<f64> = pauses.iter().map(|(_, weight)| *weight).collect();
    assert_eq!(weights, [0.0, 25.0, 50.0, 75.0]);
    pauses.sort_by(|a, b| a.0.cmp(&b.0));
    pauses.dedup_by(|a, b| a.0 == b.0);
    assert_eq!(pauses.len(), 4, "each pause has an id of its own");
    assert_eq!(simulation.service_deployments()[0].1, "SUCCESSFUL");
    let sent = simulation.sent();
    assert!(sent.green > 0 && sent.blue > 0, "{sent:?}");
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_ends_does_what_its_hook_says() {
    for (action, scenario, end) in [
        (
            "ROLLBACK",
            NativeScenario::TimeoutRollsBack,
            "ROLLBACK_SUCCESSFUL",
        ),
        ("CONTINUE", NativeScenario::TimeoutContinues, "IN_PROGRESS"),
    ] {
        let simulation = scenario.simulation(1);
        let arn = newest(&simulation);
        until(&simulation, 60).await;
        let paused = read(&simulation, &arn).await;
        let hook = &paused["lifecycleHookDetails"][0];
        assert_eq!(hook["timeoutAction"], action);
        // The pause began at second 55 and waits for 20 minutes.
        let expires = hook["expiresAt"].as_f64().unwrap();
        let begun = paused["createdAt"].as_f64().unwrap();
        assert!(
            (expires - begun - 1_255.0).abs() < 1e-3,
            "{expires} {begun}"
        );
        until(&simulation, 1_254).await;
        assert_eq!(read(&simulation, &arn).await["status"], "IN_PROGRESS");
        until(&simulation, 1_320).await;
        let after = read(&simulation, &arn).await;
        assert_eq!(after["status"], end, "{after}");
        assert_eq!(after["lifecycleHookDetails"][0]["status"], "TIMED_OUT");
        let green = if action == "CONTINUE" { 25 } else { 0 };
        assert_eq!(simulation.weights().green, green);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_puts_everything_back() {
    let simulation = NativeScenario::HealthyLinear.simulation(1);
    let arn = newest(&simulation);
    until(&simulation, 60).await;
    answer(&simulation, "CONTINUE").await.unwrap();
    until(&simulation, 100).await;
    assert_eq!(simulation.weights().green, 25);
    assert_eq!(
        stop(&simulation).await.unwrap()["serviceDeploymentArn"],
        arn
    );
    let mut seen = Vec::new();
    for second in 100..150 {
        until(&simulation, second).await;
        let read = read(&simulation, &arn).await;
        let now = (
            read["status"].as_str().unwrap().to_owned(),
            simulation.weights().green,
        );
        if seen.last() != Some(&now) {
            seen.push(now);
        }
    }
    let state = |state: &str, green| (state.to_owned(), green);
    assert_eq!(
        seen,
        [
            state("ROLLBACK_REQUESTED", 25),
            state("ROLLBACK_IN_PROGRESS", 25),
            state("ROLLBACK_IN_PROGRESS", 0),
            state("ROLLBACK_SUCCESSFUL", 0),
        ]
    );
    // A stop again is a conflict, as is an answer.
    assert_eq!(
        stop(&simulation).await.unwrap_err().kind,
        ErrorKind::Conflict
    );
    let refused = answer(&simulation, "CONTINUE").await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Invalid);
    assert_eq!(simulation.targets().green, TargetCounts::default());
}

#[tokio::test(start_paused = true)]
async fn a_stop_while_blue_is_removed_starts_blue_again_before_traffic_returns() {
    let simulation = NativeScenario::HealthyCanary.simulation(1);
    for (second, green) in [(60, 10), (700, 100)] {
        until(&simulation, second).await;
        answer(&simulation, "CONTINUE").await.unwrap();
        until(&simulation, second + 10).await;
        assert_eq!(simulation.weights().green, green);
    }
    until(&simulation, 1_020).await;
    assert_eq!(simulation.targets().blue.healthy, 0, "cleaned up");
    stop(&simulation).await.unwrap();
    until(&simulation, 1_050).await;
    assert_eq!(simulation.weights().green, 100, "blue starts");
    until(&simulation, 1_060).await;
    assert_eq!(simulation.targets().blue.healthy, 4);
    assert_eq!(simulation.weights().green, 0);
    until(&simulation, 1_100).await;
    assert_eq!(simulation.service_deployments()[0].1, "ROLLBACK_SUCCESSFUL");
}

#[tokio::test(start_paused = true)]
async fn an_answer_may_roll_back_and_a_rollback_may_fail() {
    let simulation = NativeScenario::HealthyLinear.simulation(1);
    until(&simulation, 60).await;
    answer(&simulation, "ROLLBACK").await.unwrap();
    until(&simulation, 120).await;
    assert_eq!(simulation.service_deployments()[0].1, "ROLLBACK_SUCCESSFUL");
    assert_eq!(simulation.sent().green, 0);

    let simulation = NativeScenario::StopFails.simulation(1);
    until(&simulation, 60).await;
    answer(&simulation, "CONTINUE").await.unwrap();
    until(&simulation, 100).await;
    stop(&simulation).await.unwrap();
    until(&simulation, 200).await;
    assert_eq!(simulation.service_deployments()[0].1, "ROLLBACK_FAILED");
    assert_eq!(
        simulation.weights().green,
        25,
        "the traffic stays as it was"
    );
}

#[tokio::test(start_paused = true)]
async fn an_alarm_that_goes_off_rolls_back_while_the_deployment_waits() {
    let off = When::Between(MINUTE * 2, MINUTE * 3);
    let before = When::Always;
    for (fires, rolls_back, watches, end) in [
        (off, true, "MONITORING", "ROLLBACK_SUCCESSFUL"),
        (off, false, "MONITORING", "STOPPED"),
        // ECS watches no alarm of a deployment that begins while one of them is in alarm.
        (before, true, "DISABLED", "IN_PROGRESS"),
    ] {
        let alarms = json!({"alarmNames": ["a"], "enable": true, "rollback": rolls_back});
        let hook = json!({"targetType": "PAUSE", "lifecycleStages": ["POST_SCALE_UP"]});
        let configuration =
            json!({"strategy": "BLUE_GREEN", "lifecycleHooks": [hook], "alarms": alarms});
        let world = Simulation::builder()
            .native(configuration)
            .alarm("a", fires);
        let simulation = world.third_party_deploy_at(Duration::ZERO).build();
        let arn = newest(&simulation);
        until(&simulation, 110).await;
        let paused = read(&simulation, &arn).await;
        assert_eq!(
            paused["lifecycleHookDetails"][0]["status"],
            "AWAITING_ACTION"
        );
        assert_eq!(paused["alarms"]["status"], watches);
        until(&simulation, 170).await;
        let read = read(&simulation, &arn).await;
        assert_eq!(read["status"], end, "{read}");
        if end != "IN_PROGRESS" {
            assert_eq!(read["alarms"]["triggeredAlarmNames"], json!(["a"]));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_newer_deployment_takes_the_place_of_the_one_under_way() {
    let simulation = NativeScenario::SecondDeployment.simulation(1);
    let first = newest(&simulation);
    until(&simulation, 60).await;
    answer(&simulation, "CONTINUE").await.unwrap();
    until(&simulation, 719).await;
    assert_eq!(simulation.weights().green, 25);
    until(&simulation, 721).await;
    let second = newest(&simulation);
    assert_ne!(first, second);
    assert_eq!(read(&simulation, &first).await["status"], "STOP_REQUESTED");
    let newer = read(&simulation, &second).await;
    assert_eq!(newer["sourceServiceRevisions"].as_array().unwrap().len(), 2);
    let weight = &newer["sourceServiceRevisions"][1]["requestedProductionTrafficWeight"];
    assert_eq!(weight, 25.0, "what it replaces still has traffic");
    until(&simulation, 726).await;
    assert_eq!(read(&simulation, &first).await["status"], "STOPPED");
    let newer = read(&simulation, &second).await;
    assert_eq!(newer["lifecycleStage"], "RECONCILE_SERVICE");
    assert_eq!(simulation.weights().green, 0);
    // Lists show the newest first, a page each.
    let (cluster, service) = (simulation.cluster(), simulation.service());
    let mut input = json!({"cluster": cluster, "service": service, "maxResults": 1});
    let page = ask(&simulation, EcsCall::ListServiceDeployments, input.clone())
        .await
        .unwrap();
    assert_eq!(
        page["serviceDeployments"][0]["serviceDeploymentArn"],
        second
    );
    input["nextToken"] = page["nextToken"].clone();
    let page = ask(&simulation, EcsCall::ListServiceDeployments, input.clone())
        .await
        .unwrap();
    assert_eq!(page["serviceDeployments"][0]["serviceDeploymentArn"], first);
    assert!(page.get("nextToken").is_none());
}

#[tokio::test(start_paused = true)]
async fn an_update_of_the_service_begins_a_deployment_and_revisions_tell_their_groups() {
    let simulation = NativeScenario::HealthyCanary.idle(1);
    assert!(simulation.service_deployments().is_empty());
    let definition = json!({"family": "chatbot-fastapi", "containerDefinitions": []});
    let made = ask(&simulation, EcsCall::RegisterTaskDefinition, definition)
        .await
        .unwrap();
    let update = json!({
        "cluster": simulation.cluster(), "service": simulation.service(),
        "taskDefinition": made.pointer("/taskDefinition/taskDefinitionArn"),
        "deploymentConfiguration": {"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 0, "lifecycleHooks": []},
    });
    let answer = ask(&simulation, EcsCall::UpdateService, update.clone())
        .await
        .unwrap();
    let arn = newest(&simulation);
    assert_eq!(answer["service"]["currentServiceDeployment"], arn);
    // The same again begins nothing.
    ask(&simulation, EcsCall::UpdateService, update)
        .await
        .unwrap();
    assert_eq!(simulation.service_deployments().len(), 1);
    let target = read(&simulation, &arn).await["targetServiceRevision"]["arn"].clone();
    let source = read(&simulation, &arn).await["sourceServiceRevisions"][0]["arn"].clone();
    let asked = json!({"serviceRevisionArns": [source, target]});
    let revisions = async || {
        let call = EcsCall::DescribeServiceRevisions;
        ask(&simulation, call, asked.clone()).await.unwrap()["serviceRevisions"].clone()
    };
    let group = "/resolvedConfiguration/loadBalancers/0/targetGroupArn";
    assert_eq!(revisions().await[1].pointer(group), None, "not chosen yet");
    until(&simulation, 30).await;
    let shown = revisions().await;
    assert_eq!(shown[0].pointer(group).unwrap(), simulation.blue().as_str());
    assert_eq!(
        shown[1].pointer(group).unwrap(),
        simulation.green().as_str()
    );
    let advanced = &shown[1]["loadBalancers"][0]["advancedConfiguration"];
    assert_eq!(
        advanced["alternateTargetGroupArn"],
        simulation.green().as_str()
    );
    assert_eq!(
        advanced["productionListenerRule"],
        simulation.rule_arn().as_str()
    );
    until(&simulation, 200).await;
    assert_eq!(simulation.service_deployments()[0].1, "SUCCESSFUL");
    assert_eq!(simulation.runs().unwrap().1, 4);
    assert_eq!(simulation.deployments().last().unwrap().1, Writer::Caller);
    // The next one goes the other way.
    let again = json!({
        "cluster": simulation.cluster(), "service": simulation.service(), "forceNewDeployment": true
    });
    ask(&simulation, EcsCall::UpdateService, again)
        .await
        .unwrap();
    until(&simulation, 400).await;
    assert_eq!(
        simulation.weights(),
        Sides {
            blue: 100,
            green: 0
        }
    );
}

#[tokio::test(start_paused = true)]
async fn a_read_may_lag_behind_an_answer_and_behind_ecs_itself() {
    let simulation = NativeScenario::HealthyCanary.simulation(1);
    let arn = newest(&simulation);
    simulation.lag(
        Call::DescribeServiceDeployments,
        Lag::for_time(Duration::from_secs(4)),
    );
    until(&simulation, 57).await;
    assert!(
        read(&simulation, &arn).await.pointer(HOOK).is_none(),
        "seen later"
    );
    until(&simulation, 60).await;
    answer(&simulation, "CONTINUE").await.unwrap();
    let read_status = async || {
        let read = read(&simulation, &arn).await;
        read["lifecycleHookDetails"][0]["status"].clone()
    };
    assert_eq!(read_status().await, "AWAITING_ACTION");
    until(&simulation, 64).await;
    assert_eq!(read_status().await, "SUCCEEDED");
}

#[tokio::test(start_paused = true)]
async fn the_test_route_leads_to_green_only_after_the_test_shift() {
    let simulation = Simulation::builder()
        .native(json!({"strategy": "BLUE_GREEN", "lifecycleHooks": [
            {"targetType": "PAUSE", "lifecycleStages": ["POST_TEST_TRAFFIC_SHIFT"]}
        ]}))
        .next_revision(crate::aws::sim::Fate::Broken)
        .build();
    let definition = json!({"family": "chatbot-fastapi", "containerDefinitions": []});
    let made = ask(&simulation, EcsCall::RegisterTaskDefinition, definition)
        .await
        .unwrap();
    let update = json!({
        "cluster": simulation.cluster(), "service": simulation.service(),
        "taskDefinition": made.pointer("/taskDefinition/taskDefinitionArn"),
    });
    ask(&simulation, EcsCall::UpdateService, update)
        .await
        .unwrap();
    let status = async |header: &[(&str, &str)]| {
        let url = "http://api.chatbot.company.com/api/v1/chat";
        let mut request = crate::check::HttpRequest::new("GET", url);
        for (name, value) in header {
            request = request.with_header(*name, *value);
        }
        let client = simulation.http();
        client.send(&request).await.unwrap().status
    };
    let test = [("X-Bluegreen-Test", "green")];
    until(&simulation, 42).await;
    assert_eq!(status(&test).await, 200, "blue answers");
    until(&simulation, 60).await;
    assert_eq!(status(&test).await, 500, "green answers");
    assert_eq!(status(&[]).await, 200, "users reach blue");
}

#[tokio::test(start_paused = true)]
async fn what_ecs_would_refuse_is_refused() {
    let simulation = NativeScenario::HealthyLinear.simulation(1);
    until(&simulation, 60).await;
    let arn = newest(&simulation);
    let input = json!({"serviceDeploymentArn": "arn:x", "hookId": "h"});
    let error = ask(&simulation, EcsCall::ContinueServiceDeployment, input)
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    for input in [
        json!({"serviceDeploymentArn": arn, "hookId": "another"}),
        json!({"serviceDeploymentArn": arn, "hookId": "ecs-pause-1-1", "action": "PAUSE"}),
    ] {
        let sent = ask(&simulation, EcsCall::ContinueServiceDeployment, input).await;
        assert_eq!(sent.unwrap_err().kind, ErrorKind::Invalid);
    }
    let abort = json!({"serviceDeploymentArn": arn, "stopType": "ABORT"});
    let sent = ask(&simulation, EcsCall::StopServiceDeployment, abort).await;
    assert_eq!(sent.unwrap_err().kind, ErrorKind::Invalid);
    let unknown = json!({"serviceDeploymentArns": ["arn:x"]});
    let read = ask(&simulation, EcsCall::DescribeServiceDeployments, unknown)
        .await
        .unwrap();
    assert_eq!(
        read["failures"],
        json!([{"arn": "arn:x", "reason": "MISSING"}])
    );

    let plain = super::simulation(Simulation::builder());
    let update = json!({
        "cluster": plain.cluster(), "service": plain.service(),
        "deploymentConfiguration": {"strategy": "CANARY"},
    });
    let sent = ask(&plain, EcsCall::UpdateService, update).await;
    assert_eq!(
        sent.unwrap_err().kind,
        ErrorKind::Invalid,
        "no second group"
    );
}

#[tokio::test(start_paused = true)]
async fn the_course_does_not_depend_on_how_often_the_world_is_looked_at() {
    for scenario in [
        NativeScenario::TimeoutContinues,
        NativeScenario::TimeoutRollsBack,
        NativeScenario::SecondDeployment,
    ] {
        let mut courses = Vec::new();
        for interval in [7, 3_600 * 2] {
            let simulation = scenario.simulation(1);
            assert_eq!(simulation.elapsed(), Duration::ZERO);
            while simulation.elapsed() < MINUTE * 120 {
                let rest = MINUTE * 120 - simulation.elapsed();
                sleep(rest.min(Duration::from_secs(interval))).await;
                assert!(!simulation.service_deployments().is_empty());
            }
            courses.push((
                simulation.service_deployments(),
                simulation.changes(),
                simulation.sent(),
                simulation.failed(),
            ));
        }
        assert_eq!(courses[0], courses[1], "{scenario}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_newer_deployment_during_the_clean_up_begins_from_the_new_revision() {
    let simulation = NativeScenario::HealthyCanary.simulation(1);
    for second in [60, 700] {
        until(&simulation, second).await;
        answer(&simulation, "CONTINUE").await.unwrap();
    }
    until(&simulation, 1_020).await;
    let first = newest(&simulation);
    assert_eq!(
        read(&simulation, &first).await["lifecycleStage"],
        "CLEAN_UP"
    );
    let again = json!({
        "cluster": simulation.cluster(), "service": simulation.service(), "forceNewDeployment": true
    });
    ask(&simulation, EcsCall::UpdateService, again)
        .await
        .unwrap();
    assert_eq!(read(&simulation, &first).await["status"], "SUCCESSFUL");
    until(&simulation, 1_030).await;
    let second = read(&simulation, &newest(&simulation)).await;
    assert_eq!(
        second["sourceServiceRevisions"].as_array().unwrap().len(),
        1
    );
    assert_eq!(
        simulation.weights().green,
        100,
        "users stay where tasks run"
    );
    until(&simulation, 1_080).await;
    assert_eq!(
        simulation.targets().blue.healthy,
        4,
        "the next revision comes into blue's group"
    );
}
