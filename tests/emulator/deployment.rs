//! ECS and ECR over real HTTP, against `ministack`: the JSON that goes through the SDK, a
//! registration without loss, a rollout to its end, and the way back.
//!
//! Its deployments are complete at once, and it starts no tasks; the course and the failures of
//! rollouts are tested on the simulation.

use async_trait::async_trait;
use aws_sdk_ecr::types::ImageTagMutability;
use bluegreen::{
    Aws, Deployment, DeploymentPlan, ErrorKind, ServiceDeployer as _,
    aws::{
        ecr::EcrRegistry,
        ecs::{EcsServiceDeployer, ServiceSpec, TaskDefinition},
    },
    check::{HttpClient, HttpFailure, HttpRequest, HttpResponse},
    deployment::ImageSource,
    image::{ImageDigest, ImageRegistry as _, Tagging},
    preflight::Acceptance,
    service::{DeploymentEnd, Target, Update},
};

use crate::harness::{self, Emulator, Endpoint};

const DEFINITION: &str = include_str!("../../examples/deploy/task-definition.json");
const SERVICE: &str = include_str!("../../examples/deploy/service.json");

fn start() -> Option<(Endpoint, Aws)> {
    let endpoint = harness::start(Emulator::Ministack)?;
    let aws = Aws::from_config(&endpoint.config);
    Some((endpoint, aws))
}

fn image(c: char) -> bluegreen::image::ImageRef {
    let digest = c.to_string().repeat(64);
    format!("r/chatbot@sha256:{digest}").parse().unwrap()
}

async fn cluster(endpoint: &Endpoint, name: &str) {
    let ecs = aws_sdk_ecs::Client::new(&endpoint.config);
    ecs.create_cluster()
        .cluster_name(name)
        .send()
        .await
        .unwrap();
}

#[tokio::test]
async fn registers_creates_updates_follows_and_goes_back() {
    let Some((endpoint, aws)) = start() else {
        return;
    };
    cluster(&endpoint, "roundtrip").await;
    let deployer = EcsServiceDeployer::new(&aws, "roundtrip", "chatbot-fastapi")
        .with_task_definition(TaskDefinition::from_json(DEFINITION).unwrap())
        .with_service(ServiceSpec::from_json(SERVICE).unwrap());
    assert_eq!(
        deployer.observe().await.unwrap(),
        None,
        "a missing service is none"
    );

    let first = deployer.register(&image('a')).await.unwrap();
    assert!(first.is_new);
    let again = deployer.register(&image('a')).await.unwrap();
    assert_eq!(
        (again.revision.clone(), again.is_new),
        (first.revision.clone(), false)
    );
    let point =
        |deployed: &bluegreen::service::RevisionId, previous| bluegreen::service::RollbackPoint {
            deployed: deployed.clone(),
            previous,
        };
    let created = deployer
        .update(&Update {
            from: None,
            to: Target::Revision(first.revision.clone()),
            rollback_point: Some(point(&first.revision, Target::Nothing)),
            older: Vec::new(),
        })
        .await
        .unwrap();
    assert_eq!(
        deployer.follow(&created).await.unwrap().end,
        Some(DeploymentEnd::Completed)
    );
    let before = deployer.observe().await.unwrap().unwrap();
    assert_eq!(before.revision, first.revision);
    assert_eq!(
        before.rollback_point,
        Some(point(&first.revision, Target::Nothing))
    );
    assert!(before.is_steady() && before.desired == 4, "{before}");

    let second = deployer.register(&image('b')).await.unwrap();
    assert!(
        second
            .diff
            .iter()
            .any(|line| line.starts_with("+ ") && line.contains("bbbb")),
        "{second:?}"
    );
    let previous = Target::Revision(first.revision.clone());
    let update = Update {
        from: Some(before.clone()),
        to: Target::Revision(second.revision.clone()),
        rollback_point: Some(point(&second.revision, previous.clone())),
        older: Vec::new(),
    };
    let deployment = deployer.update(&update).await.unwrap();
    assert_eq!(
        deployer.follow(&deployment).await.unwrap().end,
        Some(DeploymentEnd::Completed)
    );
    let after = deployer.observe().await.unwrap().unwrap();
    assert!(after.runs(&Target::Revision(second.revision.clone())));
    assert_eq!(
        after.rollback_point.as_ref().map(|point| &point.previous),
        Some(&previous)
    );
    let stale = deployer.update(&update).await.unwrap_err();
    assert_eq!(
        stale.kind(),
        ErrorKind::Conflict,
        "p07: it is no longer as observed"
    );
    let over = deployer.follow(&created).await.unwrap().end;
    assert!(
        matches!(over, Some(DeploymentEnd::Superseded { .. })),
        "{over:?}"
    );

    let back = Update {
        from: Some(after),
        to: previous.clone(),
        rollback_point: None,
        older: Vec::new(),
    };
    let back = deployer.update(&back).await.unwrap();
    assert_eq!(
        deployer.follow(&back).await.unwrap().end,
        Some(DeploymentEnd::Completed)
    );
    assert!(deployer.observe().await.unwrap().unwrap().runs(&previous));
}

