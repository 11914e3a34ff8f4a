//! Which side a rollback goes to, if the command line names only the rule.

use std::time::Duration;

use bluegreen::{
    Aws,
    aws::alb::TargetGroupArn,
    spec::{MigrationSpec, Name, Origin},
};

use super::{
    BAD_ARGUMENTS, UNCHANGED,
    args::{Cli, Command},
    bad_arguments,
    controller::options_of,
    failed,
};
use crate::common::say::say_line;

/// How long the journal is asked for the sides.
const JOURNAL_WAITS: Duration = Duration::from_secs(2);

/// The command line with both sides. Exit code if they cannot be told.
pub(super) async fn with_sides(cli: &Cli, aws: &Aws) -> Result<Cli, u8> {
    let mut cli = cli.clone();
    let Some(Command::Rollback { to, .. }) = &cli.command else {
        return Ok(cli);
    };
    let is_named = cli.rule.blue_target_group.is_some() && cli.rule.green_target_group.is_some();
    if is_named && to.is_none() {
        return Ok(cli);
    }
    let mut problems = Vec::new();
    let rule = cli.rule.named.rule(&mut problems);
    let (Some(rule), true) = (rule, problems.is_empty()) else {
        return Err(bad_arguments(&problems));
    };
    let weights = rule.weights(aws).await;
    let weights = weights.map_err(|error| failed(&error, UNCHANGED))?;
    let given = to.as_ref().or(cli.rule.blue_target_group.as_ref());
    let from = cli.place.from.as_deref();
    let blue = match (given, from.and_then(|from| group_of(&cli, from))) {
        (Some(blue), _) => Some(blue.clone()),
        (None, Some(blue)) => Some(blue),
        (None, None) => blue_of_journal(&cli, aws, weights.rule.as_str()).await,
    };
    let sides = weights.sides(blue.as_deref());
    let sides = sides.map_err(|error| failed(&error, BAD_ARGUMENTS))?;
    say_line!("rule {}: {weights}", weights.rule);
    say_line!("everything goes to {}", sides.blue.name());
    // The file's sides are named there; others are those of no file.
    let spec = cli.spec.as_ref();
    let side = spec.and_then(|spec| side_of(spec, sides.blue.as_str()));
    let other = spec.and_then(|spec| side_of(spec, sides.green.as_str()));
    if let (Some(side), Some(_)) = (side, other) {
        cli.place.from = Some(side);
        return Ok(cli);
    }
    cli.spec = None;
    cli.rule.named.rule_arn = Some(weights.rule.to_string());
    cli.rule.named.listener_arn = None;
    cli.rule.named.priority = None;
    cli.rule.blue_target_group = Some(sides.blue.to_string());
    cli.rule.green_target_group = Some(sides.green.to_string());
    Ok(cli)
}

/// The target group of a side of the file.
fn group_of(cli: &Cli, side: &str) -> Option<String> {
    let spec = cli.spec.as_ref()?;
    let side = spec.sides.get(&side.parse::<Name>().ok()?)?;
    Some(side.target_group.to_string())
}

/// The side of the file that has this target group.
fn side_of(spec: &MigrationSpec, group: &str) -> Option<String> {
    let group: TargetGroupArn = group.parse().ok()?;
    let mut sides = spec.sides.iter();
    let found = sides.find(|(_, side)| side.target_group.is(&group));
    found.map(|(name, _)| name.to_string())
}

/// Blue as the newest run of the rule's journal had it: a target group's name or ARN.
pub(super) async fn blue_of_journal(cli: &Cli, aws: &Aws, rule: &str) -> Option<String> {
    let store = cli.journal.store(aws, false).ok()?;
    let opening = tokio::time::timeout(JOURNAL_WAITS, store.log(rule).newest_opening()).await;
    let opening = [opening.ok()?.ok()??];
    if let Ok(origin) = Origin::of(&opening) {
        let side = origin.spec.sides.get(&origin.from)?;
        return Some(side.target_group.to_string());
    }
    options_of(&opening)?.rule.blue_target_group
}

/// The side of the file that served before, if both get traffic: as the journal has it.
pub(super) async fn side_that_served(cli: &Cli, aws: &Aws, rule: &str) -> Option<Name> {
    let spec = cli.spec.as_ref()?;
    let blue = blue_of_journal(cli, aws, rule).await?;
    let mut sides = spec.sides.iter();
    let name = |group: &str| group.rsplit('/').nth(1).unwrap_or(group).to_owned();
    let found = sides.find(|(_, side)| side.target_group.name() == name(&blue));
    found.map(|(name, _)| name.clone())
}
