//! Blue is retired over real HTTP: rule, groups and service on `moto`, metrics on `ministack`.
//!
//! `moto` takes no targets out when a service is scaled to zero, so the test does.

use aws_config::{
    BehaviorVersion, Region, SdkConfig,
    profile::profile_file::{ProfileFileKind, ProfileFiles},
};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_sdk_cloudwatch::{
    primitives::DateTime,
    types::{Dimension, MetricDatum},
};
use aws_sdk_ecs::types::{ContainerDefinition, LoadBalancer};
use aws_sdk_elasticloadbalancingv2::types::TargetDescription;
use bluegreen::{
    Aws, ErrorKind,
    aws::{
        alb::RuleArn,
        retire::{RetireStep, Retired, Retirement},
    },
    clock::{Clock as _, SystemClock},
    traffic::Sides,
};
use jiff::{SignedDuration, Timestamp};

use crate::{
    harness::{self, Emulator, Endpoint, REGION},
    topology::Topology,
};

const CLUSTER: &str = "retired";
const MINUTE: i64 = 60;

/// One handle for two emulators: metrics are asked at the second.
async fn both(topology: &Topology, metrics: &Endpoint) -> SdkConfig {
    let url = |endpoint: &Endpoint| endpoint.config.endpoint_url().unwrap().to_owned();
    let text = format!(
        "[profile p]\nendpoint_url = {}\nservices = s\n[services s]\ncloudwatch =\n  endpoint_url = {}\n",
        url(&topology.endpoint),
        url(metrics)
    );
    let files = ProfileFiles::builder().with_contents(ProfileFileKind::Config, text);
    let credentials = Credentials::new("testing", "testing", None, None, "tests");
    aws_config::defaults(BehaviorVersion::latest())
        .profile_files(files.build())
        .profile_name("p")
        .region(Region::new(REGION))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .load()
        .await
}

/// A service of two tasks behind blue's group. Its first deployment is complete only if it wants no task.
async fn service(topology: &Topology) {
    let ecs = aws_sdk_ecs::Client::new(&topology.endpoint.config);
    ecs.create_cluster()
        .cluster_name(CLUSTER)
        .send()
        .await
        .unwrap();
    let container = ContainerDefinition::builder().name("web").image("web:1");
    let definition = ecs.register_task_definition().family("blue");
    let registered = definition.container_definitions(container.memory(128).build());
    registered.send().await.unwrap();
    let behind = LoadBalancer::builder()
        .target_group_arn(topology.blue.as_str())
        .container_name("web")
        .container_port(8080);
    ecs.create_service()
        .cluster(CLUSTER)
        .service_name("blue")
        .task_definition("blue")
        .desired_count(0)
        .load_balancers(behind.build())
        .send()
        .await
        .unwrap();
    let scaled = ecs.update_service().cluster(CLUSTER).service("blue");
    scaled.desired_count(2).send().await.unwrap();
}

/// Green had 60 requests in each of the last twenty minutes.
pub(crate) async fn requests_of_green(topology: &Topology, metrics: &Endpoint, now: Timestamp) {
    let part = |arn: &str, from: &str| arn[arn.find(from).unwrap()..].to_owned();
    let balancer = topology.listener.load_balancer();
    let balancer = part(balancer.as_str(), "app/");
    let group = part(topology.green.as_str(), "targetgroup/");
    let dimensions = [("LoadBalancer", balancer), ("TargetGroup", group)]
        .map(|(name, value)| Dimension::builder().name(name).value(value).build());
    let first = now.as_second().div_euclid(MINUTE) * MINUTE - 21 * MINUTE;
    let data = (0..20).map(|minute| {
        MetricDatum::builder()
            .metric_name("RequestCount")
            .set_dimensions(Some(dimensions.to_vec()))
            .timestamp(DateTime::from_secs(first + minute * MINUTE))
            .value(60.0)
            .build()
    });
    let raw = aws_sdk_cloudwatch::Client::new(&metrics.config);
    raw.put_metric_data()
        .namespace("AWS/ApplicationELB")
        .set_metric_data(Some(data.collect()))
        .send()
        .await
        .expect("publish");
}

fn retirement(aws: &Aws, topology: &Topology, rule: &RuleArn, now: Timestamp) -> Retirement {
    let sides = Sides {
        blue: topology.blue.clone(),
        green: topology.green.clone(),
    };
    let ended = now - SignedDuration::from_mins(30);
    Retirement::new(aws, rule.clone(), sides, CLUSTER, "blue", ended)
}

#[tokio::test]
async fn blue_is_scaled_to_zero_and_then_deleted() {
    let Some(topology) = Topology::new().await else {
        return;
    };
    let Some(metrics) = harness::start(Emulator::Ministack) else {
        return;
    };
    service(&topology).await;
    let rule = topology.split_rule(30, 100, 0).await;
    let now = SystemClock.now();
    requests_of_green(&topology, &metrics, now).await;
    let aws = Aws::from_config(&both(&topology, &metrics).await);

    let serves = retirement(&aws, &topology, &rule, now).run().await;
    assert_eq!(serves.unwrap_err().kind(), ErrorKind::Refused, "P14");

    let all_green = vec![topology.forward(0, 100)];
    topology.write(&rule, all_green).await;
    let done = retirement(&aws, &topology, &rule, now).run().await.unwrap();
    assert!(
        matches!(
            &done.done[..],
            [
                RetireStep::Record { tasks: 2, .. },
                RetireStep::ScaleToZero { .. }
            ]
        ),
        "{done:?}"
    );
    let again = retirement(&aws, &topology, &rule, now).run().await.unwrap();
    assert_eq!(again.done, [], "a second run finds nothing to do");
    let retired = Retired::of(&aws, CLUSTER, "blue").await.unwrap();
    assert_eq!(retired.map(|retired| retired.tasks()), Some(2));

    let targets = (1..=2).map(|last| {
        let address = format!("172.31.0.{last}");
        TargetDescription::builder().id(address).port(8080).build()
    });
    topology
        .raw
        .deregister_targets()
        .target_group_arn(topology.blue.as_str())
        .set_targets(Some(targets.collect()))
        .send()
        .await
        .unwrap();
    let deletes = retirement(&aws, &topology, &rule, now).deleting();
    let done = deletes.run().await.unwrap();
    assert!(
        matches!(
            &done.done[..],
            [
                RetireStep::Detach { .. },
                RetireStep::DeleteService { .. },
                RetireStep::DeleteGroup { .. }
            ]
        ),
        "{done:?}"
    );
    let left = topology.read(&rule).await;
    let groups = left.actions()[0].forward_config().unwrap().target_groups();
    let names: Vec<_> = groups.iter().map(|one| one.target_group_arn()).collect();
    assert_eq!(names, [Some(topology.green.as_str())]);
    let gone = topology.raw.describe_target_groups();
    let gone = gone.target_group_arns(topology.blue.as_str()).send().await;
    assert!(gone.is_err(), "{gone:?}");
    let ecs = aws_sdk_ecs::Client::new(&topology.endpoint.config);
    let described = ecs.describe_services().cluster(CLUSTER).services("blue");
    let described = described.send().await.unwrap();
    assert!(
        described
            .services()
            .iter()
            .all(|one| one.status() == Some("INACTIVE"))
    );
    // Nothing more is to be done, on any machine.
    let over = retirement(&aws, &topology, &rule, now).deleting();
    assert_eq!(over.run().await.unwrap().done, []);
}
