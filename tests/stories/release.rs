//! Deployments on the simulated AWS.

use std::time::Duration;

use bluegreen::{
    DeploymentPlan, ErrorKind, ServiceDeployer as _,
    aws::ecs::EcsServiceDeployer,
    aws::sim::{Call, Fate, Fault, ReleaseScenario, Simulation, Writer},
    deployment::{Cause, DeploymentEvent, DeploymentOutcome, HoldReason, Intent, Unchanged},
    engine::OnCancel,
    image::{ImageRef, Tagging},
    preflight::{Acceptance, Severity},
    service::Target,
};
use serde_json::json;

use crate::common::release::{Hand, Release, deploy, deploy_file, deployer, plan, release, source};

async fn run(scenario: ReleaseScenario) -> Release {
    let run = deploy(&scenario.simulation(1)).await;
    run.check_promises();
    run
}

fn roll_back(to: Option<&str>) -> Intent {
    Intent::RollBack {
        by: "ann".into(),
        to: to
            .map(Into::into)
            .map(|to: String| bluegreen::service::RevisionId::new(to)),
    }
}

#[tokio::test(start_paused = true)]
async fn every_scenario_ends_as_it_promises() {
    for scenario in ReleaseScenario::ALL {
        let run = deploy(&scenario.simulation(1)).await;
        assert_eq!(
            run.exit_code(),
            scenario.expected_exit(),
            "{scenario}: {}",
            run.last_words()
        );
        run.check_promises();
    }
}

/// The guide: `set -e` is off inside of `if !`, so a failed build deployed and said it succeeded.
#[tokio::test(start_paused = true)]
async fn a_build_or_push_that_fails_deploys_nothing_and_shows_its_last_words() {
    for (scenario, words) in [
        (ReleaseScenario::BuildFails, "No matching distribution"),
        (ReleaseScenario::PushRefused, "not authorized"),
    ] {
        let run = run(scenario).await;
        let Ok(DeploymentOutcome::Unchanged {
            reason: Unchanged::BuildFailed { failure },
            ..
        }) = &run.ended
        else {
            panic!("{}", run.last_words());
        };
        assert!(failure.message.contains(words), "{failure}");
        assert_eq!(run.simulation.calls(Call::UpdateService), 0);
        assert_eq!(run.simulation.revisions(), 1);
    }
}

/// The guide: `deployments[1]` is absent once the service is stable, so the script never rolled back.
#[tokio::test(start_paused = true)]
async fn a_failed_smoke_test_goes_back_to_what_ran_before() {
    let simulation = ReleaseScenario::SmokeFails.simulation(1);
    let (before, _) = simulation.runs().expect("it runs");
    let run = deploy(&simulation).await;
    run.check_promises();
    let Ok(DeploymentOutcome::RolledBack {
        cause: Cause::SmokeFailed { failed },
        to,
        ..
    }) = &run.ended
    else {
        panic!("{}", run.last_words());
    };
    assert_eq!(to.to_string(), before);
    assert_eq!(failed[0].check, "chat");
    assert_eq!(failed[0].failures[0].got, "500");
}

/// The guide: `services-stable` is also true after ECS rolled back by itself.
#[tokio::test(start_paused = true)]
async fn p04_a_rollback_by_the_circuit_breaker_is_no_success_and_is_not_raced() {
    let run = run(ReleaseScenario::BreakerTrips).await;
    let Ok(DeploymentOutcome::RolledBack {
        cause: Cause::RolloutFailed { reason, stopped },
        ..
    }) = &run.ended
    else {
        panic!("{}", run.last_words());
    };
    assert!(reason.contains("failed to start"), "{reason}");
    assert!(
        stopped[0]
            .logs
            .as_deref()
            .is_some_and(|logs| logs.contains("/aws/ecs/chatbot-fastapi"))
    );
    assert_eq!(
        run.simulation.calls(Call::UpdateService),
        1,
        "one owner of the rollback"
    );
}

