use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;

use super::{written::Written as _, *};

/// Every field that there is.
const FULL: &str = include_str!("../../docs/migration.toml");
/// No field more than is needed.
const LEAST: &str = r#"
name = "chatbot"
[traffic]
rules = ["arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/chatbot/50dc6c495c0c9188/f2f7dc8efc522ab2"]
[side.flask]
target_group = "chatbot-flask-tg"
[side.fastapi]
target_group = "chatbot-fastapi-tg"
"#;

fn told(text: &str) -> Vec<String> {
    let error = MigrationSpec::from_toml(text).expect_err("it has mistakes");
    error.problems().iter().map(ToString::to_string).collect()
}

/// Every field that there is, with the table that makes it one of a simulated world.
fn simulated() -> String {
    let (real, table) = FULL.split_once("# [simulation]").expect("it is told");
    format!("{real}[simulation]{}", table.replace("\n# ", "\n"))
}

#[test]
fn what_is_left_out_has_the_recommended_default() {
    let spec = MigrationSpec::from_toml(LEAST).expect("valid");
    let plan = spec.plan().expect("valid");
    let steps: Vec<String> = plan
        .steps()
        .iter()
        .map(|step| step.green.to_string())
        .collect();
    assert_eq!(steps, ["10%", "50%", "90%", "100%"]);
    assert_eq!(plan.bake_of(&plan.steps()[0]), Duration::from_secs(180));
    assert!(spec.comparison().is_some());
    // What the front page of the module shows as the defaults.
    let page = include_str!("mod.rs");
    let shown = page
        .split("# All of this is the default.\n")
        .nth(1)
        .expect("shown");
    let shown = shown.split("//! [safety]").next().expect("shown");
    let shown: String = shown
        .lines()
        .map(|line| format!("{}\n", line[3..].trim()))
        .collect();
    let written = MigrationSpec::from_toml(&format!("{LEAST}{shown}")).expect("valid");
    assert_eq!(written.plan(), spec.plan());
    assert_eq!(written.judge, spec.judge);
}

#[test]
fn limits_alone_need_no_held_back_share_and_a_longer_bake() {
    let spec = MigrationSpec::from_toml(&format!("{LEAST}[judge]\nby = \"limits\"\n"));
    let plan = spec.expect("valid").plan().expect("valid");
    assert_eq!(plan.steps().len(), 3);
    assert_eq!(plan.bake_of(&plan.steps()[0]), Duration::from_secs(600));
}

#[test]
fn twenty_mistakes_are_twenty_problems_with_their_places() {
    let text = r#"naem = "chatbot"
account = 123456789012
region = "us-east-1"
journal = "gs://bucket"
[traffic]
rules = ["arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/chatbot/50dc6c495c0c9188", { listner = "x" }]
[side.flask]
target_group = "chatbot flask"
service = "chatbot"
[side.fastapi]
targetGroup = "chatbot-fastapi-tg"
[plan]
steps = ["10%", "half", 101, { green = "50%", bakes = "3m" }, true]
bake = 180
deadline = "two hours"
on_cancel = "rollback"
[judge]
by = "sequental"
alarms = "chatbot-5xx"
[safety]
dead_man = { after = "10m", role = "blue-again" }
accept = ["no-deadman"]
"#;
    let told = told(text);
    assert_eq!(
        told,
        [
            "line 1, column 1: naem: is not known (did you mean `name`?)",
            "line 1, column 1: name: is missing (The name of the migration for people, such as `chatbot`)",
            "line 2, column 11: account: is a number, not a text (such as \"123456789012\")",
            "line 4, column 11: journal: `gs://bucket` is no place for a journal (s3://BUCKET/PREFIX, or a folder)",
            "line 6, column 10: traffic.rules[0]: `arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/chatbot/50dc6c495c0c9188` is not the ARN of a listener rule of an application load balancer (such as arn:aws:elasticloadbalancing:us-east-1:123456789012:listener-rule/app/NAME/0123456789abcdef/0123456789abcdef/0123456789abcdef)",
            "line 6, column 107: traffic.rules[1].listener: is missing (The ARN of the listener)",
            "line 6, column 107: traffic.rules[1].priority: is missing (The priority of the rule, 1 to 50,000, or `default`)",
            "line 6, column 109: traffic.rules[1].listner: is not known (did you mean `listener`?)",
            "line 8, column 16: side.flask.target_group: `chatbot flask` is not a target group (its ARN, or its name, such as `chatbot-flask-tg`)",
            "line 9, column 11: side.flask.service: `chatbot` is not a service of ECS (such as `shop/web`: cluster, service)",
            "line 10, column 1: side.fastapi.target_group: is missing (The side's target group: its name or its ARN)",
            "line 11, column 1: side.fastapi.targetGroup: is not known (did you mean `target_group`?)",
            "line 13, column 17: plan.steps[1]: `half` is not a percentage such as `10` or `0.5` (such as \"10%\", 10 or 0.5)",
            "line 13, column 25: plan.steps[2]: `101` is not between 0 and 100 percent (such as \"10%\", 10 or 0.5)",
            "line 13, column 47: plan.steps[3].bakes: is not known (did you mean `bake`?)",
            "line 13, column 63: plan.steps[4]: is true or false, not a text or a number or a table (such as \"10%\")",
            "line 14, column 8: plan.bake: is a number, not a text (such as \"10m\")",
            "line 15, column 12: plan.deadline: `two hours` is not a span of time (write it like `10m`, `90s` or `1h 30m`)",
            "line 16, column 13: plan.on_cancel: `rollback` is not known (did you mean `roll-back`? It must be one of roll-back, hold)",
            "line 18, column 6: judge.by: `sequental` is not known (did you mean `sequential`? It must be one of sequential, limits)",
            "line 19, column 10: judge.alarms: is a text, not a list",
            "line 21, column 36: safety.dead_man.role: `blue-again` is not the ARN of a role (a role's ARN looks like arn:aws:iam::123456789012:role/NAME)",
            "line 22, column 11: safety.accept[0]: `no-deadman` is not known (did you mean `no-dead-man`? It must be one of shared-targets, long-stickiness, in-place, unseen-traffic, no-test-route, blue-may-shrink, untested, no-dead-man, single-host, infrastructure-code, pause-continues)",
        ]
    );
}

