//! A wall clock that is set or wrong: a run ends as with a right clock, and in the same minute.

use std::time::Duration;

use bluegreen::{
    aws::sim::{Behaviour, Scenario, Service, Simulation, SimulationBuilder, When, Writer},
    migration::MigrationEvent,
};
use jiff::SignedDuration;

use crate::common::{
    Run,
    cases::each,
    compare,
    durable::{Durable, killed},
    migrate, short_plan,
};

const HOUR: SignedDuration = SignedDuration::from_hours(1);
const MINUTE: Duration = Duration::from_secs(60);

fn healthy() -> SimulationBuilder {
    Simulation::builder()
}

fn failing() -> SimulationBuilder {
    let failing = Service::new(4).with(When::Always, Behaviour::Errors(0.3));
    Simulation::builder().green(failing)
}

const WORLDS: [(fn() -> SimulationBuilder, u8); 2] = [(healthy, 0), (failing, 10)];

async fn migrated(simulation: &Simulation) -> Run {
    migrate(simulation, short_plan().build().expect("valid")).await
}

/// The weights of green that this run wrote, each with the minute of the world, and the duration of the
/// run by its own clock, in minutes.
fn course(run: &Run) -> (Vec<(u32, i64)>, u64) {
    let changes = run.simulation.changes();
    let minute = |at: jiff::Timestamp| at.as_second() / 60;
    let start = minute(changes[0].at);
    let own = changes
        .iter()
        .filter(|change| change.by == Writer::Caller)
        .map(|change| (change.weights.green, minute(change.at) - start));
    let last = run.events.last().expect("an end");
    (own.collect(), last.elapsed.as_secs() / 60)
}

/// Compares a disturbed run with the undisturbed run.
fn same(run: &Run, wanted: &Run, what: &str) {
    assert_eq!(
        run.exit_code(),
        wanted.exit_code(),
        "{what}: {}",
        run.last_words()
    );
    assert_eq!(course(run), course(wanted), "{what}");
    run.check_promises(false);
}

