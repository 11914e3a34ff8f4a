mod turn;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use aws_sdk_elasticloadbalancingv2::{
    operation::{create_rule::CreateRuleInput, create_target_group::CreateTargetGroupInput},
    types::{
        Action, ActionTypeEnum, HostHeaderConditionConfig, HttpHeaderConditionConfig,
        HttpRequestMethodConditionConfig, Matcher, PathPatternConditionConfig, ProtocolEnum,
        QueryStringConditionConfig, QueryStringKeyValuePair, RewriteConfig, Rule, RuleCondition,
        RuleTransform, SourceIpConditionConfig, Tag, TargetGroup, TargetGroupIpAddressTypeEnum,
        TargetTypeEnum, TransformTypeEnum, UrlRewriteConfig,
    },
};

use super::{GreenGroup, GreenPlace, PlaceStep, TestHeader};
use super::{route, standing};
use crate::{
    ErrorKind,
    aws::{
        alb::{AlbRule, TargetGroupSpec, testing::*},
        sim::{Call, Fault, Lag, Moment, Simulation, SimulationBuilder},
    },
    engine::{Journal, MemoryJournal, Record},
    error::{Error, Result},
    traffic::Sides,
};

fn condition(host: &[&str]) -> RuleCondition {
    let mut config = HostHeaderConditionConfig::builder();
    for host in host {
        config = config.values(*host);
    }
    RuleCondition::builder()
        .field("host-header")
        .host_header_config(config.build())
        .build()
}

fn header_condition(name: &str, value: &str) -> RuleCondition {
    let config = HttpHeaderConditionConfig::builder()
        .http_header_name(name)
        .values(value);
    RuleCondition::builder()
        .field("http-header")
        .http_header_config(config.build())
        .build()
}

fn main_rule(priority: &str, conditions: Vec<RuleCondition>, actions: Vec<Action>) -> Rule {
    Rule::builder()
        .rule_arn(RULE)
        .priority(priority)
        .is_default(priority == "default")
        .set_conditions(Some(conditions))
        .set_actions(Some(actions))
        .build()
}

fn other(priority: i32) -> Rule {
    Rule::builder()
        .rule_arn(OTHER_RULE)
        .priority(priority.to_string())
        .actions(scalar(THIRD))
        .build()
}

fn simple() -> Rule {
    main_rule(
        "100",
        vec![condition(&["a.com"])],
        vec![forward(&[(BLUE, 1)])],
    )
}

/// What the API shows twice is sent once; what stands before the forward stands in the route too.
#[test]
fn the_route_has_the_rules_conditions_and_one_more() {
    let path = RuleCondition::builder()
        .field("path-pattern")
        .values("/api/*")
        .path_pattern_config(
            PathPatternConditionConfig::builder()
                .values("/api/*")
                .build(),
        );
    let main = main_rule(
        "100",
        vec![condition(&["a.com"]), path.build()],
        vec![
            cognito(),
            jwt(),
            sticky(forward(&[(BLUE, 1), (GREEN, 0)]), 60),
        ],
    );
    let input = route::create_input(&main, &rule_arn(), &TestHeader::default(), &groups().green);
    let path = RuleCondition::builder()
        .field("path-pattern")
        .path_pattern_config(
            PathPatternConditionConfig::builder()
                .values("/api/*")
                .build(),
        );
    let wanted = CreateRuleInput::builder()
        .listener_arn(LISTENER)
        .conditions(condition(&["a.com"]))
        .conditions(path.build())
        .conditions(header_condition("X-Bluegreen-Test", "green"))
        .actions(cognito())
        .actions(jwt())
        .actions(
            Action::builder()
                .r#type(ActionTypeEnum::Forward)
                .order(50)
                .target_group_arn(GREEN)
                .build(),
        )
        .tags(Tag::builder().key("bluegreen:made-for").value(RULE).build());
    assert_eq!(input, wanted);
}

#[test]
fn a_default_rules_route_has_the_header_alone() {
    let main = main_rule("default", vec![], vec![scalar(BLUE)]);
    let input = route::create_input(&main, &rule_arn(), &TestHeader::default(), &groups().green);
    let wanted = [header_condition("X-Bluegreen-Test", "green")];
    assert_eq!(input.get_conditions().as_deref(), Some(&wanted[..]));
}

fn placed(main: &Rule, others: Vec<Rule>) -> std::result::Result<i32, Vec<String>> {
    let mut rules = others;
    rules.push(main.clone());
    let found = route::place(main, &rules, &TestHeader::default(), &BTreeSet::new());
    found.map_err(|reasons| reasons.into_iter().map(|one| one.message).collect())
}

