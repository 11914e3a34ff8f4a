//! Kills a migration at each of its calls, to AWS and to its journal, before and after the effect,
//! and resumes it.

use std::time::Duration;

use bluegreen::{
    MigrationOutcome, MigrationPlan,
    aws::sim::{Behaviour, Call, Fault, Moment, Service, Simulation, When},
    engine::ControlHandle,
    migration::MigrationEvent,
};
use proptest::{
    prelude::*,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};
use tokio::time::timeout;

use crate::{
    common::{
        Hand,
        cases::each,
        durable::{Durable, killed},
        lag::{Lagging, lags},
        moments::Moments,
        short_plan,
    },
    everything,
};

fn plan() -> MigrationPlan {
    short_plan().build().expect("valid")
}

#[derive(Clone, Copy)]
struct World {
    name: &'static str,
    simulation: fn() -> Simulation,
    hand: fn() -> Option<Hand>,
    /// The codes that a resumed run may end with.
    ends: &'static [u8],
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// A world that is promoted, a world that is rolled back, a run that is cancelled in the second step.
const WORLDS: [World; 3] = [
    World {
        name: "healthy",
        simulation: || Simulation::builder().login().build(),
        hand: || None,
        ends: &[0],
    },
    World {
        name: "failing",
        simulation: || {
            let failing = Service::new(4).with(When::Always, Behaviour::Errors(0.3));
            Simulation::builder().green(failing).build()
        },
        hand: || None,
        ends: &[10],
    },
    World {
        name: "cancelled",
        simulation: || Simulation::builder().build(),
        hand: || {
            Some(Box::new(|event, handle: &ControlHandle, _: &Simulation| {
                if matches!(&event.kind, MigrationEvent::StepPassed { step: 0, .. }) {
                    handle.cancel("SIGTERM");
                }
            }))
        },
        // A kill before the cancel is recorded loses the cancel too.
        ends: &[11, 0],
    },
];

const MOMENTS: [Moment; 2] = [Moment::BeforeEffect, Moment::AfterEffect];

async fn whole(world: World) -> (u64, u64) {
    let durable = Durable::new((world.simulation)(), plan());
    let ended = durable.migrate("ann", (world.hand)()).await;
    let counts = (durable.simulation.calls_in_all(), durable.storage.created());
    let code = durable.check(ended, false).await;
    assert_eq!(code, world.ends[0], "{}", world.name);
    counts
}

async fn resumed(world: World, durable: Durable, died: bool, point: &str) {
    let ended = if died {
        durable.resume("bob").await
    } else {
        panic!("{}: not killed at {point}", world.name)
    };
    let code = durable.check(ended, false).await;
    let began = durable.simulation.changes().len() > 1;
    assert!(
        world.ends.contains(&code) || (code == 3 && !began),
        "{}, killed at {point}: {code}",
        world.name
    );
}

#[test]
fn p05_p09_killed_at_every_call_and_resumed_a_run_ends_where_it_should() {
    let points = each(WORLDS, async |world| {
        let mut points = 0;
        let (calls, _) = whole(world).await;
        let mut moments = Moments::default();
        for n in 1..=calls {
            for moment in MOMENTS {
                if !moments.differs(moment) {
                    continue;
                }
                let durable = Durable::new((world.simulation)(), plan());
                let mut stop = durable.simulation.stop_at(Call::any().nth(n), moment);
                let run = durable.migrate("ann", (world.hand)());
                let died = killed(run, stop.reached()).await.is_none();
                moments.killed(&durable.simulation, moment);
                resumed(world, durable, died, &format!("call {n}, {moment:?}")).await;
                points += 1;
            }
        }
        points
    });
    let points: u64 = points.into_iter().sum();
    println!("{points} crash points at calls to AWS");
    assert!(points > 200, "{points}");
}

#[test]
fn p05_p09_killed_at_every_record_and_resumed_a_run_ends_where_it_should() {
    let points = each(WORLDS, async |world| {
        let mut points = 0;
        let (_, records) = whole(world).await;
        for n in 1..records {
            for moment in MOMENTS {
                let durable = Durable::new((world.simulation)(), plan());
                durable.storage.stop_at(n, moment);
                let run = durable.migrate("ann", (world.hand)());
                let died = killed(run, durable.storage.reached()).await.is_none();
                resumed(world, durable, died, &format!("record {n}, {moment:?}")).await;
                points += 1;
            }
        }
        points
    });
    let points: u64 = points.into_iter().sum();
    println!("{points} crash points at records");
    assert!(points > 300, "{points}");
}

/// Killed again and again, at each next write.
#[tokio::test(start_paused = true)]
async fn p05_a_run_that_is_killed_at_every_one_of_its_writes_still_ends() {
    for world in WORLDS {
        for moment in MOMENTS {
            let durable = Durable::new((world.simulation)(), plan());
            let mut kills = 0;
            let mut ended = None;
            let mut first = true;
            while ended.is_none() {
                let writes = durable.simulation.calls(Call::ModifyRule);
                let mut stop = durable
                    .simulation
                    .stop_at(Call::ModifyRule.nth(writes + 1), moment);
                // At last a write goes through.
                let kill = async {
                    if kills >= 6 {
                        stop.go_on();
                        std::future::pending().await
                    } else {
                        stop.reached().await
                    }
                };
                ended = if first {
                    killed(durable.migrate("ann", (world.hand)()), kill).await
                } else {
                    killed(durable.resume("bob"), kill).await
                };
                first = false;
                kills += u32::from(ended.is_none());
                assert!(kills < 20);
            }
            let code = durable.check(ended.expect("ended"), false).await;
            // Three deaths over the first rise are three failed tries of it.
            let stays = code == 3 && moment == Moment::BeforeEffect;
            let is_known = [0, 10, 11].contains(&code) || stays;
            assert!(is_known, "{} {moment:?}: {code}", world.name);
        }
    }
}

/// The store goes away at any record and stays away, or comes back.
#[test]
fn p06_a_failing_journal_never_blocks_a_restore() {
    each(WORLDS, async |world| {
        let (_, records) = whole(world).await;
        for n in 2..=records {
            for count in [1, 3, u64::MAX / 2] {
                let durable = Durable::new((world.simulation)(), plan());
                durable.storage.fail(n, count);
                let ended = durable.migrate("ann", (world.hand)()).await;
                let outcome = ended.expect("a known end");
                let report = outcome.report();
                let live = durable.simulation.weights();
                if let Some(traffic) = &report.traffic {
                    assert_eq!(traffic.weights, live, "P4");
                }
                let raised = durable.simulation.changes().len() > 1;
                // A failure that passes changes nothing. A run gives its journal up after two looks; a run
                // that ends before that raises nothing any more.
                let is_short = count < 10 || n + 8 >= records;
                assert!(
                    live.green == 0 || (is_short && live.blue == 0),
                    "{}, store down from {n}, {count} times: {outcome}",
                    world.name
                );
                assert!(raised || outcome.exit_code() == 3, "{outcome}");
            }
        }
    });
}

/// One thing that goes wrong in a long run.
#[derive(Debug, Clone, Copy)]
enum Mishap {
    Fault(u64, Fault),
    /// The process is killed at this call to AWS.
    Kill(u64, Moment),
    /// The process is killed at this record.
    KillAtRecord(u64, Moment),
    /// The store fails from this record on, this many times.
    Store(u64, u64),
    /// Reads lag behind writes.
    Lag(Lagging),
}

fn mishap() -> impl Strategy<Value = Mishap> {
    let moment = || prop_oneof![Just(Moment::BeforeEffect), Just(Moment::AfterEffect)];
    let fault = prop_oneof![
        Just(Fault::Throttle),
        Just(Fault::Denied),
        Just(Fault::Unavailable),
        Just(Fault::TimeoutBeforeEffect),
        Just(Fault::TimeoutAfterEffect),
    ];
    prop_oneof![
        4 => (1_u64..80, fault).prop_map(|(n, fault)| Mishap::Fault(n, fault)),
        3 => (1_u64..80, moment()).prop_map(|(n, moment)| Mishap::Kill(n, moment)),
        3 => (1_u64..110, moment()).prop_map(|(n, moment)| Mishap::KillAtRecord(n, moment)),
        1 => (2_u64..110, 1_u64..4).prop_map(|(n, count)| Mishap::Store(n, count)),
        2 => prop::sample::select(lags()).prop_map(Mishap::Lag),
    ]
}

/// Runs one process for each mishap, until a process without a mishap runs to the end.
async fn through(
    world: World,
    has_switch: bool,
    mishaps: Vec<Mishap>,
) -> Result<u8, TestCaseError> {
    let mut plan = short_plan();
    if has_switch {
        plan = plan.dead_man(Duration::from_secs(300));
    }
    let durable = Durable::new((world.simulation)(), plan.build().expect("valid"));
    let mut first = true;
    let mut ended = None;
    for mishap in mishaps.iter().copied().map(Some).chain([None]) {
        let (calls, records) = (durable.simulation.calls_in_all(), durable.storage.created());
        let mut stop = None;
        match mishap {
            None => {}
            Some(Mishap::Fault(n, fault)) => {
                durable.simulation.fail(Call::any().nth(calls + n), fault);
            }
            Some(Mishap::Kill(n, moment)) => {
                let point = Call::any().nth(calls + n);
                stop = Some(durable.simulation.stop_at(point, moment));
            }
            Some(Mishap::KillAtRecord(n, moment)) => durable.storage.stop_at(records + n, moment),
            Some(Mishap::Store(n, count)) => durable.storage.fail(records + n, count),
            Some(Mishap::Lag(lagging)) => lagging.set(&durable.simulation),
        }
        let kill = async {
            match (&mut stop, mishap) {
                (Some(stop), _) => stop.reached().await,
                (None, Some(Mishap::KillAtRecord(..))) => durable.storage.reached().await,
                _ => std::future::pending().await,
            }
        };
        ended = if first {
            killed(Box::pin(durable.try_migrate("ann")), kill).await
        } else {
            killed(Box::pin(durable.try_resume("bob")), kill).await
        };
        first = false;
        // If the store fails while the lease is taken, the run does not begin; the next process tries again.
        if ended.as_ref().is_some_and(Result::is_ok) {
            break;
        }
    }
    // Failures that are left over must not disturb the check below.
    durable.storage.heal();
    let ended = match ended {
        Some(Ok(ended)) => ended,
        // Every process was killed, or the store kept the last process out.
        _ => durable.resume("carl").await,
    };
    // If the store failed at the end of the run, the next process finds the same end again.
    let said = ended.as_ref().map(MigrationOutcome::exit_code).ok();
    let ended = durable.resume("dora").await;
    let code = durable.check(ended, false).await;
    let live = durable.simulation.weights();
    prop_assert!([0, 3, 10, 11, 12].contains(&code), "{}", code);
    // A run that was never begun may be begun.
    prop_assert!(
        said.is_none_or(|said| said == code || said == 3),
        "{:?}, {}",
        said,
        code
    );
    prop_assert!(live.green == 0 || live.blue == 0, "{:?}", live);
    Ok(code)
}

/// Random long runs of faults and crashes. `BLUEGREEN_FAULTS=all` tests for a night, and
/// `BLUEGREEN_MIXTURES=1000` draws 1,000 new runs. A failure is shrunk to the few mishaps that it needs.
#[test]
fn p05_random_faults_and_crashes_end_in_a_known_place() {
    let given = std::env::var("BLUEGREEN_MIXTURES").ok();
    let given: Option<u32> = given.and_then(|text| text.parse().ok());
    let is_fresh = everything() || given.is_some();
    let cases = given.unwrap_or(if everything() { 10_000 } else { 60 });
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        max_shrink_iters: 200,
        ..ProptestConfig::default()
    };
    let worlds = prop::sample::select(WORLDS.to_vec());
    // The same cases each time, so that only a change of the code breaks the test; a night draws new cases.
    let mut runner = if is_fresh {
        TestRunner::new(config)
    } else {
        let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        TestRunner::new_with_rng(config, rng)
    };
    let codes = std::cell::RefCell::new(std::collections::BTreeMap::new());
    let ran = runner.run(
        &(worlds, any::<bool>(), prop::collection::vec(mishap(), 0..6)),
        |(world, has_switch, mishaps)| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build()
                .expect("a runtime");
            // On the clock of the simulation, which advances even if every future waits for ever.
            let month = Duration::from_secs(30 * 24 * 3600);
            let ended = runtime
                .block_on(async { timeout(month, through(world, has_switch, mishaps)).await });
            let code = ended.unwrap_or_else(|_| Err(TestCaseError::fail("it never ends")))?;
            *codes.borrow_mut().entry(code).or_insert(0_u32) += 1;
            Ok(())
        },
    );
    println!("ends by exit code: {:?}", codes.borrow());
    if let Err(error) = ran {
        panic!("{error}");
    }
}
