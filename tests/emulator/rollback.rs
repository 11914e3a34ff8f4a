//! The real program puts everything back on blue, in any state of its journal.

use std::{fs, path::Path, process::Child};

use bluegreen::aws::alb::RuleArn;

use crate::{
    patience::wait_for,
    program::{World, world},
};

/// Puts everything back on blue from 50:50, and returns the output for people.
async fn rolled_back(world: &World, name: &str, journal: &str, rule: &RuleArn) -> String {
    world
        .topology
        .write(rule, vec![world.topology.forward(50, 50)])
        .await;
    let out = world.folder.path().join(format!("{name}.json"));
    let mut child = world.run_with(journal, rule, &["rollback"], &out);
    let words = ended(&mut child, &out, name);
    assert_eq!(
        world.topology.weights(rule).await,
        (100, 0),
        "{name}: {words}"
    );
    words
}

/// Waits for the end of a rollback, and returns its output for people.
fn ended(child: &mut Child, out: &Path, name: &str) -> String {
    let ended = wait_for(
        || format!("end of the rollback {name}"),
        || child.try_wait().unwrap(),
    );
    let words = fs::read_to_string(out.with_extension("err")).unwrap();
    assert_eq!(ended.code(), Some(0), "{name}: {words}");
    words
}

/// Neither a store that does not answer nor a journal that a third party damaged stops the restore
/// of blue.
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

/// With nothing but the rule: a journal names the side that was live, or else `--to`.
#[tokio::test]
async fn p06_a_rollback_needs_the_rule_and_a_side_and_nothing_else() {
    let Some(world) = world().await else {
        return;
    };
    let rule = world.topology.split_rule(901, 50, 50).await;
    let out = world.folder.path().join("nothing.json");
    let mut child = world.bare(&rule, &["rollback"], &out);
    let refused = wait_for(|| "refusal".to_owned(), || child.try_wait().unwrap());
    let words = fs::read_to_string(out.with_extension("err")).unwrap();
    assert_eq!(refused.code(), Some(2), "{words}");
    assert!(words.contains("--to GROUP"), "{words}");
    assert_eq!(world.topology.weights(&rule).await, (50, 50), "{words}");

    let out = world.folder.path().join("named.json");
    let blue = world.topology.blue.name();
    let mut child = world.bare(&rule, &["rollback", "--to", blue], &out);
    let words = ended(&mut child, &out, "named");
    assert_eq!(world.topology.weights(&rule).await, (100, 0), "{words}");
    assert!(words.contains("by hand: aws elbv2 modify-rule"), "{words}");
}
