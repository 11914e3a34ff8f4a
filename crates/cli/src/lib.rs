//! The command `bluegreen`, as a function that a small program can call.
//!
//! ```text
//! bluegreen router    moves live traffic from blue to green, and back
//! bluegreen deploy    builds, deploys, checks, and rolls back
//! bluegreen prepare   makes the place where green is to stand
//! bluegreen monitor   shows a migration, live or afterwards
//! bluegreen check     asks a service what its users will ask
//! bluegreen journal   says which journals there are, and deletes old runs
//! bluegreen init      writes the file of a migration from a rule that stands
//! bluegreen lint      says everything that is wrong with such a file
//! bluegreen schema    prints its JSON Schema
//! ```
//!
//! `router`, `monitor` and `check` run on a simulated AWS unless `--aws` or the file of a migration is given;
//! `deploy` and `prepare` do so with `--sim`.

mod ask;
mod check;
mod common;
mod deploy;
mod journal;
mod monitor;
mod prepare;
mod router;
mod spec;

use std::{ffi::OsString, process::ExitCode};

use clap::{Parser, Subcommand};

/// Moves live production traffic from one service (blue) to another (green) behind an AWS
/// Application Load Balancer, a step at a time, and puts everything back if green does harm.
///
/// `router`, `monitor` and `check` run on a simulated AWS, in virtual time, and touch nothing, unless --aws
/// or the file of a migration is given; `deploy` and `prepare` do so with --sim.
#[derive(Debug, Parser)]
#[command(name = "bluegreen", version, max_term_width = 80, after_help = AFTER)]
struct Command {
    #[command(subcommand)]
    verb: Verb,
}

const AFTER: &str = "\
Examples:
  bluegreen router                              a healthy migration on the simulation
  bluegreen router --scenario green-errors      one that is rolled back
  bluegreen init --rule-arn ARN                 the file of a migration, from a rule that stands
  bluegreen router --file bluegreen.toml        the migration of that file, on the real AWS
  bluegreen deploy --sim                        a deployment on the simulation
  bluegreen monitor --serve                     a migration, live in the browser
  bluegreen COMMAND --help                      every option, and what each exit code means";

#[derive(Debug, Subcommand)]
enum Verb {
    Router(Box<router::Cli>),
    Deploy(Box<deploy::Cli>),
    Prepare(Box<prepare::Cli>),
    Monitor(Box<monitor::Cli>),
    Check(Box<check::Cli>),
    Journal(Box<journal::Cli>),
    Init(Box<spec::init::Cli>),
    Lint(Box<spec::lint::Cli>),
    Schema(Box<spec::schema::Cli>),
}

/// Runs the command line `arguments`, the program's name first, and returns its exit code.
///
/// Prints to stdout and stderr, and handles signals. What is wrong with the command line itself
/// ends the process with code 2; `--help` and `--version` end it with code 0.
///
/// # Examples
///
/// ```no_run
/// // What `bluegreen router --scenario green-errors` does.
/// let words = ["bluegreen", "router", "--scenario", "green-errors"];
/// let code = bluegreen_cli::run(words.map(Into::into));
/// ```
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let command = Command::parse_from(arguments);
    match command.verb {
        Verb::Router(cli) => router::main(*cli),
        Verb::Deploy(cli) => deploy::main(&cli),
        Verb::Prepare(cli) => prepare::main(&cli),
        Verb::Monitor(cli) => monitor::main(&cli),
        Verb::Check(cli) => check::main(&cli),
        Verb::Journal(cli) => journal::main(&cli),
        Verb::Init(cli) => spec::init::main(&cli),
        Verb::Lint(cli) => spec::lint::main(&cli),
        Verb::Schema(cli) => spec::schema::main(&cli),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn no_two_options_of_a_verb_collide() {
        super::Command::command().debug_assert();
    }
}
