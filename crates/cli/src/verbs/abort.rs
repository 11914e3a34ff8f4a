//! `bluegreen abort`: the run puts everything back.

use std::process::ExitCode;

use bluegreen::{engine::Verb, problem::Problem};
use clap::Args;

use super::ask::{self, AFTER, Asking};

/// Ask the run to put everything back on blue.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(crate) struct Abort {
    #[command(flatten)]
    asking: Asking,
}

pub(crate) fn main(cli: &Abort) -> ExitCode {
    ask::main(verb(cli), &cli.asking)
}

fn verb(_: &Abort) -> Result<Verb, Problem> {
    Ok(Verb::Abort)
}
