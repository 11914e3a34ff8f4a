//! Alarms over metrics: when they go off, and what ECS does then. The expected times are computed by hand, from
//! the delays that the simulation publishes metrics with: a part of a minute shows 15 s after its end, all of
//! it after 75 s.

use aws_sdk_cloudwatch::types::StateValue;
use serde_json::{Value, json};

use super::*;

/// The errors of a group in percent, over so many seconds.
fn share(group: &str, period: u32, threshold: f64) -> Value {
    let world = Simulation::builder().build();
    let balancer = world.listener().load_balancer();
    let group = match group {
        "blue" => world.blue(),
        _ => world.green(),
    };
    let metric = |id: &str, name: &str| {
        json!({"Id": id, "ReturnData": false, "MetricStat": {
        "Period": period, "Stat": "Sum", "Metric": {
            "Namespace": "AWS/ApplicationELB", "MetricName": name, "Dimensions": [
                {"Name": "TargetGroup", "Value": group.resource()},
                {"Name": "LoadBalancer", "Value": balancer.dimension()}
            ]}}})
    };
    json!({
        "AlarmName": "errors", "Threshold": threshold, "TreatMissingData": "notBreaching",
        "ComparisonOperator": "GreaterThanThreshold", "EvaluationPeriods": 3, "DatapointsToAlarm": 2,
        "Metrics": [
            metric("errors", "HTTPCode_Target_5XX_Count"), metric("requests", "RequestCount"),
            {"Id": "share", "Expression": "100 * FILL(errors, 0) / requests"}
        ]
    })
}

/// The state of the only alarm at this second.
async fn state(simulation: &Simulation, second: u64) -> StateValue {
    let left = Duration::from_secs(second).saturating_sub(simulation.elapsed());
    sleep(left).await;
    let input = DescribeAlarmsInput::builder();
    let answer = simulation.aws().cloudwatch.describe_alarms(input).await;
    let answer = answer.expect("an answer");
    answer.metric_alarms()[0]
        .state_value()
        .expect("a state")
        .clone()
}

/// Blue fails every request from one minute to another.
fn failing(from: u32, to: u32) -> SimulationBuilder {
    let times = When::Between(MINUTE * from, MINUTE * to);
    let blue = Service::new(4).with_error_rate(0.0);
    Simulation::builder().blue(blue.with(times, Behaviour::Errors(1.0)))
}

#[tokio::test(start_paused = true)]
async fn an_alarm_goes_off_at_its_second_minute_above_the_limit_and_not_before_the_data_show() {
    let simulation = simulation(failing(10, 12).metric_alarm(share("blue", 60, 50.0)));
    // Minutes 10 and 11 fail. A part of minute 11 shows at second 735, and second 780 is a whole minute. At
    // second 900 the three newest points are those of minutes 11 to 13.
    for (second, expected) in [
        (1, StateValue::Ok),
        (779, StateValue::Ok),
        (780, StateValue::Alarm),
        (899, StateValue::Alarm),
        (900, StateValue::Ok),
    ] {
        assert_eq!(state(&simulation, second).await, expected, "{second}");
    }
}

/// A period of five minutes is a window that moves each minute.
#[tokio::test(start_paused = true)]
async fn a_longer_period_is_a_window_that_moves_each_minute() {
    let mut alarm = share("blue", 300, 15.0);
    alarm["EvaluationPeriods"] = json!(1);
    alarm["DatapointsToAlarm"] = json!(1);
    let simulation = simulation(failing(10, 11).metric_alarm(alarm));
    // At second 720 the window has minutes 7 to 9 and 42 s of minute 10: 42 of 222 s fail. At second 900 it
    // has minutes 10 to 13, at second 960 no longer minute 10.
    for (second, expected) in [
        (719, StateValue::Ok),
        (720, StateValue::Alarm),
        (959, StateValue::Alarm),
        (960, StateValue::Ok),
    ] {
        assert_eq!(state(&simulation, second).await, expected, "{second}");
    }
}

