//! Services whose traffic ECS moves, as an operator meets them: `judge`, `deploy`, and the verbs about both.

#![expect(clippy::unwrap_used, reason = "all of it is test code")]

mod common;

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Stdio},
};

use bluegreen::{
    aws::sim::{Call, Fault, NativeScenario},
    spec::{MigrationSpec, ServiceJudge, Use},
};
use serde_json::Value;

use crate::common::{Ended, bluegreen, ended};

#[track_caller]
fn ends(code: i32, words: &[&str]) -> Ended {
    let run = ended(&mut bluegreen(words));
    assert_eq!(run.code, Some(code), "{words:?}\n{}", run.said());
    run
}

#[track_caller]
fn ends_in(folder: &Path, code: i32, words: &[&str]) -> Ended {
    let run = ended(bluegreen(words).current_dir(folder));
    assert_eq!(run.code, Some(code), "{words:?}\n{}", run.said());
    run
}

#[test]
fn each_simulated_deployment_ends_with_its_exit_code_and_says_why() {
    for scenario in NativeScenario::ALL {
        let words = ["judge", "--sim", scenario.name(), "--speed", "max"];
        let said = ends(scenario.expected_exit().into(), &words).said();
        let why = match scenario {
            NativeScenario::HealthyLinear => "promoted: the deployment is complete, read back",
            NativeScenario::HealthyCanary => "2 pauses were answered here",
            NativeScenario::ErrorsAtStep => "gate `metrics` is unhealthy",
            NativeScenario::DeadGreen => "rolled back: the platform has put everything back",
            NativeScenario::Silence => "rolled back",
            NativeScenario::TimeoutRollsBack => "not by this run",
            NativeScenario::TimeoutContinues => "accept `pause-continues`",
            NativeScenario::AlarmAndGate => "rolled back",
            NativeScenario::StopFails => "cannot be stopped: deploy again what ran before",
            NativeScenario::SecondDeployment => "a newer deployment of the service took its place",
            other => unreachable!("{other}"),
        };
        assert!(said.contains(why), "{scenario}: {said}");
        // A deployment that is over takes no order, so its command would only fail.
        if scenario == NativeScenario::StopFails {
            assert!(!said.contains("stop-service-deployment"), "{said}");
        }
    }
}

#[test]
fn json_ends_with_the_exit_code_and_nothing_else_is_on_stdout() {
    let words = [
        "judge",
        "--sim",
        "errors-at-step",
        "--speed",
        "max",
        "--json",
    ];
    let run = ends(10, &words);
    let events: Vec<Value> = run
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(events[0]["event"], "started");
    let last = events.last().unwrap();
    assert_eq!(
        (&last["event"], &last["exit_code"]),
        (&"ended".into(), &10.into())
    );
}

#[test]
fn a_risk_that_is_accepted_by_name_is_judged() {
    let words = ["judge", "--sim", "timeout-continues", "--speed", "max"];
    let accepted = [&words[..], &["--accept", "pause-continues"]].concat();
    let run = ends(0, &accepted);
    assert!(run.said().contains("accepted"), "{}", run.said());
    let unknown = [&words[..], &["--accept", "luck"]].concat();
    ends(2, &unknown);
}

#[test]
fn a_judge_that_was_killed_is_resumed_and_answers_the_rest() {
    let words = ["judge", "--sim", "healthy-canary", "--speed", "max"];
    for at in ["30s", "4m", "16m"] {
        let killed = [&words[..], &["--kill-at", at, "--resume-after", "2m"]].concat();
        let run = ends(0, &killed);
        assert!(run.said().contains("resumed by"), "{at}: {}", run.said());
    }
    // Harm that comes while no judge looks is found by the second.
    let words = ["judge", "--sim", "errors-at-step", "--speed", "max"];
    let killed = [&words[..], &["--kill-at", "16m", "--resume-after", "5m"]].concat();
    ends(10, &killed);
}

