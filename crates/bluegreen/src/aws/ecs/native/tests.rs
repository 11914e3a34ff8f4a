//! Whole requests, pages, errors and findings. Answers have the shape of ECS's service model.

use std::{collections::BTreeSet, time::Duration};

use aws_sdk_elasticloadbalancingv2::{
    operation::describe_target_health::DescribeTargetHealthOutput,
    types::{TargetHealth, TargetHealthDescription, TargetHealthStateEnum},
};

use serde_json::{Value, json};

use super::EcsNativeDeployment;
use crate::{
    ErrorKind,
    aws::{
        api::{EcsCall, MockElbApi},
        ecs::testing::{Ecs, KINDS},
        iam::IamPolicy,
        sim::NativeScenario,
    },
    native::{
        HookTarget, NativeObservation, NativeStatus, NativeStrategy, NativeSurvey, OnTimeout,
        PauseId, PauseStatus, PausedDeployment as _, RollBackBy,
    },
    preflight::{Acceptance, Severity},
};

macro_rules! arn {
    ($path:literal) => {
        concat!("arn:aws:ecs:us-east-1:123456789012:", $path)
    };
}

const ARN: &str = arn!("service-deployment/c/chatbot/NCWGC2ZR-tawPAYrIaU5s");
const NEWER: &str = arn!("service-deployment/c/chatbot/r9i43YFjvgF_xlg7m2eJ1r");
const OLD: &str = arn!("service-revision/c/chatbot/4980306466373577095");
const NEW: &str = arn!("service-revision/c/chatbot/1234567890123456789");
const FIRST: &str =
    "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/one/73e2d6bc24d8a067";
const SECOND: &str =
    "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/two/943f017f100becff";
const RULE: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener-rule/app/a/50dc6c495c0c9188/f2f7dc8efc522ab2/9683b2d02a6cabee";
const HOOK: &str = "ecs-pause-e7tK9G_WRJqNF_EOMjztDXfKenlJuEUVjsNStf4WLKw";
const CREATED: f64 = 1_767_603_600.5;

fn pause_at(stage: &str) -> Value {
    json!({"targetType": "PAUSE", "lifecycleStages": [stage],
        "timeoutConfiguration": {"timeoutInMinutes": 60, "action": "ROLLBACK"}})
}

/// A linear deployment that waits before its second step.
fn deployment() -> Value {
    json!({
        "serviceDeploymentArn": ARN, "serviceArn": arn!("service/c/chatbot"),
        "clusterArn": arn!("cluster/c"), "createdAt": CREATED, "startedAt": CREATED,
        "updatedAt": CREATED + 600.0, "status": "IN_PROGRESS",
        "lifecycleStage": "PRODUCTION_TRAFFIC_SHIFT",
        "sourceServiceRevisions": [{"arn": OLD, "requestedTaskCount": 4, "runningTaskCount": 4,
            "pendingTaskCount": 0, "requestedTestTrafficWeight": 0.0,
            "requestedProductionTrafficWeight": 66.7}],
        "targetServiceRevision": {"arn": NEW, "requestedTaskCount": 4, "runningTaskCount": 3,
            "pendingTaskCount": 1, "requestedTestTrafficWeight": 100.0,
            "requestedProductionTrafficWeight": 33.3},
        "lifecycleHookDetails": [{"hookId": HOOK, "targetType": "PAUSE", "status": "AWAITING_ACTION",
            "expiresAt": CREATED + 4_200.0, "timeoutAction": "ROLLBACK"}],
        "deploymentConfiguration": {
            "strategy": "LINEAR", "bakeTimeInMinutes": 15,
            "linearConfiguration": {"stepPercent": 33.3, "stepBakeTimeInMinutes": 10},
            "lifecycleHooks": [pause_at("PRE_PRODUCTION_TRAFFIC_SHIFT")]
        },
        "alarms": {"status": "DISABLED"}
    })
}

