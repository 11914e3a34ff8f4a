//! The real program over real HTTP, killed with SIGKILL at a random moment, and resumed.

#![allow(
    clippy::print_stdout,
    reason = "how the runs ended is what this test measures"
)]

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bluegreen::aws::alb::RuleArn;
use serde_json::Value;

use crate::{
    harness::{self, Emulator, Endpoint, REGION},
    proxy,
    topology::Topology,
};

/// How many kills: `BLUEGREEN_KILLS`, or what fits into CI.
fn kills() -> usize {
    let given = std::env::var("BLUEGREEN_KILLS").ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(60)
}

/// So many at once: they mostly wait.
const AT_ONCE: usize = 20;

/// The program, built where it is not there yet.
fn program() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let program = own
        .ancestors()
        .nth(2)
        .unwrap()
        .join("examples/traffic_router");
    if !program.exists() {
        let built = Command::new(env!("CARGO"))
            .args([
                "build",
                "--quiet",
                "--locked",
                "--example",
                "traffic_router",
            ])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status();
        assert!(built.unwrap().success());
    }
    program
}

struct World {
    topology: Topology,
    /// Where the program finds load balancer and metrics.
    elb: String,
    cloudwatch: String,
    program: PathBuf,
    folder: tempfile::TempDir,
    _metrics: Endpoint,
}

impl World {
    fn run(&self, rule: &RuleArn, words: &[&str], out: &Path) -> Child {
        let journal = self.folder.path().to_str().unwrap();
        self.run_with(journal, rule, words, out)
    }

    fn run_with(&self, journal: &str, rule: &RuleArn, words: &[&str], out: &Path) -> Child {
        let mut command = Command::new(&self.program);
        command
            .args(words)
            .args(["--aws", "--json", "--single-host", "--judge", "limits"])
            .args(["--look-every", "1s", "--accept", "shared-targets"])
            .args(["--rule-arn", rule.as_str()])
            .args(["--blue-target-group", self.topology.blue.as_str()])
            .args(["--green-target-group", self.topology.green.as_str()])
            .args(["--journal", journal])
            .env("AWS_ENDPOINT_URL", &self.elb)
            // Nobody listens there.
            .env("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
            .env("AWS_ENDPOINT_URL_CLOUDWATCH", &self.cloudwatch)
            .env("AWS_REGION", REGION)
            .env("AWS_ACCESS_KEY_ID", "testing")
            .env("AWS_SECRET_ACCESS_KEY", "testing")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env_remove("AWS_PROFILE")
            .stdin(Stdio::null())
            .stdout(File::create(out).unwrap())
            .stderr(File::create(out.with_extension("err")).unwrap());
        command.spawn().unwrap()
    }
}

/// What a run has said so far.
fn events(out: &Path) -> Vec<Value> {
    let text = fs::read_to_string(out).unwrap_or_default();
    // A line that is still being written is no event yet.
    text.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a real process runs in real time"
)]
fn sleep(time: Duration) {
    std::thread::sleep(time);
}

#[expect(
    clippy::disallowed_methods,
    reason = "a real process runs in real time"
)]
fn now() -> Instant {
    Instant::now()
}

/// Starts a run, kills it after `after`, resumes it, tells that one to end, and gives its code, the
/// last weights that it reported, and what was said.
fn killed_and_resumed(world: &World, rule: &RuleArn, number: usize, after: Duration) -> Ended {
    let out = |name: &str| world.folder.path().join(format!("{number}-{name}.json"));
    let begun = match number % 3 {
        0 => vec!["complete"],
        _ => vec!["migrate", "--steps", "10,50,100"],
    };
    let mut child = world.run(rule, &begun, &out("killed"));
    sleep(after);
    // SIGKILL; a run that has ended already is none the worse for it.
    let _ = child.kill();
    child.wait().unwrap();

    let resumed = out("resumed");
    let mut child = world.run(rule, &["resume"], &resumed);
    let begun = now();
    let mut told = false;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(240),
            "it does not end"
        );
        // Once it watches, it has gone on; that is enough.
        let looks = |event: &Value| event["event"] == "looked" && event["phase"] != "confirm";
        let seen = events(&resumed);
        let since = seen.iter().position(|event| event["event"] == "resumed");
        if !told && since.is_some_and(|since| seen[since..].iter().any(looks)) {
            told = true;
            terminate(&child);
        }
        sleep(Duration::from_millis(50));
    };
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

/// SIGTERM, as the surroundings send it.
fn terminate(child: &Child) {
    let sent = Command::new("kill").arg(child.id().to_string()).status();
    assert!(sent.unwrap().success());
}

/// A world for the program. The proxy breaks connections.
async fn world() -> Option<World> {
    let topology = Topology::new().await?;
    let metrics = harness::start(Emulator::Ministack)?;
    let url = |config: &aws_config::SdkConfig| config.endpoint_url().unwrap().to_owned();
    Some(World {
        elb: proxy::before(&url(&topology.endpoint.config)),
        cloudwatch: url(&metrics.config),
        topology,
        program: program(),
        folder: tempfile::tempdir().unwrap(),
        _metrics: metrics,
    })
}

/// Puts everything back on blue and waits for its end, but not for the minutes that confirm it.
/// Gives what it said to people.
async fn rolled_back(world: &World, name: &str, journal: &str, rule: &RuleArn) -> String {
    world
        .topology
        .write(rule, vec![world.topology.forward(50, 50)])
        .await;
    let out = world.folder.path().join(format!("{name}.json"));
    let mut child = world.run_with(journal, rule, &["rollback"], &out);
    let begun = now();
    let ended = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        assert!(begun.elapsed() < Duration::from_secs(240), "{name}");
        if events(&out)
            .iter()
            .any(|event| event["event"] == "restored")
        {
            terminate(&child);
        }
        sleep(Duration::from_millis(50));
    };
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
                    // Anywhere in what a run does before it settles down to watch.
                    let spread = (number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 52;
                    let after = Duration::from_millis(100 + spread);
                    let ended = killed_and_resumed(&world, &rules[number], number, after);
                    ends.lock().unwrap().push((number, after, ended));
                }
            });
        }
    });
    let mut codes = std::collections::BTreeMap::<i32, usize>::new();
    let mut gone_on = 0;
    for (number, after, ended) in ends.into_inner().unwrap() {
        let live = world.topology.weights(&rules[number]).await;
        let told = format!(
            "kill {number} after {after:?}: {:?}\n{}",
            ended.code, ended.words
        );
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
