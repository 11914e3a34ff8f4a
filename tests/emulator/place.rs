//! A place for green: target group, weight 0 in the rule, test route.

use std::time::Duration;

use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, AuthenticateCognitoActionConfig, HostHeaderConditionConfig,
    HttpHeaderConditionConfig, HttpRequestMethodConditionConfig, ProtocolEnum,
    QueryStringConditionConfig, QueryStringKeyValuePair, Rule, RuleCondition,
    SourceIpConditionConfig, TargetGroup, TargetGroupAttribute,
};
use bluegreen::{
    Aws,
    aws::alb::{AlbRule, GreenGroup, GreenPlace, ListenerArn, PlaceReport, TestHeader},
};
use tokio::task::JoinSet;

use crate::{
    proxy::stale::{Stale, StaleProxy},
    topology::{Topology, forward, path, sticky},
};

/// A place for a group that does not exist yet, beside blue in the rule of priority 10.
async fn place(topology: &Topology) -> GreenPlace {
    topology
        .rule(10, vec![forward(&[(&topology.blue, 1)])])
        .await;
    topology
        .rule(9, vec![forward(&[(&topology.third, 1)])])
        .await;
    let name = format!("{}-new", topology.green.name());
    let group = GreenGroup::named(name).with_port(8000);
    let (rule, blue) = (topology.by_priority(10), topology.blue.clone());
    GreenPlace::new(&topology.aws, rule, blue, group).unwrap()
}

async fn groups(topology: &Topology) -> Vec<TargetGroup> {
    let listed = topology.raw.describe_target_groups().send().await;
    let listed = listed.expect("list groups").target_groups;
    // Other tests have groups too.
    let own = topology.green.name().trim_end_matches("green");
    let is_own = |group: &TargetGroup| {
        group
            .target_group_name()
            .is_some_and(|name| name.starts_with(own))
    };
    listed
        .unwrap_or_default()
        .into_iter()
        .filter(is_own)
        .collect()
}

async fn rules(topology: &Topology) -> Vec<Rule> {
    let listed = topology.raw.describe_rules();
    let listed = listed.listener_arn(topology.listener.as_str()).send().await;
    listed.expect("list rules").rules.unwrap_or_default()
}

async fn tags(topology: &Topology, arn: &str) -> Vec<(String, String)> {
    let read = topology.raw.describe_tags().resource_arns(arn).send().await;
    let read = read
        .expect("read tags")
        .tag_descriptions
        .unwrap_or_default();
    let mut tags: Vec<_> = read
        .iter()
        .flat_map(|one| one.tags())
        .map(|tag| {
            (
                tag.key.clone().unwrap(),
                tag.value.clone().unwrap_or_default(),
            )
        })
        .collect();
    tags.sort();
    tags
}

/// The SDK alone reads the place as it was made; it is made once, and removed without a trace.
#[tokio::test]
async fn p03_p04_a_place_is_made_and_taken_back() {
    let Some(topology) = Topology::new().await else {
        return;
    };
    let place = place(&topology).await;
    let before = (rules(&topology).await, groups(&topology).await.len());
    let made = place.prepare().await.unwrap();
    assert_eq!(made.done.len(), 3, "{made:?}");
    let (group, route) = (made.group.clone().unwrap(), made.route.clone().unwrap());

    let listed = groups(&topology).await;
    let of = |arn: &str| {
        listed
            .iter()
            .find(|one| one.target_group_arn() == Some(arn))
    };
    let (blue, green) = (
        of(topology.blue.as_str()).unwrap(),
        of(group.as_str()).unwrap(),
    );
    assert_eq!(green.port(), Some(8000));
    assert_eq!(green.vpc_id(), blue.vpc_id());
    assert_eq!(green.target_type(), blue.target_type());
    assert_eq!(green.health_check_path(), blue.health_check_path());
    let rule = made.rule.to_string();
    let owned = |key: &str| (key.to_owned(), rule.clone());
    assert_eq!(
        tags(&topology, group.as_str()).await,
        [owned("bluegreen:attached-to"), owned("bluegreen:made-for")]
    );
    assert_eq!(
        tags(&topology, route.as_str()).await,
        [owned("bluegreen:made-for")]
    );

    let main = topology.read(&made.rule).await;
    let listed = main.actions()[0].forward_config().unwrap().target_groups();
    let weights: Vec<_> = listed
        .iter()
        .map(|one| (one.target_group_arn().unwrap(), one.weight().unwrap()))
        .collect();
    assert_eq!(weights, [(topology.blue.as_str(), 1), (group.as_str(), 0)]);

    let route = topology.read(&route).await;
    assert_eq!(route.priority(), Some("8"));
    let header = route
        .conditions()
        .iter()
        .find_map(|one| one.http_header_config());
    let header = header.unwrap();
    assert_eq!(header.http_header_name(), Some("X-Bluegreen-Test"));
    assert_eq!(header.values(), ["green"]);
    let asked = path("/10/*");
    let paths = asked.path_pattern_config();
    assert!(
        route
            .conditions()
            .iter()
            .any(|one| one.path_pattern_config() == paths)
    );

    assert_again(&place, &made).await;
    let undone = place.undo().await.unwrap();
    assert_eq!(undone.done.len(), 3, "{undone:?}");
    let after = rules(&topology).await;
    let arns =
        |rules: &[Rule]| -> Vec<_> { rules.iter().map(|one| one.rule_arn.clone()).collect() };
    assert_eq!(arns(&after), arns(&before.0));
    assert_eq!(groups(&topology).await.len(), before.1);
}

