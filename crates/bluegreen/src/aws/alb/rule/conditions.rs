//! Reads the conditions of a rule.

use aws_sdk_elasticloadbalancingv2::types::{HttpHeaderConditionConfig, Rule, RuleCondition};

/// The header conditions of a rule: a request must meet all of them.
pub(in crate::aws::alb) fn headers_asked(
    rule: &Rule,
) -> impl Iterator<Item = &HttpHeaderConditionConfig> {
    let conditions = rule.conditions().iter();
    conditions.filter_map(|one| one.http_header_config.as_ref())
}

/// Whether a rule takes only requests with a certain header.
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

/// Whether no request can meet both rules. `false` if that is not certain.
pub(in crate::aws::alb) fn exclude_each_other(one: &Rule, other: &Rule) -> bool {
    let all = |rule| Vec::from_iter(Rule::conditions(rule).iter().filter_map(patterns));
    let (these, those) = (all(one), all(other));
    let apart = |(what, own): &(String, Vec<String>)| {
        let same = those.iter().filter(|(of, _)| of == what);
        same.into_iter().any(|(_, theirs)| {
            let meet = |pattern: &String| theirs.iter().any(|their| can_meet(pattern, their));
            !own.iter().any(meet)
        })
    };
    these.iter().any(apart)
}

/// The part of a request that a condition compares, and the patterns of which one must match. `None`
/// if the condition is of another kind, or has regular expressions.
fn patterns(condition: &RuleCondition) -> Option<(String, Vec<String>)> {
    let lower = |values: &[String]| values.iter().map(|one| one.to_lowercase()).collect();
    let plain = |values: &[String], regex: &[String]| regex.is_empty() && !values.is_empty();
    if let Some(hosts) = &condition.host_header_config {
        let is_plain = plain(hosts.values(), hosts.regex_values());
        return is_plain.then(|| ("host".to_owned(), lower(hosts.values())));
    }
    if let Some(paths) = &condition.path_pattern_config {
        let is_plain = plain(paths.values(), paths.regex_values());
        return is_plain.then(|| ("path".to_owned(), paths.values().to_vec()));
    }
    if let Some(header) = &condition.http_header_config {
        let is_plain = plain(header.values(), header.regex_values());
        let name = header.http_header_name.as_deref()?.to_lowercase();
        return is_plain.then(|| (format!("header {name}"), lower(header.values())));
    }
    None
}

/// Whether one text can match both patterns of `*` (any text) and `?` (any character).
fn can_meet(one: &str, other: &str) -> bool {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    // Each cell tells whether the rests of both can meet, from the end; the first row is for an empty
    // rest of `one`.
    let mut below = vec![false; other.len() + 1];
    for i in (0..=one.len()).rev() {
        let mut row = vec![false; other.len() + 1];
        for j in (0..=other.len()).rev() {
            let (a, b) = (one.get(i), other.get(j));
            row[j] = match (a, b) {
                (None, None) => true,
                (Some('*'), _) => below[j] || (b.is_some() && row[j + 1]),
                (_, Some('*')) => row[j + 1] || (a.is_some() && below[j]),
                (Some(a), Some(b)) => (a == b || *a == '?' || *b == '?') && below[j + 1],
                _ => false,
            };
        }
        below = row;
    }
    below[0]
}

#[cfg(test)]
mod tests {
    use super::can_meet;

    #[test]
    fn patterns_meet_if_a_text_fits_both() {
        for (one, other, wanted) in [
            ("/9/*", "/10/*", false),
            ("/1*", "/10/*", true),
            ("*.a.com", "b.*", true),
            ("*.a.com", "*.b.com", false),
            ("a?c", "ab*", true),
            ("a?c", "abd", false),
            ("", "*", true),
            ("", "?", false),
            ("*", "**", true),
            ("x", "x", true),
        ] {
            assert_eq!(can_meet(one, other), wanted, "{one} and {other}");
            assert_eq!(can_meet(other, one), wanted, "{other} and {one}");
        }
    }
}