/// The guide deployed into the service that may carry all of the traffic.
#[tokio::test(start_paused = true)]
async fn a_service_with_live_traffic_is_refused_unless_that_is_accepted() {
    let run = run(ReleaseScenario::Live).await;
    let words = run.last_words();
    assert!(
        words.contains("10 % of rule") && words.contains("in-place"),
        "{words}"
    );
    assert_eq!(run.simulation.calls(Call::PutImage), 0);
    let simulation = ReleaseScenario::Live.simulation(1);
    let accepting = DeploymentPlan::builder()
        .accept(Acceptance::InPlace)
        .build()
        .expect("valid");
    let run = release(
        &simulation,
        accepting,
        Intent::Deploy { image: source() },
        None,
    )
    .await;
    run.check_promises();
    assert_eq!(run.exit_code(), 0);
    let outcome = run.ended.as_ref().expect("a known end");
    assert!(outcome.report().accepted.contains(&Acceptance::InPlace));
    assert!(outcome.to_string().ends_with("\n  accepted: in-place"));
}

/// The guide moved `latest` before any check, and failed if that tag is immutable.
#[tokio::test(start_paused = true)]
async fn latest_moves_last_and_only_for_an_image_that_proved_itself() {
    let run = run(ReleaseScenario::Healthy).await;
    let names: Vec<String> = run.events.iter().map(ToString::to_string).collect();
    let moved = names
        .iter()
        .position(|line| line.contains("`latest` names the image now"));
    assert_eq!(moved, Some(names.len() - 2), "right before the end");
    let digest = run.simulation.tagged("latest").expect("tagged");
    assert_eq!(Some(digest), run.simulation.tagged("0123456789ab"));
    for scenario in [ReleaseScenario::SmokeFails, ReleaseScenario::TaskDies] {
        let run = self::run(scenario).await;
        assert_eq!(run.simulation.tagged("latest"), None);
    }
    let run = self::run(ReleaseScenario::LatestFixed).await;
    let refused = run.events.iter().any(|event| {
        matches!(
            &event.kind,
            DeploymentEvent::Tagged {
                result: Ok(Tagging::Refused { .. }),
                ..
            }
        )
    });
    assert!(refused && run.exit_code() == 0);
}

#[tokio::test(start_paused = true)]
async fn an_image_that_was_pushed_is_not_built_again_and_is_run_by_its_digest() {
    let run = run(ReleaseScenario::ImageThere).await;
    assert!(
        run.events
            .iter()
            .any(|event| matches!(event.kind, DeploymentEvent::ImageReused { .. }))
    );
    let Ok(outcome) = &run.ended else {
        panic!("{}", run.last_words())
    };
    let image = outcome.report().image.as_ref().expect("known");
    assert_eq!(
        Some(image.digest().to_string()),
        run.simulation.tagged("0123456789ab")
    );
}

#[tokio::test(start_paused = true)]
async fn deploying_the_same_again_changes_nothing_and_checks_it() {
    let simulation = Simulation::builder().test_route().build();
    let first = deploy(&simulation).await;
    assert_eq!(first.exit_code(), 0);
    let again = deploy(&simulation).await;
    again.check_promises();
    assert_eq!(again.exit_code(), 0);
    assert_eq!(simulation.calls(Call::UpdateService), 1);
    assert_eq!(simulation.revisions(), 2);
    assert!(
        again
            .events
            .iter()
            .any(|event| matches!(event.kind, DeploymentEvent::AlreadyRuns { .. }))
    );
}

/// A file with values that AWS converts, and without the fields that AWS fills in.
const IN_WORDS: &str = r#"{"family": "chatbot-fastapi", "networkMode": "awsvpc",
    "requiresCompatibilities": ["FARGATE"], "cpu": "1 vCPU", "memory": "2 GB",
    "executionRoleArn": "arn:aws:iam::123456789012:role/ecsTaskExecutionRole",
    "containerDefinitions": [{"name": "chatbot-fastapi", "image": "set by every deployment",
        "portMappings": [{"containerPort": 8000}],
        "environment": [{"name": "B", "value": "2"}, {"name": "A", "value": "1"}],
        "healthCheck": {"command": ["CMD", "true"]}}]}"#;

/// AWS answers "1 vCPU" with 1024. That is no reason to deploy the file again, and a rollback never
/// goes to the revision that runs already.
#[tokio::test(start_paused = true)]
async fn the_same_file_again_does_nothing_and_leaves_the_way_back() {
    let simulation = Simulation::builder().test_route().build();
    let (before, copies) = simulation.runs().expect("it runs");
    for _ in 0..3 {
        let run = deploy_file(&simulation, IN_WORDS).await;
        run.check_promises();
        assert_eq!(run.exit_code(), 0, "{}", run.last_words());
        assert_eq!(simulation.calls(Call::RegisterTaskDefinition), 1);
        assert_eq!(simulation.calls(Call::UpdateService), 1);
    }
    let run = release(&simulation, plan(), roll_back(None), None).await;
    run.check_promises();
    assert_eq!(run.exit_code(), 0, "{}", run.last_words());
    assert_eq!(simulation.runs(), Some((before, copies)));
}