#[test]
fn fields_that_do_not_go_together_are_told_beside_others_that_cannot_be_read() {
    let alike = LEAST.replace("chatbot-fastapi-tg", "chatbot-flask-tg");
    assert_ne!(alike, LEAST);
    let judge = "[judge]\nmax_error_rate = 0\n";
    let rate = "judge.max_error_rate: 0% would stop every new side";
    let group = "side.flask.target_group: is the target group of the other side, too";
    for (mistake, wanted) in [
        ("[plan]\nbake = true\n", &[group, rate][..]),
        ("[plan]\nstpes = [5]\nbake = 1\n", &[group, rate]),
        ("[side.fastapi.deployment]\ntag = 7\n", &[group, rate]),
        // What of a side could not be read is not known, so nothing is said of sides, nor of what needs them.
        ("[side.other]\ntarget_group = 7\n", &[]),
    ] {
        let told = told(&format!("{alike}{judge}{mistake}"));
        for line in [group, rate] {
            let is_told = told.iter().any(|one| one.contains(line));
            assert_eq!(
                is_told,
                wanted.contains(&line),
                "{mistake}: {line} in {told:#?}"
            );
        }
        assert!(told.len() > wanted.len(), "{mistake}: {told:#?}");
    }
    // A plan is checked by what it is made of alone: not if a step could not be read.
    let told = told(&format!("{LEAST}[plan]\nsteps = [true]\nbake = \"50h\"\n"));
    assert_eq!(told.len(), 1, "{told:#?}");
}

