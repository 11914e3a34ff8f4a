//! Finds the rule that the operator named.

use aws_sdk_elasticloadbalancingv2::types::Rule;
use bluegreen::traffic::Shift;
use bluegreen::{ErrorKind, TrafficSplitter as _, aws::alb::AlbRule};

use crate::topology::{Topology, forward, percent};

/// The guide's script reads one page, finds no rule there, and assumes 100 to 0.
#[tokio::test]
async fn a_rule_on_page_two_is_found_and_shifted() {
    let Some(topology) = Topology::new().await else {
        return;
    };
    for priority in 1..=61 {
        topology
            .rule(priority, vec![forward(&[(&topology.third, 1)])])
            .await;
    }
    let rule = topology.split_rule(100, 1, 0).await;
    let page = topology
        .raw
        .describe_rules()
        .listener_arn(topology.listener.as_str())
        .send()
        .await
        .unwrap();
    assert!(page.next_marker().is_some(), "all rules are on one page");
    let is_it = |one: &Rule| one.rule_arn() == Some(rule.as_str());
    assert!(!page.rules().iter().any(is_it), "it is on page one");

    for named in [
        topology.by_priority(100),
        AlbRule::Only(topology.listener.clone()),
    ] {
        let splitter = topology.splitter(named);
        assert_eq!(splitter.locate().await.unwrap(), rule);
    }
    let splitter = topology.splitter(topology.by_priority(100));
    let seen = splitter.observe().await.unwrap();
    splitter
        .shift(&Shift::rise(&seen, percent(10)))
        .await
        .unwrap();
    assert_eq!(topology.weights(&rule).await, (90, 10));
}

#[tokio::test]
async fn a_priority_that_is_not_there_is_not_found() {
    let Some(topology) = Topology::new().await else {
        return;
    };
    topology.split_rule(7, 1, 0).await;
    let splitter = topology.splitter(topology.by_priority(8));
    let error = splitter.observe().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    let hint = error.hint().unwrap();
    assert!(hint.contains("priority 7, default"), "{hint}");
}

#[tokio::test]
async fn a_rule_that_was_deleted_is_not_found() {
    let Some(topology) = Topology::new().await else {
        return;
    };
    let rule = topology.split_rule(7, 1, 0).await;
    let splitter = topology.splitter(AlbRule::Arn(rule.clone()));
    let seen = splitter.observe().await.unwrap();
    let deleted = topology.raw.delete_rule().rule_arn(rule.as_str());
    deleted.send().await.unwrap();

    let error = splitter.observe().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    let error = splitter
        .shift(&Shift::rise(&seen, percent(10)))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(
        source.starts_with("DescribeRules answered RuleNotFound: "),
        "{source}"
    );
}

#[tokio::test]
async fn a_listener_that_was_deleted_is_not_found() {
    let Some(topology) = Topology::new().await else {
        return;
    };
    let listener = topology.listener.as_str();
    let deleted = topology.raw.delete_listener().listener_arn(listener);
    deleted.send().await.unwrap();
    for rule in [
        topology.by_priority(7),
        AlbRule::Only(topology.listener.clone()),
        AlbRule::Default(topology.listener.clone()),
    ] {
        let error = topology.splitter(rule).observe().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
        assert!(error.message().contains(listener), "{error}");
    }
}

/// The group is removed from the rule first, since AWS would allow its deletion only then.
#[tokio::test]
async fn a_target_group_that_was_deleted_is_not_found() {
    let Some(topology) = Topology::new().await else {
        return;
    };
    let rule = topology.split_rule(7, 1, 0).await;
    let splitter = topology.splitter(AlbRule::Arn(rule.clone()));
    let seen = splitter.observe().await.unwrap();
    let blue_alone = vec![forward(&[(&topology.blue, 1)])];
    topology.write(&rule, blue_alone).await;
    let green = topology.green.as_str();
    let deleted = topology.raw.delete_target_group().target_group_arn(green);
    deleted.send().await.unwrap();
    let before = topology.read(&rule).await;

    for error in [
        splitter.observe().await.unwrap_err(),
        splitter
            .shift(&Shift::rise(&seen, percent(10)))
            .await
            .unwrap_err(),
        splitter.preflight().await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
        assert!(error.message().contains(green), "{error}");
    }
    assert_eq!(topology.read(&rule).await, before);
}
