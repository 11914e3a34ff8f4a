use aws_sdk_elasticloadbalancingv2::{
    operation::{
        describe_listeners::{DescribeListenersInput, DescribeListenersOutput},
        describe_rules::{DescribeRulesInput, DescribeRulesOutput},
        describe_tags::{DescribeTagsInput, DescribeTagsOutput},
        describe_target_groups::{DescribeTargetGroupsInput, DescribeTargetGroupsOutput},
        describe_target_health::{DescribeTargetHealthInput, DescribeTargetHealthOutput},
    },
    types::{
        Action, ActionTypeEnum, ForwardActionConfig, HttpHeaderConditionConfig, Listener, Rule,
        RuleCondition, Tag, TagDescription, TargetGroup, TargetGroupTuple, TargetHealth,
        TargetHealthDescription, TargetHealthStateEnum,
    },
};
use serde_json::{Value, json};

use crate::{
    ErrorKind,
    aws::{
        api::{ApiError, EcsCall, MockElbApi},
        ecs::{EcsServiceDeployer, ServiceSpec, TaskDefinition, testing::*},
    },
    preflight::{Acceptance, Finding, Severity},
    service::ServiceDeployer as _,
};

macro_rules! arn {
    ($resource:literal) => {
        concat!(
            "arn:aws:elasticloadbalancing:us-east-1:123456789012:",
            $resource
        )
    };
}

const BALANCER: &str = arn!("loadbalancer/app/chatbot/50dc6c495c0c9188");
const LISTENER: &str = arn!("listener/app/chatbot/50dc6c495c0c9188/f2f7dc8efc522ab2");
const RULE: &str =
    arn!("listener-rule/app/chatbot/50dc6c495c0c9188/f2f7dc8efc522ab2/9683b2d02a6cabee");
const ROUTE: &str =
    arn!("listener-rule/app/chatbot/50dc6c495c0c9188/f2f7dc8efc522ab2/1291d13826f405c3");
const GREEN: &str = arn!("targetgroup/fastapi/943f017f100becff");
const BLUE: &str = arn!("targetgroup/flask/73e2d6bc24d8a067");

/// The service is read, and so is the revision that it runs.
fn ecs(service: Value) -> Ecs {
    Ecs::new()
        .describes(service)
        .defines(ONE, definition(ONE, &image('a')))
}

fn balanced() -> Value {
    let groups = json!([{"targetGroupArn": GREEN, "containerName": "app", "containerPort": 8000}]);
    with(service(), "/loadBalancers", groups)
}

async fn told(deployer: EcsServiceDeployer) -> Vec<String> {
    let findings = deployer.preflight().await.expect("it looked");
    findings.iter().map(tell).collect()
}

fn tell(finding: &Finding) -> String {
    let severity = match finding.severity {
        Severity::Note => "note".to_owned(),
        Severity::Refuse => "refuse".to_owned(),
        Severity::RefuseUnless(acceptance) => format!("refuse unless {acceptance}"),
    };
    if finding.severity != Severity::Note {
        assert!(finding.hint.is_some(), "{finding}");
    }
    format!("{severity}: {finding}")
}

fn app(ecs: Ecs) -> EcsServiceDeployer {
    ecs.deployer().with_container("app")
}

#[tokio::test]
async fn a_sound_service_beside_no_traffic_has_no_finding() {
    assert_eq!(told(app(ecs(service()))).await, [""; 0]);
}

