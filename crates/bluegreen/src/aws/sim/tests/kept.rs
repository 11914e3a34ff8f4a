//! Worlds in a folder. Two handles of one folder are as two processes: they share nothing else.

use std::{fs, path::Path, time::Duration};

use aws_sdk_elasticloadbalancingv2::{
    operation::modify_rule::ModifyRuleInput,
    types::{RuleTransform, TransformTypeEnum},
};
use proptest::prelude::*;
use tempfile::TempDir;
use tokio::time::sleep;

use super::{MINUTE, forward, weights, write};
use crate::{
    ErrorKind,
    aws::{
        alb::{GreenGroup, GreenPlace},
        sim::{Call, Fault, KeptSimulation, Scenario, Simulation, time::SimClock},
    },
    clock::Clock as _,
};

const SECOND: Duration = Duration::from_secs(1);

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn kept(folder: &TempDir, scenario: Scenario) -> KeptSimulation {
    Simulation::kept(folder.path(), scenario, 1).unwrap()
}

/// Everything of a world that a handle can see, as text.
fn seen(simulation: &Simulation) -> String {
    let calls = simulation.calls_in_all();
    format!(
        "{:#?}",
        (
            simulation.elapsed(),
            (
                simulation.weights(),
                simulation.changes(),
                simulation.rules()
            ),
            (simulation.targets(), simulation.target_groups()),
            (simulation.sent(), simulation.failed(), calls),
            (simulation.schedules(), simulation.notices()),
            (simulation.blue_minimum(), simulation.deployments()),
            (
                simulation.runs(),
                simulation.revisions(),
                simulation.tagged("v1")
            ),
        )
    )
}

/// What all handles see once each has seen the newest; they must agree.
fn agreed(handles: &[&Simulation]) -> String {
    handles[0].third_party_minimum(1);
    let first = seen(handles[0]);
    for other in &handles[1..] {
        assert_eq!(seen(other), first);
    }
    first
}

#[tokio::test(start_paused = true)]
async fn a_write_shows_in_every_handle_and_in_one_that_comes_later() {
    let folder = folder();
    let (here, there) = (
        kept(&folder, Scenario::Healthy),
        kept(&folder, Scenario::Healthy),
    );
    sleep(MINUTE).await;
    write(&here, 90, 10).await.unwrap();
    assert_eq!(there.weights(), weights(90, 10));
    sleep(MINUTE).await;
    there.third_party_write(weights(70, 30));
    there.third_party_edit();
    assert_eq!(here.weights(), weights(70, 30));
    drop(here);
    let later = Simulation::open(folder.path()).unwrap();
    assert_eq!(later.elapsed(), MINUTE * 2);
    assert_eq!((later.scenario(), later.seed()), (Scenario::Healthy, 1));
    agreed(&[&there, &later]);
}

#[tokio::test(start_paused = true)]
async fn time_rests_while_no_handle_is_there_and_a_handle_that_is_behind_jumps() {
    let folder = folder();
    let here = kept(&folder, Scenario::Healthy);
    sleep(MINUTE * 5).await;
    write(&here, 90, 10).await.unwrap();
    drop(here);
    sleep(MINUTE * 60).await;
    let here = kept(&folder, Scenario::Healthy);
    let there = kept(&folder, Scenario::Healthy);
    assert_eq!(here.elapsed(), MINUTE * 5);
    sleep(MINUTE).await;
    assert_eq!(there.elapsed(), MINUTE * 6);

    // A third handle that has not looked for a while learns the time from the next line.
    let behind = here.aws().clock();
    there.shared.clock().not_before(MINUTE * 8);
    there.third_party_write(weights(50, 50));
    assert_eq!(behind.uptime(), MINUTE * 6);
    assert_eq!(here.weights(), weights(50, 50));
    assert_eq!(behind.uptime(), MINUTE * 8);
    sleep(MINUTE).await;
    assert_eq!(behind.uptime(), MINUTE * 9);
}

