//! Errors over the border. The classes stand in `bluegreen/_errors.py`, by what a caller can do.

use bluegreen::{
    DeploymentError, Error, ErrorKind, Failure, MigrationError,
    migration::{ReplayError, ResumeError},
    problem::{PlanError, SpecError},
    spec::StartError,
};
use pyo3::{prelude::*, types::PyDict};

use crate::{
    convert::{to_python, value_to_python},
    values::{Outcome, Problem},
};

/// How a run did not begin, or ended badly.
#[derive(Debug)]
pub(crate) enum Failed {
    Start(StartError),
    Migration(MigrationError),
    Deployment(DeploymentError),
    /// The run's task panicked.
    Panicked(String),
}

macro_rules! failed_from {
    ($($source:ty => $make:expr),* $(,)?) => {
        $(impl From<$source> for Failed {
            fn from(error: $source) -> Self {
                $make(error)
            }
        })*
    };
}

failed_from! {
    StartError => Failed::Start,
    MigrationError => Failed::Migration,
    DeploymentError => Failed::Deployment,
    Error => |error| Failed::Start(StartError::Failed(error)),
    SpecError => |error| Failed::Start(StartError::Spec(error)),
}

impl Failed {
    pub(crate) fn to_python(&self, py: Python<'_>) -> PyErr {
        match self {
            Self::Start(StartError::Spec(error)) => of_spec(py, error),
            Self::Start(StartError::Refused(finding)) => {
                let fields = [("finding", to_python(py, finding))];
                make(
                    py,
                    "RefusedError",
                    &format!("not started: {finding}"),
                    finding.hint.as_deref(),
                    fields,
                )
            }
            Self::Start(StartError::Failed(error)) => of_call(py, error),
            Self::Start(error) => make(py, "RefusedError", &error.to_string(), None, []),
            Self::Migration(error) => of_migration(py, error),
            Self::Deployment(DeploymentError::Plan(error)) => of_plan(py, error),
            Self::Deployment(error) => {
                let facts = match error {
                    DeploymentError::Unresolved(unresolved) => to_python(py, unresolved),
                    _ => Ok(py.None()),
                };
                make(
                    py,
                    "UnresolvedError",
                    &error.to_string(),
                    None,
                    [("unresolved", facts)],
                )
            }
            Self::Panicked(why) => {
                let message =
                    format!("the run broke off, and traffic stays as it was last written: {why}");
                make(
                    py,
                    "UnresolvedError",
                    &message,
                    Some("read the split, then `act=\"restore\"`"),
                    [],
                )
            }
        }
    }
}

/// Makes an exception of a class of `bluegreen._errors`.
fn make<const N: usize>(
    py: Python<'_>,
    class: &str,
    message: &str,
    hint: Option<&str>,
    fields: [(&str, PyResult<Py<PyAny>>); N],
) -> PyErr {
    let made = (|| {
        let class = py.import("bluegreen._errors")?.getattr(class)?;
        let named = PyDict::new(py);
        if let Some(hint) = hint {
            named.set_item("hint", hint)?;
        }
        for (name, value) in fields {
            named.set_item(name, value?)?;
        }
        class.call((message,), Some(&named))
    })();
    made.map_or_else(|error| error, PyErr::from_value)
}

/// The error of a call.
pub(crate) fn of_call(py: Python<'_>, error: &Error) -> PyErr {
    let class = match error.kind() {
        ErrorKind::NotFound => "NotFoundError",
        ErrorKind::Denied => "DeniedError",
        ErrorKind::Throttled => "ThrottledError",
        ErrorKind::Invalid => "InvalidError",
        ErrorKind::Conflict => "ConflictError",
        ErrorKind::OutcomeUnknown => "OutcomeUnknownError",
        ErrorKind::TakenOver => "TakenOverError",
        ErrorKind::Held => "HeldError",
        ErrorKind::Refused => "RefusedError",
        _ => "UnavailableError",
    };
    make(
        py,
        class,
        &Failure::from(error).to_string(),
        error.hint(),
        [],
    )
}

/// All mistakes of a specification.
pub(crate) fn of_spec(py: Python<'_>, error: &SpecError) -> PyErr {
    let problems = error.problems().iter().map(Problem::of_spec).collect();
    invalid(py, &error.to_string(), problems)
}