#[test]
fn the_route_is_asked_as_late_before_the_rule_as_it_can_be() {
    assert_eq!(placed(&simple(), vec![]), Ok(99));
    assert_eq!(
        placed(&simple(), vec![other(99), other(98), other(7)]),
        Ok(97)
    );
    let default = main_rule("default", vec![], vec![scalar(BLUE)]);
    assert_eq!(placed(&default, vec![other(7)]), Ok(50_000));
    assert_eq!(placed(&default, vec![other(50_000)]), Ok(49_999));
}

#[test]
fn there_is_no_route_where_it_would_be_wrong() {
    let first = main_rule("1", vec![], vec![scalar(BLUE)]);
    let second = main_rule("2", vec![], vec![scalar(BLUE)]);
    for (main, others) in [(first, vec![]), (second, vec![other(1)])] {
        let reasons = placed(&main, others).unwrap_err();
        assert!(reasons[0].contains("no priority"), "{reasons:?}");
    }
    let login = main_rule("100", vec![], vec![oidc(), scalar(BLUE)]);
    let reasons = placed(&login, vec![]).unwrap_err();
    assert!(reasons[0].contains("OIDC"), "{reasons:?}");

    let four = main_rule(
        "100",
        vec![condition(&["a", "b", "c", "d"])],
        vec![scalar(BLUE)],
    );
    assert_eq!(placed(&four, vec![]), Ok(99));
    let five = vec![condition(&["a", "b", "c"]), condition(&["d", "e"])];
    let five = main_rule("100", five, vec![scalar(BLUE)]);
    let reasons = placed(&five, vec![]).unwrap_err();
    assert!(reasons[0].contains("have 5 values"), "{reasons:?}");

    let mut elsewhere = other(50);
    elsewhere.conditions = Some(vec![header_condition("x-bluegreen-test", "green")]);
    let reasons = placed(&simple(), vec![elsewhere.clone()]).unwrap_err();
    assert!(
        reasons[0].contains("leads elsewhere already"),
        "{reasons:?}"
    );
    // A rule that is evaluated later takes nothing away.
    elsewhere.priority = Some("200".to_owned());
    assert_eq!(placed(&simple(), vec![elsewhere]), Ok(99));
}

#[test]
fn a_route_is_known_by_its_header_and_by_where_it_leads() {
    let mut route = other(50);
    route.conditions = Some(vec![header_condition("X-BLUEGREEN-test", "green")]);
    route.actions = Some(vec![scalar(GREEN)]);
    let known = |route: &Rule| {
        let rules = [route.clone(), simple()];
        let found = route::candidates(&rules, &simple(), &groups().green);
        found
            .iter()
            .any(|(_, rule)| route::is_it(rule, &TestHeader::default(), &simple()))
    };
    assert!(known(&route));
    let mut late = route.clone();
    late.priority = Some("101".to_owned());
    assert!(!known(&late));
    let mut split = route.clone();
    split.actions = Some(vec![forward(&[(GREEN, 1), (BLUE, 1)])]);
    assert!(!known(&split));
    let mut wider = route.clone();
    wider.conditions = Some(vec![
        RuleCondition::builder()
            .field("http-header")
            .http_header_config(
                HttpHeaderConditionConfig::builder()
                    .http_header_name("X-Bluegreen-Test")
                    .values("green")
                    .values("blue")
                    .build(),
            )
            .build(),
    ]);
    assert!(!known(&wider));
    let mut without = route;
    without.conditions = Some(vec![condition(&["a.com"])]);
    assert!(!known(&without));
}

fn blue_group() -> TargetGroup {
    TargetGroup::builder()
        .target_group_arn(BLUE)
        .target_group_name("flask")
        .protocol(ProtocolEnum::Http)
        .protocol_version("HTTP2")
        .port(5000)
        .vpc_id("vpc-1")
        .health_check_protocol(ProtocolEnum::Http)
        .health_check_port("traffic-port")
        .health_check_enabled(true)
        .health_check_path("/alive")
        .health_check_interval_seconds(30)
        .health_check_timeout_seconds(5)
        .healthy_threshold_count(2)
        .unhealthy_threshold_count(3)
        .matcher(Matcher::builder().http_code("200-204").build())
        .target_type(TargetTypeEnum::Ip)
        .ip_address_type(TargetGroupIpAddressTypeEnum::Ipv4)
        .target_control_port(3001)
        .load_balancer_arns(BALANCER)
        .build()
}