#[tokio::test]
async fn what_another_controller_moves_is_refused() {
    for (path, value, wanted) in [
        ("/status", json!("DRAINING"), "is being deleted"),
        (
            "/deploymentController",
            json!({"type": "CODE_DEPLOY"}),
            "by CODE_DEPLOY",
        ),
        (
            "/deploymentController",
            json!({"type": "EXTERNAL"}),
            "by EXTERNAL",
        ),
        (
            "/deploymentConfiguration/strategy",
            json!("BLUE_GREEN"),
            "by BLUE_GREEN",
        ),
        (
            "/deploymentConfiguration/strategy",
            json!("LINEAR"),
            "by LINEAR",
        ),
        (
            "/deploymentConfiguration/strategy",
            json!("CANARY"),
            "by CANARY",
        ),
    ] {
        let told = told(app(ecs(with(service(), path, value)))).await;
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with("refuse: service chatbot "), "{told:?}");
        assert!(told[0].contains(wanted), "{told:?}");
    }
}

#[tokio::test]
async fn p07_somebody_elses_rollout_is_refused_and_our_own_is_noted() {
    let under_way = json!([deployment(SECOND, "PRIMARY", ONE, "IN_PROGRESS", 1)]);
    let stands = with(service(), "/deployments", under_way);
    let words = format!("deployment {SECOND} of {ONE} is under way");
    assert_eq!(
        told(app(ecs(stands.clone()))).await,
        [format!("refuse: {words}")]
    );
    let ours = with(stands, "/tags", tags(ONE, TWO));
    let note = format!("note: {words}, begun by an earlier run");
    assert_eq!(told(app(ecs(ours))).await, [note]);
}

#[tokio::test]
async fn who_owns_a_rollback_is_noted() {
    let told = told(app(ecs(taking_back(service())))).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("note: the service rolls failed rollouts back"));
}

#[tokio::test]
async fn the_container_is_looked_for_in_the_file_and_else_in_what_runs() {
    for deployer in [
        ecs(service()).deployer().with_container("web"),
        ecs(service()).deployer(),
    ] {
        let findings = deployer.preflight().await.expect("it looked");
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].severity, Severity::Refuse);
        let hint = findings[0].hint.as_deref();
        assert_eq!(hint, Some("name one of its containers: proxy, app"));
    }
    let file = r#"{"family": "chatbot", "networkMode": "awsvpc",
        "memory": "1024",
        "containerDefinitions": [{"name": "web", "image": "i@sha256:0", "essential": true}]}"#;
    let file = TaskDefinition::from_json(file).expect("a task definition");
    let deployer = ecs(service()).deployer().with_task_definition(file);
    assert_eq!(told(deployer).await, [""; 0]);
}

#[tokio::test]
async fn a_deregistered_revision_is_no_way_back_and_that_is_said() {
    let described = definition(ONE, &image('a'));
    let described = with(described, "/taskDefinition/status", json!("INACTIVE"));
    let ecs = Ecs::new().describes(service()).defines(ONE, described);
    let told = told(app(ecs)).await;
    let wanted = format!("note: {ONE} runs, but is deregistered: ECS will not go back to it");
    assert_eq!(told, [wanted]);
}

#[tokio::test]
async fn a_missing_service_needs_both_files() {
    let told = told(Ecs::new().misses().deployer()).await;
    assert_eq!(
        told,
        [
            "refuse: there is no service chatbot in c",
            "refuse: there is no task definition for service chatbot"
        ]
    );
}

#[tokio::test]
async fn every_problem_of_the_files_is_told_at_once() {
    let spec = r#"{"taskDefinition": "chatbot:LATEST", "desiredCount": 9,
        "deploymentController": {"type": "EXTERNAL"}}"#;
    let spec = ServiceSpec::from_json(spec).expect("a service");
    let file = r#"{"family": "chatbot", "requiresCompatibilities": ["FARGATE"],
        "containerDefinitions": [{"name": "app"}]}"#;
    let file = TaskDefinition::from_json(file).expect("a task definition");
    let deployer = app(ecs(service()))
        .with_service(spec)
        .with_task_definition(file);
    let told = told(deployer).await.join("\n");
    for wanted in [
        "refuse: task definition: networkMode",
        "refuse: task definition: cpu, memory",
        "refuse: service definition: taskDefinition",
        "refuse: service definition: deploymentController",
        "changes the task definition only: desiredCount: the file says 9, the service has 4",
    ] {
        assert!(told.contains(wanted), "{wanted} in {told}");
    }
    assert!(!told.contains("].image"), "a deployment sets it: {told}");

    let file = r#"{"family": "chatbot", "containerDefinitions": [
        {"name": "app"}, {"name": "proxy"}]}"#;
    let file = TaskDefinition::from_json(file).expect("a task definition");
    let told = self::told(app(ecs(service())).with_task_definition(file)).await;
    let images: Vec<_> = told.iter().filter(|one| one.contains("].image")).collect();
    assert_eq!(images.len(), 1, "the proxy keeps its image: {told:?}");
    assert!(
        images[0].contains("containerDefinitions[1].image"),
        "{told:?}"
    );
}

