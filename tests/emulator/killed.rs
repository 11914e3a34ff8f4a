//! The real program over real HTTP, killed with SIGKILL at a random moment, and resumed.

#![allow(
    clippy::print_stdout,
    reason = "how the runs ended is what this test measures"
)]

use std::{
    fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bluegreen::aws::alb::RuleArn;
use serde_json::Value;

use crate::{
    patience::{sleep, wait_for},
    program::{World, events, terminate, world},
};

/// How many kills: `BLUEGREEN_KILLS`, or what fits into CI.
fn kills() -> usize {
    let given = std::env::var("BLUEGREEN_KILLS").ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(60)
}

/// So many at once: they mostly wait.
const AT_ONCE: usize = 20;

/// A moment of a run, by its own progress, so that it is the same on a busy machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At {
    /// So many events were told.
    pub(crate) events: usize,
    /// Then as long again.
    pub(crate) later: Duration,
}

impl At {
    /// Anywhere in what a run does before it settles down to watch.
    pub(crate) fn of(number: usize) -> Self {
        let random = (number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Self {
            events: usize::try_from(random >> 61).unwrap(),
            later: Duration::from_millis((random >> 49) & 0x1ff),
        }
    }
}

/// Starts a run, kills it at `at`, resumes it, tells that one to end, and gives its code, the last
/// weights that it reported, and what was said.
fn killed_and_resumed(world: &World, rule: &RuleArn, number: usize, at: At) -> Ended {
    let out = |name: &str| world.folder.path().join(format!("{number}-{name}.json"));
    let begun = match number % 3 {
        0 => vec!["complete"],
        _ => vec!["migrate", "--steps", "10,50,100"],
    };
    let killed = out("killed");
    let mut child = world.run(rule, &begun, &killed);
    wait_for(
        || format!("{} events of run {number}", at.events),
        || {
            let is_over = child.try_wait().unwrap().is_some();
            (is_over || events(&killed).len() >= at.events).then_some(())
        },
    );
    sleep(at.later);
    // SIGKILL; a run that has ended already is none the worse for it.
    let _ = child.kill();
    child.wait().unwrap();

    let resumed = out("resumed");
    let mut child = world.run(rule, &["resume"], &resumed);
    let mut told = false;
    let status = wait_for(
        || format!("end of the resumed run {number}"),
        || {
            // Once it watches, it has gone on; that is enough.
            let looks = |event: &Value| event["event"] == "looked" && event["phase"] != "confirm";
            let seen = events(&resumed);
            let since = seen.iter().position(|event| event["event"] == "resumed");
            if !told && since.is_some_and(|since| seen[since..].iter().any(looks)) {
                told = true;
                terminate(&child);
            }
            child.try_wait().unwrap()
        },
    );
    let seen = events(&resumed);
    let reported = seen.iter().rev().find_map(|event| {
        let report = [&event["outcome"]["report"], &event["unresolved"]["report"]];
        let weights = report
            .into_iter()
            .map(|report| &report["traffic"]["weights"]);
        let weights = weights.into_iter().find(|weights| weights.is_object())?;
        let weight = |side: &str| i32::try_from(weights[side].as_i64()?).ok();
        Some((weight("blue")?, weight("green")?))
    });
    Ended {
        code: status.code(),
        reported,
        words: fs::read_to_string(resumed.with_extension("err")).unwrap_or_default(),
        was_told: told,
    }
}

struct Ended {
    code: Option<i32>,
    reported: Option<(i32, i32)>,
    words: String,
    was_told: bool,
}

#[tokio::test]
async fn p05_p11_killed_over_real_http_and_resumed_no_run_ends_in_an_unknown_place() {
    let Some(world) = world().await else {
        return;
    };
    let count = kills();
    let mut rules = Vec::new();
    for number in 0..count {
        let priority = 1000 + i32::try_from(number).unwrap();
        rules.push(world.topology.split_rule(priority, 100, 0).await);
    }
    let world = Arc::new(world);
    let next = AtomicUsize::new(0);
    let ends = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(count) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        break;
                    }
                    let at = At::of(number);
                    let ended = killed_and_resumed(&world, &rules[number], number, at);
                    ends.lock().unwrap().push((number, at, ended));
                }
            });
        }
    });
    let mut codes = std::collections::BTreeMap::<i32, usize>::new();
    let mut gone_on = 0;
    for (number, at, ended) in ends.into_inner().unwrap() {
        let live = world.topology.weights(&rules[number]).await;
        let told = format!("kill {number} at {at:?}: {:?}\n{}", ended.code, ended.words);
        let code = ended.code.expect("it ended by itself");
        assert!([0, 3, 10, 11, 12].contains(&code), "{told}");
        assert!(live.1 == 0 || live.0 == 0 || code == 12, "{live:?}: {told}");
        if let Some(reported) = ended.reported {
            assert_eq!(reported, live, "P4: {told}");
        }
        if std::env::var_os("BLUEGREEN_KILLS").is_some() {
            println!("{told}");
        }
        *codes.entry(code).or_default() += 1;
        gone_on += usize::from(ended.was_told);
    }
    println!("{count} kills over real HTTP, ends by code: {codes:?}; {gone_on} went on watching");
    assert!(
        gone_on > count / 5,
        "{codes:?}: the kills come too early or too late"
    );
}
