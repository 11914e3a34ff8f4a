//! The command as an operator types it: every verb on the simulation, its exit codes and its help.

#![expect(clippy::unwrap_used, reason = "all of it is test code")]

mod common;

use std::{fs, path::Path, process::Stdio};

use crate::common::{VERBS, bluegreen, ended};

const RULE: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener-rule/app/chatbot/50dc6c495c0c9188/f2f7dc8efc522ab2/9683b2d02a6cabee";

/// Runs the command and returns what it printed on stdout and on stderr.
fn ends_with(code: i32, words: &[&str]) -> (String, String) {
    let run = ended(&mut bluegreen(words));
    assert_eq!(run.code, Some(code), "{words:?}\n{}", run.said());
    (run.out, run.err)
}

/// Two screens of 80 by 24.
const LINES: usize = 48;
const COLUMNS: usize = 80;

#[test]
fn help_names_every_verb_and_fits_two_screens() {
    let (help, _) = ends_with(0, &["--help"]);
    assert!(help.lines().count() <= LINES, "{help}");
    for verb in VERBS {
        assert!(help.contains(&format!("\n  {verb}")), "{help}");
        let (help, _) = ends_with(0, &[verb, "--help"]);
        assert!(help.contains(&format!("Usage: bluegreen {verb}")), "{help}");
        let lines = help.lines().count();
        assert!(lines <= LINES, "{lines} lines: {help}");
        let widest = help.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(COLUMNS), "{verb}: {widest:?}: {help}");
    }
    for verb in ["migrate", "plan", "status", "rollback", "diff", "pause"] {
        let (help, _) = ends_with(0, &[verb, "--help"]);
        assert!(help.contains("Exit"), "{help}");
    }
    let (version, _) = ends_with(0, &["--version"]);
    assert_eq!(
        version.trim(),
        concat!("bluegreen ", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn no_verb_and_an_unknown_verb_are_bad_arguments() {
    let (_, err) = ends_with(2, &[]);
    assert!(err.contains("Usage: bluegreen"), "{err}");
    let (_, err) = ends_with(2, &["migarte"]);
    assert!(err.contains("migrate"), "names the nearest: {err}");
}

#[test]
fn each_verb_that_needs_no_journal_runs_on_the_simulation() {
    for words in [
        &["migrate", "--sim", "--speed", "max"][..],
        &["plan", "--sim"],
        &["status", "--sim"],
        &["rollback", "--sim", "--speed", "max"],
        &["migrate", "--full", "--sim", "--speed", "max"],
        &["deploy", "--sim", "--speed", "max"],
        &["monitor", "--sim", "--speed", "max"],
        &["check", "--sim"],
    ] {
        ends_with(0, words);
    }
}

/// The command is installed on machines without a source tree.
#[test]
fn the_simulation_of_a_deployment_needs_no_source_tree() {
    let (out, err) = ends_with(0, &["deploy", "--sim", "--dry-run", "--speed", "max"]);
    let said = out + &err;
    assert!(said.contains(" is built as "), "{said}");
    assert!(!said.contains(env!("CARGO_MANIFEST_DIR")), "{said}");
}

#[test]
fn a_scenario_ends_with_the_code_that_the_list_promises() {
    for (verb, option, scenario) in [
        ("migrate", "--sim", "green-errors"),
        ("deploy", "--sim", "smoke-fails"),
    ] {
        let (list, _) = ends_with(0, &[verb, option, "list"]);
        let line = list.lines().find(|line| line.trim().starts_with(scenario));
        let code = line.unwrap().split_whitespace().nth(1).unwrap();
        ends_with(
            code.parse().unwrap(),
            &[verb, option, scenario, "--speed", "max"],
        );
    }
}

#[test]
fn json_prints_one_event_a_line_in_order() {
    let (out, _) = ends_with(0, &["migrate", "--sim", "--speed", "max", "--json"]);
    let events = out.lines().map(|line| {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        event["seq"].as_u64().unwrap()
    });
    let events: Vec<u64> = events.collect();
    assert!(events.len() > 10);
    assert!(events.iter().copied().eq(0..events.len() as u64));
}

#[test]
fn a_journal_keeps_the_specification_that_the_options_make() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().to_str().unwrap();
    let words = ["--speed", "max", "--steps", "50,100", "--journal", journal];
    ends_with(0, &[&["migrate", "--sim"], &words[..]].concat());
    let opened = read_all(folder.path());
    for kept in [r#""steps":["50%","100%"]"#, r#""from":"flask""#] {
        assert!(opened.contains(kept), "{kept} is not in the journal");
    }
}

/// A file in a folder of its own.
fn written(name: &str, text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

#[test]
fn a_file_is_made_checked_and_tried() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bluegreen.toml");
    let path = path.to_str().unwrap();
    let role = "arn:aws:iam::123456789012:role/blue-again";
    let made = ["init", "--sim", "--output", path, "--dead-man-role", role];
    let (_, err) = ends_with(0, &made);
    assert!(err.contains("fastapi and flask"), "{err}");
    let before = fs::read_to_string(path).unwrap();
    let (_, err) = ends_with(3, &made);
    assert!(err.contains("--output"), "{err}");
    assert_eq!(fs::read_to_string(path).unwrap(), before, "nothing is lost");

    let (out, err) = ends_with(0, &["lint", path]);
    assert!(out.is_empty() && err.contains("valid"), "{err}");
    fs::write(path, format!("{before}\n[plan]\nsteps = [20, 100]\n")).unwrap();
    let tried = ["migrate", "--file", path, "--sim", "--speed", "max"];
    let (_, err) = ends_with(0, &tried);
    assert!(err.contains("blue 80% / green 20%"), "{err}");
    let (_, err) = ends_with(0, &[&tried[..], &["--steps", "30,100"]].concat());
    assert!(
        err.contains("blue 70% / green 30%"),
        "an option overrides the file: {err}"
    );
    // The rights are known without a call, and the file names the real AWS.
    let (policy, _) = ends_with(0, &["migrate", "--file", path, "--print-iam-policy"]);
    for right in ["iam:PassRole", "elasticloadbalancing:ModifyRule"] {
        assert!(policy.contains(right), "{policy}");
    }
    let (schema, _) = ends_with(0, &["schema"]);
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    assert_eq!(schema["properties"]["plan"]["$ref"], "#/$defs/PlanSpec");
}

#[test]
fn a_file_with_mistakes_is_told_with_their_places_and_nothing_is_called() {
    let text = "name = \"chatbot\"\n[plan]\nbake = 3\nstpes = [10, 100]\n";
    let (_folder, path) = written("wrong.toml", text);
    let (_, err) = ends_with(2, &["lint", &path]);
    for told in [
        ":1:1: traffic: is missing",
        ":1:1: side: is missing",
        ":3:8: plan.bake: is a number, not a text",
        ":4:1: plan.stpes: is not known",
        "hint: did you mean `steps`?",
        "4 problems, nothing was called",
    ] {
        assert!(err.contains(told), "`{told}` is not in\n{err}");
    }
    let (out, _) = ends_with(2, &["lint", "--json", &path]);
    let lines: Vec<serde_json::Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 4, "{out}");
    assert_eq!(lines[2]["line"], 3);
    let (_, err) = ends_with(2, &["migrate", "--file", &path]);
    assert!(err.contains("wrong.toml:4:1: plan.stpes"), "{err}");
    let (_, err) = ends_with(2, &["lint", "absent.toml"]);
    assert!(err.contains("absent.toml"), "{err}");
}

