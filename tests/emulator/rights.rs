//! The rights that each verb prints, held by moto's IAM: each verb runs with them, and with a right less it says
//! which right is missing.
//!
//! moto asks IAM by action alone: resources and conditions of these policies are not looked at. It does not know
//! the signatures of Scheduler and the actions of CloudWatch, so both are on `ministack`, which asks nothing.
//! `deploy` needs calls of ECS that moto does not have, and a container engine.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    path::PathBuf,
    process::{Command, Stdio},
};

use aws_sdk_ecs::types::ContainerDefinition;
use bluegreen::aws::alb::RuleArn;
use serde_json::{Value, json};

use crate::{
    harness::{self, Emulator, Endpoint, REGION},
    patience::wait_for,
    program::{program, terminate},
    topology::{Topology, forward},
};

const CLUSTER: &str = "rights";
const BUCKET: &str = "rights";

/// A verb in this world.
struct Case {
    words: &'static [&'static str],
    /// The weights of the rule before it; `None` for the rule with blue alone, beside which a place is made.
    weights: Option<(i32, i32)>,
    /// Rights without which the verb stops and names the right. The absence of another right stops nothing here:
    /// its call is not needed in this world, or what it would tell is left out. Without the right to write the rule a
    /// run tries to restore for longer than a test can wait.
    needs: &'static [&'static str],
}

const READ_RULES: &str = "elasticloadbalancing:DescribeRules";
const READ_TARGETS: &str = "elasticloadbalancing:DescribeTargetHealth";

const CASES: [Case; 8] = [
    Case {
        words: &["plan"],
        weights: Some((100, 0)),
        needs: &[
            "application-autoscaling:DescribeScalableTargets",
            "ecs:DescribeServices",
            READ_RULES,
            READ_TARGETS,
        ],
    },
    Case {
        words: &["diff"],
        weights: Some((100, 0)),
        needs: &[READ_RULES, READ_TARGETS],
    },
    Case {
        words: &["status"],
        weights: Some((100, 0)),
        needs: &[READ_RULES, READ_TARGETS],
    },
    Case {
        words: &["monitor", "--plain", "--watch-for", "3s"],
        weights: Some((100, 0)),
        needs: &[READ_RULES, READ_TARGETS],
    },
    Case {
        words: &["prepare"],
        weights: None,
        needs: &["elasticloadbalancing:CreateRule"],
    },
    Case {
        words: &["prepare", "--undo"],
        weights: None,
        needs: &["elasticloadbalancing:DeleteRule"],
    },
    Case {
        words: &["migrate", "--full"],
        weights: Some((100, 0)),
        needs: &[READ_RULES],
    },
    Case {
        words: &["rollback", "--to", "flask"],
        weights: Some((50, 50)),
        needs: &[READ_RULES],
    },
];

/// A user of moto whose rights can be changed, with a rule, two services and a bucket.
struct Guarded {
    topology: Topology,
    metrics: Endpoint,
    key: (String, String),
    rule: RuleArn,
    folder: tempfile::TempDir,
    program: PathBuf,
}

/// How a run ended, and all that it said.
#[derive(Debug, PartialEq)]
struct Ended {
    code: Option<i32>,
    said: String,
}

impl Guarded {
    async fn new() -> Option<Self> {
        let topology = Topology::on(harness::own(Emulator::Moto)?).await;
        let metrics = harness::start(Emulator::Ministack)?;
        let rule = topology.split_rule(10, 100, 0).await;
        topology.endpoint.make_bucket(BUCKET);
        services(&topology.endpoint).await;
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
        Some(Self {
            topology,
            metrics,
            key,
            rule,
            folder: tempfile::tempdir().unwrap(),
            program: program(),
        })
    }

    /// Gives the user these rights and no others.
    fn allow(&self, actions: &BTreeSet<String>) {
        let statement = json!([{ "Effect": "Allow", "Action": actions, "Resource": "*" }]);
        let policy = json!({ "Version": "2012-10-17", "Statement": statement }).to_string();
        let form = format!(
            "Action=PutUserPolicy&Version=2010-05-08&UserName=ann&PolicyName=least&PolicyDocument={}",
            encoded(&policy)
        );
        let put = self.topology.endpoint.post("iam", &form);
        put.expect("IAM takes the policy");
    }

