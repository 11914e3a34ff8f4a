//! The real program over real HTTP, killed with SIGKILL at a random moment, and resumed.

#![allow(
    clippy::print_stdout,
    reason = "how the runs ended is what this test measures"
)]

use std::{
    fs,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bluegreen::aws::alb::RuleArn;
use serde_json::Value;

use crate::{
    harness::{self, Emulator},
    patience::{sleep, wait_for},
    program::{World, events, terminate, world, world_behind},
    proxy::{
        stale::{Stale, StaleProxy},
        store::{Mood, StoreProxy},
    },
};

/// The number of kills: `BLUEGREEN_KILLS`, or as many as fit into CI.
fn kills() -> usize {
    let given = std::env::var("BLUEGREEN_KILLS").ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(24)
}

/// How many runs are alive at once: they mostly wait. A run that has moved traffic asks once a second, and
/// the emulator could not answer more of them.
const AT_ONCE: usize = 8;

/// A moment of a run, by its own progress, so that it is the same on a busy machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At {
    /// The number of events until this moment.
    pub(crate) events: usize,
    /// The time from that event to this moment.
    pub(crate) later: Duration,
}

impl At {
    /// Returns a moment in the part of a run before it only watches.
    pub(crate) fn of(number: usize) -> Self {
        let random = (number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Self {
            events: usize::try_from(random >> 61).unwrap(),
            later: Duration::from_millis((random >> 49) & 0x1ff),
        }
    }
}

/// When a run is killed.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// At this moment, in any state.
    Anywhere(At),
    /// This long after green got its first requests. A run that ends before that, because its store kept it
    /// out, is started again.
    Moved(Duration),
}

impl Moment {
    fn moved(number: usize) -> Self {
        let random = (number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Self::Moved(Duration::from_millis((random >> 49) & 0x1fff))
    }

    fn is_reached(self, seen: &[Value]) -> bool {
        match self {
            Self::Anywhere(at) => seen.len() >= at.events,
            Self::Moved(_) => seen.iter().any(|event| event["event"] == "shifted"),
        }
    }

    fn later(self) -> Duration {
        match self {
            Self::Anywhere(at) => at.later,
            Self::Moved(later) => later,
        }
    }
}

/// Whether green had requests when a run was killed, by the run's events until then.
fn is_moved(seen: &[Value]) -> bool {
    let last = |names: &[&str]| {
        let is_it = |event: &Value| names.iter().any(|name| event["event"] == *name);
        seen.iter().rposition(is_it)
    };
    let ends = ["rolling_back", "ended", "unresolved"];
    last(&["shifted"]).is_some() && last(&ends).is_none()
}

/// Starts a run, kills it at a moment, resumes it, tells the resumed run to end, and returns its exit code,
/// the last weights that it reported, and its output.
fn killed_and_resumed(
    world: &World,
    journal: &str,
    rule: &RuleArn,
    number: usize,
    moment: Moment,
) -> Ended {
    let out = |name: &str| world.folder.path().join(format!("{number}-{name}.json"));
    let begun = match number % 3 {
        0 => vec!["complete"],
        _ => vec!["migrate", "--steps", "10,50,100"],
    };
    let killed = out("killed");
    for _ in 0..TRIES {
        let mut child = world.run_with(journal, rule, &begun, &killed);
        wait_for(
            || format!("the moment of run {number}"),
            || {
                let is_over = child.try_wait().unwrap().is_some();
                (is_over || moment.is_reached(&events(&killed))).then_some(())
            },
        );
        if matches!(moment, Moment::Anywhere(_)) || moment.is_reached(&events(&killed)) {
            sleep(moment.later());
            // SIGKILL; it changes nothing for a run that has ended already.
            let _ = child.kill();
            child.wait().unwrap();
            break;
        }
    }
    let was_moved = is_moved(&events(&killed));

    let resumed = out("resumed");
    let mut told = false;
    let mut resume = || {
        let mut child = world.run_with(journal, rule, &["resume"], &resumed);
        wait_for(
            || format!("end of the resumed run {number}"),
            || {
                // A run that watches has continued, which is enough.
                let looks =
                    |event: &Value| event["event"] == "looked" && event["phase"] != "confirm";
                let seen = events(&resumed);
                let since = seen.iter().position(|event| event["event"] == "resumed");
                if !told && since.is_some_and(|since| seen[since..].iter().any(looks)) {
                    told = true;
                    terminate(&child);
                }
                child.try_wait().unwrap()
            },
        )
    };
    let mut status = resume();
    // If the store fails while the lease is taken, the run does not begin, and is started again.
    for _ in 0..TRIES {
        let is_kept_out = status.code() == Some(3) && words(&resumed).contains("in journal");
        if !is_kept_out {
            break;
        }
        status = resume();
    }
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
        words: words(&resumed),
        was_told: told,
        was_moved,
    }
}