/// A counter has no data point for a minute in which nothing was counted.
#[tokio::test(start_paused = true)]
async fn a_counter_without_errors_is_missing_data_which_each_alarm_takes_in_its_way() {
    for (missing, expected) in [
        (Value::Null, StateValue::InsufficientData),
        (json!("missing"), StateValue::InsufficientData),
        (json!("ignore"), StateValue::InsufficientData),
        (json!("notBreaching"), StateValue::Ok),
        (json!("breaching"), StateValue::Alarm),
    ] {
        let mut alarm = share("blue", 60, 0.5);
        let count = alarm["Metrics"][0]["MetricStat"].clone();
        alarm["Metrics"] = json!([{"Id": "errors", "MetricStat": count}]);
        alarm["TreatMissingData"] = missing.clone();
        if missing.is_null() {
            alarm
                .as_object_mut()
                .expect("an object")
                .remove("TreatMissingData");
        }
        let simulation = simulation(failing(90, 91).metric_alarm(alarm));
        assert_eq!(state(&simulation, 601).await, expected, "{missing}");
    }
}

/// An alarm has watched before the start, if there is a past.
#[tokio::test(start_paused = true)]
async fn an_alarm_knows_the_past_of_its_metrics() {
    let alarm = || share("blue", 60, 0.0);
    let past = Simulation::builder().history(MINUTE * 60);
    let noisy = past.blue(Service::new(4).with_error_rate(0.5));
    let simulation = simulation(noisy.metric_alarm(alarm()));
    assert_eq!(state(&simulation, 0).await, StateValue::Alarm);
}

/// The world of a deployment with this alarm over green, and when ECS is done with it: the status, and green's
/// weight.
async fn deployed(alarms: Value, green: Service, more: Option<When>) -> (&'static str, u32) {
    let mut world = Simulation::builder()
        .native(json!({
            "strategy": "CANARY", "bakeTimeInMinutes": 5, "alarms": alarms,
            "canaryConfiguration": {"canaryPercent": 50.0, "canaryBakeTimeInMinutes": 10}
        }))
        .green(green)
        .metric_alarm(share("green", 60, 5.0))
        .third_party_deploy_at(Duration::ZERO);
    if let Some(fires) = more {
        world = world.alarm("other", fires);
    }
    let simulation = simulation(world);
    sleep(MINUTE * 30).await;
    let status = simulation.service_deployments()[0].1;
    (status, simulation.weights().green)
}

#[tokio::test(start_paused = true)]
async fn ecs_acts_on_an_alarm_as_the_deployment_says() {
    let failing = || Service::new(4).with_error_rate(0.2);
    let sound = || Service::new(4).with_error_rate(0.0);
    let alarms = |enable: bool, rollback: bool| json!({"alarmNames": ["errors"], "enable": enable, "rollback": rollback});
    let rolls_back = || alarms(true, true);
    assert_eq!(
        deployed(rolls_back(), failing(), None).await,
        ("ROLLBACK_SUCCESSFUL", 0)
    );
    assert_eq!(
        deployed(rolls_back(), sound(), None).await,
        ("SUCCESSFUL", 100)
    );
    // Without a rollback the deployment ends, and the traffic stays.
    assert_eq!(
        deployed(alarms(true, false), failing(), None).await,
        ("STOPPED", 50)
    );
    assert_eq!(
        deployed(alarms(false, true), failing(), None).await,
        ("SUCCESSFUL", 100)
    );
    // One alarm that is on at the start silences all of them.
    let both = json!({"alarmNames": ["errors", "other"], "enable": true, "rollback": true});
    assert_eq!(
        deployed(both.clone(), failing(), Some(When::Always)).await,
        ("SUCCESSFUL", 100)
    );
    let never = When::Between(MINUTE * 90, MINUTE * 91);
    assert_eq!(
        deployed(both, failing(), Some(never)).await,
        ("ROLLBACK_SUCCESSFUL", 0)
    );
}

/// The result does not depend on how often the world is looked at.
#[tokio::test(start_paused = true)]
async fn an_alarm_is_the_same_however_often_the_world_is_looked_at() {
    let world = || {
        let blue = Service::new(4).with_error_rate(0.01);
        let world = Simulation::builder().seed(5).traffic(2.0).blue(blue);
        simulation(world.metric_alarm(share("blue", 60, 1.0)))
    };
    let (often, seldom) = (world(), world());
    for minute in 1..=40 {
        for second in [60 * minute - 13, 60 * minute] {
            state(&often, second).await;
        }
        if minute % 8 == 0 {
            let now = 60 * minute + 1;
            assert_eq!(
                state(&often, now).await,
                state(&seldom, now).await,
                "{minute}"
            );
        }
    }
}