fn forward(groups: &[(&str, i32)]) -> Action {
    let tuples = groups.iter().map(|(arn, weight)| {
        TargetGroupTuple::builder()
            .target_group_arn(*arn)
            .weight(*weight)
            .build()
    });
    let config = ForwardActionConfig::builder().set_target_groups(Some(tuples.collect()));
    Action::builder()
        .r#type(ActionTypeEnum::Forward)
        .forward_config(config.build())
        .build()
}

fn rule(priority: &str, action: Action) -> Rule {
    Rule::builder()
        .rule_arn(RULE)
        .priority(priority)
        .is_default(priority == "default")
        .actions(action)
        .build()
}

/// The balancer of the group, one listener, and its rules, a page each.
fn balancer(pages: Vec<Rule>) -> MockElbApi {
    let mut elb = MockElbApi::new();
    elb.expect_describe_target_groups()
        .withf(|input| *input == DescribeTargetGroupsInput::builder().target_group_arns(GREEN))
        .times(1)
        .return_once(|_| {
            let group = TargetGroup::builder()
                .target_group_arn(GREEN)
                .load_balancer_arns(BALANCER)
                .build();
            Ok(DescribeTargetGroupsOutput::builder()
                .target_groups(group)
                .build())
        });
    elb.expect_describe_listeners()
        .withf(|input| *input == DescribeListenersInput::builder().load_balancer_arn(BALANCER))
        .times(1)
        .return_once(|_| {
            let listener = Listener::builder().listener_arn(LISTENER).build();
            Ok(DescribeListenersOutput::builder()
                .listeners(listener)
                .build())
        });
    let last = pages.len() - 1;
    for (number, rule) in pages.into_iter().enumerate() {
        let mut wanted = DescribeRulesInput::builder().listener_arn(LISTENER);
        if number > 0 {
            wanted = wanted.marker(number.to_string());
        }
        let next = (number < last).then(|| (number + 1).to_string());
        elb.expect_describe_rules()
            .withf(move |input| *input == wanted)
            .times(1)
            .return_once(move |_| {
                let output = DescribeRulesOutput::builder().rules(rule);
                Ok(output.set_next_marker(next).build())
            });
    }
    elb
}

fn with_healthy(mut elb: MockElbApi, group: &'static str, healthy: usize) -> MockElbApi {
    elb.expect_describe_target_health()
        .withf(move |input| *input == DescribeTargetHealthInput::builder().target_group_arn(group))
        .times(1)
        .return_once(move |_| {
            let target = |state| {
                let health = TargetHealth::builder().state(state).build();
                TargetHealthDescription::builder()
                    .target_health(health)
                    .build()
            };
            let mut targets = vec![target(TargetHealthStateEnum::Healthy); healthy];
            targets.push(target(TargetHealthStateEnum::Unhealthy));
            Ok(DescribeTargetHealthOutput::builder()
                .set_target_health_descriptions(Some(targets))
                .build())
        });
    elb
}

async fn traffic(pages: Vec<Rule>) -> Vec<String> {
    told(ecs(balanced()).deployer_with(balancer(pages))).await
}

