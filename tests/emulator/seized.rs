//! A rollback beside the controller of the same rule, in any state of the controller and of the store.

#![allow(
    clippy::print_stdout,
    reason = "how soon blue was written is what these tests measure"
)]

use std::{
    fs,
    process::Child,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use bluegreen::aws::alb::RuleArn;
use serde_json::Value;

use crate::{
    harness::{self, Emulator},
    killed::At,
    patience::{sleep, wait_for},
    program::{World, events, signal, terminate, world, world_behind},
    proxy::{
        stale::{Hang, StaleProxy},
        store::{Mood, StoreProxy},
    },
};

const MIGRATE: [&str; 3] = ["migrate", "--steps", "10,50,100"];

/// A controller that has moved traffic.
fn holder(world: &World, journal: &str, rule: &RuleArn, name: &str) -> Child {
    let out = world.folder.path().join(format!("{name}-holder.json"));
    let mut child = world.run_with(journal, rule, &MIGRATE, &out);
    wait_for(
        || format!("rise of the holder, {name}"),
        || {
            let ended = child.try_wait().unwrap();
            let words = || fs::read_to_string(out.with_extension("err")).unwrap_or_default();
            assert!(ended.is_none(), "{name}: it ended {ended:?}: {}", words());
            let has_moved = |event: &Value| event["event"] == "shifted";
            events(&out).iter().any(has_moved).then_some(())
        },
    );
    child
}

/// Runs only `rollback`, to its end: blue has everything.
async fn rollback(world: &World, journal: &str, rule: &RuleArn, name: &str) -> String {
    let out = world.folder.path().join(format!("{name}-rollback.json"));
    let mut child = world.run_with(journal, rule, &["rollback"], &out);
    let ended = wait_for(
        || format!("end of the rollback, {name}"),
        || child.try_wait().unwrap(),
    );
    let words = fs::read_to_string(out.with_extension("err")).unwrap();
    assert_eq!(ended.code(), Some(0), "{name}: {words}");
    assert_eq!(world.topology.weights(rule).await.1, 0, "{name}: {words}");
    let seen = events(&out);
    let restored = seen.iter().find(|event| event["event"] == "restored");
    let after = restored.map(|event| event["elapsed"].clone());
    println!("{name}: blue was read back after {after:?}");
    words
}

/// Waits for the end of a controller that lost its lease, and checks that blue has everything.
async fn gives_way(world: &World, rule: &RuleArn, mut child: Child, name: &str) {
    terminate(&child);
    let ended = wait_for(
        || format!("end of the holder, {name}"),
        || child.try_wait().unwrap(),
    );
    assert!(
        matches!(ended.code(), Some(11 | 12 | 20)),
        "{name}: {ended}"
    );
    assert_eq!(world.topology.weights(rule).await.1, 0, "{name}");
}

/// The holder is asked, and restores by itself, so it also puts back its capacity and its switch.
#[tokio::test]
async fn p06_a_holder_that_lives_is_asked_and_restores() {
    let Some(world) = world().await else {
        return;
    };
    let rule = world.topology.split_rule(920, 100, 0).await;
    let journals = world.folder.path().join("journals");
    let journal = journals.to_str().unwrap();
    let child = holder(&world, journal, &rule, "alive");
    let words = rollback(&world, journal, &rule, "alive").await;
    // On a machine too busy for an answer in time, the rollback takes the lease.
    let is_asked = words.contains("was asked, and restores");
    assert!(
        is_asked || words.contains("the lease was taken from"),
        "{words}"
    );
    println!("asked: {is_asked}");
    gives_way(&world, &rule, child, "alive").await;
}

#[tokio::test]
async fn p06_a_holder_that_was_stopped_raises_nothing_when_it_continues() {
    let Some(world) = world().await else {
        return;
    };
    let rule = world.topology.split_rule(921, 100, 0).await;
    let journals = world.folder.path().join("journals");
    let journal = journals.to_str().unwrap();
    let child = holder(&world, journal, &rule, "stopped");
    signal(&child, "-STOP");
    let words = rollback(&world, journal, &rule, "stopped").await;
    assert!(words.contains("the lease was taken from"), "{words}");
    signal(&child, "-CONT");
    gives_way(&world, &rule, child, "stopped").await;
}

/// A rise of the holder lands seconds after blue was written.
#[tokio::test]
async fn p06_a_rise_that_lands_late_is_written_over() {
    let mut late = None;
    let behind = |upstream: &str| {
        let proxy = StaleProxy::before(upstream);
        proxy.hang("ModifyRule", 1, Hang::Late(Duration::from_secs(8)));
        let url = proxy.url().to_owned();
        late = Some(proxy);
        url
    };
    let Some(world) = world_behind(behind).await else {
        return;
    };
    let proxy = late.expect("it was asked for");
    let rule = world.topology.split_rule(922, 100, 0).await;
    let journals = world.folder.path().join("journals");
    let journal = journals.to_str().unwrap();
    let out = world.folder.path().join("late-holder.json");
    let child = world.run_with(journal, &rule, &MIGRATE, &out);
    wait_for(
        || "request of the rise".to_owned(),
        || (proxy.requests("ModifyRule") > 0).then_some(()),
    );
    rollback(&world, journal, &rule, "late").await;
    // The rise, blue, and blue again; on a machine so busy that the rise lands first, blue once.
    let writes = proxy.requests("ModifyRule");
    println!("{writes} writes of the rule");
    assert!(writes >= 2);
    gives_way(&world, &rule, child, "late").await;
}

/// Reads of the journal work but appends do not, or nothing works: blue is still restored, by the rollback,
/// and by the holder that cannot write.
#[tokio::test]
async fn p06_a_store_that_takes_nothing_does_not_stand_in_the_way() {
    let Some(mut world) = world().await else {
        return;
    };
    let Some(s3) = harness::start(Emulator::Moto) else {
        return;
    };
    s3.make_bucket("seized");
    let moods = [
        ("denied", Mood::RefusesPuts(403, "AccessDenied")),
        ("busy", Mood::RefusesPuts(503, "SlowDown")),
        ("expired", Mood::RefusesPuts(400, "ExpiredToken")),
        ("hanging", Mood::HangsPuts),
        ("down", Mood::Down),
    ];
    for (priority, (name, mood)) in (930..).zip(moods) {
        let store = StoreProxy::before(s3.config.endpoint_url().unwrap());
        store.url().clone_into(&mut world.s3);
        let rule = world.topology.split_rule(priority, 100, 0).await;
        let journal = format!("s3://seized/{name}");
        let mut child = holder(&world, &journal, &rule, name);
        // The holder dies, but its lease expires only a minute later.
        child.kill().unwrap();
        child.wait().unwrap();
        store.set(mood);
        let words = rollback(&world, &journal, &rule, name).await;
        assert!(words.contains("without the journal"), "{name}: {words}");
    }
}

/// A live holder that cannot reach its store restores blue itself, or the rollback does.
#[tokio::test]
async fn p06_a_holder_that_is_cut_off_from_its_store_raises_nothing_more() {
    let Some(mut world) = world().await else {
        return;
    };
    let Some(s3) = harness::start(Emulator::Moto) else {
        return;
    };
    s3.make_bucket("cut-off");
    for (priority, (name, mood)) in (940..).zip([("cut", Mood::Down), ("mute", Mood::HangsPuts)]) {
        let store = StoreProxy::before(s3.config.endpoint_url().unwrap());
        store.url().clone_into(&mut world.s3);
        let rule = world.topology.split_rule(priority, 100, 0).await;
        let journal = format!("s3://cut-off/{name}");
        let mut child = holder(&world, &journal, &rule, name);
        store.set(mood);
        let words = rollback(&world, &journal, &rule, name).await;
        assert!(words.contains("without the journal"), "{name}: {words}");
        let ended = wait_for(
            || format!("end of the holder, {name}"),
            || child.try_wait().unwrap(),
        );
        let is_back = matches!(ended.code(), Some(10 | 12 | 20));
        assert!(is_back, "{name}: {ended}");
        assert_eq!(world.topology.weights(&rule).await.1, 0, "{name}");
    }
}

/// The number of moments: `BLUEGREEN_SEIZURES`, or as many as fit into CI.
fn seizures() -> usize {
    let given = std::env::var("BLUEGREEN_SEIZURES").ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(8)
}

/// How many run at once: they mostly wait.
const AT_ONCE: usize = 20;

/// One moment: a migration as far as `at`, and a rollback beside it. Returns how both ended.
fn seized(world: &World, rule: &RuleArn, number: usize, at: At) -> (Option<i32>, Option<i32>) {
    let out = |name: &str| world.folder.path().join(format!("{number}-{name}.json"));
    let held = out("held");
    let mut holder = world.run(rule, &MIGRATE, &held);
    wait_for(
        || format!("{} events of run {number}", at.events),
        || {
            let is_over = holder.try_wait().unwrap().is_some();
            (is_over || events(&held).len() >= at.events).then_some(())
        },
    );
    sleep(at.later);
    let end = |child: &mut Child, name: &str| {
        let what = || format!("end of the {name} of run {number}");
        wait_for(what, || child.try_wait().unwrap()).code()
    };
    let mut rollback = world.run(rule, &["rollback"], &out("rollback"));
    let restored = end(&mut rollback, "rollback");
    terminate(&holder);
    (end(&mut holder, "holder"), restored)
}

#[tokio::test]
async fn p06_at_any_moment_a_rollback_ends_on_blue_and_blue_stays() {
    let Some(world) = world_behind(str::to_owned).await else {
        return;
    };
    let count = seizures();
    let mut rules = Vec::new();
    for number in 0..count {
        let priority = 5000 + i32::try_from(number).unwrap();
        rules.push(world.topology.split_rule(priority, 100, 0).await);
    }
    let next = AtomicUsize::new(0);
    let ends = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(count) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        break;
                    }
                    let ended = seized(&world, &rules[number], number, At::of(number));
                    ends.lock().unwrap().push((number, ended));
                }
            });
        }
    });
    let mut codes = std::collections::BTreeMap::<_, usize>::new();
    for (number, (held, restored)) in ends.into_inner().unwrap() {
        let live = world.topology.weights(&rules[number]).await;
        let place = format!(
            "run {number}, {:?}: {held:?} and {restored:?}",
            At::of(number)
        );
        assert_eq!(restored, Some(0), "{place}");
        assert_eq!(live.1, 0, "P6: {place}");
        assert!(matches!(held, Some(3 | 11 | 12 | 20)), "{place}");
        *codes.entry(held).or_default() += 1;
    }
    println!("{count} rollbacks beside a controller: blue in all; its ends: {codes:?}");
}
