//! The one error of the role traits, and the one error of reading a value.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What the caller can do about an [`Error`].
///
/// The kind decides; the message explains. Nothing in this crate matches on message text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// The thing that the call names does not exist. Trying again does not help.
    NotFound,
    /// The credentials in use may not do this. Trying again does not help.
    Denied,
    /// The service asked for fewer calls. Nothing was changed; trying again later helps.
    Throttled,
    /// The request itself is wrong. Trying again does not help.
    Invalid,
    /// The world is not as the caller last observed it: a third party changed it. Nothing was
    /// written; observe, then decide.
    Conflict,
    /// A change was sent and its effect is not known (time-out, broken connection). Observe
    /// before anything else.
    OutcomeUnknown,
    /// Another controller has taken over the run: this controller writes nothing more.
    #[serde(alias = "superseded")]
    TakenOver,
    /// A live controller holds the lease: nothing was taken from it.
    Held,
    /// This crate refuses to act on what it found, because acting could lose something.
    Refused,
    /// Anything else, mostly a service that is unavailable. Trying again may help.
    Unavailable,
}

impl ErrorKind {
    /// Whether the same call may succeed later although nothing is changed.
    #[must_use]
    pub fn is_transient(self) -> bool {
        matches!(
            self,
            Self::Throttled | Self::OutcomeUnknown | Self::Unavailable
        )
    }

    /// The kind as a word for people.
    #[must_use]
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not found",
            Self::Denied => "denied",
            Self::Throttled => "throttled",
            Self::Invalid => "invalid",
            Self::Conflict => "changed by a third party",
            Self::OutcomeUnknown => "outcome unknown",
            Self::TakenOver => "taken over by another controller",
            Self::Held => "held by another controller",
            Self::Refused => "refused",
            Self::Unavailable => "unavailable",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The error of every role trait: a kind to act on, a message that says what was attempted on
/// what, an optional hint, and the cause behind [`source`](std::error::Error::source).
///
/// # Examples
///
/// ```
/// use bluegreen::{Error, ErrorKind};
///
/// let error = Error::new(ErrorKind::NotFound, "describe listener rule `…/rule/1`")
///     .with_hint("check the region of the rule's ARN");
/// assert_eq!(error.kind(), ErrorKind::NotFound);
/// assert_eq!(error.to_string(), "describe listener rule `…/rule/1`: not found");
/// ```
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    hint: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// A result with the crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of `kind`; `message` is a lower-case fragment: what was attempted, on what.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hint: None,
            source: None,
        }
    }

    /// Adds what a person can do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the cause, printed through the error chain and never inside the message.
    #[must_use]
    pub fn with_source(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What the caller can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What was attempted, on what.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What a person can do about it, if that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.message, self.kind)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn std::error::Error + 'static))
    }
}

/// An [`Error`] as a plain value, for journals and events.
///
/// The cause chain is flattened to text, since a journal cannot hold a boxed error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What can be done about it.
    pub kind: ErrorKind,
    /// What was attempted, on what, and the causes, from the outermost in.
    pub message: String,
    /// What a person can do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// Writes what failed, why, and the hint on a line of its own.
pub(crate) fn write_failure(
    f: &mut fmt::Formatter<'_>,
    what: &str,
    failure: &Failure,
) -> fmt::Result {
    write!(f, "{what}: {failure}")?;
    match &failure.hint {
        Some(hint) => write!(f, "\n  hint: {hint}"),
        None => Ok(()),
    }
}

impl Failure {
    /// A failure of `kind` without a cause chain.
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hint: None,
        }
    }
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        let mut message = error.message.clone();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            message.push_str(": ");
            message.push_str(&cause.to_string());
            source = cause.source();
        }
        Self {
            kind: error.kind,
            message,
            hint: error.hint.clone(),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::from(&error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.kind)
    }
}

/// Why a text or a number is not a value of some type: a percentage, an ARN, an image, a span of time.
///
/// `Display` says what is wrong; [`hint`](Self::hint) says what to write instead.
///
/// # Examples
///
/// ```
/// let error = "10.25".parse::<bluegreen::Percent>().unwrap_err();
/// assert_eq!(error.to_string(), "`10.25` is finer than a tenth of a percent");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    message: String,
    hint: String,
}

impl ParseError {
    /// A mistake that needs no hint: its message says what would be right.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: String::new(),
        }
    }

    /// Says what to write instead.
    #[must_use]
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// Returns what to write instead. Empty if the message says all.
    #[must_use]
    pub fn hint(&self) -> &str {
        &self.hint
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ParseError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_never_contains_the_source() {
        let error = Error::new(ErrorKind::Throttled, "modify rule `r`")
            .with_source(std::io::Error::other("Rate exceeded"));
        assert_eq!(error.to_string(), "modify rule `r`: throttled");
        assert_eq!(
            Failure::from(&error).to_string(),
            "modify rule `r`: Rate exceeded (throttled)"
        );
    }
}
