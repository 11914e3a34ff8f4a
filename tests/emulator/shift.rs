//! A shift changes weights, and nothing else.

use aws_sdk_elasticloadbalancingv2::types::Rule;
use bluegreen::{
    TrafficSplitter as _,
    aws::alb::{AlbRule, RuleArn},
    preflight::{Acceptance, Severity},
    traffic::{Shift, Sides, TargetCounts},
};
use serde_json::Value;

use crate::topology::{SECRET, Topology, forward, oidc, percent, sticky};

#[tokio::test]
async fn p04_a_migration_there_and_back_is_read_back_at_each_step() {
    let Some(topology) = Topology::new().await else {
        return;
    };
    let rule = topology.split_rule(10, 1, 0).await;
    let splitter = topology.splitter(topology.by_priority(10));
    let mut seen = splitter.observe().await.unwrap();
    assert!(seen.is_all_blue());
    assert_eq!(
        seen.targets,
        Sides {
            blue: TargetCounts::all_healthy(2),
            green: TargetCounts::all_healthy(3),
        }
    );
    for green in [10, 50, 100, 0] {
        let fingerprint = seen.fingerprint.clone();
        seen = splitter
            .shift(&Shift::rise(&seen, percent(green)))
            .await
            .unwrap()
            .into_traffic();
        let wanted = (100 - i32::from(green), i32::from(green));
        assert_eq!(topology.weights(&rule).await, wanted);
        assert!(seen.is_at(percent(green)), "{seen}");
        assert_eq!(seen.fingerprint, fingerprint);
        assert_eq!(seen.targets.green, TargetCounts::all_healthy(3));
    }
    assert_eq!(splitter.observe().await.unwrap(), seen);
}

#[tokio::test]
async fn p03_log_in_stickiness_and_a_third_group_stay() {
    let Some(topology) = Topology::new().await else {
        return;
    };
    let rule = with_everything(&topology).await;
    let before = topology.read(&rule).await;
    let splitter = topology.splitter(AlbRule::Arn(rule.clone()));
    let mut seen = splitter.observe().await.unwrap();
    assert_eq!(seen.stickiness.map(|length| length.as_secs()), Some(600));
    for green in [10, 100, 0] {
        seen = splitter
            .shift(&Shift::rise(&seen, percent(green)))
            .await
            .unwrap()
            .into_traffic();
        let after = topology.read(&rule).await;
        assert_eq!(rest(&topology, &after), rest(&topology, &before));
        assert_eq!(topology.weights(&rule).await.1, i32::from(green));
    }
}

/// The emulator returns the secret, which AWS never does: so the test is stricter than AWS.
#[tokio::test]
async fn p12_a_client_secret_shows_nowhere() {
    let Some(topology) = Topology::new().await else {
        return;
    };
    let rule = with_everything(&topology).await;
    let before = topology.read(&rule).await;
    assert!(format!("{:?}", before.actions()[0]).contains("client_secret"));
    let echoed = before.actions()[0].authenticate_oidc_config().unwrap();
    assert_eq!(echoed.client_secret(), Some(SECRET));

    let splitter = topology.splitter(AlbRule::Arn(rule));
    let seen = splitter.observe().await.unwrap();
    let findings = splitter.preflight().await.unwrap();
    let moved = splitter
        .shift(&Shift::rise(&seen, percent(10)))
        .await
        .unwrap()
        .into_traffic();
    let stale = splitter
        .shift(&Shift::rise(&seen, percent(50)))
        .await
        .unwrap_err();
    let shown = [
        format!("{splitter:?} {seen:?} {seen} {findings:?} {moved:?} {stale:?}"),
        serde_json::to_string(&seen).unwrap(),
        seen.restore_command.unwrap(),
    ];
    for text in shown {
        assert!(!text.contains(SECRET), "{text}");
    }
}

#[tokio::test]
async fn p03_a_default_rule_is_changed_through_its_listener() {
    let Some(topology) = Topology::new().await else {
        return;
    };
    let listener = topology.listener.as_str();
    topology
        .raw
        .modify_listener()
        .listener_arn(listener)
        .default_actions(sticky(topology.forward(1, 0), 60))
        .send()
        .await
        .unwrap();
    let splitter = topology.splitter(AlbRule::Default(topology.listener.clone()));
    let rule = splitter.locate().await.unwrap();
    let before = topology.read(&rule).await;
    assert_eq!(before.is_default(), Some(true));
    let mut seen = splitter.observe().await.unwrap();
    for green in [10, 50, 100, 0] {
        seen = splitter
            .shift(&Shift::rise(&seen, percent(green)))
            .await
            .unwrap()
            .into_traffic();
        assert_eq!(topology.weights(&rule).await.1, i32::from(green));
    }
    let after = topology.read(&rule).await;
    assert_eq!(rest(&topology, &after), rest(&topology, &before));
    let listeners = topology.raw.describe_listeners().listener_arns(listener);
    let listeners = listeners.send().await.unwrap();
    assert_eq!(listeners.listeners()[0].default_actions(), after.actions());
}

/// A rule with one group in the short form, as the guide writes it, gets a hint that works.
#[tokio::test]
async fn the_hint_to_attach_green_is_accepted() {
    let Some(topology) = Topology::new().await else {
        return;
    };
    let blue_alone = forward(&[(&topology.blue, 1)]);
    let rule = topology.rule(10, vec![blue_alone]).await;
    let splitter = topology.splitter(AlbRule::Arn(rule.clone()));
    let error = splitter.observe().await.unwrap_err();
    run(&topology, error.hint().unwrap());
    assert_eq!(topology.weights(&rule).await, (1, 0));
    let seen = splitter.observe().await.unwrap();
    splitter
        .shift(&Shift::rise(&seen, percent(10)))
        .await
        .unwrap();
}

