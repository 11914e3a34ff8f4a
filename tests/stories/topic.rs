//! A topic of SNS as a hook: what is published, and that a failure changes nothing.

use bluegreen::{
    MigrationOutcome,
    aws::sim::{Call, Fault, Scenario, Simulation},
    migration::Migration,
    spec::Use,
    store::JournalStore,
};
use serde_json::Value;

use std::sync::{Arc, Mutex};

const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:releases";

/// A run whose hooks name a topic: its end, and the failures of the hook.
async fn run(simulation: &Simulation) -> (MigrationOutcome, Vec<String>) {
    let mut spec = simulation.spec();
    spec.hooks.topic = Some(TOPIC.parse().expect("an ARN"));
    let failures = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&failures);
    let told = |migration: Migration| {
        migration.on_hook_failure(move |why| noted.lock().expect("no panic").push(why.to_owned()))
    };
    let aws = simulation.aws();
    let run = spec.start(&aws, &JournalStore::memory(), "ann").await;
    let ended = run.expect("may begin").with(told).run().await;
    let failures = failures.lock().expect("no panic").clone();
    let policy = spec.iam_policy(Use::Migrate).expect("valid");
    assert!(policy.actions().contains("sns:Publish"));
    (ended.expect("a known end"), failures)
}

fn moments(simulation: &Simulation) -> Vec<String> {
    let published = simulation.published();
    let moment = |text: &String| {
        let message: Value = serde_json::from_str(text).expect("JSON");
        assert_eq!(message["schema"], "bluegreen.hook/1");
        message["moment"].as_str().expect("a text").to_owned()
    };
    published.iter().map(moment).collect()
}

#[tokio::test(start_paused = true)]
async fn a_topic_gets_each_moment_in_order() {
    let simulation = Scenario::Healthy.simulation(1);
    let (ended, failures) = run(&simulation).await;
    assert_eq!((ended.exit_code(), failures.len()), (0, 0), "{failures:?}");
    let moments = moments(&simulation);
    assert_eq!(moments.first().map(String::as_str), Some("start"));
    assert_eq!(moments.last().map(String::as_str), Some("end"));
    let steps = moments.iter().filter(|one| *one == "before-step");
    assert_eq!(steps.count(), simulation.changes().len() - 1);
}

/// The course of a run is the same, to the second, whatever becomes of its messages.
#[tokio::test(start_paused = true)]
async fn a_topic_that_fails_delays_nothing_and_is_said_at_the_end() {
    for scenario in [Scenario::Healthy, Scenario::GreenErrors] {
        let calm = scenario.simulation(1);
        let (wanted, _) = run(&calm).await;
        for (fault, said) in [
            (Fault::Denied, "sns:Publish"),
            (Fault::Throttle, "Rate exceeded"),
            (Fault::Missing, "does not exist"),
            (Fault::TimeoutAfterEffect, "no answer"),
        ] {
            let simulation = scenario.simulation(1);
            simulation.fail(Call::Publish.every(), fault);
            let (ended, failures) = run(&simulation).await;
            assert_eq!(ended.exit_code(), wanted.exit_code(), "{fault:?}");
            assert_eq!(ended.report().took(), wanted.report().took(), "{fault:?}");
            assert_eq!(
                simulation.changes().len(),
                calm.changes().len(),
                "{fault:?}"
            );
            assert_eq!(failures.len(), calm.published().len(), "{failures:?}");
            let is_told = |why: &String| why.contains(said) && why.contains(TOPIC);
            assert!(failures.iter().all(is_told), "`{said}` in {failures:?}");
        }
    }
}