#[test]
fn fields_that_do_not_go_together_are_told_with_their_places() {
    for (more, wanted) in [
        (
            "account = \"210987654321\"\n",
            "traffic.rules[0]: is in account 123456789012, not in 210987654321",
        ),
        (
            "region = \"eu-west-1\"\n",
            "line 4, column 10: traffic.rules[0]: is in region us-east-1, not in eu-west-1",
        ),
        (
            "[plan]\nsteps = [50, 10, 100]\n",
            "line 10, column 9: plan.steps: 50% is followed by 10%",
        ),
        (
            "[plan]\nsteps = [{ green = 50, bake = \"30s\" }, 100]\nhold_back = 0\n",
            "line 10, column 10: plan.steps[0]: its bake of 30s is shorter",
        ),
        (
            "[plan]\nstep_deadline = \"4m\"\n",
            "line 10, column 17: plan.step_deadline: is 240 s, and the first point",
        ),
        (
            "[plan]\ndeadline = \"5m\"\n",
            "line 10, column 12: plan.deadline: 5m is not longer than all bakes",
        ),
        (
            "[judge]\nmax_error_rate = 0\n",
            "line 10, column 18: judge.max_error_rate: 0% would stop every new side",
        ),
        (
            "[judge]\nmax_latency = \"0s\"\n",
            "line 10, column 15: judge.max_latency: no answer takes 0s",
        ),
        (
            "[judge]\nperiod = \"90s\"\n",
            "line 10, column 10: judge.period: CloudWatch keeps no points of",
        ),
        (
            "[judge]\nhistory_ratio = 0.5\n",
            "line 10, column 17: judge.history_ratio: `0.5` is not from 1",
        ),
        (
            "[judge]\nignore_alarms = [\"a\"]\n",
            "line 10, column 18: judge.ignore_alarms[0]: `a` is not in `alarms`",
        ),
        (
            "[judge]\nmetrics = \"app\"\n",
            "line 10, column 11: judge.metrics: \"app\" compares the sides",
        ),
        (
            "[safety]\ndead_man = { after = \"1m\", role = \"arn:aws:iam::123456789012:role/r\" }\n",
            "line 10, column 22: safety.dead_man.after: 1m is not between 5m and 1h",
        ),
        (
            "[side.third]\ntarget_group = \"third\"\n",
            "side: there are 3 sides",
        ),
    ] {
        let is_top = !more.starts_with('[');
        let text = match is_top {
            true => format!("{more}{}", LEAST.trim_start()),
            false => format!("\n{}{more}", LEAST.trim_start()),
        };
        let told = told(&text);
        assert_eq!(told.len(), 1, "{told:#?}");
        assert!(told[0].contains(wanted), "{}", told[0]);
    }
}

#[test]
fn json_is_read_like_toml() {
    let spec = MigrationSpec::from_toml(FULL).expect("valid");
    let json = serde_json::to_string_pretty(&spec).expect("JSON");
    assert_eq!(MigrationSpec::from_json(&json), Ok(spec));
    let error = MigrationSpec::from_json(&json.replace("\"steps\"", "\"step\"")).unwrap_err();
    let told = error.to_string();
    assert!(
        told.contains("column 5: plan.step: is not known (did you mean `steps`?)"),
        "{told}"
    );
    let error = MigrationSpec::from_json("{").unwrap_err().to_string();
    assert!(error.contains("line 1, column 2"), "{error}");
    let error = MigrationSpec::from_json("[]").unwrap_err().to_string();
    assert!(error.contains("is a list, not a table"), "{error}");
}

#[test]
fn the_file_of_the_readme_is_valid() {
    let readme = include_str!("../../README.md");
    let files = readme
        .split("```toml\n")
        .filter(|file| file.contains("[traffic]"));
    let files: Vec<&str> = files.filter_map(|file| file.split("```").next()).collect();
    assert_eq!(files.len(), 1);
    assert_eq!(MigrationSpec::from_toml(files[0]).map(drop), Ok(()));
}

/// The file for editors is the one that the reader goes by, and the full example has every field of it.
#[test]
fn the_published_schema_is_the_readers() {
    let published = include_str!("../../docs/migration.schema.json");
    let own = format!("{:#}\n", schema());
    if std::env::var_os("BLUEGREEN_WRITE_SCHEMA").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/migration.schema.json");
        std::fs::write(path, &own).expect("written");
        return;
    }
    assert!(own == published, "write it with BLUEGREEN_WRITE_SCHEMA=1");
    let spec = MigrationSpec::from_toml(&simulated())
        .expect("valid")
        .to_json();
    let schema = schema();
    for (section, at) in [
        ("plan", "PlanSpec"),
        ("judge", "JudgeSpec"),
        ("safety", "SafetySpec"),
        ("hooks", "HooksSpec"),
        ("simulation", "SimulationSpec"),
    ] {
        let known = schema["$defs"][at]["properties"]
            .as_object()
            .expect("an object");
        for name in known.keys() {
            assert!(
                spec[section].get(name).is_some(),
                "{section}.{name} is not in the example"
            );
        }
    }
}

#[test]
fn a_rule_is_named_in_any_of_four_ways() {
    let listener = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/c/50dc6c495c0c9188/f2f7dc8efc522ab2";
    let rule = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener-rule/app/c/50dc6c495c0c9188/f2f7dc8efc522ab2/9683b2d02a6cabee";
    for (written, wanted) in [
        (json!(rule), AlbRule::Arn(rule.parse().expect("an ARN"))),
        (
            json!(listener),
            AlbRule::Only(listener.parse().expect("an ARN")),
        ),
        (
            json!({ "listener": listener, "priority": 100 }),
            AlbRule::Priority {
                listener: listener.parse().expect("an ARN"),
                priority: 100,
            },
        ),
        (
            json!({ "listener": listener, "priority": "default" }),
            AlbRule::Default(listener.parse().expect("an ARN")),
        ),
    ] {
        let read: Rule = serde_json::from_value(written.clone()).expect("a rule");
        assert_eq!(serde_json::to_value(&read).expect("JSON"), written);
        assert_eq!(read.plain(), wanted);
    }
}

