//! A rollback to a blue that was scaled in, while green is healthy: a part at a time, or all at once.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bluegreen::{
    MigrationOutcome, MigrationPlan, Percent,
    aws::sim::{
        Behaviour, Call, Fault, Moment, Scaling, Service, Simulation, SimulationBuilder, When,
    },
    engine::{ControlHandle, Event},
    health::Phase,
    migration::{Intent, MigrationEvent, MigrationPlanBuilder, ShortBlue},
    preflight::Acceptance,
};
use tokio::time::sleep;

use crate::common::{
    self, Hand, Run,
    durable::{Durable, killed},
};

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

/// Half, nine tenths and all of the traffic, each for longer than AWS takes to scale in. Nothing keeps
/// blue's capacity.
fn plan() -> MigrationPlanBuilder {
    let share = |whole| Percent::from_whole(whole).expect("a percent");
    MigrationPlan::builder()
        .steps([50, 90, 100].map(share))
        .bake(minutes(20))
        .step_deadline(minutes(40))
        .look_interval(minutes(1))
        .accept(Acceptance::BlueMayShrink)
}

/// Ten requests a second; a target of blue is scaled for 3.1 of them and can serve 5.
fn scaled() -> SimulationBuilder {
    Simulation::builder()
        .blue(Service::new(4).with_capacity(5.0))
        .blue_scales(Scaling::between(1, 8))
}

fn shrinking(world: SimulationBuilder) -> Simulation {
    let simulation = world.build();
    simulation.fail(Call::RegisterScalableTarget.every(), Fault::Denied);
    simulation
}

/// The failed requests before the rollback, once the rollback has begun.
type Noted = Arc<Mutex<Option<u64>>>;

/// An operator who aborts the run in a step once blue has only `targets`, and a note of the failed requests.
fn aborting(step: usize, targets: u32) -> (Hand, Noted) {
    let noted = Noted::default();
    let note = Arc::clone(&noted);
    let hand: Hand = Box::new(
        move |event: &Event<MigrationEvent>, handle: &ControlHandle, world: &Simulation| {
            let mut note = note.lock().expect("no panic");
            let is_there = matches!(
                &event.kind,
                MigrationEvent::Looked { phase: Phase::Step(n), traffic: Ok(seen), gates, .. }
                    if *n == step
                        && seen.targets.blue.healthy == targets
                        && gates.iter().all(|gate| gate.verdict.is_healthy())
            );
            if is_there && note.is_none() {
                let failed = world.failed();
                *note = Some(failed.blue + failed.green);
                let _answer = handle.abort("ann");
            }
        },
    );
    (hand, noted)
}

struct Told {
    run: Run,
    short: ShortBlue,
    /// Requests that failed from the abort to half an hour after it began.
    failed: u64,
    took: Duration,
}

async fn aborted(
    world: SimulationBuilder,
    plan: MigrationPlanBuilder,
    (step, targets): (usize, u32),
) -> Told {
    let simulation = shrinking(world);
    let (hand, noted) = aborting(step, targets);
    let plan = plan.build().expect("valid");
    let run = common::run(&simulation, plan, Intent::Migrate, Some(hand)).await;
    run.check_promises(false);
    assert_eq!(run.exit_code(), 11, "{}", run.last_words());
    assert_eq!(simulation.weights().green, 0);
    let at = |is: fn(&MigrationEvent) -> bool| {
        let event = run.events.iter().find(|event| is(&event.kind));
        event.expect("told").at
    };
    let began = at(|kind| matches!(kind, MigrationEvent::RollingBack { .. }));
    let restored = at(|kind| matches!(kind, MigrationEvent::Restored { .. }));
    let took = Duration::try_from(restored.duration_since(began)).expect("later");
    sleep(minutes(30).saturating_sub(took)).await;
    let failed = simulation.failed();
    let before = noted.lock().expect("no panic").expect("aborted");
    let Ok(MigrationOutcome::RolledBack { restored, .. }) = &run.ended else {
        panic!("not rolled back: {}", run.last_words());
    };
    Told {
        short: restored.short_blue.clone().expect("blue was short"),
        failed: failed.blue + failed.green - before,
        took,
        run,
    }
}

/// Figures of the two worlds, each with the same requests: gradual against all at once.
#[tokio::test(start_paused = true)]
async fn p02_fewer_requests_fail_if_traffic_goes_back_as_blues_targets_come() {
    let mut all = Vec::new();
    for (step, targets) in [(0, 2), (1, 1)] {
        let gradual = aborted(scaled(), plan(), (step, targets)).await;
        let at_once = plan().gradual_restore(Duration::ZERO);
        let at_once = aborted(scaled(), at_once, (step, targets)).await;
        let figures = format!(
            "step {step}: gradual {} failed in {:?} by {:?}, at once {} in {:?} by {:?}",
            gradual.failed,
            gradual.took,
            gradual.short,
            at_once.failed,
            at_once.took,
            at_once.short
        );
        all.push((gradual.failed, at_once.failed));
        assert_eq!(gradual.short.at_once, None, "{figures}");
        assert_eq!(gradual.short.stages as usize, step + 1, "{figures}");
        assert!(at_once.short.at_once.is_some() && at_once.short.stages == 0);
        let told = |run: &Run, words: &str| {
            let mut events = run.events.iter();
            events.any(|event| event.to_string().contains(words))
        };
        assert!(told(
            &gradual.run,
            "traffic goes back as blue's targets come"
        ));
        assert!(told(&at_once.run, "everything goes to blue at once"));
    }
    // The same seed gives the same requests.
    assert_eq!(all, [(117, 333), (209, 1208)]);
}

