//! Checks that are made once, before the first write.

use std::time::Duration;

use aws_sdk_elasticloadbalancingv2::{
    operation::describe_target_groups::DescribeTargetGroupsInput,
    types::{Listener, Rule, TargetGroup},
};

use super::{
    LoadBalancerArn, RuleArn, TargetGroupArn,
    rule::{conditions::has_header_condition, forward, locate, test_route::is_test_route},
    tags::tags_of,
};
use crate::{
    aws::api::ElbApi,
    error::{Error, ErrorKind, Result},
    preflight::{Acceptance, Finding},
    traffic::{Side, Sides},
};

/// Finds the other rules of the load balancer of `own` that send traffic to blue or green too. A
/// target group belongs to one load balancer
/// ([quotas](https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html)),
/// so no other balancer needs to be read.
pub(super) async fn shared_targets(
    elb: &dyn ElbApi,
    own: &RuleArn,
    groups: &Sides<TargetGroupArn>,
) -> Result<Vec<Finding>> {
    let balancer = own.listener().load_balancer();
    let mut findings = Vec::new();
    // One listing after the other: all callers in the account share one small allowance.
    for listener in locate::listeners_of(elb, &balancer).await? {
        let arn = listener
            .listener_arn
            .as_deref()
            .unwrap_or_default()
            .parse()
            .map_err(|error| {
                let attempted = format!("read the ARN of a listener of load balancer {balancer}");
                Error::new(ErrorKind::Refused, attempted).with_source(error)
            })?;
        let rules = locate::rules_of(elb, &arn).await?;
        for rule in &rules {
            if rule.rule_arn.as_deref() == Some(own.as_str()) {
                continue;
            }
            let shared = shared_by(&listener, rule, groups);
            if !shared.is_empty() && is_of_tests(elb, rule, &rules).await {
                findings.push(Finding::note(format!(
                    "tests reach green by {}, and their requests count as green's",
                    forward::describe(rule)
                )));
            } else {
                findings.extend(shared);
            }
        }
    }
    Ok(findings)
}

/// Whether a rule is a test route that [`GreenPlace`](super::GreenPlace) made or adopted. If its tags
/// cannot be read, the rule counts as one for users.
async fn is_of_tests(elb: &dyn ElbApi, rule: &Rule, rules: &[Rule]) -> bool {
    let arn = rule.rule_arn.as_deref().unwrap_or_default();
    if !has_header_condition(rule) {
        return false;
    }
    match tags_of(elb, &[arn]).await {
        Ok(tags) => tags
            .get(arn)
            .is_some_and(|own| is_test_route(rule, own, rules)),
        Err(error) => {
            tracing::debug!(rule = arn, %error, "its tags are not known");
            false
        }
    }
}

fn shared_by(listener: &Listener, rule: &Rule, groups: &Sides<TargetGroupArn>) -> Vec<Finding> {
    let listed = forward::groups_of_rule(rule);
    let port = listener.port.map_or_else(
        || "of an unknown port".to_owned(),
        |port| format!("on port {port}"),
    );
    let mut findings = Vec::new();
    for side in [Side::Blue, Side::Green] {
        let group = groups.get(side);
        for found in listed.iter().filter(|one| one.arn == group.as_str()) {
            let message = format!(
                "{} {port} also forwards to {side}'s target group {} with weight {}",
                forward::describe(rule),
                group.name(),
                found.weight
            );
            findings.push(if found.weight == 0 {
                Finding::note(message)
            } else {
                Finding::refusal_unless(Acceptance::SharedTargets, message).with_hint(format!(
                    "give that rule target groups of its own; or accept `{}`, and shares, capacity and \
                     metrics include traffic that this migration does not steer",
                    Acceptance::SharedTargets
                ))
            });
        }
    }
    findings
}

