//! What is wrong with a plan or a file: every problem at once, each with what to write instead.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One thing that is wrong with a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Problem {
    /// The setting, by its name.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
    /// What to write instead.
    pub hint: String,
}

impl Problem {
    /// A problem of a setting.
    pub fn new(
        field: impl Into<String>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
            hint: hint.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} (hint: {})", self.field, self.message, self.hint)
    }
}

/// Everything that is wrong with a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanError {
    problems: Vec<Problem>,
}

impl PlanError {
    pub(crate) fn new(problems: Vec<Problem>) -> Self {
        Self { problems }
    }

    /// Each problem; at least one.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the plan is not valid")?;
        for problem in &self.problems {
            write!(f, "\n  {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for PlanError {}

/// A place in a file. Columns are characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Place {
    /// The line, counted from 1.
    pub line: usize,
    /// The column, counted from 1.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Everything that is wrong with a file of checks, a specification, or values that a program set in its
/// place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecError {
    /// What is not valid.
    whole: &'static str,
    problems: Vec<SpecProblem>,
}

/// One mistake of a file. A mistake of checks holds no header value, no body and no URL.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpecProblem {
    /// The place in the file, if it was read from a file.
    pub at: Option<Place>,
    /// The field, such as `plan.steps[1]`, and its mistake; the field is empty for a mistake of syntax.
    pub problem: Problem,
}

impl SpecError {
    /// The mistakes of `whole`: `the specification is not valid`.
    #[cfg_attr(
        not(feature = "check"),
        allow(dead_code, reason = "without `check` there is no file to read")
    )]
    pub(crate) fn of(
        whole: &'static str,
        problems: impl IntoIterator<Item = (Option<Place>, Problem)>,
    ) -> Self {
        let problems = problems.into_iter();
        Self {
            whole,
            problems: problems
                .map(|(at, problem)| SpecProblem { at, problem })
                .collect(),
        }
    }

    /// All mistakes, in the order of the file. There is at least one.
    #[must_use]
    pub fn problems(&self) -> &[SpecProblem] {
        &self.problems
    }
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.whole)?;
        for problem in &self.problems {
            write!(f, "\n  {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for SpecError {}

impl fmt::Display for SpecProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(at) = self.at {
            write!(f, "{at}: ")?;
        }
        let Problem {
            field,
            message,
            hint,
        } = &self.problem;
        if !field.is_empty() {
            write!(f, "{field}: ")?;
        }
        f.write_str(message)?;
        if !hint.is_empty() {
            write!(f, " ({hint})")?;
        }
        Ok(())
    }
}
