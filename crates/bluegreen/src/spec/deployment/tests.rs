use std::{collections::BTreeMap, fs, path::Path};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    checks::{ChecksSpec, JsonWant, StatusPart, StatusWant, Variable},
    *,
};
use crate::{
    aws::sim::{Call, Moment, ReleaseScenario, Simulation},
    deployment::DeploymentPlan,
    spec::{MigrationSpec, SpecProblem, schema},
    store::JournalStore,
};

const FULL: &str = include_str!("../../../docs/migration.toml");
const LEAST: &str = r#"name = "chatbot"
[traffic]
rules = ["arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/chatbot/50dc6c495c0c9188/f2f7dc8efc522ab2"]
[side.flask]
target_group = "chatbot-flask-tg"
[side.fastapi]
target_group = "chatbot-fastapi-tg"
service = "chatbot-cluster/chatbot-fastapi"
[side.fastapi.deployment]
"#;

fn told(more: &str) -> Vec<String> {
    let error = MigrationSpec::from_toml(&format!("{LEAST}{more}")).expect_err("it has mistakes");
    error
        .problems()
        .iter()
        .map(SpecProblem::to_string)
        .collect()
}

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

#[test]
fn each_mistake_of_a_deployment_is_told_with_its_place() {
    let text = r#"repositry = "chatbot"
create_repository = "yes"
context = ""
build_args = ["=1"]
tag = "a b"
also_tag = "-x"
image = "chatbot:latest"
connect_to = "https://x"
poll_every = 10
rollout_deadline = "soon"
on_cancel = "rollback"
accept = ["in_place"]
headers = { X-A = 1 }
[side.fastapi.deployment.checks]
base_ulr = "https://x"
[side.fastapi.deployment.checks.health]
pth = "/health"
[[side.fastapi.deployment.checks.smoke]]
name = "chat"
path = "/"
status = true
json = [{ path = "$.a", equals = { b = [1, "c"] }, atleast = 1 }]
"#;
    let told: Vec<String> = told(text)
        .iter()
        .map(|one| one.replace("side.fastapi.deployment.", "~"))
        .collect();
    assert_eq!(
        told,
        [
            "line 10, column 1: ~repositry: is not known (did you mean `repository`?)",
            "line 11, column 21: ~create_repository: is a text, not true or false",
            "line 12, column 11: ~context: is not a path (such as `task-definition.json`)",
            "line 13, column 15: ~build_args[0]: is not an argument of a build (NAME=VALUE, or NAME for the value of the environment variable)",
            "line 14, column 7: ~tag: `a b` is not a tag: up to 128 letters, digits, `_`, `.` and `-`, the first neither `.` nor `-` (a commit is best)",
            "line 15, column 12: ~also_tag: `-x` is not a tag: up to 128 letters, digits, `_`, `.` and `-`, the first neither `.` nor `-` (a commit is best)",
            "line 16, column 9: ~image: `chatbot:latest` names no digest; a tag can move to another image (REPOSITORY@sha256:…, as a push prints it)",
            "line 17, column 14: ~connect_to: `https://x` is neither HOST nor HOST:PORT (HOST, or HOST:PORT if the port is not that of the URL)",
            "line 18, column 14: ~poll_every: is a number, not a text (such as \"10m\")",
            "line 19, column 20: ~rollout_deadline: `soon` is not a span of time (write it like `10m`, `90s` or `1h 30m`)",
            "line 20, column 13: ~on_cancel: `rollback` is not known (did you mean `roll-back`? It must be one of roll-back, hold)",
            "line 21, column 11: ~accept[0]: `in_place` is not known (did you mean `in-place`? It must be one of shared-targets, long-stickiness, in-place, unseen-traffic, no-test-route, blue-may-shrink, untested, no-dead-man, single-host, infrastructure-code, pause-continues)",
            "line 22, column 19: ~headers.X-A: is a number, not a text or a table",
            "line 24, column 1: ~checks.base_ulr: is not known (did you mean `base_url`?)",
            "line 25, column 1: ~checks.health.path: is missing (The path, with its query, such as `/health`)",
            "line 26, column 1: ~checks.health.pth: is not known (did you mean `path`?)",
            "line 30, column 10: ~checks.smoke[0].status: is true or false, not a whole number or a text or a list",
            "line 31, column 52: ~checks.smoke[0].json[0].atleast: is not known (did you mean `at_least`?)",
        ]
    );
}

