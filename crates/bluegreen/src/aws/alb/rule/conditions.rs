//! Reading what a rule asks of a request.

use aws_sdk_elasticloadbalancingv2::types::{HttpHeaderConditionConfig, Rule};

/// The header condition of a rule, if it has one.
pub(in crate::aws::alb) fn header_condition(rule: &Rule) -> Option<&HttpHeaderConditionConfig> {
    let mut conditions = rule.conditions().iter();
    conditions.find_map(|one| one.http_header_config.as_ref())
}

/// Whether requests with a certain header alone come to this rule.
pub(in crate::aws::alb) fn has_header_condition(rule: &Rule) -> bool {
    header_conditions(rule) > 0
}

/// How many headers a rule asks for.
pub(in crate::aws::alb) fn header_conditions(rule: &Rule) -> usize {
    let conditions = rule.conditions().iter();
    conditions
        .filter(|one| one.field.as_deref() == Some("http-header"))
        .count()
}
