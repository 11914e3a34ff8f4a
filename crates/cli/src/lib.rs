//! The command `bluegreen` as a function, so that another program can call it.
//!
//! `bluegreen --help` lists the verbs; each verb has its own file.

mod check;
mod common;
mod deploy;
mod journal;
mod migration;
mod monitor;
mod native;
mod prepare;
mod verbs;

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use clap::{ArgAction, CommandFactory as _, Parser, Subcommand};

use self::migration::args::OPTIONS;
use self::verbs::{
    abort, cleanup, completions, continue_run, diff, init, judge, leave, lint, migrate, pause,
    plan, promote, resume, rollback, schema, status, test,
};

/// Moves live production traffic from one service (blue) to another (green) behind an AWS
/// Application Load Balancer, step by step, and puts everything back on blue if green does harm.
#[derive(Debug, Parser)]
#[command(name = "bluegreen", version, max_term_width = 80, after_help = AFTER)]
#[command(disable_help_flag = true, disable_version_flag = true)]
struct Command {
    /// Print help.
    #[arg(short, long, action = ArgAction::HelpShort, global = true, help_heading = OPTIONS)]
    help: Option<bool>,
    /// Print version.
    #[arg(short = 'V', long, action = ArgAction::Version, help_heading = OPTIONS)]
    version: Option<bool>,
    /// Append the end to this file, such as $GITHUB_OUTPUT.
    #[arg(long, value_name = "FILE", help_heading = OPTIONS)]
    result: Option<PathBuf>,
    #[command(subcommand)]
    verb: Verb,
}

const AFTER: &str = "\
./bluegreen.toml describes a migration. With --sim a verb needs no AWS.

Examples:
  bluegreen migrate --sim               a healthy migration, simulated
  bluegreen migrate --sim green-errors  a simulated rollback
  bluegreen init --rule-arn ARN         write ./bluegreen.toml from a rule
  bluegreen plan                        show how long each step takes
  bluegreen test                        test green before it gets traffic
  bluegreen migrate                     run the migration of that file
  bluegreen rollback                    put everything back at once
  bluegreen cleanup                     scale the old side to zero, a day later";

#[derive(Debug, Subcommand)]
enum Verb {
    Init(Box<init::Init>),
    Lint(Box<lint::Lint>),
    Plan(Box<plan::Plan>),
    Diff(Box<diff::Diff>),
    Prepare(Box<prepare::Cli>),
    Deploy(Box<deploy::Cli>),
    Judge(Box<judge::Judge>),
    Test(Box<test::Test>),
    Migrate(Box<migrate::Migrate>),
    Status(Box<status::Status>),
    Pause(Box<pause::Pause>),
    Continue(Box<continue_run::Continue>),
    Promote(Box<promote::Promote>),
    Abort(Box<abort::Abort>),
    Leave(Box<leave::Leave>),
    Rollback(Box<rollback::Rollback>),
    Resume(Box<resume::Resume>),
    Cleanup(Box<cleanup::Cleanup>),
    Check(Box<check::Cli>),
    Monitor(Box<monitor::Cli>),
    Journal(Box<journal::Cli>),
    Schema(Box<schema::Schema>),
    Completions(Box<completions::Completions>),
}

/// Runs the command line `arguments`, the program's name first, and returns its exit code.
///
/// Prints to stdout and stderr, and handles signals. The code of an error in the command line itself is 2, that of
/// `--help` and `--version` is 0.
///
/// # Examples
///
/// ```no_run
/// // What `bluegreen migrate --sim green-errors` does.
/// let words = ["bluegreen", "migrate", "--sim", "green-errors"];
/// let code = bluegreen_cli::run(words.map(Into::into));
/// ```
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let words: Vec<OsString> = arguments.into_iter().collect();
    let (file, run): (_, Box<dyn FnOnce() -> ExitCode>) = match Command::try_parse_from(&words) {
        Ok(command) => (command.result, Box::new(|| run_verb(command.verb))),
        Err(error) => {
            // Help and version go to stdout, and are no end of a command.
            let file = error.use_stderr().then(|| result_of(&words)).flatten();
            (file, Box::new(move || said(&error)))
        }
    };
    let Some(file) = file else {
        return run();
    };
    // Before anything is done, so that no run ends without a place for its end.
    match common::result::ResultFile::open(&file) {
        Ok(result) => result.keep(run()),
        Err(problem) => ExitCode::from(common::errors::bad_arguments(&[problem])),
    }
}

/// Returns the file of `--result` in a command line that is wrong elsewhere.
fn result_of(words: &[OsString]) -> Option<PathBuf> {
    let lenient = Command::command().ignore_errors(true);
    let found = lenient.try_get_matches_from(words).ok()?;
    found.get_one::<PathBuf>("result").cloned()
}

/// Prints what is wrong with the command line, or the help that was asked for.
fn said(error: &clap::Error) -> ExitCode {
    match error.print() {
        Ok(()) if !error.use_stderr() => ExitCode::SUCCESS,
        _ => ExitCode::from(common::errors::BAD_ARGUMENTS),
    }
}

fn run_verb(verb: Verb) -> ExitCode {
    match verb {
        Verb::Init(cli) => init::main(&cli),
        Verb::Lint(cli) => lint::main(&cli),
        Verb::Plan(cli) => plan::main(&cli),
        Verb::Diff(cli) => diff::main(&cli),
        Verb::Prepare(cli) => prepare::main(&cli),
        Verb::Deploy(cli) => deploy::main(&cli),
        Verb::Judge(cli) => judge::main(&cli),
        Verb::Test(cli) => test::main(&cli),
        Verb::Migrate(cli) => migrate::main(&cli),
        Verb::Status(cli) => status::main(&cli),
        Verb::Pause(cli) => pause::main(&cli),
        Verb::Continue(cli) => continue_run::main(&cli),
        Verb::Promote(cli) => promote::main(&cli),
        Verb::Abort(cli) => abort::main(&cli),
        Verb::Leave(cli) => leave::main(&cli),
        Verb::Rollback(cli) => rollback::main(&cli),
        Verb::Resume(cli) => resume::main(&cli),
        Verb::Cleanup(cli) => cleanup::main(&cli),
        Verb::Check(cli) => check::main(&cli),
        Verb::Monitor(cli) => monitor::main(&cli),
        Verb::Journal(cli) => journal::main(&cli),
        Verb::Schema(cli) => schema::main(&cli),
        Verb::Completions(cli) => completions::main(&cli, Command::command()),
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
