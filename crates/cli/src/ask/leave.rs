//! `leave`: the run ends, and the split stays.

use bluegreen::{engine::Verb, problem::Problem};
use clap::Args;

use super::Asking;

/// Options of `leave`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct Leave {
    #[command(flatten)]
    pub(crate) asking: Asking,
}

impl Leave {
    pub(crate) fn verb(&self) -> Result<Verb, Problem> {
        let reason = self.asking.reason.as_deref();
        if reason.is_none_or(|reason| reason.trim().is_empty()) {
            let message = "is needed: nobody watches the split after that";
            return Err(Problem::new("--reason", message, "say why it is left"));
        }
        Ok(Verb::Leave)
    }
}
