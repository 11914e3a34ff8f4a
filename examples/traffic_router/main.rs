//! The heir of the guide's `deploy/traffic_router.py`: moves live traffic from blue to green.
//!
//! ```text
//! cargo run --example traffic_router -- --help
//! ```

mod args;
#[path = "../common/mod.rs"]
mod common;
mod render;
mod setup;

use std::process::ExitCode;

use bluegreen::{
    Aws, Migration, MigrationError, Outcome, TrafficSplitter,
    aws::sim::{Scenario, Simulation},
    migration::Problem,
};
use clap::Parser;

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
    if cli.place.scenario == "list" {
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
            anstream::eprintln!("error: cannot start: {error}");
            return ExitCode::from(UNCHANGED);
        }
    };
    ExitCode::from(runtime.block_on(run(&cli)))
}

fn list_scenarios() {
    anstream::println!("The simulated worlds of --scenario NAME, and the exit code of each:\n");
    for scenario in Scenario::ALL {
        let (name, exit) = (scenario.name(), scenario.expected_exit());
        anstream::println!("  {name:<18} {exit:>2}  {}", scenario.explanation());
    }
}

async fn run(cli: &Cli) -> u8 {
    if cli.place.aws {
        return match Setup::new(cli, None) {
            Ok(setup) => go(cli, &setup, &Aws::from_env().await, None).await,
            Err(problems) => bad_arguments(&problems),
        };
    }
    let (scenario, speed) = match (setup::scenario(cli), setup::speed(cli)) {
        (Ok(scenario), Ok(speed)) => (scenario, speed),
        (scenario, speed) => {
            let problems: Vec<_> = scenario.err().into_iter().chain(speed.err()).collect();
            return bad_arguments(&problems);
        }
    };
    let simulation = scenario.simulation(cli.place.seed);
    let setup = match Setup::new(cli, Some(&simulation)) {
        Ok(setup) => setup,
        Err(problems) => return bad_arguments(&problems),
    };
    simulation.start_paused();
    let pacer = match speed {
        Speed::Times(speed) => Some(simulation.pace(speed)),
        Speed::Max => None,
    };
    if !cli.json {
        anstream::eprintln!(
            "simulated AWS, scenario {}: {}",
            scenario.name(),
            scenario.explanation()
        );
    }
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
            Ok(traffic) => {
                render::status(&traffic, cli.json);
                0
            }
            Err(error) => failed(&error, UNCHANGED),
        };
    }
    if !cli.json && command == Command::Migrate {
        anstream::eprintln!("{}\n", setup.plan.preview());
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
        anstream::eprintln!("error: cannot listen to signals, so nothing was started: {error}");
        return UNCHANGED;
    }
    let operator = cli.place.operator.as_str();
    let ended = match command {
        Command::Migrate | Command::Status => migration.run().await,
        Command::Complete => migration.complete(operator).await,
        Command::Rollback { force } => migration.restore(operator, force).await,
    };
    if !cli.json {
        anstream::eprintln!("API calls: {}", aws.calls());
        if let Some(simulation) = simulation {
            let weights = simulation.weights();
            anstream::eprintln!("the simulated rule: {}:{}", weights.blue, weights.green);
        }
    }
    exit_code(ended)
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
    anstream::eprintln!("error: {} {problem_s}, nothing was called", problems.len());
    for problem in problems {
        anstream::eprintln!("  {}: {}", problem.field, problem.message);
        anstream::eprintln!("    hint: {}", problem.hint);
    }
    BAD_ARGUMENTS
}

fn failed(error: &bluegreen::Error, code: u8) -> u8 {
    let failure = bluegreen::Failure::from(error);
    anstream::eprintln!("error: {failure}");
    if let Some(hint) = &failure.hint {
        anstream::eprintln!("  hint: {hint}");
    }
    code
}
