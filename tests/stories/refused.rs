//! A change that IAM refuses: the definite "no" of AWS, which says that nothing happened.
//!
//! Before anything has changed, a run ends at once and names the right. With traffic divided it goes on trying to
//! restore, and names the right at once, since a person can give the right meanwhile.

use std::time::Duration;

use bluegreen::{
    ErrorKind,
    aws::{
        alb::{AlbRule, GreenGroup, GreenPlace},
        retire::Retirement,
        sim::{Call, Fault, ReleaseScenario, Scenario, Simulation},
    },
    migration::{Intent, MigrationEvent, RestoreOrder},
    store::Take,
    traffic::Sides,
};

use crate::common::{durable::Durable, migrate, release, run, short_plan};

const MODIFY_RULE: &str = "allow elasticloadbalancing:ModifyRule";

/// Longer than any run that only looks, reads twice and is refused.
const SOON: Duration = Duration::from_secs(90);

#[tokio::test(start_paused = true)]
async fn a_first_change_that_is_denied_ends_the_run_at_once_and_names_the_right() {
    let by = || "ann".into();
    for intent in [
        Intent::Migrate,
        Intent::Complete { by: by() },
        Intent::Restore(RestoreOrder::by("ann")),
        Intent::Restore(RestoreOrder::by("ann").with_force()),
    ] {
        let is_restore = matches!(intent, Intent::Restore(_));
        let simulation = match is_restore {
            true => Simulation::builder()
                .weights(Sides {
                    blue: 50,
                    green: 50,
                })
                .build(),
            false => Scenario::Healthy.simulation(1),
        };
        simulation.fail(Call::ModifyRule.every(), Fault::Denied);
        let plan = short_plan().build().expect("valid");
        let run = run(&simulation, plan, intent.clone(), None).await;
        let outcome = run.ended.expect("a known end");
        assert_eq!(outcome.exit_code(), 3, "{intent:?}: {outcome}");
        let said = outcome.to_string();
        assert!(said.contains(MODIFY_RULE), "{said}");
        assert_eq!(said.contains("as before: "), is_restore, "{said}");
        assert_eq!(simulation.calls(Call::ModifyRule), 1, "{intent:?}");
        if is_restore {
            assert!(simulation.elapsed() < SOON, "{:?}", simulation.elapsed());
        }
    }
}

/// A refusal that comes without AWS's code may be of a proxy, after the change: it stays unknown.
#[tokio::test(start_paused = true)]
async fn p10_a_first_change_without_an_answer_is_no_refusal() {
    let simulation = Simulation::builder()
        .weights(Sides {
            blue: 50,
            green: 50,
        })
        .build();
    simulation.fail(Call::ModifyRule.nth(1), Fault::TimeoutAfterEffect);
    simulation.fail(Call::ModifyRule.nth(2), Fault::Denied);
    let plan = short_plan().build().expect("valid");
    let intent = Intent::Restore(RestoreOrder::by("ann"));
    let outcome = run(&simulation, plan, intent, None).await.ended;
    // A write of this run may have happened, so the refusal of the second is no end.
    assert_eq!(outcome.expect("restored").exit_code(), 0);
    assert!(simulation.calls(Call::ModifyRule) >= 3);
}

#[tokio::test(start_paused = true)]
async fn a_run_with_traffic_divided_goes_on_trying_to_restore_and_names_the_right_at_once() {
    for comes_back in [true, false] {
        let simulation = Scenario::GreenErrors.simulation(1);
        let denied = match comes_back {
            true => Call::ModifyRule.nth(2),
            false => Call::ModifyRule.from_nth(2),
        };
        simulation.fail(denied, Fault::Denied);
        let run = migrate(&simulation, short_plan().build().expect("valid")).await;
        let at = |found: &dyn Fn(&MigrationEvent) -> bool| {
            let found = run.events.iter().find(|event| found(&event.kind));
            found.map(|event| event.elapsed).expect("told")
        };
        let decided = at(&|event| matches!(event, MigrationEvent::RollingBack { .. }));
        let named = at(&|event| {
            matches!(event, MigrationEvent::WriteFailed { .. })
                && event.to_string().contains(MODIFY_RULE)
        });
        assert!(named - decided < Duration::from_secs(5), "{named:?}");
        match (comes_back, run.ended) {
            (true, Ok(outcome)) => assert_eq!(outcome.exit_code(), 10, "{outcome}"),
            (false, Err(error)) => {
                assert_eq!(error.exit_code(), 20);
                assert!(error.to_string().contains(MODIFY_RULE), "{error}");
                assert!(simulation.calls(Call::ModifyRule) > 5);
            }
            (_, ended) => panic!("{ended:?}"),
        }
    }
}