fn with(mut value: Value, path: &str, to: Value) -> Value {
    let (parent, field) = path.rsplit_once('/').unwrap();
    value.pointer_mut(parent).unwrap()[field] = to;
    value
}

fn asked() -> Value {
    json!({"serviceDeploymentArns": [ARN]})
}

fn listed(token: Option<&str>) -> Value {
    let mut input = json!({
        "cluster": "c", "service": "chatbot", "maxResults": 100, "createdAt": {"after": CREATED}
    });
    if let Some(token) = token {
        input["nextToken"] = json!(token);
    }
    input
}

fn revisions() -> Value {
    let revision = |arn: &str, group: &str| {
        json!({"serviceRevisionArn": arn, "resolvedConfiguration": {"loadBalancers": [
            {"targetGroupArn": group, "productionListenerRule": RULE}]}})
    };
    json!({"serviceRevisions": [revision(OLD, FIRST), revision(NEW, SECOND)], "failures": []})
}

fn service() -> Value {
    json!({
        "serviceArn": arn!("service/c/chatbot"), "serviceName": "chatbot", "status": "ACTIVE",
        "deploymentController": {"type": "ECS"},
        "loadBalancers": [{"targetGroupArn": FIRST, "containerName": "app", "containerPort": 80,
            "advancedConfiguration": {"alternateTargetGroupArn": SECOND, "productionListenerRule": RULE,
                "testListenerRule": RULE, "roleArn": "arn:aws:iam::123456789012:role/ecs"}}]
    })
}

/// ECS as far as the deployment and its list.
fn reads(deployment: Value, listed_as: Value) -> Ecs {
    let described = json!({"serviceDeployments": [deployment], "failures": []});
    Ecs::new()
        .answers(EcsCall::DescribeServiceDeployments, asked(), described)
        .answers(EcsCall::ListServiceDeployments, listed(None), listed_as)
}

fn of_revisions(ecs: Ecs) -> Ecs {
    let input = json!({"serviceRevisionArns": [OLD, NEW]});
    ecs.answers(EcsCall::DescribeServiceRevisions, input, revisions())
}

/// A balancer that knows one healthy target in each group.
fn balancer() -> MockElbApi {
    let mut elb = MockElbApi::new();
    elb.expect_describe_target_health().returning(|input| {
        let group = input.get_target_group_arn().clone().unwrap();
        let state = match group == SECOND {
            true => TargetHealthStateEnum::Initial,
            false => TargetHealthStateEnum::Healthy,
        };
        let health = TargetHealth::builder().state(state).build();
        let target = TargetHealthDescription::builder().target_health(health);
        Ok(DescribeTargetHealthOutput::builder()
            .target_health_descriptions(target.build())
            .build())
    });
    elb
}

fn of(ecs: Ecs) -> EcsNativeDeployment {
    EcsNativeDeployment::new(&ecs.aws_with(balancer()), ARN).unwrap()
}

fn no_others() -> Value {
    json!({"serviceDeployments": []})
}

#[tokio::test]
async fn a_deployment_is_read_whole() {
    let one = of(of_revisions(reads(deployment(), no_others())));
    let seen = one.observe().await.unwrap();
    assert_eq!(seen.status, NativeStatus::InProgress);
    assert_eq!(seen.stage.as_deref(), Some("PRODUCTION_TRAFFIC_SHIFT"));
    assert_eq!(
        (seen.blue().as_tenths(), seen.green().as_tenths()),
        (667, 333)
    );
    let target = seen.target.as_ref().unwrap();
    assert_eq!((target.running, target.requested), (3, 4));
    assert_eq!(target.test.as_tenths(), 1_000);
    assert_eq!(target.targets.unwrap().initial, 1);
    assert_eq!(seen.sources[0].targets.unwrap().healthy, 1);
    assert_eq!(seen.updated.unwrap().as_second(), 1_767_604_200);
    assert_eq!(seen.successor, None);
    let pause = &seen.pauses[0];
    assert_eq!(pause.id.as_str(), HOOK);
    assert_eq!(pause.status, PauseStatus::Awaiting);
    // ECS shows the stage before a shift under the name of another.
    assert_eq!(pause.stage, "PRE_PRODUCTION_TRAFFIC_SHIFT");
    assert_eq!(pause.expires.unwrap().as_second(), 1_767_607_800);
    assert_eq!(pause.on_timeout, OnTimeout::RollBack);
    assert_eq!(one.name(), ARN);
    assert_eq!((one.cluster(), one.service()), ("c", "chatbot"));
    let by_hand = one.by_hand().unwrap();
    assert!(
        by_hand.starts_with("aws ecs stop-service-deployment --region us-east-1 "),
        "{by_hand}"
    );
    assert!(
        by_hand.ends_with(&format!("{ARN} --stop-type ROLLBACK")),
        "{by_hand}"
    );
}