/// All mistakes of fields that were not read from a file, so that they have no place.
pub(crate) fn of_fields(py: Python<'_>, error: &SpecError) -> PyErr {
    let problems: Vec<_> = error
        .problems()
        .iter()
        .map(|one| Problem::of_plan(&one.problem))
        .collect();
    let lines = problems
        .iter()
        .map(|problem| format!("\n  {}", problem.text()));
    let message = format!(
        "the specification is not valid{}",
        lines.collect::<String>()
    );
    invalid(py, &message, problems)
}

/// All mistakes of a plan.
pub(crate) fn of_plan(py: Python<'_>, error: &PlanError) -> PyErr {
    let problems = error.problems().iter().map(Problem::of_plan).collect();
    invalid(py, &error.to_string(), problems)
}

/// One mistake of an argument.
pub(crate) fn argument(py: Python<'_>, field: &str, message: &str, hint: &str) -> PyErr {
    let problem = Problem::of_plan(&bluegreen::problem::Problem::new(field, message, hint));
    invalid(
        py,
        &format!("{field}: {message} (hint: {hint})"),
        vec![problem],
    )
}

fn invalid(py: Python<'_>, message: &str, problems: Vec<Problem>) -> PyErr {
    let problems = problems.into_pyobject(py).map(|list| list.unbind());
    make(py, "SpecError", message, None, [("problems", problems)])
}

fn of_migration(py: Python<'_>, error: &MigrationError) -> PyErr {
    let code = error.exit_code();
    match error {
        MigrationError::Plan(error) => of_plan(py, error),
        MigrationError::Unresolved(unresolved) => {
            let facts = to_python(py, unresolved);
            let command = unresolved.restore_command();
            let hint =
                command.map(|command| format!("to put everything back on blue by hand: {command}"));
            make(
                py,
                "UnresolvedError",
                &error.to_string(),
                hint.as_deref(),
                [("unresolved", facts)],
            )
        }
        MigrationError::Resume(why) => {
            let ended = match why {
                ResumeError::Ended(ended) => match &**ended {
                    Ok(outcome) => Py::new(py, Outcome::of(outcome.clone())).map(Py::into_any),
                    Err(_) => Ok(py.None()),
                },
                _ => Ok(py.None()),
            };
            let code = value_to_python(py, &code.into());
            make(
                py,
                "ResumeError",
                &error.to_string(),
                None,
                [("ended", ended), ("exit_code", code)],
            )
        }
        _ => make(py, "BluegreenError", &error.to_string(), None, []),
    }
}

/// Records that do not replay.
pub(crate) fn of_replay(py: Python<'_>, error: &ReplayError) -> PyErr {
    of_records(py, &error.to_string())
}

/// Records that are none of a run's journal.
pub(crate) fn of_records(py: Python<'_>, why: &str) -> PyErr {
    make(py, "ReplayError", why, None, [])
}

/// What a role in Python raised, as an error of the role: the kind by the class, the traceback as the cause.
pub(crate) fn of_role(py: Python<'_>, raised: &PyErr, attempted: &str, is_change: bool) -> Error {
    let value = raised.value(py);
    let text = |name: &str| value.getattr(name).ok()?.extract::<String>().ok();
    let is_ours = py
        .import("bluegreen._errors")
        .and_then(|errors| errors.getattr("CallError"))
        .and_then(|class| value.is_instance(&class))
        .unwrap_or(false);
    let said = text("kind").filter(|_| is_ours);
    let kind = said.and_then(|kind| serde_json::from_value(kind.into()).ok());
    let kind = kind.unwrap_or(match is_change {
        true => ErrorKind::OutcomeUnknown,
        false => ErrorKind::Unavailable,
    });
    let error = Error::new(kind, format!("{attempted}: {}", one_line(raised)))
        .with_source(traceback(py, raised));
    match text("hint").filter(|_| is_ours) {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

fn one_line(raised: &PyErr) -> String {
    let text = raised.to_string();
    text.lines().next().unwrap_or_default().to_owned()
}

/// The traceback as Python prints it, without local values.
pub(crate) fn traceback(py: Python<'_>, raised: &PyErr) -> String {
    let printed = (|| {
        let lines = py
            .import("traceback")?
            .call_method1("format_exception", (raised.clone_ref(py).into_value(py),))?;
        let lines: Vec<String> = lines.extract()?;
        PyResult::Ok(lines.concat())
    })();
    printed
        .unwrap_or_else(|_| raised.to_string())
        .trim_end()
        .to_owned()
}