/// A dead controller's switch is the last way back while the rule cannot be written: it stays armed.
#[tokio::test(start_paused = true)]
async fn a_rollback_that_is_denied_leaves_the_switch_armed() {
    let simulation = Scenario::Healthy.simulation(1);
    let plan = short_plan().dead_man(Duration::from_secs(300));
    let durable = Durable::new(simulation.clone(), plan.build().expect("valid"));
    let migration = durable.migrate("ann", None);
    let dies = tokio::time::timeout(Duration::from_secs(200), migration).await;
    assert!(dies.is_err(), "it watches the first step");
    assert_eq!(simulation.weights().green, 10);
    assert_eq!(simulation.calls(Call::DeleteSchedule), 0);
    simulation.fail(Call::ModifyRule.every(), Fault::Denied);
    let lease = durable.take("bob", Take::Force).await.expect("taken over");
    let (migration, _, _) = durable.controller(&lease, None);
    let order = RestoreOrder::by("bob");
    let ended = migration.restore(order).await.expect("a known end");
    assert_eq!(ended.exit_code(), 3, "{ended}");
    assert_eq!(simulation.calls(Call::DeleteSchedule), 0, "{ended}");
}

#[tokio::test(start_paused = true)]
async fn a_switch_or_a_minimum_that_may_not_be_set_stops_a_run_before_anything_moves() {
    for (call, action) in [
        (Call::CreateSchedule, "scheduler:CreateSchedule"),
        (
            Call::RegisterScalableTarget,
            "application-autoscaling:RegisterScalableTarget",
        ),
    ] {
        let is_switch = call == Call::CreateSchedule;
        let scenario = match is_switch {
            true => Scenario::Healthy,
            false => Scenario::BlueScalesIn,
        };
        let simulation = scenario.simulation(1);
        simulation.fail(call.every(), Fault::Denied);
        let plan = short_plan();
        let ended = match is_switch {
            true => {
                let plan = plan.dead_man(Duration::from_secs(300));
                let durable = Durable::new(simulation.clone(), plan.build().expect("valid"));
                durable.migrate("ann", None).await
            }
            false => {
                migrate(&simulation, plan.build().expect("valid"))
                    .await
                    .ended
            }
        };
        let ended = ended.expect("a known end");
        assert_eq!(ended.exit_code(), 3, "{call:?}: {ended}");
        assert!(ended.to_string().contains(action), "{call:?}: {ended}");
        assert_eq!(simulation.calls(Call::ModifyRule), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn each_change_of_a_retirement_or_a_place_that_is_denied_ends_it_and_names_the_right() {
    for call in [
        Call::TagResource,
        Call::UpdateService,
        Call::ModifyRule,
        Call::DeleteService,
        Call::DeleteTargetGroup,
    ] {
        let weights = Sides {
            blue: 0,
            green: 100,
        };
        let history = Duration::from_secs(3600);
        let simulation = Simulation::builder().weights(weights).history(history);
        let simulation = simulation.build();
        simulation.fail(call.every(), Fault::Denied);
        let aws = simulation.aws();
        let sides = Sides {
            blue: simulation.blue(),
            green: simulation.green(),
        };
        let (cluster, service) = simulation.blue_service();
        let ended = aws.clock().now();
        let rule = simulation.rule_arn();
        let retirement = Retirement::new(&aws, rule, sides, cluster, service, ended).deleting();
        let error = retirement.run().await.expect_err("denied");
        assert_eq!(error.kind(), ErrorKind::Denied, "{call:?}: {error}");
        let hint = error.hint().expect("a right");
        assert!(hint.contains(call.operation()), "{call:?}: {hint}");
        assert_eq!(simulation.calls(call), 1);
    }
    for call in [Call::CreateTargetGroup, Call::ModifyRule, Call::CreateRule] {
        let simulation = Simulation::builder().build();
        simulation.fail(call.every(), Fault::Denied);
        let (rule, blue) = (AlbRule::Arn(simulation.rule_arn()), simulation.blue());
        let group = GreenGroup::named("another");
        let place = GreenPlace::new(&simulation.aws(), rule, blue, group).expect("well-formed");
        let error = place.prepare().await.expect_err("denied");
        assert_eq!(error.kind(), ErrorKind::Denied, "{call:?}: {error}");
        let hint = error.hint().expect("a right");
        assert!(hint.contains(call.operation()), "{call:?}: {hint}");
        assert!(simulation.elapsed() < SOON, "{:?}", simulation.elapsed());
        assert_eq!(simulation.calls(call), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn each_change_of_a_deployment_that_is_denied_ends_it_and_names_the_right() {
    for (call, action) in [
        (Call::RegisterTaskDefinition, "ecs:RegisterTaskDefinition"),
        (Call::UpdateService, "ecs:UpdateService"),
    ] {
        let simulation = ReleaseScenario::Healthy.simulation(1);
        simulation.fail(call.every(), Fault::Denied);
        let ended = release::deploy(&simulation).await.ended;
        let outcome = ended.expect("a known end");
        assert_eq!(outcome.exit_code(), 3, "{call:?}: {outcome}");
        assert!(outcome.to_string().contains(action), "{call:?}: {outcome}");
        assert_eq!(simulation.calls(call), 1, "{call:?}");
    }
}
