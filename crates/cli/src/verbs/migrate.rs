//! `bluegreen migrate`: moves live traffic from the side that serves to the other one.

mod advise;

use std::{process::ExitCode, time::Duration};

use bluegreen::{
    TrafficSplitter as _,
    problem::Problem,
    spec::{Span, Use},
    store::Take,
};
use clap::Args;

use crate::{
    common::{
        errors::{BAD_ARGUMENTS, UNCHANGED, bad_arguments, failed},
        journal::JournalPlace,
        runtime::block_on,
        say::say_line,
    },
    migration::{
        Print,
        args::{Named, OPTIONS, Sim, Told},
        changes::Changes,
        controller::{Controller, Order},
        finished, foresee,
        open::{Given, Opened, Way, open},
        preview, world,
    },
};

/// Move traffic to the other side, and back if that side does harm.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(crate) struct Migrate {
    #[command(flatten)]
    named: Named<JournalPlace>,
    #[command(flatten)]
    sim: Sim,
    #[command(flatten)]
    changes: Changes,
    #[command(flatten, next_help_heading = OPTIONS)]
    told: Told,
    #[command(flatten)]
    print: Print,
    /// The side that is to serve [default: the idle side].
    #[arg(long, value_name = "SIDE", help_heading = OPTIONS)]
    to: Option<String>,
    /// Go to 100 % at once: you decide, not the gates.
    #[arg(long, conflicts_with = "advise", help_heading = OPTIONS)]
    full: bool,
    /// Judge the split as it is, and write nothing.
    #[arg(long, help_heading = OPTIONS)]
    advise: bool,
    /// On a simulated AWS: kill the controller after this time; a second controller resumes.
    #[arg(long, value_name = "TIME", hide = true)]
    kill_at: Option<String>,
    /// The time from --kill-at to the start of the second controller.
    #[arg(long, value_name = "TIME", requires = "kill_at", hide = true)]
    resume_after: Option<String>,
}

const AFTER: &str = "\
Exit: 0 promoted; 2 bad arguments; 3 refused, unchanged; 10 rolled back;
11 cancelled, rolled back; 12 held; 20 not restored, or not known: look now.";

pub(crate) fn main(cli: &Migrate) -> ExitCode {
    if world::listed(&cli.sim) {
        return ExitCode::SUCCESS;
    }
    block_on(async { run(cli).await.unwrap_or_else(|code| code) })
}

/// When the controller of a simulation dies, and how much later a second controller resumes.
struct Death {
    at: Duration,
    resume_after: Duration,
}

async fn run(cli: &Migrate) -> Result<u8, u8> {
    let death = death(cli)?;
    let given = Given {
        sim: Some(&cli.sim),
        changes: Some(&cli.changes),
        way: Way::to(cli.to.as_deref()),
        is_asked: cli.print.is_asked(),
        ..cli.named.given()
    };
    let opened = open(&given).await?;
    if cli.print.is_asked() {
        return cli.print.answer(&opened, Use::Migrate);
    }
    if death.is_some() && !opened.world.is_simulated() {
        let hint = "end the process itself: `bluegreen resume` continues its run";
        let problem = Problem::new("--kill-at", "is only for a simulated AWS", hint);
        return Err(bad_arguments(&[problem]));
    }
    if cli.advise {
        return advise::run(&opened, &cli.told).await;
    }
    if let (Some(holding), false) = (opened.holding().await, opened.journal.steal) {
        return Err(failed(&holding.error(), UNCHANGED));
    }
    let target = opened.target().await?;
    if cli.to.is_some() && has_all(&opened, &target).await? {
        say_line!(
            "{} has all of the traffic: nothing to do",
            target.sides.green.name
        );
        return Ok(0);
    }
    if !cli.full {
        may_begin(cli, &opened, &target).await?;
    }
    let controller = Controller::new(&opened, &target, &cli.told, false).await?;
    let order = match cli.full {
        true => Order::Full,
        false => Order::Migrate,
    };
    let ended = match death {
        None => controller.start(order).await,
        Some(death) => match tokio::time::timeout(death.at, controller.start(order)).await {
            Ok(ended) => ended,
            Err(_) => {
                killed(&opened, &death).await;
                controller.resume(Take::IfExpired).await
            }
        },
    };
    Ok(finished(&opened, &cli.told, ended))
}

/// Shows the plan, and refuses a migration with a step that could not be decided at this traffic.
async fn may_begin(
    cli: &Migrate,
    opened: &Opened,
    target: &bluegreen::spec::Target,
) -> Result<(), u8> {
    if !cli.told.json {
        say_line!("{}\n", preview(&opened.spec, &opened.plan));
    }
    let foreseen = foresee::forecast(opened, target).await?;
    if let (Some(forecast), false) = (&foreseen.forecast, cli.told.json) {
        say_line!("{forecast}");
    }
    for line in foreseen.lines() {
        say_line!("{line}");
    }
    match foreseen.is_fit() {
        true => Ok(()),
        false => Err(UNCHANGED),
    }
}

/// Returns whether the new side has all of the traffic already.
pub(super) async fn has_all(opened: &Opened, target: &bluegreen::spec::Target) -> Result<bool, u8> {
    let splitter = opened.spec.splitter(opened.aws(), target);
    let splitter = splitter.map_err(|error| failed(&error, BAD_ARGUMENTS))?;
    let traffic = splitter.observe().await;
    let traffic = traffic.map_err(|error| failed(&error, UNCHANGED))?;
    Ok(traffic.weights.blue == 0 && traffic.weights.green > 0)
}

fn death(cli: &Migrate) -> Result<Option<Death>, u8> {
    let mut problems = Vec::new();
    let mut span = |field: &str, text: &Option<String>| {
        let span = text.as_deref()?.parse::<Span>();
        let span = span
            .map_err(|error| problems.push(Problem::new(field, error.to_string(), error.hint())));
        span.ok().map(|span| span.0)
    };
    let at = span("--kill-at", &cli.kill_at);
    let resume_after = span("--resume-after", &cli.resume_after).unwrap_or_default();
    match problems.is_empty() {
        true => Ok(at.map(|at| Death { at, resume_after })),
        false => Err(bad_arguments(&problems)),
    }
}

/// Prints that the controller is dead, and waits for the second controller.
async fn killed(opened: &Opened, death: &Death) {
    let until = match opened.plan.dead_man() {
        Some(_) => "until the dead-man switch fires",
        None => "as it is",
    };
    say_line!("killed: the split stays {until}");
    tokio::time::sleep(death.resume_after).await;
    if let (Some(simulation), false) = (opened.world.simulation(), death.resume_after.is_zero()) {
        let weights = simulation.weights();
        let after = Span::from(death.resume_after);
        say_line!(
            "{after} later the rule has the weights {}:{}",
            weights.blue,
            weights.green
        );
    }
}
