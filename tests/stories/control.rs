//! Controls of a migration, and its end at any moment.

use std::time::Duration;

use bluegreen::{
    MigrationError, MigrationOutcome,
    aws::sim::{Behaviour, Scenario, Service, Simulation, When},
    engine::{Control, OnCancel, Operator},
    migration::{Intent, MigrationEvent, RestoreOrder},
};

use crate::common::{Hand, migrate, run, short_plan};

/// A hand that does something once, at the `n`th event.
fn at_event(n: u64, control: Control) -> Option<Hand> {
    let mut control = Some(control);
    Some(Box::new(move |event, handle, _world| {
        if event.seq == n
            && let Some(control) = control.take()
        {
            handle.send(control);
        }
    }))
}

fn cancel() -> Control {
    Control::Cancel {
        reason: "SIGINT".to_owned(),
    }
}

#[tokio::test(start_paused = true)]
async fn p11_a_cancel_at_any_event_ends_all_blue() {
    let whole = migrate(
        &Simulation::builder().build(),
        short_plan().build().expect("valid"),
    )
    .await;
    // The last look, the step that passes by it and the end are one moment.
    let last = whole.events.len() as u64 - 3;
    for n in 0..last {
        let simulation = Simulation::builder().build();
        let plan = short_plan().build().expect("valid");
        let run = run(&simulation, plan, Intent::Migrate, at_event(n, cancel())).await;
        assert!(
            [3, 11].contains(&run.exit_code()),
            "event {n}: {}",
            run.last_words()
        );
        assert_eq!(simulation.weights().green, 0, "event {n}");
        run.check_promises(false);
    }
}

#[tokio::test(start_paused = true)]
async fn p11_a_cancel_at_any_event_holds_where_the_plan_says_so() {
    for n in (0..25).step_by(3) {
        let simulation = Simulation::builder().build();
        let plan = short_plan()
            .on_cancel(OnCancel::Hold)
            .build()
            .expect("valid");
        let run = run(&simulation, plan, Intent::Migrate, at_event(n, cancel())).await;
        assert!(
            [3, 12].contains(&run.exit_code()),
            "event {n}: {}",
            run.last_words()
        );
        run.check_promises(false);
    }
}

#[tokio::test(start_paused = true)]
async fn p11_a_run_that_is_left_at_any_event_writes_nothing_more_and_says_why() {
    for n in 0..25 {
        let simulation = Simulation::builder().build();
        let by = Operator::new("ann").with_reason("the cache is cold");
        let leave = Control::Leave { by };
        let plan = short_plan().build().expect("valid");
        let run = run(&simulation, plan, Intent::Migrate, at_event(n, leave)).await;
        let words = run.last_words();
        assert!([3, 12].contains(&run.exit_code()), "event {n}: {words}");
        assert!(
            words.contains("leave by ann (the cache is cold)"),
            "event {n}: {words}"
        );
        let changes = simulation.changes().len();
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert_eq!(simulation.changes().len(), changes, "event {n}");
        run.check_promises(false);
    }
}

#[tokio::test(start_paused = true)]
async fn p11_a_stop_at_any_event_says_where_traffic_is() {
    for n in 0..25 {
        let simulation = Simulation::builder().build();
        let stop = Control::Stop {
            reason: "a second SIGINT".to_owned(),
        };
        let plan = short_plan().build().expect("valid");
        let run = run(&simulation, plan, Intent::Migrate, at_event(n, stop)).await;
        match &run.ended {
            Ok(outcome) => assert_eq!(outcome.exit_code(), 3),
            Err(MigrationError::Unresolved(unresolved)) => {
                assert!(unresolved.restore_command().is_some());
            }
            Err(error) => panic!("{error}"),
        }
        run.check_promises(false);
    }
}

#[tokio::test(start_paused = true)]
async fn p11_a_cancelled_future_rolls_back() {
    use bluegreen::{Migration, aws::alb::AlbTrafficSplitter, health::TargetHealthGate};
    let simulation = Simulation::builder().build();
    let aws = simulation.aws();
    let (rule, blue, green) = (simulation.rule(), simulation.blue(), simulation.green());
    let splitter = AlbTrafficSplitter::new(&aws, rule, blue, green).expect("well-formed");
    let outcome = Migration::new(short_plan().build().expect("valid"), splitter)
        .clock(aws.clock())
        .gate("targets", TargetHealthGate::new())
        .cancel_on(tokio::time::sleep(Duration::from_secs(500)))
        .run()
        .await
        .expect("restored");
    assert_eq!(outcome.exit_code(), 11);
    assert_eq!(simulation.weights().green, 0);
}

#[tokio::test(start_paused = true)]
async fn a_paused_migration_waits_and_goes_on() {
    let simulation = Simulation::builder().build();
    let plan = short_plan().build().expect("valid");
    let hand: Hand = Box::new(|event, handle, _world| {
        if matches!(event.kind, MigrationEvent::Shifted { .. }) && event.elapsed.is_zero() {
            handle.pause("ann");
        }
        if event.seq == 60 {
            handle.continue_run("ann");
        }
    });
    let run = run(&simulation, plan, Intent::Migrate, Some(hand)).await;
    assert_eq!(run.exit_code(), 0, "{}", run.last_words());
    run.check_promises(false);
}

