//! A store that fails, hangs or comes back while a run is under way, and a rollback beside a controller.

use std::time::Duration;

use bluegreen::{
    MigrationError, MigrationOutcome,
    aws::sim::{Behaviour, Call, Fault, Moment, Service, Simulation, When},
    migration::{MigrationEvent, RestoreOrder},
    store::Take,
};

use crate::common::{durable::Durable, short_plan};

fn healthy() -> Durable {
    Durable::new(
        Simulation::builder().build(),
        short_plan().build().expect("valid"),
    )
}

/// Green dies for good, two minutes after the first rise.
fn dying() -> Durable {
    let dying = When::AfterNthRise(1, Duration::from_secs(120), Duration::from_secs(86_400));
    let green = Service::new(4).with(dying, Behaviour::Dead);
    Durable::new(
        Simulation::builder().green(green).build(),
        short_plan().build().expect("valid"),
    )
}

/// How long after the start blue was read back.
fn restored_at(durable: &Durable) -> Option<Duration> {
    let events = durable.events.lock().expect("no panic");
    let is_restored = |kind: &MigrationEvent| matches!(kind, MigrationEvent::Restored { .. });
    let restored = events.iter().find(|event| is_restored(&event.kind));
    restored.map(|event| event.elapsed)
}

fn code(ended: &Result<MigrationOutcome, MigrationError>) -> u8 {
    match ended {
        Ok(outcome) => outcome.exit_code(),
        Err(error) => error.exit_code(),
    }
}

/// How many creates an undisturbed run makes.
async fn creates() -> u64 {
    let durable = healthy();
    let ended = durable.migrate("ann", None).await;
    assert_eq!(code(&ended), 0);
    durable.storage.created()
}

#[tokio::test(start_paused = true)]
async fn p06_a_burst_of_failed_appends_changes_no_end_and_loses_no_record() {
    let creates = creates().await;
    for nth in (1..creates).step_by(7) {
        for count in [1, 4] {
            let durable = healthy();
            // The first create takes the lease.
            durable.storage.fail(nth + 1, count);
            let ended = durable.migrate("ann", None).await;
            assert_eq!(code(&ended), 0, "{count} from {nth}: {ended:?}");
            durable.storage.heal();
            assert_eq!(durable.check(ended, false).await, 0, "{count} from {nth}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn p06_a_store_that_keeps_nothing_more_ends_on_blue() {
    let creates = creates().await;
    for nth in (2..creates).step_by(9) {
        for hangs in [true, false] {
            let durable = healthy();
            match hangs {
                true => durable.storage.stop_at(nth, Moment::BeforeEffect),
                false => durable.storage.fail(nth, u64::MAX - nth),
            }
            let ended = durable.migrate("ann", None).await;
            let place = format!("create {nth}, hangs: {hangs}");
            // Once everything was decided, the end of the run needs no journal.
            assert!(matches!(code(&ended), 0 | 3 | 10), "{place}: {ended:?}");
            let live = durable.simulation.weights();
            let is_promoted = code(&ended) == 0;
            assert_eq!(live.green > 0, is_promoted, "{place}: {ended:?}");
        }
    }
}

/// With a dead green, blue is restored as fast as with a working store, whenever the store began to hang.
#[tokio::test(start_paused = true)]
async fn p06_a_store_that_hangs_delays_no_restore() {
    let working = dying();
    assert_eq!(code(&working.migrate("ann", None).await), 10);
    let in_time = restored_at(&working).expect("restored");
    let creates = working.storage.created();
    let mut restores = 0;
    for nth in 2..creates {
        let durable = dying();
        durable.storage.stop_at(nth, Moment::BeforeEffect);
        let ended = durable.migrate("ann", None).await;
        assert!(matches!(code(&ended), 3 | 10), "{nth}: {ended:?}");
        assert_eq!(durable.simulation.weights().green, 0, "{nth}");
        let Some(restored) = restored_at(&durable) else {
            continue;
        };
        restores += 1;
        // If the store begins to hang with the restore's own record, the restore waits two seconds for it.
        let waits = Duration::from_secs(2);
        assert!(
            restored <= in_time + waits,
            "{nth}: {restored:?} {in_time:?}"
        );
    }
    assert!(restores > 10, "{restores}");
}

/// The change of a controller that lost its lease lands after blue was written.
#[tokio::test(start_paused = true)]
async fn p06_a_rollback_writes_over_what_lands_late_and_stays_as_long_as_that_may_be() {
    // After the ten seconds of its call.
    for seconds in [0, 1, 2, 4] {
        let durable = healthy();
        let late = Fault::LateEffect {
            after: Duration::from_secs(seconds),
        };
        durable.simulation.fail(Call::ModifyRule.nth(1), late);
        let lease = durable.take("ann", Take::IfFree).await.expect("free");
        let (holder, ..) = durable.controller(&lease, None);
        let run = tokio::spawn(holder.run());
        while !has_shifted(&durable) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let begun = tokio::time::Instant::now();
        let lease = durable.take("bob", Take::ToRestore).await.expect("taken");
        assert!(lease.taken_from().is_some());
        let (rollback, ..) = durable.controller(&lease, None);
        let order = RestoreOrder::by("bob").with_stay(RestoreOrder::LATE_CALL);
        let ended = rollback.restore(order).await;
        assert_eq!(code(&ended), 0, "{seconds} s: {ended:?}");
        assert!(begun.elapsed() >= RestoreOrder::LATE_CALL);
        assert!(begun.elapsed() <= RestoreOrder::LATE_CALL + Duration::from_secs(10));
        assert_eq!(durable.simulation.weights().green, 0, "{seconds} s");
        let held = run.await.expect("no panic");
        assert!(matches!(code(&held), 12 | 20), "{seconds} s: {held:?}");
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(durable.simulation.weights().green, 0, "{seconds} s");
    }
}

fn has_shifted(durable: &Durable) -> bool {
    let events = durable.events.lock().expect("no panic");
    let shifts = |kind: &MigrationEvent| matches!(kind, MigrationEvent::Shifting { .. });
    events.iter().any(|event| shifts(&event.kind))
}
