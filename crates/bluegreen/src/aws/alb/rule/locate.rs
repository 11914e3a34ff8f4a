//! Reads rules, and finds the rule that the caller named.

use std::collections::HashSet;

use aws_sdk_elasticloadbalancingv2::{
    operation::{describe_listeners::DescribeListenersInput, describe_rules::DescribeRulesInput},
    types::{Listener, Rule},
};

use super::{advice, forward};
use crate::{
    aws::{
        alb::{AlbRule, ListenerArn, LoadBalancerArn, RuleArn, TargetGroupArn},
        api::ElbApi,
    },
    error::{Error, ErrorKind, Result},
    traffic::{Side, Sides},
};

/// Returns the ARN of the named rule. Lists the listener's rules unless the ARN is given.
pub(in crate::aws::alb) async fn locate(
    elb: &dyn ElbApi,
    rule: &AlbRule,
    groups: &Sides<TargetGroupArn>,
) -> Result<RuleArn> {
    let AlbRule::Only(listener) = rule else {
        return named(elb, rule).await;
    };
    let rules = rules_of(elb, listener).await?;
    arn_of(&with_both(rule, rules, groups)?, rule)
}

/// The ARN of a rule that can be found without its target groups.
pub(super) async fn named(elb: &dyn ElbApi, rule: &AlbRule) -> Result<RuleArn> {
    let found = match rule {
        AlbRule::Arn(arn) => return Ok(arn.clone()),
        AlbRule::Priority { listener, priority } => {
            let rules = rules_of(elb, listener).await?;
            with_priority(rule, rules, &priority.to_string())?
        }
        AlbRule::Default(listener) => {
            let rules = rules_of(elb, listener).await?;
            let default = rules.into_iter().find(forward::is_default);
            default.ok_or_else(|| {
                Error::new(ErrorKind::NotFound, format!("find {rule}"))
                    .with_hint("the answer held no default rule: name the rule by its ARN")
            })?
        }
        AlbRule::Only(_) => {
            let message = format!("find {rule}: it can only be found by its target groups");
            return Err(Error::new(ErrorKind::Invalid, message));
        }
    };
    arn_of(&found, rule)
}

pub(super) fn arn_of(found: &Rule, wanted: &AlbRule) -> Result<RuleArn> {
    let arn = found.rule_arn.as_deref().unwrap_or_default();
    arn.parse().map_err(|error| {
        Error::new(ErrorKind::Refused, format!("read the ARN of {wanted}")).with_source(error)
    })
}

fn with_priority(wanted: &AlbRule, rules: Vec<Rule>, priority: &str) -> Result<Rule> {
    let seen: Vec<&str> = rules.iter().filter_map(|rule| rule.priority()).collect();
    let hint = if seen.is_empty() {
        "the listener has no rules: check its ARN".to_owned()
    } else {
        format!("the listener has rules of priority {}", seen.join(", "))
    };
    rules
        .into_iter()
        .find(|rule| rule.priority.as_deref() == Some(priority))
        .ok_or_else(|| Error::new(ErrorKind::NotFound, format!("find {wanted}")).with_hint(hint))
}

/// Returns the ARN of the named rule if green may not be in it yet: [`AlbRule::Only`] is the one rule
/// that forwards to blue.
pub(in crate::aws::alb) async fn with_blue(
    elb: &dyn ElbApi,
    rule: &AlbRule,
    blue: &TargetGroupArn,
) -> Result<RuleArn> {
    let AlbRule::Only(listener) = rule else {
        return named(elb, rule).await;
    };
    let rules = rules_of(elb, listener).await?;
    let holds = |rule: &&Rule| {
        let groups = forward::groups_of_rule(rule);
        groups.iter().any(|one| one.arn == blue.as_str())
    };
    let found: Vec<&Rule> = rules.iter().filter(holds).collect();
    let attempted = format!(
        "find the rule of {listener} that forwards to {}",
        blue.name()
    );
    match found[..] {
        [only] => arn_of(only, rule),
        [] => {
            let hint = advice::did_you_mean(&rules, blue).unwrap_or_else(|| {
                "check the ARNs of the listener and of blue's target group".to_owned()
            });
            Err(Error::new(ErrorKind::NotFound, attempted).with_hint(hint))
        }
        _ => {
            let named: Vec<String> = found.iter().map(|rule| forward::describe(rule)).collect();
            let message = format!("{attempted}: several rules do: {}", named.join(", "));
            Err(Error::new(ErrorKind::Refused, message)
                .with_hint("name the rule by its ARN (--rule-arn) or its priority (--priority)"))
        }
    }
}

