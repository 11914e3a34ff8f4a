//! `bluegreen rollback`: puts everything back, even if a run is under way.

use std::process::ExitCode;

use bluegreen::ErrorKind;
use clap::Args;

use crate::{
    common::{
        errors::{BAD_ARGUMENTS, UNCHANGED, failed},
        journal::ReadJournal,
        runtime::block_on,
        say::say_line,
    },
    migration::{
        args::{Groups, Sim, Told, Which},
        controller::{Controller, Order},
        finished,
        open::{Given, Opened, Way, open},
        sides, world,
    },
};

/// Put everything back on the side that served before.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(crate) struct Rollback {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    groups: Groups,
    #[command(flatten)]
    journal: ReadJournal,
    #[command(flatten)]
    sim: Sim,
    #[command(flatten)]
    told: Told,
    /// The side or group to restore [default: by the journal].
    #[arg(long, value_name = "SIDE|GROUP")]
    to: Option<String>,
    /// Restore that side even without a healthy target.
    #[arg(long)]
    force: bool,
    /// Wait for a minute without requests on the other side.
    #[arg(long)]
    confirm: bool,
}

const AFTER: &str = "\
If a controller works on the rule, it is asked to restore; if it does not, this
command takes its lease. With --rule-arn and --to, no file or journal is needed.

Exit codes: 0 restored, read back; 2 bad arguments; 3 nothing was changed;
12 another controller took over, or a third party changed the rule;
20 not restored, or not known: look now.

Examples:
  bluegreen rollback                       with ./bluegreen.toml and its journal
  bluegreen rollback chatbot --journal s3://BUCKET/PREFIX
  bluegreen rollback --rule-arn ARN --to chatbot-flask-tg";

pub(crate) fn main(cli: &Rollback) -> ExitCode {
    if world::listed(&cli.sim) {
        return ExitCode::SUCCESS;
    }
    block_on(async { run(cli).await.unwrap_or_else(|code| code) })
}

async fn run(cli: &Rollback) -> Result<u8, u8> {
    let given = Given {
        which: &cli.which,
        sim: Some(&cli.sim),
        groups: Some(&cli.groups),
        changes: None,
        journal: &cli.journal.place(),
        way: Way::Back(cli.to.as_deref()),
        is_asked: false,
    };
    let mut opened = open(&given).await?;
    if opened.from.is_none() {
        served_before(&mut opened).await?;
    }
    let target = opened.target().await?;
    say_line!("putting everything on {}", target.sides.blue.group.name());
    let controller = Controller::new(&opened, &target, &cli.told, true).await?;
    let order = Order::RollBack {
        force: cli.force,
        confirm: cli.confirm,
    };
    let ended = controller.start(order).await;
    Ok(finished(&opened, &cli.told, ended))
}

/// Finds the side that served before the newest run. Its target group may be missing in the file.
async fn served_before(opened: &mut Opened) -> Result<(), u8> {
    let rule = opened.spec.locate(opened.aws()).await;
    let rule = rule.map_err(|error| match error.kind() {
        ErrorKind::Invalid => failed(&error, BAD_ARGUMENTS),
        _ => failed(&error, UNCHANGED),
    })?;
    let served = sides::served(opened.store().ok(), rule.as_str()).await;
    let side = served
        .as_ref()
        .and_then(|group| sides::side_of(&opened.spec, group));
    if side.is_some() {
        opened.from = side;
        return Ok(());
    }
    let weights = bluegreen::aws::alb::AlbRule::Arn(rule)
        .weights(opened.aws())
        .await;
    let weights = weights.map_err(|error| failed(&error, UNCHANGED))?;
    let (spec, from) = sides::of_rollback(&weights, served.as_deref())?;
    opened.spec.sides = spec.sides;
    opened.from = from;
    Ok(())
}