#[test]
fn greens_group_is_made_as_blues_is_but_for_what_was_asked_for() {
    let tag = |key: &str| Tag::builder().key(key).value(RULE).build();
    let copy = CreateTargetGroupInput::builder()
        .name("fastapi")
        .protocol(ProtocolEnum::Http)
        .protocol_version("HTTP2")
        .port(5000)
        .vpc_id("vpc-1")
        .health_check_protocol(ProtocolEnum::Http)
        .health_check_port("traffic-port")
        .health_check_enabled(true)
        .health_check_path("/alive")
        .health_check_interval_seconds(30)
        .health_check_timeout_seconds(5)
        .healthy_threshold_count(2)
        .unhealthy_threshold_count(3)
        .matcher(Matcher::builder().http_code("200-204").build())
        .target_type(TargetTypeEnum::Ip)
        .ip_address_type(TargetGroupIpAddressTypeEnum::Ipv4)
        .target_control_port(3001)
        .tags(tag("bluegreen:made-for"))
        .tags(tag("bluegreen:attached-to"));
    let group = GreenGroup::named("fastapi");
    assert_eq!(standing::create_input(&group, &blue_group(), RULE), copy);
    let group = group.with_port(8000).with_health_path("/health");
    let other = copy.port(8000).health_check_path("/health");
    assert_eq!(standing::create_input(&group, &blue_group(), RULE), other);
}

#[test]
fn a_name_that_aws_refuses_is_refused_before() {
    let (aws, blue) = (aws(crate::aws::api::MockElbApi::new()), groups().blue);
    let place = |group: GreenGroup| {
        GreenPlace::new(&aws, AlbRule::Arn(rule_arn()), blue.clone(), group).map(drop)
    };
    let long = "x".repeat(33);
    for name in ["", "-a", "a-", "a_b", "flask", &long] {
        let error = place(GreenGroup::named(name)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{name}");
        assert!(error.hint().is_some());
    }
    let pathless = GreenGroup::named("a").with_health_path("health");
    assert_eq!(place(pathless).unwrap_err().kind(), ErrorKind::Invalid);
    place(GreenGroup::named("a".repeat(32))).unwrap();
    assert!(place(GreenGroup::existing(blue.clone())).is_err());
}

fn place_in(simulation: &Simulation) -> GreenPlace {
    let group = GreenGroup::named(simulation.green().name()).with_port(8000);
    let (rule, blue) = (simulation.rule(), simulation.blue());
    GreenPlace::new(&simulation.aws(), rule, blue, group).unwrap()
}

fn kinds(steps: &[PlaceStep]) -> Vec<String> {
    let kind = |step: &PlaceStep| {
        let value = serde_json::to_value(step).unwrap();
        value["step"].as_str().unwrap_or_default().to_owned()
    };
    steps.iter().map(kind).collect()
}

fn world(builder: SimulationBuilder) -> Simulation {
    builder.rules_before(23).build()
}

/// Twenty-four rules on pages of ten: green's route stands on the third one.
#[tokio::test(start_paused = true)]
async fn p03_a_place_is_made_once_and_taken_back_without_a_trace() {
    for default in [false, true] {
        let mut builder = Simulation::builder().no_green_group();
        if default {
            builder = builder.default_rule();
        }
        let simulation = world(builder);
        let before = (simulation.rules(), simulation.target_groups());
        let place = place_in(&simulation);
        let wanted = ["create_group", "attach", "create_route"];
        assert_eq!(kinds(&place.preview().await.unwrap()), wanted);
        let made = place.prepare().await.unwrap();
        assert_eq!(kinds(&made.done), wanted);
        assert_eq!(made.group, Some(simulation.green()));
        assert!(made.route.is_some());
        assert!(made.notes.is_empty(), "{:?}", made.notes);
        assert_eq!(
            simulation.weights(),
            Sides {
                blue: 100,
                green: 0
            }
        );

        let again = place.prepare().await.unwrap();
        assert_eq!((again.done.len(), again.route.clone()), (0, made.route));
        let wanted = ["delete_route", "detach", "delete_group"];
        assert_eq!(kinds(&place.preview_undo().await.unwrap()), wanted);
        let undone = place.undo().await.unwrap();
        assert_eq!(kinds(&undone.done), wanted);
        assert_eq!(undone.group, None);
        assert_eq!((simulation.rules(), simulation.target_groups()), before);
        assert!(place.undo().await.unwrap().done.is_empty());
    }
}

/// Older resources are adopted, and stay when the rest is removed.
#[tokio::test(start_paused = true)]
async fn what_is_not_ours_stays() {
    let simulation = world(Simulation::builder().detached_green());
    let before = simulation.rules();
    let place = place_in(&simulation);
    let made = place.prepare().await.unwrap();
    assert_eq!(kinds(&made.done), ["tag_group", "attach", "create_route"]);
    let undone = place.undo().await.unwrap();
    assert_eq!(
        kinds(&undone.done),
        ["delete_route", "detach", "untag_group"]
    );
    assert_eq!(undone.group, Some(simulation.green()));
    assert_eq!(simulation.rules(), before);

    let simulation = world(Simulation::builder().unmarked_test_route());
    let before = simulation.rules();
    let place = place_in(&simulation);
    let made = place.prepare().await.unwrap();
    assert_eq!(kinds(&made.done), ["tag_route"]);
    assert!(made.route.is_some());
    assert!(place.prepare().await.unwrap().done.is_empty());
    assert_eq!(kinds(&place.undo().await.unwrap().done), ["untag_route"]);
    assert!(place.undo().await.unwrap().done.is_empty());
    assert_eq!(simulation.rules(), before);
}

#[tokio::test(start_paused = true)]
async fn without_a_test_route_there_is_none() {
    let simulation = world(Simulation::builder().no_green_group().login());
    let place = place_in(&simulation);
    let error = place.prepare().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.message().contains("OIDC"), "{error}");
    assert_eq!(simulation.target_groups().len(), 1);
    let made = place.without_test_route().prepare().await.unwrap();
    assert_eq!(kinds(&made.done), ["create_group", "attach"]);
    assert_eq!(made.route, None);
}

