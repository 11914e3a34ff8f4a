//! Which side is blue, and what every phase of two releases says: before, during and after, in a world that a
//! folder keeps.

#![expect(clippy::unwrap_used, reason = "all of it is test code")]

mod common;

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Stdio},
};

use serde_json::{Value, json};

use crate::common::{bluegreen, ended};

/// A folder with a fast simulated world.
struct World {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl World {
    fn new() -> Self {
        Self::at_speed("600")
    }

    fn at_speed(speed: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        let world = Self {
            _folder: folder,
            path,
        };
        world.run(0, &["init", "--sim"]);
        world.edit("speed = 120.0", &format!("speed = {speed}"));
        world
    }

    fn run(&self, code: i32, words: &[&str]) -> String {
        let run = ended(bluegreen(words).current_dir(&self.path));
        assert_eq!(run.code, Some(code), "{words:?}\n{}", run.said());
        run.said()
    }

    fn data(&self, code: i32, words: &[&str]) -> Value {
        let said = self.run(code, words);
        let data = said.lines().find(|line| line.starts_with('{')).unwrap();
        serde_json::from_str(data).unwrap()
    }

    /// Begins a verb as a process that can be killed.
    fn spawn(&self, words: &[&str]) -> Child {
        let mut command = bluegreen(words);
        let command = command.current_dir(&self.path);
        let command = command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    }

    /// Waits until the status is as wanted.
    fn until(&self, is_it: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..600 {
            let status = self.data(0, &["status", "--json"]);
            if is_it(&status) {
                return status;
            }
            a_moment();
        }
        panic!("{}", self.run(0, &["status"]));
    }

    fn edit(&self, from: &str, to: &str) {
        let file = self.path.join("bluegreen.toml");
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(&file, text.replace(from, to)).unwrap();
    }

