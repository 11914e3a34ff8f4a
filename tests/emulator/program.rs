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

/// An example's program, built where it is not there yet.
fn program(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let program = own.ancestors().nth(2).unwrap().join("examples").join(name);
    if !program.exists() {
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--locked", "--example", name])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status();
        assert!(built.unwrap().success());
    }
    program
}

/// Where the program runs, and what it finds there.
pub(crate) struct World {
    pub(crate) topology: Topology,
    /// Where the program finds load balancer and metrics.
    elb: String,
    cloudwatch: String,
    /// Where it finds S3; in most worlds nothing listens there.
    pub(crate) s3: String,
    /// Where it finds IAM.
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

    /// Another program of the same arguments.
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

    /// What `run_program` runs.
    pub(crate) fn command_of(
        &self,
        program: &Path,
        journal: &str,
        rule: &RuleArn,
        words: &[&str],
        out: &Path,
    ) -> Command {
        let mut command = self.command(program, rule, out);
        command
            .args(words)
            .args(["--json", "--single-host", "--judge", "limits"])
            .args(["--accept", "shared-targets"])
            .args(["--journal", journal]);
        // The programs of earlier versions know no such risk, and a run that one of them began is resumed
        // with what it accepted.
        let is_begun = words.contains(&"resume");
        let has_switch = words.iter().any(|word| word.starts_with("--dead-man"));
        if program == self.program && !is_begun && !has_switch {
            command.args(["--accept", "no-dead-man"]);
        }
        command
    }

    /// This program with nothing but the rule's name and `words`.
    pub(crate) fn bare(&self, rule: &RuleArn, words: &[&str], out: &Path) -> Child {
        let mut command = self.placed(&self.program, out);
        command
            .args(["--aws", "--rule-arn", rule.as_str()])
            .args(words);
        command.spawn().unwrap()
    }

    /// This program with nothing but `words`.
    pub(crate) fn alone(&self, words: &[&str], out: &Path) -> Child {
        let mut command = self.placed(&self.program, out);
        command.args(words).spawn().unwrap()
    }

    /// The monitor of this rule.
    pub(crate) fn monitor(&self, rule: &RuleArn, words: &[&str], out: &Path) -> Child {
        let mut command = self.command(&program("migration_monitor"), rule, out);
        command.args(words).spawn().unwrap()
    }

    fn command(&self, program: &Path, rule: &RuleArn, out: &Path) -> Command {
        let mut command = self.placed(program, out);
        command
            .args(["--aws", "--rule-arn", rule.as_str()])
            .args(["--blue-target-group", self.topology.blue.as_str()])
            .args(["--green-target-group", self.topology.green.as_str()]);
        command
    }

    /// In this world, without arguments.
    fn placed(&self, program: &Path, out: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env("AWS_ENDPOINT_URL", &self.elb)
            .env("AWS_ENDPOINT_URL_S3", &self.s3)
            .env("AWS_ENDPOINT_URL_IAM", &self.iam)
            .env("AWS_ENDPOINT_URL_CLOUDWATCH", &self.cloudwatch)
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

/// What a run has said so far.
pub(crate) fn events(out: &Path) -> Vec<Value> {
    let text = fs::read_to_string(out).unwrap_or_default();
    // A line that is still being written is no event yet.
    text.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

/// A world for the program, where there are emulators.
pub(crate) async fn world() -> Option<World> {
    world_behind(proxy::before).await
}

/// The same, with a proxy of the test's own before the load balancer: it takes the server's address
/// and gives its own.
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
        program: program("traffic_router"),
        folder: tempfile::tempdir().unwrap(),
    })
}

/// SIGTERM, as the surroundings send it.
pub(crate) fn terminate(child: &Child) {
    signal(child, "-TERM");
}

/// SIGINT, as a terminal sends it.
pub(crate) fn interrupt(child: &Child) {
    signal(child, "-INT");
}

/// Any signal by its name, such as `-STOP`.
pub(crate) fn signal(child: &Child, signal: &str) {
    let number = child.id().to_string();
    let sent = Command::new("kill").args([signal, &number]).status();
    assert!(sent.unwrap().success());
}