#[test]
fn what_a_file_says_is_not_said_by_an_option_beside_it() {
    let text = include_str!("../data/migration.toml");
    let (_folder, path) = written("full.toml", text);
    let group =
        "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/a/0123456789abcdef";
    let words = ["--blue-target-group", group, "--green-target-group", group];
    let words = [&["migrate", "--file", &path], &words[..]].concat();
    let (_, err) = ends_with(2, &words);
    for field in ["--blue-target-group", "--green-target-group"] {
        assert!(
            err.contains(&format!("{field}: cannot be used with")),
            "{err}"
        );
    }
    let (_, err) = ends_with(2, &["migrate", "--sim", "--to", "django"]);
    assert!(err.contains("the sides are fastapi and flask"), "{err}");
}

#[test]
fn without_a_file_every_way_to_name_a_migration_is_told() {
    let (_, err) = ends_with(2, &["plan", "--bake", "soon"]);
    for told in [
        "bluegreen init",
        "--file",
        "--rule-arn",
        "NAME",
        "--sim",
        "--bake",
    ] {
        assert!(err.contains(told), "{told}: {err}");
    }
}

#[test]
fn an_option_that_says_nothing_to_a_verb_is_an_error() {
    for words in [
        ["resume", "--steps", "20,100"],
        ["rollback", "--bake", "1m"],
        ["status", "--steps", "20,100"],
        ["pause", "--speed", "max"],
        ["plan", "--steal", "x"],
    ] {
        let (_, err) = ends_with(2, &words);
        assert!(err.contains("unexpected argument"), "{words:?}: {err}");
    }
}

