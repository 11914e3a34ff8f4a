//! `bluegreen continue`: asks the run to end a pause.

use std::process::ExitCode;

use bluegreen::{engine::Verb, problem::Problem};
use clap::Args;

use super::ask::{self, AFTER, Asking};

/// Ask the run to end a pause.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(crate) struct Continue {
    #[command(flatten)]
    asking: Asking,
}

pub(crate) fn main(cli: &Continue) -> ExitCode {
    ask::main(verb(cli), &cli.asking)
}

fn verb(_: &Continue) -> Result<Verb, Problem> {
    Ok(Verb::Continue)
}