    /// Moves everything from flask to fastapi.
    fn promoted(&self) {
        for verb in ["prepare", "deploy", "migrate"] {
            self.run(0, &[verb]);
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "another process works meanwhile, in real time"
)]
fn a_moment() {
    std::thread::sleep(std::time::Duration::from_millis(20));
}

fn has_all(said: &str, wanted: &[&str]) {
    for words in wanted {
        assert!(said.contains(words), "{words} in {said}");
    }
}

#[test]
fn the_course_of_a_release_works_twice_and_needs_no_flag_the_second_time() {
    let world = World::new();
    let requests = ["test", "--rate", "20", "--duration", "1m"];
    for (blue, green) in [("flask", "fastapi"), ("fastapi", "flask")] {
        let said = world.run(0, &["prepare"]);
        let place = match green {
            "fastapi" => "make the test route",
            _ => "turn the test route",
        };
        assert!(said.contains(place), "{said}");
        let said = world.run(0, &["deploy"]);
        let family = format!("task-definition/chatbot-{green}:2 runs in full");
        assert!(said.contains(&family), "{said}");
        let said = world.run(0, &["plan"]);
        let way = format!("from {blue} (blue) to {green} (green); now {blue} 100, {green} 0");
        has_all(&said, &[&way, "a migration may begin"]);
        let said = world.run(0, &requests);
        let sides = format!("green is {green}, blue is {blue}");
        has_all(&said, &[&sides, "test passed"]);
        world.run(0, &["migrate"]);
        let status = world.data(0, &["status", "--json"]);
        assert_eq!(status["sides"], json!({"blue": blue, "green": green}));
        assert_eq!(status["weights"], json!({"blue": 0, "green": 100}));
        assert_eq!(status["blue_by"], "newest_run");
        let said = world.run(0, &["cleanup", "--keep", "0s"]);
        assert!(
            said.contains(&format!("side {blue} runs nothing now")),
            "{said}"
        );
    }
}

/// Types the command of `status` into the simulated load balancer.
fn typed(folder: &Path, command: &str) {
    let part = |from: &str, to: &str| {
        let rest = command.split_once(from).unwrap().1;
        rest.split_once(to).unwrap().0.to_owned()
    };
    let actions: Value = serde_json::from_str(&part("--actions '", "'")).unwrap();
    let input = json!({
        "RuleArn": part("--rule-arn ", " "), "Actions": actions, "Conditions": null,
    });
    let log = folder.join(".bluegreen/done.jsonl");
    let text = fs::read_to_string(&log).unwrap();
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    let event = json!({
        "nanos": last["nanos"], "event": "changed", "call": "ModifyRule", "input": input,
    });
    let mut log = fs::File::options().append(true).open(log).unwrap();
    writeln!(log, "{event}").unwrap();
}

#[test]
fn the_command_by_hand_restores_after_a_promotion_and_is_absent_with_a_reason_else() {
    let world = World::new();
    let status = world.data(0, &["status", "--json"]);
    assert_eq!(status["restore_command"], Value::Null);
    let why = status["no_restore_because"].as_str().unwrap();
    assert!(why.contains("flask has all of the traffic"), "{why}");

    world.promoted();
    let status = world.data(0, &["status", "--json"]);
    let command = status["restore_command"].as_str().unwrap();
    assert_eq!(status.get("no_restore_because"), None);
    let said = world.run(0, &["status"]);
    has_all(
        &said,
        &[command, "`bluegreen rollback`", "flask 0% / fastapi 100%"],
    );
    typed(&world.path, command);
    let said = world.run(0, &["status"]);
    has_all(&said, &["flask 100% / fastapi 0%", "blue is flask"]);
    let status = world.data(0, &["status", "--json"]);
    assert_eq!(status["restore_command"], Value::Null);
}

#[test]
fn status_tells_of_a_cleanup_before_during_and_after_it_and_after_its_death() {
    let world = World::at_speed("60");
    let fast = ["--speed", "600"];
    world.run(0, &["prepare"]);
    world.run(0, &[&["migrate"], &fast[..]].concat());
    let status = world.data(0, &["status", "--json"]);
    assert_eq!(status["cleanup"]["state"], "kept");
    assert_eq!(
        status["cleanup"]["until"],
        status["last_run"]["blue_kept_until"]
    );
    let said = world.run(0, &["status"]);
    assert!(said.contains("side flask may be retired from"), "{said}");

    // It waits for 15 settled minutes, which take 15 s here.
    let mut cleanup = world.spawn(&["cleanup", "--keep", "0s"]);
    let status = world.until(|status| status["cleanup"]["state"] == "running");
    assert_eq!(status["cleanup"]["by"], "ann");
    let said = world.run(0, &["status"]);
    assert!(
        said.contains("`cleanup` by ann retires side flask since"),
        "{said}"
    );
    // Each other verb says who holds the journal.
    for verb in ["plan", "migrate"] {
        let said = world.run(3, &[verb]);
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        has_all(&said, &["a `cleanup` retires side flask", "is held by ann"]);
        // The forecast of `plan` names `resume` for a controller that dies.
        assert!(!said.contains("`resume` takes"), "{said}");
    }
    let plan = world.data(3, &["plan", "--json"]);
    assert_eq!(plan["may_begin"], false);
    let said = world.run(3, &["prepare"]);
    assert!(said.contains("is held by ann"), "{said}");

    cleanup.kill().unwrap();
    cleanup.wait().unwrap();
    let status = world.until(|status| status["cleanup"]["state"] == "cut_off");
    assert_eq!(status["cleanup"]["command"], "bluegreen cleanup --keep 0s");
    let said = world.run(0, &["status"]);
    has_all(
        &said,
        &["was cut off", "`bluegreen cleanup --keep 0s` finishes it"],
    );
    for verb in ["migrate", "resume"] {
        let said = world.run(3, &[verb]);
        assert!(
            said.contains("was cut off: `bluegreen cleanup --keep 0s` finishes it"),
            "{said}"
        );
    }

    world.edit("speed = 60", "speed = 600");
    world.run(0, &["cleanup", "--keep", "0s"]);
    let status = world.until(|status| status["cleanup"]["state"] == "scaled_to_zero");
    assert_eq!(status["cleanup"]["back"], "bluegreen rollback");
    assert_eq!(
        status["cleanup"]["command"],
        "bluegreen cleanup --keep 0s --delete flask"
    );
    let steps = status["cleanup"]["steps"].to_string();
    assert!(
        steps.contains("scale service chatbot-flask to zero"),
        "{steps}"
    );
    assert_eq!(status["restore_command"], Value::Null);
    let said = world.run(0, &["status"]);
    has_all(
        &said,
        &[
            "side flask runs nothing: `cleanup` by ann",
            "scales it up first",
        ],
    );

    // The way back that it names.
    world.run(0, &["rollback"]);
    let status = world.data(0, &["status", "--json"]);
    assert_eq!(status["weights"]["blue"], 100);
    assert_eq!(status.get("cleanup"), None);
}

/// A file as `init` writes it, with ARNs: each verb says that the side is deleted, and the same next thing, which
/// works.
#[test]
fn a_deleted_side_is_told_as_such_and_the_hint_leads_on() {
    let world = World::new();
    world.promoted();
    let said = world.run(0, &["cleanup", "--keep", "0s", "--delete", "flask"]);
    let next = "([side.flask] target_group = \"chatbot-flask-tg\")";
    assert!(said.contains(next), "{said}");
    for (code, words) in [
        (0, &["status"][..]),
        (3, &["plan"]),
        (3, &["test"]),
        (3, &["migrate"]),
        (3, &["rollback"]),
    ] {
        let said = world.run(code, words);
        has_all(
            &said,
            &[
                "side flask is deleted: `cleanup` by ann",
                next,
                "`bluegreen prepare`",
            ],
        );
    }
    let status = world.data(0, &["status", "--json"]);
    assert_eq!(status["cleanup"]["state"], "deleted");
    assert_eq!(status["groups"], json!({"chatbot-fastapi-tg": 100}));
    let said = world.run(3, &["prepare"]);
    assert!(said.contains("write a name in place of its ARN"), "{said}");

    let arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/chatbot-flask-tg/73e2d6bc24d8a067";
    world.edit(arn, "chatbot-flask-tg");
    let said = world.run(0, &["prepare"]);
    assert!(
        said.contains("make target group chatbot-flask-tg"),
        "{said}"
    );
    assert!(!world.run(0, &["status"]).contains("is deleted"));
}

#[test]
fn a_plan_says_what_would_stop_the_migration() {
    let world = World::new();
    let file = world.path.join("bluegreen.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}\n[test]\nrequire = \"24h\"\n")).unwrap();
    let said = world.run(3, &["plan"]);
    has_all(
        &said,
        &["error: green was not tested", "run `bluegreen test`"],
    );
    assert!(!said.contains("may begin"), "{said}");
    fs::write(&file, text).unwrap();
    world.run(0, &["plan"]);

