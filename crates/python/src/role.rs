//! A role that is written in Python, and its calls.
//!
//! A call takes a thread of the run's blocking pool: so it holds up no restore, and while it is under way the clock
//! of a simulation stands still. A coroutine runs on the loop of the caller meanwhile, and the thread waits for its
//! end without the interpreter.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    time::Duration,
};

use bluegreen::{Error, ErrorKind, Result, preflight::Finding};
use pyo3::{exceptions::PyRuntimeError, prelude::*, types::PyTuple};

use crate::{attach::attached, convert, errors, home::Home};

/// How often the loop of a coroutine is looked at: a loop that was closed ends no coroutine.
const STROKE: Duration = Duration::from_secs(1);

/// An object of Python, with the loop for its coroutines.
#[derive(Debug, Clone)]
pub(crate) struct Role(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    object: Py<PyAny>,
    /// The loop of the caller. `None`: a loop of this package's own.
    asked: Option<Py<PyAny>>,
    /// The loop, from the first coroutine on.
    home: OnceLock<Home>,
    /// The methods that have shown to be coroutine functions: the loop itself calls them.
    coroutines: Mutex<BTreeSet<Option<&'static str>>>,
    /// For errors: `gate `queue``.
    name: String,
}

impl Role {
    pub(crate) fn new(
        object: &Bound<'_, PyAny>,
        home: Option<&Bound<'_, PyAny>>,
        name: impl Into<String>,
    ) -> Self {
        Self(Arc::new(Inner {
            object: object.clone().unbind(),
            asked: home.map(|home| home.clone().unbind()),
            home: OnceLock::new(),
            coroutines: Mutex::default(),
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
        let call = Call {
            role: self.clone(),
            method,
            is_change,
            task: Arc::default(),
        };
        let mut given_up = GivenUp(Some(call.clone()));
        let made = call.clone();
        let done = tokio::task::spawn_blocking(move || made.make(args, read)).await;
        given_up.0 = None;
        match done {
            Ok(Some(answered)) => answered,
            Ok(None) => Err(call.broken("the interpreter has ended")),
            Err(error) => Err(call.broken(&error.to_string())),
        }
    }

    fn home(&self, py: Python<'_>) -> PyResult<&Home> {
        if let Some(home) = self.0.home.get() {
            return Ok(home);
        }
        let home = Home::new(py, self.0.asked.as_ref())?;
        Ok(self.0.home.get_or_init(|| home))
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

/// One call.
#[derive(Debug, Clone)]
struct Call {
    role: Role,
    method: Option<&'static str>,
    is_change: bool,
    /// The task of its coroutine, once it has begun.
    task: Arc<Mutex<Option<Py<PyAny>>>>,
}

impl Call {
    /// Calls, and waits for a coroutine. Blocks. `None` if the interpreter has ended.
    fn make<T, A, R>(&self, args: A, read: R) -> Option<Result<T>>
    where
        T: Send + 'static,
        A: for<'py> FnOnce(Python<'py>) -> PyResult<Bound<'py, PyTuple>> + Send + 'static,
        R: for<'py> FnOnce(&Bound<'py, PyAny>) -> PyResult<T> + Send + 'static,
    {
        let (tell, told) = mpsc::channel();
        let is_coroutine = lock(&self.role.0.coroutines).contains(&self.method);
        let home = self.role.0.home.get().filter(|_| is_coroutine);
        let (call, is_there) = (self.clone(), home.is_some());
        let work = move |py: Python<'_>| {
            let begun =
                call.answer(py, args)
                    .and_then(|answer| match answer.hasattr("__await__")? {
                        true => call.follow(&answer, is_there, read, tell.clone()),
                        false => read(&answer).map(|answer| drop(tell.send(Ok(answer)))),
                    });
            if let Err(raised) = begun {
                let _ = tell.send(Err(call.failed(py, &raised)));
            }
        };
        match home {
            Some(home) => home.put(Box::new(work)),
            None => attached(work)?,
        }
        self.wait(&told)
    }

    fn answer<'py>(
        &self,
        py: Python<'py>,
        args: impl FnOnce(Python<'py>) -> PyResult<Bound<'py, PyTuple>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.callee(py)?.call1(args(py)?)
    }

    fn callee<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let object = self.role.bind(py);
        match self.method {
            Some(method) => object.getattr(method),
            None => Ok(object.clone()),
        }
    }

    /// Lets the loop run `awaitable`, and tells its answer. `is_there`: this is the thread of the loop.
    fn follow<T, R>(
        &self,
        awaitable: &Bound<'_, PyAny>,
        is_there: bool,
        read: R,
        tell: Sender<Result<T>>,
    ) -> PyResult<()>
    where
        T: Send + 'static,
        R: for<'py> FnOnce(&Bound<'py, PyAny>) -> PyResult<T> + Send + 'static,
    {
        let py = awaitable.py();
        let (call, awaited) = (self.clone(), awaitable.clone().unbind());
        let begin = move |py: Python<'_>| {
            let (ended, lost) = (call.clone(), tell.clone());
            let end: End = Box::new(move |task| {
                let answered = task.call_method0("result").and_then(|it| read(&it));
                let answered = answered.map_err(|raised| ended.failed(task.py(), &raised));
                let _ = tell.send(answered);
            });
            let run = py.import("bluegreen._loop");
            let task = run.and_then(|run| {
                run.call_method1("task_of", (awaited, Ended(Mutex::new(Some(end)))))
            });
            match task {
                Ok(task) => *lock(&call.task) = Some(task.unbind()),
                Err(raised) => drop(lost.send(Err(call.failed(py, &raised)))),
            }
        };
        if is_there {
            begin(py);
            return Ok(());
        }
        let run = py.import("bluegreen._run")?;
        let is_coroutine = run.call_method1("is_coroutine_function", (self.callee(py)?,))?;
        let home = self.role.home(py)?;
        if home.is_closed() == Some(true) {
            // Else Python warns of a coroutine that was never awaited.
            if let Some(close) = awaitable.getattr_opt("close")? {
                close.call0()?;
            }
            return Err(closed());
        }
        if is_coroutine.is_truthy()? {
            lock(&self.role.0.coroutines).insert(self.method);
        }
        home.put(Box::new(begin));
        Ok(())
    }

    /// Waits without the interpreter.
    fn wait<T>(&self, told: &Receiver<Result<T>>) -> Option<Result<T>> {
        loop {
            let is_lost = match told.recv_timeout(STROKE) {
                Ok(answered) => return Some(answered),
                Err(RecvTimeoutError::Disconnected) => true,
                Err(RecvTimeoutError::Timeout) => match self.role.0.home.get() {
                    Some(home) => home.is_closed()?,
                    None => false,
                },
            };
            if is_lost {
                // The answer may have come between the look and now.
                let closed = || attached(|py| Err(self.failed(py, &closed())));
                return told.try_recv().ok().or_else(closed);
            }
        }
    }

    fn attempted(&self) -> String {
        match self.method {
            Some(method) => format!("`{method}` of {}", self.role.0.name),
            None => format!("ask {}", self.role.0.name),
        }
    }

    fn failed(&self, py: Python<'_>, raised: &PyErr) -> Error {
        errors::of_role(py, raised, &self.attempted(), self.is_change)
    }

    fn broken(&self, why: &str) -> Error {
        let kind = match self.is_change {
            true => ErrorKind::OutcomeUnknown,
            false => ErrorKind::Unavailable,
        };
        Error::new(kind, format!("{}: {why}", self.attempted()))
    }
}

