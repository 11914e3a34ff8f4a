//! The problems of a checks file.

use std::fmt;

/// Every problem of a checks file, or of values that a program set in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecError {
    problems: Vec<SpecProblem>,
}

/// One problem. It holds no header value, no body and no URL.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpecProblem {
    /// The line, counted from 1, if the problem is in a file.
    pub line: Option<usize>,
    /// The field: `health.every`, `smoke[0].json[1].path`. Empty for the syntax of the file.
    pub field: String,
    /// What is wrong.
    pub message: String,
    /// What to write instead; may be empty.
    pub hint: String,
}

impl SpecError {
    pub(super) fn new(problems: Vec<SpecProblem>) -> Self {
        Self { problems }
    }

    /// One problem outside a file.
    pub(super) fn of(field: &str, message: impl Into<String>) -> Self {
        Self::new(vec![SpecProblem {
            line: None,
            field: field.to_owned(),
            message: message.into(),
            hint: String::new(),
        }])
    }

    /// All problems, in the order of the file. There is at least one.
    #[must_use]
    pub fn problems(&self) -> &[SpecProblem] {
        &self.problems
    }
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the checks are not valid")?;
        for problem in &self.problems {
            write!(f, "\n  {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for SpecError {}

impl fmt::Display for SpecProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.message)?;
        if !self.hint.is_empty() {
            write!(f, " ({})", self.hint)?;
        }
        Ok(())
    }
}