#[tokio::test(start_paused = true)]
async fn p07_a_place_with_traffic_is_not_taken_back() {
    let simulation = world(Simulation::builder().detached_green());
    let place = place_in(&simulation);
    place.prepare().await.unwrap();
    simulation.third_party_write(Sides { blue: 95, green: 5 });
    let before = simulation.rules();
    let error = place.undo().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.message().contains("weight 5"), "{error}");
    let hint = error.hint().unwrap();
    for said in hint.split("; ") {
        assert!(
            said.contains("the group serves") || said.contains("once the weight is 0"),
            "{hint}"
        );
    }
    assert_eq!(simulation.rules(), before);
    // It stays prepared.
    assert!(place.prepare().await.unwrap().done.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_is_refused_with_every_reason() {
    let simulation = world(
        Simulation::builder()
            .detached_green()
            .third_group(3)
            .login(),
    );
    let group = GreenGroup::existing(simulation.green())
        .with_port(9000)
        .with_health_path("/alive");
    let (rule, blue) = (simulation.rule(), simulation.blue());
    let place = GreenPlace::new(&simulation.aws(), rule, blue, group).unwrap();
    let error = place.prepare().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    for said in [
        "with weight 3",
        "its port is 8000, not 9000",
        "its health check's path is /health, not /alive",
        "OIDC",
    ] {
        assert!(error.message().contains(said), "{said}: {error}");
    }
    assert_eq!(simulation.calls(Call::AddTags), 0);
}

#[tokio::test(start_paused = true)]
async fn a_group_that_must_be_there_is_not_made() {
    let simulation = world(Simulation::builder().no_green_group());
    let group = GreenGroup::existing(simulation.green());
    let (rule, blue) = (simulation.rule(), simulation.blue());
    let place = GreenPlace::new(&simulation.aws(), rule, blue, group).unwrap();
    let error = place.prepare().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(place.undo().await.unwrap().done.is_empty());
}

/// The one rule that forwards to blue is found without its ARN.
#[tokio::test(start_paused = true)]
async fn blues_only_rule_is_found_on_a_later_page() {
    let simulation = world(Simulation::builder().no_green_group());
    let group = GreenGroup::named(simulation.green().name());
    let rule = AlbRule::Only(simulation.listener());
    let place = GreenPlace::new(&simulation.aws(), rule, simulation.blue(), group).unwrap();
    let made = place.prepare().await.unwrap();
    assert_eq!(made.rule, simulation.rule_arn());
}

/// After a fault at any call, a second run ends in the state of a run without faults: one group, one
/// route, and never a weight for green.
#[tokio::test(start_paused = true)]
async fn p05_p10_a_fault_at_any_call_is_mended_by_doing_it_again() {
    let faults = [
        Fault::Throttle,
        Fault::Denied,
        Fault::Unavailable,
        Fault::TimeoutBeforeEffect,
        Fault::TimeoutAfterEffect,
    ];
    let worlds: [fn() -> SimulationBuilder; 3] = [
        || Simulation::builder().no_green_group(),
        || Simulation::builder().detached_green(),
        || Simulation::builder().no_green_group().default_rule(),
    ];
    let mut unfaulted = 0;
    for build in worlds {
        let model = build().build();
        place_in(&model).prepare().await.unwrap();
        let (prepared, calls) = (model.rules(), model.calls_in_all());
        place_in(&model).undo().await.unwrap();
        let all = model.calls_in_all();
        let (empty, groups) = (model.rules(), model.target_groups());
        for n in 1..=all {
            for fault in faults {
                let simulation = build().build();
                simulation.fail(Call::any().nth(n), fault);
                let place = place_in(&simulation);
                let mut ended = place.prepare().await;
                if n <= calls && ended.is_ok() {
                    unfaulted += 1;
                }
                if ended.is_err() {
                    ended = place.prepare().await;
                }
                assert!(ended.unwrap().route.is_some(), "{fault:?} at call {n}");
                assert_eq!(simulation.rules(), prepared, "{fault:?} at call {n}");
                if place.undo().await.is_err() {
                    place.undo().await.unwrap();
                }
                assert_eq!(simulation.rules(), empty, "{fault:?} at call {n}");
                assert_eq!(simulation.target_groups(), groups);
                let mut changes = simulation.changes().into_iter();
                assert!(changes.all(|change| change.weights.green == 0));
            }
        }
    }
    // A lost answer to a change needs no second run.
    assert!(unfaulted > 20, "{unfaulted}");
}

/// A run that is stopped after any of its seconds is finished by the next run.
#[tokio::test(start_paused = true)]
async fn p05_a_run_that_is_killed_is_finished_by_the_next_one() {
    for second in 0..40 {
        let simulation = Simulation::builder().no_green_group().build();
        for call in [Call::CreateTargetGroup, Call::ModifyRule, Call::CreateRule] {
            simulation.fail(call.nth(1), Fault::TimeoutAfterEffect);
        }
        let place = place_in(&simulation);
        let limit = std::time::Duration::from_secs(second);
        let _killed = tokio::time::timeout(limit, place.prepare()).await;
        place.prepare().await.unwrap();
        assert_eq!(simulation.rules().len(), 3);
        assert_eq!(simulation.calls(Call::CreateRule), 1, "{second}");
    }
}

/// Each step is in the journal before its call, and one that cannot be written is not taken.
#[tokio::test(start_paused = true)]
async fn p09_a_step_is_written_down_before_it_is_taken() {
    #[derive(Debug)]
    struct Broken;
    #[async_trait::async_trait]
    impl Journal for Broken {
        async fn append(&self, _record: Record) -> Result<()> {
            Err(Error::new(ErrorKind::Unavailable, "append a record"))
        }
    }
    let simulation = world(Simulation::builder().no_green_group());
    let error = place_in(&simulation).journal(Broken).prepare().await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(simulation.calls(Call::CreateTargetGroup), 0);

    let journal = MemoryJournal::new();
    let told = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&told);
    let place = place_in(&simulation)
        .journal(journal.clone())
        .on_step(move |step| sink.lock().unwrap().push(step.clone()));
    let made = place.prepare().await.unwrap();
    let records = journal.records();
    let (end, steps) = records.split_last().expect("some records");
    assert_eq!(*end.entry.value(), serde_json::json!({ "finished": true }));
    let written: Vec<PlaceStep> = steps
        .iter()
        .map(|record| record.entry.read().unwrap())
        .collect();
    assert_eq!(written, made.done);
    assert!(GreenPlace::began(&records[0]) && !GreenPlace::began(end));
    assert_eq!(*told.lock().unwrap(), made.done);
    assert!(records.iter().map(|record| record.seq).eq(0..4));
}

