//! `bluegreen cleanup`: retires the side that served before the last migration.

use std::{pin::pin, process::ExitCode};

use bluegreen::{
    Aws, Error, ErrorKind,
    aws::{
        alb::RuleArn,
        retire::{RetireReport, Retirement},
    },
    engine::Journal as _,
    preflight::Acceptance,
    problem::Problem,
    spec::{Cleanup as Recorded, MigrationSpec, Name, Span, Use},
    store::{JournalLog, JournalStore, Lease, Take},
};
use clap::Args;
use futures_util::future::{Either, select};
use serde::Serialize;

use crate::{
    common::{
        accept::accepted,
        data::try_json_line,
        errors::{UNCHANGED, bad_arguments, failed},
        journal::{JournalPlace, take},
        runtime::block_on,
        say::say_line,
    },
    migration::{
        args::{Groups, OPTIONS, Told, Which},
        open::{Given, Opened, open},
        rights::{self, PrintPolicy},
    },
};

/// Scale the side that served before to zero, or delete it.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(crate) struct Cleanup {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    journal: JournalPlace,
    #[command(flatten, next_help_heading = OPTIONS)]
    told: Told,
    /// How long blue is kept after the migration.
    #[arg(long, value_name = "TIME", default_value = "24h", help_heading = OPTIONS)]
    keep: String,
    /// Delete blue too: type out its side or its service.
    #[arg(long, value_name = "NAME", help_heading = OPTIONS)]
    delete: Option<String>,
    /// Accept a risk that a refusal names. Repeatable.
    #[arg(long, value_name = "RISK", help_heading = OPTIONS)]
    accept: Vec<String>,
    /// Show what would be done, and do nothing.
    #[arg(long, help_heading = OPTIONS)]
    dry_run: bool,
    #[command(flatten, next_help_heading = OPTIONS)]
    policy: PrintPolicy,
}

const AFTER: &str = "\
Blue is the side that served before the last run, which must have ended with
everything on green. 15 settled minutes without a request on blue are waited
for. Without --delete a rollback is still possible: it scales blue up first.
With --delete, blue's target group leaves the rule, and test route, service and
target group are deleted; journals and task definitions never are.
A second run continues where a killed one ended.

Exit codes: 0 done; 2 bad arguments; 3 refused, or not finished.

Examples:
  bluegreen cleanup --dry-run          show what would be done
  bluegreen cleanup                    a day after the migration
  bluegreen cleanup --delete flask     for good";

pub(crate) fn main(cli: &Cleanup) -> ExitCode {
    block_on(async { run(cli).await.unwrap_or_else(|code| code) })
}

/// The values of the options.
struct Wanted {
    keep: Span,
    accept: Vec<Acceptance>,
}

fn wanted(cli: &Cleanup) -> Result<Wanted, u8> {
    let mut problems = Vec::new();
    let keep = cli.keep.parse::<Span>();
    let keep = keep.map_err(|error| {
        problems.push(Problem::new("--keep", error.to_string(), error.hint()));
    });
    let accept = accepted(&cli.accept, &mut problems);
    match keep {
        Ok(keep) if problems.is_empty() => Ok(Wanted { keep, accept }),
        _ => Err(bad_arguments(&problems)),
    }
}

async fn run(cli: &Cleanup) -> Result<u8, u8> {
    let wanted = wanted(cli)?;
    let given = Given {
        is_asked: cli.policy.print_iam_policy,
        ..Given::of(&cli.which, Groups::NONE, cli.journal.clone())
    };
    let opened = open(&given).await?;
    if given.is_asked {
        return rights::print(
            &opened,
            match cli.delete {
                Some(_) => Use::Delete,
                None => Use::ScaleToZero,
            },
        );
    }
    let store = opened
        .store()
        .map_err(|problem| bad_arguments(&[problem]))?;
    let rule = opened.spec.locate_after(opened.aws()).await;
    let rule = rule.map_err(|error| failed(&error, UNCHANGED))?;
    let log = store.log(rule.as_str());
    let ended = match cli.dry_run {
        true => shown(cli, &wanted, &opened, &log, rule).await,
        false => held(cli, &wanted, &opened, &store, rule).await,
    };
    if !cli.told.json {
        say_line!("API calls: {}", opened.aws().calls());
    }
    ended.map(|()| 0)
}

/// Returns the name of the side to retire, and its retirement as the options want it.
async fn retirement(
    cli: &Cleanup,
    wanted: &Wanted,
    spec: &MigrationSpec,
    aws: &Aws,
    log: &JournalLog,
    rule: RuleArn,
) -> Result<(Name, Retirement), u8> {
    let found = spec.retirement(aws, log, rule, wanted.keep.0).await;
    let (side, mut retirement) = found.map_err(|error| failed(&error, UNCHANGED))?;
    if let Some(typed) = &cli.delete {
        let service = retirement.service();
        let short = service.rsplit('/').next().unwrap_or_default();
        if ![side.as_str(), service.as_str(), short].contains(&typed.as_str()) {
            let message =
                format!("`{typed}` is not blue, which is side {side} with service {service}");
            let hint = format!("to delete that side, type it out: --delete {side}");
            return Err(bad_arguments(&[Problem::new("--delete", message, hint)]));
        }
        retirement = retirement.deleting();
    }
    let risks = wanted.accept.iter().chain(&spec.safety.accept);
    Ok((side, risks.fold(retirement, |one, risk| one.accept(*risk))))
}