/// Two handles that pace the same world must not add their strokes.
#[tokio::test(start_paused = true)]
async fn strokes_of_several_processes_are_not_added() {
    let clock = SimClock::default();
    assert_eq!(clock.elapsed(), Duration::ZERO);
    let stroke = async || {
        let lead = clock.catch_up();
        tokio::time::advance(lead).await;
        sleep((SECOND * 2).saturating_sub(lead)).await;
    };
    for nth in 1..=100_u32 {
        // The other handle was a little quicker each time.
        let other = SECOND * 2 * nth;
        clock.not_before(other);
        assert_eq!(clock.elapsed(), other);
        stroke().await;
        assert_eq!(clock.elapsed(), other);
    }
    // A handle that was busy for long is there at once, timers included.
    clock.not_before(MINUTE * 10);
    stroke().await;
    assert_eq!(clock.elapsed(), MINUTE * 10);
    stroke().await;
    assert_eq!(clock.elapsed(), MINUTE * 10 + SECOND * 2);
}

#[tokio::test(start_paused = true)]
async fn the_faults_of_a_scenario_count_the_calls_of_all_handles() {
    let folder = folder();
    let (here, there) = (
        kept(&folder, Scenario::Throttled),
        kept(&folder, Scenario::Throttled),
    );
    let error = write(&here, 90, 10).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Throttled);
    write(&there, 90, 10).await.unwrap();
    assert_eq!(here.calls(Call::ModifyRule), 2);

    let folder = self::folder();
    let (here, there) = (
        kept(&folder, Scenario::RollbackBlocked),
        kept(&folder, Scenario::RollbackBlocked),
    );
    write(&here, 90, 10).await.unwrap();
    let error = write(&there, 100, 0).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied);
    agreed(&[&here, &there]);
}

#[tokio::test(start_paused = true)]
async fn what_a_scenario_has_planned_and_what_lands_late_happens_once_for_all() {
    let folder = folder();
    let (here, there) = (
        kept(&folder, Scenario::Drift),
        kept(&folder, Scenario::Drift),
    );
    there.third_party_write_at(MINUTE * 3, weights(60, 40));
    there.third_party_write_after(Call::ModifyRule.nth(1), SECOND * 5, weights(80, 20));
    let after = SECOND;
    here.fail(Call::ModifyRule.nth(2), Fault::LateEffect { after });
    write(&there, 90, 10).await.unwrap();
    sleep(SECOND * 6).await;
    assert_eq!(here.weights(), weights(80, 20));
    assert!(write(&here, 50, 50).await.is_err());
    drop(here);
    sleep(SECOND * 2).await;
    assert_eq!(there.weights(), weights(50, 50));
    sleep(MINUTE * 3).await;
    assert_eq!(there.weights(), weights(60, 40));
    sleep(MINUTE * 15).await;
    assert_eq!(there.weights(), weights(70, 30));
    agreed(&[&there, &kept(&folder, Scenario::Drift)]);
}