/// Findings on the target groups themselves.
pub(super) async fn target_groups(
    elb: &dyn ElbApi,
    balancer: &LoadBalancerArn,
    groups: &Sides<TargetGroupArn>,
) -> Result<Vec<Finding>> {
    let attempted = format!(
        "describe target groups {} and {}",
        groups.blue, groups.green
    );
    let input = DescribeTargetGroupsInput::builder()
        .target_group_arns(groups.blue.as_str())
        .target_group_arns(groups.green.as_str());
    let output = elb
        .describe_target_groups(input)
        .await
        .map_err(|error| error.into_error(attempted.as_str()))?;
    let found = |side: Side| {
        let arn = groups.get(side);
        let mut all = output.target_groups().iter();
        all.find(|group| group.target_group_arn.as_deref() == Some(arn.as_str()))
            .ok_or_else(|| {
                Error::new(
                    ErrorKind::NotFound,
                    format!("{attempted}: the answer lacks {side}'s {arn}"),
                )
                .with_hint("check the ARN, its region and its account")
            })
    };
    let (blue, green) = (found(Side::Blue)?, found(Side::Green)?);
    let mut findings = Vec::new();
    for (side, group) in [(Side::Blue, blue), (Side::Green, green)] {
        findings.extend(elsewhere(side, group, balancer));
        findings.push(health_checks(side, group));
    }
    findings.extend(differences(blue, green));
    Ok(findings)
}

fn elsewhere(side: Side, group: &TargetGroup, balancer: &LoadBalancerArn) -> Option<Finding> {
    let others: Vec<&str> = group
        .load_balancer_arns()
        .iter()
        .map(String::as_str)
        .filter(|arn| *arn != balancer.as_str())
        .collect();
    (!others.is_empty()).then(|| {
        Finding::refusal_unless(
            Acceptance::SharedTargets,
            format!("{side}'s target group also serves {}", others.join(", ")),
        )
        .with_hint(format!(
            "check the target group's ARN, or accept `{}`",
            Acceptance::SharedTargets
        ))
    })
}

/// Without health checks no target ever counts as healthy, and no capacity can be seen.
fn health_checks(side: Side, group: &TargetGroup) -> Finding {
    let name = group.target_group_name.as_deref().unwrap_or("unnamed");
    if group.health_check_enabled == Some(false) {
        return Finding::refusal(format!(
            "health checks of {side}'s target group {name} are off, so its capacity cannot be seen"
        ))
        .with_hint("turn on health checks of the target group");
    }
    let interval = group.health_check_interval_seconds;
    let (Some(interval), Some(failures)) = (interval, group.unhealthy_threshold_count) else {
        return Finding::note(format!(
            "the interval of the health checks of {side}'s target group {name} is not known"
        ));
    };
    Finding::note(format!(
        "the balancer takes about {} s to notice a dead target of {side} (target group {name}, interval {interval} s × {failures})",
        i64::from(interval) * i64::from(failures)
    ))
}

fn differences(blue: &TargetGroup, green: &TargetGroup) -> Vec<Finding> {
    let text = |group: &TargetGroup| {
        [
            group.protocol.as_ref().map(|one| one.as_str().to_owned()),
            group.protocol_version.clone(),
            group
                .target_type
                .as_ref()
                .map(|one| one.as_str().to_owned()),
        ]
        .map(|field| field.unwrap_or_else(|| "unknown".to_owned()))
    };
    let names = ["protocol", "protocol version", "target type"];
    let pairs = text(blue).into_iter().zip(text(green));
    names
        .into_iter()
        .zip(pairs)
        .filter(|(_, (blue, green))| blue != green)
        .map(|(name, (blue, green))| {
            Finding::note(format!(
                "the target groups differ in {name}: blue has {blue}, green has {green}"
            ))
        })
        .collect()
}

/// A note on stickiness. The code that knows the steps judges whether it is too long.
pub(super) fn stickiness(length: Duration) -> Finding {
    Finding::note(format!(
        "clients stay for {} s on the side that they first reach, whatever the weights say",
        length.as_secs()
    ))
}

#[cfg(test)]
mod tests {
    use aws_sdk_elasticloadbalancingv2::{
        operation::{
            describe_listeners::{DescribeListenersInput, DescribeListenersOutput},
            describe_rules::{DescribeRulesInput, DescribeRulesOutput},
            describe_target_groups::DescribeTargetGroupsOutput,
        },
        types::{ProtocolEnum, TargetTypeEnum},
    };
    use mockall::Sequence;

    use super::*;
    use crate::{
        aws::{
            alb::testing::*,
            api::{ApiError, MockElbApi},
        },
        preflight::Severity,
        traffic::TrafficSplitter,
    };

    const HTTPS: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/chatbot/50dc6c495c0c9188/aaaabbbbccccdddd";

    fn group(arn: &str) -> TargetGroup {
        let parsed: TargetGroupArn = arn.parse().unwrap();
        TargetGroup::builder()
            .target_group_arn(arn)
            .target_group_name(parsed.name())
            .protocol(ProtocolEnum::Http)
            .protocol_version("HTTP1")
            .target_type(TargetTypeEnum::Ip)
            .health_check_enabled(true)
            .health_check_interval_seconds(30)
            .unhealthy_threshold_count(3)
            .load_balancer_arns(BALANCER)
            .build()
    }