#[test]
fn a_plan_says_whether_there_is_something_to_do() {
    let sim = ["plan", "--sim", "--json"];
    let (out, _) = ends_with(0, &sim);
    let plan: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&plan["from"], &plan["to"]),
        (&"flask".into(), &"fastapi".into())
    );
    assert_eq!(plan["forecast"]["steps"].as_array().unwrap().len(), 3);
    ends_with(4, &[&sim[..], &["--detailed-exitcode"]].concat());
    let done = ["--detailed-exitcode", "--to", "flask"];
    let (out, _) = ends_with(0, &[&sim[..], &done].concat());
    let plan: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(plan["is_to_do"], false, "flask has all of the traffic");
    let (out, _) = ends_with(4, &["diff", "--sim"]);
    assert!(out.contains("rule.fastapi: 0 -> 100"), "{out}");
    let (_, err) = ends_with(0, &["migrate", "--sim", "--to", "flask"]);
    assert!(err.contains("nothing to do"), "{err}");
}

#[test]
fn advice_judges_the_split_as_it_is_and_writes_nothing() {
    let (_, err) = ends_with(
        10,
        &[
            "migrate",
            "--advise",
            "--sim",
            "divided",
            "--speed",
            "max",
            "--set",
            "judge.max_latency=1ms",
            "--judge",
            "limits",
        ],
    );
    assert!(err.contains("put everything back"), "{err}");
    let (out, _) = ends_with(
        0,
        &[
            "migrate", "--advise", "--sim", "divided", "--speed", "max", "--judge", "limits",
            "--json",
        ],
    );
    let last: serde_json::Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
    assert_eq!(last["advice"], "rise");
}

/// Each verb is a process of its own, and the folder keeps the world between them.
#[test]
fn verbs_one_after_the_other_see_the_same_simulated_world() {
    let folder = tempfile::tempdir().unwrap();
    let run = |code: i32, words: &[&str]| {
        let run = ended(bluegreen(words).current_dir(folder.path()));
        let text = run.said();
        assert_eq!(run.code, Some(code), "{words:?}\n{text}");
        text
    };
    let fast = ["--speed", "400"];
    run(0, &["init", "--sim"]);
    run(0, &["prepare"]);
    run(0, &["deploy"]);
    assert!(run(0, &["status", "--all"]).contains("0 of 0 rules"));
    assert!(!run(0, &["status"]).contains("the last run"));
    run(4, &["plan", "--detailed-exitcode", "--to", "fastapi"]);
    run(0, &[&["migrate"], &fast[..]].concat());
    run(0, &["plan", "--detailed-exitcode", "--to", "fastapi"]);
    let said = run(0, &["status"]);
    assert!(said.contains("flask 0% / fastapi 100%"), "{said}");
    let last = said.lines().find(|line| line.contains("the last run, "));
    let last = last.unwrap_or_else(|| panic!("{said}"));
    assert!(last.ends_with("with 0: promoted"), "{last}");
    run(0, &["status", "--wait"]);
    assert!(run(0, &["status", "--all"]).contains("0 of 1 rules"));
    let said = run(
        0,
        &[
            &["rollback", "chatbot", "--journal", ".bluegreen/journal"],
            &fast[..],
        ]
        .concat(),
    );
    assert!(
        said.contains("putting everything on chatbot-flask-tg"),
        "{said}"
    );
    let said = run(10, &["status", "--wait"]);
    assert!(said.contains("rolled back"), "{said}");
    let said = run(0, &["status", "--json"]);
    let data = said.lines().find(|line| line.starts_with('{')).unwrap();
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    let last = &data["last_run"];
    assert_eq!(last["exit_code"], 0, "{last}");
    assert!(
        last["how"].as_str().unwrap().starts_with("rolled back: "),
        "{last}"
    );
    assert!(run(4, &["diff"]).contains("rule.fastapi: 0 -> 100"));
}