    /// The file of the migration, whose green is this target group.
    fn write(&self, green: &str) {
        let blue = self.topology.blue.name();
        let rule = self.rule.as_str();
        let text = format!(
            "name = \"chatbot\"\nregion = \"{REGION}\"\njournal = \"s3://{BUCKET}/production\"\n\
             [traffic]\nrules = [\"{rule}\"]\n\
             [side.flask]\ntarget_group = \"{blue}\"\nservice = \"{CLUSTER}/blue\"\n\
             [side.fastapi]\ntarget_group = \"{green}\"\nservice = \"{CLUSTER}/green\"\n\
             [judge]\nby = \"limits\"\n\
             [safety]\naccept = [\"no-dead-man\", \"shared-targets\"]\n"
        );
        fs::write(self.folder.path().join("bluegreen.toml"), text).unwrap();
    }

    /// Makes the rule as a case needs it, with every call allowed.
    async fn reset(&self, case: &Case) {
        self.topology.endpoint.ask_iam_after(1_000_000);
        let new = format!("{}-new", self.topology.green.name());
        if let Some((blue, green)) = case.weights {
            self.write(self.topology.green.name());
            let action = self.topology.forward(blue, green);
            self.topology.write(&self.rule, vec![action]).await;
            return;
        }
        self.write(&new);
        let is_undo = case.words.contains(&"--undo");
        self.run(&["prepare", "--undo"]);
        let alone = vec![forward(&[(&self.topology.blue, 1)])];
        self.topology.write(&self.rule, alone).await;
        if is_undo {
            let made = self.run(&["prepare"]);
            assert_eq!(made.code, Some(0), "{}", made.said);
        }
    }

    fn run(&self, words: &[&str]) -> Ended {
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
            || format!("end of {words:?}"),
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

    /// The rights that a verb prints.
    fn printed(&self, words: &[&str]) -> BTreeSet<String> {
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

/// The services of both sides.
async fn services(endpoint: &Endpoint) {
    let ecs = aws_sdk_ecs::Client::new(&endpoint.config);
    let made = ecs.create_cluster().cluster_name(CLUSTER).send().await;
    made.unwrap();
    for name in ["blue", "green"] {
        let container = ContainerDefinition::builder().name("web").image("web:1");
        let container = container.memory(128).build();
        let definition = ecs.register_task_definition().family(name);
        let registered = definition.container_definitions(container).send().await;
        registered.unwrap();
        let service = ecs.create_service().cluster(CLUSTER).service_name(name);
        let service = service.task_definition(name).desired_count(2);
        service.send().await.unwrap();
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

#[tokio::test]
async fn each_verb_runs_with_the_rights_that_it_prints_and_names_the_right_that_is_missing() {
    let Some(guarded) = Guarded::new().await else {
        return;
    };
    let mut wrong = Vec::new();
    for case in &CASES {
        guarded.reset(case).await;
        let rights = guarded.printed(case.words);
        let free = guarded.run(case.words);
        guarded.reset(case).await;
        guarded.allow(&rights);
        guarded.topology.endpoint.ask_iam_after(0);
        let whole = guarded.run(case.words);
        if whole.code != free.code || rights.iter().any(|right| whole.said.contains(right)) {
            let said = format!(
                "{:?} with all of its rights: {whole:?}, and {free:?}",
                case.words
            );
            wrong.push(said);
        }
        for right in case.needs {
            guarded.reset(case).await;
            let mut less = rights.clone();
            assert!(less.remove(*right), "{:?} prints no {right}", case.words);
            guarded.allow(&less);
            guarded.topology.endpoint.ask_iam_after(0);
            let ended = guarded.run(case.words);
            if ended.code == whole.code || !ended.said.contains(*right) {
                wrong.push(format!("{:?} without {right}: {ended:?}", case.words));
            }
        }
    }
    guarded.topology.endpoint.ask_iam_after(1_000_000);
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
