//! `bluegreen resume`: continues a run whose process has ended.

use std::process::ExitCode;

use bluegreen::{spec::Use, store::Take};
use clap::Args;

use crate::{
    common::{
        errors::{UNCHANGED, failed},
        journal::JournalPlace,
        runtime::block_on,
    },
    migration::{
        args::{Named, OPTIONS, Told},
        blue::Of,
        controller::Controller,
        finished,
        open::{Given, open},
        rights::{self, PrintPolicy},
    },
};

/// Continue a run whose process has ended, from its journal.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(crate) struct Resume {
    #[command(flatten)]
    named: Named<JournalPlace>,
    #[command(flatten, next_help_heading = OPTIONS)]
    told: Told,
    #[command(flatten, next_help_heading = OPTIONS)]
    policy: PrintPolicy,
}

const AFTER: &str = "\
Plan, gates and sides come from the run's journal; the file says only where the
rule and the journal are. The lease of a controller that lives is taken only
with --steal; the lease of a dead controller expires after a minute of silence.

Exit codes: those of `bluegreen migrate`.

Examples:
  bluegreen resume
  bluegreen resume chatbot --journal s3://BUCKET/PREFIX";

pub(crate) fn main(cli: &Resume) -> ExitCode {
    block_on(async { run(cli).await.unwrap_or_else(|code| code) })
}

async fn run(cli: &Resume) -> Result<u8, u8> {
    let given = Given {
        is_asked: cli.policy.print_iam_policy,
        ..cli.named.given()
    };
    let opened = open(&given).await?;
    if given.is_asked {
        return rights::print(&opened, Use::Migrate);
    }
    if let Some(holding) = opened.holding().await.filter(|one| one.cleanup.is_some()) {
        return Err(failed(&holding.error(), UNCHANGED));
    }
    let target = opened.sides(Of::Newest).await?.target;
    let controller = Controller::new(&opened, &target, &cli.told, false).await?;
    let ended = controller.resume(Take::IfExpired).await;
    Ok(finished(&opened, &cli.told, ended))
}