#[tokio::test(start_paused = true)]
async fn a_run_after_one_that_was_killed_follows_the_rollout_under_way() {
    let simulation = Simulation::builder().test_route().build();
    let run = deploy_file(&simulation, IN_WORDS);
    let killed = tokio::time::timeout(Duration::from_secs(100), run).await;
    assert!(killed.is_err(), "it was under way");
    assert_eq!(
        simulation.calls(Call::UpdateService),
        1,
        "its rollout had begun"
    );
    let run = deploy_file(&simulation, IN_WORDS).await;
    run.check_promises();
    assert_eq!(run.exit_code(), 0, "{}", run.last_words());
    assert_eq!(simulation.calls(Call::UpdateService), 1);
    assert_eq!(simulation.calls(Call::RegisterTaskDefinition), 1);
}

/// An image for another platform does not start. This is reported before the service is changed, for an
/// image that was built now, found under its tag, or given.
#[tokio::test(start_paused = true)]
async fn an_image_of_another_platform_is_refused_before_the_rollout() {
    let worlds = [
        Simulation::builder().test_route(),
        Simulation::builder().test_route().pushed("0123456789ab"),
    ];
    for world in worlds {
        let simulation = world.image_platform("linux/arm64").build();
        let run = deploy(&simulation).await;
        run.check_promises();
        assert_eq!(run.exit_code(), 3, "{}", run.last_words());
        let words = run.last_words();
        assert!(words.contains("is built for linux/arm64"), "{words}");
        for call in [Call::RegisterTaskDefinition, Call::UpdateService] {
            assert_eq!(simulation.calls(call), 0);
        }
    }
    let simulation = Simulation::builder().test_route().pushed("v1");
    let simulation = simulation.image_platform("linux/arm64").build();
    let digest = simulation.tagged("v1").expect("it was pushed");
    let host = "123456789012.dkr.ecr.us-east-1.amazonaws.com";
    let image = format!("{host}/{}@{digest}", simulation.repository());
    let image: ImageRef = image.parse().expect("an image");
    let deployer = deployer(&simulation).with_image(image.clone());
    let findings = deployer.preflight().await.expect("it looked");
    let stops = findings.iter().filter(|one| one.severity != Severity::Note);
    let stops: Vec<String> = stops.map(ToString::to_string).collect();
    assert_eq!(stops.len(), 1, "{stops:?}");
    assert!(stops[0].contains("run on linux/amd64"), "{stops:?}");
    assert_eq!(
        deployer
            .image_findings(&image)
            .await
            .expect("it looked")
            .len(),
        1
    );
    assert!(deployer.preview(&image).await.is_err(), "as register would");

    // Without the right to read the platform, a note says so, and nothing is stopped.
    let simulation = Simulation::builder().test_route().build();
    simulation.fail(Call::BatchGetImage.every(), Fault::Denied);
    let run = deploy(&simulation).await;
    run.check_promises();
    assert_eq!(run.exit_code(), 0, "{}", run.last_words());
    let told = run.events.iter().map(|event| event.kind.to_string());
    let told: Vec<String> = told.filter(|one| one.contains("is not known")).collect();
    assert_eq!(told.len(), 1, "{told:?}");
}

