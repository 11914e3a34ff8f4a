//! The dead-man switch: where traffic goes if a controller dies and its run is not resumed.

use std::time::Duration;

use bluegreen::{
    MigrationOutcome, MigrationPlan,
    aws::sim::{Behaviour, Call, Fault, Moment, Service, Simulation, When, Writer},
    engine::ControlHandle,
    migration::{Cause, MigrationEvent},
};
use jiff::Timestamp;
use tokio::time::sleep;

use crate::common::{
    Hand,
    cases::each,
    durable::{Durable, killed},
    moments::Moments,
    short_plan,
};

/// When the switch fires, and how late a schedule may be.
const FIRES_AFTER: Duration = Duration::from_secs(300);
const LATE: Duration = Duration::from_secs(60);

fn plan() -> MigrationPlan {
    short_plan().dead_man(FIRES_AFTER).build().expect("valid")
}

fn healthy() -> Simulation {
    Simulation::builder().login().build()
}

fn failing() -> Simulation {
    let failing = Service::new(4).with(When::Always, Behaviour::Errors(0.3));
    Simulation::builder().default_rule().green(failing).build()
}

/// Worlds with the exit codes of their runs.
const WORLDS: [(fn() -> Simulation, u8); 2] = [(healthy, 0), (failing, 10)];

fn is_all_blue(simulation: &Simulation) -> bool {
    simulation.weights().green == 0
}

/// Whether the switch took traffic off green. Once blue has everything again, a run waits until the
/// restore is confirmed, and a switch that fires meanwhile changes nothing.
fn has_fired(simulation: &Simulation) -> bool {
    let changes = simulation.changes();
    let mut pairs = changes.windows(2);
    pairs.any(|pair| pair[0].weights.green > 0 && pair[1].by == Writer::Schedule)
}

/// The switches that are armed, without the notices beside them: a notice that could not be deleted
/// writes nothing.
fn switches(simulation: &Simulation) -> Vec<(String, Timestamp)> {
    let mut all = simulation.schedules();
    all.retain(|(name, _)| !name.ends_with("-notice"));
    all
}

async fn whole(world: fn() -> Simulation, hand: Option<Hand>, code: u8) -> u64 {
    let durable = Durable::new(world(), plan());
    let ended = durable.migrate("ann", hand).await;
    assert_eq!(durable.check(ended, false).await, code);
    assert!(durable.simulation.schedules().is_empty());
    assert!(durable.simulation.notices().is_empty());
    assert!(!has_fired(&durable.simulation));
    durable.simulation.calls_in_all()
}

fn cancels() -> Option<Hand> {
    Some(Box::new(|event, handle: &ControlHandle, _: &Simulation| {
        if matches!(&event.kind, MigrationEvent::StepPassed { step: 0, .. }) {
            handle.cancel("SIGTERM");
        }
    }))
}

fn holds() -> Option<Hand> {
    Some(Box::new(|event, handle: &ControlHandle, _: &Simulation| {
        if matches!(&event.kind, MigrationEvent::StepPassed { step: 0, .. }) {
            handle.leave("ann", "we look at it tomorrow");
        }
    }))
}

#[tokio::test(start_paused = true)]
async fn a_run_leaves_no_switch_behind() {
    whole(healthy, None, 0).await;
    whole(failing, None, 10).await;
    whole(healthy, cancels(), 11).await;
    whole(healthy, holds(), 12).await;
}

/// The switch is armed before the first rise, and as long as traffic is divided.
#[tokio::test(start_paused = true)]
async fn while_traffic_is_divided_the_switch_stands() {
    let durable = Durable::new(healthy(), plan());
    let looked: Hand = Box::new(|event, _: &ControlHandle, world: &Simulation| {
        let divided = !is_all_blue(world);
        let fires = switches(world).first().map(|(_, fires)| *fires);
        if let MigrationEvent::Shifting { .. } = &event.kind {
            assert!(fires.is_some(), "{event}");
        }
        if let (MigrationEvent::Looked { .. }, true) = (&event.kind, divided) {
            let left = fires.expect("it stands").duration_since(event.at);
            let left = Duration::try_from(left).expect("not yet");
            assert!(left > FIRES_AFTER - Duration::from_secs(90), "{event}");
        }
    });
    let ended = durable.migrate("ann", Some(looked)).await;
    assert_eq!(durable.check(ended, false).await, 0);
    assert!(durable.simulation.calls(Call::UpdateSchedule) > 5);
}