/// Blue has shrunk at 50 and at 90 %, and green dies: the rollback does not wait for blue, and says so.
#[tokio::test(start_paused = true)]
async fn p11_a_dead_green_is_left_at_once_however_small_blue_is() {
    for (rise, targets) in [(1, 2), (2, 1)] {
        let late = When::AfterNthRise(rise, minutes(18), Duration::MAX);
        let green = Service::new(4).with(late, Behaviour::Dead);
        let simulation = shrinking(scaled().green(green));
        let plan = plan().build().expect("valid");
        let run = common::run(&simulation, plan, Intent::Migrate, None).await;
        run.check_promises(false);
        assert_eq!(run.exit_code(), 10, "{}", run.last_words());
        let Ok(MigrationOutcome::RolledBack { restored, .. }) = &run.ended else {
            panic!("not rolled back: {}", run.last_words());
        };
        let short = restored.short_blue.as_ref().expect("blue was short");
        let all = (short.healthy, short.stages, short.at_once.as_deref());
        assert_eq!(all, (targets, 0, Some("green is failing")));
        let words = run.last_words();
        let said = "everything went back at once: green is failing";
        assert!(words.contains(said), "{words}");
    }
}

/// Green dies while traffic goes back: the look that sees it puts the rest back.
#[tokio::test(start_paused = true)]
async fn p11_a_green_that_dies_meanwhile_gets_nothing_more() {
    // The abort comes when blue has one target, a quarter of an hour after the second rise.
    let late = When::AfterNthRise(2, minutes(16), Duration::MAX);
    let world = scaled().green(Service::new(4).with(late, Behaviour::Dead));
    let told = aborted(world, plan(), (1, 1)).await;
    let why = told.short.at_once.as_deref().expect("not all had come");
    assert!(why.contains("unhealthy"), "{why}");
    assert_eq!(told.short.stages, 1);
    assert!(told.took < minutes(4), "{:?}", told.took);
}

/// Killed before and after each write of the rule, and resumed: the run continues, or puts the rest back.
#[tokio::test(start_paused = true)]
async fn p05_killed_in_the_middle_and_resumed_everything_is_back() {
    let mut killings = 0;
    'calls: for n in 3.. {
        for moment in [Moment::BeforeEffect, Moment::AfterEffect] {
            let durable = Durable::new(shrinking(scaled()), plan().build().expect("valid"));
            let mut stop = durable.simulation.stop_at(Call::ModifyRule.nth(n), moment);
            let run = durable.migrate("ann", Some(aborting(1, 1).0));
            if let Some(ended) = killed(run, stop.reached()).await {
                assert_eq!(durable.check(ended, false).await, 11);
                break 'calls;
            }
            killings += 1;
            let ended = durable.resume("bob").await;
            assert_eq!(durable.check(ended, false).await, 11, "{n} {moment:?}");
            assert_eq!(durable.simulation.weights().green, 0);
        }
    }
    assert_eq!(killings, 6, "two parts and the rest");
}

/// If the journal fails meanwhile, the rest of the traffic goes back without a wait.
#[tokio::test(start_paused = true)]
async fn p06_a_store_that_fails_meanwhile_does_not_keep_traffic_on_green() {
    let durable = Durable::new(shrinking(scaled()), plan().build().expect("valid"));
    let storage = Arc::clone(&durable.storage);
    let (mut abort, _) = aborting(1, 1);
    let hand: Hand = Box::new(move |event, handle, world| {
        abort(event, handle, world);
        if matches!(&event.kind, MigrationEvent::Returning { .. }) {
            storage.fail(storage.created() + 1, u64::MAX / 2);
        }
    });
    let ended = durable.migrate("ann", Some(hand)).await;
    durable.storage.heal();
    assert_eq!(durable.simulation.weights().green, 0);
    let Ok(MigrationOutcome::RolledBack { restored, .. }) = &ended else {
        panic!("{ended:?}");
    };
    let short = restored.short_blue.as_ref().expect("blue was short");
    assert!(short.at_once.is_some(), "{short}");
}

/// Each fault at each write of the way back: of the two parts, and of the rest.
#[tokio::test(start_paused = true)]
async fn p10_whatever_goes_wrong_with_a_part_everything_is_back() {
    let faults = [
        Fault::Throttle,
        Fault::Denied,
        Fault::Unavailable,
        Fault::TimeoutBeforeEffect,
        Fault::TimeoutAfterEffect,
        Fault::HangBeforeEffect,
        Fault::HangAfterEffect,
    ];
    for nth in 3..=5 {
        for fault in faults {
            let simulation = shrinking(scaled());
            simulation.fail(Call::ModifyRule.nth(nth), fault);
            let plan = plan().build().expect("valid");
            let hand = Some(aborting(1, 1).0);
            let run = common::run(&simulation, plan, Intent::Migrate, hand).await;
            run.check_promises(false);
            let what = format!("{nth} {fault:?}: {}", run.last_words());
            assert_eq!(run.exit_code(), 11, "{what}");
            assert_eq!(simulation.weights().green, 0, "{what}");
            let Ok(MigrationOutcome::RolledBack { restored, .. }) = &run.ended else {
                panic!("{what}");
            };
            let short = restored.short_blue.as_ref().expect("blue was short");
            // A part that failed is not written again, the rest is.
            assert_eq!(short.at_once.is_some(), nth < 5, "{what}");
        }
    }
}