#[tokio::test(start_paused = true)]
async fn p11_a_pause_does_not_move_the_deadline_of_the_whole_run() {
    let simulation = Simulation::builder().build();
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let plan = short_plan().deadline(minutes(30)).build().expect("valid");
    let (mut paused, mut resumed) = (false, false);
    let hand: Hand = Box::new(move |event, handle, _world| {
        if matches!(event.kind, MigrationEvent::Shifted { .. }) && !paused {
            paused = true;
            handle.pause("ann");
        }
        if event.elapsed >= minutes(20) && !resumed {
            resumed = true;
            handle.continue_run("ann");
        }
    });
    let run = run(&simulation, plan, Intent::Migrate, Some(hand)).await;
    let Ok(MigrationOutcome::RolledBack { cause, .. }) = &run.ended else {
        panic!("{}", run.last_words());
    };
    let cause = cause.to_string();
    assert!(cause.contains("the deadline of the migration"), "{cause}");
    let last = run.events.iter().rev();
    let began = last.map(|event| (&event.kind, event.elapsed));
    let mut began = began.filter(|(kind, _)| matches!(kind, MigrationEvent::RollingBack { .. }));
    assert_eq!(began.next().map(|(_, at)| at), Some(minutes(30)));
    run.check_promises(false);
}

#[tokio::test(start_paused = true)]
async fn p01_an_override_goes_on_without_data_and_stands_in_the_outcome() {
    let simulation = Scenario::NoData.simulation(1);
    let plan = short_plan().build().expect("valid");
    let hand: Hand = Box::new(|event, handle, _world| {
        if matches!(event.kind, MigrationEvent::Shifted { .. }) {
            handle.promote("ann");
        }
    });
    let run = run(&simulation, plan, Intent::Migrate, Some(hand)).await;
    let Ok(MigrationOutcome::Promoted { report }) = &run.ended else {
        panic!("{}", run.last_words());
    };
    assert_eq!(report.overrides.len(), 3);
    run.check_promises(false);
}

#[tokio::test(start_paused = true)]
async fn complete_takes_over_from_any_split() {
    let simulation = Scenario::Divided.simulation(1);
    let plan = short_plan().build().expect("valid");
    let intent = Intent::Complete { by: "ann".into() };
    let run = run(&simulation, plan, intent, None).await;
    assert_eq!(run.exit_code(), 0, "{}", run.last_words());
    assert_eq!(simulation.weights().blue, 0);
}

#[tokio::test(start_paused = true)]
async fn restore_takes_over_from_any_split() {
    let simulation = Scenario::Divided.simulation(1);
    let plan = short_plan().build().expect("valid");
    let intent = |force| {
        let order = RestoreOrder::by("ann");
        Intent::Restore(if force { order.with_force() } else { order })
    };
    let restored = run(&simulation, plan.clone(), intent(false), None).await;
    assert_eq!(restored.exit_code(), 0, "{}", restored.last_words());
    assert_eq!(simulation.weights().green, 0);

    let dead = Service::new(4).with(When::Always, Behaviour::Dead);
    let world = || {
        let weights = bluegreen::traffic::Sides {
            blue: 50,
            green: 50,
        };
        Simulation::builder()
            .blue(dead.clone())
            .weights(weights)
            .build()
    };
    let simulation = world();
    // Time begins with the first look, and the balancer needs 90 s to notice.
    assert_eq!(simulation.targets().blue.healthy, 4);
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert_eq!(simulation.targets().blue.healthy, 0);
    let refused = run(&simulation, plan.clone(), intent(false), None).await;
    assert_eq!(refused.exit_code(), 3, "{}", refused.last_words());
    let forced = run(&simulation, plan, intent(true), None).await;
    assert_eq!(forced.exit_code(), 0, "{}", forced.last_words());
    assert_eq!(simulation.weights().green, 0);
}

/// At first the metrics of the past settle, which takes two reads that are 30 s apart: until then no gate has
/// counted a request.
#[tokio::test(start_paused = true)]
async fn a_rollback_soon_after_the_first_shift_is_confirmed_as_a_later_one() {
    for seconds in [0, 10, 25, 120] {
        let simulation = Simulation::builder().build();
        let mut shifted = None;
        let mut aborted = false;
        let hand: Hand = Box::new(move |event, handle, _world| {
            if matches!(event.kind, MigrationEvent::Shifted { .. }) {
                shifted.get_or_insert(event.elapsed);
            }
            let is_time =
                shifted.is_some_and(|at| event.elapsed >= at + Duration::from_secs(seconds));
            if is_time && !std::mem::replace(&mut aborted, true) {
                let by = Operator::new("ann");
                handle.send(Control::Abort { by });
            }
        });
        let plan = bluegreen::MigrationPlan::builder().build().expect("valid");
        let run = run(&simulation, plan, Intent::Migrate, Some(hand)).await;
        let Ok(MigrationOutcome::RolledBack { restored, .. }) = &run.ended else {
            panic!("{:?}", run.ended);
        };
        assert!(
            restored.confirmed.is_some(),
            "after {seconds} s: {restored}"
        );
    }
}