#[tokio::test]
async fn the_groups_of_revisions_are_read_once_and_a_pause_keeps_its_stage() {
    let mut answered = with(
        deployment(),
        "/lifecycleStage",
        json!("POST_PRODUCTION_TRAFFIC_SHIFT"),
    );
    answered["lifecycleHookDetails"][0]["status"] = json!("SUCCEEDED");
    let ecs = of_revisions(reads(deployment(), no_others()));
    let again = json!({"serviceDeployments": [answered]});
    let ecs = ecs
        .answers(EcsCall::DescribeServiceDeployments, asked(), again)
        .answers(EcsCall::ListServiceDeployments, listed(None), no_others());
    let one = of(ecs);
    let first = one.observe().await.unwrap();
    let second = one.observe().await.unwrap();
    assert_eq!(second.pauses[0].status, PauseStatus::Succeeded);
    assert_eq!(second.pauses[0].stage, first.pauses[0].stage);
    assert!(second.target.unwrap().targets.is_some());
}

#[tokio::test]
async fn p01_a_hook_that_pauses_again_at_another_stage_is_read_as_another_pause() {
    let both = ["POST_TEST_TRAFFIC_SHIFT", "POST_PRODUCTION_TRAFFIC_SHIFT"];
    let read = |stage: &str, status: &str, expires: f64| {
        let mut read = with(deployment(), "/lifecycleStage", json!(stage));
        read["deploymentConfiguration"]["lifecycleHooks"][0]["lifecycleStages"] = json!(both);
        read["lifecycleHookDetails"][0]["status"] = json!(status);
        read["lifecycleHookDetails"][0]["expiresAt"] = json!(expires);
        json!({"serviceDeployments": [read]})
    };
    let course = [
        (both[0], "AWAITING_ACTION", 4_200.0, both[0]),
        // ECS still shows the answered pause when it has come to another stage.
        ("PRODUCTION_TRAFFIC_SHIFT", "SUCCEEDED", 4_200.0, both[0]),
        (both[1], "AWAITING_ACTION", 7_800.0, both[1]),
    ];
    let mut ecs = Ecs::new();
    for (place, (stage, status, expires, _)) in course.into_iter().enumerate() {
        let answer = read(stage, status, CREATED + expires);
        ecs = ecs
            .answers(EcsCall::DescribeServiceDeployments, asked(), answer)
            .answers(EcsCall::ListServiceDeployments, listed(None), no_others());
        if place == 0 {
            ecs = of_revisions(ecs);
        }
    }
    let one = of(ecs);
    for (.., expected) in course {
        let seen = one.observe().await.unwrap();
        assert_eq!(seen.pauses[0].stage, expected);
    }
}

#[tokio::test]
async fn a_newer_deployment_is_found_on_a_second_page() {
    let brief = |arn: &str, created: f64| json!({"serviceDeploymentArn": arn, "status": "PENDING", "createdAt": created});
    // This one, an older one, and one of the same moment are not newer.
    let first = json!({
        "serviceDeployments": [brief(ARN, CREATED), brief("arn:older", CREATED - 9.0)],
        "nextToken": "more"
    });
    let second = json!({"serviceDeployments": [
        brief("arn:second", CREATED + 5.0), brief(NEWER, CREATED + 9.0)
    ]});
    let ecs = reads(deployment(), first).answers(
        EcsCall::ListServiceDeployments,
        listed(Some("more")),
        second,
    );
    let seen = of(of_revisions(ecs)).observe().await.unwrap();
    assert_eq!(seen.successor.as_deref(), Some(NEWER));
}

