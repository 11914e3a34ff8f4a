//! The real program puts everything back on blue, whatever became of its journal.

use std::fs;

use bluegreen::aws::alb::RuleArn;
use serde_json::Value;

use crate::{
    patience::wait_for,
    program::{World, events, terminate, world},
};

/// Puts everything back on blue and waits for its end, but not for the minutes that confirm it.
/// Gives what it said to people.
async fn rolled_back(world: &World, name: &str, journal: &str, rule: &RuleArn) -> String {
    world
        .topology
        .write(rule, vec![world.topology.forward(50, 50)])
        .await;
    let out = world.folder.path().join(format!("{name}.json"));
    let mut child = world.run_with(journal, rule, &["rollback"], &out);
    let ended = wait_for(
        || format!("end of the rollback {name}"),
        || {
            let has_restored = |event: &Value| event["event"] == "restored";
            if events(&out).iter().any(has_restored) {
                terminate(&child);
            }
            child.try_wait().unwrap()
        },
    );
    let words = fs::read_to_string(out.with_extension("err")).unwrap();
    assert_eq!(ended.code(), Some(0), "{name}: {words}");
    assert_eq!(
        world.topology.weights(rule).await,
        (100, 0),
        "{name}: {words}"
    );
    words
}

/// Neither a store that does not answer nor a journal that somebody spoilt keeps blue from being
/// put back.
#[tokio::test]
async fn p06_without_its_journal_a_rollback_still_restores() {
    let Some(world) = world().await else {
        return;
    };
    let rule = world.topology.split_rule(900, 50, 50).await;
    let journals = world.folder.path().join("journals");
    let journal = journals.to_str().unwrap();

    let words = rolled_back(&world, "kept", journal, &rule).await;
    assert!(!words.contains("without the journal"), "{words}");

    let log = fs::read_dir(&journals)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    fs::copy(log.join("000000000000.json"), log.join("000000009999.json")).unwrap();
    let words = rolled_back(&world, "spoilt", journal, &rule).await;
    assert!(
        words.contains("record 0 stands in the place of record 9999"),
        "{words}"
    );
    assert!(words.contains("without the journal"), "{words}");

    let words = rolled_back(&world, "out of reach", "s3://absent/x", &rule).await;
    assert!(words.contains("without the journal"), "{words}");
}
