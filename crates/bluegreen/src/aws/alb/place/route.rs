//! The test route: a rule before the main one, with one more condition, that forwards to green alone.

use std::collections::BTreeSet;

use aws_sdk_elasticloadbalancingv2::{
    operation::create_rule::{CreateRuleInput, builders::CreateRuleInputBuilder},
    types::{Action, ActionTypeEnum, HttpHeaderConditionConfig, Rule, RuleCondition},
};

use super::TestHeader;
use crate::{
    aws::alb::{
        RuleArn, TargetGroupArn,
        rule::{
            conditions::{exclude_each_other, has_header_condition, headers_asked},
            forward,
        },
        tags::{ATTACHED_TO, MADE_FOR, Tags, tag},
    },
    preflight::Finding,
};

/// A rule has up to five values in its conditions
/// ([quotas](https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html)).
const MOST_VALUES: usize = 5;
/// Priorities go from 1 to this value.
const LAST_PRIORITY: i32 = 50_000;

/// The position at which a rule is evaluated; the default rule is last.
fn turn(rule: &Rule) -> i32 {
    let priority = rule.priority.as_deref().and_then(|text| text.parse().ok());
    priority.unwrap_or(LAST_PRIORITY + 1)
}

/// Whether a rule asks for this header, with this value alone.
fn asks_for(rule: &Rule, header: &TestHeader) -> bool {
    headers_asked(rule)
        .any(|config| is_named(config, header) && config.values() == [header.value()])
}

fn is_named(config: &HttpHeaderConditionConfig, header: &TestHeader) -> bool {
    let name = config.http_header_name.as_deref().unwrap_or_default();
    name.eq_ignore_ascii_case(header.name())
}

/// Returns the other rules that forward requests with a header to this group alone.
pub(super) fn candidates<'a>(
    rules: &'a [Rule],
    main: &Rule,
    group: &TargetGroupArn,
) -> Vec<(RuleArn, &'a Rule)> {
    let leads_here = |rule: &Rule| {
        let groups = forward::groups_of_rule(rule);
        !groups.is_empty() && groups.iter().all(|one| one.arn == group.as_str())
    };
    rules
        .iter()
        .filter(|rule| rule.rule_arn != main.rule_arn)
        .filter(|rule| has_header_condition(rule) && leads_here(rule))
        .filter_map(|rule| Some((rule.rule_arn.as_deref()?.parse().ok()?, rule)))
        .collect()
}

/// Whether a candidate is the test route: it asks for this header, which the main rule does not, and
/// comes before the main rule.
pub(super) fn is_it(rule: &Rule, header: &TestHeader, main: &Rule) -> bool {
    asks_for(rule, header) && !asks_for(main, header) && turn(rule) < turn(main)
}

/// Returns the rules that ask for the header, come before the main rule, and can match the main
/// rule's requests.
pub(super) fn claims<'a>(main: &Rule, rules: &'a [Rule], header: &TestHeader) -> Vec<&'a Rule> {
    let all = rules.iter().filter(|rule| turn(rule) < turn(main));
    all.filter(|rule| asks_for(rule, header) && !exclude_each_other(rule, main))
        .collect()
}

/// Whether a claim takes no requests from the main rule: the claim is the test route of a rule before
/// the main one, or this place's own route, whose group reads do not show yet.
pub(super) fn is_harmless(
    claim: &Rule,
    tags: &Tags,
    main: &Rule,
    rules: &[Rule],
    name: &str,
) -> bool {
    let Some(of) = tags.get(MADE_FOR).or_else(|| tags.get(ATTACHED_TO)) else {
        return false;
    };
    if main.rule_arn.as_ref() == Some(of) {
        let mut groups = forward::groups_of_rule(claim).into_iter();
        let named = |arn: &str| {
            arn.parse::<TargetGroupArn>()
                .is_ok_and(|arn| arn.name() == name)
        };
        return groups.all(|one| named(one.arn));
    }
    let mut rules = rules.iter();
    let other = rules.find(|rule| rule.rule_arn.as_ref() == Some(of));
    other.is_some_and(|other| turn(other) < turn(main))
}

