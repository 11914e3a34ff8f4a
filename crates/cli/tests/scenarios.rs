//! Every scenario under the library's defaults, by the command and under the example: the same ends at the same
//! times.

#![expect(clippy::unwrap_used, reason = "all of it is test code")]

mod common;

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
};

use bluegreen::{aws::sim::Scenario, store::JournalStore};

use crate::common::{bluegreen, ended};

/// Exit code, and the seconds of virtual time at the last event.
type End = (u8, Option<u64>);

async fn by_library(scenario: Scenario) -> End {
    let simulation = scenario.simulation(1);
    let (aws, spec) = (simulation.aws(), simulation.spec());
    let run = spec.start(&aws, &JournalStore::memory(), "ann").await;
    let run = match run {
        Ok(run) => run,
        Err(error) => return (error.exit_code(), None),
    };
    let last = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&last);
    let ended = run
        .with(|migration| {
            migration.on_event(move |event| *seen.lock().unwrap() = Some(event.elapsed.as_secs()))
        })
        .run()
        .await;
    let code = match ended {
        Ok(outcome) => outcome.exit_code(),
        Err(error) => error.exit_code(),
    };
    let last = *last.lock().unwrap();
    (code, last)
}

fn by_command(scenario: Scenario) -> End {
    let run = ended(&mut bluegreen(&[
        "migrate",
        "--sim",
        scenario.name(),
        "--speed",
        "max",
        "--json",
    ]));
    let code = u8::try_from(run.code.unwrap()).unwrap();
    let text = run.out;
    let last = text.lines().last().map(|line| {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        seconds(&event["elapsed"])
    });
    (code, last)
}

/// The example that a newcomer runs first. Cargo builds it with the tests of the whole workspace.
fn example() -> PathBuf {
    let command = Path::new(env!("CARGO_BIN_EXE_bluegreen"));
    let program = command.with_file_name("examples").join("traffic_router");
    if !program.exists() {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--locked", "--workspace"]);
        let built = build.args(["--example", "traffic_router"]).status();
        assert!(built.unwrap().success());
    }
    program
}

fn by_example(program: &Path, scenario: Scenario) -> End {
    let mut command = Command::new(program);
    let run = command.args([scenario.name(), "max"]).stdin(Stdio::null());
    let output = run.output().unwrap();
    let code = u8::try_from(output.status.code().unwrap()).unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let time = |line: &str| -> Option<u64> {
        let since = line.split_whitespace().next()?.strip_prefix('+')?;
        let since: jiff::SignedDuration = since.parse().ok()?;
        u64::try_from(since.as_secs()).ok()
    };
    let timed: Vec<&str> = text.lines().filter(|line| time(line).is_some()).collect();
    // How it ended is as long as it is.
    let (last, before) = timed.split_last().unwrap_or((&"", &[]));
    for line in before {
        assert!(line.chars().count() <= 80, "{}: {line}", scenario.name());
    }
    (code, time(last))
}

/// Whole seconds of a span of time in JSON.
fn seconds(elapsed: &serde_json::Value) -> u64 {
    let text = elapsed.as_str().unwrap();
    let span: jiff::SignedDuration = text.parse().unwrap();
    u64::try_from(span.as_secs()).unwrap()
}

#[test]
fn each_scenario_ends_alike_and_at_the_same_time_by_library_by_command_and_by_example() {
    let program = example();
    // If both sides serve, the library asks which side served before; the command knows it in its own worlds.
    let is_clear = |scenario: &Scenario| *scenario != Scenario::Divided;
    for scenario in Scenario::ALL.into_iter().filter(is_clear) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        let ends = [
            runtime.block_on(by_library(scenario)),
            by_command(scenario),
            by_example(&program, scenario),
        ];
        let expected = [scenario.expected_exit(); 3];
        assert_eq!(ends.map(|(code, _)| code), expected, "{}", scenario.name());
        // A run refused before its start has no time, or the time of its refusal: no time has passed.
        let [library, command, example] = ends.map(|(_, at)| at.unwrap_or_default());
        assert_eq!(library, command, "{}", scenario.name());
        assert_eq!(library, example, "{}", scenario.name());
    }
}