    fn other(
        arn: &str,
        priority: &str,
        actions: Vec<aws_sdk_elasticloadbalancingv2::types::Action>,
    ) -> Rule {
        Rule::builder()
            .rule_arn(arn)
            .priority(priority)
            .set_actions(Some(actions))
            .build()
    }

    fn listener(arn: &str, port: i32) -> Listener {
        Listener::builder().listener_arn(arn).port(port).build()
    }

    /// Two listeners on a page each; the first one's rules come on two pages.
    fn expect_survey(elb: &mut MockElbApi, sequence: &mut Sequence, pages: [Vec<Rule>; 3]) {
        for (marker, next, answer) in [
            (None, Some("2"), listener(LISTENER, 80)),
            (Some("2"), None, listener(HTTPS, 443)),
        ] {
            let wanted = DescribeListenersInput::builder()
                .load_balancer_arn(BALANCER)
                .set_marker(marker.map(str::to_owned));
            elb.expect_describe_listeners()
                .withf(move |input| *input == wanted)
                .times(1)
                .in_sequence(sequence)
                .return_once(move |_| {
                    Ok(DescribeListenersOutput::builder()
                        .listeners(answer)
                        .set_next_marker(next.map(str::to_owned))
                        .build())
                });
        }
        let asked = [
            (LISTENER, None, Some("2")),
            (LISTENER, Some("2"), None),
            (HTTPS, None, None),
        ];
        for ((arn, marker, next), rules) in asked.into_iter().zip(pages) {
            let wanted = DescribeRulesInput::builder()
                .listener_arn(arn)
                .set_marker(marker.map(str::to_owned));
            elb.expect_describe_rules()
                .withf(move |input| *input == wanted)
                .times(1)
                .in_sequence(sequence)
                .return_once(move |_| {
                    Ok(DescribeRulesOutput::builder()
                        .set_rules(Some(rules))
                        .set_next_marker(next.map(str::to_owned))
                        .build())
                });
        }
    }

    fn expect_groups(elb: &mut MockElbApi, answer: Result<Vec<TargetGroup>, ApiError>) {
        let wanted = DescribeTargetGroupsInput::builder()
            .target_group_arns(BLUE)
            .target_group_arns(GREEN);
        elb.expect_describe_target_groups()
            .withf(move |input| *input == wanted)
            .times(1)
            .return_once(|_| {
                Ok(DescribeTargetGroupsOutput::builder()
                    .set_target_groups(Some(answer?))
                    .build())
            });
    }

    async fn preflight(
        own: Rule,
        pages: [Vec<Rule>; 3],
        groups: Vec<TargetGroup>,
    ) -> Result<Vec<Finding>> {
        let (mut elb, mut sequence) = (MockElbApi::new(), Sequence::new());
        expect_rule(&mut elb, &mut sequence, Ok(own));
        expect_survey(&mut elb, &mut sequence, pages);
        expect_groups(&mut elb, Ok(groups));
        splitter(elb).preflight().await
    }

    fn blocking(findings: &[Finding]) -> Vec<&Finding> {
        let all = findings.iter();
        all.filter(|finding| finding.severity != Severity::Note)
            .collect()
    }

    #[tokio::test]
    async fn a_sound_rule_gets_notes_only() {
        let findings = preflight(
            split(1, 0),
            [
                vec![split(1, 0)],
                vec![],
                vec![other(OTHER_RULE, "1", vec![scalar(THIRD)])],
            ],
            vec![group(GREEN), group(BLUE)],
        )
        .await
        .unwrap();
        let notes: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert_eq!(
            notes,
            [
                "the balancer takes about 90 s to notice a dead target of blue (target group flask, interval 30 s × 3)",
                "the balancer takes about 90 s to notice a dead target of green (target group fastapi, interval 30 s × 3)",
            ]
        );
        assert!(blocking(&findings).is_empty());
    }

