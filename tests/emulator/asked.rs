//! The real program asks another process of the same program for controls, through S3.

use std::{fs, process::Child};

use bluegreen::aws::alb::RuleArn;
use serde_json::Value;

use crate::{
    harness::{self, Emulator},
    patience::wait_for,
    program::{World, events, signal, world_behind},
};

const BUCKET: &str = "asked";

/// A controller that has moved traffic.
fn holder(world: &World, journal: &str, rule: &RuleArn, name: &str) -> Child {
    let out = world.folder.path().join(format!("{name}-holder.json"));
    let words = ["migrate", "--steps", "10,50,100"];
    let mut child = world.run_with(journal, rule, &words, &out);
    wait_for(
        || format!("rise of the holder, {name}"),
        || {
            let words = || fs::read_to_string(out.with_extension("err")).unwrap_or_default();
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none(), "{name}: it ended {ended:?}: {}", words());
            let has_moved = |event: &Value| event["event"] == "shifted";
            events(&out).iter().any(has_moved).then_some(())
        },
    );
    child
}

/// Asks, and returns the exit code, the output as data, and the output for people.
fn ask(
    world: &World,
    journal: &str,
    rule: &RuleArn,
    words: &[&str],
) -> (Option<i32>, Option<Value>, String) {
    let out = world.folder.path().join("ask.json");
    let words = [words, &["--journal", journal, "--json"]].concat();
    let mut child = world.bare(rule, &words, &out);
    let ended = wait_for(|| format!("end of {words:?}"), || child.try_wait().unwrap());
    let said = fs::read_to_string(out.with_extension("err")).unwrap();
    (ended.code(), events(&out).into_iter().next(), said)
}

async fn place() -> Option<World> {
    let mut world = world_behind(str::to_owned).await?;
    let s3 = harness::start(Emulator::Moto)?;
    s3.make_bucket(BUCKET);
    s3.config.endpoint_url().unwrap().clone_into(&mut world.s3);
    Some(world)
}

#[tokio::test]
async fn a_run_is_controlled_from_another_process_through_s3() {
    let Some(world) = place().await else {
        return;
    };
    let rule = world.topology.split_rule(940, 100, 0).await;
    let journal = format!("s3://{BUCKET}/lives");
    let (code, said, words) = ask(&world, &journal, &rule, &["abort"]);
    assert_eq!((code, said), (Some(3), None), "{words}");
    assert!(words.contains("no controller holds it"), "{words}");
    let (code, ..) = ask(&world, &journal, &rule, &["leave"]);
    assert_eq!(code, Some(2), "without a reason");

    let mut child = holder(&world, &journal, &rule, "lives");
    for (verb, reply) in [
        (&["pause", "--for", "10m"][..], "applied"),
        (&["pause"], "ignored"),
        (&["continue"], "applied"),
        (&["continue", "--run", "run of last week"], "refused"),
        (&["abort", "--reason", "errors rise"], "applied"),
    ] {
        let (code, said, words) = ask(&world, &journal, &rule, verb);
        let said = said.unwrap_or_else(|| panic!("{verb:?}: {words}"));
        assert_eq!(said["answer"]["reply"], reply, "{verb:?}: {said}");
        let is_done = reply == "applied";
        assert_eq!(
            (code, &said["done"]),
            (Some(if is_done { 0 } else { 3 }), &is_done.into())
        );
        // STS names the caller.
        let who = said["request"]["who"].as_str().unwrap();
        assert!(
            who.contains("arn:aws:sts::") || who.contains("arn:aws:iam::"),
            "{who}"
        );
    }
    let ended = wait_for(
        || "end of the holder".to_owned(),
        || child.try_wait().unwrap(),
    );
    assert_eq!(ended.code(), Some(11));
    assert_eq!(world.topology.weights(&rule).await.1, 0);
    let seen = events(&world.folder.path().join("lives-holder.json"));
    let end = seen.last().unwrap().to_string();
    assert!(
        end.contains("errors rise") && end.contains("arn:aws:"),
        "{end}"
    );
}

/// A request without an answer is reported, with what to do.
#[tokio::test]
async fn a_holder_that_is_stopped_or_dead_does_not_answer_and_that_is_said() {
    let Some(world) = place().await else {
        return;
    };
    let rule = world.topology.split_rule(941, 100, 0).await;
    let journal = format!("s3://{BUCKET}/dead");
    let mut child = holder(&world, &journal, &rule, "dead");
    signal(&child, "-STOP");
    let (code, said, words) = ask(&world, &journal, &rule, &["abort", "--wait", "3s"]);
    assert_eq!(code, Some(3), "{words}");
    assert_eq!(said.unwrap()["answer"], Value::Null);
    assert!(words.contains("no answer within 3 s"), "{words}");
    assert!(words.contains("`rollback`"), "{words}");
    signal(&child, "-KILL");
    child.wait().unwrap();
    let (code, said, words) = ask(&world, &journal, &rule, &["promote"]);
    assert_eq!((code, said), (Some(3), None), "{words}");
    assert!(words.contains("that process has ended"), "{words}");
    assert!(words.contains("`resume`"), "{words}");
    let (_, green) = world.topology.weights(&rule).await;
    assert!(green > 0, "nothing was changed");
}
