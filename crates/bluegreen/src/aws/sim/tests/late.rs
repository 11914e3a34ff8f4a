//! Writes that land late, calls that never end, and third parties that follow.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::{MINUTE, simulation, weights, write};
use crate::{
    ErrorKind,
    aws::sim::{Call, Fault, Simulation, Writer},
};

#[tokio::test(start_paused = true)]
async fn p10_a_late_write_lands_after_its_caller_has_given_up() {
    let simulation = simulation(Simulation::builder());
    let after = Duration::from_secs(4);
    simulation.fail(Call::ModifyRule.nth(1), Fault::LateEffect { after });
    let error = write(&simulation, 50, 50).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::OutcomeUnknown);
    assert_eq!(simulation.elapsed(), Duration::from_secs(10));
    sleep(Duration::from_millis(3_999)).await;
    assert_eq!(simulation.weights(), weights(100, 0));
    sleep(MINUTE).await;
    assert_eq!(simulation.weights(), weights(50, 50));
    let change = simulation.changes().pop().unwrap();
    let start = simulation.changes()[0].at;
    assert_eq!(change.by, Writer::Caller);
    assert_eq!(change.at.duration_since(start).as_secs(), 14);
}

#[tokio::test(start_paused = true)]
async fn p10_a_late_write_lands_at_most_ten_seconds_later_though_its_caller_is_gone() {
    let simulation = simulation(Simulation::builder());
    let after = MINUTE;
    simulation.fail(Call::ModifyRule.nth(1), Fault::LateEffect { after });
    let call = write(&simulation, 50, 50);
    timeout(Duration::from_secs(1), call).await.unwrap_err();
    write(&simulation, 90, 10).await.unwrap();
    sleep(Duration::from_millis(18_999)).await;
    assert_eq!(simulation.weights(), weights(90, 10));
    sleep(Duration::from_millis(1)).await;
    assert_eq!(simulation.weights(), weights(50, 50));
}

#[tokio::test(start_paused = true)]
async fn p10_a_late_write_that_aws_refuses_changes_nothing() {
    let simulation = simulation(Simulation::builder());
    let after = Duration::ZERO;
    simulation.fail(Call::ModifyRule.nth(1), Fault::LateEffect { after });
    write(&simulation, -1, 0).await.unwrap_err();
    sleep(MINUTE).await;
    assert_eq!(simulation.changes().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn p11_a_call_that_hangs_ends_when_it_is_dropped_before_or_after_its_effect() {
    let faults = [
        (Fault::HangBeforeEffect, weights(100, 0)),
        (Fault::HangAfterEffect, weights(50, 50)),
    ];
    for (fault, wanted) in faults {
        let simulation = simulation(Simulation::builder());
        simulation.fail(Call::ModifyRule.nth(1), fault);
        let call = write(&simulation, 50, 50);
        timeout(MINUTE * 60 * 24, call).await.unwrap_err();
        assert_eq!(simulation.weights(), wanted, "{fault:?}");
        write(&simulation, 0, 100).await.unwrap();
        assert_eq!(simulation.weights(), weights(0, 100), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn p07_a_third_party_writes_after_each_call_that_had_its_effect() {
    let simulation = simulation(Simulation::builder());
    let after = Duration::from_millis(500);
    let calls = Call::ModifyRule.from_nth(2);
    simulation.third_party_write_after(calls, after, weights(100, 0));
    simulation.fail(Call::ModifyRule.nth(2), Fault::TimeoutBeforeEffect);
    for green in [10, 50] {
        let _ = write(&simulation, 100 - green, green).await;
        sleep(MINUTE).await;
    }
    assert_eq!(simulation.weights(), weights(90, 10), "the second was lost");
    write(&simulation, 50, 50).await.unwrap();
    sleep(Duration::from_millis(499)).await;
    assert_eq!(simulation.weights(), weights(50, 50));
    sleep(Duration::from_millis(1)).await;
    assert_eq!(simulation.weights(), weights(100, 0));
    let last = simulation.changes().pop().unwrap();
    assert_eq!(last.by, Writer::Stranger);
}
