//! A user of moto whose rights can be changed, and the program that runs as this user.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    path::PathBuf,
    process::{Command, Stdio},
};

use bluegreen::aws::alb::RuleArn;
use serde_json::{Value, json};

use super::before::Before;
use crate::{
    harness::{self, Emulator, Endpoint, REGION},
    patience::wait_for,
    program::{program, terminate},
    topology::Topology,
};

pub(super) const BUCKET: &str = "rights";
/// How many tasks each service runs.
pub(super) const TASKS: i32 = 2;

/// The world of one test: a user, a rule, two services and a bucket.
pub(super) struct Guarded {
    pub(super) topology: Topology,
    pub(super) metrics: Endpoint,
    pub(super) rule: RuleArn,
    pub(super) folder: tempfile::TempDir,
    /// How often this world was reset.
    pub(super) resets: u32,
    key: (String, String),
    program: PathBuf,
}

/// How a run ended, and all that it said.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) code: Option<i32>,
    pub(super) said: String,
}

impl Guarded {
    pub(super) async fn new(before: Before) -> Option<Self> {
        // moto starts no tasks: it says that this many run, so that a deployment of as many is complete.
        let tasks = ("MOTO_ECS_SERVICE_RUNNING", TASKS.to_string());
        let topology = Topology::on(harness::own(Emulator::Moto, &[tasks])?).await;
        let metrics = harness::start(Emulator::Ministack)?;
        let rule = topology.split_rule(10, 100, 0).await;
        topology.endpoint.make_bucket(BUCKET);
        let iam = |action: &str, more: &str| {
            let form = format!("Action={action}&Version=2010-05-08&UserName=ann{more}");
            topology.endpoint.post("iam", &form).expect("IAM answers")
        };
        iam("CreateUser", "");
        let made = iam("CreateAccessKey", "");
        let part = |name: &str| {
            let (_, rest) = made.split_once(&format!("<{name}>")).expect("a key");
            rest.split('<').next().unwrap_or_default().to_owned()
        };
        let key = (part("AccessKeyId"), part("SecretAccessKey"));
        let guarded = Self {
            topology,
            metrics,
            rule,
            folder: tempfile::tempdir().unwrap(),
            resets: 0,
            key,
            program: program(),
        };
        guarded.furnish(before).await;
        Some(guarded)
    }

    /// Gives the user these rights and no others.
    pub(super) fn allow(&self, actions: &BTreeSet<String>) {
        let statement = json!([{ "Effect": "Allow", "Action": actions, "Resource": "*" }]);
        let policy = json!({ "Version": "2012-10-17", "Statement": statement }).to_string();
        let form = format!(
            "Action=PutUserPolicy&Version=2010-05-08&UserName=ann&PolicyName=least&PolicyDocument={}",
            encoded(&policy)
        );
        let put = self.topology.endpoint.post("iam", &form);
        put.expect("IAM takes the policy");
    }

    /// Sets whether IAM is asked. If not, every call is allowed.
    pub(super) fn is_asked(&self, is_asked: bool) {
        let after = if is_asked { 0 } else { 1_000_000 };
        self.topology.endpoint.ask_iam_after(after);
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    pub(super) fn run(&self, words: &[&str]) -> Ended {
        let out = self.folder.path().join("out");
        let url = |endpoint: &Endpoint| endpoint.config.endpoint_url().unwrap().to_owned();
        let mut child = Command::new(&self.program)
            .args(words)
            .current_dir(self.folder.path())
            .env("AWS_ENDPOINT_URL", url(&self.topology.endpoint))
            .env("AWS_ENDPOINT_URL_CLOUDWATCH", url(&self.metrics))
            .env("AWS_ENDPOINT_URL_SCHEDULER", url(&self.metrics))
            .env("AWS_REGION", REGION)
            .env("AWS_ACCESS_KEY_ID", &self.key.0)
            .env("AWS_SECRET_ACCESS_KEY", &self.key.1)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("USER", "ann")
            .env_remove("AWS_PROFILE")
            .env_remove("BLUEGREEN_JOURNAL")
            .stdin(Stdio::null())
            .stdout(File::create(&out).unwrap())
            .stderr(File::create(out.with_extension("err")).unwrap())
            .spawn()
            .unwrap();
        let read = |path: &PathBuf| fs::read_to_string(path).unwrap();
        // There are no metrics, so a run that has moved waits for them: it is cancelled, and restores.
        let mut may_move = words[0] == "migrate";
        let ended = wait_for(
            || format!("end of {words:?}: {}", read(&out.with_extension("err"))),
            || {
                if may_move && read(&out.with_extension("err")).contains("read back: ") {
                    may_move = false;
                    terminate(&child);
                }
                child.try_wait().unwrap()
            },
        );
        let code = ended.code();
        let said = read(&out) + &read(&out.with_extension("err"));
        Ended { code, said }
    }

    /// Runs words that must succeed.
    #[track_caller]
    pub(super) fn runs(&self, words: &[&str]) {
        let ended = self.run(words);
        assert_eq!(ended.code, Some(0), "{words:?}: {}", ended.said);
    }

    /// The rights that a verb prints.
    pub(super) fn printed(&self, words: &[&str]) -> BTreeSet<String> {
        let told = self.run(&[words, &["--print-iam-policy"]].concat());
        assert_eq!(told.code, Some(0), "{}", told.said);
        // Notes about endpoints follow on the other stream.
        let read = serde_json::Deserializer::from_str(&told.said)
            .into_iter::<Value>()
            .next();
        let policy = read.expect("a policy").expect("JSON");
        let statements = policy["Statement"].as_array().expect("a list");
        let actions = statements
            .iter()
            .flat_map(|one| one["Action"].as_array().expect("a list"));
        actions
            .map(|action| action.as_str().expect("a text").to_owned())
            .collect()
    }
}

/// A text as a value of a form.
fn encoded(text: &str) -> String {
    let encode = |byte: u8| match byte.is_ascii_alphanumeric() {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}