#[tokio::test]
async fn a_service_with_live_traffic_is_refused_unless_in_place_is_accepted() {
    let scalar = Action::builder()
        .r#type(ActionTypeEnum::Forward)
        .target_group_arn(GREEN)
        .build();
    for (action, share) in [
        (forward(&[(GREEN, 1)]), "100"),
        (scalar, "100"),
        (forward(&[(BLUE, 90), (GREEN, 10)]), "10"),
        (forward(&[(BLUE, 999), (GREEN, 1)]), "less than 1"),
    ] {
        for priority in ["100", "default"] {
            let told = traffic(vec![rule(priority, action.clone())]).await;
            let wanted = format!(
                "refuse unless {}: service chatbot gets live traffic already: \
                 {share} % of rule {RULE} (priority {priority})",
                Acceptance::InPlace
            );
            assert_eq!(told, [wanted]);
        }
    }
}

#[tokio::test]
async fn live_traffic_on_the_last_page_of_rules_is_found() {
    let other = || rule("1", forward(&[(BLUE, 1)]));
    let told = traffic(vec![other(), other(), rule("9", forward(&[(GREEN, 1)]))]).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].ends_with("(priority 9)"), "{told:?}");
}

#[tokio::test]
async fn p02_beside_what_serves_it_is_said_how_much_its_copies_can_carry() {
    let beside = rule("100", forward(&[(BLUE, 1), (GREEN, 0)]));
    for (healthy, words) in [
        (
            8,
            Some(
                "runs 4 copies, and 8 targets serve now: enough for 50 % of the traffic; 50 % needs 4, 100 % needs 8",
            ),
        ),
        (
            5,
            Some(
                "runs 4 copies, and 5 targets serve now: enough for 80 % of the traffic; 50 % needs 3, 100 % needs 5",
            ),
        ),
        (
            2,
            Some(
                "runs 4 copies, and 2 targets serve now: enough for 100 % of the traffic; 50 % needs 1, 100 % needs 2",
            ),
        ),
        (0, None),
    ] {
        let elb = with_healthy(balancer(vec![beside.clone()]), BLUE, healthy);
        let told = told(ecs(balanced()).deployer_with(elb)).await;
        let words = words.map(|words| format!("note: chatbot {words}"));
        let wanted = Vec::from_iter([Some(unprobed()), words].into_iter().flatten());
        assert_eq!(told, wanted, "{healthy} are healthy");
    }
}

#[tokio::test]
async fn a_group_that_no_rule_names_is_noted() {
    let told = traffic(vec![rule("100", forward(&[(BLUE, 1)]))]).await;
    let wanted = "note: no rule names fastapi, so its targets are not health-checked";
    assert_eq!(told, [wanted, &unprobed()]);
}

/// Checks through the balancer would ask blue, and pass for it.
fn unprobed() -> String {
    "refuse unless no-test-route: no request reaches fastapi: checks through the balancer ask \
     the service that gets the traffic"
        .to_owned()
}

/// A service that is to be created: nothing of it runs, and its file names the group.
fn new_service(elb: MockElbApi) -> EcsServiceDeployer {
    let spec = json!({
        "serviceName": "chatbot",
        "desiredCount": 2,
        "launchType": "EC2",
        "loadBalancers": [
            {"targetGroupArn": GREEN, "containerName": "app", "containerPort": 8000}
        ],
    });
    let file =
        json!({"family": "chatbot", "memory": "512", "containerDefinitions": [{"name": "app"}]});
    Ecs::new()
        .misses()
        .deployer_with(elb)
        .with_service(ServiceSpec::from_json(&spec.to_string()).expect("a service"))
        .with_task_definition(TaskDefinition::from_json(&file.to_string()).expect("a file"))
}

