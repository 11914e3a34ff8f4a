//! Reads that lag behind writes, as a real load balancer's and a real service's do.

use std::time::Duration;

use bluegreen::{
    aws::sim::{Behaviour, Call, Lag, Moment, Service, Simulation, When, Writer},
    migration::{Intent, MigrationEvent},
    traffic::Sides,
};

use crate::common::{Hand, Run, lag::lagging, migrate, run, short_plan};

const SECOND: Duration = Duration::from_secs(1);

fn healthy() -> Simulation {
    Simulation::builder().build()
}

fn failing() -> Simulation {
    let failing = Service::new(4).with(When::Always, Behaviour::Errors(0.3));
    Simulation::builder().green(failing).build()
}

async fn migrated(simulation: &Simulation) -> Run {
    migrate(simulation, short_plan().build().expect("valid")).await
}

/// The weights of green that this run wrote, in order.
fn written(simulation: &Simulation) -> Vec<u32> {
    let changes = simulation.changes();
    let own = changes.iter().filter(|change| change.by == Writer::Caller);
    own.map(|change| change.weights.green).collect()
}

#[tokio::test(start_paused = true)]
async fn p07_a_first_shift_that_shows_late_is_no_third_partys() {
    for late in [300, 2_000, 8_000] {
        let simulation = healthy();
        let lag = Lag::for_time(Duration::from_millis(late));
        let lag = lag.behind(Call::ModifyRule.nth(1));
        lagging(&simulation, &[Call::DescribeRules], lag);
        let run = migrated(&simulation).await;
        assert_eq!(run.exit_code(), 0, "{late} ms: {}", run.last_words());
        assert_eq!(simulation.weights().blue, 0, "{late} ms");
        assert_eq!(
            written(&simulation).len(),
            3,
            "{late} ms: a rise is written once"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn p07_one_old_answer_at_an_interval_is_no_drift() {
    for (write, after) in [(1, 30), (1, 90), (2, 30), (3, 30)] {
        let simulation = healthy();
        let lag = Lag::back_once_after(SECOND * after);
        let lag = lag.behind(Call::ModifyRule.nth(write));
        lagging(&simulation, &[Call::DescribeRules], lag);
        let run = migrated(&simulation).await;
        let words = run.last_words();
        assert_eq!(run.exit_code(), 0, "write {write}, {after} s: {words}");
        assert_eq!(simulation.weights().blue, 0, "write {write}, {after} s");
    }
}

#[tokio::test(start_paused = true)]
async fn p11_a_cancel_while_the_first_rise_is_written_restores_blue_by_an_accepted_write() {
    for late in [0, 300, 5_000] {
        let simulation = healthy();
        let lag = Lag::for_time(Duration::from_millis(late));
        lagging(&simulation, &[Call::DescribeRules], lag);
        // The rise has had its effect, but its answer has not come yet.
        let mut stop = simulation.stop_at(Call::ModifyRule.nth(1), Moment::AfterEffect);
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        let hand: Hand = Box::new(move |event, handle, _world| {
            if matches!(event.kind, MigrationEvent::Shifting { .. }) {
                let _ = tell.send(handle.clone());
            }
        });
        let plan = short_plan().build().expect("valid");
        let cancel = async {
            stop.reached().await;
            let handle = told.recv().await.expect("it was told before the write");
            handle.cancel("SIGTERM");
            tokio::time::sleep(SECOND).await;
            stop.go_on();
        };
        let (run, ()) = tokio::join!(run(&simulation, plan, Intent::Migrate, Some(hand)), cancel);
        assert_eq!(run.exit_code(), 11, "{late} ms: {}", run.last_words());
        assert_eq!(simulation.weights().green, 0, "{late} ms");
        assert_eq!(written(&simulation), [10, 0], "{late} ms");
    }
}

/// 100:0 is the split before the first rise and after the restore, so a read that shows it proves nothing.
#[tokio::test(start_paused = true)]
async fn p05_a_restore_is_written_though_an_old_read_shows_blue_already() {
    for after in (1..400).step_by(13) {
        let simulation = failing();
        let lag = Lag::back_once_after(SECOND * after);
        let lag = lag.behind(Call::ModifyRule.nth(1));
        lagging(&simulation, &[Call::DescribeRules], lag);
        let run = migrated(&simulation).await;
        assert_eq!(run.exit_code(), 10, "{after} s: {}", run.last_words());
        assert_eq!(simulation.weights().green, 0, "{after} s");
        assert_eq!(written(&simulation), [10, 0], "{after} s");
    }
}

#[tokio::test(start_paused = true)]
async fn p04_an_accepted_rise_that_never_shows_is_restored_and_said() {
    let simulation = healthy();
    let lag = Lag::for_time(Duration::from_secs(86_400));
    let lag = lag.behind(Call::ModifyRule.nth(1));
    lagging(&simulation, &[Call::DescribeRules], lag);
    let run = migrated(&simulation).await;
    let words: Vec<_> = run.events.iter().map(ToString::to_string).collect();
    assert_eq!(run.exit_code(), 10, "{}", run.last_words());
    assert_eq!(simulation.weights().green, 0);
    assert_eq!(written(&simulation), [10, 0]);
    let is_said = words
        .iter()
        .any(|words| words.contains("never became visible"));
    assert!(is_said, "{words:#?}");
}

#[tokio::test(start_paused = true)]
async fn p07_a_third_partys_restore_is_never_raised_again_once_it_was_shown() {
    let all_blue = Sides {
        blue: 100,
        green: 0,
    };
    for millis in [500, 2_000, 10_000, 60_000] {
        let simulation = healthy();
        let after = Duration::from_millis(millis);
        simulation.third_party_write_after(Call::ModifyRule.nth(1), after, all_blue);
        let lag = Lag::for_time(Duration::from_millis(300));
        lagging(&simulation, &[Call::DescribeRules], lag);
        let run = migrated(&simulation).await;
        let (code, words) = (run.exit_code(), run.last_words());
        // This run's own restore is right too: the rise may never have been visible.
        assert!([10, 12].contains(&code), "{millis} ms: {code}: {words}");
        assert_eq!(simulation.weights(), all_blue, "{millis} ms: {words}");
        let written = written(&simulation);
        let rises = written.iter().filter(|green| **green > 0);
        assert_eq!(rises.count(), 1, "{millis} ms: {written:?}");
    }
}
