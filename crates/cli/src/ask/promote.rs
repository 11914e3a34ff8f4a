//! `promote`: the run rises without a healthy verdict.

use bluegreen::{engine::Verb, problem::Problem};
use clap::Args;

use super::Asking;

/// Options of `promote`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct Promote {
    /// To 100 % at once, and not to the next step.
    #[arg(long)]
    full: bool,
    #[command(flatten)]
    pub(crate) asking: Asking,
}

impl Promote {
    pub(crate) fn verb(&self) -> Result<Verb, Problem> {
        Ok(match self.full {
            true => Verb::PromoteFully,
            false => Verb::Promote,
        })
    }
}
