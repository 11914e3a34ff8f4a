use serde_json::{Value, json};

use crate::{
    ErrorKind,
    aws::{
        api::EcsCall,
        ecs::{EcsServiceDeployer, TaskDefinition, testing::*},
    },
    service::ServiceDeployer as _,
};

fn file(image: &crate::image::ImageRef) -> TaskDefinition {
    TaskDefinition::from_json(&document(image).to_string()).expect("a task definition")
}

fn app(deployer: EcsServiceDeployer) -> EcsServiceDeployer {
    deployer.with_container("app")
}

#[tokio::test]
async fn p03_a_copy_of_what_runs_changes_one_image_and_loses_nothing() {
    let newest = definition(THREE, &image('c'));
    let newest = with(newest, "/taskDefinition/cpu", json!("4096"));
    let ecs = Ecs::new()
        .describes(service())
        .defines(ONE, definition(ONE, &image('a')))
        .lists(&[THREE])
        .defines(THREE, newest)
        .answers(
            EcsCall::RegisterTaskDefinition,
            document(&image('b')),
            json!({"taskDefinition": {"taskDefinitionArn": TWO}}),
        );
    let done = app(ecs.deployer())
        .register(&image('b'))
        .await
        .expect("done");
    assert_eq!((done.revision, done.is_new), (revision(TWO), true));
    let changed = |sign: char| {
        done.diff
            .iter()
            .filter(|line| line.starts_with(sign))
            .count()
    };
    assert_eq!(
        (changed('-'), changed('+')),
        (1, 1),
        "one line is another: {:#?}",
        done.diff
    );
}

#[tokio::test]
async fn what_runs_already_is_not_registered_again() {
    let ecs = Ecs::new()
        .describes(service())
        .defines(ONE, definition(ONE, &image('a')));
    let found = app(ecs.deployer())
        .register(&image('a'))
        .await
        .expect("found");
    assert_eq!((found.revision, found.is_new), (revision(ONE), false));
    assert!(found.diff.is_empty(), "{:?}", found.diff);
}

#[tokio::test]
async fn p05_what_a_run_that_was_cut_off_registered_is_found() {
    let ecs = Ecs::new()
        .describes(service())
        .defines(ONE, definition(ONE, &image('a')))
        .lists(&[TWO])
        .defines(TWO, definition(TWO, &image('b')));
    let found = app(ecs.deployer())
        .register(&image('b'))
        .await
        .expect("found");
    assert_eq!((found.revision, found.is_new), (revision(TWO), false));
    assert!(!found.diff.is_empty(), "it differs from what runs");
}

#[tokio::test]
async fn a_deregistered_revision_is_never_used_again() {
    let gone = |arn, image| {
        with(
            definition(arn, image),
            "/taskDefinition/status",
            json!("INACTIVE"),
        )
    };
    let wanted = image('a');
    let ecs = Ecs::new()
        .describes(service())
        .defines(ONE, gone(ONE, &wanted))
        .lists(&[TWO])
        .defines(TWO, gone(TWO, &wanted))
        .answers(
            EcsCall::RegisterTaskDefinition,
            document(&wanted),
            json!({"taskDefinition": {"taskDefinitionArn": THREE}}),
        );
    let done = app(ecs.deployer()).register(&wanted).await.expect("done");
    assert_eq!((done.revision, done.is_new), (revision(THREE), true));
}

#[tokio::test]
async fn another_family_that_begins_with_the_same_name_is_no_match() {
    let other = "arn:aws:ecs:us-east-1:123456789012:task-definition/chatbot-two:9";
    for listed in [&[][..], &[other][..]] {
        let ecs = Ecs::new()
            .describes(service())
            .defines(ONE, definition(ONE, &image('a')))
            .lists(listed)
            .answers(
                EcsCall::RegisterTaskDefinition,
                document(&image('b')),
                json!({"taskDefinition": {"taskDefinitionArn": TWO}}),
            );
        let done = app(ecs.deployer())
            .register(&image('b'))
            .await
            .expect("done");
        assert!(done.is_new);
    }
}

#[tokio::test]
async fn a_file_is_registered_where_no_service_runs_and_else_asked_for() {
    let ecs = Ecs::new().misses().lists(&[]).answers(
        EcsCall::RegisterTaskDefinition,
        document(&image('b')),
        json!({"taskDefinition": {"taskDefinitionArn": ONE}}),
    );
    let deployer = app(ecs.deployer()).with_task_definition(file(&image('a')));
    let done = deployer.register(&image('b')).await.expect("done");
    assert!(done.is_new && done.diff.is_empty(), "nothing ran before");

    let error = Ecs::new()
        .misses()
        .deployer()
        .register(&image('b'))
        .await
        .expect_err("nothing to copy");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.hint().is_some_and(|hint| hint.contains("file")));
}

#[tokio::test]
async fn the_container_is_the_named_one_else_the_balanced_one_else_the_only_one() {
    let reads = |service: Value| {
        Ecs::new()
            .describes(service)
            .defines(ONE, definition(ONE, &image('a')))
    };
    let balanced = json!([{"containerName": "app", "containerPort": 8000}]);
    let balanced = with(service(), "/loadBalancers", balanced);
    let found = reads(balanced).deployer().register(&image('a')).await;
    assert!(!found.expect("found").is_new, "the balanced one has it");

    for (deployer, attempted) in [
        (
            reads(service()).deployer(),
            "choose the container of chatbot that gets the image",
        ),
        (
            reads(service()).deployer().with_container("web"),
            "find container `web` in chatbot",
        ),
    ] {
        let error = deployer.register(&image('b')).await.expect_err("unclear");
        assert_eq!(
            (error.kind(), error.message()),
            (ErrorKind::Invalid, attempted)
        );
        assert_eq!(error.hint(), Some("name one of its containers: proxy, app"));
    }
}

#[tokio::test]
async fn a_preview_registers_nothing() {
    let ecs = Ecs::new()
        .describes(service())
        .defines(ONE, definition(ONE, &image('a')))
        .lists(&[]);
    let (existing, diff) = app(ecs.deployer())
        .preview(&image('b'))
        .await
        .expect("read");
    assert_eq!(existing, None);
    assert!(!diff.is_empty());
}

#[tokio::test]
async fn each_kind_of_error_of_each_call_ends_it_before_the_next() {
    let (wanted, running) = (image('b'), definition(ONE, &image('a')));
    for kind in KINDS.into_iter().chain([ErrorKind::OutcomeUnknown]) {
        let read = || Ecs::new().describes(service());
        let defined_one = || read().defines(ONE, running.clone());
        let cases = [
            Ecs::new().fails(EcsCall::DescribeServices, asked(), kind),
            read().fails(EcsCall::DescribeTaskDefinition, defined(ONE), kind),
            defined_one().fails(EcsCall::ListTaskDefinitions, listed(), kind),
            defined_one().lists(&[]).fails(
                EcsCall::RegisterTaskDefinition,
                document(&wanted),
                kind,
            ),
        ];
        for ecs in cases {
            let error = app(ecs.deployer()).register(&wanted).await;
            assert_eq!(error.expect_err("it failed").kind(), kind);
        }
    }
}

#[tokio::test]
async fn p10_a_registration_without_a_name_is_unknown() {
    let ecs = Ecs::new()
        .describes(service())
        .defines(ONE, definition(ONE, &image('a')))
        .lists(&[])
        .answers(
            EcsCall::RegisterTaskDefinition,
            document(&image('b')),
            json!({}),
        );
    let error = app(ecs.deployer())
        .register(&image('b'))
        .await
        .expect_err("no ARN");
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
}
