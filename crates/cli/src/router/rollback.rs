//! Which side a rollback goes to, if the command line names only the rule.

use std::time::Duration;

use bluegreen::{Aws, aws::alb::RuleWeights};

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

/// The command line with both target groups. Exit code if they cannot be told.
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
    let blue = match (to, &cli.rule.blue_target_group) {
        (Some(to), _) => Some(to.clone()),
        (None, Some(blue)) => Some(blue.clone()),
        (None, None) => blue_of_journal(&cli, aws, &weights).await,
    };
    let sides = weights.sides(blue.as_deref());
    let sides = sides.map_err(|error| failed(&error, BAD_ARGUMENTS))?;
    say_line!("rule {}: {weights}", weights.rule);
    cli.rule.named.rule_arn = Some(weights.rule.to_string());
    cli.rule.named.listener_arn = None;
    cli.rule.named.priority = None;
    cli.rule.blue_target_group = Some(sides.blue.to_string());
    cli.rule.green_target_group = Some(sides.green.to_string());
    Ok(cli)
}

/// Blue as the newest run of the rule's journal had it.
async fn blue_of_journal(cli: &Cli, aws: &Aws, weights: &RuleWeights) -> Option<String> {
    let store = cli.journal.store(aws, false).ok()?;
    let log = store.log(weights.rule.as_str());
    let opening = tokio::time::timeout(JOURNAL_WAITS, log.newest_opening()).await;
    let opening = opening.ok()?.ok()??;
    options_of(&[opening])?.rule.blue_target_group
}
