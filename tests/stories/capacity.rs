//! Blue is scaled in as its requests go to green, and blue is needed after that.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bluegreen::{
    MigrationOutcome, MigrationPlan, Percent,
    aws::sim::{
        Behaviour, Call, Fault, Moment, Scaling, Service, Simulation, SimulationBuilder, When,
    },
    engine::ControlHandle,
    migration::{Cause, Intent, MigrationEvent, MigrationPlanBuilder, capacity_left},
    preflight::Acceptance,
    traffic::Released,
};
use tokio::time::sleep;

use crate::common::{
    self, Hand, Run,
    durable::{Durable, killed},
};

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

/// Half, nine tenths and all of the traffic, each for longer than AWS takes to scale in.
fn plan() -> MigrationPlanBuilder {
    let share = |whole| Percent::from_whole(whole).expect("a percent");
    MigrationPlan::builder()
        .steps([50, 90, 100].map(share))
        .bake(minutes(20))
        .step_deadline(minutes(40))
        .look_interval(minutes(1))
}

/// Four targets serve 10 requests a second; one alone can serve 5. Green dies at 90 %.
fn world() -> Simulation {
    let late = When::AfterNthRise(2, minutes(18), Duration::MAX);
    let green = Service::new(4).with(late, Behaviour::Dead);
    scaled().green(green).build()
}

fn scaled() -> SimulationBuilder {
    Simulation::builder()
        .blue(Service::new(4).with_capacity(5.0))
        .blue_scales(Scaling::between(1, 8))
}

async fn migrate(simulation: &Simulation, hand: Option<Hand>) -> Run {
    let plan = plan().accept(Acceptance::BlueMayShrink);
    let plan = plan.build().expect("valid");
    common::run(simulation, plan, Intent::Migrate, hand).await
}

/// Blue's targets just before each write of the weights.
fn blue_at_changes(simulation: &Simulation) -> Vec<(u32, u32)> {
    let changes = simulation.changes();
    let seen = changes.iter();
    seen.map(|change| (change.weights.green, change.targets.blue.healthy))
        .collect()
}

/// How many requests failed on blue after it was restored.
fn failed_after_restore(run: &Run, before: u64) -> u64 {
    run.simulation.failed().blue - before
}

/// A hand that notes how many requests had failed on blue when the rollback began.
fn noting() -> (Hand, Arc<Mutex<u64>>) {
    let noted = Arc::new(Mutex::new(0));
    let note = Arc::clone(&noted);
    let hand: Hand = Box::new(move |event, _: &ControlHandle, world: &Simulation| {
        if matches!(&event.kind, MigrationEvent::RollingBack { .. }) {
            *note.lock().expect("no panic") = world.failed().blue;
        }
    });
    (hand, noted)
}

#[tokio::test(start_paused = true)]
async fn p02_blue_has_its_capacity_at_the_restore() {
    let (hand, noted) = noting();
    let run = migrate(&world(), Some(hand)).await;
    run.check_promises(false);
    assert_eq!(run.exit_code(), 10, "{}", run.last_words());
    let all = blue_at_changes(&run.simulation);
    assert!(all.iter().all(|(_, blue)| *blue == 4), "{all:?}");
    let before = *noted.lock().expect("no panic");
    let failed = failed_after_restore(&run, before);
    assert!(failed < 20, "{failed} requests failed on blue");
    // And blue may be scaled again.
    assert_eq!(run.simulation.blue_minimum(), Some(1));
    let report = run.ended.as_ref().expect("known").report();
    assert_eq!(report.capacity, None);
}

#[tokio::test(start_paused = true)]
async fn without_its_capacity_blue_is_overloaded_and_the_run_says_that_it_is_short() {
    let simulation = world();
    simulation.fail(Call::RegisterScalableTarget.every(), Fault::Denied);
    let (hand, noted) = noting();
    let run = migrate(&simulation, Some(hand)).await;
    run.check_promises(false);
    assert_eq!(run.exit_code(), 10, "{}", run.last_words());
    let all = blue_at_changes(&simulation);
    assert_eq!(all, [(0, 4), (50, 4), (90, 2), (0, 1)]);
    let before = *noted.lock().expect("no panic");
    let failed = failed_after_restore(&run, before);
    assert!(failed > 500, "{failed} requests failed on blue");
    let said = run.events.iter().any(|event| {
        let words = event.to_string();
        words.contains("blue is short: 1 healthy targets, 4 at the start")
    });
    assert!(said);
}