#[tokio::test]
async fn a_new_service_needs_a_group_behind_a_balancer() {
    let stops = |told: Vec<String>| {
        let stops = told.into_iter().filter(|one| one.starts_with("refuse"));
        Vec::from_iter(stops)
    };
    let mut elb = MockElbApi::new();
    elb.expect_describe_target_groups()
        .return_once(|_| Err(failed("DescribeTargetGroups", ErrorKind::NotFound)));
    let wanted = format!("refuse: there is no target group {GREEN}");
    assert_eq!(stops(told(new_service(elb)).await), [wanted]);

    let nowhere = balancer(vec![rule("100", forward(&[(BLUE, 1)]))]);
    let wanted = "refuse: no rule names fastapi, so ECS creates no service for it";
    assert_eq!(stops(told(new_service(nowhere)).await), [wanted]);

    let idle =
        json!({"serviceName": "chatbot", "desiredCount": 0, "launchType": "EC2"}).to_string();
    let spec = ServiceSpec::from_json(&idle).expect("a service");
    let file =
        r#"{"family": "chatbot", "memory": "512", "containerDefinitions": [{"name": "app"}]}"#;
    let file = TaskDefinition::from_json(file).expect("a file");
    let deployer = Ecs::new()
        .misses()
        .deployer()
        .with_service(spec)
        .with_task_definition(file);
    let wanted = "refuse: service definition: desiredCount: no copy would run";
    assert_eq!(stops(told(deployer).await), [wanted]);

    let live = balancer(vec![rule("100", forward(&[(GREEN, 1)]))]);
    let told = stops(told(new_service(live)).await);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("refuse unless in-place"), "{told:?}");
}

fn header(name: &str) -> RuleCondition {
    let config = HttpHeaderConditionConfig::builder().http_header_name(name);
    RuleCondition::builder()
        .field("http-header")
        .http_header_config(config.values("v").build())
        .build()
}

/// A rule at priority 5 that asks for these headers, before the main one.
fn route(headers: &[&str]) -> Rule {
    let mut route = rule("5", forward(&[(GREEN, 1)]));
    route.rule_arn = Some(ROUTE.to_owned());
    route.conditions = Some(headers.iter().map(|name| header(name)).collect());
    route
}

/// The tags of the route are asked for once.
fn tagged(mut elb: MockElbApi, answer: Result<&'static str, ErrorKind>) -> MockElbApi {
    elb.expect_describe_tags()
        .withf(|input| *input == DescribeTagsInput::builder().resource_arns(ROUTE))
        .times(1)
        .return_once(move |_| {
            let key = answer.map_err(|kind| failed("DescribeTags", kind))?;
            let tag = Tag::builder().key(key).value(RULE).build();
            let described = TagDescription::builder().resource_arn(ROUTE).tags(tag);
            Ok(DescribeTagsOutput::builder()
                .tag_descriptions(described.build())
                .build())
        });
    elb
}

#[tokio::test]
async fn a_route_is_for_tests_by_its_tag_and_not_by_its_header() {
    let main = |headers: &[&str]| {
        let mut main = rule("100", forward(&[(BLUE, 1)]));
        main.conditions = Some(headers.iter().map(|name| header(name)).collect());
        main
    };
    let live = format!(
        "refuse unless in-place: service chatbot gets live traffic already: \
         100 % of rule {ROUTE} (priority 5)"
    );
    let tests = format!(
        "note: service chatbot gets requests with a certain header, for tests, by rule {ROUTE} \
         (priority 5)"
    );
    for (headers, own, key, wanted) in [
        (&["X-Origin"][..], &[][..], "team", &live),
        (&["X-Bluegreen-Test"], &[], "bluegreen:made-for", &tests),
        (&["X-Preview"], &[], "bluegreen:attached-to", &tests),
        // The main rule has a header of its own, and so has its route.
        (
            &["X-Origin", "X-Bluegreen-Test"],
            &["X-Origin"],
            "bluegreen:made-for",
            &tests,
        ),
        // A person has taken the test header out of the route.
        (&["X-Origin"], &["X-Origin"], "bluegreen:made-for", &live),
    ] {
        let elb = tagged(balancer(vec![route(headers), main(own)]), Ok(key));
        let told = told(ecs(balanced()).deployer_with(elb)).await;
        assert_eq!(
            told,
            [wanted.as_str()],
            "{headers:?} before {own:?}, tag {key}"
        );
    }
}

