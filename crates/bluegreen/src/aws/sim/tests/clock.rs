//! Two clocks: the one here, and AWS's.

use std::time::Duration;

use jiff::SignedDuration;
use tokio::time::sleep;

use super::{MINUTE, simulation, write};
use crate::{
    aws::sim::{
        Call, Fault, Lag, NativeScenario, ReleaseScenario, Scenario, Simulation, time::SimClock,
    },
    clock::later,
    traffic::Sides,
};

const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// Real time passes while a world is prepared, and none of it may count: the same seed is the same world.
#[tokio::test]
async fn the_time_of_a_world_begins_once_its_clock_stands() {
    let scenarios = Scenario::ALL.map(|one| one.simulation(1));
    let releases = ReleaseScenario::ALL.map(|one| one.simulation(1));
    let natives = NativeScenario::ALL.map(|one| one.simulation(1));
    let own = Simulation::builder().build();
    own.fail(Call::ModifyRule.nth(1), Fault::Throttle);
    own.lag(Call::DescribeRules, Lag::for_time(MINUTE));
    own.third_party_write_at(MINUTE, Sides::new(50, 50));
    own.start_paused();
    // Its time begins here, and that of each other world with the first look at it.
    let all = [own].into_iter().chain(scenarios);
    for world in all.chain(releases).chain(natives) {
        assert_eq!(world.elapsed(), Duration::ZERO);
        sleep(MINUTE).await;
        // Tokio's timers are good to 1 ms.
        assert!(world.elapsed() - MINUTE < Duration::from_millis(2));
    }
}

#[tokio::test(start_paused = true)]
async fn p11_a_clock_is_set_forward_and_back_and_its_uptime_goes_on() {
    let simulation = simulation(Simulation::builder());
    let clock = simulation.aws().clock();
    let start = clock.now();
    simulation.set_clock_at(MINUTE, HOUR);
    simulation.set_clock_at(MINUTE * 2, -HOUR * 3);
    let seconds = || clock.now().duration_since(start).as_secs();
    sleep(Duration::from_secs(59)).await;
    assert_eq!(seconds(), 59);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(seconds(), 3_600 + 60);
    sleep(MINUTE).await;
    assert_eq!(seconds(), -2 * 3_600 + 120);
    assert_eq!(clock.uptime(), MINUTE * 2);
    simulation.set_clock(HOUR * 2);
    assert_eq!(seconds(), 120);
    simulation.set_clock(SignedDuration::MAX);
    assert_eq!(clock.now(), jiff::Timestamp::MAX);
    assert_eq!(clock.uptime(), MINUTE * 2);
}

#[tokio::test(start_paused = true)]
async fn p11_aws_dates_its_answers_and_what_it_keeps_by_a_clock_of_its_own() {
    let simulation = simulation(Simulation::builder().clock_off_by(-HOUR));
    let aws = simulation.aws();
    let by_aws = |after| later(SimClock::epoch(), after);
    assert_eq!(aws.server_time(), None);
    sleep(Duration::from_millis(90_700)).await;
    write(&simulation, 50, 50).await.unwrap();
    let server = simulation.aws().server_time().unwrap();
    assert_eq!(
        server.date,
        by_aws(Duration::from_secs(90)),
        "whole seconds"
    );
    assert_eq!(server.received, aws.clock().now());
    assert_eq!(server.uptime, Duration::from_millis(90_700));
    assert_eq!(server.offset().as_secs(), 3_599);
    let change = simulation.changes().pop().unwrap();
    assert_eq!(change.at, by_aws(Duration::from_millis(90_700)));
}

#[tokio::test(start_paused = true)]
async fn p11_a_refusal_has_a_date_and_a_lost_answer_has_none() {
    for (fault, is_dated) in [
        (Fault::Throttle, true),
        (Fault::Denied, true),
        (Fault::Unavailable, false),
        (Fault::TimeoutBeforeEffect, false),
        (Fault::TimeoutAfterEffect, false),
    ] {
        let simulation = simulation(Simulation::builder());
        simulation.fail(Call::ModifyRule.nth(1), fault);
        write(&simulation, 50, 50).await.unwrap_err();
        let date = simulation.aws().server_time();
        assert_eq!(date.is_some(), is_dated, "{fault:?}");
    }
}
