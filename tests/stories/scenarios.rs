//! Every named world ends as its explanation says.

use bluegreen::{
    MigrationPlan,
    aws::sim::Scenario,
    migration::{Intent, MigrationEvent},
};
use expect_test::expect;

use crate::common::{cases::each, comparing, comparing_plan, migrate, run_under};

fn default_plan() -> MigrationPlan {
    MigrationPlan::builder().build().expect("valid")
}

#[test]
fn every_scenario_ends_as_promised_and_keeps_the_promises() {
    each(Scenario::ALL, async |scenario| {
        for seed in [1, 2, 3] {
            let simulation = scenario.simulation(seed);
            let plan = comparing_plan();
            let run = run_under(&simulation, plan, Intent::Migrate, None, comparing).await;
            assert_eq!(
                run.exit_code(),
                scenario.expected_exit(),
                "{scenario}, seed {seed}: {}",
                run.last_words()
            );
            run.check_promises(false);
        }
    });
}

/// Under the limits alone the scenarios end as under the comparison, except for low traffic, which the
/// limits do not foresee.
#[test]
fn every_scenario_ends_under_limits_as_well() {
    each(Scenario::ALL, async |scenario| {
        for seed in [1, 2, 3] {
            let simulation = scenario.simulation(seed);
            let run = migrate(&simulation, default_plan()).await;
            let expected = match scenario {
                Scenario::LowTraffic => 10,
                _ => scenario.expected_exit(),
            };
            assert_eq!(
                run.exit_code(),
                expected,
                "{scenario}, seed {seed}: {}",
                run.last_words()
            );
            run.check_promises(false);
        }
    });
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_run() {
    let first = migrate(&Scenario::GreenErrors.simulation(9), default_plan()).await;
    let second = migrate(&Scenario::GreenErrors.simulation(9), default_plan()).await;
    let kinds = |run: &crate::common::Run| -> Vec<MigrationEvent> {
        run.events.iter().map(|event| event.kind.clone()).collect()
    };
    // Virtual time has a resolution of a millisecond, so timestamps may differ by one.
    let words = |kinds: Vec<MigrationEvent>| -> Vec<String> {
        kinds
            .iter()
            .map(std::mem::discriminant)
            .map(|d| format!("{d:?}"))
            .collect()
    };
    assert_eq!(words(kinds(&first)), words(kinds(&second)));
    assert_eq!(first.exit_code(), second.exit_code());
}

/// A pacer lets half an hour pass in a stroke here, and no wait may end later for that.
#[tokio::test(start_paused = true)]
async fn the_pace_of_virtual_time_does_not_change_the_course_of_a_run() {
    let course = async |speed: Option<f64>| -> Vec<(String, f64)> {
        let simulation = Scenario::GreenErrors.simulation(9);
        let _pacer = speed.map(|speed| simulation.pace(speed));
        let run = migrate(&simulation, default_plan()).await;
        let told = run.events.iter().map(|event| {
            let kind = std::mem::discriminant(&event.kind);
            (format!("{kind:?}"), event.elapsed.as_secs_f64())
        });
        told.collect()
    };
    let at_once = course(None).await;
    let paced = course(Some(100_000.0)).await;
    assert_eq!(at_once.len(), paced.len());
    for ((kind, at), (paced_kind, paced_at)) in at_once.iter().zip(&paced) {
        assert_eq!(kind, paced_kind, "at {at} s");
        // Virtual time has a resolution of a millisecond.
        assert!((at - paced_at).abs() < 0.01, "{at} s, {paced_at} s");
    }
}

/// The event log of a failing run, without the looks that show nothing new.
#[tokio::test(start_paused = true)]
async fn tells_the_story_of_a_rollback() {
    let run = migrate(&Scenario::EarlyErrors.simulation(1), default_plan()).await;
    let story: Vec<String> = run
        .events
        .iter()
        .filter(|event| !matches!(event.kind, MigrationEvent::Looked { .. }))
        .map(ToString::to_string)
        .collect();
    expect![[r#"
        +0m00s green gets 10%, 50%, 100% under targets, metrics
        +0m00s preflight passed: blue 100% / green 0% (weights 100:0); blue 4 of 4 healthy, green 4 of 4 healthy
              note: the balancer takes about 90 s to notice a dead target of blue (target group chatbot-flask-tg, interval 30 s × 3)
              note: the balancer takes about 90 s to notice a dead target of green (target group chatbot-fastapi-tg, interval 30 s × 3)
        +0m03s shifting from blue 100% / green 0% (weights 100:0) to blue 90% / green 10%
        +0m03s read back: blue 90% / green 10% (weights 90:10)
        +10m03s step 1 passed
        +10m03s shifting from blue 90% / green 10% (weights 90:10) to blue 50% / green 50%
        +10m03s read back: blue 50% / green 50% (weights 50:50)
        +13m03s rolling back, gate `metrics`: limits: errors: green's error rate is above 5.00%: 296 of the last 535 requests
        +13m03s shifting from blue 50% / green 50% (weights 50:50) to blue 100% / green 0%
        +13m03s read back: blue 100% / green 0% (weights 100:0)
        +13m06s restored, read back: blue 100% / green 0% (weights 100:0)
        +17m03s confirmed: no request on green from 2026-01-05T09:14:00Z to 2026-01-05T09:15:00Z
        +17m03s rolled back: blue serves everything, read back and confirmed by a minute without requests on green
          why: gate `metrics`: limits: errors: green's error rate is above 5.00%: 296 of the last 535 requests"#]].assert_eq(&story.join("\n"));
}

/// The fields of the first event are a contract for programs.
#[tokio::test(start_paused = true)]
async fn events_are_flat_json_objects() {
    let run = migrate(&Scenario::AlarmFiring.simulation(1), default_plan()).await;
    let json: Vec<serde_json::Value> = run
        .events
        .iter()
        .map(|event| serde_json::to_value(event).expect("plain data"))
        .collect();
    for event in &json {
        let fields = event.as_object().expect("an object");
        for field in ["run", "seq", "at", "elapsed", "event"] {
            assert!(fields.contains_key(field), "{field} in {event}");
        }
    }
    assert_eq!(json[0]["event"], "started");
    assert_eq!(json.last().expect("some")["exit_code"], 3);
    // And back.
    for (event, json) in run.events.iter().zip(json) {
        let back: bluegreen::engine::Event<MigrationEvent> =
            serde_json::from_value(json).expect("the same");
        assert_eq!(&back.kind, &event.kind);
    }
}
