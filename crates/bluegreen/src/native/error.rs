//! [`NativeError`]: why a judge could not run, or what it could not bring to an end.

use super::{ReplayError, Unresolved};
use crate::problem::PlanError;

/// A run that could not begin or continue, or whose deployment is neither complete nor put back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NativeError {
    /// Plan and gates do not fit together. Nothing was called.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The run cannot continue from its journal. Nothing was called.
    #[error("the run cannot continue: {0}")]
    Resume(#[from] ReplayError),
    /// The deployment could not be put back, or its state is not known. A person must look now.
    #[error("{0}")]
    Unresolved(Box<Unresolved>),
}

impl NativeError {
    /// Returns the exit code for scripts: 2 if the run cannot begin or continue, 20 if a person must look now.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Plan(_) | Self::Resume(_) => 2,
            Self::Unresolved(_) => 20,
        }
    }
}