#[tokio::test]
async fn what_may_not_be_read_is_said_and_accepted_by_its_name() {
    let routes = || balancer(vec![route(&["X-Origin"])]);
    let mut no_groups = MockElbApi::new();
    no_groups
        .expect_describe_target_groups()
        .return_once(|_| Err(failed("DescribeTargetGroups", ErrorKind::Denied)));
    for (elb, what) in [
        (no_groups, "which requests reach fastapi cannot be seen"),
        (
            tagged(routes(), Err(ErrorKind::Denied)),
            "whether they are of tests cannot be seen",
        ),
    ] {
        let findings = ecs(balanced())
            .deployer_with(elb)
            .preflight()
            .await
            .expect("it looked");
        let [found] = &findings[..] else {
            panic!("{findings:?}");
        };
        assert!(tell(found).contains(what), "{found}");
        assert!(found.stops(&[Acceptance::NoTestRoute].into()));
        for enough in [Acceptance::UnseenTraffic, Acceptance::InPlace] {
            assert!(!found.stops(&[enough].into()), "{enough}");
        }
    }
}

#[tokio::test]
async fn a_group_of_another_account_is_not_seen_and_a_deleted_one_is_refused() {
    let theirs = GREEN.replace("123456789012", "210987654321");
    for (group, wanted) in [
        (
            theirs.as_str(),
            "refuse unless unseen-traffic: the traffic by target group",
        ),
        (GREEN, "refuse: there is no target group"),
    ] {
        let mut elb = MockElbApi::new();
        elb.expect_describe_target_groups()
            .return_once(|_| Err(failed("DescribeTargetGroups", ErrorKind::NotFound)));
        let service = with(balanced(), "/loadBalancers/0/targetGroupArn", json!(group));
        let told = told(ecs(service).deployer_with(elb)).await;
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with(wanted), "{told:?}");
    }
}

/// A network load balancer has listeners, and no rules.
#[tokio::test]
async fn a_network_load_balancer_is_live_traffic_and_said_to_be_unsupported() {
    const EDGE: &str = arn!("loadbalancer/net/edge/0a1b2c3d4e5f6071");
    let behind = |weights: &'static [(&'static str, i32)]| {
        let mut elb = MockElbApi::new();
        elb.expect_describe_target_groups().return_once(|_| {
            let group = TargetGroup::builder().load_balancer_arns(EDGE).build();
            Ok(DescribeTargetGroupsOutput::builder()
                .target_groups(group)
                .build())
        });
        elb.expect_describe_listeners()
            .withf(|input| *input == DescribeListenersInput::builder().load_balancer_arn(EDGE))
            .times(1)
            .return_once(|_| {
                let listener = Listener::builder()
                    .listener_arn(EDGE.replace("loadbalancer", "listener") + "/8192a3b4c5d6e7f8")
                    .port(443)
                    .default_actions(forward(weights))
                    .build();
                Ok(DescribeListenersOutput::builder()
                    .listeners(listener)
                    .build())
            });
        elb
    };
    let told_of = |elb| told(ecs(balanced()).deployer_with(elb));
    let found = told_of(behind(&[(GREEN, 1)])).await;
    assert_eq!(found.len(), 1, "{found:?}");
    let wanted = "refuse unless in-place: service chatbot gets live traffic already: 100 % of the \
                  listener on port 443 of network load balancer edge; not supported: network load balancers";
    assert!(found[0].starts_with(wanted), "{found:?}");
    assert_eq!(
        told_of(behind(&[(BLUE, 1)])).await[0],
        "note: no rule names fastapi, so its targets are not health-checked"
    );
}