/// Shows what would be done.
async fn shown(
    cli: &Cleanup,
    wanted: &Wanted,
    opened: &Opened,
    log: &JournalLog,
    rule: RuleArn,
) -> Result<(), u8> {
    let aws = opened.aws();
    let (side, retirement) = retirement(cli, wanted, &opened.spec, aws, log, rule).await?;
    let report = retirement.preview().await;
    let report = report.map_err(|error| failed(&error, UNCHANGED))?;
    if cli.told.json {
        return told(&side, &report, true);
    }
    notes(&report);
    for step in &report.done {
        say_line!("would {step}");
    }
    if report.done.is_empty() {
        say_line!("there is nothing to do");
    }
    say_line!("dry run: nothing was changed");
    Ok(())
}

/// Retires blue while this process holds the journal, so that no run begins meanwhile.
async fn held(
    cli: &Cleanup,
    wanted: &Wanted,
    opened: &Opened,
    store: &JournalStore,
    rule: RuleArn,
) -> Result<(), u8> {
    let log = &store.log(rule.as_str());
    let how = match cli.journal.steal {
        true => Take::Force,
        // A cleanup that was killed leaves a lease that expires.
        false => Take::IfExpired,
    };
    let lease = take(log, &cli.told.operator, opened.aws().clock(), how).await;
    let lease = lease.map_err(|error| failed(&held_by(error), UNCHANGED))?;
    let ended = {
        let work = pin!(retired(cli, wanted, opened, store, rule, &lease));
        let lost = pin!(lease.heartbeat());
        match select(work, lost).await {
            Either::Left((ended, _)) => ended,
            Either::Right((error, _)) => Err(failed(&stopped(error), UNCHANGED)),
        }
    };
    if let Err(error) = lease.release().await {
        say_line!("warning: the journal's lease was not released: {error}");
    }
    ended
}

/// Says what helps beside another run: there is nothing here that `resume` could continue.
fn held_by(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Held => error.with_hint(
            "wait until that run has ended: `bluegreen status`; `--steal` takes the journal by force",
        ),
        _ => error,
    }
}

fn stopped(error: Error) -> Error {
    let message = format!("stopped: {}", error.message());
    let hint =
        "a rollback takes the journal at any time: see `bluegreen status`, then run this again";
    Error::new(error.kind(), message).with_hint(hint)
}

async fn retired(
    cli: &Cleanup,
    wanted: &Wanted,
    opened: &Opened,
    store: &JournalStore,
    rule: RuleArn,
    lease: &Lease,
) -> Result<(), u8> {
    let aws = opened.aws().fenced(lease.clone());
    let log = store.log(rule.as_str());
    let (side, retirement) = retirement(cli, wanted, &opened.spec, &aws, &log, rule).await?;
    let by = &cli.told.operator;
    let retirement = Recorded::record(retirement, store, &side, by, wanted.keep);
    let json = cli.told.json;
    let retirement = retirement.on_wait(|why| say_line!("waiting: {why}"));
    let retirement = retirement.on_step(move |step| {
        if !json {
            say_line!("{step}");
        }
    });
    let report = retirement.run().await;
    let report = report.map_err(|error| failed(&error, UNCHANGED))?;
    if json {
        return told(&side, &report, false);
    }
    notes(&report);
    match (report.done.is_empty(), &cli.delete) {
        (true, _) => say_line!("nothing to do: side {side} is retired already"),
        (false, Some(_)) => {
            say_line!("side {side} is deleted, and read back");
            if let Some(deleted) = opened.deleted().await {
                say_line!("{}", deleted.next());
            }
        }
        (false, None) => say_line!(
            "side {side} runs nothing now. `bluegreen rollback` scales it up first; `bluegreen cleanup \
             --delete {side}` removes it for good"
        ),
    }
    Ok(())
}

fn notes(report: &RetireReport) {
    for note in &report.notes {
        match note.is_accepted {
            true => say_line!("accepted: {note}"),
            false => say_line!("note: {note}"),
        }
    }
}

/// Prints as JSON: the side, and what was or would be done.
fn told(side: &Name, report: &RetireReport, is_dry: bool) -> Result<(), u8> {
    #[derive(Serialize)]
    struct Told<'a> {
        side: &'a Name,
        dry_run: bool,
        #[serde(flatten)]
        report: &'a RetireReport,
    }
    let told = Told {
        side,
        dry_run: is_dry,
        report,
    };
    try_json_line(&told).map_err(|error| {
        say_line!("error: the answer could not be written: {error}");
        UNCHANGED
    })
}