async fn assert_again(place: &GreenPlace, made: &PlaceReport) {
    let again = place.prepare().await.unwrap();
    assert!(again.done.is_empty(), "{again:?}");
    assert_eq!((&again.group, &again.route), (&made.group, &made.route));
}

/// A group that existed before is adopted and marked, and stays; its targets do not matter.
#[tokio::test]
async fn a_group_that_was_there_stays() {
    let Some(topology) = Topology::new().await else {
        return;
    };
    let rule = topology
        .rule(10, vec![forward(&[(&topology.blue, 1)])])
        .await;
    let group = GreenGroup::existing(topology.green.clone());
    let header: TestHeader = "X-Preview: fastapi".parse().unwrap();
    let place = GreenPlace::new(
        &topology.aws,
        AlbRule::Only(topology.listener.clone()),
        topology.blue.clone(),
        group,
    )
    .unwrap()
    .with_test_header(header);
    let made = place.prepare().await.unwrap();
    assert_eq!((made.done.len(), &made.rule), (3, &rule));
    assert_eq!(topology.weights(&rule).await, (1, 0));
    assert_again(&place, &made).await;
    let undone = place.undo().await.unwrap();
    assert_eq!(undone.done.len(), 3);
    assert_eq!(undone.group, Some(topology.green.clone()));
    assert_eq!(tags(&topology, topology.green.as_str()).await, []);
    assert_eq!(rules(&topology).await.len(), 2);
}

fn header(name: &str, value: &str) -> RuleCondition {
    let config = HttpHeaderConditionConfig::builder().http_header_name(name);
    RuleCondition::builder()
        .field("http-header")
        .http_header_config(config.values(value).build())
        .build()
}

fn method(name: &str) -> RuleCondition {
    let config = HttpRequestMethodConditionConfig::builder().values(name);
    RuleCondition::builder()
        .field("http-request-method")
        .http_request_method_config(config.build())
        .build()
}

fn host(name: &str) -> RuleCondition {
    let config = HostHeaderConditionConfig::builder().values(name);
    RuleCondition::builder()
        .field("host-header")
        .host_header_config(config.build())
        .build()
}

fn query(key: &str, value: &str) -> RuleCondition {
    let pair = QueryStringKeyValuePair::builder().key(key).value(value);
    let config = QueryStringConditionConfig::builder().values(pair.build());
    RuleCondition::builder()
        .field("query-string")
        .query_string_config(config.build())
        .build()
}

fn address(range: &str) -> RuleCondition {
    let config = SourceIpConditionConfig::builder().values(range);
    RuleCondition::builder()
        .field("source-ip")
        .source_ip_config(config.build())
        .build()
}

/// Conditions as users write them, none of which another rule of the listener meets.
fn shapes() -> Vec<(&'static str, Vec<RuleCondition>)> {
    vec![
        ("a path", vec![path("/a/*")]),
        (
            "a header of its own",
            vec![header("X-Origin-Verify", "s3cr3t")],
        ),
        (
            "two headers of its own",
            vec![
                header("X-Origin-Verify", "s3cr3t"),
                header("X-Tenant", "gold"),
            ],
        ),
        (
            "headers around a path",
            vec![
                header("X-Origin-Verify", "s3cr3t"),
                path("/b/*"),
                header("X-Tenant", "*"),
            ],
        ),
        ("a host", vec![host("a.example.com")]),
        ("a method", vec![method("GET"), path("/c/*")]),
        ("a query", vec![query("version", "2"), path("/d/*")]),
        ("an address", vec![address("10.0.0.0/8"), path("/e/*")]),
        (
            "four values",
            vec![
                host("b.example.com"),
                path("/f"),
                path("/g"),
                header("X-Origin-Verify", "s"),
            ],
        ),
    ]
}

