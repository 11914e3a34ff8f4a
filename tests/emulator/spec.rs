//! The real program with only a file: every verb finds its rule, sides and journal there.

use std::{fs, path::PathBuf, process::Child};

use bluegreen::{
    aws::alb::{AlbRule, RuleArn},
    preflight::Acceptance,
    spec::{JudgedBy, MigrationSpec, Name, SideSpec},
};

use crate::{
    patience::{PATIENCE, sleep, wait_for},
    program::{World, world},
};

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// A file that names its target groups and accepts the risks of this world.
fn file(world: &World, rule: &RuleArn, accept: &[Acceptance]) -> PathBuf {
    let side = |group: &str| SideSpec::new(group.parse::<bluegreen::spec::Group>().unwrap());
    let sides = [
        (name("flask"), side(world.topology.blue.name())),
        (name("fastapi"), side(world.topology.green.name())),
    ];
    let mut spec = MigrationSpec::new(name("chatbot"), AlbRule::Arn(rule.clone()), sides);
    spec.journal = Some(world.folder.path().to_str().unwrap().parse().unwrap());
    spec.judge.by = JudgedBy::Limits;
    spec.plan.look_interval = "1s".parse().unwrap();
    spec.safety.accept = accept.iter().copied().collect();
    let path = world.folder.path().join("bluegreen.toml");
    fs::write(&path, spec.to_toml()).unwrap();
    path
}

fn said(child: &mut Child, code: i32, out: &std::path::Path) -> String {
    let ended = wait_for(
        || format!("end {}", out.display()),
        || child.try_wait().unwrap(),
    );
    let words = fs::read_to_string(out.with_extension("err")).unwrap();
    assert_eq!(ended.code(), Some(code), "{words}");
    words
}

#[tokio::test]
async fn every_verb_works_with_the_file_alone() {
    let Some(world) = world().await else {
        return;
    };
    let rule = world.topology.split_rule(960, 100, 0).await;
    let run = |words: &[&str], path: &PathBuf, what: &str| {
        let out = world.folder.path().join(what);
        let words = [words, &["--single-host", "--file", path.to_str().unwrap()]].concat();
        (world.alone(&words, &out), out)
    };

    let path = file(&world, &rule, &[Acceptance::SharedTargets]);
    let (mut refused, out) = run(&[], &path, "refused.json");
    let words = said(&mut refused, 3, &out);
    assert!(words.contains("no dead-man switch"), "{words}");
    assert!(words.contains("safety.dead_man"), "{words}");
    assert_eq!(world.topology.weights(&rule).await, (100, 0), "{words}");

    let accepted = [Acceptance::SharedTargets, Acceptance::NoDeadMan];
    let path = file(&world, &rule, &accepted);
    let (mut killed, _) = run(&[], &path, "killed.json");
    let mut asked = 0_u32;
    while world.topology.weights(&rule).await != (90, 10) {
        assert!(
            killed.try_wait().unwrap().is_none(),
            "it ended before its first rise"
        );
        assert!(f64::from(asked) * 0.2 < PATIENCE.as_secs_f64(), "no rise");
        asked += 1;
        sleep(std::time::Duration::from_millis(200));
    }
    killed.kill().unwrap();
    killed.wait().unwrap();

    // Both sides get traffic now: the journal tells which side served.
    let (mut status, out) = run(&["status"], &path, "status.json");
    let _words = said(&mut status, 0, &out);
    let shown = fs::read_to_string(&out).unwrap();
    assert!(
        shown.contains(world.topology.blue.name()) || shown.contains("90"),
        "{shown}"
    );
    let (mut refused, out) = run(&[], &path, "divided.json");
    let words = said(&mut refused, 3, &out);
    // The lease of the killed run has not expired yet.
    assert!(words.contains("it is held by"), "{words}");
    assert!(words.contains("`resume` takes the run over"), "{words}");
    let journal = world.folder.path().to_str().unwrap();
    let (mut named, out) = {
        let out = world.folder.path().join("named.json");
        (
            world.alone(&["status", "chatbot", "--journal", journal], &out),
            out,
        )
    };
    let _words = said(&mut named, 0, &out);
    let by_name = fs::read_to_string(&out).unwrap();
    assert!(
        by_name.contains("flask"),
        "by the name of the run: {by_name}"
    );

    let (mut back, out) = run(&["rollback"], &path, "back.json");
    let words = said(&mut back, 0, &out);
    let blue = world.topology.blue.name();
    assert!(
        words.contains(&format!("putting everything on {blue}")),
        "{words}"
    );
    assert_eq!(world.topology.weights(&rule).await, (100, 0), "{words}");
}
