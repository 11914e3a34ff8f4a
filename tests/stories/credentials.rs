//! Credentials that end while a migration is under way.

use std::{sync::Arc, time::Duration};

use bluegreen::{
    Migration, MigrationError, MigrationOutcome, MigrationPlan,
    aws::{alb::AlbTrafficSplitter, sim::Simulation},
    clock::Clock as _,
    engine::{Control, MemoryJournal, OnCancel},
    migration::{Cause, HoldReason, MigrationEvent, RestoreOrder, Unchanged},
};
use jiff::Timestamp;

use crate::common::{gates, limit::within, short_plan};

/// The least time for [`short_plan`], and the time that it may take.
const DEADLINE: Duration = Duration::from_secs(30 * 60);

fn plan() -> MigrationPlan {
    short_plan().deadline(DEADLINE).build().expect("valid")
}

/// A migration whose credentials end this time after its start, with the end of the credentials.
fn ending(simulation: &Simulation, plan: MigrationPlan, after: Duration) -> (Migration, Timestamp) {
    let aws = simulation.aws();
    let (rule, blue, green) = (simulation.rule(), simulation.blue(), simulation.green());
    let splitter = AlbTrafficSplitter::new(&aws, rule, blue, green).expect("well-formed");
    let end = aws.clock().now() + after;
    let mut migration = Migration::new(plan, splitter)
        .clock(aws.clock())
        .credentials_end(end);
    for (id, gate) in gates(&aws, simulation) {
        migration = migration.gate(id, Arc::clone(&gate));
    }
    (migration, end)
}

/// The time before the end of the credentials at which a run is cancelled.
const BEFORE: Duration = Duration::from_secs(3 * 60);

#[tokio::test(start_paused = true)]
async fn credentials_that_end_before_the_deadline_start_nothing() {
    let simulation = Simulation::builder().build();
    let after = DEADLINE - Duration::from_secs(1);
    let (migration, end) = ending(&simulation, plan(), after);
    let ended = within("a migration", migration.run()).await.expect("known");
    let MigrationOutcome::Unchanged {
        reason: Unchanged::Refused { findings },
        ..
    } = &ended
    else {
        panic!("{ended}");
    };
    let said = ended.to_string();
    assert!(said.contains(&format!("end at {end:.0}")), "{said}");
    let deadline = end + Duration::from_secs(1);
    assert!(
        said.contains(&format!("last until {deadline:.0}")),
        "{said}"
    );
    assert!(findings.iter().any(|finding| finding.hint.is_some()));
    assert_eq!(ended.exit_code(), 3);
    assert!(simulation.changes().len() <= 1, "nothing was written");
}

#[tokio::test(start_paused = true)]
async fn credentials_that_outlast_the_run_change_nothing() {
    let simulation = Simulation::builder().build();
    let (migration, _) = ending(&simulation, plan(), DEADLINE);
    let ended = within("a migration", migration.run()).await.expect("known");
    assert!(
        matches!(ended, MigrationOutcome::Promoted { .. }),
        "{ended}"
    );
}

/// A plan with a bake that is still under way when the credentials end.
fn slow_plan(on_cancel: OnCancel) -> MigrationPlan {
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let plan = MigrationPlan::builder().bake(minutes(9));
    let plan = plan.step_deadline(minutes(15)).deadline(DEADLINE);
    plan.on_cancel(on_cancel).build().expect("valid")
}

#[tokio::test(start_paused = true)]
async fn three_minutes_before_their_end_the_cancel_policy_is_carried_out() {
    for on_cancel in [OnCancel::RollBack, OnCancel::Hold] {
        let simulation = Simulation::builder().build();
        let (mut migration, end) = ending(&simulation, slow_plan(on_cancel), DEADLINE);
        let seen: Arc<std::sync::Mutex<Vec<(Timestamp, Control)>>> = Arc::default();
        let kept = Arc::clone(&seen);
        migration = migration.on_event(move |event| {
            if let MigrationEvent::Controlled { control, .. } = &event.kind {
                kept.lock()
                    .expect("no panic in it")
                    .push((event.at, control.clone()));
            }
        });
        let ended = within("a migration", migration.run()).await.expect("known");
        let seen = seen.lock().expect("no panic in it").clone();
        let [(at, Control::Cancel { reason })] = &seen[..] else {
            panic!("{seen:?}");
        };
        assert_eq!(*at, end - BEFORE);
        assert!(reason.contains("credentials end at"), "{reason}");
        match (on_cancel, &ended) {
            (OnCancel::RollBack, MigrationOutcome::RolledBack { cause, .. }) => {
                assert!(matches!(cause, Cause::Cancelled { .. }), "{ended}");
                assert_eq!(simulation.weights().green, 0);
                assert_eq!(ended.exit_code(), 11);
            }
            (OnCancel::Hold, MigrationOutcome::Held { reason, .. }) => {
                assert!(matches!(reason, HoldReason::Asked { .. }), "{ended}");
                assert!(simulation.weights().green > 0);
            }
            (_, ended) => panic!("{ended}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_resumed_run_is_not_refused_but_cancelled_in_time() {
    let simulation = Simulation::builder().build();
    let journal = MemoryJournal::new();
    let (migration, _) = ending(&simulation, plan(), DEADLINE);
    let first = migration.journal(journal.clone()).run();
    let killed = tokio::time::timeout(Duration::from_secs(8 * 60), first).await;
    assert!(killed.is_err(), "it is under way");
    assert!(simulation.weights().green > 0, "traffic is divided");

    let (migration, end) = ending(&simulation, plan(), Duration::from_secs(5 * 60));
    let records = journal.records();
    let resumed = migration.resume(&records, "ann");
    let ended = within("a resumed migration", resumed).await.expect("known");
    assert!(
        matches!(ended, MigrationOutcome::RolledBack { .. }),
        "{ended}"
    );
    assert_eq!(simulation.weights().green, 0);
    assert!(simulation.aws().clock().now() < end);
}

#[tokio::test(start_paused = true)]
async fn a_restore_goes_ahead_with_credentials_that_end() {
    let simulation = Simulation::builder().build();
    let (migration, _) = ending(&simulation, plan(), Duration::ZERO);
    let ended = within("a restore", migration.restore(RestoreOrder::by("ann"))).await;
    assert!(!matches!(ended, Err(MigrationError::Plan(_))), "{ended:?}");
    assert_eq!(ended.expect("known").exit_code(), 0);
}