/// Target groups, routes, tags and attributes.
#[tokio::test(start_paused = true)]
async fn a_place_that_was_prepared_is_there_for_all() {
    let folder = folder();
    let (here, there) = (
        kept(&folder, Scenario::GreenDetached),
        kept(&folder, Scenario::GreenDetached),
    );
    let place = |simulation: &Simulation, name: &str| {
        let (rule, blue) = (simulation.rule(), simulation.blue());
        let group = GreenGroup::named(name).with_port(8000);
        GreenPlace::new(&simulation.aws(), rule, blue, group).unwrap()
    };
    let before = here.rules();
    place(&here, here.green().name()).prepare().await.unwrap();
    assert_eq!(there.targets().green.registered(), 4);
    let again = place(&there, there.green().name()).prepare().await.unwrap();
    assert!(again.done.is_empty());
    place(&there, there.green().name()).undo().await.unwrap();
    assert_eq!(here.rules(), before);
    place(&there, "another-tg").prepare().await.unwrap();
    assert_eq!(here.target_groups().len(), 3);
    place(&here, "another-tg").undo().await.unwrap();
    assert_eq!(there.target_groups().len(), 2);
    agreed(&[&here, &there]);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_the_file_cannot_hold_is_refused_before_it_is_made() {
    let folder = folder();
    let here = kept(&folder, Scenario::Healthy);
    let transform = RuleTransform::builder().r#type(TransformTypeEnum::UrlRewrite);
    let input = ModifyRuleInput::builder()
        .rule_arn(here.rule_arn().as_str())
        .actions(forward(&here, 50, 50))
        .transforms(transform.build());
    let error = here.aws().elb.modify_rule(input).await.unwrap_err();
    assert_eq!(
        (error.kind, error.code.as_deref()),
        (ErrorKind::Invalid, Some("NotKept"))
    );
    assert_eq!(here.weights(), weights(100, 0));
}

/// The log's lines, whole ones.
fn lines(folder: &Path) -> Vec<String> {
    let text = fs::read_to_string(folder.join("done.jsonl")).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn append(folder: &Path, text: &str) {
    let path = folder.join("done.jsonl");
    let mut all = fs::read_to_string(&path).unwrap();
    all.push_str(text);
    fs::write(&path, all).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_line_without_an_end_is_cut_off_and_nothing_else() {
    let folder = folder();
    let here = kept(&folder, Scenario::Healthy);
    write(&here, 90, 10).await.unwrap();
    let whole = lines(folder.path());
    append(folder.path(), "{\"nanos\":0,\"event\":\"weig");
    assert_eq!(here.weights(), weights(90, 10));
    assert_eq!(lines(folder.path()), whole);
    append(folder.path(), "{");
    write(&here, 80, 20).await.unwrap();
    let later = kept(&folder, Scenario::Healthy);
    assert_eq!(later.weights(), weights(80, 20));
    assert_eq!(lines(folder.path()).len(), whole.len() + 2);
}

#[tokio::test(start_paused = true)]
async fn a_broken_line_is_told_and_from_then_on_every_call_fails() {
    let year = Duration::from_secs(365 * 24 * 3600).as_nanos();
    let far = format!("{{\"nanos\":{year},\"event\":\"passed\"}}\n");
    for broken in [
        "no event\n",
        "{\"nanos\":1,\"event\":\"unheard-of\"}\n",
        &far,
    ] {
        let folder = folder();
        let here = kept(&folder, Scenario::Healthy);
        write(&here, 90, 10).await.unwrap();
        let number = lines(folder.path()).len() + 1;
        append(folder.path(), broken);
        let error = write(&here, 80, 20).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unavailable);
        assert!(
            error.message.contains(&format!("line {number} of ")),
            "{}",
            error.message
        );
        assert!(here.trouble().is_some());
        here.third_party_write(weights(1, 1));
        assert_eq!(here.weights(), weights(90, 10), "what was known");
        let error = Simulation::open(folder.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert_eq!(lines(folder.path()).len(), number, "nothing was lost");
    }
}

#[tokio::test(start_paused = true)]
async fn a_log_that_is_cut_under_a_handle_is_told() {
    let folder = folder();
    let here = kept(&folder, Scenario::Healthy);
    write(&here, 90, 10).await.unwrap();
    fs::write(folder.path().join("done.jsonl"), "").unwrap();
    let error = write(&here, 80, 20).await.unwrap_err();
    assert!(error.message.contains("was cut"), "{}", error.message);
    assert_eq!(kept(&folder, Scenario::Healthy).weights(), weights(100, 0));
}

#[tokio::test(start_paused = true)]
async fn a_folder_of_another_world_or_version_is_refused_and_left_as_it_is() {
    let folder = folder();
    let error = Simulation::open(folder.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(
        error
            .hint()
            .unwrap_or_default()
            .contains("healthy, green-errors")
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);

    kept(&folder, Scenario::Healthy).third_party_write(weights(1, 1));
    let before = lines(folder.path());
    for (scenario, seed) in [(Scenario::Drift, 1), (Scenario::Healthy, 2)] {
        let error = Simulation::kept(folder.path(), scenario, seed).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(
            error
                .message()
                .contains("keeps the world `healthy` with seed 1"),
            "{error}"
        );
        assert!(error.hint().is_some());
    }
    let world = folder.path().join("world.json");
    let right = fs::read_to_string(&world).unwrap();
    for foreign in [
        "",
        "{}",
        r#"{"format":2,"world":"healthy"}"#,
        r#"{"format":1,"scenario":"heaven","seed":1}"#,
    ] {
        fs::write(&world, foreign).unwrap();
        let error = Simulation::open(folder.path()).unwrap_err();
        assert!(
            error.message().contains("no world that this version knows"),
            "{error}"
        );
        assert!(error.hint().is_some());
        assert_eq!(fs::read_to_string(&world).unwrap(), foreign);
    }
    fs::remove_file(&world).unwrap();
    let error = Simulation::kept(folder.path(), Scenario::Healthy, 1).unwrap_err();
    assert!(error.message().contains("has no world.json"), "{error}");
    fs::write(&world, right).unwrap();
    assert_eq!(kept(&folder, Scenario::Healthy).weights(), weights(1, 1));
    assert_eq!(lines(folder.path()), before);
}

#[tokio::test(start_paused = true)]
async fn a_folder_that_cannot_be_one_is_told() {
    let folder = folder();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    for place in [file.clone(), file.join("below")] {
        let error = Simulation::kept(&place, Scenario::Healthy, 1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.hint().is_some(), "{error}");
    }
}

/// Something that a process does, or time that passes.
#[derive(Debug, Clone)]
enum Act {
    Wait(u64),
    Look,
    Write(i32),
    Third(u32),
    Plan(u64, u32),
    Edit,
    Minimum(u32),
    /// Arms a switch that fires this many seconds from now.
    Arm(i64),
    Late,
}

fn acts() -> impl Strategy<Value = Vec<(bool, Act)>> {
    let act = prop_oneof![
        6 => (1..200_000_u64).prop_map(Act::Wait),
        3 => Just(Act::Look),
        3 => (0..=100).prop_map(Act::Write),
        1 => (0..=100_u32).prop_map(Act::Third),
        1 => (0..600_000_u64, 0..=100_u32).prop_map(|(at, green)| Act::Plan(at, green)),
        1 => Just(Act::Edit),
        1 => (1..9_u32).prop_map(Act::Minimum),
        1 => (-40..300_i64).prop_map(Act::Arm),
        1 => Just(Act::Late),
    ];
    prop::collection::vec((any::<bool>(), act), 1..30)
}

async fn arm(simulation: &Simulation, after: i64) {
    use aws_sdk_scheduler::{
        operation::create_schedule::CreateScheduleInput,
        types::{ActionAfterCompletion, Target},
    };
    let at = crate::clock::later(SimClock::epoch(), simulation.elapsed());
    let at = at + jiff::SignedDuration::from_secs(after);
    let actions = crate::aws::alb::rule::command::action_json(&forward(simulation, 100, 0));
    let input = serde_json::json!({
        "RuleArn": simulation.rule_arn().as_str(), "Actions": [actions],
    });
    let target = Target::builder()
        .arn("arn:aws:scheduler:::aws-sdk:elasticloadbalancingv2:modifyRule")
        .role_arn("arn:aws:iam::123456789012:role/blue-again")
        .input(input.to_string());
    let schedule = CreateScheduleInput::builder()
        .name("blue-again")
        .schedule_expression(format!("at({})", at.strftime("%Y-%m-%dT%H:%M:%S")))
        .action_after_completion(ActionAfterCompletion::Delete)
        .target(target.build().unwrap());
    // A schedule that waits already is a refusal, which is the same for all.
    let _ = simulation.aws().scheduler.create_schedule(schedule).await;
}

async fn act(handles: &[KeptSimulation; 2], acts: &[(bool, Act)], looks: bool) {
    for (second, act) in acts {
        let own = &handles[usize::from(*second)];
        match act {
            Act::Wait(millis) => sleep(Duration::from_millis(*millis)).await,
            Act::Look if !looks => {}
            Act::Look => drop((own.targets(), own.sent(), own.rules())),
            Act::Write(green) => write(own, 100 - green, *green).await.unwrap(),
            Act::Third(green) => own.third_party_write(weights(100 - green, *green)),
            Act::Plan(at, green) => {
                let at = own.elapsed() + Duration::from_millis(*at);
                own.third_party_write_at(at, weights(100 - green, *green));
            }
            Act::Edit => own.third_party_edit(),
            Act::Minimum(minimum) => own.third_party_minimum(*minimum),
            Act::Arm(after) => arm(own, *after).await,
            Act::Late => {
                let call = Call::ModifyRule.nth(own.calls(Call::ModifyRule) + 1);
                own.fail(call, Fault::LateEffect { after: SECOND });
                assert!(write(own, 42, 58).await.is_err());
            }
        }
    }
}

fn in_virtual_time<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    runtime.unwrap().block_on(test)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The world depends on its events alone, not on the handles that look at it, nor on their steps.
    #[test]
    fn p09_a_kept_world_is_the_same_for_all_whoever_looks_and_when(acts in acts()) {
        let run = |looks: bool| {
            let acts = acts.clone();
            in_virtual_time(async move {
                let folder = folder();
                let handles = [0, 1].map(|_| kept(&folder, Scenario::BlueScalesIn));
                act(&handles, &acts, looks).await;
                let later = kept(&folder, Scenario::BlueScalesIn);
                agreed(&[&handles[0], &handles[1], &later])
            })
        };
        prop_assert_eq!(run(true), run(false));
    }
}

/// A schedule and a third party's write within the same second, and a roll-out that a third party
/// overtakes: looks between them make no difference.
#[tokio::test(start_paused = true)]
async fn p09_what_happens_by_itself_happens_in_order_whoever_looks() {
    let run = async |looks: &[u64]| {
        let simulation = Simulation::builder()
            .breaker_takes_back()
            .third_party_deploy_at(MINUTE * 20)
            .next_revision(crate::aws::sim::Fate::Dies)
            .build();
        assert_eq!(simulation.elapsed(), Duration::ZERO);
        arm(&simulation, 60).await;
        simulation.third_party_write_at(Duration::from_millis(90_300), weights(40, 60));
        deploy(&simulation).await;
        let mut now = 0;
        for look in looks.iter().chain(&[3_600_000]) {
            sleep(Duration::from_millis(look - now)).await;
            now = *look;
            let _ = simulation.targets();
        }
        (seen(&simulation), simulation.aws().ecs.call(
            crate::aws::api::EcsCall::DescribeServices,
            serde_json::json!({ "cluster": simulation.cluster(), "services": [simulation.service()] }),
        ).await.unwrap())
    };
    let once = run(&[]).await;
    assert_eq!(
        run(&[90_100, 90_500, 300_000, 600_000, 1_199_000, 1_300_000]).await,
        once
    );
}

async fn deploy(simulation: &Simulation) {
    let aws = simulation.aws();
    let call = |call, input| aws.ecs.call(call, input);
    let input = serde_json::json!({ "family": "chatbot-fastapi", "containerDefinitions": [] });
    let made = call(crate::aws::api::EcsCall::RegisterTaskDefinition, input)
        .await
        .unwrap();
    let arn = made["taskDefinition"]["taskDefinitionArn"].clone();
    let input = serde_json::json!({
        "cluster": simulation.cluster(), "service": simulation.service(), "taskDefinition": arn,
    });
    call(crate::aws::api::EcsCall::UpdateService, input)
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_deployment_and_a_push_are_kept() {
    use crate::image::Command;
    let folder = folder();
    let (here, there) = (
        kept(&folder, Scenario::Healthy),
        kept(&folder, Scenario::Healthy),
    );
    let mut command = Command::new("docker");
    command.arguments = ["push", "registry/chatbot-fastapi:v1"]
        .map(Into::into)
        .into();
    here.commands()
        .runner()
        .run(command, std::sync::Arc::new(|_, _| {}))
        .await
        .unwrap();
    assert!(there.tagged("v1").is_some());
    deploy(&there).await;
    sleep(MINUTE * 10).await;
    assert_eq!(here.runs(), there.runs());
    assert_eq!(here.deployments().len(), 2);
    agreed(&[&here, &there, &kept(&folder, Scenario::Healthy)]);
}
