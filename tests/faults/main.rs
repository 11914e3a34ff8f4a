//! Faults: each kind at each call of a whole migration, and the promises on every run.

#![allow(
    clippy::print_stdout,
    reason = "a failed test shows it, and with it the fault that broke a promise"
)]

#[path = "../common/mod.rs"]
mod common;
mod controllers;
mod dead_man;
mod lag;
mod native;
mod release;
mod resume;

use bluegreen::{
    MigrationPlan,
    aws::sim::{Behaviour, Call, Fault, Moment, Service, Simulation, When},
    traffic::Sides,
};

use crate::common::{cases::each, durable::killed, migrate, moments::Moments, short_plan};

/// Whether to test every combination, for a night, instead of a part that fits into CI.
fn everything() -> bool {
    std::env::var_os("BLUEGREEN_FAULTS").is_some_and(|size| size == "all")
}

fn plan() -> MigrationPlan {
    short_plan().build().expect("valid")
}

type World = (&'static str, fn() -> Simulation);

/// A world that is promoted, and a world that is rolled back.
fn worlds() -> [World; 2] {
    [
        ("healthy", || Simulation::builder().login().build()),
        ("failing", || {
            let failing = Service::new(4).with(When::Always, Behaviour::Errors(0.3));
            Simulation::builder().green(failing).build()
        }),
    ]
}

const FAULTS: [Fault; 9] = [
    Fault::Throttle,
    Fault::Denied,
    Fault::Unavailable,
    Fault::TimeoutBeforeEffect,
    Fault::TimeoutAfterEffect,
    Fault::Missing,
    Fault::HangBeforeEffect,
    Fault::HangAfterEffect,
    Fault::ThirdPartyWrite {
        weights: Sides {
            blue: 37,
            green: 63,
        },
    },
];

/// Whether each call of a run is a write, in order.
async fn writes(world: fn() -> Simulation) -> Vec<bool> {
    let simulation = world();
    let run = migrate(&simulation, plan()).await;
    run.check_promises(false);
    let mut moments = Moments::default();
    let mut writes = Vec::new();
    for n in 1..=simulation.calls_in_all() {
        let probe = world();
        let mut stop = probe.stop_at(Call::any().nth(n), Moment::BeforeEffect);
        let ended = killed(migrate(&probe, plan()), stop.reached()).await;
        assert!(ended.is_none(), "no call {n}");
        moments.killed(&probe, Moment::BeforeEffect);
        writes.push(moments.differs(Moment::AfterEffect));
    }
    writes
}

#[test]
fn p01_p03_p04_p07_p10_hold_for_each_fault_at_each_call() {
    each(worlds(), async |(name, world)| {
        let writes = writes(world).await;
        assert!(writes.len() > 40 && writes.contains(&true));
        for fault in FAULTS {
            for (n, is_write) in (1..).zip(&writes) {
                // A read has no effect: a fault behind it is the fault in front of it.
                let is_late = matches!(fault, Fault::TimeoutAfterEffect | Fault::HangAfterEffect);
                if is_late && !is_write {
                    continue;
                }
                let simulation = world();
                simulation.fail(Call::any().nth(n), fault);
                let run = migrate(&simulation, plan()).await;
                // A third party's write just before a write of ours is a race that no client of the API can win.
                let raced = matches!(fault, Fault::ThirdPartyWrite { .. }) && *is_write;
                println!("{name}: {fault:?} at call {n}: {}", run.exit_code());
                run.check_promises(raced);
            }
        }
    });
}

/// AWS fails from some call on, for good.
#[test]
fn p04_p10_hold_when_a_fault_stays() {
    each(worlds(), async |(name, world)| {
        for fault in [
            Fault::Throttle,
            Fault::Denied,
            Fault::TimeoutBeforeEffect,
            Fault::TimeoutAfterEffect,
        ] {
            for n in (1..120).step_by(3) {
                let simulation = world();
                simulation.fail(Call::any().from_nth(n), fault);
                let run = migrate(&simulation, plan()).await;
                println!("{name}: {fault:?} from call {n} on: {}", run.exit_code());
                run.check_promises(false);
            }
        }
    });
}

/// Only writes fail; reads work.
#[tokio::test(start_paused = true)]
async fn p04_writes_that_stay_blocked_are_reported_with_the_command() {
    for (_, world) in worlds() {
        for n in 1..4 {
            for fault in [Fault::Throttle, Fault::Denied, Fault::TimeoutBeforeEffect] {
                let simulation = world();
                simulation.fail(Call::ModifyRule.from_nth(n), fault);
                let run = migrate(&simulation, plan()).await;
                let code = run.exit_code();
                let is_blocked = simulation.calls(Call::ModifyRule) >= n;
                let is_split = simulation.weights().green > 0;
                let expected = match (is_blocked, is_split) {
                    (true, true) => 20,
                    // A rise without an answer may still land, until a restore is accepted.
                    (true, false) if fault == Fault::TimeoutBeforeEffect => 20,
                    (true, false) => 3,
                    (false, _) => 10,
                };
                assert_eq!(code, expected, "{}", run.last_words());
                run.check_promises(false);
            }
        }
    }
}