#[tokio::test]
async fn p03_what_was_registered_reads_back_the_same_through_the_wire() {
    let Some((endpoint, aws)) = start() else {
        return;
    };
    cluster(&endpoint, "lossless").await;
    let text = DEFINITION.replace("\"chatbot-fastapi\"", "\"lossless\"");
    let definition = TaskDefinition::from_json(&text).unwrap();
    let deployer = EcsServiceDeployer::new(&aws, "lossless", "lossless")
        .with_task_definition(definition.clone());
    let registered = deployer.register(&image('c')).await.unwrap();
    let ecs = aws_sdk_ecs::Client::new(&endpoint.config);
    let typed = ecs
        .describe_task_definition()
        .task_definition(registered.revision.as_str())
        .send()
        .await
        .unwrap();
    let typed = typed.task_definition().unwrap();
    let container = &typed.container_definitions()[0];
    assert_eq!(container.image(), Some(image('c').to_string().as_str()));
    assert_eq!(container.environment().len(), 4);
    assert_eq!(container.secrets().len(), 1);
    assert_eq!(
        typed.task_role_arn(),
        Some("arn:aws:iam::123456789012:role/chatbot-task-role")
    );
    assert!(
        !deployer.register(&image('c')).await.unwrap().is_new,
        "nothing was lost on the way"
    );
    let words = text.replace("\"1024\"", "\"1 vCPU\"");
    let words = words.replace("\"2048\"", "\"2 GB\"");
    assert_ne!(words, text);
    let words = TaskDefinition::from_json(&words).unwrap();
    let deployer = deployer.with_task_definition(words);
    assert!(
        !deployer.register(&image('c')).await.unwrap().is_new,
        "the same in other words"
    );
}

/// A file whose values AWS converts is deployed once in any number of runs, and a rollback leads to
/// the revision that ran before the first of them.
#[tokio::test]
async fn the_same_file_again_does_nothing_and_a_rollback_goes_to_what_ran_before() {
    let Some((endpoint, aws)) = start() else {
        return;
    };
    cluster(&endpoint, "repeats").await;
    let words = DEFINITION.replace("\"chatbot-fastapi\"", "\"repeats\"");
    let words = words.replace("\"1024\"", "\"1 vCPU\"");
    let mut service: serde_json::Value = serde_json::from_str(SERVICE).unwrap();
    // No load balancer sends traffic to it.
    service.as_object_mut().unwrap().remove("loadBalancers");
    let deployer = EcsServiceDeployer::new(&aws, "repeats", "repeats")
        .with_task_definition(TaskDefinition::from_json(&words).unwrap())
        .with_service(ServiceSpec::from_json(&service.to_string()).unwrap());
    let plan = DeploymentPlan::builder()
        .accept(Acceptance::InPlace)
        .accept(Acceptance::UnseenTraffic)
        .build()
        .unwrap();
    let deployment = || Deployment::new(plan.clone(), deployer.clone());
    let runs = async || deployer.observe().await.unwrap().unwrap().revision;
    let deploys = async |c: char| {
        let source = ImageSource::Given { image: image(c) };
        let ended = deployment().run_image(source).await;
        assert_eq!(ended.expect("a known end").exit_code(), 0);
        runs().await
    };
    let before = deploys('a').await;
    let deployed = deploys('b').await;
    assert_ne!(before, deployed);
    let changes = || {
        let calls = aws.calls();
        ["RegisterTaskDefinition", "CreateService", "UpdateService"].map(|call| calls.of(call))
    };
    assert_eq!(changes(), [2, 1, 1]);
    for _ in 0..3 {
        assert_eq!(deploys('b').await, deployed);
        assert_eq!(changes(), [2, 1, 1]);
    }
    let ended = deployment().roll_back("ann", None).await;
    assert_eq!(ended.expect("a known end").exit_code(), 0);
    assert_eq!(runs().await, before);
}

#[tokio::test]
async fn errors_of_ecs_have_the_kinds_that_callers_act_on() {
    let Some((_endpoint, aws)) = start() else {
        return;
    };
    let deployer = EcsServiceDeployer::new(&aws, "no-such-cluster", "s");
    let error = deployer.observe().await.unwrap_err();
    assert_eq!(
        error.kind(),
        ErrorKind::NotFound,
        "a missing cluster is no missing service"
    );
    let error = deployer.register(&image('a')).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(error.hint().is_some());
}

