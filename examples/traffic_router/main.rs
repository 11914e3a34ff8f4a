//! The heir of the guide's `deploy/traffic_router.py`: moves live traffic from blue to green.
//!
//! ```text
//! cargo run --example traffic_router -- --help
//! ```

mod args;
#[path = "../common/mod.rs"]
mod common;
mod outlook;
mod render;
mod setup;

use std::{io::Write as _, process::ExitCode};

use bluegreen::{
    Aws, Migration, MigrationError, Outcome, TrafficSplitter,
    aws::sim::{Scenario, Simulation},
    problem::Problem,
};
use clap::Parser;

use self::common::say::say_line;
use self::{
    args::{Cli, Command},
    render::Progress,
    setup::{Setup, Speed},
};

/// Bad arguments or plan; nothing was called.
const BAD_ARGUMENTS: u8 = 2;
/// Stopped before anything changed.
const UNCHANGED: u8 = 3;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if cli.place.scenario.as_deref() == Some("list") {
        list_scenarios();
        return ExitCode::SUCCESS;
    }
    // A plain current-thread runtime: only the simulation pauses its clock.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            say_line!("error: cannot start: {error}");
            return ExitCode::from(UNCHANGED);
        }
    };
    ExitCode::from(runtime.block_on(run(&cli)))
}

fn list_scenarios() {
    let mut out = anstream::stdout().lock();
    let _ = writeln!(
        out,
        "The simulated worlds of --scenario NAME, and the exit code of each:\n"
    );
    for scenario in Scenario::ALL {
        let (name, exit) = (scenario.name(), scenario.expected_exit());
        let _ = writeln!(out, "  {name:<18} {exit:>2}  {}", scenario.explanation());
    }
}

async fn run(cli: &Cli) -> u8 {
    if cli.place.aws {
        return match Setup::new(cli, None) {
            Ok(setup) => go(cli, &setup, &Aws::from_env().await, None).await,
            Err(problems) => bad_arguments(&problems),
        };
    }
    let scenario = setup::scenario(cli);
    // Whatever the world, the rest of the command line can be checked.
    let simulation = scenario.as_ref().map_or(Scenario::Healthy, |s| *s);
    let simulation = simulation.simulation(cli.place.seed);
    let speed = setup::speed(cli);
    let (scenario, speed, setup) = match (scenario, speed, Setup::new(cli, Some(&simulation))) {
        (Ok(scenario), Ok(speed), Ok(setup)) => (scenario, speed, setup),
        (scenario, speed, setup) => {
            let mut problems: Vec<_> = scenario.err().into_iter().chain(speed.err()).collect();
            problems.extend(setup.err().into_iter().flatten());
            return bad_arguments(&problems);
        }
    };
    simulation.start_paused();
    let pacer = match speed {
        Speed::Times(speed) => Some(simulation.pace(speed)),
        Speed::Max => None,
    };
    say_line!(
        "simulated AWS, scenario {}: {}",
        scenario.name(),
        scenario.explanation()
    );
    let code = go(cli, &setup, &simulation.aws(), Some(&simulation)).await;
    drop(pacer);
    code
}

/// Carries the command out and gives its exit code.
async fn go(cli: &Cli, setup: &Setup, aws: &Aws, simulation: Option<&Simulation>) -> u8 {
    let splitter = match setup.splitter(aws) {
        Ok(splitter) => splitter,
        Err(error) => return failed(&error, BAD_ARGUMENTS),
    };
    let command = cli.command.unwrap_or(Command::Migrate);
    if command == Command::Status {
        return match splitter.observe().await {
            Ok(traffic) => match render::status(&traffic, cli.json) {
                Ok(()) => 0,
                Err(error) => {
                    say_line!("error: the answer could not be written: {error}");
                    UNCHANGED
                }
            },
            Err(error) => failed(&error, UNCHANGED),
        };
    }
    if let Some(code) = looked_ahead(cli, setup, aws, command).await {
        return code;
    }
    let gates = match setup.gates(aws, cli) {
        Ok(gates) => gates,
        Err(error) => return failed(&error, BAD_ARGUMENTS),
    };
    let mut migration = Migration::new(setup.plan.clone(), splitter).clock(aws.clock());
    for (name, gate) in gates {
        migration = migration.gate(name, gate);
    }
    migration = if cli.json {
        migration.on_event(render::json)
    } else {
        let mut progress = Progress::default();
        migration.on_event(move |event| progress.show(event))
    };
    if let Err(error) = common::signals::control(migration.handle()) {
        say_line!("error: cannot listen to signals, so nothing was started: {error}");
        return UNCHANGED;
    }
    let operator = cli.place.operator.as_str();
    let ended = match command {
        Command::Migrate | Command::Status | Command::Plan | Command::Calibrate { .. } => {
            migration.run().await
        }
        Command::Complete => migration.complete(operator).await,
        Command::Rollback { force } => migration.restore(operator, force).await,
    };
    if !cli.json {
        say_line!("API calls: {}", aws.calls());
        if let Some(simulation) = simulation {
            let weights = simulation.weights();
            say_line!("the simulated rule: {}:{}", weights.blue, weights.green);
        }
        render::ending(&ended);
    }
    exit_code(ended)
}

/// What blue's past says: all that was asked for, or what must be known before a migration. Gives
/// an exit code where it ends with that.
async fn looked_ahead(cli: &Cli, setup: &Setup, aws: &Aws, command: Command) -> Option<u8> {
    if !matches!(
        command,
        Command::Migrate | Command::Plan | Command::Calibrate { .. }
    ) {
        return None;
    }
    let source = match setup.source(aws, cli) {
        Ok(source) => source,
        Err(error) => return Some(failed(&error, BAD_ARGUMENTS)),
    };
    let source = source.as_dyn();
    let is_quiet = cli.json && command == Command::Migrate;
    if !is_quiet && !matches!(command, Command::Calibrate { .. }) {
        say_line!("{}\n", setup.plan.preview());
    }
    let Some(settings) = setup.sequential() else {
        return match command {
            Command::Migrate => None,
            Command::Plan => Some(0),
            _ => Some(bad_arguments(&[Problem::new(
                "--judge limits",
                "the limits need no past",
                "leave it out",
            )])),
        };
    };
    let ended = match command {
        Command::Calibrate { days } => outlook::past(source, aws, settings, days).await,
        _ => outlook::plan(source, aws, &setup.plan, settings).await,
    };
    match (ended, command) {
        (Ok(true), Command::Migrate) => None,
        (Ok(true), _) => Some(0),
        (Ok(false), _) => Some(UNCHANGED),
        (Err(error), _) => Some(failed(&error, UNCHANGED)),
    }
}

/// The outcome's code; its words were the last event.
fn exit_code(ended: Result<Outcome, MigrationError>) -> u8 {
    match ended {
        Ok(outcome) => outcome.exit_code(),
        Err(MigrationError::Plan(error)) => bad_arguments(error.problems()),
        Err(error) => error.exit_code(),
    }
}

fn bad_arguments(problems: &[Problem]) -> u8 {
    let problem_s = if problems.len() == 1 {
        "problem"
    } else {
        "problems"
    };
    say_line!("error: {} {problem_s}, nothing was called", problems.len());
    for problem in problems {
        say_line!("  {}: {}", problem.field, problem.message);
        say_line!("    hint: {}", problem.hint);
    }
    BAD_ARGUMENTS
}

fn failed(error: &bluegreen::Error, code: u8) -> u8 {
    let failure = bluegreen::Failure::from(error);
    say_line!("error: {failure}");
    if let Some(hint) = &failure.hint {
        say_line!("  hint: {hint}");
    }
    code
}
