//! `bluegreen resume`: continues a run whose process has ended.

use std::process::ExitCode;

use bluegreen::{spec::Use, store::Take};
use clap::Args;

use crate::{
    common::{
        errors::{UNCHANGED, failed, invalid},
        journal::JournalPlace,
        runtime::block_on,
    },
    migration::{
        args::{Named, OPTIONS, Told},
        blue::Of,
        controller::Controller,
        file::File,
        finished,
        open::{Given, open},
        rights::{self, PrintPolicy},
        world::World,
    },
    native::{self, Judged},
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
    if let Some(file) = native::file(&cli.named.which) {
        return resumed(cli, &file).await;
    }
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

/// Continues the judge of a service whose traffic ECS moves.
async fn resumed(cli: &Resume, file: &File) -> Result<u8, u8> {
    let place = file.journal(&cli.named.place());
    if cli.policy.print_iam_policy {
        let mut spec = file.spec.clone();
        spec.journal = place
            .journal
            .as_deref()
            .and_then(|place| place.parse().ok());
        let policy = spec.iam_policy(Use::Migrate);
        let policy = policy.map_err(|error| invalid(&error))?;
        return Ok(rights::printed(&policy));
    }
    let world = World::of(&file.spec, false, None).await?;
    let judged = Judged {
        spec: &file.spec,
        aws: world.aws(),
        simulation: world.simulation(),
        journal: &place,
        told: &cli.told,
        folder: native::folder_of(&file.path),
        grace: file.spec.plan.grace.map(|span| span.0),
    };
    Ok(native::resume(&judged).await)
}
