//! Keeps a service's capacity over real HTTP, against `moto`: `ministack` has no Application Auto
//! Scaling. `moto` scales nothing; the test checks the writes and their read back.

use aws_sdk_applicationautoscaling::{
    Client,
    types::{ScalableDimension, ScalableTarget, ServiceNamespace, SuspendedState},
};
use aws_sdk_ecs::types::ContainerDefinition;
use bluegreen::{
    Aws, ErrorKind,
    aws::ecs::EcsCapacityKeeper,
    traffic::{CapacityKeeper as _, Released},
};

use crate::harness::{self, Emulator, Endpoint};

const CLUSTER: &str = "capacity";
const SERVICE: &str = "blue";

/// Makes a service of four tasks.
async fn service(endpoint: &Endpoint, name: &str) {
    let ecs = aws_sdk_ecs::Client::new(&endpoint.config);
    ecs.create_cluster()
        .cluster_name(CLUSTER)
        .send()
        .await
        .unwrap();
    let container = ContainerDefinition::builder().name("web").image("web:1");
    let container = container.memory(128).build();
    ecs.register_task_definition()
        .family(name)
        .container_definitions(container)
        .send()
        .await
        .unwrap();
    ecs.create_service()
        .cluster(CLUSTER)
        .service_name(name)
        .task_definition(name)
        .desired_count(4)
        .send()
        .await
        .unwrap();
}

fn resource(name: &str) -> String {
    format!("service/{CLUSTER}/{name}")
}

/// Writes a minimum and, for a new target, a maximum, as a third party does.
async fn register(client: &Client, name: &str, minimum: i32, maximum: Option<i32>) {
    client
        .register_scalable_target()
        .service_namespace(ServiceNamespace::Ecs)
        .scalable_dimension(ScalableDimension::EcsServiceDesiredCount)
        .resource_id(resource(name))
        .min_capacity(minimum)
        .set_max_capacity(maximum)
        .suspended_state(
            SuspendedState::builder()
                .scheduled_scaling_suspended(true)
                .build(),
        )
        .send()
        .await
        .unwrap();
}

async fn target(client: &Client, name: &str) -> ScalableTarget {
    let described = client
        .describe_scalable_targets()
        .service_namespace(ServiceNamespace::Ecs)
        .resource_ids(resource(name))
        .send()
        .await
        .unwrap();
    described.scalable_targets()[0].clone()
}

#[tokio::test]
async fn a_minimum_is_raised_and_put_back_and_the_rest_of_the_target_stays() {
    let Some(endpoint) = harness::start(Emulator::Moto) else {
        return;
    };
    service(&endpoint, SERVICE).await;
    let client = Client::new(&endpoint.config);
    register(&client, SERVICE, 1, Some(8)).await;
    let before = target(&client, SERVICE).await;
    let aws = Aws::from_config(&endpoint.config);
    let keeper = EcsCapacityKeeper::new(&aws, CLUSTER, SERVICE);

    let capacity = keeper.observe().await.unwrap();
    assert_eq!(capacity.running, 4);
    let kept = capacity.to_keep().unwrap();
    assert_eq!((kept.before, kept.minimum), (1, 4));
    for _ in 0..2 {
        keeper.keep(&kept).await.unwrap();
        let now = target(&client, SERVICE).await;
        assert_eq!((now.min_capacity(), now.max_capacity()), (4, 8));
        assert_eq!(now.suspended_state(), before.suspended_state());
    }
    assert_eq!(keeper.observe().await.unwrap().to_keep(), None);
    for _ in 0..2 {
        assert_eq!(keeper.release(&kept).await.unwrap(), Released::PutBack);
        assert_eq!(target(&client, SERVICE).await, before);
    }

    register(&client, SERVICE, 3, None).await;
    let error = keeper.keep(&kept).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    let released = keeper.release(&kept).await.unwrap();
    assert_eq!(released, Released::Changed { minimum: Some(3) });
    assert_eq!(target(&client, SERVICE).await.min_capacity(), 3);
}

#[tokio::test]
async fn a_service_that_nothing_scales_and_one_that_is_not_there_are_told_apart() {
    let Some(endpoint) = harness::start(Emulator::Moto) else {
        return;
    };
    service(&endpoint, "unscaled").await;
    let aws = Aws::from_config(&endpoint.config);
    let unscaled = EcsCapacityKeeper::new(&aws, CLUSTER, "unscaled");
    let capacity = unscaled.observe().await.unwrap();
    assert_eq!((capacity.running, capacity.range), (4, None));
    let missing = EcsCapacityKeeper::new(&aws, CLUSTER, "missing");
    let error = missing.observe().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
}