/// A folder with a fast simulated world of its own, and a function that runs a verb in it.
fn in_new_world() -> (tempfile::TempDir, impl Fn(i32, &[&str]) -> String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let run = move |code: i32, words: &[&str]| {
        let run = ended(bluegreen(words).current_dir(&path));
        assert_eq!(run.code, Some(code), "{words:?}\n{}", run.said());
        run.said()
    };
    run(0, &["init", "--sim"]);
    let file = folder.path().join("bluegreen.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("speed = 120.0"), "{text}");
    let text = text.replace("speed = 120.0", "speed = 600");
    std::fs::write(&file, text).unwrap();
    (folder, run)
}

#[test]
fn a_release_is_prepared_deployed_moved_and_cleaned_up_and_a_rollback_scales_up_first() {
    let (_folder, run) = in_new_world();
    let said = run(0, &["prepare"]);
    let tasks = "is to run 4 tasks and blue's 4: enough for 100 % of the traffic";
    assert!(said.contains(tasks), "{said}");
    for verb in ["deploy", "migrate"] {
        run(0, &[verb]);
    }
    let said = run(3, &["cleanup"]);
    assert!(said.contains("blue is kept for 24h"), "{said}");
    let said = run(0, &["cleanup", "--keep", "0s", "--dry-run"]);
    assert!(
        said.contains("would scale service chatbot-flask to zero"),
        "{said}"
    );
    assert!(said.contains("dry run: nothing was changed"), "{said}");
    let said = run(0, &["cleanup", "--keep", "0s"]);
    for words in [
        "waiting: 0 of 15 settled minutes without a request on blue",
        "scale service chatbot-flask to zero",
        "note: not seen, and so not counted as requests: web sockets",
        "side flask runs nothing now. `bluegreen rollback` scales it up first",
    ] {
        assert!(said.contains(words), "{words} in {said}");
    }
    let said = run(0, &["cleanup", "--keep", "0s", "--json"]);
    let data = said.lines().find(|line| line.starts_with('{')).unwrap();
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    assert_eq!(data["side"], "flask");
    assert_eq!(data["done"], serde_json::json!([]));

    let said = run(0, &["rollback"]);
    let at = |words: &str| {
        said.find(words)
            .unwrap_or_else(|| panic!("{words} in {said}"))
    };
    let scaled = at("scaling service chatbot-flask up to 4 first");
    let waits = at("waiting: 0 of 4 targets of blue are healthy");
    assert!(
        scaled < waits && waits < at("putting everything on chatbot-flask-tg"),
        "{said}"
    );
    let said = run(0, &["rollback"]);
    assert!(!said.contains("scaling service"), "{said}");
    let said = run(3, &["cleanup", "--keep", "0s"]);
    assert!(said.contains("was rolled back"), "{said}");
}

/// A run that is refused, or changes nothing, does not change where a rollback goes.
#[test]
fn a_rollback_goes_back_before_the_newest_run_that_moved_something() {
    let (folder, run) = in_new_world();
    for verb in ["prepare", "deploy", "migrate"] {
        run(0, &[verb]);
    }
    let file = folder.path().join("bluegreen.toml");
    let written = std::fs::read_to_string(&file).unwrap();
    let refusing = "\n[hooks]\ncommand = [\"sh\", \"-c\", \"exit 10\"]\nmay_refuse = true\n";
    std::fs::write(&file, format!("{written}{refusing}")).unwrap();
    for _ in 0..2 {
        let said = run(3, &["migrate"]);
        assert!(said.contains("nothing was changed"), "{said}");
    }
    std::fs::write(&file, written).unwrap();
    let said = run(0, &["rollback"]);
    assert!(
        said.contains("putting everything on chatbot-flask-tg"),
        "{said}"
    );
    let said = run(0, &["status"]);
    assert!(said.contains("flask 100% / fastapi 0%"), "{said}");
}

#[test]
fn a_deletion_needs_the_name_and_leaves_one_side() {
    let (_folder, run) = in_new_world();
    for verb in ["prepare", "deploy", "migrate"] {
        run(0, &[verb]);
    }
    let said = run(2, &["cleanup", "--keep", "0s", "--delete", "fastapi"]);
    assert!(
        said.contains("`fastapi` is not blue, which is side flask"),
        "{said}"
    );
    let said = run(2, &["cleanup", "--keep", "soon", "--accept", "much"]);
    assert!(
        said.contains("--keep") && said.contains("--accept"),
        "{said}"
    );
    let said = run(0, &["cleanup", "--print-iam-policy", "--delete", "flask"]);
    assert!(
        said.contains("ecs:DeleteService") && !said.contains("API calls"),
        "{said}"
    );
    let said = run(0, &["cleanup", "--keep", "0s", "--delete", "chatbot-flask"]);
    for words in [
        "delete the test route",
        "take target group chatbot-flask-tg out of rule",
        "delete service chatbot-flask",
        "delete target group chatbot-flask-tg",
        "side flask is deleted, and read back",
    ] {
        assert!(said.contains(words), "{words} in {said}");
    }
    let said = run(0, &["cleanup", "--keep", "0s", "--delete", "flask"]);
    assert!(said.contains("nothing to do"), "{said}");
    run(3, &["rollback"]);
}

/// The verbs of a release in one kept world: a migration that requires a test begins only after it.
#[test]
fn a_migration_that_requires_a_test_begins_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let ends_with = |code: i32, words: &[&str]| {
        let run = ended(bluegreen(words).current_dir(folder.path()));
        assert_eq!(run.code, Some(code), "{words:?}\n{}", run.said());
        (run.out, run.err)
    };
    ends_with(0, &["init", "--sim"]);
    let file = folder.path().join("bluegreen.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text + "\n[test]\nrequire = \"24h\"\n").unwrap();
    let (_, err) = ends_with(3, &["migrate", "--speed", "600"]);
    assert!(err.contains("green was not tested"), "{err}");
    assert!(err.contains("run `bluegreen test`"), "{err}");
    let (_, err) = ends_with(3, &["test"]);
    assert!(err.contains("no test route leads to"), "{err}");
    ends_with(0, &["prepare"]);
    let (out, err) = ends_with(0, &["test", "--rate", "20", "--duration", "1m"]);
    assert!(
        out.contains("test passed (99 % confidence)"),
        "{out}\n{err}"
    );
    assert!(
        err.contains("  hint: ") || err.contains("1200 requests to"),
        "{err}"
    );
    ends_with(0, &["migrate", "--speed", "600"]);
}