/// A third party's edit between look and write is not overwritten unseen.
#[tokio::test(start_paused = true)]
async fn p07_a_rule_that_changed_meanwhile_is_read_again() {
    let weights = Sides { blue: 50, green: 0 };
    let model = Simulation::builder().no_green_group().build();
    place_in(&model).prepare().await.unwrap();
    let reads = model.calls(Call::DescribeRules);
    for n in 1..=reads {
        let simulation = Simulation::builder().no_green_group().build();
        simulation.fail(
            Call::DescribeRules.nth(n),
            Fault::ThirdPartyWrite { weights },
        );
        place_in(&simulation).prepare().await.unwrap();
        assert_eq!(simulation.weights(), weights, "read {n}");
    }
}

fn push(rule: &mut Rule, condition: RuleCondition) {
    rule.conditions.get_or_insert_default().push(condition);
}

fn before_the_forward(rule: &mut Rule, action: Action) {
    rule.actions.get_or_insert_default().insert(0, action);
}

fn query() -> RuleCondition {
    let pair = QueryStringKeyValuePair::builder()
        .key("v")
        .value("2")
        .build();
    let config = QueryStringConditionConfig::builder().values(pair);
    RuleCondition::builder()
        .field("query-string")
        .query_string_config(config.build())
        .build()
}

fn method() -> RuleCondition {
    let config = HttpRequestMethodConditionConfig::builder().values("GET");
    RuleCondition::builder()
        .field("http-request-method")
        .http_request_method_config(config.build())
        .build()
}

fn address() -> RuleCondition {
    let config = SourceIpConditionConfig::builder().values("10.0.0.0/8");
    RuleCondition::builder()
        .field("source-ip")
        .source_ip_config(config.build())
        .build()
}