/// Cancels the coroutine of a call that is dropped before its end.
struct GivenUp(Option<Call>);

impl Drop for GivenUp {
    fn drop(&mut self) {
        let Some(call) = self.0.take() else { return };
        let role = call.role.clone();
        let Some(home) = role.0.home.get() else {
            return;
        };
        // The loop does errands in order, so a coroutine that has not begun begins before this.
        home.put(Box::new(move |py| {
            let task = lock(&call.task).take();
            if let Some(task) = task {
                let _ = task.call_method0(py, "cancel");
            }
        }));
    }
}

type End = Box<dyn for<'py> FnOnce(&Bound<'py, PyAny>) + Send>;

/// What is done once a task has ended; the loop calls it.
#[pyclass(frozen)]
struct Ended(Mutex<Option<End>>);

#[pymethods]
impl Ended {
    fn __call__(&self, task: &Bound<'_, PyAny>) {
        let end = lock(&self.0).take();
        if let Some(end) = end {
            end(task);
        }
    }
}

fn closed() -> PyErr {
    PyRuntimeError::new_err("the event loop of this run is closed")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn finding(found: &Bound<'_, PyAny>) -> PyResult<Finding> {
    match found.extract::<String>() {
        Ok(note) => Ok(Finding::note(note)),
        Err(_) => convert::read(found),
    }
}
