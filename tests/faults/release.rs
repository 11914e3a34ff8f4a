//! Breaking a deployment at each of its calls, and at each moment.

use std::time::Duration;

use bluegreen::{
    aws::sim::{Call, Fate, Fault, Moment, Simulation, SimulationBuilder},
    deployment::{DeploymentOutcome, Intent},
    engine::MemoryJournal,
};

use crate::common::{
    cases::each,
    durable::killed,
    release::{deploy, deploy_again, deployment, plan, release, source},
};

const FAULTS: [Fault; 5] = [
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
                // Only the further tag, the last two calls of all, may fail without a word more.
                if let Ok(DeploymentOutcome::Deployed { .. }) = &run.ended {
                    assert!(n + 2 > calls, "{name}, {fault:?} from call {n} of {calls}");
                }
            }
        }
    }
}

/// A run that is killed at any moment is finished by the next one: what was built is not built
/// again, what was registered is not registered again, one rollout is begun, and a rollback goes
/// where it would have gone.
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

/// The same at each call, before and after its effect, in the worlds that fail too: whoever runs it
/// again ends where one run would have ended.
#[test]
fn p05_killed_at_every_call_and_run_again_a_deployment_ends_where_it_should() {
    let points = each(worlds(), async |(name, world)| {
        let mut points = 0;
        let simulation = world().build();
        let whole = deploy(&simulation).await;
        let (calls, expected) = (simulation.calls_in_all(), whole.exit_code());
        let runs = simulation.runs();
        for n in 1..=calls {
            for moment in [Moment::BeforeEffect, Moment::AfterEffect] {
                let simulation = world().build();
                let mut stop = simulation.stop_at(Call::any().nth(n), moment);
                let journal = MemoryJournal::new();
                let first = deployment(&simulation, plan()).journal(journal.clone());
                let died = killed(first.run_image(source()), stop.reached())
                    .await
                    .is_none();
                assert!(died, "{name}: no call {n}");
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
    assert!(points > 150, "{points}");
}
