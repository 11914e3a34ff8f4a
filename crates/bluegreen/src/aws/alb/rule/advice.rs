//! Hints for an operator whose rule is not as it was described.
//!
//! All hints are built from the rule as it was read, and none takes weight from a group that has
//! some: that group may be the only one that serves.

use aws_sdk_elasticloadbalancingv2::types::Rule;

use super::{
    command, edit,
    forward::{self, Group},
};
use crate::{
    aws::alb::TargetGroupArn,
    traffic::{Side, Sides},
};

/// What to do if a rule does not forward to the group of `side`.
pub(super) fn on_absent(rule: &Rule, side: Side, groups: &Sides<TargetGroupArn>) -> String {
    let wanted = groups.get(side);
    let listed = forward::groups_of_rule(rule);
    let others = unnamed(&listed, groups);
    let meant = meant(&others, wanted);
    match (side, meant) {
        // Blue serves, so it has been in the rule before.
        (Side::Blue, meant) => format!(
            "{}; {}",
            what_is_there(&listed),
            match meant.or(only(&others)) {
                Some(arn) => format!("did you mean {arn}?"),
                None => "name the group that serves as blue".to_owned(),
            }
        ),
        (Side::Green, Some(arn)) => {
            format!("{}; did you mean {arn}?", what_is_there(&listed))
        }
        (Side::Green, None) => attach(rule, wanted),
    }
}

/// What to do about a third group with weight. The first of the `known` groups is blue.
pub(super) fn on_third(group: &str, listed: &[Group<'_>], known: &[&TargetGroupArn]) -> String {
    // Green may not be attached yet; blue serves, and so must be there.
    let mistyped = known.iter().enumerate().find(|(index, arn)| {
        let is_listed = listed.iter().any(|one| one.arn == arn.as_str());
        !is_listed && (*index == 0 || is_near(group, arn))
    });
    match mistyped {
        Some((_, named)) => {
            format!("{named} is not among the groups of the rule: did you mean {group}?")
        }
        None => format!(
            "only two groups may share the traffic of a rule: leave {} as it is, and check which \
             two you mean",
            name_of(group)
        ),
    }
}

/// Suggests the group of these rules that `wanted` is likely to mean, if none forwards to `wanted`.
pub(super) fn did_you_mean(rules: &[Rule], wanted: &TargetGroupArn) -> Option<String> {
    let listed: Vec<Group<'_>> = rules.iter().flat_map(forward::groups_of_rule).collect();
    let listed: Vec<&Group<'_>> = listed.iter().collect();
    let arn = meant(&listed, wanted)?;
    Some(format!("did you mean {arn}?"))
}

/// How to attach green's group to a rule by hand, without traffic.
fn attach(rule: &Rule, group: &TargetGroupArn) -> String {
    let advice = format!(
        "attach target group {} to the rule at weight 0, so that its targets are health-checked \
         before they get traffic",
        group.name()
    );
    let arn = rule.rule_arn.as_deref().unwrap_or_default();
    match arn.parse() {
        Ok(arn) => {
            let actions = edit::with_attached(rule.actions(), group);
            let command = command::modify(&arn, forward::is_default(rule), &actions);
            format!("{advice}: {command}")
        }
        Err(_) => advice,
    }
}

fn what_is_there(listed: &[Group<'_>]) -> String {
    let said: Vec<String> = listed
        .iter()
        .map(|group| format!("{} (weight {})", name_of(group.arn), group.weight))
        .collect();
    match said.is_empty() {
        true => "the rule forwards to no target group".to_owned(),
        false => format!("the rule forwards to {}", said.join(" and ")),
    }
}

fn unnamed<'a>(listed: &'a [Group<'a>], groups: &Sides<TargetGroupArn>) -> Vec<&'a Group<'a>> {
    let is_named = |group: &Group<'_>| {
        [&groups.blue, &groups.green]
            .iter()
            .any(|named| named.as_str() == group.arn)
    };
    let listed = listed.iter();
    listed
        .filter(|group| !group.arn.is_empty() && !is_named(group))
        .collect()
}

/// How many letters may be mistyped.
const MISTYPED: usize = 3;

/// The group whose ARN is nearest to the given one: a few letters apart, or with the same id at its
/// end.
fn meant<'a>(others: &[&Group<'a>], wanted: &TargetGroupArn) -> Option<&'a str> {
    let near = others
        .iter()
        .filter(|group| is_near(group.arn, wanted))
        .min_by_key(|group| distance(group.arn, wanted.as_str()));
    near.map(|group| group.arn)
}

fn is_near(arn: &str, wanted: &TargetGroupArn) -> bool {
    let wanted = wanted.as_str();
    let id = |arn: &str| arn.rsplit('/').next().map(str::to_owned);
    id(arn) == id(wanted) || distance(arn, wanted) <= MISTYPED
}

