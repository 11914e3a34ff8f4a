//! A CI runner cancels a job: SIGINT to the shell, SIGTERM 7.5 s later, and 2.5 s after that it kills the
//! whole tree. For any signals that reach the program, traffic is on blue, or the next `rollback` restores.

#![allow(
    clippy::print_stdout,
    reason = "where traffic was after the kill is what this test measures"
)]

use std::{
    fs,
    os::unix::process::CommandExt as _,
    process::{Child, Command},
    time::Duration,
};

use bluegreen::aws::alb::RuleArn;

use crate::{
    harness::{self, Emulator},
    killed::At,
    patience::{sleep, wait_for},
    program::{World, events, interrupt, terminate, world},
    proxy::store::{Mood, StoreProxy},
};

/// The number of moments: `BLUEGREEN_CANCELS`, or as many as fit into CI.
fn cancels() -> usize {
    let given = std::env::var("BLUEGREEN_CANCELS").ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(8)
}

/// The command of the job's step.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// `bluegreen …`: the shell waits for it, and the program gets no signal.
    Plain,
    /// `exec bluegreen …`: the program is the shell's process, and gets each signal.
    Exec,
}

/// Runs a migration as a job's step, and cancels the job at `at`.
fn cancelled(world: &World, rule: &RuleArn, number: usize, step: Step, at: At) {
    let out = world.folder.path().join(format!("{number}-job.json"));
    let journal = format!("s3://cancelled/{number}");
    let words = ["migrate", "--steps", "10,50,100"];
    let words = [&words[..], &["--look-interval", "1s"]].concat();
    let job = world.command_of(world.program(), &journal, rule, &words, &out);
    let mut shell = in_shell(&job, step, &out);
    wait_for(
        || format!("{} events of job {number}", at.events),
        || {
            let is_over = shell.try_wait().unwrap().is_some();
            (is_over || events(&out).len() >= at.events).then_some(())
        },
    );
    sleep(at.later);
    for (signal, grace) in [
        (interrupt as fn(&Child), Duration::from_millis(7500)),
        (terminate, Duration::from_millis(2500)),
    ] {
        if shell.try_wait().unwrap().is_none() {
            signal(&shell);
            ends_within(&mut shell, grace);
        }
    }
    // The whole tree, which is a process group of its own here; it may have ended.
    let group = format!("-{}", shell.id());
    let _ = Command::new("kill").args(["-KILL", "--", &group]).output();
    let _ = shell.wait();
}

/// Waits for the end of the child, for at most `grace`, as the runner does.
fn ends_within(child: &mut Child, grace: Duration) {
    const PART: Duration = Duration::from_millis(50);
    let mut waited = Duration::ZERO;
    while waited < grace && child.try_wait().unwrap().is_none() {
        sleep(PART);
        waited += PART;
    }
}

/// The command as a shell script, in the same environment.
fn in_shell(job: &Command, step: Step, out: &std::path::Path) -> Child {
    let words = std::iter::once(job.get_program()).chain(job.get_args());
    let words = words.map(|word| format!("'{}'", word.to_str().unwrap()));
    let line = words.collect::<Vec<_>>().join(" ");
    let script = match step {
        Step::Plain => format!("{line}\necho done\n"),
        Step::Exec => format!("exec {line}\n"),
    };
    let mut shell = Command::new("bash");
    for (name, value) in job.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
        .args([
            "--noprofile",
            "--norc",
            "-e",
            "-o",
            "pipefail",
            "-c",
            &script,
        ])
        .process_group(0)
        .stdin(std::process::Stdio::null())
        .stdout(fs::File::create(out).unwrap())
        .stderr(fs::File::create(out.with_extension("err")).unwrap());
    shell.spawn().unwrap()
}

#[tokio::test]
async fn p05_p11_a_cancelled_job_ends_on_blue_or_the_next_rollback_does() {
    let Some(mut world) = world().await else {
        return;
    };
    let Some(s3) = harness::start(Emulator::Moto) else {
        return;
    };
    s3.make_bucket("cancelled");
    let store = StoreProxy::before(s3.config.endpoint_url().unwrap());
    store.set(Mood::Slow(Duration::from_millis(300)));
    store.url().clone_into(&mut world.s3);
    let count = cancels();
    let mut rules = Vec::new();
    for number in 0..count {
        let priority = 7000 + i32::try_from(number).unwrap();
        rules.push(world.topology.split_rule(priority, 100, 0).await);
    }
    let step_of = |number: usize| [Step::Plain, Step::Exec][number % 2];
    std::thread::scope(|scope| {
        for (number, rule) in rules.iter().enumerate() {
            let world = &world;
            scope.spawn(move || cancelled(world, rule, number, step_of(number), At::of(number)));
        }
    });
    let mut divided = 0;
    for (number, rule) in rules.iter().enumerate() {
        let left = world.topology.weights(rule).await;
        let out = world.folder.path().join(format!("{number}-job.json"));
        let words = fs::read_to_string(out.with_extension("err")).unwrap();
        let (step, at) = (step_of(number), At::of(number));
        println!("job {number}, {step:?}, {at:?}: left {left:?}");
        if left.1 == 0 {
            continue;
        }
        divided += 1;
        println!("job {number} said: {words}");
        let out = world.folder.path().join(format!("{number}-rollback.json"));
        let journal = format!("s3://cancelled/{number}");
        let mut rollback = world.run_with(&journal, rule, &["rollback"], &out);
        let ended = wait_for(
            || format!("end of rollback {number}"),
            || rollback.try_wait().unwrap(),
        );
        let words = fs::read_to_string(out.with_extension("err")).unwrap();
        assert_eq!(ended.code(), Some(0), "{number}: {words}");
        assert_eq!(world.topology.weights(rule).await.1, 0, "{number}: {words}");
    }
    println!(
        "{count} cancelled jobs: {divided} left traffic divided, and a rollback put it on blue"
    );
}
