//! [`Kind`]: the kinds of differences.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A kind of difference between two answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub(crate) enum Kind {
    /// One side gave no answer.
    NoAnswer,
    /// The statuses differ.
    Status,
    /// A request that is not valid is answered with 400 by one side, with 422 by the other.
    ValidationStatus,
    /// One side redirects to the same path with or without a slash at its end.
    TrailingSlash,
    /// One side redirects, or both to different places.
    Redirect,
    /// Both answer with an error, and its body has another shape.
    ErrorBody,
    /// The media types differ.
    ContentType,
    /// A header is missing on one side, or has another value.
    Header,
    /// One side leaves a field out, and the other gives `null`.
    NullAbsent,
    /// A field is missing on one side.
    Absent,
    /// One side gives a number, and the other the same as a string.
    NumberString,
    /// The types of a value differ.
    Type,
    /// The forms of a date differ.
    DateFormat,
    /// A list has the same elements in another order.
    ArrayOrder,
    /// A list has another length.
    ArrayLength,
    /// A value differs, of the same type.
    Value,
    /// A body that is not JSON differs.
    Body,
}

impl Kind {
    /// All kinds.
    pub(crate) const ALL: [Self; 17] = [
        Self::NoAnswer,
        Self::Status,
        Self::ValidationStatus,
        Self::TrailingSlash,
        Self::Redirect,
        Self::ErrorBody,
        Self::ContentType,
        Self::Header,
        Self::NullAbsent,
        Self::Absent,
        Self::NumberString,
        Self::Type,
        Self::DateFormat,
        Self::ArrayOrder,
        Self::ArrayLength,
        Self::Value,
        Self::Body,
    ];

    /// The name as settings write it, such as `null-absent`.
    #[must_use]
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::NoAnswer => "no-answer",
            Self::Status => "status",
            Self::ValidationStatus => "validation-status",
            Self::TrailingSlash => "trailing-slash",
            Self::Redirect => "redirect",
            Self::ErrorBody => "error-body",
            Self::ContentType => "content-type",
            Self::Header => "header",
            Self::NullAbsent => "null-absent",
            Self::Absent => "absent",
            Self::NumberString => "number-string",
            Self::Type => "type",
            Self::DateFormat => "date-format",
            Self::ArrayOrder => "array-order",
            Self::ArrayLength => "array-length",
            Self::Value => "value",
            Self::Body => "body",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| format!("`{text}` is not a kind of difference"))
    }
}

/// One difference, without any value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Found {
    pub(super) kind: Kind,
    pub(super) place: String,
    pub(super) blue: String,
    pub(super) green: String,
}

impl Found {
    pub(super) fn new(
        kind: Kind,
        place: impl Into<String>,
        blue: impl Into<String>,
        green: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            place: place.into(),
            blue: blue.into(),
            green: green.into(),
        }
    }
}