#[test]
fn what_does_not_go_together_is_told_with_its_place() {
    let digest = "a".repeat(64);
    for (more, wanted) in [
        (
            format!("tag = \"v1\"\nimage = \"chatbot@sha256:{digest}\"\n"),
            "line 10, column 7: side.fastapi.deployment.tag: is for a build, and `image` is given",
        ),
        (
            "url = \"https://x\"\n".to_owned(),
            "line 10, column 7: side.fastapi.deployment.url: is for checks, and there are none",
        ),
        (
            "checks = \"checks.toml\"\nurl = \"ftp://x\"\n".to_owned(),
            "line 11, column 7: side.fastapi.deployment.url: `ftp` is neither http nor https",
        ),
        (
            "checks = \"checks.toml\"\nurl = \"https://ann:secret@x\"\n".to_owned(),
            "line 11, column 7: side.fastapi.deployment.url: has a user or a password",
        ),
        (
            "checks = { base_url = \"https://x\", health = { path = \"health\" } }\n".to_owned(),
            "line 10, column 54: side.fastapi.deployment.checks.health.path: does not begin with `/`",
        ),
        (
            "poll_every = \"0s\"\n".to_owned(),
            "line 10, column 14: side.fastapi.deployment.poll_every: 0s is not between 1s and 10m",
        ),
        (
            "checks = { base_url = \"https://x\", health = { path = \"/\", every = \"20m\", deadline = \"2h\" } }\n".to_owned(),
            "side.fastapi.deployment.checks.health.every: 20m is not between 1s and 10m",
        ),
        (
            "[side.flask.deployment]\n".to_owned(),
            "line 10, column 1: side.flask.deployment: the side names no service",
        ),
    ] {
        let told = told(&more);
        assert_eq!(told.len(), 1, "{told:#?}");
        assert!(told[0].contains(wanted), "{}", told[0]);
        assert!(!told[0].contains("secret"), "{}", told[0]);
    }
}

#[test]
fn the_full_example_has_every_field() {
    let spec = MigrationSpec::from_toml(FULL).expect("valid").to_json();
    let schema = schema();
    let deployment = &spec["side"]["fastapi"]["deployment"];
    let checks = &deployment["checks"];
    for (at, value) in [
        ("DeploymentSpec", deployment),
        ("ChecksSpec", checks),
        ("SmokeTestSpec", &checks["smoke"][0]),
    ] {
        let known = schema["$defs"][at]["properties"].as_object();
        for name in known.expect("an object").keys() {
            // It is instead of a build.
            let is_there = value.get(name).is_some() || name == "image";
            assert!(is_there, "{at}.{name} is not in the example");
        }
    }
}

#[test]
fn what_is_left_out_has_the_plans_own_default() {
    let spec = MigrationSpec::from_toml(LEAST).expect("valid");
    let deployment = spec.deployment(&name("fastapi")).expect("valid");
    let parts = deployment.load().expect("no files");
    assert_eq!(Ok(parts.plan().clone()), DeploymentPlan::builder().build());
    assert_eq!(
        deployment.account.map(|one| one.to_string()).as_deref(),
        Some("123456789012")
    );
    assert_eq!(
        deployment.region.map(|one| one.to_string()).as_deref(),
        Some("us-east-1")
    );
    let error = spec.deployment(&name("flask")).expect_err("there is none");
    assert!(
        error
            .to_string()
            .contains("side.flask.deployment: is missing"),
        "{error}"
    );
    let error = spec.deployment(&name("third")).expect_err("there is none");
    assert!(error.to_string().contains("fastapi and flask"), "{error}");
}

/// A folder with what `text` says of green's deployment.
fn file(folder: &Path, text: &str) -> ServiceDeployment {
    let spec = MigrationSpec::from_toml(&format!("{LEAST}{text}")).expect("valid");
    let deployment = spec.deployment(&name("fastapi")).expect("valid");
    deployment.within(folder.to_str().expect("a text").parse().expect("a path"))
}

#[test]
fn every_problem_of_the_files_is_told_under_the_field_that_names_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let write =
        |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("written");
    write(
        "task.json",
        r#"{"family": "chatbot", "cpu": 1024, "containerDefinitions": []}"#,
    );
    write("checks.toml", "[health]\npath = '/health'\nevry = '1s'\n");
    let deployment = file(
        folder.path(),
        "task_definition = 'task.json'\nservice_definition = 'absent.json'\nchecks = 'checks.toml'\n\
         headers = { Authorization = { env = 'BLUEGREEN_NO_SUCH_VARIABLE' } }\n",
    );
    let told = deployment
        .load()
        .expect_err("none of it is right")
        .to_string();
    for wanted in [
        "side.fastapi.deployment.task_definition: cpu: a number stands there, not a text",
        "side.fastapi.deployment.service_definition:",
        "absent.json: No such file",
        "side.fastapi.deployment.checks:",
        "checks.toml, line 3, column 1: health.evry: is not known",
    ] {
        assert!(told.contains(wanted), "{wanted} in\n{told}");
    }
    write(
        "checks.toml",
        "base_url = 'https://x'\n[health]\npath = '/health'\n",
    );
    let told = deployment
        .load()
        .expect_err("a variable is not set")
        .to_string();
    assert!(
        told.contains("headers.Authorization.env: the variable"),
        "{told}"
    );
}