#[tokio::test]
async fn what_leads_to_a_service_beside_its_groups_is_live_traffic() {
    let registry = json!([{"registryArn": "arn:aws:servicediscovery:us-east-1:1:service/srv-1"}]);
    let found = told(app(ecs(with(
        service(),
        "/serviceRegistries",
        registry.clone(),
    ))))
    .await;
    assert_eq!(
        found,
        [
            "refuse unless in-place: users may reach service chatbot by Cloud Map, service srv-1: a \
          deployment replaces what they reach"
        ]
    );
    // Only a revision of the service tells of gateways.
    let revision = "arn:aws:ecs:us-east-1:123456789012:service-revision/c/chatbot/1";
    let current = with(
        service(),
        "/currentServiceRevisions",
        json!([{"arn": revision, "runningTaskCount": 4}]),
    );
    let asked = || json!({"serviceRevisionArns": [revision]});
    let call = EcsCall::DescribeServiceRevisions;
    let shown = json!({"serviceRevisions": [{"gatewayConnectors": [{"portName": "web"}]}]});
    let found = told(app(ecs(current.clone()).answers(call, asked(), shown))).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains("by a gateway, at its port web"),
        "{found:?}"
    );
    let found = told(app(ecs(current.clone()).fails(
        call,
        asked(),
        ErrorKind::Denied,
    )))
    .await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("refuse unless unseen-traffic: whether a gateway"));
    let throttled = app(ecs(current).fails(call, asked(), ErrorKind::Throttled));
    let error = throttled.preflight().await.expect_err("it could not look");
    assert_eq!(error.kind(), ErrorKind::Throttled);

    // It is not known whether clients look up a service that is yet to be made.
    let spec = json!({"desiredCount": 2, "launchType": "EC2", "serviceRegistries": registry});
    let file = r#"{"family": "chatbot", "containerDefinitions": [{"name": "app"}]}"#;
    let deployer = Ecs::new().misses().deployer();
    let deployer = deployer
        .with_service(ServiceSpec::from_json(&spec.to_string()).expect("a service"))
        .with_task_definition(TaskDefinition::from_json(file).expect("a file"));
    let found = told(deployer).await;
    let is_unseen = |one: &String| one.starts_with("refuse unless unseen-traffic: clients reach");
    assert!(found.iter().any(is_unseen), "{found:?}");
}

#[tokio::test]
async fn a_preflight_that_could_not_look_is_an_error_of_each_kind() {
    for kind in KINDS {
        let cases = [
            Ecs::new()
                .fails(EcsCall::DescribeServices, asked(), kind)
                .deployer(),
            Ecs::new()
                .describes(service())
                .fails(EcsCall::DescribeTaskDefinition, defined(ONE), kind)
                .deployer(),
            ecs(balanced()).deployer_with({
                let mut elb = MockElbApi::new();
                elb.expect_describe_target_groups()
                    .return_once(move |_| Err(failed("DescribeTargetGroups", kind)));
                elb
            }),
            ecs(balanced()).deployer_with({
                let beside = rule("100", forward(&[(BLUE, 1), (GREEN, 0)]));
                let mut elb = balancer(vec![beside]);
                elb.expect_describe_target_health()
                    .return_once(move |_| Err(failed("DescribeTargetHealth", kind)));
                elb
            }),
        ];
        let mut ended = Vec::new();
        for deployer in cases {
            ended.push(deployer.preflight().await.map_err(|error| error.kind()));
        }
        // A group that cannot be described is a finding.
        let is_found = matches!(kind, ErrorKind::Denied | ErrorKind::NotFound);
        assert_eq!(ended.remove(2).is_ok(), is_found, "{kind}");
        for ended in ended {
            assert_eq!(ended, Err(kind));
        }
    }
}

fn failed(operation: &'static str, kind: ErrorKind) -> ApiError {
    ApiError::new(kind, operation, "Code", "what AWS says")
}
