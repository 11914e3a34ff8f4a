//! `bluegreen promote`: asks the run to rise without a healthy verdict.

use std::process::ExitCode;

use bluegreen::{engine::Verb, problem::Problem};
use clap::Args;

use super::ask::{self, AFTER, Asking};

/// Ask the run to rise on your decision instead of the gates'.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(crate) struct Promote {
    /// Go to 100 % at once, not to the next step.
    #[arg(long)]
    full: bool,
    #[command(flatten)]
    asking: Asking,
}

pub(crate) fn main(cli: &Promote) -> ExitCode {
    ask::main(verb(cli), &cli.asking)
}

fn verb(cli: &Promote) -> Result<Verb, Problem> {
    Ok(match cli.full {
        true => Verb::PromoteFully,
        false => Verb::Promote,
    })
}
