//! `bluegreen journal`: lists journals, and deletes the records of old runs.

mod args;

use std::{path::Path, process::ExitCode};

use bluegreen::{
    Failure,
    clock::{Clock as _, SystemClock},
    problem::Problem,
    spec::Origin,
    store::{JournalLog, JournalStore, Keep, Pruned},
};
use jiff::{SignedDuration, Timestamp};

pub(crate) use self::args::Cli;
use self::args::{Command, Prune};
use crate::{
    common::{
        errors::{UNCHANGED, bad_arguments, said},
        journal::{self, JournalPlace},
        runtime::block_on,
        say::{answer, say_line},
    },
    migration::file::File,
    native,
};

pub(crate) fn main(cli: &Cli) -> ExitCode {
    block_on(async {
        match run(cli).await {
            Ok(()) => 0,
            Err(Ended::Said(code)) => code,
            Err(Ended::Problem(problem)) => bad_arguments(&[problem]),
            Err(Ended::Failure(failure)) => {
                said(&failure);
                UNCHANGED
            }
        }
    })
}

enum Ended {
    /// With this exit code; the message is printed already.
    Said(u8),
    Problem(Problem),
    Failure(Failure),
}

impl From<bluegreen::Error> for Ended {
    fn from(error: bluegreen::Error) -> Self {
        Self::Failure(Failure::from(error))
    }
}

async fn run(cli: &Cli) -> Result<(), Ended> {
    let store = store(cli.journal.as_deref()).await?;
    match &cli.command {
        Command::List => list(&store).await,
        Command::Prune(prune) => pruned(&store, prune).await,
    }
}

async fn store(place: Option<&str>) -> Result<JournalStore, Ended> {
    let hint = "give s3://BUCKET/PREFIX, or a folder";
    let problem = |message: String| Ended::Problem(Problem::new("--journal", message, hint));
    let file = match place {
        Some(_) => None,
        None => File::usual(None).map_err(Ended::Said)?,
    };
    let mut named = JournalPlace {
        journal: place.map(str::to_owned),
        ..JournalPlace::default()
    };
    if let Some(file) = file {
        named = file.journal(&named);
    }
    let place = named.journal.as_deref().filter(|place| !place.is_empty());
    let place = place.ok_or_else(|| problem("is needed".to_owned()))?;
    if journal::bucket(place).is_none() && !Path::new(place).is_dir() {
        return Err(problem(format!("there is no folder `{place}`")));
    }
    let store = journal::open(place).await;
    store.map_err(|error| problem(Failure::from(error).to_string()))
}

async fn list(store: &JournalStore) -> Result<(), Ended> {
    let names = store.logs().await?;
    if names.is_empty() {
        say_line!("there is no journal in {store}");
    }
    for name in names {
        let log = store.named(&name);
        let opening = log.newest_opening().await?;
        let run = opening.and_then(|opening| {
            native::told_of(&opening).or_else(|| {
                let origin = Origin::of(&[opening]).ok()?;
                Some(format!("run {}", origin.spec.name))
            })
        });
        let run = run.map(|run| format!("  {run}")).unwrap_or_default();
        let line = match log.lease_state().await? {
            Some(state) => format!("{name}{run}  {state}"),
            None => format!("{name}  empty"),
        };
        if answer(&line).is_err() {
            break;
        }
    }
    Ok(())
}

async fn pruned(store: &JournalStore, prune: &Prune) -> Result<(), Ended> {
    let logs: Vec<JournalLog> = match (&prune.log, &prune.rule_arn) {
        (None, None) => {
            let names = store.logs().await?;
            names.iter().map(|name| store.named(name)).collect()
        }
        (name, rule) => {
            let log = journal::log_of(store, name.as_deref(), rule.as_deref()).await;
            vec![log.map_err(Ended::Problem)?]
        }
    };
    if logs.is_empty() {
        say_line!("there is no journal in {store}");
    }
    let age = SignedDuration::from_hours(24 * i64::from(prune.keep_days));
    let since = SystemClock.now().checked_sub(age);
    let keep = Keep::new(prune.keep_runs, since.unwrap_or(Timestamp::MIN));
    for log in logs {
        let name = log.subject();
        let shown = |pruned: &Pruned| {
            if pruned.deleted > 0 && pruned.deleted < pruned.records {
                say_line!(
                    "{name}: {} of {} records deleted",
                    pruned.deleted,
                    pruned.records
                );
            }
        };
        let pruned = log.prune(&keep, prune.dry_run, shown).await?;
        let done = if prune.dry_run {
            "would be deleted"
        } else {
            "deleted"
        };
        let since = match pruned.oldest_kept {
            Some(oldest) => format!(" since {oldest:.0}"),
            None => String::new(),
        };
        say_line!(
            "{name}: {} records{} {done}; {} runs{since} stay",
            pruned.records,
            match pruned.requests {
                0 => String::new(),
                requests => format!(" and {requests} requests and answers"),
            },
            pruned.runs_kept
        );
    }
    Ok(())
}
