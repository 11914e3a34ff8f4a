//! Deployments that ECS moves itself, and that wait for the gates at each pause.

use std::{collections::BTreeSet, time::Duration};

use bluegreen::{
    aws::{
        iam::IamPolicy,
        sim::{Behaviour, Call, Fault, Lag, Moment, NativeScenario, Service, Simulation, When},
    },
    native::{Cause, NativeError, NativeOutcome, NativePlan},
    preflight::Acceptance,
};
use serde_json::json;

use crate::common::{
    cases::each,
    comparing,
    native::{Story, names},
};

fn story(simulation: Simulation, plan: NativePlan) -> Story {
    Story::new(simulation, plan, comparing)
}

fn plan() -> NativePlan {
    NativePlan::builder().build().expect("valid")
}

#[test]
fn every_native_scenario_ends_as_promised_and_keeps_the_promises() {
    each(NativeScenario::ALL, async |scenario| {
        for seed in [1, 2] {
            let story = story(scenario.simulation(seed), plan());
            let ended = story.run().await;
            let code = story.check(&ended);
            let words = story.last_words();
            assert_eq!(
                code,
                scenario.expected_exit(),
                "{scenario}, {seed}: {words}"
            );
        }
    });
}

/// Each story holds its calls against the policy; together they make each call that the policy allows.
#[test]
fn the_policy_of_a_judge_allows_each_call_that_it_makes_and_no_other() {
    let scenarios = [
        NativeScenario::HealthyCanary,
        NativeScenario::ErrorsAtStep,
        NativeScenario::AlarmAndGate,
    ];
    let made = each(scenarios, async |scenario| {
        let story = story(scenario.simulation(1), plan());
        let ended = story.run().await;
        assert_eq!(story.check(&ended), scenario.expected_exit());
        let made: BTreeSet<String> = story.aws.calls().operations().map(str::to_owned).collect();
        (scenario, story.arn, made)
    });
    let (_, arn, _) = &made[0];
    let policy = IamPolicy::judge(arn).metrics();
    let of = |alarms: bool| {
        let of = made
            .iter()
            .filter(|(scenario, ..)| (*scenario == NativeScenario::AlarmAndGate) == alarms);
        of.flat_map(|(_, _, made)| made.clone())
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(of(false), names(&policy));
    assert!(of(true).is_subset(&names(&policy.alarms())));
    assert!(of(true).contains("DescribeAlarms"));
}

#[tokio::test(start_paused = true)]
async fn a_time_out_that_continues_is_judged_in_time_if_it_is_accepted() {
    let plan = NativePlan::builder().accept(Acceptance::PauseContinues);
    let world = NativeScenario::TimeoutContinues.simulation(1);
    let story = story(world, plan.build().expect("valid"));
    let ended = story.run().await;
    assert_eq!(story.check(&ended), 0, "{}", story.last_words());
    let Ok(outcome) = ended else { panic!() };
    assert_eq!(outcome.report().answers, 4, "no pause has timed out");
}

#[tokio::test(start_paused = true)]
async fn harm_is_answered_by_a_stop_between_two_pauses() {
    let story = story(NativeScenario::ErrorsAtStep.simulation(3), plan());
    let ended = story.run().await;
    assert_eq!(story.check(&ended), 10);
    let Ok(NativeOutcome::RolledBack { cause, .. }) = &ended else {
        panic!("{ended:?}");
    };
    assert!(matches!(cause, Cause::Gate { .. }), "{cause}");
    assert_eq!(story.simulation.calls(Call::StopServiceDeployment), 1);
    assert_eq!(story.simulation.weights().green, 0);
}

/// Each fault at the first answer and at the last one: the deployment is promoted all the same, or ends in a state that is known.
#[test]
fn p10_whatever_becomes_of_an_answer_no_pause_is_answered_twice() {
    let faults = [
        Fault::Throttle,
        Fault::Denied,
        Fault::Unavailable,
        Fault::TimeoutBeforeEffect,
        Fault::TimeoutAfterEffect,
        Fault::HangBeforeEffect,
        Fault::HangAfterEffect,
    ];
    let cases = [1, 4].into_iter();
    let cases = cases.flat_map(|nth| faults.map(|fault| (nth, fault)));
    each(cases.collect::<Vec<_>>(), async |(nth, fault)| {
        let world = NativeScenario::HealthyLinear.simulation(1);
        world.fail(Call::ContinueServiceDeployment.nth(nth), fault);
        let story = story(world, plan());
        let ended = story.run().await;
        let code = story.check(&ended);
        assert_eq!(code, 0, "{nth} {fault:?}: {}", story.last_words());
        // The adapter may repeat a throttled call by itself.
        let happened = matches!(fault, Fault::TimeoutAfterEffect | Fault::HangAfterEffect);
        if happened {
            let calls = story.simulation.calls(Call::ContinueServiceDeployment);
            assert_eq!(calls, 4, "{nth} {fault:?}: {}", story.last_words());
        }
    });
}

/// Reads lag behind each write, for as long as the adapter says that they may.
#[test]
fn p04_a_stale_read_at_each_look_decides_nothing() {
    let seconds = [5, 15, 25];
    let worlds = [
        NativeScenario::HealthyLinear,
        NativeScenario::ErrorsAtStep,
        NativeScenario::DeadGreen,
    ];
    let cases = seconds.into_iter();
    let cases = cases.flat_map(|lag| worlds.map(|world| (lag, world)));
    each(cases.collect::<Vec<_>>(), async |(seconds, scenario)| {
        let world = scenario.simulation(1);
        let lag = Lag::for_time(Duration::from_secs(seconds));
        world.lag(Call::DescribeServiceDeployments, lag);
        let story = story(world, plan());
        let ended = story.run().await;
        let code = story.check(&ended);
        let words = story.last_words();
        assert_eq!(
            code,
            scenario.expected_exit(),
            "{seconds} s, {scenario}: {words}"
        );
        if code == 0 {
            let calls = story.simulation.calls(Call::ContinueServiceDeployment);
            assert_eq!(calls, 4, "an accepted answer is never sent twice: {words}");
        }
    });
}

/// Killed before and after each change, and at every 83rd call, and resumed by another process.
#[test]
fn p05_killed_at_a_call_and_resumed_the_run_ends_as_it_would_have() {
    let (healthy, harmful) = (NativeScenario::HealthyLinear, NativeScenario::ErrorsAtStep);
    let mut cases = Vec::new();
    for moment in [Moment::BeforeEffect, Moment::AfterEffect] {
        for nth in 1..=4 {
            cases.push((healthy, Call::ContinueServiceDeployment.nth(nth), moment));
        }
        cases.push((harmful, Call::StopServiceDeployment.nth(1), moment));
        for nth in (1..400).step_by(83) {
            cases.push((healthy, Call::any().nth(nth), moment));
            cases.push((harmful, Call::any().nth(nth), moment));
        }
    }
    let killed = each(cases, async |(scenario, call, moment)| {
        let story = story(scenario.simulation(1), plan());
        let mut stop = story.simulation.stop_at(call, moment);
        let is_killed = tokio::select! {
            biased;
            () = stop.reached() => true,
            _ = story.run() => false,
        };
        if !is_killed {
            return 0_usize;
        }
        let ended = story.resume().await;
        let code = match &ended {
            // Killed before the first record: nothing to continue.
            Err(NativeError::Resume(_)) => return 1,
            ended => story.check(ended),
        };
        let words = story.last_words();
        assert_eq!(
            code,
            scenario.expected_exit(),
            "{call:?} {moment:?}: {words}"
        );
        1
    });
    assert!(killed.iter().sum::<usize>() >= 16, "{killed:?}");
}

/// An alarm over green's errors, as an operator would make it, and the judge beside it: the first to find the harm
/// puts everything back, and the end says which.
#[test]
fn an_alarm_over_metrics_and_the_judge_end_in_one_rollback() {
    let ends = each([1, 2, 3], async |seed| {
        let world = Simulation::builder().build();
        let (balancer, green) = (world.listener().load_balancer(), world.green());
        let green = green.as_str().rsplit(':').next();
        let metric = |id: &str, name: &str| {
            json!({"Id": id, "ReturnData": false, "MetricStat": {
            "Period": 60, "Stat": "Sum", "Metric": {
                "Namespace": "AWS/ApplicationELB", "MetricName": name, "Dimensions": [
                    {"Name": "LoadBalancer", "Value": balancer.dimension()},
                    {"Name": "TargetGroup", "Value": green}
                ]}}})
        };
        let pause = json!({
            "targetType": "PAUSE", "lifecycleStages": ["PRE_PRODUCTION_TRAFFIC_SHIFT"],
            "timeoutConfiguration": {"timeoutInMinutes": 60, "action": "ROLLBACK"}
        });
        let fails = When::AfterNthRise(1, Duration::from_secs(120), Duration::MAX);
        let simulation = Simulation::builder()
            .seed(seed)
            .green(Service::new(4).with(fails, Behaviour::Errors(0.2)))
            .native(json!({
                "strategy": "CANARY", "bakeTimeInMinutes": 5, "lifecycleHooks": [pause],
                "canaryConfiguration": {"canaryPercent": 25.0, "canaryBakeTimeInMinutes": 10},
                "alarms": {"alarmNames": ["green-errors"], "enable": true, "rollback": true}
            }))
            .metric_alarm(json!({
                "AlarmName": "green-errors", "Threshold": 5.0, "TreatMissingData": "notBreaching",
                "ComparisonOperator": "GreaterThanThreshold",
                "EvaluationPeriods": 3, "DatapointsToAlarm": 2,
                "Metrics": [
                    metric("errors", "HTTPCode_Target_5XX_Count"), metric("requests", "RequestCount"),
                    {"Id": "share", "Expression": "100 * FILL(errors, 0) / requests"}
                ]
            }))
            .third_party_deploy_at(Duration::ZERO)
            .build();
        let story = story(simulation, plan());
        let ended = story.run().await;
        assert_eq!(story.check(&ended), 10, "{}", story.last_words());
        let Ok(NativeOutcome::RolledBack { cause, .. }) = &ended else {
            panic!("{ended:?}");
        };
        let stops = story.simulation.calls(Call::StopServiceDeployment);
        match cause {
            Cause::Gate { .. } => assert_eq!(stops, 1, "{cause}"),
            Cause::Platform { reason } => {
                assert!(reason.contains("green-errors"), "{reason}");
                assert_eq!(stops, 0, "{cause}");
            }
            other => panic!("{other}"),
        }
    });
    assert_eq!(ends.len(), 3);
}