#[tokio::test(start_paused = true)]
async fn p11_a_clock_that_is_set_during_a_run_changes_nothing() {
    for (world, code) in WORLDS {
        let wanted = migrated(&world().build()).await;
        assert_eq!(wanted.exit_code(), code);
        for by in [-HOUR, HOUR] {
            for after in [1, 61, 200, 400, 700, 1_000] {
                let simulation = world().build();
                simulation.set_clock_at(Duration::from_secs(after), by);
                let run = migrated(&simulation).await;
                same(&run, &wanted, &format!("{by:#} after {after} s"));
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn p11_a_clock_that_is_set_again_and_again_changes_nothing() {
    for (world, _) in WORLDS {
        let wanted = migrated(&world().build()).await;
        let simulation = world().build();
        for nth in 0..40 {
            let by = HOUR * if nth % 3 == 0 { 2 } else { -1 };
            simulation.set_clock_at(MINUTE * nth + MINUTE / 2, by);
        }
        same(&migrated(&simulation).await, &wanted, "forth and back");
    }
}

#[tokio::test(start_paused = true)]
async fn p11_a_clock_that_is_off_changes_nothing() {
    for (world, _) in WORLDS {
        let wanted = migrated(&world().build()).await;
        for seconds in [600, -600, 90, -90, 3, -3, 3_600, -3_600, 86_400, -86_400] {
            let by = SignedDuration::from_secs(seconds);
            let run = migrated(&world().clock_off_by(by).build()).await;
            same(&run, &wanted, &format!("off by {by:#}"));
        }
    }
}

/// Every named world, under the gates and the plan of the command.
#[test]
fn p11_no_scenario_minds_a_clock_that_is_set_or_off() {
    each(Scenario::ALL, async |scenario| {
        let wanted = compare(&scenario.simulation(7)).await;
        for seconds in [600, -90] {
            let by = SignedDuration::from_secs(seconds);
            let simulation = scenario.simulation(7);
            simulation.set_clock(by);
            let run = compare(&simulation).await;
            same(&run, &wanted, &format!("{scenario}, off by {by:#}"));
        }
        let simulation = scenario.simulation(7);
        simulation.set_clock_at(MINUTE * 7, -HOUR);
        same(
            &compare(&simulation).await,
            &wanted,
            &format!("{scenario}, set back"),
        );
    });
}

fn notes(run: &Run) -> Vec<String> {
    let findings = run.events.iter().find_map(|event| match &event.kind {
        MigrationEvent::PreflightPassed { findings, .. } => Some(findings.clone()),
        _ => None,
    });
    let findings = findings.unwrap_or_default().into_iter();
    findings.map(|finding| finding.message).collect()
}

#[tokio::test(start_paused = true)]
async fn p11_a_clock_that_is_off_is_told_before_the_first_change() {
    for (seconds, words) in [
        (600, Some("ahead of AWS's")),
        (-600, Some("behind AWS's")),
        (3, None),
        (0, None),
    ] {
        let by = SignedDuration::from_secs(seconds);
        let run = migrated(&healthy().clock_off_by(by).build()).await;
        let notes = notes(&run);
        let told = notes
            .iter()
            .find(|note| note.contains("the clock of this machine"));
        match words {
            Some(words) => assert!(told.is_some_and(|note| note.contains(words)), "{notes:?}"),
            None => assert_eq!(told, None),
        }
    }
}

/// After a death the switch fires in time, even if the clock of the machine that armed it is wrong.
#[test]
fn p11_a_dead_mans_switch_fires_in_time() {
    let fires_after = MINUTE * 5;
    let offs = [600, -600, 90, -90, 3_600, -3_600];
    each(
        offs.into_iter().flat_map(|off| [(off, false), (off, true)]),
        async move |(off, in_run)| {
            let what = format!("{off} s, during the run: {in_run}");
            let by = SignedDuration::from_secs(off);
            let simulation = healthy().build();
            simulation.set_clock_at(if in_run { MINUTE * 3 } else { Duration::ZERO }, by);
            let plan = short_plan().dead_man(fires_after).build().expect("valid");
            let durable = Durable::new(simulation, plan);
            let death = async { tokio::time::sleep(MINUTE * 9).await };
            let ended = killed(durable.migrate("ann", None), death).await;
            assert!(ended.is_none(), "{what}");
            let world = &durable.simulation;
            assert_eq!(world.weights().green, 50, "{what}");
            tokio::time::sleep(fires_after - MINUTE * 2).await;
            assert_eq!(world.weights().green, 50, "{what}");
            tokio::time::sleep(MINUTE * 3).await;
            assert_eq!(world.weights().green, 0, "{what}");
            assert_eq!(
                world.changes().pop().map(|change| change.by),
                Some(Writer::Schedule)
            );
        },
    );
}

/// A run continues on a machine with another clock, and its time does not go back. A clock that is behind
/// changes nothing; a clock that is ahead looks like a longer pause, and a step may be over.
#[test]
fn p11_a_run_is_resumed_on_a_machine_with_another_clock() {
    let cases = WORLDS
        .into_iter()
        .flat_map(|world| [1, 100, 250, 500, 800].map(|at| (world, at)));
    each(cases, async |((world, code), death)| {
        let resumed = async |off| {
            let what = format!("{off} s, killed after {death} s");
            let plan = short_plan().build().expect("valid");
            let durable = Durable::new(world().build(), plan);
            let killer = tokio::time::sleep(Duration::from_secs(death));
            if killed(durable.migrate("ann", None), killer).await.is_some() {
                return (code, what);
            }
            durable.simulation.set_clock(SignedDuration::from_secs(off));
            let ended = durable.resume("bob").await;
            let records = durable.records().await;
            assert!(records.is_sorted_by_key(|record| record.at), "{what}");
            let events = durable.events.lock().expect("no panic").clone();
            assert!(events.is_sorted_by_key(|event| event.at), "{what}");
            (durable.check(ended, false).await, what)
        };
        let (wanted, _) = resumed(0).await;
        for off in [-90, -600, -3_600] {
            let (ended, what) = resumed(off).await;
            assert_eq!(ended, wanted, "{what}");
        }
        for off in [90, 600, 3_600] {
            let (ended, what) = resumed(off).await;
            assert!([code, 3, 10].contains(&ended), "{what}: {ended}");
        }
    });
}
