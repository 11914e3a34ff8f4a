//! Journals that earlier versions wrote, kept as they were: this one replays them.

use std::{fmt::Write as _, fs, path::PathBuf, time::Duration};

use bluegreen::{
    HealthGate,
    aws::sim::{ReleaseScenario, Scenario},
    deployment,
    engine::Record,
    migration::{self, GateId, MACHINE_VERSION},
    store::Take,
};

use crate::common::{self, durable::Durable, release, short_plan};

fn path(name: &str) -> PathBuf {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stories/journals");
    PathBuf::from(folder).join(format!("{name}.jsonl"))
}

fn kept(name: &str) -> Vec<Record> {
    let text = fs::read_to_string(path(name)).expect("it is kept");
    let records = text.lines().map(serde_json::from_str);
    records.collect::<Result<_, _>>().expect("records")
}

fn lines(records: &[Record]) -> String {
    records.iter().fold(String::new(), |mut text, record| {
        let line = serde_json::to_string(record).expect("JSON");
        writeln!(text, "{line}").expect("to memory");
        text
    })
}

#[tokio::test(start_paused = true)]
async fn p09_migrations_that_earlier_versions_kept_are_replayed() {
    let simulation = Scenario::GreenErrors.simulation(1);
    let gates = common::gates(&simulation.aws(), &simulation);
    let gates: Vec<(GateId, &dyn HealthGate)> = gates
        .iter()
        .map(|(id, gate)| (id.clone(), &**gate))
        .collect();
    for version in 1..=MACHINE_VERSION {
        let records = kept(&format!("migration-v{version}"));
        assert_eq!(records[0].entry["version"], version);
        let replayed = migration::replay(&records, &gates)
            .unwrap_or_else(|error| panic!("version {version}: {error}"));
        let ended = replayed.end().expect("its end").expect("known");
        assert_eq!(ended.exit_code(), 10, "version {version}");
        assert!(replayed.verdicts > 0, "version {version}");
    }
}

#[test]
fn p09_a_deployment_that_this_version_kept_is_replayed() {
    let version = deployment::MACHINE_VERSION;
    let records = kept(&format!("deployment-v{version}"));
    let replayed = deployment::replay(&records).expect("it replays");
    let ended = replayed.machine.end().expect("its end").expect("known");
    assert_eq!(ended.exit_code(), 10);
}

/// Writes what the tests above keep, for a version that is new:
/// `cargo test --test stories keep_journals -- --ignored`.
#[tokio::test(start_paused = true)]
#[ignore = "writes into the working tree"]
async fn keep_journals() {
    let simulation = Scenario::GreenErrors.simulation(1);
    let plan = short_plan().dead_man(Duration::from_secs(300));
    let durable = Durable::new(simulation, plan.build().expect("valid"));
    let lease = durable.take("ann", Take::IfFree).await.expect("free");
    let (migration, ..) = durable.controller(&lease, None);
    let ended = migration.run().await.expect("a known end");
    assert_eq!(ended.exit_code(), 10);
    let records = lease.newest_run().await.expect("readable");
    let name = path(&format!("migration-v{MACHINE_VERSION}"));
    fs::write(name, lines(&records)).expect("written");

    let simulation = ReleaseScenario::SmokeFails.simulation(1);
    let run = release::deploy(&simulation).await;
    let name = path(&format!("deployment-v{}", deployment::MACHINE_VERSION));
    fs::write(name, lines(&run.journal.records())).expect("written");
}