#[tokio::test]
async fn a_value_that_this_version_does_not_know_is_kept() {
    let mut strange = with(deployment(), "/status", json!("HIBERNATING"));
    strange["lifecycleStage"] = json!("DREAMING");
    strange["lifecycleHookDetails"] = json!([
        {"hookId": "h", "targetType": "PAUSE", "status": "SNOOZED", "timeoutAction": "EXPLODE"},
        {"hookId": "f", "targetType": "AWS_LAMBDA", "status": "IN_PROGRESS", "targetArn": "arn:f"},
    ]);
    strange["fieldOfNextYear"] = json!({"a": [1]});
    let seen = of(of_revisions(reads(strange, no_others())))
        .observe()
        .await
        .unwrap();
    assert_eq!(seen.status, NativeStatus::Unknown("HIBERNATING".to_owned()));
    assert_eq!(seen.stage.as_deref(), Some("DREAMING"));
    // A function is no pause.
    assert_eq!(seen.pauses.len(), 1);
    assert_eq!(
        seen.pauses[0].status,
        PauseStatus::Unknown("SNOOZED".to_owned())
    );
    // An unknown action is taken for the worse one.
    assert_eq!(seen.pauses[0].on_timeout, OnTimeout::Continue);
    assert_eq!(seen.awaiting().count(), 0);
}

#[tokio::test]
async fn every_status_has_its_meaning() {
    for (status, meaning) in [
        ("PENDING", NativeStatus::Pending),
        ("IN_PROGRESS", NativeStatus::InProgress),
        ("STOP_REQUESTED", NativeStatus::StopRequested),
        ("ROLLBACK_REQUESTED", NativeStatus::RollbackRequested),
        ("ROLLBACK_IN_PROGRESS", NativeStatus::RollbackInProgress),
        ("SUCCESSFUL", NativeStatus::Successful),
        ("STOPPED", NativeStatus::Stopped),
        ("ROLLBACK_SUCCESSFUL", NativeStatus::RolledBack),
        ("ROLLBACK_FAILED", NativeStatus::RollbackFailed),
    ] {
        let read = with(deployment(), "/status", json!(status));
        let seen = of(of_revisions(reads(read, no_others())))
            .observe()
            .await
            .unwrap();
        assert_eq!(seen.status, meaning);
    }
}

#[tokio::test]
async fn a_deployment_without_weights_is_not_taken_for_one_without_traffic() {
    let mut silent = deployment();
    let target = silent["targetServiceRevision"].as_object_mut().unwrap();
    target.remove("requestedProductionTrafficWeight");
    let described = json!({"serviceDeployments": [silent.clone()]});
    let ecs = Ecs::new()
        .answers(EcsCall::DescribeServiceDeployments, asked(), described)
        .answers(EcsCall::ListServiceDeployments, listed(None), no_others());
    let error = of(of_revisions(ecs)).observe().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    // Before it begins, it has none.
    let pending = with(silent, "/status", json!("PENDING"));
    let seen = of(of_revisions(reads(pending, no_others())))
        .observe()
        .await
        .unwrap();
    assert_eq!(seen.target, None);
}

