//! An older program and this one on one journal, over real HTTP, while a run is under way.

#![expect(
    clippy::print_stdout,
    reason = "what the older program does is what this test notes"
)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Child,
};

use bluegreen::{aws::alb::RuleArn, engine::JOURNAL_VERSION};
use serde_json::Value;

use crate::{
    patience::wait_for,
    program::{World, events, terminate, world},
};

/// A program and its output.
struct Said {
    child: Child,
    out: PathBuf,
}

impl Said {
    fn start(world: &World, program: &Path, rule: &RuleArn, words: &[&str], name: &str) -> Self {
        let out = world.folder.path().join(format!("{name}.json"));
        let journal = world.folder.path().join("journals");
        // The older name of the option, which both know.
        let words = [words, &["--look-every", "1s"]].concat();
        let child = world.run_program(program, journal.to_str().unwrap(), rule, &words, &out);
        Self { child, out }
    }

    fn words(&self) -> String {
        words_beside(&self.out)
    }

    /// Waits for an event.
    fn until(&mut self, is_it: impl Fn(&Value) -> bool) -> Value {
        wait_for(
            || format!("event: {}", words_beside(&self.out)),
            || {
                let event = events(&self.out).into_iter().find(&is_it);
                let ended = self.child.try_wait().unwrap();
                let is_there = event.is_some() || ended.is_none();
                assert!(
                    is_there,
                    "it ended with {ended:?}: {}",
                    words_beside(&self.out)
                );
                event
            },
        )
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for the end of the program, and returns its code. Ends the program once blue is restored.
    fn ended(&mut self) -> Option<i32> {
        let ended = wait_for(
            || format!("end: {}", words_beside(&self.out)),
            || {
                let has_restored = |event: &Value| event["event"] == "restored";
                if events(&self.out).iter().any(has_restored) {
                    terminate(&self.child);
                }
                self.child.try_wait().unwrap()
            },
        );
        ended.code()
    }
}

/// The output for people beside these events.
fn words_beside(out: &Path) -> String {
    fs::read_to_string(out.with_extension("err")).unwrap_or_default()
}

fn watches_the_first_step(event: &Value) -> bool {
    event["event"] == "looked" && event["phase"]["step"] == 0
}

/// The names of all records.
fn records(world: &World) -> Vec<PathBuf> {
    let logs = fs::read_dir(world.folder.path().join("journals")).unwrap();
    let files = logs.flat_map(|log| fs::read_dir(log.unwrap().path()).unwrap());
    let mut paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths
}

/// `.ci/versions.sh` builds the older program, and names it and its version.
#[tokio::test]
#[ignore = "needs an older program: run .ci/versions.sh"]
async fn an_older_program_and_this_one_meet_on_one_journal_in_both_orders() {
    let old = PathBuf::from(std::env::var("BLUEGREEN_OLD_PROGRAM").unwrap());
    let found: u32 = std::env::var("BLUEGREEN_OLD_VERSION")
        .unwrap()
        .parse()
        .unwrap();
    let Some(world) = world().await else {
        return;
    };
    let new = world.program().to_owned();
    let migrate = ["migrate", "--steps", "10,50,100"];

    // The older one is killed, this one continues.
    let rule = world.topology.split_rule(1, 100, 0).await;
    let mut killed = Said::start(&world, &old, &rule, &migrate, "old-migrate");
    killed.until(watches_the_first_step);
    killed.kill();
    assert_eq!(world.topology.weights(&rule).await, (90, 10));
    let mut resumed = Said::start(&world, &new, &rule, &["resume"], "new-resume");
    let said = resumed.until(|event| event["event"] == "reopened");
    assert_eq!(said["found"], found);
    assert_eq!(said["version"], JOURNAL_VERSION);
    resumed.until(watches_the_first_step);
    assert_eq!(
        world.topology.weights(&rule).await,
        (90, 10),
        "it continues from there"
    );
    terminate(&resumed.child);
    let code = resumed.ended();
    assert_eq!(code, Some(11), "{}", resumed.words());
    assert_eq!(world.topology.weights(&rule).await, (100, 0));

    // This one is killed, the older one refuses.
    let rule = world.topology.split_rule(2, 100, 0).await;
    let mut killed = Said::start(&world, &new, &rule, &migrate, "new-migrate");
    killed.until(watches_the_first_step);
    killed.kill();
    assert_eq!(world.topology.weights(&rule).await, (90, 10));
    let before = records(&world);
    let mut refused = Said::start(&world, &old, &rule, &["resume"], "old-resume");
    let code = refused.ended();
    let words = refused.words();
    println!("the older `resume` ends with {code:?}: {words}");
    assert_ne!(code, Some(0), "{words}");
    assert!(words.contains(&JOURNAL_VERSION.to_string()), "{words}");
    assert_eq!(world.topology.weights(&rule).await, (90, 10), "{words}");
    assert_eq!(
        records(&world),
        before,
        "it wrote into the journal: {words}"
    );

    // The older program's rollback is not judged, except for the split that it leaves.
    let mut back = Said::start(&world, &old, &rule, &["rollback"], "old-rollback");
    let code = back.ended();
    let weights = world.topology.weights(&rule).await;
    println!(
        "the older `rollback` ends with {code:?} at {weights:?}: {}",
        back.words()
    );
    assert!([(90, 10), (100, 0)].contains(&weights), "{weights:?}");
    let divided = world.topology.forward(90, 10);
    world.topology.write(&rule, vec![divided]).await;
    let mut back = Said::start(&world, &new, &rule, &["rollback"], "new-rollback");
    let code = back.ended();
    assert_eq!(code, Some(0), "{}", back.words());
    assert_eq!(world.topology.weights(&rule).await, (100, 0));
}
