//! A unit test of your own pipeline, with mocks in place of every role.
//!
//! Shows how to test what you build on this library without a cloud: a splitter that is a mock, a gate that
//! is a closure, a plan that waits as little as a plan may, and a clock that takes no time. It is a test
//! too.
//!
//! ```text
//! cargo run --example mocked_unit_test
//! cargo test --example mocked_unit_test
//! ```
//!
//! Prints, for each test, what the mock was told to do, and ends with 0.

#![expect(clippy::print_stdout, reason = "an example prints")]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bluegreen::{
    HealthGate, Migration, MigrationError, MigrationPlan, TrafficSplitter, Verdict,
    clock::Clock,
    gate_fn,
    mock::{MockTrafficSplitter, TestClock},
    traffic::{Shifted, Sides, TargetCounts, TrafficObservation},
};

/// The function under test: a migration with one gate, and its exit code.
async fn release(
    splitter: impl TrafficSplitter + 'static,
    queue: impl HealthGate + 'static,
    clock: impl Clock + 'static,
) -> Result<u8, MigrationError> {
    let plan = MigrationPlan::for_tests().build()?;
    let migration = Migration::new(plan, splitter).gate("queue", queue);
    Ok(migration.clock(clock).run().await?.exit_code())
}

/// A router that is read as it was written. It must see this many rises and restores, and no others.
fn router(rises: usize, restores: usize) -> MockTrafficSplitter {
    let targets = TargetCounts::all_healthy(4);
    let all_blue = Sides {
        blue: 1000,
        green: 0,
    };
    let read = move |weights| {
        TrafficObservation::new(
            weights,
            Sides {
                blue: targets,
                green: targets,
            },
            "v1:rule",
        )
    };
    let weights = Arc::new(Mutex::new(all_blue));
    let mut splitter = MockTrafficSplitter::new();
    splitter.expect_propagation().return_const(Duration::ZERO);
    splitter.expect_preflight().returning(|| Ok(Vec::new()));
    let seen = Arc::clone(&weights);
    splitter
        .expect_observe()
        .returning(move || Ok(read(*seen.lock().expect("no panic"))));
    for (is_restore, times) in [(false, rises), (true, restores)] {
        let written = Arc::clone(&weights);
        let shifts = splitter.expect_shift().times(times);
        shifts
            .withf(move |shift| shift.restores() == is_restore)
            .returning(move |shift| {
                println!("  the mock is told: {} on green", shift.to.green());
                let tenths = |share: bluegreen::Percent| u32::from(share.as_tenths());
                let weights = Sides {
                    blue: tenths(shift.to.blue()),
                    green: tenths(shift.to.green()),
                };
                *written.lock().expect("no panic") = weights;
                Ok(Shifted::Seen(read(weights)))
            });
    }
    splitter
}

/// A queue that is empty lets green rise to 10, 50 and 100 percent.
#[cfg_attr(test, tokio::test(start_paused = true))]
async fn promotes_while_the_queue_is_empty() {
    let empty = gate_fn("queue", |_look| async {
        Ok(Verdict::healthy("no message waits"))
    });
    let ended = release(router(3, 0), empty, TestClock::default()).await;
    assert_eq!(ended.expect("a plan"), 0);
}

/// A queue that grows as soon as green has traffic is stopped at the first step.
#[cfg_attr(test, tokio::test(start_paused = true))]
async fn restores_blue_if_the_queue_grows() {
    let grows = gate_fn("queue", |look| async move {
        Ok(match look.traffic {
            Some(traffic) if !traffic.is_all_blue() => Verdict::unhealthy("900 messages wait"),
            _ => Verdict::healthy("no message waits"),
        })
    });
    let ended = release(router(1, 1), grows, TestClock::default()).await;
    assert_eq!(ended.expect("a plan"), 10);
}

#[cfg(not(test))]
#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() {
    println!("promotes while the queue is empty");
    promotes_while_the_queue_is_empty().await;
    println!("restores blue if the queue grows");
    restores_blue_if_the_queue_grows().await;
    println!("both as expected; traffic was two numbers of a mock");
}