#[test]
fn a_test_of_simulated_chatbots_ends_as_its_scenario_says() {
    for (scenario, code, wanted) in [
        ("healthy", 0, "test passed"),
        ("stalling", 0, "test passed"),
        ("erring", 1, "green's error rate is above 5 %"),
        ("slow", 1, "green's p99 is above 3000 ms"),
        ("dead", 1, "green's error rate is above 5 %"),
        ("blue-worse", 1, "stopped, since blue got worse"),
    ] {
        let (out, _) = ends_with(code, &["test", "--sim", scenario]);
        assert!(out.contains(wanted), "{scenario}: {out}");
    }
    let (out, _) = ends_with(1, &["test", "--sim", "differing"]);
    for wanted in [
        "date-format       date of RFC 1123 -> date with T, with Z at $.at (chat)",
        "error-body        {error: string} -> {detail: array} at body",
        "null-absent       null -> absent at $.user (chat)",
        "number-string     number -> string at $.qps (metrics)",
        "validation-status 400 -> 422 at status (a chat without a message)",
        "green's answers differ from blue's in 5 kinds",
    ] {
        assert!(out.contains(wanted), "{wanted}: {out}");
    }
    let (out, _) = ends_with(1, &["test", "--sim", "differing", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["verdict"], "failed");
    let (_, err) = ends_with(2, &["test", "--sim", "--rate", "0", "--max-in-flight", "0"]);
    assert!(
        err.contains("--rate: ") && err.contains("--max-in-flight: "),
        "{err}"
    );
    let (_, err) = ends_with(0, &["test", "--sim", "--dry-run"]);
    assert!(err.contains("dry run: nothing was sent"), "{err}");
}

#[test]
fn a_rollback_that_is_to_be_confirmed_waits_for_it() {
    let words = [
        "rollback", "--sim", "divided", "--to", "flask", "--speed", "max",
    ];
    let (_, said) = ends_with(0, &words);
    assert!(said.contains("not yet confirmed"), "{said}");
    let (_, said) = ends_with(0, &[&words[..], &["--confirm"]].concat());
    assert!(said.contains("confirmed: no request on green"), "{said}");
}

/// The first side of a file is not the one that served only because it is the first.
#[test]
fn a_divided_rule_without_a_journal_is_shown_without_a_way_back() {
    let folder = tempfile::tempdir().unwrap();
    let run = |words: &[&str]| {
        let run = ended(bluegreen(words).current_dir(folder.path()));
        assert_eq!(run.code, Some(0), "{words:?}");
        run.out
    };
    run(&["init", "--sim", "divided"]);
    let said = run(&["status"]);
    assert!(
        said.contains("it is not known which side served before"),
        "{said}"
    );
    assert!(!said.contains("modify-rule"), "{said}");
    let said: serde_json::Value = serde_json::from_str(&run(&["status", "--json"])).unwrap();
    assert_eq!(said["restore_command"], serde_json::Value::Null);
}

#[test]
fn completions_name_the_verbs() {
    for shell in ["bash", "zsh", "fish"] {
        let (out, _) = ends_with(0, &["completions", shell]);
        assert!(VERBS.iter().all(|verb| out.contains(verb)), "{shell}");
    }
}

fn read_all(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => text += &read_all(&path),
            false => text += &String::from_utf8_lossy(&fs::read(&path).unwrap()),
        }
    }
    text
}

#[test]
fn a_blue_that_scales_keeps_its_capacity() {
    let world = ["--sim", "blue-scales-in", "--speed", "max"];
    let (_, said) = ends_with(10, &[&["migrate"], &world[..]].concat());
    for words in ["minimum is raised from 1 to 4", "blue's minimum is 1 again"] {
        assert!(said.contains(words), "`{words}` is not in\n{said}");
    }
    let (said, _) = ends_with(0, &[&["plan"], &world[..]].concat());
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("may be scaled in to 1"), "{said}");
    let (policy, _) = ends_with(
        0,
        &[&["migrate", "--print-iam-policy"], &world[..]].concat(),
    );
    for words in [
        "application-autoscaling:RegisterScalableTarget",
        "service/chatbot-cluster/chatbot-flask",
    ] {
        assert!(policy.contains(words), "`{words}` is not in\n{policy}");
    }
    for service in [
        "web",
        "shop/",
        "shop/web/1",
        "arn:aws:ecs:eu-west-1:1:cluster/shop",
    ] {
        let group = |name: &str| {
            format!(
                "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/{name}/0123456789abcdef"
            )
        };
        let (blue, green) = (group("a"), group("b"));
        let words = ["migrate", "--rule-arn", RULE, "--blue-service", service];
        let groups = ["--blue-target-group", &blue, "--green-target-group", &green];
        let (_, err) = ends_with(2, &[&words[..], &groups].concat());
        assert!(err.contains("--blue-service"), "{err}");
    }
}