/// Killed at each of its calls, and not resumed: without a controller, traffic comes to one side.
#[test]
fn p05_killed_at_every_call_traffic_goes_back_by_itself() {
    let fired = each(WORLDS, async |(world, code)| {
        let mut fired = 0;
        let mut moments = Moments::default();
        for n in 1..=whole(world, None, code).await {
            for moment in [Moment::BeforeEffect, Moment::AfterEffect] {
                if !moments.differs(moment) {
                    continue;
                }
                let durable = Durable::new(world(), plan());
                let simulation = &durable.simulation;
                let rule = simulation.rule_without_weights();
                let mut stop = simulation.stop_at(Call::any().nth(n), moment);
                let run = durable.migrate("ann", None);
                assert!(killed(run, stop.reached()).await.is_none());
                moments.killed(simulation, moment);
                let was_divided = !is_all_blue(simulation);
                let was_armed = !switches(simulation).is_empty();
                sleep(FIRES_AFTER + LATE).await;
                assert_eq!(rule, simulation.rule_without_weights(), "P3");
                assert!(switches(simulation).is_empty(), "call {n}, {moment:?}");
                if was_armed {
                    assert!(is_all_blue(simulation), "call {n}, {moment:?}");
                } else {
                    // Nothing had moved yet, or all steps had passed and the switch was disarmed.
                    let weights = simulation.weights();
                    let is_done = !was_divided || weights.blue == 0;
                    assert!(is_done, "call {n}, {moment:?}: {weights:?}");
                }
                fired += u32::from(has_fired(simulation));

                // A resume after that takes the state as it is.
                let ended = durable.resume("bob").await;
                let by_switch = matches!(
                    &ended,
                    Ok(MigrationOutcome::RolledBack {
                        cause: Cause::SwitchFired,
                        ..
                    })
                );
                let ended = durable.check(ended, false).await;
                let known = [0, 3, code].contains(&ended) || by_switch;
                assert!(known, "call {n}, {moment:?}: {ended}");
                // A first rise that was never read back may count as not happened.
                let first_rise = simulation.calls(Call::ModifyRule) >= 2 && ended == 0;
                assert!(by_switch || first_rise || !(was_divided && was_armed) || code == 10);
                assert!(switches(simulation).is_empty(), "call {n}, {moment:?}");
            }
        }
        fired
    });
    let fired: u32 = fired.into_iter().sum();
    println!("{fired} deaths after which the switch put traffic back");
    assert!(fired > 70, "{fired}");
}

/// Resumed soon, a run continues as if it had not been killed.
#[test]
fn p05_killed_and_resumed_soon_the_switch_is_renewed() {
    each(WORLDS, async |(world, code)| {
        let mut moments = Moments::default();
        for n in 1..=whole(world, None, code).await {
            for moment in [Moment::BeforeEffect, Moment::AfterEffect] {
                if !moments.differs(moment) {
                    continue;
                }
                let durable = Durable::new(world(), plan());
                let mut stop = durable.simulation.stop_at(Call::any().nth(n), moment);
                let run = durable.migrate("ann", None);
                assert!(killed(run, stop.reached()).await.is_none());
                moments.killed(&durable.simulation, moment);
                let ended = durable.resume("bob").await;
                let ended = durable.check(ended, false).await;
                assert!([code, 3].contains(&ended), "call {n}, {moment:?}: {ended}");
                assert!(!has_fired(&durable.simulation), "call {n}, {moment:?}");
                assert!(switches(&durable.simulation).is_empty());
            }
        }
    });
}

/// Every fault at every call of the scheduler, once and for good.
#[test]
fn faults_of_the_scheduler_end_in_a_known_place() {
    let faults = [
        Fault::Throttle,
        Fault::Denied,
        Fault::Unavailable,
        Fault::TimeoutBeforeEffect,
        Fault::TimeoutAfterEffect,
    ];
    let calls = [
        Call::CreateSchedule,
        Call::UpdateSchedule,
        Call::DeleteSchedule,
        Call::GetSchedule,
    ];
    each(WORLDS, async |(world, code)| {
        for fault in faults {
            for call in calls {
                for first in [1, 2, 5] {
                    for for_good in [false, true] {
                        let durable = Durable::new(world(), plan());
                        let selector = if for_good {
                            call.from_nth(first)
                        } else {
                            call.nth(first)
                        };
                        durable.simulation.fail(selector, fault);
                        let ended = durable.migrate("ann", None).await;
                        let what = format!("{fault:?} at {call:?} {first}, for good: {for_good}");
                        let told = match &ended {
                            Ok(outcome) => outcome.report().switch.is_some(),
                            Err(error) => error.to_string().contains("dead-man switch stands"),
                        };
                        let ended = durable.check(ended, false).await;
                        let left = !switches(&durable.simulation).is_empty();
                        assert!(!left || told, "{what}: {ended}");
                        assert!([0, 3, 10, 20].contains(&ended), "{what}: {ended}");
                        assert!(
                            for_good || fault == Fault::Denied || ended == code || ended == 3,
                            "{what}: {ended}"
                        );
                        // A switch that is left behind fires and does no harm.
                        sleep(FIRES_AFTER + LATE).await;
                        let live = durable.simulation.weights();
                        if left {
                            assert_eq!(live.green, 0, "{what}: {ended}");
                        } else {
                            assert!(live.green == 0 || live.blue == 0, "{what}: {ended}");
                        }
                    }
                }
            }
        }
    });
}

/// A controller that sleeps until after its switch has fired, as on a laptop, finds what the switch did.
#[tokio::test(start_paused = true)]
async fn p07_a_live_controller_takes_it_for_no_stranger() {
    let durable = Durable::new(healthy(), plan());
    // The machine is suspended at the fourth arming, after its notice. It wakes when traffic is back on blue.
    let mut stop = durable
        .simulation
        .stop_at(Call::UpdateSchedule.nth(8), Moment::BeforeEffect);
    let mut run = Box::pin(durable.migrate("ann", None));
    let early = killed(&mut run, stop.reached()).await;
    assert!(early.is_none(), "it ended before it was suspended");
    sleep(FIRES_AFTER + LATE).await;
    stop.go_on();
    let ended = run.await;
    let outcome = ended.as_ref().expect("known");
    let fired = matches!(
        outcome,
        MigrationOutcome::RolledBack {
            cause: Cause::SwitchFired,
            ..
        }
    );
    assert!(fired, "{outcome}");
    assert_eq!(durable.check(ended, false).await, 10);
    assert!(switches(&durable.simulation).is_empty());
}