/// Actions as users write them.
fn acts(topology: &Topology) -> Vec<(&'static str, Vec<Action>)> {
    let config = AuthenticateCognitoActionConfig::builder()
        .user_pool_arn("arn:aws:cognito-idp:us-east-1:123456789012:userpool/us-east-1_a")
        .user_pool_client_id("client")
        .user_pool_domain("domain");
    let login = Action::builder()
        .r#type(ActionTypeEnum::AuthenticateCognito)
        .order(1)
        .authenticate_cognito_config(config.build());
    let mut then = forward(&[(&topology.blue, 1)]);
    then.order = Some(2);
    vec![
        (
            "a third group",
            vec![forward(&[(&topology.blue, 1), (&topology.third, 0)])],
        ),
        ("a log-in", vec![login.build(), then]),
    ]
}

/// Each shape of rule of one listener, and the default rules of this and another listener, gets one
/// group and one test route, and a second run finds nothing to do: first with current reads, then with
/// old reads.
#[tokio::test]
async fn p04_p10_each_shape_of_rule_gets_one_route() {
    let Some(topology) = Topology::new().await else {
        return;
    };
    let stale = [
        None,
        Some(Stale::Reads(2)),
        Some(Stale::OnceAfter(Duration::ZERO)),
    ];
    let mut cases = Vec::new();
    let sole = vec![sticky(forward(&[(&topology.blue, 1)]), 60)];
    let asked = shapes().into_iter();
    let asked = asked.map(|(shape, conditions)| (shape, conditions, sole.clone()));
    let acts = acts(&topology).into_iter().zip(["/h/*", "/i/*"]);
    let acts = acts.map(|((shape, actions), own)| (shape, vec![path(own)], actions));
    let all: Vec<_> = asked.chain(acts).collect();
    let named = all.len();
    for (number, (shape, conditions, actions)) in (1..).zip(all) {
        let made = topology
            .raw
            .create_rule()
            .listener_arn(topology.listener.as_str())
            .priority(number * 10)
            .set_conditions(Some(conditions))
            .set_actions(Some(actions));
        let made = made.send().await.expect("make a rule");
        let rule = made.rules()[0].rule_arn().unwrap().parse().unwrap();
        cases.push((shape, AlbRule::Arn(rule)));
    }
    for port in [8080, 8081] {
        let balancer = topology.listener.load_balancer();
        let made = topology
            .raw
            .create_listener()
            .load_balancer_arn(balancer.as_str())
            .protocol(ProtocolEnum::Http)
            .port(port)
            .default_actions(forward(&[(&topology.blue, 1)]));
        let made = made.send().await.expect("make a listener");
        let listener: ListenerArn = made.listeners()[0].listener_arn().unwrap().parse().unwrap();
        cases.push(("the default rule", AlbRule::Default(listener)));
    }
    let set = |key: &str, value: &str| {
        TargetGroupAttribute::builder()
            .key(key)
            .value(value)
            .build()
    };
    let modified = topology.raw.modify_target_group_attributes();
    modified
        .target_group_arn(topology.blue.as_str())
        .attributes(set("deregistration_delay.timeout_seconds", "30"))
        .attributes(set("slow_start.duration_seconds", "60"))
        .send()
        .await
        .expect("set attributes");
    assert_eq!(cases.len(), 13);
    // They mostly wait.
    let mut running = JoinSet::new();
    for (number, (shape, rule)) in cases.into_iter().enumerate() {
        let config = topology.endpoint.config.clone();
        let proxy = StaleProxy::before(config.endpoint_url().expect("an emulator"));
        if let Some(stale) = stale[number % stale.len()] {
            for read in ["DescribeRules", "DescribeTags", "DescribeTargetGroups"] {
                proxy.lag(read, stale);
            }
        }
        let aws = Aws::from_config(&config.to_builder().endpoint_url(proxy.url()).build());
        let name = format!("{}-{number}", topology.green.name());
        let group = GreenGroup::named(&name);
        let place = GreenPlace::new(&aws, rule, topology.blue.clone(), group).unwrap();
        running.spawn(async move {
            let made = place.prepare().await.expect(shape);
            assert_again(&place, &made).await;
            assert_eq!(proxy.requests("CreateRule"), 1, "{shape}");
            assert_eq!(proxy.requests("CreateTargetGroup"), 1, "{shape}");
            assert_eq!(proxy.requests("AddTags"), 0, "{shape}");
            (shape, made.group.expect("a group"))
        });
    }
    for (shape, green) in running.join_all().await {
        let shown = topology.raw.describe_target_group_attributes();
        let shown = shown.target_group_arn(green.as_str()).send().await;
        let shown = shown
            .expect("read attributes")
            .attributes
            .unwrap_or_default();
        let slow = shown
            .iter()
            .find(|one| one.key() == Some("slow_start.duration_seconds"));
        assert_eq!(slow.and_then(|one| one.value()), Some("60"), "{shape}");
    }
    // One route for each rule, beside the rules themselves and the default rule.
    assert_eq!(rules(&topology).await.len(), 2 * named + 1);
}