fn rewrite() -> RuleTransform {
    let rewrite = RewriteConfig::builder().regex("^/api/(.*)$").replace("/$1");
    RuleTransform::builder()
        .r#type(TransformTypeEnum::UrlRewrite)
        .url_rewrite_config(
            UrlRewriteConfig::builder()
                .rewrites(rewrite.build())
                .build(),
        )
        .build()
}

/// The shapes of rules that a place is made beside, each with a name.
fn shapes() -> Vec<(&'static str, SimulationBuilder)> {
    let bare = || Simulation::builder().no_green_group();
    vec![
        ("host and paths", bare()),
        ("after many others", bare().rules_before(23)),
        ("the default rule", bare().default_rule()),
        (
            "a header of its own",
            bare().main_rule(|rule| {
                rule.conditions = Some(vec![header_condition("X-Origin-Verify", "s3cr3t")]);
            }),
        ),
        (
            "two headers of its own",
            bare().main_rule(|rule| {
                rule.conditions = Some(vec![
                    header_condition("X-Origin-Verify", "s3cr3t"),
                    condition(&["a.com"]),
                    header_condition("X-Tenant", "*"),
                ]);
            }),
        ),
        (
            "query, method and address",
            bare().main_rule(|rule| {
                rule.conditions = Some(vec![query(), method(), address()]);
            }),
        ),
        (
            "a regular expression",
            bare().main_rule(|rule| {
                let config = HostHeaderConditionConfig::builder().regex_values("^a[0-9]+$");
                let host = RuleCondition::builder()
                    .field("host-header")
                    .host_header_config(config.build());
                rule.conditions = Some(vec![host.build()]);
            }),
        ),
        (
            "transforms",
            bare().main_rule(|rule| rule.transforms = Some(vec![rewrite()])),
        ),
        (
            "log-in and token",
            bare().main_rule(|rule| {
                before_the_forward(rule, jwt());
                before_the_forward(rule, cognito());
            }),
        ),
        ("sticky", bare().sticky(std::time::Duration::from_secs(60))),
        ("a third group", bare().third_group(0)),
        (
            "one group without weight",
            bare().main_rule(|rule| rule.actions = Some(vec![scalar(SIMULATED_BLUE)])),
        ),
        (
            "all values but one in use",
            bare().main_rule(|rule| {
                rule.conditions = Some(vec![condition(&["a", "b", "c"])]);
                push(rule, header_condition("X-Origin-Verify", "s3cr3t"));
            }),
        ),
    ]
}

/// Blue's group of the simulation.
const SIMULATED_BLUE: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/chatbot-flask-tg/73e2d6bc24d8a067";

fn lags() -> [Lag; 5] {
    let time = |seconds| Lag::for_time(std::time::Duration::from_secs(seconds));
    [
        time(1),
        time(25),
        Lag::reads(3),
        Lag::back_once(),
        Lag::reads(1),
    ]
}

const LAGGING: [Call; 4] = [
    Call::DescribeRules,
    Call::DescribeTags,
    Call::DescribeTargetGroups,
    Call::DescribeTargetGroupAttributes,
];

/// For any rule and for reads of any age: one group, one route, and a second run finds nothing to do.
#[tokio::test(start_paused = true)]
async fn p10_each_shape_of_rule_gets_one_route_however_old_reads_are() {
    for (shape, world) in shapes() {
        let world = world.blue_group_attribute("slow_start.duration_seconds", "60");
        let all = lags().map(|lag| (None, lag));
        let [_, long, _, back, _] = lags();
        let alone = LAGGING
            .into_iter()
            .flat_map(|call| [(Some(call), long), (Some(call), back)]);
        let cases = all.into_iter().chain(alone);
        for (call, lag) in cases {
            let case = format!("{shape}, {call:?} of {lag:?}");
            let simulation = world.clone().build();
            let rules = simulation.rules().len();
            for read in LAGGING {
                if call.is_none_or(|call| call == read) {
                    simulation.lag(read, lag);
                }
            }
            let made = place_in(&simulation).prepare().await.expect(&case);
            assert_eq!(
                kinds(&made.done),
                ["create_group", "copy_attributes", "attach", "create_route"],
                "{case}"
            );
            let again = place_in(&simulation).prepare().await.expect(&case);
            assert_eq!(kinds(&again.done), [""; 0], "{case}");
            assert_eq!(again.route, made.route, "{case}");
            for create in [Call::CreateTargetGroup, Call::CreateRule] {
                assert_eq!(simulation.calls(create), 1, "{case}");
            }
            assert_eq!(simulation.calls(Call::AddTags), 0, "{case}");
            assert_eq!(simulation.rules().len(), rules + 1, "{case}");
            let undone = place_in(&simulation).undo().await.expect(&case);
            let wanted = ["delete_route", "detach", "delete_group"];
            assert_eq!(kinds(&undone.done), wanted, "{case}");
            assert_eq!(simulation.rules().len(), rules, "{case}");
        }
    }
}

