//! Continuing a run whose process ended.

use std::fmt;

use super::{MigrationOutcome, Unresolved, replay::ReplayError};

/// Why a run cannot be resumed. No call was made.
#[derive(Debug)]
#[non_exhaustive]
pub enum ResumeError {
    /// The journal holds no run that has begun.
    Nothing,
    /// The run has ended, with this result.
    Ended(Box<Result<MigrationOutcome, Unresolved>>),
    /// The plan differs from the plan of the run.
    PlanChanged {
        /// The differences, a line each.
        diff: Vec<String>,
    },
    /// The journal does not replay with these gates.
    Replay(ReplayError),
}

impl fmt::Display for ResumeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("the journal holds no run that could be resumed"),
            Self::Ended(ended) => {
                f.write_str("the run has ended already; ")?;
                match &**ended {
                    Ok(outcome) => write!(f, "{outcome}"),
                    Err(unresolved) => write!(f, "{unresolved}"),
                }
            }
            Self::PlanChanged { diff } => {
                f.write_str("the plan differs from the plan of the run")?;
                for line in diff {
                    write!(f, "\n  {line}")?;
                }
                Ok(())
            }
            Self::Replay(error) => write!(f, "the journal does not replay: {error}"),
        }
    }
}

impl std::error::Error for ResumeError {}

impl From<ReplayError> for ResumeError {
    fn from(error: ReplayError) -> Self {
        Self::Replay(error)
    }
}