/// A folder to build from, and the deployment of green in this world.
fn deployment(simulation: &Simulation) -> (tempfile::TempDir, ServiceDeployment) {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("Dockerfile"), "FROM scratch").expect("written");
    let path = folder.path().to_str().expect("a text");
    let mut deployment = simulation
        .deployment()
        .within(path.parse().expect("a path"));
    let checks = json!({
        "base_url": "https://api.chatbot.company.com",
        "headers": { "X-Bluegreen-Test": "green" },
        "health": { "path": "/health", "json": [{ "path": "$.status", "equals": "healthy" }] },
        "smoke": [{ "name": "chat", "path": "/api/v1/chat" }]
    });
    deployment.spec.checks = serde_json::from_value(checks).expect("checks");
    (folder, deployment)
}

/// Each world ends as it does by hand-made parts, with the checks of a table.
#[test]
fn p14_every_world_ends_by_the_specification_as_promised() {
    for scenario in ReleaseScenario::ALL {
        // They have no definition of the service.
        if matches!(
            scenario,
            ReleaseScenario::FirstRelease | ReleaseScenario::FirstReleaseBroken
        ) {
            continue;
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.expect("a runtime").block_on(async {
            let simulation = scenario.simulation(7);
            simulation.start_paused();
            let (_folder, deployment) = deployment(&simulation);
            let (aws, store) = (simulation.aws(), JournalStore::memory());
            let code = match deployment.start(&aws, &store, "ann").await {
                Ok(run) => match run.run().await {
                    Ok(outcome) => outcome.exit_code(),
                    Err(error) => error.exit_code(),
                },
                Err(error) => error.exit_code(),
            };
            assert_eq!(code, scenario.expected_exit(), "{scenario}");
        });
    }
}

/// A run is killed before its update; another process continues by the journal alone, with that commit,
/// though the specification says something else by now.
#[tokio::test]
async fn p05_a_killed_run_is_resumed_by_the_specification_of_its_journal() {
    let simulation = ReleaseScenario::Healthy.simulation(7);
    simulation.start_paused();
    let (_folder, mut deployment) = deployment(&simulation);
    deployment.spec.tag = Some("fedcba987654".parse().expect("a tag"));
    let (aws, store) = (simulation.aws(), JournalStore::memory());
    let run = deployment.start(&aws, &store, "ann").await.expect("ready");
    let mut stop = simulation.stop_at(Call::UpdateService.nth(1), Moment::BeforeEffect);
    let run = tokio::spawn(run.run());
    stop.reached().await;
    run.abort();
    assert!(run.await.expect_err("killed").is_cancelled());

    let mut other = deployment.clone();
    other.spec = DeploymentSpec::default();
    let run = other
        .resume(&simulation.aws(), &store, "bob")
        .await
        .expect("ready");
    let outcome = run.run().await.expect("a known end");
    assert_eq!(outcome.exit_code(), 0, "{outcome}");
    assert!(simulation.tagged("fedcba987654").is_some());
    assert_eq!(simulation.calls(Call::PutImage), 1, "only the further tag");
    let log = store.log(&deployment.log_name(&aws));
    let records = log.newest_run().await.expect("readable");
    let kept = DeploymentOrigin::of(&records).expect("a specification");
    assert_eq!(
        (kept.deployment, kept.act),
        (deployment, DeploymentAct::Deploy)
    );
}

#[tokio::test]
async fn the_side_without_traffic_is_deployed() {
    for (scenario, wanted) in [
        (ReleaseScenario::Healthy, Ok("fastapi")),
        (ReleaseScenario::Live, Err("both sides get traffic")),
    ] {
        let simulation = scenario.simulation(7);
        let spec = simulation.spec();
        let side = spec.idle_side(&simulation.aws()).await;
        let side = side.map_err(|error| error.message().to_owned());
        match wanted {
            Ok(wanted) => assert_eq!(side, Ok(name(wanted)), "{scenario}"),
            Err(wanted) => assert!(side.unwrap_err().contains(wanted), "{scenario}"),
        }
    }
    let simulation = ReleaseScenario::Unprepared.simulation(7);
    let place = simulation
        .spec()
        .place_to_make(&simulation.aws(), None)
        .await;
    let place = place.expect("a place");
    assert_eq!(
        (place.blue, place.side),
        (simulation.blue(), name("fastapi"))
    );
}

#[tokio::test]
async fn a_journal_in_a_folder_needs_a_word_on_the_real_aws() {
    let config = aws_config::SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .region(aws_config::Region::new("us-east-1"))
        .build();
    let aws = crate::Aws::from_config(&config);
    let folder = tempfile::tempdir().expect("a folder");
    let store = JournalStore::local(folder.path()).expect("a store");
    let mut deployment = file(folder.path(), "repository = 'chatbot'\n");
    deployment.account = None;
    let refused = deployment
        .start(&aws, &store, "ann")
        .await
        .expect_err("refused");
    assert_eq!(refused.exit_code(), 3);
    assert!(refused.to_string().contains("another machine"), "{refused}");
    deployment.region = Some(name("eu-west-1"));
    let refused = deployment
        .start(&aws, &store, "ann")
        .await
        .expect_err("refused");
    assert_eq!(refused.exit_code(), 2);
    assert!(
        refused.to_string().contains("region: is eu-west-1"),
        "{refused}"
    );
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        (-9.0..9.0_f64).prop_map(Value::from),
        "[a-z\"\\\\ é]{0,5}".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[a-z.]{1,3}", inner, 0..3)
                .prop_map(|map| map.into_iter().collect()),
        ]
    })
}

