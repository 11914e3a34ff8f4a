//! `bluegreen deploy`, `prepare` and `lint` with a file, as a new user meets them.

#![expect(clippy::unwrap_used, reason = "all of it is test code")]

mod common;

use std::{fs, path::Path};

use crate::common::{bluegreen, ended};

const TASK: &str = include_str!("../data/deploy/task-definition.json");
const CHECKS: &str = include_str!("../data/deploy/checks.toml");

const FILE: &str = r#"name = "chatbot"
[traffic]
rules = ["arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/chatbot/50dc6c495c0c9188/f2f7dc8efc522ab2"]
[side.flask]
target_group = "chatbot-flask-tg"
[side.fastapi]
target_group = "chatbot-fastapi-tg"
service = "chatbot-cluster/chatbot-fastapi"
[side.fastapi.deployment]
repository = "chatbot-fastapi"
task_definition = "task.json"
checks = "checks.toml"
"#;

#[track_caller]
fn ends(folder: &Path, code: i32, words: &[&str]) -> (String, String) {
    let run = ended(bluegreen(words).current_dir(folder));
    assert_eq!(run.code, Some(code), "{words:?}\n{}", run.said());
    (run.out, run.err)
}

/// A folder with the file and every file that it names.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("bluegreen.toml", FILE),
        ("task.json", TASK),
        ("checks.toml", CHECKS),
        ("Dockerfile", "FROM scratch\n"),
    ] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

#[test]
fn without_a_file_options_and_a_world_each_way_to_go_on_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for verb in ["deploy", "prepare"] {
        let (_, err) = ends(folder.path(), 2, &[verb]);
        for way in ["-f FILE", "--sim", "./bluegreen.toml"] {
            assert!(err.contains(way), "{way} in {err}");
        }
        assert_eq!(err.matches("error: ").count(), 1, "{err}");
    }
    let (_, err) = ends(folder.path(), 2, &["deploy", "--dry-run", "--checks", "x"]);
    assert!(err.contains("--cluster C --service S"), "{err}");
    let (_, err) = ends(folder.path(), 2, &["deploy", "-f", "absent.toml"]);
    assert!(err.contains("error: absent.toml: No such file"), "{err}");
}

#[test]
fn every_mistake_of_the_file_is_told_with_its_place_by_each_verb() {
    let folder = folder();
    let text = FILE.replace("task_definition", "task_definiton");
    let text = text.replace("repository = ", "repository = 1 #");
    fs::write(folder.path().join("bluegreen.toml"), text).unwrap();
    for words in [
        &["deploy"][..],
        &["deploy", "--undo"],
        &["prepare"],
        &["lint"],
    ] {
        let (_, err) = ends(folder.path(), 2, words);
        for wanted in [
            "bluegreen.toml:10:14: side.fastapi.deployment.repository: is a number, not a text",
            "bluegreen.toml:11:1: side.fastapi.deployment.task_definiton: is not known",
            "hint: did you mean `task_definition`?",
        ] {
            assert!(err.contains(wanted), "{words:?}: {wanted} in\n{err}");
        }
    }
}

#[test]
fn what_a_file_names_is_read_from_its_folder_and_told_under_its_field() {
    let folder = folder();
    let elsewhere = tempfile::tempdir().unwrap();
    let file = folder.path().join("bluegreen.toml");
    let file = file.to_str().unwrap();
    ends(elsewhere.path(), 0, &["lint", file]);
    fs::write(
        folder.path().join("task.json"),
        TASK.replace("\"1024\"", "1024"),
    )
    .unwrap();
    fs::write(folder.path().join("checks.toml"), "[health]\npth = '/'\n").unwrap();
    let in_world = ["deploy", "-f", file, "--sim", "--speed", "max"];
    for words in [&["lint", file][..], &in_world] {
        let (_, err) = ends(elsewhere.path(), 2, words);
        for wanted in [
            "side.fastapi.deployment.task_definition: cpu: a number stands there",
            "checks.toml, line 2, column 1: health.pth: is not known",
        ] {
            assert!(err.contains(wanted), "{words:?}: {wanted} in\n{err}");
        }
    }
    let (out, _) = ends(elsewhere.path(), 2, &["lint", "--json", file]);
    let first: serde_json::Value = serde_json::from_str(out.lines().next().unwrap()).unwrap();
    assert_eq!(first["field"], "side.fastapi.deployment.task_definition");
}