/// One file is deployed any number of times, with any end of its rollouts: a rollback goes to the revision
/// that ran before the first of them.
#[tokio::test(start_paused = true)]
async fn a_rollback_after_any_number_of_repeats_goes_back_to_what_ran_before_the_first() {
    for repeats in [1, 2, 5] {
        for is_killed in [false, true] {
            let simulation = Simulation::builder().test_route().build();
            let before = simulation.runs().expect("it runs");
            if is_killed {
                let run = deploy_file(&simulation, IN_WORDS);
                let killed = tokio::time::timeout(Duration::from_secs(100), run).await;
                assert!(killed.is_err(), "it was under way");
            }
            for _ in 0..repeats {
                let run = deploy_file(&simulation, IN_WORDS).await;
                run.check_promises();
                assert_eq!(run.exit_code(), 0, "{}", run.last_words());
            }
            assert_eq!(simulation.calls(Call::UpdateService), 1, "{repeats}");
            assert_ne!(simulation.runs(), Some(before.clone()));
            for _ in 0..2 {
                let run = release(&simulation, plan(), roll_back(None), None).await;
                run.check_promises();
                assert_eq!(run.exit_code(), 0, "{}", run.last_words());
                assert_eq!(
                    simulation.runs(),
                    Some(before.clone()),
                    "{repeats}, {is_killed}"
                );
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_asked_for_rollback_goes_to_what_was_recorded_and_twice_is_once() {
    let simulation = Simulation::builder().test_route().build();
    let (first, _) = simulation.runs().expect("it runs");
    assert_eq!(deploy(&simulation).await.exit_code(), 0);
    for _ in 0..2 {
        let run = release(&simulation, plan(), roll_back(None), None).await;
        run.check_promises();
        assert_eq!(run.exit_code(), 0, "{}", run.last_words());
        assert_eq!(simulation.runs(), Some((first.clone(), 4)));
    }
    let own = |(_, by): &(String, Writer)| *by == Writer::Caller;
    assert_eq!(
        simulation
            .deployments()
            .iter()
            .filter(|one| own(one))
            .count(),
        2
    );
}

/// The guide rolled back to the newest older revision, which may be a bad revision.
#[tokio::test(start_paused = true)]
async fn a_rollback_never_guesses() {
    let simulation = Simulation::builder().test_route().build();
    let run = release(&simulation, plan(), roll_back(None), None).await;
    run.check_promises();
    assert_eq!(run.exit_code(), 3, "nothing was recorded");
    let simulation = Simulation::builder()
        .test_route()
        .third_party_deploy_at(Duration::from_secs(600))
        .build();
    assert_eq!(deploy(&simulation).await.exit_code(), 0);
    tokio::time::sleep(Duration::from_secs(900)).await;
    let run = release(&simulation, plan(), roll_back(None), None).await;
    run.check_promises();
    assert_eq!(
        run.exit_code(),
        3,
        "a third party's revision runs: {}",
        run.last_words()
    );
    let run = release(
        &simulation,
        plan(),
        roll_back(Some("chatbot-fastapi:1")),
        None,
    )
    .await;
    run.check_promises();
    assert_eq!(
        run.exit_code(),
        0,
        "by its short name: {}",
        run.last_words()
    );
    assert_eq!(
        simulation
            .runs()
            .map(|(revision, _)| revision.ends_with(":1")),
        Some(true)
    );
}

#[tokio::test(start_paused = true)]
async fn a_first_release_that_fails_leaves_no_copy_running() {
    let run = run(ReleaseScenario::FirstReleaseBroken).await;
    let Ok(DeploymentOutcome::RolledBack {
        to: Target::Nothing,
        report,
        ..
    }) = &run.ended
    else {
        panic!("{}", run.last_words());
    };
    assert!(report.left_behind[0].contains("runs nothing"), "{report:?}");
    assert_eq!(run.simulation.runs().map(|(_, running)| running), Some(0));
}

#[tokio::test(start_paused = true)]
async fn p10_a_lost_answer_to_the_update_is_observed_and_not_sent_again() {
    let run = run(ReleaseScenario::Rough).await;
    assert_eq!(run.simulation.calls(Call::UpdateService), 1);
    assert_eq!(run.simulation.revisions(), 2, "nor was the register");
}

#[tokio::test(start_paused = true)]
async fn p07_somebody_elses_deployment_is_left_alone() {
    let run = run(ReleaseScenario::Superseded).await;
    let Ok(DeploymentOutcome::Held {
        reason: HoldReason::Superseded { .. },
        ..
    }) = &run.ended
    else {
        panic!("{}", run.last_words());
    };
    assert_eq!(
        run.simulation.deployments().last().map(|(_, by)| *by),
        Some(Writer::Stranger)
    );
}

/// If users reach the service by another way than a rule that divides traffic, the deployment is refused,
/// unless the risk is accepted.
#[tokio::test(start_paused = true)]
async fn a_service_that_users_may_reach_is_refused_whatever_leads_to_it() {
    let world = || Simulation::builder().test_route();
    let setting = |name: &str, value: serde_json::Value| world().service_setting(name, value);
    let registry = "arn:aws:servicediscovery:us-east-1:123456789012:service/srv-utcrh6wavdkggqtk";
    let lattice = "arn:aws:vpc-lattice:us-east-1:123456789012:targetgroup/tg-0123456789abcdef0";
    let cases = [
        (world().green_behind_header(), "100 % of rule", 1),
        (
            world().default_rule().green_behind_header(),
            "100 % of rule",
            1,
        ),
        (
            Simulation::builder().unmarked_test_route(),
            "100 % of rule",
            1,
        ),
        (world().shared_green(), "100 % of rule", 1),
        (
            world().green_behind_network_balancer(),
            "network load balancer edge; not supported",
            1,
        ),
        (
            setting("serviceRegistries", json!([{"registryArn": registry}])),
            "Cloud Map, service srv-utcrh6wavdkggqtk",
            1,
        ),
        (
            setting(
                "serviceConnectConfiguration",
                json!({"enabled": true, "services": [{"portName": "http"}]}),
            ),
            "Service Connect, as http",
            1,
        ),
        (
            setting(
                "vpcLatticeConfigurations",
                json!([{"targetGroupArn": lattice}]),
            ),
            "VPC Lattice, target group tg-0123456789abcdef0",
            1,
        ),
        (
            setting("gatewayConnectors", json!([{"portName": "web"}])),
            "a gateway, at its port web",
            1,
        ),
    ];
    for (world, words, refusals) in cases {
        let refused = deploy(&world.clone().build()).await;
        refused.check_promises();
        assert_eq!(refused.exit_code(), 3, "{words}");
        let said = refused.last_words();
        assert!(said.contains(words) && said.contains("in-place"), "{said}");
        let Ok(DeploymentOutcome::Unchanged {
            reason: Unchanged::Refused { findings },
            ..
        }) = &refused.ended
        else {
            panic!("{said}");
        };
        let stopping = findings.iter().filter(|one| one.severity != Severity::Note);
        assert_eq!(stopping.count(), refusals, "{findings:?}");
        let accepting = DeploymentPlan::builder().accept(Acceptance::InPlace);
        let accepting = accepting.build().expect("valid");
        let intent = Intent::Deploy { image: source() };
        let run = release(&world.build(), accepting, intent, None).await;
        run.check_promises();
        assert_eq!(run.exit_code(), 0, "{words}: {}", run.last_words());
    }
    let client = json!({"enabled": true, "namespace": "chat"});
    let world = setting("serviceConnectConfiguration", client).build();
    assert_eq!(deploy(&world).await.exit_code(), 0, "it is a client only");
}

/// The balancer reaches a proxy container, whose image the program's image must not replace.
#[tokio::test(start_paused = true)]
async fn the_proxy_before_the_program_does_not_get_its_image() {
    let simulation = Simulation::builder().test_route().behind_proxy().build();
    let run = deploy(&simulation).await;
    run.check_promises();
    assert_eq!(run.exit_code(), 3);
    let said = run.last_words();
    assert!(
        said.contains("container proxy of chatbot-fastapi runs nginx:1.27"),
        "{said}"
    );
    assert!(
        said.contains("did you mean container chatbot-fastapi?"),
        "{said}"
    );
    assert_eq!(simulation.calls(Call::RegisterTaskDefinition), 0);
    assert_eq!(
        simulation.tagged("0123456789ab"),
        None,
        "nothing was pushed"
    );
    // A deployer that does not know the repository notices this before it registers.
    let bare = EcsServiceDeployer::new(
        &simulation.aws(),
        simulation.cluster(),
        simulation.service(),
    );
    let image = format!("r/{}@sha256:{}", simulation.repository(), "a".repeat(64));
    let error = bare.register(&image.parse().expect("an image")).await;
    assert_eq!(
        error.expect_err("it is the proxy").kind(),
        ErrorKind::Refused
    );
    let named = bare.with_container("chatbot-fastapi");
    let registered = named.register(&image.parse().expect("an image")).await;
    assert!(registered.expect("it is the program").is_new);
}

/// An accepted risk is reported beside a refused risk, but not as a refusal.
#[tokio::test(start_paused = true)]
async fn what_is_accepted_is_no_refusal_if_something_else_is() {
    let simulation = Simulation::builder().test_route().shared_green().build();
    simulation.fail(Call::DescribeServiceRevisions.every(), Fault::Denied);
    let unseen = DeploymentPlan::builder().accept(Acceptance::UnseenTraffic);
    let intent = Intent::Deploy { image: source() };
    let run = release(&simulation, unseen.build().expect("valid"), intent, None).await;
    assert_eq!(run.exit_code(), 3);
    let said = run.last_words();
    let lines: Vec<&str> = said.lines().map(str::trim).collect();
    let is_accepted = |line: &&&str| line.starts_with("accepted: whether a gateway leads to");
    assert_eq!(lines.iter().filter(is_accepted).count(), 1, "{said}");
    assert!(!said.contains("or accept `unseen-traffic`"), "{said}");
    assert!(said.contains("or accept `in-place`"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn p04_a_blocked_rollback_says_what_runs_and_how_to_finish_by_hand() {
    let run = run(ReleaseScenario::RollbackBlocked).await;
    let words = run.last_words();
    let command = "aws ecs update-service --region us-east-1 --cluster chatbot-cluster \
                   --service chatbot-fastapi --task-definition \
                   arn:aws:ecs:us-east-1:123456789012:task-definition/chatbot-fastapi:1";
    assert!(words.lines().any(|line| line.trim() == command), "{words}");
    assert!(words.contains("denied"), "{words}");
}

#[tokio::test(start_paused = true)]
async fn checks_alone_change_nothing_and_have_their_own_code() {
    let fates = [
        (Fate::Works, Intent::CheckHealth, 0),
        (Fate::Works, Intent::Smoke, 0),
    ];
    for (fate, intent, code) in fates {
        let simulation = Simulation::builder()
            .test_route()
            .next_revision(fate)
            .build();
        let run = release(&simulation, plan(), intent, None).await;
        run.check_promises();
        assert_eq!(run.exit_code(), code, "{}", run.last_words());
        assert_eq!(simulation.calls_in_all(), 0);
    }
    let simulation = Simulation::builder().test_route().no_service().build();
    let run = release(&simulation, plan(), Intent::CheckHealth, None).await;
    assert_eq!(run.exit_code(), 1, "{}", run.last_words());
    let run = release(&simulation, plan(), Intent::Smoke, None).await;
    assert_eq!(run.exit_code(), 1, "{}", run.last_words());
}

/// A hand that does something once, at the `n`th event.
fn at_event(
    n: u64,
    act: impl Fn(&bluegreen::engine::ControlHandle) + Send + 'static,
) -> Option<Hand> {
    Some(Box::new(move |event, handle, _| {
        if event.seq == n {
            act(handle);
        }
    }))
}

#[tokio::test(start_paused = true)]
async fn p11_cancelling_at_any_event_ends_in_a_state_that_is_stated() {
    let events = deploy(&Simulation::builder().test_route().build())
        .await
        .events
        .len() as u64;
    let mut codes = Vec::new();
    for n in 0..events - 1 {
        let simulation = Simulation::builder().test_route().build();
        let hand = at_event(n, |handle| drop(handle.cancel("SIGTERM")));
        let run = release(
            &simulation,
            plan(),
            Intent::Deploy { image: source() },
            hand,
        )
        .await;
        run.check_promises();
        assert!(
            [0, 3, 11].contains(&run.exit_code()),
            "{n}: {}",
            run.last_words()
        );
        codes.push(run.exit_code());
    }
    assert!(codes.contains(&3) && codes.contains(&11), "{codes:?}");
}

#[tokio::test(start_paused = true)]
async fn p11_the_policy_hold_leaves_the_rollout_as_it_is() {
    let simulation = Simulation::builder().test_route().build();
    let holding = DeploymentPlan::builder()
        .on_cancel(OnCancel::Hold)
        .build()
        .expect("valid");
    let hand: Hand = Box::new(|event, handle, _| {
        if matches!(event.kind, DeploymentEvent::RolledOut { .. }) {
            handle.cancel("SIGINT");
        }
    });
    let run = release(
        &simulation,
        holding,
        Intent::Deploy { image: source() },
        Some(hand),
    )
    .await;
    run.check_promises();
    assert_eq!(run.exit_code(), 12);
    assert_eq!(simulation.calls(Call::UpdateService), 1);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_cannot_be_read_at_first_is_tried_again_and_denied_is_not() {
    let simulation = Simulation::builder().test_route().build();
    simulation.fail(Call::DescribeServices.nth(1), Fault::Throttle);
    let run = deploy(&simulation).await;
    run.check_promises();
    assert_eq!(run.exit_code(), 0);
    let simulation = Simulation::builder().test_route().build();
    simulation.fail(Call::DescribeServices.every(), Fault::Denied);
    let run = deploy(&simulation).await;
    let Ok(DeploymentOutcome::Unchanged {
        reason: Unchanged::ReadFailed { failure },
        ..
    }) = &run.ended
    else {
        panic!("{}", run.last_words());
    };
    assert_eq!(failure.kind, ErrorKind::Denied);
}
