//! The sides of a rule, and which of them served: from the rule, the journal, or the command line.

use std::time::Duration;

use bluegreen::{
    Failure,
    aws::alb::{AlbRule, RuleWeights, TargetGroupArn},
    problem::Problem,
    spec::{MigrationSpec, Name, Origin, SideSpec},
    store::JournalStore,
};

use super::before::Before;
use crate::common::{
    errors::{BAD_ARGUMENTS, UNCHANGED, bad_arguments, failed},
    journal::{self, JournalPlace},
    say::say_line,
};

/// The longest wait for the journal.
const JOURNAL_WAITS: Duration = Duration::from_secs(5);
/// The names of two sides for which no file gives names.
const BLUE: &str = "blue";
const GREEN: &str = "green";

/// Returns the specification of two target groups, the first of which serves.
pub(crate) fn of_groups(
    rule: AlbRule,
    blue: TargetGroupArn,
    green: TargetGroupArn,
) -> (MigrationSpec, Option<Name>) {
    let name = |text: &str| text.parse::<Name>().ok();
    let sides = [(BLUE, blue), (GREEN, green)];
    let sides = sides.map(|(side, group)| Some((name(side)?, SideSpec::new(group))));
    let sides = sides.into_iter().flatten();
    let own = name("migration").unwrap_or_else(|| unreachable!("it is a name"));
    (MigrationSpec::new(own, rule, sides), name(BLUE))
}

/// Returns the specification of a rule's two target groups, with sides named after them.
pub(crate) fn of_weights(weights: &RuleWeights) -> Result<MigrationSpec, u8> {
    let [(one, _), (other, _)] = &weights.groups[..] else {
        say_line!(
            "error: rule {} forwards to {} target groups, and a migration is between two: {weights}",
            weights.rule,
            weights.groups.len()
        );
        say_line!(
            "  hint: `bluegreen prepare` adds green's target group at weight 0; if there are more than two, \
             name both: --blue-target-group and --green-target-group"
        );
        return Err(UNCHANGED);
    };
    let named = |group: &TargetGroupArn| {
        let mut side = SideSpec::new(group.clone());
        if let Ok(short) = group.name().parse() {
            side.target_group = short;
        }
        Some((group.name().parse::<Name>().ok()?, side))
    };
    let balancer = weights.rule.listener().load_balancer();
    let balancer = balancer.dimension().split('/').nth(1).map(str::to_owned);
    let own = balancer.and_then(|balancer| balancer.parse().ok());
    let rule = AlbRule::Arn(weights.rule.clone());
    match (own, named(one), named(other)) {
        (Some(own), Some(one), Some(other)) => Ok(MigrationSpec::new(own, rule, [one, other])),
        _ => {
            say_line!("error: no sides can be named after the target groups of {weights}");
            Err(UNCHANGED)
        }
    }
}

/// Returns the specification of a rollback to the target group `to`, and the group's side.
pub(crate) fn of_rollback(
    weights: &RuleWeights,
    to: Option<&str>,
) -> Result<(MigrationSpec, Option<Name>), u8> {
    let sides = weights.sides(to);
    let sides = sides.map_err(|error| failed(&error, BAD_ARGUMENTS))?;
    let rule = AlbRule::Arn(weights.rule.clone());
    Ok(of_groups(rule, sides.blue, sides.green))
}

/// Returns the side of that name, or with that target group.
pub(crate) fn named(spec: &MigrationSpec, text: &str) -> Result<Name, u8> {
    let own = text.parse::<Name>().ok();
    let own = own.filter(|name| spec.sides.contains_key(name));
    if let Some(side) = own.or_else(|| side_of(spec, text)) {
        return Ok(side);
    }
    let names: Vec<&str> = spec.sides.keys().map(Name::as_str).collect();
    let message = format!("there is no side `{text}`");
    let hint = format!("the sides are {}", names.join(" and "));
    Err(bad_arguments(&[Problem::new("--to", message, hint)]))
}

/// Returns the side that has this target group, by its ARN or name.
pub(crate) fn side_of(spec: &MigrationSpec, group: &str) -> Option<Name> {
    let short = match group.parse::<TargetGroupArn>() {
        Ok(arn) => arn.name().to_owned(),
        Err(_) => group.to_owned(),
    };
    let mut sides = spec.sides.iter();
    let found = sides.find(|(_, side)| side.target_group.name() == short);
    found.map(|(name, _)| name.clone())
}

/// Returns the target group that served before the rule's newest run that moved something, if the journal answers in
/// time.
pub(crate) async fn served(store: Option<JournalStore>, rule: &str) -> Option<String> {
    let log = store?.log(rule);
    let opening = tokio::time::timeout(JOURNAL_WAITS, Origin::newest_that_moved(&log)).await;
    let opening = [opening.ok()?.ok()??];
    if let Ok(origin) = Origin::of(&opening) {
        let side = origin.spec.sides.get(&origin.from)?;
        return Some(side.target_group.to_string());
    }
    Before::of(&opening)?.blue_target_group
}

/// Returns the newest run of this name, which is the name of its migration or of its log.
pub(crate) async fn run(name: &str, place: &JournalPlace) -> Result<Origin, u8> {
    let Some(at) = place.journal.as_deref() else {
        let message = "is needed: it is the place to look for the run NAME";
        let hint = "give s3://BUCKET/PREFIX or the folder of the run's --journal, or set BLUEGREEN_JOURNAL";
        return Err(bad_arguments(&[Problem::new("--journal", message, hint)]));
    };
    let told = |error: bluegreen::Error| {
        say_line!("error: {at}: {}", Failure::from(error));
        UNCHANGED
    };
    let store = journal::open_named(at)
        .await
        .map_err(|problem| bad_arguments(&[problem]))?;
    let logs = store.logs().await.map_err(told)?;
    let mut found = Vec::new();
    let mut known = Vec::new();
    for log in logs {
        let opening = store.named(&log).newest_opening().await.map_err(told)?;
        let origin = opening.and_then(|opening| Origin::of(&[opening]).ok());
        let own = origin.as_ref().map(|origin| origin.spec.name.to_string());
        if log == name || own.as_deref() == Some(name) {
            found.push((log.clone(), origin));
        }
        known.push(own.unwrap_or(log));
    }
    let problem =
        |message: String, hint: String| bad_arguments(&[Problem::new("NAME", message, hint)]);
    match &mut found[..] {
        [(_, origin)] => origin.take().ok_or_else(|| {
            let message = format!("run `{name}` was begun by an older version, without a file");
            problem(message, "name its rule: --rule-arn ARN".to_owned())
        }),
        [] => {
            let hint = match known.is_empty() {
                true => "there is no journal yet".to_owned(),
                false => format!("there are {}", known.join(", ")),
            };
            Err(problem(
                format!("there is no run `{name}` in {store}"),
                hint,
            ))
        }
        several => {
            let logs: Vec<&str> = several.iter().map(|(log, _)| log.as_str()).collect();
            let message = format!("there are several runs `{name}` in {store}");
            Err(problem(
                message,
                format!("give the name of its log instead: {}", logs.join(" or ")),
            ))
        }
    }
}
