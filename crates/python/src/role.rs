//! A role that is written in Python, and its calls.
//!
//! A call runs in a thread of the run's blocking pool: so it holds up no restore, and while it is under way
//! the clock of a simulation stands still. A coroutine runs on the loop of the caller meanwhile.

use std::sync::{Arc, Mutex, PoisonError};

use bluegreen::{Error, ErrorKind, Result, preflight::Finding};
use pyo3::{prelude::*, types::PyTuple};

use crate::{attach::attached, convert, errors};

/// An object of Python, with the loop for its coroutines.
#[derive(Debug, Clone)]
pub(crate) struct Role(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    object: Py<PyAny>,
    /// `None`: a loop of this package's own.
    home: Option<Py<PyAny>>,
    /// For errors: `gate `queue``.
    name: String,
}

/// The future of a coroutine that is under way, so that a call that is given up can be cancelled.
#[pyclass(frozen)]
#[derive(Debug, Clone, Default)]
struct Slot(Arc<Mutex<Option<Py<PyAny>>>>);

#[pymethods]
impl Slot {
    fn put(&self, future: Py<PyAny>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(future);
    }
}

impl Slot {
    fn take(&self) -> Option<Py<PyAny>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Cancels the coroutine if the call is dropped before its end.
struct GivenUp(Slot);

impl Drop for GivenUp {
    fn drop(&mut self) {
        if let Some(future) = self.0.take() {
            let _ = attached(|py| future.call_method0(py, "cancel").map(drop));
        }
    }
}

impl Role {
    pub(crate) fn new(
        object: &Bound<'_, PyAny>,
        home: Option<&Bound<'_, PyAny>>,
        name: impl Into<String>,
    ) -> Self {
        Self(Arc::new(Inner {
            object: object.clone().unbind(),
            home: home.map(|home| home.clone().unbind()),
            name: name.into(),
        }))
    }

    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    pub(crate) fn bind<'py>(&self, py: Python<'py>) -> &Bound<'py, PyAny> {
        self.0.object.bind(py)
    }

    /// Whether the object has a method or an attribute of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        attached(|py| self.bind(py).hasattr(name).unwrap_or(false)).unwrap_or(false)
    }

    /// Calls a method, or the object itself. An exception is an error of the role, with its traceback: after
    /// a change its outcome is unknown, unless the exception says otherwise by its class.
    pub(crate) async fn call<T, A, R>(
        &self,
        method: Option<&'static str>,
        is_change: bool,
        args: A,
        read: R,
    ) -> Result<T>
    where
        T: Send + 'static,
        A: for<'py> FnOnce(Python<'py>) -> PyResult<Bound<'py, PyTuple>> + Send + 'static,
        R: for<'py> FnOnce(&Bound<'py, PyAny>) -> PyResult<T> + Send + 'static,
    {
        let role = self.clone();
        let slot = Slot::default();
        let given_up = GivenUp(slot.clone());
        let done = tokio::task::spawn_blocking(move || {
            attached(|py| {
                let answered = role
                    .answer(py, method, args, slot)
                    .and_then(|answer| read(&answer));
                answered.map_err(|raised| {
                    errors::of_role(py, &raised, &role.attempted(method), is_change)
                })
            })
        });
        let done = done.await;
        given_up.0.take();
        match done {
            Ok(Some(answered)) => answered,
            Ok(None) => Err(self.broken(method, is_change, "the interpreter has ended")),
            Err(error) => Err(self.broken(method, is_change, &error.to_string())),
        }
    }

    fn answer<'py, A>(
        &self,
        py: Python<'py>,
        method: Option<&str>,
        args: A,
        slot: Slot,
    ) -> PyResult<Bound<'py, PyAny>>
    where
        A: FnOnce(Python<'py>) -> PyResult<Bound<'py, PyTuple>>,
    {
        let object = self.bind(py);
        let callee = match method {
            Some(method) => object.getattr(method)?,
            None => object.clone(),
        };
        let answer = callee.call1(args(py)?)?;
        if !answer.hasattr("__await__")? {
            return Ok(answer);
        }
        let home = self.0.home.as_ref().map(|home| home.bind(py));
        let run = py.import("bluegreen._run")?;
        run.call_method1("completed", (answer, home, slot))
    }

    fn attempted(&self, method: Option<&str>) -> String {
        match method {
            Some(method) => format!("`{method}` of {}", self.0.name),
            None => format!("ask {}", self.0.name),
        }
    }

    fn broken(&self, method: Option<&str>, is_change: bool, why: &str) -> Error {
        let kind = match is_change {
            true => ErrorKind::OutcomeUnknown,
            false => ErrorKind::Unavailable,
        };
        Error::new(kind, format!("{}: {why}", self.attempted(method)))
    }

    /// What a preflight found: texts are notes.
    pub(crate) async fn preflight(&self) -> Result<Vec<Finding>> {
        if !self.has("preflight") {
            return Ok(Vec::new());
        }
        let read = |found: &Bound<'_, PyAny>| {
            if found.is_none() {
                return Ok(Vec::new());
            }
            found.try_iter()?.map(|one| finding(&one?)).collect()
        };
        self.call(Some("preflight"), false, |py| Ok(PyTuple::empty(py)), read)
            .await
    }
}

fn finding(found: &Bound<'_, PyAny>) -> PyResult<Finding> {
    match found.extract::<String>() {
        Ok(note) => Ok(Finding::note(note)),
        Err(_) => convert::read(found),
    }
}
