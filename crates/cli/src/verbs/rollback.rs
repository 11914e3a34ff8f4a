//! `bluegreen rollback`: puts everything back, even if a run is under way.

mod wake;

use std::process::ExitCode;

use bluegreen::{
    ErrorKind,
    aws::alb::AlbRule,
    spec::{Target, Use},
};
use clap::Args;

use crate::{
    common::{
        errors::{BAD_ARGUMENTS, UNCHANGED, failed},
        journal::{self, ReadJournal},
        runtime::block_on,
        say::say_line,
    },
    migration::{
        args::{Named, OPTIONS, Sim, Told},
        blue::Of,
        controller::{Controller, Order},
        finished,
        open::{Given, Opened, Way, open},
        retold,
        rights::{self, PrintPolicy},
        sides, world,
    },
};

/// Put everything back on the side that served before.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(crate) struct Rollback {
    #[command(flatten)]
    named: Named<ReadJournal>,
    #[command(flatten)]
    sim: Sim,
    #[command(flatten, next_help_heading = OPTIONS)]
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
    #[command(flatten, next_help_heading = OPTIONS)]
    policy: PrintPolicy,
}

const AFTER: &str = "\
If a controller works on the rule, it is asked to restore; if it does not, this
command takes its lease. A side that `cleanup` has scaled to zero is scaled up
first, and gets traffic once its targets are healthy. With --rule-arn and --to, no file or journal is needed.

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
        sim: Some(&cli.sim),
        way: Way::Back(cli.to.as_deref()),
        is_asked: cli.policy.print_iam_policy,
        ..cli.named.given()
    };
    let mut opened = match open(&given).await {
        Err(UNCHANGED) if cli.named.which.rule.rule_arn.is_some() => {
            let store = journal::open_at(&cli.named.place()).await;
            let rule = cli.named.which.rule.rule_arn.as_deref();
            retold::say_by_hand(store, rule, None, cli.to.as_deref()).await;
            return Err(UNCHANGED);
        }
        opened => opened?,
    };
    if given.is_asked {
        return rights::print(&opened, Use::RollBack);
    }
    let target = match target(&mut opened).await {
        Err(UNCHANGED) => {
            let rule = opened.spec.traffic.rules.first();
            let rule = match rule {
                Some(AlbRule::Arn(rule)) => Some(rule.as_str()),
                _ => None,
            };
            let name = Some(&opened.spec.name);
            retold::say_by_hand(opened.store().ok(), rule, name, cli.to.as_deref()).await;
            return Err(UNCHANGED);
        }
        target => target?,
    };
    wake::woken(&opened, &target, cli.force).await?;
    say_line!("putting everything on {}", target.sides.blue.group.name());
    let controller = Controller::new(&opened, &target, &cli.told, true).await?;
    let order = Order::RollBack {
        force: cli.force,
        confirm: cli.confirm,
    };
    let ended = controller.start(order).await;
    let code = finished(&opened, &cli.told, ended);
    if code == UNCHANGED
        && let Some(deleted) = opened.deleted().await
    {
        failed(&deleted.error(), code);
    }
    Ok(code)
}

/// The sides, by what serves or served.
async fn target(opened: &mut Opened) -> Result<Target, u8> {
    if opened.from.is_none() {
        served_before(opened).await?;
    }
    Ok(opened.sides(Of::Newest).await?.target)
}

/// Finds the side that served before the newest run. Its target group may be missing in the file.
async fn served_before(opened: &mut Opened) -> Result<(), u8> {
    let rule = opened.spec.locate_after(opened.aws()).await;
    let rule = rule.map_err(|error| match error.kind() {
        ErrorKind::Invalid => failed(&error, BAD_ARGUMENTS),
        _ => failed(&error, UNCHANGED),
    })?;
    if let Some(side) = opened.served_before().await {
        opened.from = Some(side);
        return Ok(());
    }
    let served = sides::served(opened.store().ok(), rule.as_str()).await;
    let weights = bluegreen::aws::alb::AlbRule::Arn(rule)
        .weights(opened.aws())
        .await;
    let weights = weights.map_err(|error| failed(&error, UNCHANGED))?;
    let (spec, from) = sides::of_rollback(&weights, served.as_deref())?;
    opened.spec.sides = spec.sides;
    opened.from = from;
    Ok(())
}
