//! `pause`: the run rises no further until it is continued.

use bluegreen::{engine::Verb, problem::Problem};
use clap::Args;

use super::{Asking, span};

/// Options of `pause`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct Pause {
    /// For how long at most; after that the run does what --on-cancel says [default: 30m; at most 2h].
    #[arg(long = "for", value_name = "TIME")]
    length: Option<String>,
    #[command(flatten)]
    pub(crate) asking: Asking,
}

impl Pause {
    pub(crate) fn verb(&self) -> Result<Verb, Problem> {
        let length = self.length.as_deref();
        let length = length.map(|text| span("--for", text)).transpose()?;
        Ok(Verb::Pause { length })
    }
}
