//! The command's output, word for word: help, errors, and each verb as text and as JSON.
//!
//! `UPDATE_EXPECT=1 cargo test --workspace --test snapshots` rewrites the files; read the changes.

#![expect(clippy::unwrap_used, reason = "all of it is test code")]

mod common;

use std::{fs, path::Path};

use expect_test::expect_file;
use serde_json::Value;

use crate::common::{VERBS, bluegreen, ended};

/// A file with twenty mistakes of many kinds.
const WRONG: &str = r#"name = ""
account = "12"
region = 3
jurnal = "s3://b/p"
[traffic]
rules = ["arn:aws:nowhere"]
stickiness = true
[side.flask]
target_group = "a b"
service = "shop"
namespace = ""
[side.fastapi]
target_grup = "fastapi"
[plan]
steps = ["0%", "10", 120]
bake = 3
deadline = "soon"
look_intervall = "15s"
capacity_ratio = "much"
on_cancel = "stop"
[judge]
by = "luck"
max_error_rate = "5 percent"
max_latency = 3
alarms = "chatbot-5xx"
[safety]
accept = ["everything"]
dead_man = { after = "ten" }
"#;

/// The command's output in a folder of its own, without the differences between machines.
fn said(folder: &Path, words: &[&str]) -> String {
    let run = ended(bluegreen(words).current_dir(folder));
    let mut said = format!("$ bluegreen {}\n", words.join(" "));
    for (name, text) in [("stdout", run.out), ("stderr", run.err)] {
        if !text.is_empty() {
            said.push_str(&format!("--- {name}\n{text}"));
            if !text.ends_with('\n') {
                said.push('\n');
            }
        }
    }
    said.push_str(&format!("--- exit code {}\n", run.code.unwrap()));
    said
}

/// A scratch folder with a good file and a wrong one.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("wrong.toml"), WRONG).unwrap();
    let good = include_str!("../data/migration.toml");
    fs::write(folder.path().join("good.toml"), good).unwrap();
    folder
}

fn all(cases: &[&[&str]]) -> String {
    let folder = folder();
    let said = cases.iter().map(|words| said(folder.path(), words));
    said.collect::<Vec<_>>().join("\n")
}

#[test]
fn help() {
    let folder = folder();
    let mut text = said(folder.path(), &["--help"]);
    for verb in VERBS {
        text.push('\n');
        text.push_str(&said(folder.path(), &[verb, "--help"]));
    }
    expect_file!["snapshots/help.txt"].assert_eq(&text);
}

#[test]
fn errors() {
    let text = all(&[
        &["migrat"],
        &["plan"],
        &["migrate", "--sim", "sunshine"],
        &["migrate", "--sim", "--steps", "90,10", "--bake", "soon"],
        &["migrate", "--sim", "--set", "plan.bakes=3m"],
        &["migrate", "--sim", "--to", "django"],
        &["migrate", "--sim", "--accept", "everything"],
        &["migrate", "--sim", "--speed", "fast"],
        &["resume", "--steps", "10,100"],
        &["rollback", "--rule-arn", "arn:aws:nowhere"],
        &["pause"],
        &["pause", "--for", "soon", "--journal", "."],
        &["leave", "--journal", "."],
        &["abort", "chatbot", "--journal", "."],
        &["status", "--all"],
        &["monitor", "--sim", "sunshine"],
        &["check"],
        &["init", "--sim", "sunshine"],
        &["lint", "absent.toml"],
        &["judge"],
        &["judge", "--deployment", "arn:aws:ecs", "--accept", "luck"],
        &["migrate", "--sim", "native", "--speed", "max"],
    ]);
    expect_file!["snapshots/errors.txt"].assert_eq(&text);
}

#[test]
fn a_file_with_twenty_mistakes() {
    let text = all(&[
        &["lint", "wrong.toml"],
        &["lint", "--json", "wrong.toml"],
        &["lint", "good.toml"],
        &["migrate", "-f", "wrong.toml"],
    ]);
    let told = text
        .lines()
        .filter(|line| line.starts_with("error: wrong.toml:"));
    assert!(told.count() >= 2 * 20);
    expect_file!["snapshots/lint.txt"].assert_eq(&text);
}

#[test]
fn verbs_for_people() {
    let text = all(&[
        &["plan", "--sim"],
        &["plan", "--sim", "low-traffic"],
        &["plan", "--sim", "--calibrate", "1"],
        &["diff", "--sim"],
        &["status", "--sim", "divided"],
        &["migrate", "--sim", "early-errors", "--speed", "max"],
        &[
            "migrate", "--sim", "divided", "--advise", "--judge", "limits", "--speed", "max",
        ],
        &["rollback", "--sim", "divided", "--speed", "max"],
        &["migrate", "--sim", "list"],
        &["init", "--sim", "--output", "new.toml"],
        &["judge", "--sim", "list"],
        &["judge", "--sim", "errors-at-step", "--speed", "max"],
        &["init", "--sim", "native", "--output", "native.toml"],
        &["plan", "-f", "native.toml"],
    ]);
    expect_file!["snapshots/people.txt"].assert_eq(&text);
}

/// A line without the fields that parts of a millisecond change.
fn without_times(line: &str) -> String {
    let Ok(mut event) = serde_json::from_str::<Value>(line) else {
        return line.to_owned();
    };
    if let Value::Object(event) = &mut event {
        for field in ["run", "elapsed"] {
            event.remove(field);
        }
    }
    forget_times(&mut event);
    event.to_string()
}

fn forget_times(value: &mut Value) {
    match value {
        Value::String(text) if text.parse::<jiff::Timestamp>().is_ok() => "TIME".clone_into(text),
        Value::Array(items) => items.iter_mut().for_each(forget_times),
        Value::Object(fields) => fields.values_mut().for_each(forget_times),
        _ => {}
    }
}

#[test]
fn verbs_as_json() {
    let text = all(&[
        &["plan", "--sim", "--json"],
        &["diff", "--sim", "--json"],
        &["status", "--sim", "divided", "--json"],
        &["rollback", "--sim", "divided", "--speed", "max", "--json"],
    ]);
    let text: Vec<String> = text.lines().map(without_times).collect();
    let text = text.join("\n") + "\n";
    expect_file!["snapshots/json.txt"].assert_eq(&text);
}
