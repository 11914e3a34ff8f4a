//! `abort`: the run puts everything back on blue.

use bluegreen::{engine::Verb, problem::Problem};
use clap::Args;

use super::Asking;

/// Options of `abort`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct Abort {
    #[command(flatten)]
    pub(crate) asking: Asking,
}

impl Abort {
    pub(crate) fn verb(&self) -> Result<Verb, Problem> {
        Ok(Verb::Abort)
    }
}
