//! The real program over real HTTP, through a proxy that breaks connections.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use bluegreen::aws::alb::RuleArn;
use serde_json::Value;

use crate::{
    harness::{self, Emulator, REGION},
    proxy,
    topology::Topology,
};

/// The command, as an example of this package: cargo builds examples with the tests.
pub(crate) fn program() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let folder = own.ancestors().nth(2).unwrap().join("examples");
    let program = folder.join("command");
    if !program.exists() {
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--locked", "--example", "command"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status();
        assert!(built.unwrap().success());
    }
    program
}

/// Verbs that cannot change the plan of a run.
const WITHOUT_CHANGES: [&str; 3] = ["resume", "rollback", "status"];
/// Options that change a plan.
const CHANGES: [&str; 4] = ["--look-interval", "--steps", "--judge", "--accept"];

/// The words of a verb, the verb first; `migrate` if none is named. Options without a meaning for the verb
/// are left out with their values.
fn arranged<'a>(words: &[&'a str]) -> Vec<&'a str> {
    let (verb, mut rest) = match words.split_first() {
        Some((verb, rest)) if !verb.starts_with("--") => (*verb, rest.iter()),
        _ => ("migrate", words.iter()),
    };
    let mut arranged = match verb {
        "complete" => vec!["migrate", "--full"],
        verb => vec![verb],
    };
    while let Some(word) = rest.next() {
        match WITHOUT_CHANGES.contains(&verb) && CHANGES.contains(word) {
            true => drop(rest.next()),
            false => arranged.push(word),
        }
    }
    arranged
}

/// The environment in which the program runs.
pub(crate) struct World {
    pub(crate) topology: Topology,
    /// The endpoint of the load balancer.
    elb: String,
    /// The endpoint of metrics, services and images.
    cloudwatch: String,
    /// The endpoint of S3; in most worlds nothing listens there.
    pub(crate) s3: String,
    /// The endpoint of IAM.
    pub(crate) iam: String,
    program: PathBuf,
    pub(crate) folder: tempfile::TempDir,
}

impl World {
    pub(crate) fn run(&self, rule: &RuleArn, words: &[&str], out: &Path) -> Child {
        let journal = self.folder.path().to_str().unwrap();
        self.run_with(journal, rule, words, out)
    }

    pub(crate) fn run_with(
        &self,
        journal: &str,
        rule: &RuleArn,
        words: &[&str],
        out: &Path,
    ) -> Child {
        let words = [words, &["--look-interval", "1s"]].concat();
        self.run_program(&self.program, journal, rule, &words, out)
    }

    /// This program.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// Runs another program with the same arguments.
    pub(crate) fn run_program(
        &self,
        program: &Path,
        journal: &str,
        rule: &RuleArn,
        words: &[&str],
        out: &Path,
    ) -> Child {
        self.command_of(program, journal, rule, words, out)
            .spawn()
            .unwrap()
    }

    /// The command that `run_program` runs.
    pub(crate) fn command_of(
        &self,
        program: &Path,
        journal: &str,
        rule: &RuleArn,
        words: &[&str],
        out: &Path,
    ) -> Command {
        let usual = ["--json", "--single-host", "--judge", "limits"];
        let place = ["--accept", "shared-targets", "--journal", journal];
        let mut words = [words, &usual, &place].concat();
        let mut command = self.placed(program, out);
        if program != self.program {
            // An earlier version: options in any order, and no risk of this name.
            command.arg("--aws").args(words);
        } else {
            if !words.iter().any(|word| word.starts_with("--dead-man")) {
                words.extend(["--accept", "no-dead-man"]);
            }
            command.args(arranged(&words));
        }
        self.named(&mut command, rule);
        command
    }

    /// This program with nothing but the rule's name and `words`.
    pub(crate) fn bare(&self, rule: &RuleArn, words: &[&str], out: &Path) -> Child {
        let mut command = self.placed(&self.program, out);
        command
            .args(arranged(words))
            .args(["--rule-arn", rule.as_str()]);
        command.spawn().unwrap()
    }

    /// This program with nothing but `words`.
    pub(crate) fn alone(&self, words: &[&str], out: &Path) -> Child {
        let mut command = self.placed(&self.program, out);
        command.args(arranged(words)).spawn().unwrap()
    }

    /// The monitor of this rule.
    pub(crate) fn monitor(&self, rule: &RuleArn, words: &[&str], out: &Path) -> Child {
        let mut command = self.placed(&self.program, out);
        command.arg("monitor");
        self.named(&mut command, rule);
        command.args(words).spawn().unwrap()
    }

    /// Names the rule and both of its groups.
    fn named(&self, command: &mut Command, rule: &RuleArn) {
        command
            .args(["--rule-arn", rule.as_str()])
            .args(["--blue-target-group", self.topology.blue.as_str()])
            .args(["--green-target-group", self.topology.green.as_str()]);
    }

    /// The program in this world, without arguments.
    fn placed(&self, program: &Path, out: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env("AWS_ENDPOINT_URL", &self.elb)
            .env("AWS_ENDPOINT_URL_S3", &self.s3)
            .env("AWS_ENDPOINT_URL_IAM", &self.iam)
            .env("AWS_ENDPOINT_URL_CLOUDWATCH", &self.cloudwatch)
            .env("AWS_ENDPOINT_URL_ECS", &self.cloudwatch)
            .env("AWS_ENDPOINT_URL_ECR", &self.cloudwatch)
            .env("AWS_REGION", REGION)
            .env("AWS_ACCESS_KEY_ID", "testing")
            .env("AWS_SECRET_ACCESS_KEY", "testing")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env_remove("AWS_PROFILE")
            .stdin(Stdio::null())
            .stdout(File::create(out).unwrap())
            .stderr(File::create(out.with_extension("err")).unwrap());
        command
    }
}

/// The events of a run so far.
pub(crate) fn events(out: &Path) -> Vec<Value> {
    let text = fs::read_to_string(out).unwrap_or_default();
    // A line that is still being written is not an event yet.
    text.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

/// A world for the program, if there are emulators.
pub(crate) async fn world() -> Option<World> {
    world_behind(proxy::before).await
}

/// The same, with a proxy of the test before the load balancer: `proxy` takes the server's address and
/// returns its own.
pub(crate) async fn world_behind(proxy: impl FnOnce(&str) -> String) -> Option<World> {
    let topology = Topology::new().await?;
    let metrics = harness::start(Emulator::Ministack)?;
    let url = |config: &aws_config::SdkConfig| config.endpoint_url().unwrap().to_owned();
    Some(World {
        elb: proxy(&url(&topology.endpoint.config)),
        cloudwatch: url(&metrics.config),
        s3: "http://127.0.0.1:9".to_owned(),
        iam: url(&metrics.config),
        topology,
        program: program(),
        folder: tempfile::tempdir().unwrap(),
    })
}

/// Sends SIGTERM, as the environment of a job does.
pub(crate) fn terminate(child: &Child) {
    signal(child, "-TERM");
}

/// Sends SIGINT, as a terminal does.
pub(crate) fn interrupt(child: &Child) {
    signal(child, "-INT");
}

/// Sends a signal by its name, such as `-STOP`.
pub(crate) fn signal(child: &Child, signal: &str) {
    let number = child.id().to_string();
    let sent = Command::new("kill").args([signal, &number]).status();
    assert!(sent.unwrap().success());
}
