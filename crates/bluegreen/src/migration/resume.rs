//! Going on with a run whose process ended.

use std::fmt;

use super::{MigrationOutcome, Unresolved, replay::ReplayError};

/// Why a run cannot be resumed. Nothing was called.
#[derive(Debug)]
#[non_exhaustive]
pub enum ResumeError {
    /// The journal holds no run that has begun.
    Nothing,
    /// The run has ended; this is how.
    Ended(Box<Result<MigrationOutcome, Unresolved>>),
    /// The plan is another than that of the run.
    PlanChanged {
        /// What differs, a line each.
        diff: Vec<String>,
    },
    /// The journal does not replay with these gates.
    Replay(ReplayError),
}

impl fmt::Display for ResumeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("there is no run to go on with"),
            Self::Ended(ended) => {
                f.write_str("the run has ended already; ")?;
                match &**ended {
                    Ok(outcome) => write!(f, "{outcome}"),
                    Err(unresolved) => write!(f, "{unresolved}"),
                }
            }
            Self::PlanChanged { diff } => {
                f.write_str("the plan is not that of the run")?;
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
