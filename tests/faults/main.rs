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
mod release;
mod resume;

use bluegreen::{
    MigrationPlan,
    aws::sim::{Behaviour, Call, Fault, Service, Simulation, When},
    traffic::Sides,
};

use crate::common::{cases::each, migrate, short_plan};

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

/// The number of calls of a run, and which of them were writes: a third party's write just before one is a
/// race that no client of the API can win.
async fn write_calls(world: fn() -> Simulation) -> (u64, Vec<u64>) {
    let simulation = world();
    let run = migrate(&simulation, plan()).await;
    run.check_promises(false);
    let calls = simulation.calls_in_all();
    let mut writes = Vec::new();
    for n in 1..=calls {
        let probe = world();
        probe.fail(Call::any().nth(n), Fault::Throttle);
        // A throttled write is a write that the run reports as failed.
        let run = migrate(&probe, plan()).await;
        let failed = run.events.iter().any(|event| {
            matches!(&event.kind, bluegreen::migration::MigrationEvent::WriteFailed { failure, .. }
                if failure.message.contains("ModifyRule answered Throttling"))
        });
        if failed {
            writes.push(n);
        }
    }
    (calls, writes)
}

#[test]
fn p01_p03_p04_p07_p10_hold_for_each_fault_at_each_call() {
    each(worlds(), async |(name, world)| {
        let (calls, writes) = write_calls(world).await;
        assert!(calls > 40 && !writes.is_empty());
        for fault in FAULTS {
            for n in 1..=calls {
                let simulation = world();
                simulation.fail(Call::any().nth(n), fault);
                let run = migrate(&simulation, plan()).await;
                let raced = matches!(fault, Fault::ThirdPartyWrite { .. }) && writes.contains(&n);
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
