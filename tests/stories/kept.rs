//! Migrations in a simulated world that a folder keeps: each handle stands for a process of its own.

use std::time::Duration;

use bluegreen::{
    MigrationOutcome,
    aws::sim::{KeptSimulation, Scenario, Simulation},
    engine::{Operator, Record, Verb},
    migration::{MigrationEvent, events_of},
    spec::{MigrationSpec, Origin},
    store::{Ask, Holder, JournalStore, Lease, Take},
    traffic::Sides,
};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

const MINUTE: Duration = Duration::from_secs(60);
const ALL_BLUE: Sides<u32> = Sides {
    blue: 100,
    green: 0,
};

/// One process in the world, which it opens by the file alone.
struct Process {
    world: KeptSimulation,
    store: JournalStore,
}

impl Process {
    fn new(spec: &MigrationSpec) -> Self {
        let world = spec.world().expect("kept").expect("simulated");
        let store = JournalStore::local(world.journal()).expect("a folder");
        Self { world, store }
    }

    async fn newest(&self) -> (Lease, Vec<Record>) {
        let log = self.store.log(self.world.rule_arn().as_str());
        let holder = Holder::this_process("bob");
        let lease = log.take(holder, self.world.aws().clock(), Take::IfExpired);
        let lease = lease.await.expect("free");
        let records = lease.newest_run_to_resume().await.expect("readable");
        (lease, records)
    }
}

/// A folder, and the file that every process reads.
fn file(scenario: Scenario) -> (TempDir, MigrationSpec) {
    let folder = tempfile::tempdir().expect("a folder");
    let kept = Simulation::kept(folder.path(), scenario, 1).expect("kept");
    let spec = MigrationSpec::from_toml(&kept.spec().to_toml()).expect("valid");
    assert_eq!(spec, kept.spec());
    (folder, spec)
}

#[tokio::test(start_paused = true)]
async fn a_run_is_aborted_from_another_process_and_both_see_the_same() {
    let (_folder, spec) = file(Scenario::Healthy);
    let here = Process::new(&spec);
    let run = spec.start(&here.world.aws(), &here.store, "ann").await;
    let run = tokio::spawn(run.expect("started").run());

    let there = Process::new(&spec);
    while there.world.weights() == ALL_BLUE {
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(there.world.weights(), here.world.weights());
    let log = there.store.log(there.world.rule_arn().as_str());
    let standing = log.lease_state().await.expect("readable");
    assert!(standing.expect("taken").holder.is_some());
    let ann = Operator::new("bob").with_reason("errors rise");
    let asked = log.ask(Ask::new(Verb::Abort, ann)).await.expect("written");
    let answer = asked.answer(MINUTE).await.expect("readable");
    assert!(answer.is_some(), "the other process answers");

    let outcome = run.await.expect("no panic").expect("restored");
    assert!(
        matches!(outcome, MigrationOutcome::RolledBack { .. }),
        "{outcome}"
    );
    assert_eq!(there.world.weights(), ALL_BLUE);
    assert_eq!(there.world.changes(), here.world.changes());
    let records = log.newest_run().await.expect("readable");
    let events = events_of(&records).expect("a migration's");
    let last = events.last().expect("some");
    assert!(matches!(last.kind, MigrationEvent::Ended { .. }), "{last}");
}

#[tokio::test(start_paused = true)]
async fn a_run_of_a_process_that_died_is_resumed_by_another() {
    let (_folder, spec) = file(Scenario::Healthy);
    let here = Process::new(&spec);
    let run = spec.start(&here.world.aws(), &here.store, "ann").await;
    let killed = timeout(MINUTE * 10, run.expect("started").run()).await;
    assert!(killed.is_err(), "it runs for longer");
    let (died, weights) = (here.world.elapsed(), here.world.weights());
    drop(here);
    assert_ne!(weights, ALL_BLUE);
    sleep(MINUTE * 60).await;

    let there = Process::new(&spec);
    assert!(there.world.elapsed() <= died, "time rested");
    assert_eq!(there.world.weights(), weights);
    let (lease, records) = there.newest().await;
    let origin = Origin::of(&records).expect("from a specification");
    let (aws, own) = (there.world.aws(), &origin.spec);
    assert_eq!(*own, spec);
    let target = own.target(&aws, Some(&origin.from)).await.expect("there");
    let migration = own.migration(&aws, &target, Some(&lease)).expect("valid");
    let outcome = migration.resume(&records, "bob").await.expect("known");
    assert!(
        matches!(outcome, MigrationOutcome::Promoted { .. }),
        "{outcome}"
    );
    lease.release().await.expect("released");

    // The file is the same, and now it moves traffic the other way.
    let third = Process::new(&spec);
    let target = spec.target(&third.world.aws(), None).await;
    assert_eq!(
        target.expect("one side").sides.blue.name.as_str(),
        "fastapi"
    );
}

/// The schedule belongs to the world: it fires without the process that armed it.
#[tokio::test(start_paused = true)]
async fn the_dead_man_switch_of_a_process_that_died_fires_in_the_world() {
    let (_folder, mut spec) = file(Scenario::Healthy);
    let role = "role = \"arn:aws:iam::123456789012:role/blue-again\"";
    let text = format!("{}\n[safety.dead_man]\n{role}\n", spec.to_toml());
    spec = MigrationSpec::from_toml(&text).expect("valid");
    let here = Process::new(&spec);
    let run = spec.start(&here.world.aws(), &here.store, "ann").await;
    assert!(
        timeout(MINUTE * 10, run.expect("started").run())
            .await
            .is_err()
    );
    assert_ne!(here.world.weights(), ALL_BLUE);
    drop(here);

    let there = Process::new(&spec);
    assert_eq!(there.world.schedules().len(), 1);
    sleep(MINUTE * 12).await;
    assert_eq!(there.world.weights(), ALL_BLUE);
    assert!(there.world.schedules().is_empty());
}

/// A run in a kept world ends as in a world that is not kept.
#[tokio::test(start_paused = true)]
async fn scenarios_end_as_promised_in_a_kept_world_too() {
    for scenario in [
        Scenario::GreenErrors,
        Scenario::Throttled,
        Scenario::Drift,
        Scenario::RollbackBlocked,
        Scenario::BlueScalesIn,
    ] {
        let (_folder, spec) = file(scenario);
        let here = Process::new(&spec);
        let run = spec.start(&here.world.aws(), &here.store, "ann").await;
        let code = match run.expect("started").run().await {
            Ok(outcome) => outcome.exit_code(),
            Err(error) => error.exit_code(),
        };
        assert_eq!(code, scenario.expected_exit(), "{scenario}");
        let there = Process::new(&spec);
        assert_eq!(there.world.weights(), here.world.weights(), "{scenario}");
    }
}
