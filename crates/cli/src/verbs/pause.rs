//! `bluegreen pause`: asks the run not to rise until it is continued.

use std::process::ExitCode;

use bluegreen::{engine::Verb, problem::Problem, spec::Span};
use clap::Args;

use super::ask::{self, AFTER, Asking};

/// Ask the run to pause: it does not rise, but still watches.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(crate) struct Pause {
    /// Longest pause; then plan.on_cancel applies [default: 30m].
    #[arg(long = "for", value_name = "TIME")]
    length: Option<String>,
    #[command(flatten)]
    asking: Asking,
}

pub(crate) fn main(cli: &Pause) -> ExitCode {
    ask::main(verb(cli), &cli.asking)
}

fn verb(cli: &Pause) -> Result<Verb, Problem> {
    let length = cli.length.as_deref().map(str::parse::<Span>).transpose();
    let length = length.map_err(|error| Problem::new("--for", error.to_string(), error.hint()))?;
    Ok(Verb::Pause {
        length: length.map(|span| span.0),
    })
}