#[test]
fn a_dry_run_answers_nothing_and_says_what_would_be_refused() {
    let words = [
        "judge",
        "--sim",
        "healthy-linear",
        "--speed",
        "max",
        "--dry-run",
    ];
    let said = ends(0, &words).said();
    for wanted in [
        "strategy: linear, 25%",
        "pause at PRE_PRODUCTION_TRAFFIC_SHIFT: waits 1h, then rolls back",
        "nothing was answered",
    ] {
        assert!(said.contains(wanted), "{wanted} in {said}");
    }
    let words = [
        "judge",
        "--sim",
        "timeout-continues",
        "--speed",
        "max",
        "--dry-run",
    ];
    let said = ends(3, &words).said();
    assert!(said.contains("refusal: the pause at"), "{said}");
}

#[test]
fn bad_arguments_are_told_together_and_nothing_is_called() {
    let words = [
        "judge", "--sim", "sunshine", "--grace", "soon", "--speed", "fast",
    ];
    let said = ends(2, &words).said();
    assert!(said.contains("3 problems, nothing was called"), "{said}");
    let folder = tempfile::tempdir().unwrap();
    let said = ends_in(folder.path(), 2, &["judge"]).said();
    assert!(said.contains("error: --deployment: is needed"), "{said}");
    let said = ends_in(folder.path(), 2, &["judge", "--deployment", "arn:aws:ecs"]).said();
    assert!(
        said.contains("is not the ARN of a service deployment"),
        "{said}"
    );
}

const ARN: &str = "arn:aws:ecs:eu-west-1:123456789012:service-deployment/shop/web/abc";

#[test]
fn the_policy_of_an_arn_names_its_service_and_its_journal_and_calls_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let words = [
        "judge",
        "--deployment",
        ARN,
        "--print-iam-policy",
        "--journal",
        "s3://moves/prod",
    ];
    let run = ends_in(folder.path(), 0, &words);
    let policy: Value = serde_json::from_str(&run.out).unwrap();
    let text = policy.to_string();
    for wanted in [
        "arn:aws:ecs:eu-west-1:123456789012:service-deployment/shop/web/*",
        "ecs:ContinueServiceDeployment",
        "cloudwatch:GetMetricData",
        "arn:aws:s3:::moves/prod/*",
    ] {
        assert!(text.contains(wanted), "{wanted} in {text}");
    }
    assert!(!text.contains("ModifyRule"), "ECS writes the rule: {text}");
}

/// The rights of the printed policy are those that the calls of a judge need.
#[tokio::test(start_paused = true)]
async fn the_policy_equals_the_calls_of_a_judge() {
    let mut made = std::collections::BTreeSet::new();
    let mut spec: Option<MigrationSpec> = None;
    for scenario in [NativeScenario::HealthyCanary, NativeScenario::ErrorsAtStep] {
        let simulation = scenario.simulation(1);
        let (aws, own) = (simulation.aws(), simulation.native_spec());
        let (arn, _) = simulation.service_deployments().remove(0);
        let judge = ServiceJudge::of(&own, &aws, &arn).await.unwrap();
        let outcome = judge.judge(&aws, None).unwrap().run().await.unwrap();
        assert_eq!(outcome.exit_code(), scenario.expected_exit(), "{outcome}");
        made.extend(aws.calls().operations().map(str::to_owned));
        spec = Some(own);
    }
    let policy = spec.unwrap().iam_policy(Use::Migrate).unwrap();
    let allowed = policy.actions().into_iter();
    let allowed = allowed.map(|one| one.rsplit(':').next().unwrap().to_owned());
    assert_eq!(made, allowed.collect());
}

#[tokio::test(start_paused = true)]
async fn p10_a_lost_answer_of_continue_is_observed_and_not_repeated() {
    let simulation = NativeScenario::HealthyCanary.simulation(1);
    simulation.fail(
        Call::ContinueServiceDeployment.nth(1),
        Fault::TimeoutAfterEffect,
    );
    let (aws, spec) = (simulation.aws(), simulation.native_spec());
    let (arn, _) = simulation.service_deployments().remove(0);
    let judge = ServiceJudge::of(&spec, &aws, &arn).await.unwrap();
    let outcome = judge.judge(&aws, None).unwrap().run().await.unwrap();
    assert_eq!(outcome.exit_code(), 0, "{outcome}");
    let calls = aws.calls().to_string();
    assert!(calls.contains("ContinueServiceDeployment 2"), "{calls}");
}