prop_compose! {
    fn checks()(
        path in "/[a-z]{0,5}",
        equals in prop::option::of(json_value()),
        at_least in prop::option::of(-9.0..9.0_f64),
        successes in prop::option::of(1..9_i64),
        status in prop::option::of(prop::sample::select(vec![
            StatusWant::Number(200),
            StatusWant::Text("2xx".to_owned()),
            StatusWant::Several(vec![StatusPart::Number(201), StatusPart::Text("3xx".to_owned())]),
        ])),
        millis in prop::option::of(1..4_000_u64),
        secret in "[A-Z]{1,5}",
    ) -> ChecksSpec {
        let full = MigrationSpec::from_toml(FULL).expect("valid");
        let deployment = full.sides[&name("fastapi")].deployment.clone();
        let Some(Checks::Here(mut checks)) = deployment.expect("there is one").checks else {
            panic!("the example has its checks in it");
        };
        if let Some(health) = &mut checks.health {
            health.path = path;
            health.successes = successes;
            health.status = status;
            let at_least = at_least.and_then(serde_json::Number::from_f64);
            health.json = vec![JsonWant { path: "$.a".to_owned(), equals, at_least, at_most: None }];
            health.max_latency = millis.map(|millis| std::time::Duration::from_millis(millis).into());
        }
        checks.headers = BTreeMap::from([(
            name("X-Secret"),
            HeaderValue::Secret(Variable { env: name(&secret) }),
        )]);
        *checks
    }
}

prop_compose! {
    fn spec()(
        here in checks(),
        is_file in any::<bool>(),
        has_image in any::<bool>(),
        folder in "[a-zé/ ]{1,9}",
        value in prop::option::of("[a-z= ]{0,5}"),
        also in prop::option::of(prop::sample::select(vec!["", "latest", "v1.2"])),
        poll in prop::option::of(1..600_u64),
        accept in prop::collection::btree_set(prop::sample::select(Acceptance::ALL.to_vec()), 0..3),
        rebuild in any::<bool>(),
    ) -> DeploymentSpec {
        let image = format!("r/chatbot@sha256:{}", "a".repeat(64));
        let path: FilePath = folder.parse().expect("a path");
        let built = !has_image;
        DeploymentSpec {
            image: has_image.then(|| image.parse().expect("an image")),
            context: built.then(|| path.clone()),
            build_args: match built {
                true => vec![BuildArg { name: "A".to_owned(), value }],
                false => Vec::new(),
            },
            rebuild: rebuild && built,
            task_definition: Some(path.clone()),
            checks: Some(match is_file {
                true => Checks::File(path),
                false => Checks::Here(Box::new(here)),
            }),
            also_tag: also.map(|text| text.parse().expect("a tag")),
            poll_every: poll.map(|seconds| std::time::Duration::from_secs(seconds).into()),
            accept,
            ..DeploymentSpec::default()
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(deployment in spec()) {
        let mut spec = MigrationSpec::from_toml(LEAST).expect("valid");
        let side = spec.sides.get_mut(&name("fastapi")).expect("a side");
        side.deployment = Some(deployment);
        let json: MigrationSpec = serde_json::from_value(spec.to_json()).expect("JSON");
        prop_assert_eq!(&json, &spec);
        let read = MigrationSpec::from_toml(&spec.to_toml());
        prop_assert_eq!(read, Ok(spec.clone()));
        let read = MigrationSpec::from_json(&spec.to_json().to_string());
        prop_assert_eq!(read, Ok(spec));
    }
}