#[test]
fn bad_arguments_are_all_named_at_once_before_anything_is_called() {
    let (_, err) = ends_with(
        2,
        &["migrate", "--sim", "--steps", "90,10", "--bake", "soon"],
    );
    assert!(err.contains("--steps") && err.contains("--bake"), "{err}");
    ends_with(2, &["deploy", "--aws"]);
}

/// Runs of the simulation write their journals into a folder, which is listed and pruned.
#[test]
fn journals_are_listed_and_old_runs_pruned() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().to_str().unwrap();
    for _ in 0..3 {
        let run = ["migrate", "--sim", "--speed", "max", "--journal", place];
        ends_with(0, &run);
    }
    let (list, _) = ends_with(0, &["journal", "list", "--journal", place]);
    let name = list.split_whitespace().next().unwrap();
    assert!(list.contains("free since"), "{list}");
    let records = || fs::read_dir(folder.path().join(name)).unwrap().count();
    let before = records();
    let prune = |more: &[&str]| {
        let words = ["journal", "prune", "--journal", place, "--keep-days", "0"];
        ends_with(0, &[&words[..], more].concat()).1
    };
    let dry = prune(&["--keep-runs", "1", "--dry-run"]);
    assert!(dry.contains("would be deleted; 1 runs"), "{dry}");
    assert_eq!(records(), before);
    let kept = prune(&[]);
    assert!(kept.contains(": 0 records deleted; 3 runs"), "{kept}");
    let pruned = prune(&["--keep-runs", "1", "--log", name]);
    assert!(pruned.contains("deleted; 1 runs"), "{pruned}");
    assert!(records() < before / 2);
    ends_with(
        0,
        &["monitor", "--speed", "max", "--plain", "--replay", place],
    );

    let (_, err) = ends_with(2, &["journal", "list"]);
    assert!(err.contains("--journal: is needed"), "{err}");
    let (_, err) = ends_with(2, &["journal", "list", "--journal", "/nowhere/at/all"]);
    assert!(err.contains("there is no folder"), "{err}");
    let (_, err) = ends_with(
        2,
        &[
            "journal",
            "prune",
            "--journal",
            place,
            "--keep-days",
            "soon",
        ],
    );
    assert!(err.contains("--keep-days"), "{err}");
}

/// A dry run refuses everything that the run refuses, and an accepted risk is not a refusal.
#[test]
fn a_dry_run_says_each_refusal_of_the_run() {
    fn deploy<'a>(more: &[&'a str]) -> Vec<&'a str> {
        let words = ["deploy", "--sim", "live", "--speed", "max"];
        [&words[..], more].concat()
    }
    let (_, err) = ends_with(3, &deploy(&["--dry-run"]));
    let refusal = "refusal: service chatbot-fastapi gets live traffic already: 10 % of rule";
    assert!(err.contains(refusal), "{err}");
    for accepted in [&["--in-place"][..], &["--accept", "in-place"]] {
        let words = [&["--dry-run"][..], accepted].concat();
        let (_, err) = ends_with(0, &deploy(&words));
        assert!(!err.contains("refusal:"), "{err}");
        assert!(
            err.contains("accepted: service chatbot-fastapi gets live"),
            "{err}"
        );
        ends_with(0, &deploy(accepted));
    }
    let (_, err) = ends_with(2, &deploy(&["--accept", "everything"]));
    assert!(err.contains("one of shared-targets"), "{err}");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("task.json");
    let text = include_str!("../data/deploy/task-definition.json");
    let arm = r#"{"runtimePlatform": {"cpuArchitecture": "ARM64"},"#;
    let text = text.replacen('{', arm, 1);
    fs::write(&file, text).unwrap();
    let words = [
        "deploy",
        "--sim",
        "--speed",
        "max",
        "--platform",
        "linux/amd64",
        "--dry-run",
    ];
    let words = [&words[..], &["--task-definition", file.to_str().unwrap()]].concat();
    let (_, err) = ends_with(3, &words);
    let refusal = "refusal: the image is built for linux/amd64, and the tasks of chatbot-fastapi \
                   run on linux/arm64";
    assert!(err.contains(refusal), "{err}");
}

