//! Journals of earlier versions, kept as they were: this version shows them, judges them again, and
//! resumes their runs.

use std::{fmt::Write as _, fs, path::PathBuf, time::Duration};

use bluegreen::{
    HealthGate, MigrationError, MigrationOutcome, MigrationPlan,
    aws::sim::{ReleaseScenario, Scenario},
    clock::Clock as _,
    deployment::{self, DeploymentEvent},
    engine::{Event, JOURNAL_VERSION, Journal as _, MemoryJournal, Record},
    migration::{self, Cause, GateId, MigrationEvent, RestoreOrder, ResumeError},
    store::Take,
    traffic::{Sides, TrafficObservation, TrafficSplit},
};

use crate::common::{
    self,
    durable::{Durable, killed},
    release, short_plan,
};

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

fn migration_of(version: u32) -> Vec<Record> {
    let records = kept(&format!("migration-v{version}"));
    assert_eq!(records[0].entry["version"], version);
    records
}

/// Makes the first record of a journal say that another version wrote it.
fn of_version(first: &mut Record, version: u32) {
    let mut entry = first.entry.value().clone();
    entry["version"] = version.into();
    first.entry = entry.into();
}

/// The plan of a kept migration.
fn plan_of(records: &[Record]) -> MigrationPlan {
    let plan = records[0].entry["plan"].clone();
    serde_json::from_value(plan).expect("a plan of any version")
}

/// A change of the split that a record announces or reports.
fn shifted(record: &Record) -> Option<TrafficSplit> {
    let action = record.entry.value().get("action")?;
    serde_json::from_value(action.get("to")?.clone()).ok()
}

fn read_back(record: &Record) -> Option<TrafficObservation> {
    let input = record.entry.value().get("input")?;
    let is_shifted = input["input"] == "shifted";
    let traffic = is_shifted.then(|| input["with"]["Ok"].clone())?;
    serde_json::from_value(traffic).ok()
}

/// A world in which a run wrote these records and then was killed. Its newest change took effect if it
/// `happened`.
async fn left_by(records: &[Record], happened: bool) -> Durable {
    let simulation = Scenario::GreenErrors.simulation(1);
    let durable = Durable::new(simulation, plan_of(records));
    let lease = durable.take("ann", Take::IfFree).await.expect("free");
    let clock = durable.simulation.aws().clock();
    for record in records {
        let wait = Duration::try_from(record.at.duration_since(clock.now()));
        tokio::time::sleep(wait.unwrap_or_default()).await;
        if let Some(traffic) = read_back(record) {
            durable.simulation.third_party_write(traffic.weights);
        }
        lease.append(record.clone()).await.expect("kept");
    }
    let newest = records.last().and_then(shifted);
    if let (Some(split), true) = (newest, happened) {
        let tenths = u32::from(split.green().as_tenths());
        let (blue, green) = ((1000 - tenths) / 10, tenths / 10);
        durable.simulation.third_party_write(Sides { blue, green });
    }
    durable
}

/// The versions that a run reported when it continued.
fn reopened(durable: &Durable) -> Vec<(u32, u32)> {
    let events = durable.events.lock().expect("no panic");
    let kinds = events.iter().map(|event| &event.kind);
    let reopened = kinds.filter_map(|kind| match kind {
        MigrationEvent::Reopened { found, version } => Some((*found, *version)),
        _ => None,
    });
    reopened.collect()
}

#[test]
fn p09_migrations_of_earlier_versions_are_shown_to_their_end() {
    for version in 1..JOURNAL_VERSION {
        let events = migration::events_of(&migration_of(version));
        let events = events.unwrap_or_else(|error| panic!("version {version}: {error}"));
        let first = &events.first().expect("a start").kind;
        assert!(matches!(first, MigrationEvent::Started { .. }), "{first}");
        let last = &events.last().expect("an end").kind;
        let MigrationEvent::Ended { outcome, exit_code } = last else {
            panic!("version {version} ends with {last}");
        };
        assert_eq!(*exit_code, 10, "version {version}");
        let MigrationOutcome::RolledBack { cause, .. } = outcome else {
            panic!("version {version} ends with {outcome}");
        };
        assert!(matches!(cause, Cause::Gate { .. }), "{cause}");
        let is_restore = |event: &Event<MigrationEvent>| matches!(&event.kind, MigrationEvent::Restored { traffic } if traffic.is_all_blue());
        assert!(events.iter().any(is_restore), "version {version}");
    }
}

/// The gates as a replay takes them.
fn borrowed(gates: &common::Gates) -> Vec<(GateId, &dyn HealthGate)> {
    let gates = gates.iter();
    gates.map(|(id, gate)| (id.clone(), &**gate)).collect()
}

