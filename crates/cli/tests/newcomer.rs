//! What a person sees who tries the command for the first time, in a simulated world that `init --sim` made.

#![expect(clippy::unwrap_used, reason = "all of it is test code")]

mod common;

use std::fs;

use crate::common::{bluegreen, ended};

/// A folder with a simulated world of its own, whose file was changed.
struct World(tempfile::TempDir);

impl World {
    fn new(change: impl FnOnce(String) -> String) -> Self {
        let world = Self(tempfile::tempdir().unwrap());
        world.run(0, &["init", "--sim"]);
        let file = world.0.path().join("bluegreen.toml");
        let text = fs::read_to_string(&file).unwrap();
        let text = change(text.replace("speed = 120.0", "speed = 600"));
        fs::write(&file, text).unwrap();
        world
    }

    /// Everything that a verb said, which ended with this code.
    fn run(&self, code: i32, words: &[&str]) -> String {
        let run = ended(bluegreen(words).current_dir(self.0.path()));
        assert_eq!(run.code, Some(code), "{words:?}\n{}", run.said());
        run.said()
    }
}

#[test]
fn a_preview_of_an_undo_changes_no_kept_world_and_an_undo_makes_nothing() {
    let world = World::new(|text| text);
    let said = world.run(0, &["prepare", "--undo", "--dry-run"]);
    assert!(said.contains("dry run: nothing was changed"), "{said}");
    assert!(!said.contains("was prepared first"), "{said}");
    let said = world.run(0, &["prepare", "--undo"]);
    assert!(!said.contains("was prepared first"), "{said}");
}

/// A policy needs nothing but the file: no reason, no journal in S3, no deployment table.
#[test]
fn each_verb_prints_its_policy_with_nothing_but_the_file() {
    let world = World::new(|text| text);
    for words in [
        &["plan"][..],
        &["diff"],
        &["prepare"],
        &["deploy"],
        &["test"],
        &["migrate"],
        &["status"],
        &["pause"],
        &["continue"],
        &["promote"],
        &["abort"],
        &["leave"],
        &["rollback"],
        &["resume"],
        &["cleanup"],
        &["monitor"],
    ] {
        let words = [words, &["--print-iam-policy"]].concat();
        let said = world.run(0, &words);
        let actions = said.matches("\"Action\"").count();
        assert!(actions > 0, "{words:?}: {said}");
    }
    let said = world.run(0, &["deploy", "--print-iam-policy"]);
    assert!(said.contains("ecs:UpdateService"), "{said}");
}

#[test]
fn a_file_without_a_step_or_with_a_hook_that_is_not_there_is_not_valid() {
    let world = World::new(|text| format!("{text}\n[plan]\nsteps = []\n"));
    let said = world.run(2, &["lint"]);
    assert!(said.contains("plan.steps: has no step"), "{said}");
    assert!(said.contains("hint: name the shares"), "{said}");
    world.run(2, &["plan"]);

    for (program, message) in [
        ("./ask", "there is no program `./ask` here"),
        (
            "no-such-program-at-all",
            "there is no program `no-such-program-at-all` in PATH",
        ),
        (
            "./bluegreen.toml",
            "`./bluegreen.toml` is not a program that may be executed",
        ),
    ] {
        let world = World::new(|text| format!("{text}\n[hooks]\ncommand = [\"{program}\"]\n"));
        for verb in ["lint", "plan", "migrate"] {
            let said = world.run(2, &[verb]);
            let wanted = format!("hooks.command: {message}");
            assert!(said.contains(&wanted), "{verb}: {said}");
        }
    }
    let world =
        World::new(|text| format!("{text}\n[hooks]\ncommand = [\"sh\", \"-c\", \"true\"]\n"));
    world.run(0, &["lint"]);
    world.run(0, &["plan"]);
}

#[test]
fn a_request_before_any_run_says_that_there_is_none() {
    let world = World::new(|text| text);
    for verb in ["abort", "pause", "continue", "promote"] {
        let said = world.run(3, &[verb]);
        assert!(said.contains("no run has begun"), "{verb}: {said}");
        assert!(
            said.contains("hint: `bluegreen migrate` begins a run"),
            "{said}"
        );
        assert!(!said.contains("--log"), "{verb}: {said}");
    }
}

#[test]
fn the_list_of_worlds_is_printed_by_each_verb_that_names_it() {
    let world = World::new(|text| text);
    for verb in ["deploy", "prepare"] {
        let said = world.run(0, &[verb, "--sim", "list"]);
        assert!(said.contains("first-release"), "{said}");
        let said = world.run(2, &[verb, "--sim", "lst"]);
        assert!(said.contains("`bluegreen deploy --sim list`"), "{said}");
    }
}

#[test]
fn the_simulated_services_answer_their_health_path_alike() {
    let world = World::new(|text| text);
    let requests =
        "[[request]]\nname = \"health\"\npath = \"/health\"\nexpect = { status = 200 }\n";
    fs::write(world.0.path().join("requests.toml"), requests).unwrap();
    let words = ["test", "--sim", "healthy", "--requests", "requests.toml"];
    let run = ended(bluegreen(&words).current_dir(world.0.path()));
    assert!(!run.said().contains("404"), "{}", run.said());
}

#[test]
fn a_plan_says_what_the_second_rule_changes() {
    let second = World::new(|text| format!("{text}\n[judge]\nrule = 2\n"));
    let said = second.run(0, &["plan"]);
    assert!(
        said.contains("after the first shift does not count"),
        "{said}"
    );
    assert!(said.contains("the limits stand beside"), "{said}");
    let limits = World::new(|text| format!("{text}\n[judge]\nrule = 2\nby = \"limits\"\n"));
    let said = limits.run(0, &["plan"]);
    assert!(said.contains("after each shift does not count"), "{said}");
    assert!(said.contains("here the limits alone judge"), "{said}");
}
