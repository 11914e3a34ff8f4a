//! Breaking a deployment at each of its calls, and at each moment.

use std::time::Duration;

use bluegreen::{
    aws::sim::{Call, Fate, Fault, Lag, Moment, Simulation, SimulationBuilder, Writer},
    deployment::{DeploymentOutcome, Intent},
    engine::MemoryJournal,
};

use crate::common::{
    cases::each,
    durable::killed,
    lag::lagging,
    moments::Moments,
    release::{deploy, deploy_again, deployment, plan, release, source},
};

const FAULTS: [Fault; 7] = [
    Fault::HangBeforeEffect,
    Fault::HangAfterEffect,
    Fault::Throttle,
    Fault::Denied,
    Fault::Unavailable,
    Fault::TimeoutBeforeEffect,
    Fault::TimeoutAfterEffect,
];

type World = (&'static str, fn() -> SimulationBuilder);

fn worlds() -> Vec<World> {
    vec![
        ("healthy", || Simulation::builder().test_route()),
        ("broken", || {
            Simulation::builder()
                .test_route()
                .next_revision(Fate::Broken)
        }),
        ("dies", || {
            Simulation::builder()
                .test_route()
                .next_revision(Fate::Dies)
                .breaker_takes_back()
        }),
        ("first", || Simulation::builder().test_route().no_service()),
    ]
}

#[test]
fn p05_p10_a_fault_at_any_call_leaves_the_service_in_a_known_place() {
    let runs = each(worlds(), async |(name, world)| {
        let mut runs = 0;
        let simulation = world().build();
        deploy(&simulation).await;
        let calls = simulation.calls_in_all();
        for n in 1..=calls {
            for fault in FAULTS {
                let simulation = world().build();
                simulation.fail(Call::any().nth(n), fault);
                let run = deploy(&simulation).await;
                run.check_promises();
                assert_ne!(
                    run.exit_code(),
                    20,
                    "{name}, {fault:?} at call {n}: {}",
                    run.last_words()
                );
                runs += 1;
            }
        }
        runs
    });
    let runs: u32 = runs.into_iter().sum();
    assert!(runs > 500, "{runs}");
}

#[tokio::test(start_paused = true)]
async fn p05_calls_that_fail_for_ever_from_any_moment_on_are_never_called_a_success() {
    for (name, world) in worlds() {
        let simulation = world().build();
        deploy(&simulation).await;
        let calls = simulation.calls_in_all();
        for n in 1..=calls {
            for fault in [Fault::Denied, Fault::TimeoutAfterEffect] {
                let simulation = world().build();
                simulation.fail(Call::any().from_nth(n), fault);
                let run = deploy(&simulation).await;
                run.check_promises();
                // Only the further tag, the last two calls, may fail without another outcome.
                if let Ok(DeploymentOutcome::Deployed { .. }) = &run.ended {
                    assert!(n + 2 > calls, "{name}, {fault:?} from call {n} of {calls}");
                }
            }
        }
    }
}

/// A run that is killed at any moment is finished by the next run: the image is not built again, the
/// revision is not registered again, one rollout is begun, and a rollback goes to the same revision
/// as without the kill.
#[tokio::test(start_paused = true)]
async fn p05_a_run_that_is_killed_at_any_moment_is_finished_by_the_next_one() {
    for (name, world, expected) in [
        (
            "healthy",
            (|| Simulation::builder().test_route()) as fn() -> SimulationBuilder,
            0,
        ),
        (
            "first",
            || Simulation::builder().test_route().no_service(),
            0,
        ),
        ("slow answers", || Simulation::builder().test_route(), 0),
    ] {
        for second in 0..150 {
            let simulation = world().build();
            if name == "slow answers" {
                simulation.fail(Call::UpdateService.nth(1), Fault::TimeoutAfterEffect);
                simulation.fail(
                    Call::RegisterTaskDefinition.nth(1),
                    Fault::TimeoutAfterEffect,
                );
            }
            let before = simulation.runs();
            let first = deployment(&simulation, plan()).run_image(source());
            let killed = tokio::time::timeout(Duration::from_secs(second), first).await;
            let is_over = killed.is_ok();
            let run = deploy(&simulation).await;
            run.check_promises();
            assert_eq!(
                run.exit_code(),
                expected,
                "{name}, killed at {second} s: {}",
                run.last_words()
            );
            assert_eq!(simulation.revisions(), 2, "{name}, killed at {second} s");
            let sent =
                simulation.calls(Call::UpdateService) + simulation.calls(Call::CreateService);
            assert_eq!(sent, 1, "{name}, killed at {second} s, over: {is_over}");
            let by = "ann".into();
            let back = release(&simulation, plan(), Intent::RollBack { by, to: None }, None).await;
            back.check_promises();
            assert_eq!(
                back.exit_code(),
                0,
                "{name}, killed at {second} s: {}",
                back.last_words()
            );
            let revision = before.map(|(revision, _)| revision);
            let now = simulation.runs();
            match revision {
                Some(revision) => assert_eq!(now, Some((revision, 4)), "{name}, {second}"),
                None => assert_eq!(now.map(|(_, running)| running), Some(0), "{name}, {second}"),
            }
        }
    }
}

/// The same at each call, before and after its effect, in the worlds that fail too: the second run ends
/// as one run without a kill would have ended.
#[test]
fn p05_killed_at_every_call_and_run_again_a_deployment_ends_where_it_should() {
    let points = each(worlds(), async |(name, world)| {
        let mut points = 0;
        let simulation = world().build();
        let whole = deploy(&simulation).await;
        let (calls, expected) = (simulation.calls_in_all(), whole.exit_code());
        let runs = simulation.runs();
        let mut moments = Moments::default();
        for n in 1..=calls {
            for moment in [Moment::BeforeEffect, Moment::AfterEffect] {
                if !moments.differs(moment) {
                    continue;
                }
                let simulation = world().build();
                let mut stop = simulation.stop_at(Call::any().nth(n), moment);
                let journal = MemoryJournal::new();
                let first = deployment(&simulation, plan()).journal(journal.clone());
                let died = killed(first.run_image(source()), stop.reached())
                    .await
                    .is_none();
                assert!(died, "{name}: no call {n}");
                moments.killed(&simulation, moment);
                let run = deploy_again(&simulation, &journal.records()).await;
                run.check_promises();
                let told = format!(
                    "{name}, killed at call {n}, {moment:?}: {}",
                    run.last_words()
                );
                assert_eq!(run.exit_code(), expected, "{told}");
                assert_eq!(simulation.runs(), runs, "{told}");
                points += 1;
            }
        }
        points
    });
    let points: u32 = points.into_iter().sum();
    println!("{points} crash points of deployments");
    assert!(points > 100, "{points}");
}

/// The ways in which a list of deployments may be old.
fn lags() -> Vec<(&'static str, Lag)> {
    let millis = Duration::from_millis;
    vec![
        ("0.3 s late", Lag::for_time(millis(300))),
        ("5 s late", Lag::for_time(millis(5_000))),
        ("20 s late", Lag::for_time(millis(20_000))),
        ("one read late", Lag::reads(1)),
        ("back once", Lag::back_once()),
        ("back once after 3 s", Lag::back_once_after(millis(3_000))),
        ("back once after 40 s", Lag::back_once_after(millis(40_000))),
    ]
}

const READS: [Call; 2] = [Call::DescribeServices, Call::DescribeTasks];

fn written(simulation: &Simulation) -> usize {
    let all = simulation.deployments();
    all.iter().filter(|(_, by)| *by == Writer::Caller).count()
}

/// Reads that lag change only the time: neither the end of a deployment, nor its writes. The rollback of
/// that deployment ends as it should, too.
#[test]
fn p04_p07_p10_hold_while_the_list_of_deployments_lags_behind_any_write() {
    let runs = each(worlds(), async |(name, world)| {
        let mut runs = 0;
        let simulation = world().build();
        let (exit, calls) = (
            deploy(&simulation).await.exit_code(),
            simulation.calls_in_all(),
        );
        let (now, begun) = (simulation.runs(), written(&simulation));
        for (how, lag) in lags() {
            // Reads lag behind all writes, and behind each write alone.
            for n in 0..=calls {
                let simulation = world().build();
                let before = simulation.runs();
                let lag = match n {
                    0 => lag,
                    n => lag.behind(Call::any().nth(n)),
                };
                lagging(&simulation, &READS, lag);
                let run = deploy(&simulation).await;
                let told = format!("{name}, {how}, behind call {n}: {}", run.last_words());
                println!("{told}");
                run.check_promises();
                assert_eq!(run.exit_code(), exit, "{told}");
                assert_eq!(simulation.runs(), now, "{told}");
                assert_eq!(written(&simulation), begun, "{told}");
                let by = "ann".into();
                let intent = Intent::RollBack { by, to: None };
                let back = release(&simulation, plan(), intent, None).await;
                let told = format!("{name}, {how}, behind call {n}: {}", back.last_words());
                back.check_promises();
                assert_eq!(back.exit_code(), 0, "{told}");
                let running = |runs: Option<(String, u32)>| runs.filter(|(_, copies)| *copies > 0);
                assert_eq!(running(simulation.runs()), running(before), "{told}");
                runs += 1;
            }
        }
        runs
    });
    let runs: u32 = runs.into_iter().sum();
    println!("{runs} deployments and rollbacks with reads that lag");
    assert!(runs > 500, "{runs}");
}

/// A run that is killed at any call, and resumed while reads still show what was before.
#[test]
fn p05_killed_at_every_call_and_resumed_while_reads_lag_a_deployment_ends_where_it_should() {
    let cases = worlds().into_iter().flat_map(|world| {
        let cases = lags().into_iter().map(move |lag| (world, lag));
        cases.collect::<Vec<_>>()
    });
    let cases: Vec<_> = cases.collect();
    let points = each(cases, async |((name, world), (how, lag))| {
        let mut points = 0;
        let simulation = world().build();
        let whole = deploy(&simulation).await;
        let (calls, expected) = (simulation.calls_in_all(), whole.exit_code());
        let (runs, begun) = (simulation.runs(), written(&simulation));
        let mut moments = Moments::default();
        for n in 1..=calls {
            for moment in [Moment::BeforeEffect, Moment::AfterEffect] {
                if !moments.differs(moment) {
                    continue;
                }
                let simulation = world().build();
                lagging(&simulation, &READS, lag);
                let mut stop = simulation.stop_at(Call::any().nth(n), moment);
                let journal = MemoryJournal::new();
                let first = deployment(&simulation, plan()).journal(journal.clone());
                let died = killed(first.run_image(source()), stop.reached()).await;
                // With other waits a run may make fewer than `n` calls; then nothing was killed.
                if died.is_some() {
                    continue;
                }
                moments.killed(&simulation, moment);
                let run = deploy_again(&simulation, &journal.records()).await;
                let words = run.last_words();
                let told = format!("{name}, {how}, killed at call {n}, {moment:?}: {words}");
                println!("{told}");
                run.check_promises();
                assert_eq!(run.exit_code(), expected, "{told}");
                assert_eq!(simulation.runs(), runs, "{told}");
                // A service that ECS rolled back cannot be told from a service that never changed.
                let again = usize::from(name == "dies");
                assert!(written(&simulation) <= begun + again, "{told}");
                points += 1;
            }
        }
        points
    });
    let points: u32 = points.into_iter().sum();
    println!("{points} crash points of deployments whose reads lag");
    assert!(points > 1_000, "{points}");
}
