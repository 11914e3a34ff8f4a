//! `continue`: a pause ends.

use bluegreen::{engine::Verb, problem::Problem};
use clap::Args;

use super::Asking;

/// Options of `continue`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct Continue {
    #[command(flatten)]
    pub(crate) asking: Asking,
}

impl Continue {
    pub(crate) fn verb(&self) -> Result<Verb, Problem> {
        Ok(Verb::Continue)
    }
}