/// Returns the priority for a new route, the last free one before the main rule; or every reason
/// against a route. The claims of the `harmless` rules do not count.
pub(super) fn place(
    main: &Rule,
    rules: &[Rule],
    header: &TestHeader,
    harmless: &BTreeSet<String>,
) -> Result<i32, Vec<Finding>> {
    let mut reasons = Vec::new();
    let without = "or prepare without a test route";
    let oidc = Some(ActionTypeEnum::AuthenticateOidc);
    if main.actions().iter().any(|action| action.r#type == oidc) {
        reasons.push(
            Finding::refusal(
                "the rule logs users in by OIDC: a test route cannot, since the API does not \
                 give its client secret, and a route without log-in would let every client reach green",
            )
            .with_hint(format!("make a test route by hand, {without}")),
        );
    }
    let values: usize = main.conditions().iter().map(values).sum();
    if values >= MOST_VALUES {
        reasons.push(
            Finding::refusal(format!(
                "the rule's conditions have {values} values, a test route needs one \
                 more, and a rule may have {MOST_VALUES}"
            ))
            .with_hint(format!("make a test route by hand, {without}")),
        );
    }
    if headers_asked(main).any(|config| is_named(config, header)) {
        let message = format!("the rule itself asks for the header {}", header.name());
        reasons.push(Finding::refusal(message).with_hint("choose another header"));
    }
    let earlier = rules.iter().filter(|rule| turn(rule) < turn(main));
    reasons.extend(in_the_way(main, rules, header, harmless));
    let taken: Vec<i32> = earlier.map(turn).collect();
    let free = (1..turn(main)).rev().find(|turn| !taken.contains(turn));
    match free {
        Some(priority) if reasons.is_empty() => Ok(priority),
        Some(_) => Err(reasons),
        None => {
            reasons.push(
                Finding::refusal("no priority before the rule is free for a test route").with_hint(
                    format!("make room (aws elbv2 set-rule-priorities), {without}"),
                ),
            );
            Err(reasons)
        }
    }
}

/// Returns why the header cannot lead to green: a rule of others takes its requests. The claims of the
/// `harmless` rules do not count.
pub(super) fn in_the_way(
    main: &Rule,
    rules: &[Rule],
    header: &TestHeader,
    harmless: &BTreeSet<String>,
) -> Vec<Finding> {
    let is_harmless = |rule: &&Rule| {
        let arn = rule.rule_arn.as_ref();
        arn.is_some_and(|arn| harmless.contains(arn))
    };
    let claims = claims(main, rules, header).into_iter();
    let foreign = claims.filter(|rule| !is_harmless(rule));
    let refused = foreign.map(|other| {
        let rule = forward::describe(other);
        let message = format!("`{header}` leads elsewhere already, by {rule}");
        let hint = "`prepare` did not make that rule for this one: delete the rule if tests alone use it, \
            or choose another header: --test-header";
        Finding::refusal(message).with_hint(hint)
    });
    refused.collect()
}

/// Whether a claim is the test route that was made for the main rule, and leads to blue alone: blue was green
/// in an earlier release.
pub(super) fn is_to_turn(claim: &Rule, tags: &Tags, main: &RuleArn, blue: &TargetGroupArn) -> bool {
    let groups = forward::groups_of_rule(claim);
    let is_ours = tags.get(MADE_FOR).map(String::as_str) == Some(main.as_str());
    is_ours && !groups.is_empty() && groups.iter().all(|one| one.arn == blue.as_str())
}

/// How many values a condition takes of the quota.
fn values(condition: &RuleCondition) -> usize {
    let configured = [
        condition
            .host_header_config
            .as_ref()
            .map(|one| one.values().len() + one.regex_values().len()),
        condition
            .path_pattern_config
            .as_ref()
            .map(|one| one.values().len() + one.regex_values().len()),
        condition
            .http_header_config
            .as_ref()
            .map(|one| one.values().len() + one.regex_values().len()),
        condition
            .query_string_config
            .as_ref()
            .map(|one| one.values().len()),
        condition
            .http_request_method_config
            .as_ref()
            .map(|one| one.values().len()),
        condition
            .source_ip_config
            .as_ref()
            .map(|one| one.values().len()),
    ];
    configured
        .into_iter()
        .flatten()
        .next()
        .unwrap_or(condition.values().len())
}

/// The request that makes the route, without its priority.
pub(super) fn create_input(
    main: &Rule,
    arn: &RuleArn,
    header: &TestHeader,
    group: &TargetGroupArn,
) -> CreateRuleInputBuilder {
    let mut conditions: Vec<RuleCondition> = main.conditions().iter().map(writable).collect();
    let config = HttpHeaderConditionConfig::builder()
        .http_header_name(header.name())
        .values(header.value());
    conditions.push(
        RuleCondition::builder()
            .field("http-header")
            .http_header_config(config.build())
            .build(),
    );
    let actions = main.actions().iter().map(|action| {
        if !forward::is_forward(action) {
            return action.clone();
        }
        Action::builder()
            .r#type(ActionTypeEnum::Forward)
            .set_order(action.order)
            .target_group_arn(group.as_str())
            .build()
    });
    CreateRuleInput::builder()
        .listener_arn(arn.listener().as_str())
        .set_conditions(Some(conditions))
        .set_actions(Some(actions.collect()))
        .set_transforms(main.transforms.clone().filter(|all| !all.is_empty()))
        .tags(tag(MADE_FOR, arn.as_str()))
}

/// A condition as the API accepts it: its answers give the values of hosts and paths twice.
fn writable(condition: &RuleCondition) -> RuleCondition {
    let mut condition = condition.clone();
    let is_configured = condition.host_header_config.is_some()
        || condition.path_pattern_config.is_some()
        || condition.values().is_empty();
    if is_configured {
        condition.values = None;
    }
    condition
}