/// The most tries for which the store refuses writes.
const TRIES: u32 = 20;

fn words(out: &Path) -> String {
    fs::read_to_string(out.with_extension("err")).unwrap_or_default()
}

struct Ended {
    code: Option<i32>,
    reported: Option<(i32, i32)>,
    words: String,
    was_told: bool,
    was_moved: bool,
}

#[tokio::test]
async fn p05_p11_killed_over_real_http_and_resumed_no_run_ends_in_an_unknown_place() {
    let Some(world) = world().await else {
        return;
    };
    let journal = world.folder.path().to_str().unwrap().to_owned();
    // Half of the kills come before a run only watches, half while traffic is divided.
    let moment = |number| match number % 2 {
        0 => Moment::Anywhere(At::of(number / 2)),
        _ => Moment::moved(number),
    };
    ends_are_known(&world, &journal, kills(), moment).await;
}

/// Reads of the rule are late, and again and again the store refuses or hangs writes for a while.
#[tokio::test]
async fn p05_p11_killed_where_reads_are_late_and_appends_fail_no_run_ends_in_an_unknown_place() {
    ends_are_known_where(Stale::ForTime(Duration::from_millis(700)), "killed-late").await;
}

/// The same with reads that go back once to an older state.
#[tokio::test]
async fn p05_p11_killed_where_reads_go_back_and_appends_fail_no_run_ends_in_an_unknown_place() {
    ends_are_known_where(Stale::OnceAfter(Duration::from_secs(1)), "killed-back").await;
}

async fn ends_are_known_where(stale: Stale, bucket: &str) {
    let behind = |upstream: &str| {
        let proxy = StaleProxy::before(upstream);
        proxy.lag("DescribeRules", stale);
        proxy.url().to_owned()
    };
    let Some(mut world) = world_behind(behind).await else {
        return;
    };
    let Some(s3) = harness::start(Emulator::Moto) else {
        return;
    };
    s3.make_bucket(bucket);
    let store = StoreProxy::before(s3.config.endpoint_url().unwrap());
    store.url().clone_into(&mut world.s3);
    let is_over = Arc::new(AtomicBool::new(false));
    let moods = {
        let is_over = Arc::clone(&is_over);
        std::thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                for (mood, millis) in [
                    (Mood::Slow(Duration::ZERO), 7_000),
                    (Mood::RefusesPuts(503, "SlowDown"), 1_000),
                    (Mood::Slow(Duration::from_millis(90)), 7_000),
                    (Mood::HangsPuts, 1_500),
                ] {
                    store.set(mood);
                    sleep(Duration::from_millis(millis));
                }
            }
        })
    };
    let count = kills() / 6;
    let moved = ends_are_known(&world, &format!("s3://{bucket}"), count, Moment::moved).await;
    assert!(
        moved * 3 >= count * 2,
        "green had requests at {moved} of {count} kills only"
    );
    is_over.store(true, Ordering::Relaxed);
    moods.join().unwrap();
}

/// Kills `count` runs, resumes each, and compares its end with the live rule. Returns the number of kills at
/// which green had requests.
async fn ends_are_known(
    world: &World,
    journal: &str,
    count: usize,
    moment: impl Fn(usize) -> Moment + Sync,
) -> usize {
    let mut rules = Vec::new();
    for number in 0..count {
        let priority = 1000 + i32::try_from(number).unwrap();
        rules.push(world.topology.split_rule(priority, 100, 0).await);
    }
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
                    let at = moment(number);
                    let ended = killed_and_resumed(world, journal, &rules[number], number, at);
                    ends.lock().unwrap().push((number, at, ended));
                }
            });
        }
    });
    let mut codes = std::collections::BTreeMap::<i32, usize>::new();
    let (mut gone_on, mut moved) = (0, 0);
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
        moved += usize::from(ended.was_moved);
    }
    println!(
        "{count} kills over real HTTP, {moved} of them while green had requests; ends by code: {codes:?}; \
         {gone_on} continued to watch"
    );
    assert!(
        gone_on > count / 5,
        "{codes:?}: the kills come too early or too late"
    );
    moved
}