#[tokio::test]
async fn what_ecs_does_not_mention_is_not_missing() {
    let missing =
        json!({"serviceDeployments": [], "failures": [{"arn": ARN, "reason": "MISSING"}]});
    let other = json!({"serviceDeployments": [], "failures": [{"arn": ARN, "reason": "BUSY"}]});
    for (answer, kind) in [
        (missing, ErrorKind::NotFound),
        (other, ErrorKind::Unavailable),
        (json!({}), ErrorKind::Unavailable),
        (
            json!({"serviceDeployments": [{"serviceDeploymentArn": NEWER}]}),
            ErrorKind::Unavailable,
        ),
    ] {
        let ecs = Ecs::new().answers(EcsCall::DescribeServiceDeployments, asked(), answer);
        let error = of(ecs).observe().await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
}

#[tokio::test]
async fn targets_and_groups_that_cannot_be_read_are_left_out() {
    let input = json!({"serviceRevisionArns": [OLD, NEW]});
    for kind in KINDS {
        let ecs = reads(deployment(), no_others());
        let ecs = ecs.fails(EcsCall::DescribeServiceRevisions, input.clone(), kind);
        let seen = of(ecs).observe().await.unwrap();
        assert_eq!(seen.target.unwrap().targets, None);
    }
}

#[tokio::test]
async fn p10_each_error_of_a_call_keeps_its_kind() {
    let pause = PauseId::from(HOOK);
    for kind in KINDS.into_iter().chain([ErrorKind::OutcomeUnknown]) {
        let ecs = Ecs::new().fails(EcsCall::DescribeServiceDeployments, asked(), kind);
        assert_eq!(of(ecs).observe().await.unwrap_err().kind(), kind);

        let described = json!({"serviceDeployments": [deployment()]});
        let ecs = Ecs::new()
            .answers(EcsCall::DescribeServiceDeployments, asked(), described)
            .fails(EcsCall::ListServiceDeployments, listed(None), kind);
        assert_eq!(of(ecs).observe().await.unwrap_err().kind(), kind);

        for action in ["CONTINUE", "ROLLBACK"] {
            let input = json!({"serviceDeploymentArn": ARN, "hookId": HOOK, "action": action});
            let call = EcsCall::ContinueServiceDeployment;
            let one = of(Ecs::new().fails(call, input, kind));
            let sent = match action {
                "CONTINUE" => one.proceed(&pause).await,
                _ => one.roll_back(&RollBackBy::Answer(pause.clone())).await,
            };
            assert_eq!(sent.unwrap_err().kind(), kind);
        }
        let input = json!({"serviceDeploymentArn": ARN, "stopType": "ROLLBACK"});
        let one = of(Ecs::new().fails(EcsCall::StopServiceDeployment, input, kind));
        assert_eq!(
            one.roll_back(&RollBackBy::Stop).await.unwrap_err().kind(),
            kind
        );
    }
}

#[tokio::test]
async fn an_answer_and_a_stop_are_whole_requests() {
    let done = || json!({"serviceDeploymentArn": ARN});
    let answer = json!({"serviceDeploymentArn": ARN, "hookId": HOOK, "action": "CONTINUE"});
    let stop = json!({"serviceDeploymentArn": ARN, "stopType": "ROLLBACK"});
    let ecs = Ecs::new()
        .answers(EcsCall::ContinueServiceDeployment, answer, done())
        .answers(EcsCall::StopServiceDeployment, stop, done());
    let one = of(ecs);
    one.proceed(&PauseId::from(HOOK)).await.unwrap();
    one.roll_back(&RollBackBy::Stop).await.unwrap();
}

#[test]
fn only_the_arn_of_a_service_deployment_names_one() {
    let aws = || Ecs::new().aws_with(MockElbApi::new());
    for wrong in [
        "",
        "NCWGC2ZR-tawPAYrIaU5s",
        arn!("service/c/chatbot"),
        arn!("service-deployment/c/chatbot"),
        arn!("service-deployment/c/chatbot/"),
        arn!("service-deployment/c/chatbot/a/b"),
        "arn:aws:elasticloadbalancing:us-east-1:123456789012:service-deployment/c/chatbot/a",
        "arn:aws:ecs::123456789012:service-deployment/c/chatbot/a",
    ] {
        let error = EcsNativeDeployment::new(&aws(), wrong).unwrap_err();
        assert!(error.hint().contains("list-service-deployments"), "{wrong}");
    }
    for right in [ARN, &ARN.replace("arn:aws:", "arn:aws-cn:")] {
        assert!(EcsNativeDeployment::new(&aws(), right).is_ok(), "{right}");
    }
}

/// The survey of this deployment and this service.
async fn survey_of(deployment: Value, service: Value, revisions: Value) -> NativeSurvey {
    let described = json!({"serviceDeployments": [deployment]});
    let asked_service = json!({"cluster": "c", "services": ["chatbot"]});
    let input = json!({"serviceRevisionArns": [OLD, NEW]});
    let ecs = Ecs::new()
        .answers(EcsCall::DescribeServiceDeployments, asked(), described)
        .answers(
            EcsCall::DescribeServices,
            asked_service,
            json!({"services": [service]}),
        )
        .answers(EcsCall::ListServiceDeployments, listed(None), no_others())
        .answers(EcsCall::DescribeServiceRevisions, input, revisions);
    of(ecs).preflight().await.unwrap()
}

#[tokio::test]
async fn a_survey_tells_strategy_hooks_alarms_and_groups() {
    let mut watched = deployment();
    watched["deploymentConfiguration"]["alarms"] =
        json!({"alarmNames": ["a", "b"], "enable": true, "rollback": true});
    let survey = survey_of(watched, service(), revisions()).await;
    let (NativeStrategy::Linear { step, bake }, minutes) = (survey.strategy, 60) else {
        panic!("{survey:?}");
    };
    assert_eq!((step.as_tenths(), bake.as_secs() / minutes), (333, 10));
    assert_eq!(survey.bake.as_secs() / minutes, 15);
    assert_eq!(survey.alarms, ["a", "b"]);
    assert!(survey.alarms_roll_back);
    assert_eq!(survey.hooks[0].target, HookTarget::Pause);
    assert_eq!(survey.hooks[0].timeout.unwrap().as_secs() / minutes, 60);
    let (blue, green) = (survey.blue.clone().unwrap(), survey.green.clone().unwrap());
    assert_eq!(
        (blue.revision.as_str(), blue.target_group.as_str()),
        (OLD, FIRST)
    );
    assert_eq!(
        (green.revision.as_str(), green.target_group.as_str()),
        (NEW, SECOND)
    );
    assert_eq!(green.rule.as_deref(), Some(RULE));
    assert!(survey.observation.is_some());
    assert!(
        survey
            .findings
            .iter()
            .all(|one| one.severity == Severity::Note),
        "{survey:?}"
    );
    let said: Vec<&str> = survey
        .findings
        .iter()
        .map(|one| one.message.as_str())
        .collect();
    assert!(
        said.iter()
            .any(|one| one.contains("rolls back if an alarm goes off (a, b)")),
        "{said:?}"
    );
    assert!(
        said.iter().any(|one| one.contains("leaves blue no share")),
        "{said:?}"
    );
}

#[tokio::test]
async fn the_groups_change_their_roles_and_a_group_that_is_not_chosen_is_the_other_one() {
    let mut swapped = revisions();
    swapped["serviceRevisions"][0]["resolvedConfiguration"]["loadBalancers"][0]["targetGroupArn"] =
        json!(SECOND);
    swapped["serviceRevisions"][1] = json!({"serviceRevisionArn": NEW});
    let pending = with(deployment(), "/status", json!("PENDING"));
    let survey = survey_of(pending, service(), swapped).await;
    assert_eq!(survey.blue.unwrap().target_group, SECOND);
    let green = survey.green.unwrap();
    assert_eq!(
        (green.target_group.as_str(), green.rule.as_deref()),
        (FIRST, Some(RULE))
    );
}

/// The refusals of a deployment with this change of its configuration, and what accepts each.
async fn refused(path: &str, to: Value) -> Vec<(String, Option<Acceptance>)> {
    let changed = with(deployment(), path, to);
    let survey = survey_of(changed, service(), revisions()).await;
    refusals(&survey)
}

fn refusals(survey: &NativeSurvey) -> Vec<(String, Option<Acceptance>)> {
    let found = survey.findings.iter().cloned().chain(survey.unfit());
    let findings = found.filter_map(|one| match one.severity {
        Severity::Note => None,
        Severity::Refuse => Some((one.message, None)),
        Severity::RefuseUnless(risk) => Some((one.message, Some(risk))),
    });
    findings.collect()
}

#[tokio::test]
async fn what_would_make_the_judge_useless_or_unsafe_is_refused() {
    let hooks = "/deploymentConfiguration/lifecycleHooks";
    let strategy = "/deploymentConfiguration/strategy";
    let mut continuing = pause_at("PRE_PRODUCTION_TRAFFIC_SHIFT");
    continuing["timeoutConfiguration"] = json!({"timeoutInMinutes": 1440, "action": "CONTINUE"});
    let accepted = Some(Acceptance::PauseContinues);
    for (path, to, said, risk) in [
        (hooks, json!([continuing]), "continues after 24h", accepted),
        (hooks, json!([]), "no pause right before a shift", None),
        (
            hooks,
            json!([pause_at("POST_TEST_TRAFFIC_SHIFT")]),
            "no pause right before a shift",
            None,
        ),
        (strategy, json!("ROLLING"), "deploys by ROLLING", None),
        (strategy, json!("TELEPORT"), "deploys by `TELEPORT`", None),
        ("/status", json!("SUCCESSFUL"), "is successful", None),
        (
            "/status",
            json!("ROLLBACK_IN_PROGRESS"),
            "is rolling back",
            None,
        ),
        ("/status", json!("HIBERNATING"), "is `HIBERNATING`", None),
    ] {
        let found = refused(path, to.clone()).await;
        assert_eq!(found.len(), 1, "{to}: {found:?}");
        assert!(found[0].0.contains(said), "{to}: {found:?}");
        assert_eq!(found[0].1, risk, "{to}");
    }
}

#[tokio::test]
async fn p01_a_shift_of_everything_at_once_needs_a_pause_at_which_green_can_be_judged() {
    let strategy = "/deploymentConfiguration/strategy";
    for (stages, is_refused) in [
        (&["PRE_SCALE_UP"] as &[&str], true),
        (&["PRE_SCALE_UP", "POST_SCALE_UP"], true),
        (&["TEST_TRAFFIC_SHIFT"], true),
        (&["POST_PRODUCTION_TRAFFIC_SHIFT"], true),
        (&["POST_TEST_TRAFFIC_SHIFT"], false),
        (&["PRE_PRODUCTION_TRAFFIC_SHIFT"], false),
        // Earlier pauses may exist besides.
        (&["PRE_SCALE_UP", "POST_TEST_TRAFFIC_SHIFT"], false),
    ] {
        let mut sudden = with(deployment(), strategy, json!("BLUE_GREEN"));
        let hooks: Vec<Value> = stages.iter().map(|stage| pause_at(stage)).collect();
        sudden["deploymentConfiguration"]["lifecycleHooks"] = json!(hooks);
        let survey = survey_of(sudden, service(), revisions()).await;
        let found = refusals(&survey);
        assert_eq!(
            found.len(),
            usize::from(is_refused),
            "{stages:?}: {found:?}"
        );
        let is_about_pauses = |(said, risk): &(String, Option<Acceptance>)| {
            said.contains("no pause right before a shift") && risk.is_none()
        };
        assert!(found.iter().all(is_about_pauses), "{found:?}");
        let said = survey
            .findings
            .iter()
            .any(|one| one.message.contains("everything at once"));
        assert!(said, "{survey:?}");
    }
}

#[tokio::test]
async fn a_deployment_of_another_kind_is_refused() {
    for (path, to, said) in [
        (
            "/deploymentController",
            json!({"type": "CODE_DEPLOY"}),
            "deployed by CODE_DEPLOY",
        ),
        ("/status", json!("DRAINING"), "being deleted"),
    ] {
        let changed = with(service(), path, to);
        let found = refusals(&survey_of(deployment(), changed, revisions()).await);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].0.contains(said), "{found:?}");
    }
    // Service Connect has no target groups, and so no requests that could be counted.
    let bare =
        json!({"serviceRevisions": [{"serviceRevisionArn": OLD}, {"serviceRevisionArn": NEW}]});
    let found = refusals(&survey_of(deployment(), service(), bare).await);
    assert!(found[0].0.contains("cannot be told apart"), "{found:?}");
}