/// A run that was killed leaves its last change unseen, or its answer lost; the next one makes no
/// second group and no second route.
#[tokio::test(start_paused = true)]
async fn p05_p10_after_a_killed_run_old_reads_make_nothing_twice() {
    let changes = [
        Call::CreateTargetGroup,
        Call::ModifyTargetGroupAttributes,
        Call::ModifyRule,
        Call::CreateRule,
    ];
    for lag in lags() {
        for change in changes {
            let simulation = Simulation::builder()
                .no_green_group()
                .blue_group_attribute("slow_start.duration_seconds", "60")
                .build();
            for read in LAGGING {
                simulation.lag(read, lag);
            }
            let rules = simulation.rules().len();
            simulation.fail(change.nth(1), Fault::HangAfterEffect);
            let limit = std::time::Duration::from_secs(200);
            let killed = tokio::time::timeout(limit, place_in(&simulation).prepare()).await;
            assert!(killed.is_err(), "{change:?} hangs");
            place_in(&simulation).prepare().await.unwrap();
            assert_eq!(simulation.rules().len(), rules + 1, "{change:?}, {lag:?}");
            assert_eq!(simulation.target_groups().len(), 2, "{change:?}, {lag:?}");
            let again = place_in(&simulation).prepare().await.unwrap();
            assert_eq!(kinds(&again.done), [""; 0], "{change:?}, {lag:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn greens_group_gets_blues_attributes_and_what_it_does_not_get_is_said() {
    let key = "deregistration_delay.timeout_seconds";
    let world = || {
        Simulation::builder()
            .no_green_group()
            .blue_group_attribute(key, "30")
    };
    let simulation = world().build();
    let place = place_in(&simulation);
    let made = place.prepare().await.unwrap();
    let copied = PlaceStep::CopyAttributes {
        name: simulation.green().name().to_owned(),
        attributes: [(key.to_owned(), "30".to_owned())].into(),
    };
    assert_eq!((&made.done[1], made.notes.len()), (&copied, 0));

    for (call, fault) in [
        (Call::DescribeTargetGroupAttributes, Fault::Denied),
        (Call::ModifyTargetGroupAttributes, Fault::Denied),
    ] {
        let simulation = world().build();
        simulation.fail(call.every(), fault);
        let made = place_in(&simulation).prepare().await.unwrap();
        assert!(made.route.is_some());
        let [note] = &made.notes[..] else {
            panic!("{made:?}");
        };
        assert!(
            note.message
                .starts_with("not copied from blue's target group")
        );
        assert!(note.message.contains("denied"), "{note}");
    }
}

/// Two rules of one listener, each with its own group and the same header.
#[test]
fn the_route_of_another_rule_is_in_the_way_only_if_it_takes_requests_away() {
    let claims = |main: &Rule, other: &Rule| {
        let rules = [other.clone(), main.clone()];
        route::claims(main, &rules, &TestHeader::default()).len()
    };
    let mut theirs = other(50);
    let header = || header_condition("X-Bluegreen-Test", "green");
    theirs.conditions = Some(vec![condition(&["b.com", "B2.com"]), header()]);
    assert_eq!(claims(&simple(), &theirs), 0, "other hosts");
    theirs.conditions = Some(vec![condition(&["*.com"]), header()]);
    assert_eq!(claims(&simple(), &theirs), 1);
    theirs.conditions = Some(vec![header()]);
    assert_eq!(claims(&simple(), &theirs), 1);
    // It belongs to a rule that is asked before the main one.
    let mut first = other(40);
    first.rule_arn = Some(RULE.replace("9683b2d02a6cabee", "aaaaaaaaaaaaaaaa"));
    let of = |rule: &Rule| {
        [(
            "bluegreen:made-for".to_owned(),
            rule.rule_arn.clone().unwrap(),
        )]
    };
    let rules = [first.clone(), theirs.clone(), simple()];
    let harmless = |tags: [(String, String); 1]| {
        route::is_harmless(&theirs, &tags.into(), &simple(), &rules, "fastapi")
    };
    assert!(harmless(of(&first)));
    assert!(!harmless(of(&simple())), "ours, to another group");
    assert!(!harmless([("team".to_owned(), "web".to_owned())]));

    let main = main_rule("100", vec![header()], vec![scalar(BLUE)]);
    let reasons = placed(&main, vec![]).unwrap_err();
    assert!(
        reasons[0].contains("asks for the header X-Bluegreen-Test"),
        "{reasons:?}"
    );
}

/// A group that was made by a file is held against that file when it is prepared again.
#[tokio::test(start_paused = true)]
async fn a_group_that_is_not_as_its_file_says_is_refused_with_each_difference() {
    let simulation = world(Simulation::builder().no_green_group());
    let place = |file: serde_json::Value| {
        let spec = TargetGroupSpec::from_json(&file.to_string()).unwrap();
        let (rule, blue) = (simulation.rule(), simulation.blue());
        GreenPlace::new(&simulation.aws(), rule, blue, GreenGroup::specified(spec)).unwrap()
    };
    let mut file = serde_json::json!({"Name": simulation.green().name(), "Protocol": "HTTP",
        "Port": 8000, "VpcId": "vpc-0123456789abcdef0", "TargetType": "ip",
        "HealthCheckPath": "/health"});
    let made = place(file.clone()).prepare().await.unwrap();
    assert_eq!(
        kinds(&made.done),
        ["create_group", "attach", "create_route"]
    );
    assert!(place(file.clone()).prepare().await.unwrap().done.is_empty());
    // A default that is spelt is no difference.
    file["HealthCheckIntervalSeconds"] = 30.into();
    assert!(place(file.clone()).prepare().await.unwrap().done.is_empty());
    file["HealthCheckPath"] = "/alive".into();
    file["HealthyThresholdCount"] = 2.into();
    let error = place(file).prepare().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    for said in [
        "its HealthCheckPath is \"/health\", not \"/alive\"",
        "its HealthyThresholdCount is 5, not 2",
    ] {
        assert!(error.message().contains(said), "{said}: {error}");
    }
}

/// A run is killed at any of its calls, before or after the effect, while reads are up to 25 s old. By its journal
/// the next run, which begins at once, makes nothing twice; or an undo leaves nothing behind.
#[tokio::test(start_paused = true)]
async fn p05_killed_at_any_call_the_next_run_knows_by_its_journal_what_was_made() {
    let world = || {
        let simulation = Simulation::builder()
            .no_green_group()
            .blue_group_attribute("slow_start.duration_seconds", "60")
            .build();
        for read in LAGGING {
            simulation.lag(read, Lag::for_time(std::time::Duration::from_secs(25)));
        }
        simulation
    };
    let model = world();
    place_in(&model).prepare().await.unwrap();
    let changes = [
        Call::CreateTargetGroup,
        Call::ModifyTargetGroupAttributes,
        Call::ModifyRule,
        Call::CreateRule,
    ];
    for change in changes {
        assert_eq!(model.calls(change), 1, "{change:?}");
        for moment in [Moment::BeforeEffect, Moment::AfterEffect] {
            for undoes in [false, true] {
                let case = format!("{change:?}, {moment:?}, undone: {undoes}");
                let (simulation, journal) = (world(), MemoryJournal::new());
                let rules = simulation.rules().len();
                let mut stop = simulation.stop_at(change.nth(1), moment);
                let place = place_in(&simulation).journal(journal.clone());
                tokio::select! {
                    biased;
                    () = stop.reached() => {}
                    ended = place.prepare() => panic!("{case}: {ended:?}"),
                }
                drop(place);
                let written = MemoryJournal::new();
                let next = place_in(&simulation)
                    .after(&journal.records())
                    .journal(written.clone());
                assert!(next.cut_off_at().is_some(), "{case}");
                match undoes {
                    false => {
                        next.prepare().await.expect(&case);
                        assert_eq!(simulation.rules().len(), rules + 1, "{case}");
                        assert_eq!(simulation.target_groups().len(), 2, "{case}");
                        // The call that was stopped before its effect is counted, too.
                        let calls = match moment {
                            Moment::BeforeEffect => 2,
                            Moment::AfterEffect => 1,
                        };
                        assert_eq!(simulation.calls(change), calls, "{case}");
                    }
                    true => {
                        next.undo().await.expect(&case);
                        assert_eq!(simulation.rules().len(), rules, "{case}");
                        assert_eq!(simulation.target_groups().len(), 1, "{case}");
                    }
                }
                // An end is written even if nothing was left to do.
                let third = place_in(&simulation).after(&written.records());
                assert_eq!(third.cut_off_at(), None, "{case}");
            }
        }
    }
}

/// A run that ended leaves nothing to wait for.
#[tokio::test(start_paused = true)]
async fn after_a_whole_run_nothing_is_waited_for() {
    let simulation = world(Simulation::builder().no_green_group());
    let journal = MemoryJournal::new();
    let place = place_in(&simulation).journal(journal.clone());
    place.prepare().await.unwrap();
    let again = place_in(&simulation).after(&journal.records());
    assert_eq!(again.cut_off_at(), None);
    let began = simulation.elapsed();
    again.prepare().await.unwrap();
    assert!(simulation.elapsed() - began < std::time::Duration::from_secs(5));
}