#[tokio::test(start_paused = true)]
async fn p02_a_blue_that_may_shrink_is_refused_unless_that_is_accepted() {
    let simulation = world();
    simulation.fail(Call::RegisterScalableTarget.every(), Fault::Denied);
    let plan = plan().build().expect("valid");
    let run = common::run(&simulation, plan, Intent::Migrate, None).await;
    run.check_promises(false);
    assert_eq!(run.exit_code(), 3);
    assert_eq!(simulation.changes().len(), 1);
    let words = run.last_words();
    for said in [
        "RegisterScalableTarget",
        "blue-may-shrink",
        "--min-capacity 4",
    ] {
        assert!(words.contains(said), "`{said}` in: {words}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_blue_that_nothing_scales_in_asks_for_nothing() {
    let simulation = Simulation::builder()
        .blue_scales(Scaling::between(4, 8))
        .build();
    let plan = common::short_plan().build().expect("valid");
    let run = common::run(&simulation, plan, Intent::Migrate, None).await;
    run.check_promises(false);
    assert_eq!(run.exit_code(), 0);
    assert_eq!(simulation.calls(Call::RegisterScalableTarget), 0);
}

#[tokio::test(start_paused = true)]
async fn after_a_promotion_the_minimum_stays_and_the_outcome_names_the_command() {
    let simulation = scaled().build();
    let run = migrate(&simulation, None).await;
    run.check_promises(false);
    assert_eq!(run.exit_code(), 0, "{}", run.last_words());
    assert_eq!(simulation.blue_minimum(), Some(4));
    assert_eq!(simulation.calls(Call::RegisterScalableTarget), 1);
    let words = run.last_words();
    let command = "--resource-id service/chatbot-cluster/chatbot-flask --scalable-dimension \
                   ecs:service:DesiredCount --min-capacity 1";
    assert!(words.contains(command), "{words}");
}

#[tokio::test(start_paused = true)]
async fn a_third_partys_minimum_is_left() {
    let hand: Hand = Box::new(|event, _: &ControlHandle, world: &Simulation| {
        if matches!(&event.kind, MigrationEvent::StepPassed { step: 0, .. }) {
            world.third_party_minimum(6);
        }
    });
    let run = migrate(&world(), Some(hand)).await;
    run.check_promises(false);
    assert_eq!(run.exit_code(), 10);
    assert_eq!(run.simulation.blue_minimum(), Some(6));
    let told = run.events.iter().any(|event| {
        matches!(
            &event.kind,
            MigrationEvent::CapacityReleased {
                released: Released::Changed { minimum: Some(6) },
                ..
            }
        )
    });
    assert!(told);
}

fn guarded() -> MigrationPlan {
    plan().dead_man(minutes(5)).build().expect("valid")
}

/// The run is not resumed after the controller's death at 90 %: the switch sends everything to blue.
async fn after_death(simulation: Simulation, plan: MigrationPlan) -> (Simulation, u32, u64) {
    let durable = Durable::new(simulation, plan);
    let killer = sleep(minutes(38));
    let run = durable.migrate("ann", None);
    assert!(killed(run, killer).await.is_none(), "it was not over");
    let simulation = &durable.simulation;
    assert_eq!(simulation.weights().green, 90);
    let blue = simulation.targets().blue.healthy;
    sleep(minutes(7)).await;
    assert_eq!(simulation.weights().green, 0, "it has fired");
    let notices = simulation.notices();
    let names = |notice: &String| notice.contains(":listener-rule/");
    assert!(
        notices.len() == 1 && notices.iter().all(names),
        "{notices:?}"
    );
    let failed = simulation.failed().blue;
    let left = capacity_left(&durable.records().await);
    let is_kept = simulation.blue_minimum() != Some(1);
    assert_eq!(left.is_some(), is_kept, "{left:?}");
    let ended = durable.resume("bob").await;
    assert_eq!(capacity_left(&durable.records().await), None);
    let by_switch = matches!(
        &ended,
        Ok(MigrationOutcome::RolledBack {
            cause: Cause::SwitchFired,
            ..
        })
    );
    assert!(by_switch, "{ended:?}");
    assert_eq!(durable.check(ended, false).await, 10);
    (durable.simulation.clone(), blue, failed)
}

#[tokio::test(start_paused = true)]
async fn p02_a_dead_man_switch_fires_to_a_blue_that_kept_its_capacity() {
    let (simulation, blue, failed) = after_death(scaled().build(), guarded()).await;
    assert_eq!(blue, 4);
    assert!(failed < 50, "{failed} requests failed on blue");
    assert_eq!(simulation.blue_minimum(), Some(1), "put back by the resume");

    let simulation = scaled().build();
    simulation.fail(Call::RegisterScalableTarget.every(), Fault::Denied);
    let plan = guarded().to_builder().accept(Acceptance::BlueMayShrink);
    let (_, blue, failed) = after_death(simulation, plan.build().expect("valid")).await;
    assert_eq!(blue, 1);
    assert!(failed > 200, "{failed} requests failed on blue");
}

/// Killed before and after each call of the scaling, and resumed.
#[tokio::test(start_paused = true)]
async fn p05_killed_at_every_call_of_the_scaling_the_minimum_is_put_back_or_named() {
    let mut killings = 0;
    for call in [Call::DescribeScalableTargets, Call::RegisterScalableTarget] {
        'calls: for n in 1.. {
            for moment in [Moment::BeforeEffect, Moment::AfterEffect] {
                let durable = Durable::new(world(), plan().build().expect("valid"));
                let mut stop = durable.simulation.stop_at(call.nth(n), moment);
                let run = durable.migrate("ann", None);
                if let Some(ended) = killed(run, stop.reached()).await {
                    // There were fewer calls.
                    assert_eq!(durable.check(ended, false).await, 10);
                    break 'calls;
                }
                killings += 1;
                let ended = durable.resume("bob").await;
                let code = durable.check(ended, false).await;
                let what = format!("{call:?} {n} {moment:?}");
                assert_eq!(code, 10, "{what}");
                assert_eq!(durable.simulation.blue_minimum(), Some(1), "{what}");
            }
        }
    }
    assert!(killings >= 8, "{killings}");
}

/// The store fails for good from each of its first creates on: no minimum is raised without a record, and
/// a raised minimum is put back or named.
#[tokio::test(start_paused = true)]
async fn a_store_that_fails_leaves_no_minimum_without_a_word() {
    let mut named = 0;
    for n in 1..16 {
        let durable = Durable::new(world(), plan().build().expect("valid"));
        durable.storage.fail(n, u64::MAX - n);
        let Ok(ended) = durable.try_migrate("ann").await else {
            // The lease could not even be taken.
            continue;
        };
        let outcome = ended
            .as_ref()
            .unwrap_or_else(|error| panic!("{n}: {error}"));
        let is_named = outcome.report().capacity.is_some();
        named += u32::from(is_named);
        let minimum = durable.simulation.blue_minimum();
        assert!(minimum == Some(1) || is_named, "{n}: {minimum:?}");
        durable.storage.heal();
    }
    assert!(named > 0, "a release is a change, and needs a record");
}

/// Every fault at every call of the scaling, once and for good.
#[tokio::test(start_paused = true)]
async fn faults_of_the_scaling_end_in_a_known_place() {
    let faults = [
        Fault::Throttle,
        Fault::Denied,
        Fault::Unavailable,
        Fault::TimeoutBeforeEffect,
        Fault::TimeoutAfterEffect,
        Fault::HangAfterEffect,
        Fault::LateEffect {
            after: Duration::from_secs(4),
        },
    ];
    let calls = [
        Call::DescribeScalableTargets,
        Call::RegisterScalableTarget,
        Call::DescribeServices,
    ];
    for fault in faults {
        for call in calls {
            for first in [1, 2, 3] {
                for for_good in [false, true] {
                    let durable = Durable::new(world(), plan().build().expect("valid"));
                    let calls = match for_good {
                        true => call.from_nth(first),
                        false => call.nth(first),
                    };
                    durable.simulation.fail(calls, fault);
                    let ended = durable.migrate("ann", None).await;
                    let what = format!("{fault:?} at {call:?} {first}, for good: {for_good}");
                    let outcome = ended
                        .as_ref()
                        .unwrap_or_else(|error| panic!("{what}: {error}"));
                    let is_named = outcome.report().capacity.is_some();
                    let code = durable.check(ended, false).await;
                    assert!([3, 10].contains(&code), "{what}: {code}");
                    let minimum = durable.simulation.blue_minimum();
                    assert!(minimum == Some(1) || is_named, "{what}: {minimum:?}");
                    let lasts = for_good || fault == Fault::Denied;
                    assert!(lasts || code == 10, "{what}");
                    assert!(lasts || minimum == Some(1), "{what}: {minimum:?}");
                    // Every write that moved traffic had kept blue's capacity.
                    let blue = blue_at_changes(&durable.simulation);
                    assert!(blue.iter().all(|(_, blue)| *blue == 4), "{what}: {blue:?}");
                }
            }
        }
    }
}
