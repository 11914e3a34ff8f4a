//! The result of a check.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

/// The result of one try of a check. The check passed if nothing failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CheckReport {
    /// The check's name.
    pub check: String,
    /// The request, without secrets: `GET https://chatbot.company.com/health`.
    pub asked: String,
    /// The answer; `None` if no answer came.
    pub answer: Option<Answer>,
    /// Everything that is not as it should be.
    pub failures: Vec<CheckFailure>,
}

/// An answer in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The HTTP status, or the number that stands for it.
    pub status: u16,
    /// How long it took, from the request to the last byte.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub took: Duration,
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckFailure {
    /// The place in the answer: `status`, `header content-type`, `$.response`.
    pub what: String,
    /// The value that was wanted.
    pub wanted: String,
    /// The value that was received.
    pub got: String,
}

impl CheckReport {
    /// A check that passed, until a failure is added.
    pub fn new(check: impl Into<String>, asked: impl Into<String>, answer: Option<Answer>) -> Self {
        Self {
            check: check.into(),
            asked: asked.into(),
            answer,
            failures: Vec::new(),
        }
    }

    /// Adds something that is not as it should be.
    #[must_use]
    pub fn failing(
        mut self,
        what: impl Into<String>,
        wanted: impl Into<String>,
        got: impl Into<String>,
    ) -> Self {
        self.failures.push(CheckFailure {
            what: what.into(),
            wanted: wanted.into(),
            got: got.into(),
        });
        self
    }

    /// Whether everything was as it should be.
    #[must_use]
    pub fn is_passed(&self) -> bool {
        self.failures.is_empty()
    }
}

impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.check, self.asked)?;
        if let Some(answer) = &self.answer {
            write!(f, " → {} in {} ms", answer.status, answer.took.as_millis())?;
        }
        for failure in &self.failures {
            write!(f, "; {failure}")?;
        }
        Ok(())
    }
}

impl fmt::Display for CheckFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: wanted {}, got {}", self.what, self.wanted, self.got)
    }
}
