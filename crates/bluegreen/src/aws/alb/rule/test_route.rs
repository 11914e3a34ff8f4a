//! Tells test routes from other rules.

use aws_sdk_elasticloadbalancingv2::types::Rule;

use super::conditions::header_conditions;
use crate::aws::alb::tags::{ATTACHED_TO, MADE_FOR, Tags};

/// Whether a rule with these tags is a test route: it was made or adopted as the route of one of
/// `rules`, and still asks for more headers than that rule. Without the tag a rule that asks for a
/// header may be for users, such as the rule of a content delivery network.
pub(in crate::aws::alb) fn is_test_route(rule: &Rule, tags: &Tags, rules: &[Rule]) -> bool {
    let Some(main) = tags.get(MADE_FOR).or_else(|| tags.get(ATTACHED_TO)) else {
        return false;
    };
    let mut all = rules.iter();
    let main = all.find(|one| one.rule_arn.as_ref() == Some(main));
    header_conditions(rule) > main.map_or(0, header_conditions)
}
