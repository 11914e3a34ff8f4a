//! Which side is blue, and how that is known: the one place that the verbs ask.

use bluegreen::{
    Error, ErrorKind,
    spec::{Name, Target},
};
use serde::Serialize;

use super::{open::Opened, sides};
use crate::common::errors::{BAD_ARGUMENTS, UNCHANGED, failed};

/// The run that a verb is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    /// The newest run that moved something: to show it, to go back, to retire blue.
    Newest,
    /// The run that may begin next: blue is the side that serves now. While a run is under way, that run.
    Next,
}

/// How it is known which side is blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Why {
    /// The command line names it.
    CommandLine,
    /// It served before the newest run that moved something.
    NewestRun,
    /// It alone has weight in the rule.
    Weights,
    /// It is not known: the first side of the file stands in.
    File,
}

/// The sides, and how it is known which of them is blue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) target: Target,
    pub(crate) why: Why,
}

impl Opened {
    /// Returns the sides of a run, and how it is known which of them is blue.
    pub(crate) async fn sides(&self, of: Of) -> Result<Known, u8> {
        match self.known(of).await {
            Ok(known) => Ok(known),
            Err(error) => Err(self.refused(error).await),
        }
    }

    /// Returns the sides of a new run: exactly one of them serves, or the command line names blue.
    pub(crate) async fn target(&self) -> Result<Target, u8> {
        match self.spec.target(self.aws(), self.from.as_ref()).await {
            Ok(target) => Ok(target),
            Err(error) => {
                if let (ErrorKind::Refused, Some(holding)) = (error.kind(), self.holding().await) {
                    // That run divides the traffic, so the split is no mistake of this command.
                    return Err(failed(&holding.error(), UNCHANGED));
                }
                Err(self.refused(error).await)
            }
        }
    }

    async fn known(&self, of: Of) -> Result<Known, Error> {
        if let Some(from) = &self.from {
            return self.with(from, Why::CommandLine).await;
        }
        // A cleanup holds the journal, too, and moves no traffic.
        let is_of_run = of == Of::Newest
            || self
                .holding()
                .await
                .is_some_and(|one| one.cleanup.is_none());
        if is_of_run && let Some(from) = self.served_before().await {
            return self.with(&from, Why::NewestRun).await;
        }
        let why = Why::Weights;
        let error = match self.spec.target(self.aws(), None).await {
            Ok(target) => return Ok(Known { target, why }),
            Err(error) if error.kind() != ErrorKind::Refused => return Err(error),
            Err(error) => error,
        };
        // Both sides serve, or none does.
        if let (false, Some(from)) = (is_of_run, self.served_before().await) {
            return self.with(&from, Why::NewestRun).await;
        }
        match self.spec.sides.keys().next() {
            Some(first) => self.with(first, Why::File).await,
            None => Err(error),
        }
    }

    async fn with(&self, from: &Name, why: Why) -> Result<Known, Error> {
        let target = self.spec.target(self.aws(), Some(from)).await?;
        Ok(Known { target, why })
    }

    /// Returns the side that served before the newest run that moved something, if the journal tells it.
    pub(crate) async fn served_before(&self) -> Option<Name> {
        let rule = self.spec.locate_after(self.aws()).await.ok()?;
        let served = sides::served(self.store().ok(), rule.as_str()).await?;
        sides::side_of(&self.spec, &served)
    }

    /// Prints why the sides are not known, and returns the exit code. A side that `cleanup` has deleted is told
    /// as such.
    async fn refused(&self, error: Error) -> u8 {
        let code = match error.kind() {
            ErrorKind::Invalid => BAD_ARGUMENTS,
            _ => UNCHANGED,
        };
        failed(&self.deleted_or(error).await, code)
    }

    /// Returns the error that a side is deleted, if that is why `error` happened, else `error`.
    pub(crate) async fn deleted_or(&self, error: Error) -> Error {
        if !matches!(error.kind(), ErrorKind::Refused | ErrorKind::NotFound) {
            return error;
        }
        match self.deleted().await {
            Some(deleted) => deleted.error(),
            None => error,
        }
    }
}