    #[tokio::test]
    async fn groups_in_other_rules_are_found_on_every_page_of_every_listener() {
        let elsewhere = RULE.replace("9683b2d02a6cabee", "ffffffffffffffff");
        let attached = RULE.replace("9683b2d02a6cabee", "eeeeeeeeeeeeeeee");
        let findings = preflight(
            split(1, 0),
            [
                vec![split(1, 0)],
                vec![other(OTHER_RULE, "20", vec![scalar(BLUE)])],
                vec![
                    other(&elsewhere, "30", vec![forward(&[(THIRD, 1), (GREEN, 5)])]),
                    other(&attached, "40", vec![forward(&[(THIRD, 1), (GREEN, 0)])]),
                ],
            ],
            vec![group(BLUE), group(GREEN)],
        )
        .await
        .unwrap();
        let found = blocking(&findings);
        let texts: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                format!(
                    "rule {OTHER_RULE} (priority 20) on port 80 also forwards to blue's target group flask with weight 1"
                ),
                format!(
                    "rule {elsewhere} (priority 30) on port 443 also forwards to green's target group fastapi with weight 5"
                ),
            ]
        );
        for finding in found {
            let accepted = Severity::RefuseUnless(Acceptance::SharedTargets);
            assert_eq!(finding.severity, accepted);
            assert!(
                finding
                    .hint
                    .as_deref()
                    .unwrap()
                    .contains("`shared-targets`")
            );
        }
        let note = findings
            .iter()
            .find(|one| one.message.contains(&attached))
            .unwrap();
        assert_eq!(note.severity, Severity::Note);
    }

    #[tokio::test]
    async fn everything_comes_at_once() {
        let own = rule(vec![sticky(forward(&[(BLUE, 1), (THIRD, 3)]), 60)]);
        let mut blue = group(BLUE);
        blue.health_check_enabled = Some(false);
        let mut green = group(GREEN);
        green.protocol_version = Some("HTTP2".to_owned());
        green.load_balancer_arns = Some(vec![BALANCER.replace("chatbot", "other")]);
        let shared = other(OTHER_RULE, "20", vec![scalar(GREEN)]);
        let findings = preflight(own, [vec![shared], vec![], vec![]], vec![blue, green])
            .await
            .unwrap();
        for text in [
            "also forwards to target group",
            "does not forward to green's",
            "(priority 20) on port 80 also forwards to green's",
            "also serves arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/other",
            "health checks of blue's target group flask are off",
        ] {
            let blocking = blocking(&findings);
            let found = blocking.iter().find(|one| one.message.contains(text));
            assert!(
                found.is_some_and(|one| one.hint.is_some()),
                "{text} in {findings:?}"
            );
        }
        let differs =
            "the target groups differ in protocol version: blue has HTTP1, green has HTTP2";
        assert!(findings.contains(&Finding::note(differs)), "{findings:?}");
    }

    #[tokio::test]
    async fn stickiness_is_noted() {
        let own = rule(vec![sticky(forward(&[(BLUE, 1), (GREEN, 0)]), 3600)]);
        let groups = vec![group(BLUE), group(GREEN)];
        let findings = preflight(own, [vec![], vec![], vec![]], groups)
            .await
            .unwrap();
        assert!(
            findings[0].message.starts_with("clients stay for 3600 s"),
            "{findings:?}"
        );
    }

    #[tokio::test]
    async fn a_check_of_unknown_pace_is_said_to_be_so() {
        let mut blue = group(BLUE);
        blue.unhealthy_threshold_count = None;
        let groups = vec![blue, group(GREEN)];
        let findings = preflight(split(1, 0), [vec![], vec![], vec![]], groups)
            .await
            .unwrap();
        assert!(
            findings[0].message.ends_with("is not known"),
            "{findings:?}"
        );
    }

    #[tokio::test]
    async fn a_target_group_that_is_not_there_is_an_error() {
        let pages = [vec![], vec![], vec![]];
        let error = preflight(split(1, 0), pages, vec![group(BLUE)])
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(
            error.message().ends_with(&format!("lacks green's {GREEN}")),
            "{error}"
        );
    }

    #[tokio::test]
    async fn errors_of_the_survey_are_passed_on() {
        for kind in [ErrorKind::Denied, ErrorKind::Throttled, ErrorKind::NotFound] {
            let mut elb = MockElbApi::new();
            expect_rule(&mut elb, &mut Sequence::new(), Ok(split(1, 0)));
            elb.expect_describe_listeners()
                .times(1)
                .return_once(move |_| {
                    Err(ApiError::new(kind, "DescribeListeners", "Code", "message"))
                });
            let error = splitter(elb).preflight().await.unwrap_err();
            assert_eq!(error.kind(), kind);
            assert_eq!(error.hint().is_some(), kind != ErrorKind::Throttled);
        }
    }
}
