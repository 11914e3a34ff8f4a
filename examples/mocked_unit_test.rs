//! A unit test of your own pipeline, without a cloud and without waiting.
//!
//! Shows how to test code that uses this library: with a router in memory that remembers each write, a gate
//! that is a closure, a plan with the shortest waits, and a clock that takes no time. The example is itself a
//! test.
//!
//! ```text
//! cargo run --example mocked_unit_test
//! cargo test --example mocked_unit_test
//! ```
//!
//! Prints, for each test, the writes to the router; the exit code is 0. For tests of calls that fail,
//! `bluegreen::mock` has a mock of every role.

#![expect(clippy::print_stdout, reason = "an example prints")]

use bluegreen::{
    HealthGate, Migration, MigrationError, Percent, Verdict, gate_fn, mock::MemorySplitter,
};

/// The function under test: adds a gate of your own to a migration, runs it, and returns its exit code. In
/// production the migration is `Migration::new(plan, AlbTrafficSplitter::new(…)?)`.
async fn release(
    migration: Migration,
    queue: impl HealthGate + 'static,
) -> Result<u8, MigrationError> {
    Ok(migration.gate("queue", queue).run().await?.exit_code())
}

/// An empty queue lets green rise to 10, 50 and 100 percent.
#[cfg_attr(test, tokio::test(start_paused = true))]
async fn promotes_while_the_queue_is_empty() {
    let empty = gate_fn("queue", |_look| async {
        Ok(Verdict::healthy("no message waits"))
    });
    let router = MemorySplitter::new();
    let ended = release(Migration::for_tests(router.clone()), empty).await;
    assert_eq!(ended.expect("a plan"), 0);
    let written = router.written();
    println!("  the router was told: {written:?} on green");
    assert_eq!(written, [Percent::TEN, Percent::FIFTY, Percent::HUNDRED]);
}

/// A queue that grows as soon as green has traffic stops the migration at the first step.
#[cfg_attr(test, tokio::test(start_paused = true))]
async fn restores_blue_if_the_queue_grows() {
    let grows = gate_fn("queue", |look| async move {
        Ok(match look.green_has_traffic() {
            true => Verdict::unhealthy("900 messages wait"),
            false => Verdict::healthy("no message waits"),
        })
    });
    let router = MemorySplitter::new();
    let ended = release(Migration::for_tests(router.clone()), grows).await;
    assert_eq!(ended.expect("a plan"), 10);
    let written = router.written();
    println!("  the router was told: {written:?} on green");
    assert_eq!(written, [Percent::TEN, Percent::ZERO]);
}

#[cfg(not(test))]
#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() {
    println!("promotes while the queue is empty");
    promotes_while_the_queue_is_empty().await;
    println!("restores blue if the queue grows");
    restores_blue_if_the_queue_grows().await;
    println!("both as expected");
}