/// The events retold from the newest snapshot on are the last events of the whole run.
#[tokio::test(start_paused = true)]
async fn a_run_is_retold_from_its_newest_snapshot_as_it_ended() {
    let plan = short_plan().build().expect("valid");
    let durable = Durable::new(Scenario::GreenErrors.simulation(7), plan);
    let ended = durable.migrate("ann", None).await.expect("a known end");
    let log = durable.log();
    let whole = log.newest_run().await.expect("readable");
    let late = log.newest_run_to_resume().await.expect("readable");
    assert!(late.len() < whole.len(), "there is a snapshot");
    let whole = migration::events_of(&whole).expect("retold");
    let late = migration::events_of(&late).expect("retold");
    let from = whole.len() - late.len();
    assert!(from > 0 && late == whole[from..], "from event {from} on");
    let last = late.last().map(|event| event.kind.clone());
    let exit_code = ended.exit_code();
    let outcome = ended;
    assert_eq!(last, Some(MigrationEvent::Ended { outcome, exit_code }));
}

#[tokio::test(start_paused = true)]
async fn p09_verdicts_of_earlier_versions_are_judged_again_and_are_the_same() {
    let simulation = Scenario::GreenErrors.simulation(1);
    let gates = common::gates(&simulation.aws(), &simulation);
    let gates = borrowed(&gates);
    for version in 1..JOURNAL_VERSION {
        let records = migration_of(version);
        let replayed = migration::replay(&records, &gates)
            .unwrap_or_else(|error| panic!("version {version}: {error}"));
        let ended = replayed.end().expect("its end").expect("known");
        assert_eq!(ended.exit_code(), 10, "version {version}");
        assert!(replayed.verdicts > 10, "{} verdicts", replayed.verdicts);
    }
}