fn only<'a>(others: &[&Group<'a>]) -> Option<&'a str> {
    match others {
        [only] => Some(only.arn),
        _ => None,
    }
}

fn name_of(arn: &str) -> &str {
    let mut parts = arn.rsplit('/');
    parts.nth(1).filter(|name| !name.is_empty()).unwrap_or(arn)
}

/// How many letters must be put in, taken out or replaced (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, a) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::aws::alb::{
        rule::routing::{Routing, unwritable},
        testing::*,
    };

    /// One digit of blue's is mistyped.
    fn mistyped(arn: &str) -> TargetGroupArn {
        let (head, last) = arn.split_at(arn.len() - 1);
        let other = if last == "7" { "8" } else { "7" };
        format!("{head}{other}").parse().unwrap()
    }

    fn hint(
        actions: Vec<aws_sdk_elasticloadbalancingv2::types::Action>,
        groups: &Sides<TargetGroupArn>,
    ) -> String {
        let problems = Routing::read(&rule_arn(), rule(actions), groups).unwrap_err();
        let error = crate::Error::from(problems);
        error.hint().unwrap().to_owned()
    }

    fn groups(blue: TargetGroupArn, green: &str) -> Sides<TargetGroupArn> {
        Sides {
            blue,
            green: green.parse().unwrap(),
        }
    }

    #[test]
    fn a_mistyped_digit_of_blue_is_answered_with_the_group_that_serves() {
        let groups = groups(mistyped(BLUE), GREEN);
        for actions in [
            vec![forward(&[(BLUE, 1), (GREEN, 0)])],
            vec![forward(&[(BLUE, 0), (GREEN, 1)])],
            vec![forward(&[(BLUE, 1)])],
            vec![scalar(BLUE)],
        ] {
            let hint = hint(actions, &groups);
            assert!(hint.contains(&format!("did you mean {BLUE}?")), "{hint}");
            assert!(!hint.contains("weight 0:"), "{hint}");
        }
    }

    #[test]
    fn a_mistyped_digit_of_green_is_not_attached_as_a_third_group() {
        let groups = groups(BLUE.parse().unwrap(), mistyped(GREEN).as_str());
        let hint = hint(vec![forward(&[(BLUE, 1), (GREEN, 0)])], &groups);
        assert!(hint.ends_with(&format!("did you mean {GREEN}?")), "{hint}");
        assert!(!hint.contains("aws elbv2"), "{hint}");
    }

    #[test]
    fn a_third_group_that_serves_is_left_as_it_is() {
        let groups = groups(BLUE.parse().unwrap(), GREEN);
        let hint = hint(vec![forward(&[(BLUE, 0), (GREEN, 0), (THIRD, 1)])], &groups);
        assert!(hint.contains("as it is"), "{hint}");
    }

    #[test]
    fn letters_apart() {
        for (a, b, apart) in [
            ("", "", 0),
            ("abc", "", 3),
            ("abc", "abd", 1),
            ("abc", "xabc", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(a, b), apart);
            assert_eq!(distance(b, a), apart);
        }
    }

    const ALL: [&str; 4] = [BLUE, GREEN, THIRD, FOURTH];

    proptest! {
        /// For any rule and any named groups: the weights in every command of a hint are those of the
        /// rule as it is, and no word asks for another weight of a group that has some.
        #[test]
        fn no_hint_takes_weight_from_a_group_that_has_some(
            weights in prop::collection::vec(0..3_i32, 1..=4),
            blue in 0..5_usize,
            green in 0..5_usize,
        ) {
            prop_assume!(blue != green);
            let listed: Vec<(&str, i32)> = ALL.iter().copied().zip(weights).collect();
            let named = |index: usize| match ALL.get(index) {
                Some(arn) => arn.parse().unwrap(),
                None => mistyped(BLUE),
            };
            let groups = Sides { blue: named(blue), green: named(green) };
            let rule = rule(vec![forward(&listed)]);
            let mut hints = Vec::new();
            if let Err(problems) = Routing::read(&rule_arn(), rule.clone(), &groups) {
                let found = problems.into_findings().into_iter();
                hints.extend(found.filter_map(|one| one.hint));
            }
            let of_place = unwritable(&rule_arn(), &rule, &[&groups.blue]);
            hints.extend(of_place.into_iter().filter_map(|one| one.hint));
            for hint in hints {
                prop_assert!(!hint.contains("give"), "{}", hint);
                for (arn, weight) in &listed {
                    let taken = format!(r#""{arn}","Weight":0"#);
                    prop_assert!(*weight == 0 || !hint.contains(&taken), "{}", hint);
                }
            }
        }
    }
}