#[test]
fn the_rights_are_those_of_what_is_used() {
    let full = MigrationSpec::from_toml(FULL)
        .expect("valid")
        .iam_policy(Use::Migrate)
        .expect("valid");
    let least = MigrationSpec::from_toml(LEAST)
        .expect("valid")
        .iam_policy(Use::Migrate)
        .expect("valid");
    for right in [
        "s3:PutObject",
        "scheduler:CreateSchedule",
        "cloudwatch:DescribeAlarms",
        "application-autoscaling:RegisterScalableTarget",
    ] {
        assert!(full.actions().contains(right), "{right}");
        assert!(!least.actions().contains(right), "{right}");
    }
    let names: Vec<String> = serde_json::to_value(&full).expect("JSON")["Statement"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| one["Sid"].to_string())
        .collect();
    let several: BTreeSet<_> = names.iter().collect();
    assert_eq!(several.len(), names.len(), "a name stands once: {names:?}");
}

/// On the real AWS a run without a dead-man switch needs a word.
#[tokio::test]
async fn a_real_run_without_a_switch_is_refused_unless_that_is_accepted() {
    let config = aws_config::SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .region(aws_config::Region::new("us-east-1"))
        .build();
    let aws = crate::Aws::from_config(&config);
    let mut full = MigrationSpec::from_toml(FULL).expect("valid");
    let refused = async |spec: &MigrationSpec| {
        let mut spec = spec.clone();
        for side in spec.sides.values_mut() {
            let name = side.target_group.name();
            let arn = format!(
                "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/{name}/0123456789abcdef"
            );
            side.target_group = arn.parse().expect("an ARN");
        }
        let from = "flask".parse().expect("a name");
        let target = spec.target(&aws, Some(&from)).await.expect("no read");
        let migration = spec.migration(&aws, &target, None).expect("valid");
        let accepted = &spec.safety.accept;
        let mut findings = migration.findings().iter();
        findings.any(|finding| finding.stops(accepted))
    };
    let unset = "the variables of its webhook are not set";
    assert!(refused(&full).await, "{unset}");
    full.hooks.webhook = None;
    assert!(!refused(&full).await, "it has a switch");
    let mut without = full.clone();
    without.safety.dead_man = None;
    assert!(refused(&without).await);
    without.safety.accept.insert(Acceptance::NoDeadMan);
    assert!(!refused(&without).await);
}

/// Not one call, with any other field of the file.
#[tokio::test]
async fn a_file_of_a_simulated_world_never_calls_the_real_aws() {
    let config = aws_config::SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .region(aws_config::Region::new("us-east-1"))
        .build();
    let aws = crate::Aws::from_config(&config);
    let spec = MigrationSpec::from_toml(&format!("{LEAST}[simulation]\n")).expect("valid");
    let real = MigrationSpec::from_toml(LEAST).expect("valid");
    assert_eq!(spec.simulation, Some(SimulationSpec::default()));
    let from = real.sides.keys().next().expect("two");
    let named = |name: &Name| {
        NamedSide {
        name: name.clone(),
        group: format!(
            "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/{name}/0123456789abcdef"
        )
        .parse()
        .expect("an ARN"),
        service: Some(Service::new("c", "s")),
        namespace: None,
        endpoint: None,
    }
    };
    let target = Target {
        rule: real.traffic.rules[0].clone(),
        sides: crate::traffic::Sides {
            blue: named(from),
            green: named(&Name::known("other")),
        },
    };
    let store = crate::store::JournalStore::memory();
    let refusals = [
        spec.start(&aws, &store, "ann")
            .await
            .map(drop)
            .map_err(|error| error.to_string()),
        spec.target(&aws, None)
            .await
            .map(drop)
            .map_err(|error| error.to_string()),
        spec.target(&aws, Some(from))
            .await
            .map(drop)
            .map_err(|error| error.to_string()),
        spec.locate(&aws)
            .await
            .map(drop)
            .map_err(|error| error.to_string()),
        spec.forecast(&aws, &target)
            .await
            .map(drop)
            .map_err(|error| error.to_string()),
        spec.gates(&aws, &target)
            .map(drop)
            .map_err(|error| error.to_string()),
        spec.source(&aws, &target)
            .map(drop)
            .map_err(|error| error.to_string()),
        spec.splitter(&aws, &target)
            .map(drop)
            .map_err(|error| error.to_string()),
        spec.migration(&aws, &target, None)
            .map(drop)
            .map_err(|error| error.to_string()),
    ];
    for refusal in refusals {
        let why = refusal.expect_err("refused");
        assert!(
            why.contains("simulation: is a simulated world, and AWS is the real one"),
            "{why}"
        );
    }
    assert!(spec.capacity_keeper(&aws, &target).is_none());
    assert!(real.capacity_keeper(&aws, &target).is_some());
    assert!(real.splitter(&aws, &target).is_ok());
}