#[tokio::test]
async fn p04_the_restore_command_puts_all_on_blue() {
    let Some(topology) = Topology::new().await else {
        return;
    };
    let rule = with_everything(&topology).await;
    let before = topology.read(&rule).await;
    let splitter = topology.splitter(AlbRule::Arn(rule.clone()));
    let seen = splitter.observe().await.unwrap();
    let moved = splitter
        .shift(&Shift::rise(&seen, percent(50)))
        .await
        .unwrap()
        .into_traffic();

    run(&topology, moved.restore_command.as_deref().unwrap());
    assert_eq!(topology.weights(&rule).await, (100, 0));
    let after = topology.read(&rule).await;
    assert_eq!(rest(&topology, &after), rest(&topology, &before));
    let restored = splitter.observe().await.unwrap();
    assert!(restored.is_all_blue());
    assert_eq!(restored.fingerprint, seen.fingerprint);
}

#[tokio::test]
async fn p04_the_restore_command_of_a_default_rule_puts_all_on_blue() {
    let Some(topology) = Topology::new().await else {
        return;
    };
    let listener = topology.listener.as_str();
    let modified = topology.raw.modify_listener().listener_arn(listener);
    let actions = topology.forward(30, 70);
    modified.default_actions(actions).send().await.unwrap();
    let splitter = topology.splitter(AlbRule::Default(topology.listener.clone()));
    let seen = splitter.observe().await.unwrap();

    run(&topology, seen.restore_command.as_deref().unwrap());
    assert!(splitter.observe().await.unwrap().is_all_blue());
}

#[tokio::test]
async fn preflight_finds_groups_in_other_rules() {
    let Some(topology) = Topology::new().await else {
        return;
    };
    let rule = topology.split_rule(10, 1, 0).await;
    let splitter = topology.splitter(AlbRule::Arn(rule));
    let shared = Severity::RefuseUnless(Acceptance::SharedTargets);
    let findings = splitter.preflight().await.unwrap();
    let is_shared = |severity: Severity| severity == shared;
    assert!(!findings.iter().any(|one| is_shared(one.severity)));

    let green_alone = forward(&[(&topology.green, 1)]);
    let other = topology.rule(20, vec![green_alone]).await;
    let findings = splitter.preflight().await.unwrap();
    let found = findings.iter().find(|one| is_shared(one.severity)).unwrap();
    assert!(found.message.contains(other.as_str()), "{found}");
}

/// A rule with everything that a write could lose.
async fn with_everything(topology: &Topology) -> RuleArn {
    let groups = [
        (&topology.blue, 1),
        (&topology.third, 0),
        (&topology.green, 0),
    ];
    let (mut log_in, mut split) = (oidc(), sticky(forward(&groups), 600));
    (log_in.order, split.order) = (Some(1), Some(2));
    topology.rule(10, vec![log_in, split]).await
}

/// The rule without the values that a write may change: our two weights, and the secret and its flag,
/// which AWS never returns.
fn rest(topology: &Topology, rule: &Rule) -> Rule {
    let mut rule = rule.clone();
    for action in rule.actions.iter_mut().flatten() {
        for config in action.authenticate_oidc_config.iter_mut() {
            config.client_secret = None;
            config.use_existing_client_secret = None;
        }
        let configs = action.forward_config.iter_mut();
        for group in configs.flat_map(|config| config.target_groups.iter_mut().flatten()) {
            let arn = group.target_group_arn();
            if arn == Some(topology.blue.as_str()) || arn == Some(topology.green.as_str()) {
                group.weight = None;
            }
        }
    }
    rule
}

/// Runs a command of the AWS command line as the AWS CLI would: the JSON becomes a form.
fn run(topology: &Topology, text: &str) {
    let command = &text[text.find("aws elbv2 ").expect("a command")..];
    let (head, quoted) = command.split_once(" '").expect("a quoted argument");
    let json = quoted
        .strip_suffix('\'')
        .expect("it ends there")
        .replace(r"'\''", "'");
    let words: Vec<&str> = head.split(' ').collect();
    let (action, resource) = match words[2] {
        "modify-rule" => ("ModifyRule", "RuleArn"),
        "modify-listener" => ("ModifyListener", "ListenerArn"),
        other => panic!("{other}?"),
    };
    let lists = match words[7] {
        "--actions" => "Actions",
        "--default-actions" => "DefaultActions",
        other => panic!("{other}?"),
    };
    let mut form = format!("Action={action}&Version=2015-12-01&{resource}={}", words[6]);
    flatten(lists, &serde_json::from_str(&json).unwrap(), &mut form);
    topology
        .endpoint
        .post("elasticloadbalancing", &form)
        .expect("it is accepted");
}

/// Lists as `.member.1`, maps (the only names in lower case) as `.entry.1`.
fn flatten(name: &str, value: &Value, form: &mut String) {
    match value {
        Value::Array(values) => {
            for (index, value) in (1..).zip(values) {
                flatten(&format!("{name}.member.{index}"), value, form);
            }
        }
        Value::Object(fields) if name.ends_with("ExtraParams") => {
            for (index, (key, value)) in (1..).zip(fields) {
                flatten(
                    &format!("{name}.entry.{index}.key"),
                    &key.as_str().into(),
                    form,
                );
                flatten(&format!("{name}.entry.{index}.value"), value, form);
            }
        }
        Value::Object(fields) => {
            for (field, value) in fields {
                flatten(&format!("{name}.{field}"), value, form);
            }
        }
        Value::String(text) => form.push_str(&format!("&{name}={}", escaped(text))),
        other => form.push_str(&format!("&{name}={other}")),
    }
}

fn escaped(text: &str) -> String {
    let escape = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}