fn with_both(wanted: &AlbRule, rules: Vec<Rule>, groups: &Sides<TargetGroupArn>) -> Result<Rule> {
    let mut one_sided = Vec::new();
    let mut both = Vec::new();
    for rule in &rules {
        let listed = forward::groups_of_rule(rule);
        let holds = |group: &TargetGroupArn| listed.iter().any(|one| one.arn == group.as_str());
        match (holds(&groups.blue), holds(&groups.green)) {
            (true, true) => both.push(rule),
            (true, false) => one_sided.push((rule, Side::Blue, Side::Green)),
            (false, true) => one_sided.push((rule, Side::Green, Side::Blue)),
            (false, false) => {}
        }
    }
    if both.len() > 1 {
        let named: Vec<String> = both.iter().map(|rule| forward::describe(rule)).collect();
        return Err(Error::new(
            ErrorKind::Refused,
            format!("find {wanted}: several rules do: {}", named.join(", ")),
        )
        .with_hint("name the rule by its ARN (--rule-arn) or its priority (--priority)"));
    }
    if let Some(rule) = both.pop() {
        return Ok(rule.clone());
    }
    let seen: Vec<String> = one_sided
        .iter()
        .map(|(rule, side, _)| format!("{} forwards to {side} only", forward::describe(rule)))
        .collect();
    let (seen, hint) = match &one_sided[..] {
        [] => {
            let meant = [&groups.blue, &groups.green].map(|one| advice::did_you_mean(&rules, one));
            let meant: Vec<String> = meant.into_iter().flatten().collect();
            let hint = match meant.is_empty() {
                true => "check the ARNs of the listener and of the target groups".to_owned(),
                false => meant.join(" "),
            };
            let count = rules.len();
            (
                format!("none of its {count} rules forwards to either group"),
                hint,
            )
        }
        [(rule, _, absent)] => {
            let hint = advice::on_absent(rule, *absent, groups);
            (seen.join(", "), hint)
        }
        _ => (
            seen.join(", "),
            "name the rule by its ARN (--rule-arn) or its priority (--priority)".to_owned(),
        ),
    };
    Err(Error::new(ErrorKind::NotFound, format!("find {wanted}: {seen}")).with_hint(hint))
}

/// Reads one rule.
pub(in crate::aws::alb) async fn rule_of(elb: &dyn ElbApi, arn: &RuleArn) -> Result<Rule> {
    let input = DescribeRulesInput::builder().rule_arns(arn.as_str());
    let attempted = || format!("describe rule {arn}");
    let output = elb
        .describe_rules(input)
        .await
        .map_err(|error| error.into_error(attempted()))?;
    let rules = output.rules.unwrap_or_default();
    rules
        .into_iter()
        .find(|rule| rule.rule_arn.as_deref() == Some(arn.as_str()))
        .ok_or_else(|| {
            Error::new(ErrorKind::NotFound, attempted())
                .with_hint("the rule may have been deleted: look at its listener")
        })
}

/// All rules of a listener, page after page
/// ([ELB API](https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DescribeRules.html)).
pub(in crate::aws::alb) async fn rules_of(
    elb: &dyn ElbApi,
    listener: &ListenerArn,
) -> Result<Vec<Rule>> {
    let attempted = || format!("list the rules of listener {listener}");
    let mut rules = Vec::new();
    let mut pages = Pages::default();
    loop {
        let input = DescribeRulesInput::builder()
            .listener_arn(listener.as_str())
            .set_marker(pages.marker());
        let output = elb
            .describe_rules(input)
            .await
            .map_err(|error| error.into_error(attempted()))?;
        rules.extend(output.rules.unwrap_or_default());
        if !pages.turn(output.next_marker, attempted)? {
            return Ok(rules);
        }
    }
}

/// All listeners of an application load balancer.
pub(in crate::aws::alb) async fn listeners_of(
    elb: &dyn ElbApi,
    balancer: &LoadBalancerArn,
) -> Result<Vec<Listener>> {
    listeners_at(elb, balancer.as_str()).await
}

/// All listeners of a load balancer of any kind, page after page.
pub(super) async fn listeners_at(elb: &dyn ElbApi, balancer: &str) -> Result<Vec<Listener>> {
    let attempted = || format!("list the listeners of load balancer {balancer}");
    let mut listeners = Vec::new();
    let mut pages = Pages::default();
    loop {
        let input = DescribeListenersInput::builder()
            .load_balancer_arn(balancer)
            .set_marker(pages.marker());
        let output = elb
            .describe_listeners(input)
            .await
            .map_err(|error| error.into_error(attempted()))?;
        listeners.extend(output.listeners.unwrap_or_default());
        if !pages.turn(output.next_marker, attempted)? {
            return Ok(listeners);
        }
    }
}