    world.promoted();
    world.run(0, &["cleanup", "--keep", "0s"]);
    let said = world.run(3, &["plan"]);
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    has_all(
        &said,
        &["green, flask, runs nothing", "`bluegreen deploy flask`"],
    );
}

#[test]
fn a_deployment_takes_the_idle_side_and_says_what_a_side_lacks() {
    let world = World::new();
    world.promoted();
    // Flask is idle now.
    world.run(0, &["prepare"]);
    let said = world.run(0, &["deploy"]);
    assert!(said.contains("task-definition/chatbot-flask:2"), "{said}");
    let said = world.run(2, &["deploy", "django"]);
    has_all(&said, &["there is no side `django`", "fastapi and flask"]);
    let file = world.path.join("bluegreen.toml");
    let text = fs::read_to_string(&file).unwrap();
    let table = "\n[side.fastapi.deployment]\nrepository = \"chatbot-fastapi\"\n";
    fs::write(&file, text + table).unwrap();
    for words in [&["deploy"][..], &["deploy", "flask"]] {
        let said = world.run(2, words);
        has_all(
            &said,
            &["side.flask.deployment", "is missing", "add the table"],
        );
    }
}

#[test]
fn a_second_controller_is_told_who_holds_the_journal_before_anything_else() {
    let world = World::at_speed("60");
    world.run(0, &["prepare"]);
    let mut run = world.spawn(&["migrate"]);
    world.until(|status| {
        status["journal"]
            .as_str()
            .is_some_and(|said| said.starts_with("held"))
    });
    let said = world.run(3, &["migrate"]);
    has_all(&said, &["error: take the journal of", "it is held by ann"]);
    assert!(!said.contains("requests a minute"), "{said}");
    // While traffic is divided, the holder is said, and no word of a divided split.
    world.until(|status| status["weights"]["green"] == 10);
    for verb in ["migrate", "plan", "prepare"] {
        let said = world.run(3, &[verb]);
        assert!(said.contains("held by ann"), "{said}");
        assert!(!said.contains("divided already"), "{said}");
    }
    run.kill().unwrap();
    run.wait().unwrap();
}