#[test]
fn a_file_is_deployed_in_a_world_and_options_go_over_it() {
    let folder = folder();
    let run = |code, more: &[&str]| {
        let words = ["deploy", "-f", "bluegreen.toml", "--sim", "--speed", "max"];
        ends(folder.path(), code, &[&words[..], more].concat())
    };
    let journal = folder.path().join("journal");
    let (out, _) = run(
        0,
        &[
            "--json",
            "--tag",
            "v7",
            "--journal",
            journal.to_str().unwrap(),
        ],
    );
    let last: serde_json::Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
    assert_eq!(last["exit_code"], 0, "{last}");
    let kept: String = walk(&journal);
    for wanted in [r#""tag":"v7""#, r#""side":"fastapi""#, r#""act":"deploy""#] {
        assert!(kept.contains(wanted), "{wanted} is not in the journal");
    }
    let (_, err) = run(2, &["--image", "chatbot:latest"]);
    assert!(
        err.contains("--image: `chatbot:latest` names no digest"),
        "{err}"
    );
    let (_, err) = run(
        2,
        &["--poll-every", "soon", "--task-definition", "absent.json"],
    );
    assert!(err.contains("--poll-every: `soon` is not a span"), "{err}");
    let (_, err) = run(2, &["--task-definition", "absent.json"]);
    assert!(err.contains("--task-definition: "), "{err}");
    let words = ["deploy", "third", "-f", "bluegreen.toml", "--sim"];
    let (_, err) = ends(folder.path(), 2, &words);
    assert!(err.contains("the sides are fastapi and flask"), "{err}");
    let words = ["deploy", "flask", "-f", "bluegreen.toml", "--sim"];
    let (_, err) = ends(folder.path(), 2, &words);
    assert!(err.contains("side.flask.deployment: is missing"), "{err}");
}

/// The text of all files of a folder.
fn walk(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => text.push_str(&walk(&path)),
            false => text.push_str(&String::from_utf8_lossy(&fs::read(&path).unwrap())),
        }
    }
    text
}

#[test]
fn an_option_that_means_nothing_to_what_is_asked_is_bad() {
    let folder = tempfile::tempdir().unwrap();
    for (words, wanted) in [
        (
            &["--sim", "--undo", "--tag", "x"][..],
            "--tag: has no meaning with --undo",
        ),
        (
            &["--sim", "--only", "smoke", "--in-place"],
            "--in-place: has no meaning with --only",
        ),
        (
            &["--resume", "--image", "x"],
            "--image: has no meaning with --resume",
        ),
        (
            &["--resume", "--sim"],
            "--resume: cannot be used with --sim",
        ),
        (
            &["--sim", "--undo", "--dry-run"],
            "--dry-run: cannot be used with --undo",
        ),
        (
            &["--sim", "--to", "a:1"],
            "--to: names the revision of an undo",
        ),
        (&["--speed", "max"], "--speed: is only for a simulated AWS"),
        (
            &["--sim", "--cluster", "c"],
            "--cluster: cannot be used with --sim: the simulated AWS has its own",
        ),
        (
            &["rollback", "--cluster", "c"],
            "use `bluegreen deploy --undo`",
        ),
        (&["prepare"], "use `bluegreen prepare`"),
    ] {
        let (_, err) = ends(folder.path(), 2, &[&["deploy"], words].concat());
        assert!(err.contains(wanted), "{wanted} in\n{err}");
    }
    let words = ["prepare", "--sim", "--blue-target-group", "x"];
    let (_, err) = ends(folder.path(), 2, &words);
    assert!(
        err.contains("--blue-target-group: cannot be used with --sim"),
        "{err}"
    );
}

#[test]
fn prepare_and_its_dry_run_and_its_undo_print_json() {
    let folder = tempfile::tempdir().unwrap();
    let value = |more: &[&str]| {
        let words = [&["prepare", "--sim", "--json"][..], more].concat();
        let (out, err) = ends(folder.path(), 0, &words);
        assert_eq!(err, "");
        serde_json::from_str::<serde_json::Value>(&out).unwrap()
    };
    assert_eq!(value(&["--dry-run"])["would"].as_array().unwrap().len(), 3);
    assert_eq!(value(&[])["done"].as_array().unwrap().len(), 3);
    assert_eq!(value(&["--undo"])["done"].as_array().unwrap().len(), 3);
}

/// Two screens of 80 columns and 24 lines.
#[test]
fn the_help_of_each_verb_fits_two_screens() {
    let folder = tempfile::tempdir().unwrap();
    for verb in ["deploy", "prepare"] {
        let (help, _) = ends(folder.path(), 0, &[verb, "--help"]);
        assert!(
            help.lines().count() <= 48,
            "{} lines\n{help}",
            help.lines().count()
        );
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        assert!(help.contains("Exit codes:"), "{help}");
    }
}
