//! `bluegreen-temporal`: migrations as workflows.

mod arguments;

use std::{future::Future, process::ExitCode, time::Duration};

use bluegreen::{Error, ErrorKind, Failure, text::visible};
use bluegreen_temporal::{client::Migrations, data::Order};
use clap::Parser as _;

use crate::arguments::{Arguments, Start, Verb};

/// How often the state of a migration is shown while its end is waited for.
const SHOWN_EACH: Duration = Duration::from_secs(2);
/// Bad arguments or configuration; nothing was called.
const INVALID: u8 = 2;
/// Stopped before anything changed.
const UNCHANGED: u8 = 3;
/// A person must look now.
const UNKNOWN: u8 = 20;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.verb {
        Verb::Worker { queue } => worker(&queue).await,
        Verb::Start(start) => begun(start).await,
        Verb::Status { which } => status(&which).await,
        Verb::Control(verb) => control(verb).await,
    };
    ExitCode::from(match done {
        Ok(code) => code,
        Err(error) => failed(&error),
    })
}

/// Prints an error, and returns its exit code.
#[expect(clippy::print_stderr, reason = "the command tells people")]
fn failed(error: &Error) -> u8 {
    let failure = Failure::from(error);
    eprintln!("error: {}", visible(&failure.to_string()));
    if let Some(hint) = &failure.hint {
        eprintln!("  hint: {}", visible(hint));
    }
    match error.kind() {
        ErrorKind::Invalid => INVALID,
        _ => UNCHANGED,
    }
}

#[expect(clippy::print_stderr, reason = "the command tells people")]
fn say(line: &str) {
    eprintln!("{}", visible(line));
}

/// Works until it is told to end; then begins nothing more, and finishes what is under way.
async fn worker(queue: &str) -> bluegreen::Result<u8> {
    logged();
    let migrations = Migrations::connect().await?;
    let mut worker = migrations.worker(queue)?;
    let end = worker.shutdown_handle();
    tokio::spawn(async move {
        told_to_end().await;
        say("ends: finishes what is under way");
        end();
    });
    say(&format!("works on task queue `{queue}`"));
    let run = worker.run().await;
    run.map_err(|error| Error::new(ErrorKind::Unavailable, "work").with_source(error.to_string()))?;
    Ok(0)
}

async fn told_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut terminated) => terminated.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = terminated => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

fn logged() {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_default_env();
    tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|_| EnvFilter::new("warn")))
        .with_writer(std::io::stderr)
        .init();
}

async fn begun(start: Start) -> bluegreen::Result<u8> {
    let mut spec = arguments::read(&start.file)?;
    arguments::at_one_place(&mut spec)?;
    let order = Order::new(spec, start.by);
    let migrations = Migrations::connect().await?;
    let id = migrations.start(order, &start.queue).await?;
    say(&format!("started `{id}`"));
    match start.wait {
        false => Ok(0),
        true => ended(&migrations, &id).await,
    }
}

/// Shows the events of a migration until it ends, and returns its exit code.
async fn ended(migrations: &Migrations, id: &str) -> bluegreen::Result<u8> {
    let mut shown = String::new();
    let show = async {
        loop {
            tokio::time::sleep(SHOWN_EACH).await;
            // Without a worker there is no answer; the end is waited for all the same.
            let Ok(status) = migrations.status(id).await else {
                continue;
            };
            let new = status.events.iter().rposition(|event| *event == shown);
            for event in &status.events[new.map_or(0, |new| new + 1)..] {
                say(event);
            }
            shown = status.events.last().cloned().unwrap_or(shown);
        }
    };
    let end = first(migrations.ended(id), show).await;
    match end {
        Ok(ended) => {
            print(&ended.told);
            Ok(ended.exit_code)
        }
        Err(error) if error.kind() == ErrorKind::Refused => {
            failed(&error);
            Ok(UNKNOWN)
        }
        Err(error) => Err(error),
    }
}

async fn first<T>(
    work: impl Future<Output = T>,
    beside: impl Future<Output = std::convert::Infallible>,
) -> T {
    tokio::select! {
        done = work => done,
        never = beside => match never {},
    }
}

#[expect(clippy::print_stdout, reason = "the command tells people")]
fn print(line: &str) {
    println!("{}", visible(line));
}

async fn status(which: &str) -> bluegreen::Result<u8> {
    let id = arguments::id(which)?;
    let status = Migrations::connect().await?.status(&id).await?;
    for event in &status.events {
        print(event);
    }
    print(&format!("now: {}", status.doing));
    if !status.holds_lease {
        print("the run does not hold the lease of its rule now: green does not rise");
    }
    Ok(0)
}

async fn control(verb: arguments::Control) -> bluegreen::Result<u8> {
    let id = arguments::id(verb.which())?;
    let control = verb.control()?;
    let migrations = Migrations::connect().await?;
    migrations.control(&id, control).await?;
    say("given: `status` shows the effect");
    Ok(0)
}