/// Kills the kept run after each of its records and resumes it.
async fn resumed_after_each_record(version: u32) {
    let records = migration_of(version);
    for cut in 1..=records.len() {
        let records = &records[..cut];
        let newest = &records[cut - 1];
        if newest.entry["input"]["input"] == "waited" {
            // This record does not change the state of the run.
            continue;
        }
        let open = shifted(newest).is_some();
        for happened in [false, true].into_iter().take(1 + usize::from(open)) {
            let durable = left_by(records, happened).await;
            let ended = durable.resume("bob").await;
            let has_gone_on = !matches!(&ended, Err(MigrationError::Resume(_)));
            let expected = has_gone_on.then_some((version, JOURNAL_VERSION));
            assert_eq!(reopened(&durable), Vec::from_iter(expected), "cut {cut}");
            if let Err(MigrationError::Resume(ResumeError::Nothing)) = ended {
                assert_eq!(cut, 1, "only the first record begins nothing");
                continue;
            }
            let code = durable.check(ended, true).await;
            assert_eq!(code, 10, "cut {cut}, happened {happened}");
            assert_eq!(durable.simulation.weights().green, 0);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn p05_a_migration_of_version_1_killed_at_any_record_is_resumed_and_says_so() {
    resumed_after_each_record(1).await;
}

#[tokio::test(start_paused = true)]
async fn p05_a_migration_of_version_2_killed_at_any_record_is_resumed_and_says_so() {
    resumed_after_each_record(2).await;
}

#[tokio::test(start_paused = true)]
async fn p05_a_migration_of_version_3_killed_at_any_record_is_resumed_and_says_so() {
    resumed_after_each_record(3).await;
}

#[tokio::test(start_paused = true)]
async fn p05_a_migration_that_was_reopened_and_killed_again_is_resumed_from_there() {
    let records = migration_of(3);
    // The first step is live.
    let records = &records[..14];
    for minutes in [1, 2, 3, 5, 7, 9, 12] {
        let durable = left_by(records, false).await;
        let time = Duration::from_secs(60 * minutes + 30);
        let killed = tokio::time::timeout(time, durable.resume("bob")).await;
        let ended = match killed {
            Ok(ended) => ended,
            Err(_) => durable.resume("carl").await,
        };
        assert_eq!(reopened(&durable), [(3, JOURNAL_VERSION)], "once");
        assert_eq!(durable.check(ended, true).await, 10, "{minutes} min");
    }
}

#[tokio::test(start_paused = true)]
async fn a_journal_of_a_newer_version_is_refused_with_both_numbers_and_blue_is_restored() {
    let newer = JOURNAL_VERSION + 1;
    let mut records = migration_of(3)[..14].to_vec();
    of_version(&mut records[0], newer);
    let words = [
        format!("version {newer}"),
        format!("up to {JOURNAL_VERSION}"),
        "rollback".to_owned(),
    ];
    let says = |error: String| {
        for word in &words {
            assert!(error.contains(word), "`{word}` in: {error}");
        }
    };
    says(
        migration::events_of(&records)
            .expect_err("newer")
            .to_string(),
    );
    says(
        migration::replay(&records, &[])
            .expect_err("newer")
            .to_string(),
    );
    says(deployment::replay(&records).expect_err("newer").to_string());

    let durable = left_by(&records, false).await;
    let weights = durable.simulation.weights();
    let refused = durable.resume("bob").await.expect_err("newer");
    says(refused.to_string());
    assert_eq!(durable.simulation.weights(), weights, "nothing is changed");

    let lease = durable.take("bob", Take::IfExpired).await.expect("free");
    let (migration, ..) = durable.controller(&lease, None);
    let ended = migration
        .restore(RestoreOrder::by("bob"))
        .await
        .expect("restored");
    assert_eq!(ended.exit_code(), 0);
    assert_eq!(durable.simulation.weights().green, 0);
}

/// The rules that an earlier version's deployment followed are gone.
#[test]
fn a_deployment_of_an_earlier_version_is_not_replayed_under_other_rules() {
    let error = deployment::replay(&kept("deployment-v2")).expect_err("of version 2");
    let words = error.to_string();
    assert!(words.contains("version 2"), "{words}");
}

/// The kind of a record.
fn kind(record: &Record) -> String {
    let entry = record.entry.value();
    let name = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let of = [&entry["input"]["input"], &entry["action"]["action"]].map(name);
    format!("{} {}", name(&entry["entry"]), of.concat())
}

/// Leaves out each record of a journal in turn, and returns the kinds whose absence was not found. Only
/// the newest record may be absent: then the run was killed before that record.
fn absences<E: std::fmt::Display>(
    records: &[Record],
    replay: impl Fn(&[Record]) -> Result<(), E>,
) -> Vec<String> {
    replay(records).unwrap_or_else(|error| panic!("whole: {error}"));
    let mut unfound = Vec::new();
    for place in 0..records.len() {
        let mut fewer = records.to_vec();
        let record = fewer.remove(place);
        // The next record gets its number, so that only the content of the records can show the gap.
        (0..)
            .zip(&mut fewer)
            .for_each(|(seq, record)| record.seq = seq);
        match replay(&fewer) {
            Ok(()) => unfound.push(kind(&record)),
            Err(error) if record.entry["entry"] == "change" => {
                let words = error.to_string();
                assert!(
                    words.contains("which the journal does not announce"),
                    "{words}"
                );
            }
            Err(_) => {}
        }
    }
    unfound
}

#[tokio::test(start_paused = true)]
async fn p09_a_journal_that_lacks_a_record_does_not_replay() {
    let simulation = Scenario::GreenErrors.simulation(1);
    let gates = common::gates(&simulation.aws(), &simulation);
    let gates = borrowed(&gates);
    let records = migration_of(JOURNAL_VERSION);
    let newest = kind(records.last().expect("records"));
    let replay = |records: &[Record]| migration::replay(records, &gates).map(drop);
    assert_eq!(absences(&records, replay), [newest]);

    let records = kept(&format!("deployment-v{JOURNAL_VERSION}"));
    let newest = kind(records.last().expect("records"));
    let replay = |records: &[Record]| deployment::replay(records).map(drop);
    assert_eq!(absences(&records, replay), [newest]);
}

#[tokio::test(start_paused = true)]
async fn p05_a_deployment_of_an_earlier_version_killed_at_any_time_is_resumed_and_says_so() {
    let mut said = 0;
    for seconds in [1, 30, 56, 70, 90, 110, 130, 136, 150, 170, 190] {
        let simulation = ReleaseScenario::SmokeFails.simulation(1);
        let journal = MemoryJournal::new();
        let first = release::deployment(&simulation, release::plan()).journal(journal.clone());
        let killer = tokio::time::sleep(Duration::from_secs(seconds));
        let first = killed(first.run_image(release::source()), killer).await;
        // This journal follows the rules of version 2.
        let mut records = journal.records();
        of_version(&mut records[0], 2);
        let run = release::deploy_again(&simulation, &records).await;
        run.check_promises();
        assert_ne!(run.exit_code(), 20, "{seconds} s: {}", run.last_words());
        let reopened = run.events.iter().filter(|event| {
            let now = JOURNAL_VERSION;
            matches!(event.kind, DeploymentEvent::Reopened { found: 2, version } if version == now)
        });
        let reopened = reopened.count();
        assert!(reopened <= 1, "{seconds} s");
        assert!(
            first.is_none() || reopened == 0,
            "{seconds} s: it had ended"
        );
        said += reopened;
    }
    assert!(said >= 5, "{said} runs had something undone");
}

/// Writes the kept journals of the tests above, for a new version:
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
    let name = path(&format!("migration-v{JOURNAL_VERSION}"));
    fs::write(name, lines(&records)).expect("written");

    let simulation = ReleaseScenario::SmokeFails.simulation(1);
    let run = release::deploy(&simulation).await;
    let name = path(&format!("deployment-v{JOURNAL_VERSION}"));
    fs::write(name, lines(&run.journal.records())).expect("written");
}
