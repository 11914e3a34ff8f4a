//! `bluegreen leave`: asks the run to end, and to leave the split as it is.

use std::process::ExitCode;

use bluegreen::{engine::Verb, problem::Problem};
use clap::Args;

use super::ask::{self, AFTER, Asking};

/// Ask the run to end, and to leave the split as it is.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(crate) struct Leave {
    #[command(flatten)]
    asking: Asking,
}

pub(crate) fn main(cli: &Leave) -> ExitCode {
    ask::main(verb(cli), &cli.asking)
}

fn verb(cli: &Leave) -> Result<Verb, Problem> {
    let reason = cli.asking.reason.as_deref();
    // A policy is the same for every reason.
    if !cli.asking.print_iam_policy && reason.is_none_or(|reason| reason.trim().is_empty()) {
        let message = "is needed: after this request no controller watches the split";
        return Err(Problem::new(
            "--reason",
            message,
            "say why the split is left as it is",
        ));
    }
    Ok(Verb::Leave)
}