/// The lines of JSON that a process has written so far.
fn events(out: &Path) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(out).unwrap_or_default();
    let events = text.lines();
    events
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the other process lives in real time"
)]
fn a_moment() {
    std::thread::sleep(std::time::Duration::from_millis(50));
}

/// Two processes share a folder: one runs, and the other controls the run.
#[test]
fn a_run_is_paused_continued_and_aborted_from_another_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let journal = journal.to_str().unwrap();
    let out = folder.path().join("run.json");
    let mut run = bluegreen(&[
        "migrate",
        "--sim",
        "--journal",
        journal,
        "--json",
        "--speed",
        "20",
    ])
    .stdout(fs::File::create(&out).unwrap())
    .stderr(Stdio::null())
    .spawn()
    .unwrap();
    let has_moved = || events(&out).iter().any(|event| event["event"] == "shifted");
    while !has_moved() {
        assert!(
            run.try_wait().unwrap().is_none(),
            "it ended before it began"
        );
        a_moment();
    }
    let ask = |code, verb: &[&str]| ends_with(code, &[verb, &["--journal", journal]].concat());
    let (_, said) = ask(0, &["pause", "--for", "1h"]);
    assert!(said.contains("pause: done"), "{said}");
    let (out_again, said) = ask(3, &["pause", "--json"]);
    assert!(said.contains("the run is paused already"), "{said}");
    let told: serde_json::Value = serde_json::from_str(&out_again).unwrap();
    assert_eq!(
        (&told["done"], &told["answer"]["reply"]),
        (&false.into(), &"ignored".into())
    );
    ask(0, &["continue"]);
    let (_, said) = ask(0, &["abort", "--reason", "the cache is cold"]);
    assert!(said.contains("abort: done"), "{said}");
    assert_eq!(run.wait().unwrap().code(), Some(11));
    let end = events(&out).pop().unwrap().to_string();
    assert!(end.contains("the cache is cold"), "{end}");
    let (_, said) = ask(3, &["promote", "--full"]);
    assert!(
        said.contains("no controller holds it") && said.contains("`rollback`"),
        "{said}"
    );
}

/// Each process sees the kept world: one runs, one pauses the run, and a third asks for its state.
#[test]
fn status_says_who_has_paused_the_run_and_until_when() {
    let folder = tempfile::tempdir().unwrap();
    let verb = |words: &[&str]| {
        let run = ended(bluegreen(words).current_dir(folder.path()));
        assert_eq!(run.code, Some(0), "{words:?}\n{}", run.said());
        run.out
    };
    verb(&["init", "--sim"]);
    let out = folder.path().join("run.json");
    let mut run = bluegreen(&["migrate", "--json", "--speed", "20"]);
    run.current_dir(folder.path()).stderr(Stdio::null());
    let run = run.stdout(fs::File::create(&out).unwrap()).spawn();
    let mut run = run.unwrap();
    let has_moved = || events(&out).iter().any(|event| event["event"] == "shifted");
    while !has_moved() {
        assert!(run.try_wait().unwrap().is_none(), "it ended early");
        a_moment();
    }
    assert!(!verb(&["status"]).contains("paused"));
    verb(&["pause", "--for", "1h", "--reason", "lunch"]);
    let said = verb(&["status"]);
    let paused = said.lines().find(|line| line.contains("paused by ann"));
    let paused = paused.unwrap_or_else(|| panic!("{said}"));
    assert!(paused.contains("(lunch) until 20"), "{paused}");
    assert!(paused.contains("`bluegreen continue`"), "{paused}");
    let told: serde_json::Value = serde_json::from_str(&verb(&["status", "--json"])).unwrap();
    let until = events(&out)
        .into_iter()
        .find(|event| event["event"] == "paused");
    assert_eq!(told["paused"]["until"], until.unwrap()["until"], "{told}");
    assert_eq!(told["paused"]["by"]["reason"], "lunch", "{told}");
    verb(&["continue"]);
    assert!(!verb(&["status"]).contains("paused"));
    verb(&["abort"]);
    assert_eq!(run.wait().unwrap().code(), Some(11));
}

#[test]
fn a_request_that_cannot_be_asked_is_bad_arguments() {
    for (words, said) in [
        (&["pause"][..], "--journal: is needed"),
        (
            &["pause", "--journal", "/nowhere/at/all"],
            "there is no folder",
        ),
        (
            &["pause", "--for", "soon", "--journal", "."],
            "--for: `soon`",
        ),
        (&["leave", "--journal", "."], "--reason: is needed"),
        (
            &["abort", "--rule-arn", "x", "--journal", "."],
            "--rule-arn",
        ),
        (
            &["abort", "chatbot", "--journal", "."],
            "there is no run `chatbot`",
        ),
    ] {
        let (_, err) = ends_with(2, words);
        assert!(err.contains(said), "{words:?}: {err}");
    }
}