#[test]
fn a_simulated_world_is_checked_like_the_rest() {
    let table = "[simulation]\nscenario = \"helthy\"\nspeed = 0\nfolder = \"\"\n";
    let told = told(&format!("{LEAST}{table}"));
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(
        told[0].contains("simulation.scenario: `helthy` is no scenario (one of healthy, "),
        "{told:?}"
    );
    assert!(
        told[1].contains("simulation.speed: `0` is not from 0.01"),
        "{told:?}"
    );
    assert!(told[2].contains("simulation.folder: is empty"), "{told:?}");
}

fn span() -> impl Strategy<Value = Span> {
    (0..=200_000_000_u64).prop_map(|millis| Duration::from_millis(millis).into())
}

fn share() -> impl Strategy<Value = Percent> {
    (0..=1000_u16).prop_map(|tenths| Percent::from_tenths(tenths).expect("in range"))
}

prop_compose! {
    fn step()(
        green in share(),
        bake in prop::option::of(span()),
        deadline in prop::option::of(span()),
        manual in any::<bool>(),
    ) -> Step {
        Step {
            bake: bake.map(|span| span.0),
            deadline: deadline.map(|span| span.0),
            manual,
            ..Step::to(green)
        }
    }
}

prop_compose! {
    fn spec()(
        name in "[a-z \"\\\\é]{1,9}x",
        steps in prop::collection::vec(step(), 0..4),
        hold_back in prop::option::of(share()),
        bake in prop::option::of(span()),
        deadline in span(),
        capacity_ratio in 0.1..9.0_f64,
        history_ratio in prop::option::of(1.0..9.0_f64),
        alarms in prop::collection::vec("[a-z/]{1,9}", 0..3),
        dead_man in prop::option::of(span()),
        journal in prop::option::of(prop::sample::select(vec!["s3://b/p/q", "s3://b", "a/folder"])),
        accept in prop::collection::btree_set(prop::sample::select(Acceptance::ALL.to_vec()), 0..3),
        world in prop::option::of(("[a-z]{1,5}", 0..=i64::MAX as u64, 0.0..2e6_f64, "[a-z/. ]{0,5}")),
    ) -> MigrationSpec {
        let mut spec = MigrationSpec::from_toml(FULL).expect("valid");
        spec.name = name.parse().expect("a name");
        spec.plan = PlanSpec { steps, hold_back, bake, deadline, capacity_ratio, ..spec.plan };
        spec.judge.history_ratio = history_ratio;
        spec.judge.alarms = alarms.iter().map(|one| one.parse().expect("a name")).collect();
        spec.journal = journal.map(|one| one.parse().expect("a place"));
        spec.safety.accept = accept;
        spec.simulation = world.map(|(scenario, seed, speed, folder)| SimulationSpec {
            scenario: scenario.parse().expect("a name"),
            seed,
            speed,
            folder: folder.into(),
        });
        if let (Some(switch), Some(after)) = (&mut spec.safety.dead_man, dead_man) {
            switch.after = after;
        }
        spec
    }
}

proptest! {
    /// Also one that is not valid: nothing of it is lost on the way to a journal or a file.
    #[test]
    fn what_is_written_is_read_again(spec in spec()) {
        let json: MigrationSpec = serde_json::from_value(spec.to_json()).expect("JSON");
        prop_assert_eq!(&json, &spec);
        let toml: MigrationSpec = toml::from_str(&spec.to_toml()).expect("TOML");
        prop_assert_eq!(&toml, &spec);
        // The reader's own walk takes what it writes; only what does not go together may be told.
        let read = MigrationSpec::from_toml(&spec.to_toml());
        prop_assert_eq!(read.is_ok(), spec.check().is_ok(), "{:?}", read);
    }
}
