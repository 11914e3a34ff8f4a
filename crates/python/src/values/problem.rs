//! Mistakes of specifications and plans.

use bluegreen::problem::SpecProblem;
use pyo3::prelude::*;

/// One mistake of a specification. `field` is empty for a mistake of syntax; `line` and `column` count
/// from 1 and are `None` if no file was read.
#[pyclass(module = "bluegreen", frozen, get_all)]
#[derive(Debug)]
pub(crate) struct Problem {
    field: String,
    message: String,
    hint: String,
    line: Option<usize>,
    column: Option<usize>,
}

impl Problem {
    pub(crate) fn of_spec(problem: &SpecProblem) -> Self {
        let place = problem.at;
        Self {
            line: place.map(|at| at.line),
            column: place.map(|at| at.column),
            ..Self::of_plan(&problem.problem)
        }
    }

    pub(crate) fn of_plan(problem: &bluegreen::problem::Problem) -> Self {
        Self {
            field: problem.field.clone(),
            message: problem.message.clone(),
            hint: problem.hint.clone(),
            line: None,
            column: None,
        }
    }
}

impl Problem {
    pub(crate) fn text(&self) -> String {
        let place = match (self.line, self.column) {
            (Some(line), Some(column)) => format!("{line}:{column}: "),
            _ => String::new(),
        };
        let field = match self.field.is_empty() {
            true => String::new(),
            false => format!("{}: ", self.field),
        };
        let hint = match self.hint.is_empty() {
            true => String::new(),
            false => format!(" (hint: {})", self.hint),
        };
        format!("{place}{field}{}{hint}", self.message)
    }
}

#[pymethods]
impl Problem {
    #[new]
    #[pyo3(signature = (field, message, hint, line=None, column=None))]
    fn new(
        field: String,
        message: String,
        hint: String,
        line: Option<usize>,
        column: Option<usize>,
    ) -> Self {
        Self {
            field,
            message,
            hint,
            line,
            column,
        }
    }

    #[expect(clippy::type_complexity, reason = "the arguments of `new`")]
    fn __reduce__<'py>(
        slf: &Bound<'py, Self>,
    ) -> (
        Bound<'py, pyo3::types::PyType>,
        (String, String, String, Option<usize>, Option<usize>),
    ) {
        let Self {
            field,
            message,
            hint,
            line,
            column,
        } = slf.get();
        let parts = (field.clone(), message.clone(), hint.clone(), *line, *column);
        (slf.get_type(), parts)
    }

    fn __str__(&self) -> String {
        self.text()
    }

    fn __repr__(&self) -> String {
        format!("<Problem {}>", self.text())
    }
}