#[test]
fn the_rights_to_ask_for_one_kind_are_printed() {
    let place = ["--rule-arn", RULE, "--journal", "s3://moves/production"];
    let words = [&["pause", "--print-iam-policy"], &place[..]].concat();
    let (out, _) = ends_with(0, &words);
    assert!(out.contains("moves/production/requests/*/pause/*"), "{out}");
    assert!(
        !out.contains("promote") && !out.contains("elasticloadbalancing:"),
        "{out}"
    );
}

/// A dry run names the holder of the journal that the run would need, and takes no lease itself.
#[test]
fn a_dry_run_says_who_holds_the_journal() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().to_str().unwrap();
    let dry = || {
        let words = ["deploy", "--sim", "--dry-run", "--journal", place];
        ends_with(0, &words).1
    };
    assert!(!dry().contains("held by"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    let mut holder = bluegreen(&["deploy", "--sim", "--speed", "1", "--journal", place])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // The holder needs some minutes of virtual time, in real time too, before it releases the lease.
    let is_told = (0..200).any(|_| dry().contains("note: the journal is held by"));
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert!(is_told);
}

#[test]
fn a_hook_is_told_and_may_refuse_a_step_and_its_failures_are_said() {
    let folder = tempfile::tempdir().unwrap();
    let told = folder.path().join("told");
    let script = format!(
        "read -r line; printf '%s\\n' \"$line\" >>'{}'; case $line in *'\"to\":50.0'*) echo no; exit 10;; esac",
        told.display()
    );
    let set = format!("hooks.command=[\"sh\", \"-c\", {script:?}]");
    let words = ["migrate", "--sim", "--speed", "max", "--set", &set];
    let refused = [&words[..], &["--set", "hooks.may_refuse=true"]].concat();
    let (_, err) = ends_with(10, &refused);
    assert!(err.contains("the hook refuses 50%: no"), "{err}");
    let lines = fs::read_to_string(&told).unwrap();
    let last = lines.lines().next_back().unwrap();
    assert!(last.contains("\"moment\":\"end\""), "{last}");
    // A hook that is only told cannot refuse, and its failure is said at the end.
    let (_, err) = ends_with(0, &words);
    let failure = "warning: hook before-step of `sh`: exit code 10: no";
    assert!(err.contains(failure), "{err}");
}

#[test]
fn a_webhook_whose_variables_are_not_set_refuses_a_run() {
    let set = "hooks.webhook={url={env=\"NOT_SET\"},secret={env=\"NOT_SET\"}}";
    let words = ["migrate", "--sim", "--speed", "max", "--set", set];
    let (_, err) = ends_with(3, &words);
    let said = "hooks.webhook: the variable `NOT_SET` is not set";
    assert!(err.contains(said), "{err}");
    assert!(
        err.contains("hint: set it, or take the webhook out"),
        "{err}"
    );
}

#[test]
fn a_manual_step_waits_for_promote_and_is_rolled_back_at_its_time_out() {
    let set = "plan.steps=[{ green = 10, deadline = \"20m\", manual = true }, 100]";
    let words = ["migrate", "--sim", "--speed", "max", "--set", set];
    let (_, err) = ends_with(10, &words);
    // Lines are wrapped for a terminal.
    let err = err.split_whitespace().collect::<Vec<_>>().join(" ");
    for said in [
        "for an operator: bluegreen promote",
        "no operator had promoted",
    ] {
        assert!(err.contains(said), "{said} in {err}");
    }
}

#[test]
fn the_result_goes_to_a_file_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("output");
    let result = file.to_str().unwrap();
    ends_with(
        10,
        &[
            "--result",
            result,
            "migrate",
            "--sim",
            "green-errors",
            "--speed",
            "max",
        ],
    );
    ends_with(1, &["--result", result, "check", "--sim", "broken-chat"]);
    // Words that mean nothing are an end too; help is none.
    let given = format!("--result={result}");
    for words in [
        ["--result", result, "migrate", "--stepz"],
        ["--result", result, "plan", "--bake"],
        ["--result", result, "nope", "--sim"],
    ] {
        ends_with(2, &words);
    }
    ends_with(2, &[&given]);
    ends_with(0, &["--result", result, "plan", "--help"]);
    let text = fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let mut wanted = vec![
        "exit_code=10",
        "ended=rolled-back",
        "exit_code=1",
        "ended=check-failed",
    ];
    for _ in 0..4 {
        wanted.extend(["exit_code=2", "ended=bad-arguments"]);
    }
    assert_eq!(lines, wanted);
    let (_, err) = ends_with(2, &["--result", "/absent/output", "migrate", "--sim"]);
    assert!(err.contains("error: --result: /absent/output"), "{err}");
    assert!(!err.contains("simulated AWS"), "nothing was done: {err}");
}
