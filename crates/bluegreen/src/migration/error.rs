//! Why a migration could not run, or ended badly.

use super::{ResumeError, Unresolved};
use crate::problem::PlanError;

/// A migration that could not run, or whose traffic could not be restored or is not known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrationError {
    /// Plan and gates do not fit together. Nothing was called.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Traffic could not be restored, or the split is not known. A person must look now.
    #[error("{0}")]
    Unresolved(Box<Unresolved>),
    /// The run cannot be resumed. Nothing was called.
    #[error("{0}")]
    Resume(#[from] ResumeError),
}

impl MigrationError {
    /// Returns the exit code for scripts: 2 for a plan that does not fit, 3 for a run that
    /// cannot be resumed (a run that has ended already has the code of its end), 20 if a person
    /// must look now.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Plan(_) => 2,
            Self::Resume(ResumeError::Ended(ended)) => match &**ended {
                Ok(outcome) => outcome.exit_code(),
                Err(_) => 20,
            },
            Self::Resume(_) => 3,
            Self::Unresolved(_) => 20,
        }
    }
}
