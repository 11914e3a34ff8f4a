//! Two releases, one after the other: the side that served first serves again in the end.

use std::time::Duration;

use bluegreen::{
    Deployment, DeploymentPlan, ErrorKind, MigrationOutcome,
    aws::{
        alb::{GreenGroup, GreenPlace, PlaceReport, PlaceStep},
        ecs::EcsServiceDeployer,
        sim::{Call, Fault, Simulation},
    },
    spec::{MigrationSpec, Service},
    store::JournalStore,
    traffic::Sides,
};

/// A world with a file that names both services, and a journal in memory.
fn world() -> (Simulation, MigrationSpec, JournalStore) {
    let builder = Simulation::builder().history(Duration::from_secs(7200));
    let simulation = builder.build();
    let mut spec = simulation.spec();
    let (cluster, blue) = simulation.blue_service();
    for (side, service) in [("flask", blue), ("fastapi", simulation.service())] {
        let side = spec.sides.get_mut(&side.parse().expect("a name"));
        side.expect("a side").service = Some(Service::new(cluster, service));
    }
    (simulation, spec, JournalStore::memory())
}

/// Prepares the place of the side without traffic.
async fn prepared(simulation: &Simulation, spec: &MigrationSpec) -> bluegreen::Result<PlaceReport> {
    let aws = simulation.aws();
    let place = spec.place_to_make(&aws, None).await?;
    let green = match place.green {
        bluegreen::spec::Group::Arn(arn) => GreenGroup::existing(arn),
        group => GreenGroup::named(group.name()),
    };
    let place = GreenPlace::new(&aws, place.rule, place.blue, green)?;
    place.prepare().await
}

async fn migrated(
    simulation: &Simulation,
    spec: &MigrationSpec,
    store: &JournalStore,
) -> MigrationOutcome {
    let run = spec.start(&simulation.aws(), store, "ann").await;
    run.expect("it may begin").run().await.expect("a known end")
}

#[tokio::test(start_paused = true)]
async fn each_of_two_releases_is_prepared_deployed_moved_and_cleaned_up_without_a_flag() {
    let (simulation, spec, store) = world();
    let aws = simulation.aws();
    let mut route = None;
    for (green, weights) in [
        ("fastapi", Sides::new(0, 100)),
        ("flask", Sides::new(100, 0)),
    ] {
        assert_eq!(spec.idle_side(&aws).await.expect("one").as_str(), green);
        let made = prepared(&simulation, &spec).await.expect("prepared");
        match (&route, &made.done[..]) {
            (None, [PlaceStep::CreateRoute { .. }]) => {}
            (Some(_), [PlaceStep::TurnRoute { to, .. }]) => assert_eq!(to, "chatbot-flask-tg"),
            (_, other) => panic!("{other:?}"),
        }
        assert!(route.is_none() || route == made.route, "the same rule");
        route = made.route;
        let again = prepared(&simulation, &spec).await.expect("prepared");
        assert!(again.done.is_empty(), "{again:?}");

        // The service that `cleanup` has scaled to zero is scaled up by its deployment.
        let side = &spec.sides[&green.parse().expect("a name")];
        let service = side.service.as_ref().expect("named");
        let deployer = EcsServiceDeployer::new(&aws, &service.cluster, &service.name);
        let digest = "1234567890abcdef".repeat(4);
        let image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/chatbot-fastapi@sha256:";
        let image = format!("{image}{digest}").parse().expect("an image");
        let plan = DeploymentPlan::builder().build().expect("valid");
        let deployed = Deployment::new(plan, deployer).clock(aws.clock());
        let deployed = deployed.run_image(bluegreen::deployment::ImageSource::Given { image });
        let deployed = deployed.await.expect("a known end");
        assert_eq!(deployed.exit_code(), 0, "{deployed}");
        assert_eq!(simulation.targets().blue.healthy, 4);

        let outcome = migrated(&simulation, &spec, &store).await;
        assert_eq!(outcome.exit_code(), 0, "{outcome}");
        assert_eq!(simulation.weights(), weights);
        let rule = spec.locate_after(&aws).await.expect("found");
        let log = store.log(rule.as_str());
        let found = spec.retirement(&aws, &log, rule, Duration::ZERO).await;
        let (side, retirement) = found.expect("promoted");
        assert_ne!(side.as_str(), green, "the side that served before");
        retirement.run().await.expect("retired");
        tokio::time::sleep(Duration::from_secs(120)).await;
        let targets = simulation.targets();
        let serving = [targets.blue.healthy, targets.green.healthy];
        assert_eq!(serving.iter().sum::<u32>(), 4, "{targets:?}");
    }
}

/// A route of others with the same header is not turned, and a turn without an answer is seen.
#[tokio::test(start_paused = true)]
async fn a_route_is_turned_once_whatever_is_lost_and_that_of_others_never() {
    for fault in [
        None,
        Some(Fault::TimeoutAfterEffect),
        Some(Fault::TimeoutBeforeEffect),
    ] {
        let (simulation, spec, _) = world();
        prepared(&simulation, &spec).await.expect("prepared");
        simulation.third_party_write(Sides::new(0, 100));
        if let Some(fault) = fault {
            let next = simulation.calls(Call::ModifyRule) + 1;
            simulation.fail(Call::ModifyRule.nth(next), fault);
        }
        let made = prepared(&simulation, &spec).await.expect("turned");
        assert!(made.done.len() <= 1, "{made:?}");
        assert_eq!(simulation.calls(Call::CreateRule), 1);
        assert!(made.route.is_some(), "{made:?}");
        assert_eq!(simulation.weights(), Sides::new(0, 100), "no traffic moves");
        let again = prepared(&simulation, &spec).await.expect("prepared");
        assert!(again.done.is_empty(), "{again:?}");
    }
    // The route of this world has no tag of ours.
    let builder = Simulation::builder().unmarked_test_route();
    let simulation = builder.weights(Sides::new(0, 100)).build();
    let error = prepared(&simulation, &simulation.spec()).await;
    let error = error.expect_err("not ours");
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.message().contains("leads elsewhere"), "{error}");
    assert!(
        error
            .hint()
            .is_some_and(|hint| hint.contains("--test-header")),
        "{error}"
    );
}