/// A folder with a file of this world, in which time passes fast.
fn world(name: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    ends_in(folder.path(), 0, &["init", "--sim", name]);
    let file = folder.path().join("bluegreen.toml");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("[native]"), "{text}");
    let fast = text.replace("speed = 120.0", "speed = 600.0");
    assert_ne!(fast, text);
    fs::write(&file, fast).unwrap();
    folder
}

#[test]
fn deploy_begins_a_deployment_and_judges_it_and_each_verb_knows_both() {
    let world = world("native");
    let folder = world.path();
    let run = |code, words: &[&str]| ends_in(folder, code, words).said();
    let plan = run(0, &["plan"]);
    for wanted in [
        "strategy: canary, 10% for 10m, then the rest",
        "pause at PRE_PRODUCTION_TRAFFIC_SHIFT: waits 1h, then rolls back",
        "AmazonECSInfrastructureRolePolicyForLoadBalancers",
        "LifecycleStages: [PRE_PRODUCTION_TRAFFIC_SHIFT]",
        "canary_bake_time_in_minutes = 10",
        "a deployment may begin: `bluegreen deploy`",
    ] {
        assert!(plan.contains(wanted), "{wanted} in {plan}");
    }
    assert!(run(0, &["status"]).contains("no deployment has begun"));
    let said = run(3, &["judge"]);
    assert!(said.contains("`bluegreen deploy` begins one"), "{said}");
    assert!(run(0, &["deploy", "--dry-run", "--tag", "v7"]).contains("nothing was changed"));

    let said = run(0, &["deploy", "--tag", "v7"]);
    for wanted in [
        "begun: deployment",
        "judging arn:aws:ecs:",
        "promoted: the deployment is complete",
    ] {
        assert!(said.contains(wanted), "{wanted} in {said}");
    }

    let status = ends_in(folder, 0, &["status", "--json"]).out;
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["observed"]["status"], "successful", "{status}");
    assert_eq!(status["newest_run"]["exit_code"], 0, "{status}");
    assert_eq!(status["stop_by_hand"], Value::Null);
    assert!(run(0, &["status"]).contains("the newest judge ended at"));
    assert!(run(0, &["journal", "list"]).contains("judge of deployment"));
    assert!(run(0, &["status", "--wait"]).contains("promoted"));
    assert!(run(0, &["monitor"]).contains("promoted"));
    // The deployment is over, and the service goes back by a new deployment only.
    assert!(run(3, &["judge"]).contains("nothing was answered"));
    assert!(run(3, &["deploy", "--undo"]).contains("deploy the earlier image again"));
    assert!(run(2, &["resume"]).contains("the run has ended"));
    // There is no migration in this file.
    let said = run(2, &["migrate"]);
    assert!(said.contains("there is no migration"), "{said}");
}

/// Starts a command, and returns when its stderr has shown this text.
fn begun(
    folder: &Path,
    words: &[&str],
    shows: &str,
) -> (Child, BufReader<std::process::ChildStderr>) {
    let mut command = bluegreen(words);
    let command = command.current_dir(folder).stderr(Stdio::piped());
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains(shows) {
        if lines.read_line(&mut said).unwrap() == 0 {
            let ended = child.wait().unwrap();
            panic!("ended with {ended:?}: {said}");
        }
    }
    (child, lines)
}

fn end_of((mut child, mut lines): (Child, BufReader<std::process::ChildStderr>)) -> (i32, String) {
    let mut said = String::new();
    std::io::Read::read_to_string(&mut lines, &mut said).unwrap();
    (child.wait().unwrap().code().unwrap(), said)
}

#[test]
fn the_controls_of_a_run_reach_a_judge_through_its_journal() {
    for (verb, code, words) in [("abort", 11, "rolled back"), ("leave", 12, "held")] {
        let world = world("native-healthy-linear");
        let folder = world.path();
        let judge = begun(folder, &["judge"], "preflight: pending");
        ends_in(folder, 0, &["pause", "--for", "20m"]);
        let said = ends_in(folder, 0, &["status"]).said();
        assert!(said.contains("judge: the journal is"), "{said}");
        assert!(said.contains("stop-service-deployment"), "{said}");
        ends_in(folder, 0, &[verb, "--reason", "support sees errors"]);
        let (ended, said) = end_of(judge);
        assert_eq!(ended, code, "{verb}: {said}");
        assert!(
            said.contains(words) && said.contains("support sees errors"),
            "{said}"
        );
    }
}