#[tokio::test]
async fn each_error_of_the_survey_keeps_its_kind() {
    for kind in KINDS {
        let asked_service = json!({"cluster": "c", "services": ["chatbot"]});
        let described = json!({"serviceDeployments": [deployment()]});
        let ecs = Ecs::new()
            .answers(EcsCall::DescribeServiceDeployments, asked(), described)
            .fails(EcsCall::DescribeServices, asked_service, kind);
        assert_eq!(of(ecs).preflight().await.unwrap_err().kind(), kind);
    }
}

/// A judge that answers each pause after a minute, until the deployment is over.
async fn answer_all(one: &EcsNativeDeployment) -> NativeObservation {
    loop {
        let seen = one.observe().await.unwrap();
        if seen.status.is_over() {
            return seen;
        }
        let waiting: Vec<_> = seen.awaiting().cloned().collect();
        tokio::time::sleep(Duration::from_secs(60)).await;
        for pause in waiting {
            assert_eq!(pause.stage, "PRE_PRODUCTION_TRAFFIC_SHIFT");
            one.proceed(&pause.id).await.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_adapter_follows_the_simulated_ecs_and_its_policy_allows_each_call_and_no_other() {
    let mut made = BTreeSet::new();
    for scenario in [NativeScenario::HealthyLinear, NativeScenario::HealthyCanary] {
        let simulation = scenario.simulation(1);
        let aws = simulation.aws();
        let (arn, _) = simulation.service_deployments().remove(0);
        let one = EcsNativeDeployment::new(&aws, &arn).unwrap();
        let survey = one.preflight().await.unwrap();
        assert!(refusals(&survey).is_empty(), "{survey:?}");
        let (blue, green) = (survey.blue.unwrap(), survey.green.unwrap());
        assert_eq!(blue.target_group, simulation.blue().as_str());
        assert_eq!(green.target_group, simulation.green().as_str());
        assert_eq!(green.rule.unwrap(), simulation.rule_arn().as_str());
        let end = answer_all(&one).await;
        assert_eq!(end.status, NativeStatus::Successful);
        assert_eq!(end.green().as_tenths(), 1_000);
        // It is over: a stop is refused.
        let late = one.roll_back(&RollBackBy::Stop).await.unwrap_err();
        assert_eq!(late.kind(), ErrorKind::Conflict);
        made.extend(aws.calls().operations().map(str::to_owned));
    }
    let policy = IamPolicy::judge(ARN);
    let allowed = policy.actions().into_iter();
    let allowed = allowed.map(|one| one.rsplit(':').next().unwrap().to_owned());
    assert_eq!(made, allowed.collect());
}

#[tokio::test(start_paused = true)]
async fn the_survey_of_each_simulated_world_refuses_only_the_time_out_that_continues() {
    for scenario in NativeScenario::ALL {
        let simulation = scenario.simulation(1);
        let (arn, _) = simulation.service_deployments().remove(0);
        let one = EcsNativeDeployment::new(&simulation.aws(), &arn).unwrap();
        let found = refusals(&one.preflight().await.unwrap());
        let risks: Vec<_> = found.iter().map(|(_, risk)| *risk).collect();
        let expected = match scenario {
            NativeScenario::TimeoutContinues => vec![Some(Acceptance::PauseContinues)],
            _ => Vec::new(),
        };
        assert_eq!(risks, expected, "{scenario}: {found:?}");
    }
}