/// The position in a listing, and the guard that the listing ends.
#[derive(Debug, Default)]
struct Pages {
    marker: Option<String>,
    seen: HashSet<String>,
}

impl Pages {
    fn marker(&self) -> Option<String> {
        self.marker.clone()
    }

    /// Whether there is a next page. A marker that is repeated would page for ever.
    fn turn(&mut self, next: Option<String>, attempted: impl Fn() -> String) -> Result<bool> {
        self.marker = next.filter(|marker| !marker.is_empty());
        match &self.marker {
            None => Ok(false),
            Some(marker) if self.seen.insert(marker.clone()) => Ok(true),
            Some(_) => Err(Error::new(
                ErrorKind::Unavailable,
                format!("{}: the same page came twice", attempted()),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_elasticloadbalancingv2::{
        operation::describe_rules::DescribeRulesOutput, types::Action,
    };
    use mockall::Sequence;

    use super::*;
    use crate::{
        aws::{
            alb::testing::*,
            api::{ApiError, MockElbApi},
        },
        traffic::TrafficSplitter,
    };

    fn other(priority: &str, actions: Vec<Action>) -> Rule {
        Rule::builder()
            .rule_arn(OTHER_RULE)
            .priority(priority)
            .is_default(priority == "default")
            .set_actions(Some(actions))
            .build()
    }

    fn by_priority() -> AlbRule {
        AlbRule::Priority {
            listener: listener_arn(),
            priority: 100,
        }
    }

    fn only() -> AlbRule {
        AlbRule::Only(listener_arn())
    }

    /// The listener's rules come on these pages, the first one without a marker.
    fn expect_pages(elb: &mut MockElbApi, sequence: &mut Sequence, pages: Vec<Vec<Rule>>) {
        let count = pages.len();
        for (index, rules) in pages.into_iter().enumerate() {
            let marker = |index: usize| (index > 0).then(|| format!("page-{index}"));
            let wanted = DescribeRulesInput::builder()
                .listener_arn(LISTENER)
                .set_marker(marker(index));
            let next = if index + 1 < count {
                marker(index + 1)
            } else {
                None
            };
            elb.expect_describe_rules()
                .withf(move |input| *input == wanted)
                .times(1)
                .in_sequence(sequence)
                .return_once(|_| {
                    Ok(DescribeRulesOutput::builder()
                        .set_rules(Some(rules))
                        .set_next_marker(next)
                        .build())
                });
        }
    }

    async fn located(rule: AlbRule, pages: Vec<Vec<Rule>>) -> Result<RuleArn> {
        let mut elb = MockElbApi::new();
        expect_pages(&mut elb, &mut Sequence::new(), pages);
        splitter_of(elb, rule).locate().await
    }

    fn both() -> Vec<Action> {
        vec![forward(&[(BLUE, 1), (GREEN, 0)])]
    }

    #[tokio::test]
    async fn p04_finds_a_rule_on_the_second_page() {
        for rule in [by_priority(), only()] {
            let pages = vec![vec![other("1", vec![scalar(THIRD)])], vec![rule_of_test()]];
            assert_eq!(located(rule, pages).await.unwrap(), rule_arn());
        }
        let pages = vec![vec![other("1", vec![])], vec![], vec![default_rule(both())]];
        let default = AlbRule::Default(listener_arn());
        assert_eq!(located(default, pages).await.unwrap(), rule_arn());
    }

    fn rule_of_test() -> Rule {
        rule(both())
    }

    /// A third party that reorders priorities in between changes nothing.
    #[tokio::test]
    async fn p04_a_rule_is_looked_up_once_and_then_followed_by_its_arn() {
        let (mut elb, mut sequence) = (MockElbApi::new(), Sequence::new());
        expect_pages(&mut elb, &mut sequence, vec![vec![rule_of_test()]]);
        for _ in 0..2 {
            expect_rule(&mut elb, &mut sequence, Ok(rule_of_test()));
            expect_targets(&mut elb);
        }
        let splitter = splitter_of(elb, by_priority());
        splitter.observe().await.unwrap();
        splitter.observe().await.unwrap();
    }

    #[tokio::test]
    async fn a_look_up_that_failed_is_tried_again() {
        let (mut elb, mut sequence) = (MockElbApi::new(), Sequence::new());
        elb.expect_describe_rules()
            .times(1)
            .in_sequence(&mut sequence)
            .return_once(|_| {
                let kind = ErrorKind::Throttled;
                Err(ApiError::new(
                    kind,
                    "DescribeRules",
                    "Throttling",
                    "Rate exceeded",
                ))
            });
        expect_pages(&mut elb, &mut sequence, vec![vec![rule_of_test()]]);
        let splitter = splitter_of(elb, by_priority());
        let error = splitter.locate().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Throttled);
        assert_eq!(splitter.locate().await.unwrap(), rule_arn());
    }

    #[tokio::test]
    async fn a_given_arn_needs_no_call() {
        let splitter = splitter(MockElbApi::new());
        assert_eq!(splitter.locate().await.unwrap(), rule_arn());
    }

    #[tokio::test]
    async fn p04_a_missing_priority_is_not_found_with_those_there_are() {
        let pages = vec![vec![other("1", vec![]), other("default", vec![])]];
        let error = located(by_priority(), pages).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let hint = error.hint().unwrap();
        assert!(hint.ends_with("rules of priority 1, default"), "{hint}");
    }

    #[tokio::test]
    async fn p04_an_empty_answer_is_not_found() {
        for rule in [by_priority(), only(), AlbRule::Default(listener_arn())] {
            let error = located(rule, vec![vec![]]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound);
            assert!(error.hint().is_some());
        }
    }

    #[tokio::test]
    async fn p04_a_rule_with_blue_only_says_how_to_attach_green() {
        let pages = vec![vec![rule(vec![oidc_with_secret(), scalar(BLUE)])]];
        let error = located(only(), pages).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let named = format!("rule {RULE} (priority 100) forwards to blue only");
        assert!(error.message().contains(&named), "{error}");
        let hint = error.hint().unwrap();
        assert!(hint.contains(&format!(r#""{GREEN}","Weight":0"#)), "{hint}");
        assert!(!hint.contains(SECRET));

        let several = vec![vec![
            rule(vec![scalar(BLUE)]),
            other("7", vec![scalar(GREEN)]),
        ]];
        let error = located(only(), several).await.unwrap_err();
        assert!(
            error
                .message()
                .contains("(priority 7) forwards to green only"),
            "{error}"
        );
        assert!(error.hint().unwrap().contains("--rule-arn"));
    }

    /// A digit of the ARN that is named is another one.
    #[tokio::test]
    async fn p04_a_mistyped_group_is_answered_with_the_one_that_is_meant() {
        let mistyped = |arn: &str| arn.replace("/7", "/8").replace("/9", "/8");
        let group = |arn: &str| mistyped(arn).parse::<TargetGroupArn>().unwrap();
        for (actions, groups, meant) in [
            (
                both(),
                Sides {
                    blue: group(BLUE),
                    ..groups()
                },
                BLUE,
            ),
            (
                both(),
                Sides {
                    green: group(GREEN),
                    ..groups()
                },
                GREEN,
            ),
            (
                vec![scalar(BLUE)],
                Sides {
                    blue: group(BLUE),
                    ..groups()
                },
                BLUE,
            ),
        ] {
            let error = with_both(&only(), vec![rule(actions)], &groups).unwrap_err();
            let hint = error.hint().unwrap();
            assert!(hint.contains(&format!("did you mean {meant}?")), "{hint}");
            assert!(!hint.contains("aws elbv2"), "{hint}");
        }
    }

    #[tokio::test]
    async fn p04_two_rules_that_match_are_refused_by_name() {
        let pages = vec![vec![rule_of_test()], vec![other("5", both())]];
        let error = located(only(), pages).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert!(error.message().contains(RULE) && error.message().contains(OTHER_RULE));
        let hint = error.hint().unwrap();
        assert!(
            hint.contains("--rule-arn") && hint.contains("--priority"),
            "{hint}"
        );
    }

    #[tokio::test]
    async fn a_rule_whose_arn_is_not_one_is_refused() {
        let mut nameless = rule_of_test();
        nameless.rule_arn = None;
        let error = located(only(), vec![vec![nameless]]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
    }

    #[tokio::test]
    async fn a_listing_that_goes_round_in_circles_ends() {
        let mut elb = MockElbApi::new();
        elb.expect_describe_rules()
            .times(2)
            .returning(|_| Ok(DescribeRulesOutput::builder().next_marker("again").build()));
        let error = splitter_of(elb, only()).locate().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(
            error.message().contains("the same page came twice"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn an_empty_marker_is_the_end() {
        let mut elb = MockElbApi::new();
        elb.expect_describe_rules().times(1).returning(|_| {
            Ok(DescribeRulesOutput::builder()
                .rules(rule_of_test())
                .next_marker("")
                .build())
        });
        assert_eq!(splitter_of(elb, only()).locate().await.unwrap(), rule_arn());
    }
}