#[tokio::test]
async fn a_registry_confirms_digests_and_moves_tags_only_where_they_may_move() {
    let Some((endpoint, aws)) = start() else {
        return;
    };
    let ecr = aws_sdk_ecr::Client::new(&endpoint.config);
    for (name, mutability) in [
        ("movable", ImageTagMutability::Mutable),
        ("fixed", ImageTagMutability::Immutable),
    ] {
        let absent = EcrRegistry::new(&aws, name);
        assert_eq!(
            absent.repository().await.unwrap_err().kind(),
            ErrorKind::NotFound
        );
        assert_eq!(absent.digest(&"c1".parse().unwrap()).await.unwrap(), None);
        ecr.create_repository()
            .repository_name(name)
            .image_tag_mutability(mutability.clone())
            .send()
            .await
            .unwrap();
        let registry = EcrRegistry::new(&aws, name).with_registry_host("127.0.0.1:5000");
        assert_eq!(
            registry.repository().await.unwrap(),
            format!("127.0.0.1:5000/{name}")
        );
        let credentials = registry.credentials().await.unwrap().unwrap();
        assert_eq!(
            (credentials.user.as_str(), credentials.host.as_str()),
            ("AWS", "127.0.0.1:5000")
        );
        let mut digests = Vec::new();
        for tag in ["c1", "c2"] {
            let manifest = format!(
                r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","annotations":{{"tag":"{tag}"}},"config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:{}","size":2}},"layers":[]}}"#,
                "e".repeat(64)
            );
            ecr.put_image()
                .repository_name(name)
                .image_tag(tag)
                .image_manifest(manifest)
                .send()
                .await
                .unwrap();
            let digest = registry.digest(&tag.parse().unwrap()).await.unwrap();
            digests.push(digest.unwrap());
        }
        let latest = "latest".parse().unwrap();
        let to: [&ImageDigest; 2] = [&digests[0], &digests[1]];
        assert_eq!(registry.tag(to[0], &latest).await.unwrap(), Tagging::Moved);
        assert_eq!(
            registry.digest(&latest).await.unwrap().as_ref(),
            Some(to[0])
        );
        let second = registry.tag(to[1], &latest).await.unwrap();
        if mutability == ImageTagMutability::Immutable {
            assert!(matches!(second, Tagging::Refused { .. }), "{second:?}");
            assert_eq!(
                registry.digest(&latest).await.unwrap().as_ref(),
                Some(to[0])
            );
        } else {
            assert_eq!(second, Tagging::Moved);
            assert_eq!(
                registry.digest(&latest).await.unwrap().as_ref(),
                Some(to[1])
            );
        }
    }
}

/// Answers every request for a blob of an image.
#[derive(Debug)]
struct Blob;

#[async_trait]
impl HttpClient for Blob {
    async fn send(&self, request: &HttpRequest) -> Result<HttpResponse, HttpFailure> {
        assert!(request.url.contains(&"e".repeat(64)), "{request}");
        let config = r#"{"os": "linux", "architecture": "arm64"}"#;
        Ok(HttpResponse::new(200, config))
    }
}

/// The platform of an image is named in its index, or in a blob that its manifest names.
#[tokio::test]
async fn the_platform_of_an_image_is_read_from_the_registry() {
    let Some((endpoint, aws)) = start() else {
        return;
    };
    cluster(&endpoint, "platforms").await;
    let ecr = aws_sdk_ecr::Client::new(&endpoint.config);
    let created = ecr.create_repository().repository_name("platforms").send();
    created.await.unwrap();
    let repository = EcrRegistry::new(&aws, "platforms").repository().await;
    let repository = repository.unwrap();
    let definition = TaskDefinition::from_json(DEFINITION).unwrap();
    let deployer = EcsServiceDeployer::new(&aws, "platforms", "platforms")
        .with_task_definition(definition)
        .with_http_client(Blob);
    let digest = |c: &str| format!("sha256:{}", c.repeat(64));
    let index = |architecture: &str| {
        format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{}","size":2,"platform":{{"os":"linux","architecture":"{architecture}"}}}}]}}"#,
            digest("a")
        )
    };
    let single = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{}","size":2}},"layers":[]}}"#,
        digest("e")
    );
    for (tag, manifest, is_fit) in [
        ("amd64", index("amd64"), true),
        ("arm64", index("arm64"), false),
        ("single", single, false),
    ] {
        let put = ecr
            .put_image()
            .repository_name("platforms")
            .image_tag(tag)
            .image_manifest(manifest);
        let put = put.send().await.unwrap();
        let id = put.image().and_then(|image| image.image_id());
        let id = id.and_then(|id| id.image_digest()).unwrap();
        let image = format!("{repository}@{id}").parse().unwrap();
        let findings = deployer.image_findings(&image).await.unwrap();
        let told: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert_eq!(told.is_empty(), is_fit, "{tag}: {told:?}");
        assert!(
            told.iter()
                .all(|one| one.contains("is built for linux/arm64")),
            "{told:?}"
        );
        assert_eq!(deployer.preview(&image).await.is_ok(), is_fit, "{tag}");
    }
    let absent = format!("{repository}@{}", digest("b")).parse().unwrap();
    let findings = deployer.image_findings(&absent).await.unwrap();
    assert!(
        findings[0]
            .message
            .ends_with("the registry does not have it")
    );
}

#[tokio::test]
async fn makes_the_repository_that_was_asked_for_once() {
    let Some((_endpoint, aws)) = start() else {
        return;
    };
    let registry = EcrRegistry::new(&aws, "made").create_if_absent();
    let first = registry.ensure_repository().await.unwrap();
    assert!(first.ends_with("/made"), "{first}");
    assert_eq!(registry.ensure_repository().await.unwrap(), first);
}
