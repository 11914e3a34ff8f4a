//! A run: begun once, in a thread of its own, told as events, ended with one outcome.

use std::{
    collections::VecDeque,
    future::Future,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use bluegreen::{
    MigrationOutcome,
    deployment::{
        DeploymentEvent as LibraryDeploymentEvent, DeploymentOutcome as LibraryDeploymentOutcome,
    },
    engine::{Control, Event as Envelope},
    migration::MigrationEvent,
};
use pyo3::{
    exceptions::{PyKeyboardInterrupt, PyRuntimeError, PyTypeError},
    prelude::*,
};

use crate::{
    attach::{self, attached},
    control::{Controls, Handle, elsewhere},
    engine::Engine,
    errors::Failed,
    promise::{Done, Promise, Waiter},
    values::{DeploymentEvent, DeploymentOutcome, Event, Outcome},
    world::World,
};

/// An event of either kind of run.
#[derive(Debug, Clone)]
pub(crate) enum Item {
    Migration(Envelope<MigrationEvent>),
    Deployment(Envelope<LibraryDeploymentEvent>),
}

impl Item {
    fn to_python(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        match self.clone() {
            Self::Migration(event) => Py::new(py, Event::of(event)).map(Py::into_any),
            Self::Deployment(event) => Py::new(py, DeploymentEvent::of(event)).map(Py::into_any),
        }
    }
}

/// The outcome of either kind of run.
pub(crate) enum Ended {
    Migration(MigrationOutcome),
    Deployment(LibraryDeploymentOutcome),
}

impl Ended {
    fn to_python(&self, py: Python<'_>) -> Done {
        match self {
            Self::Migration(outcome) => Py::new(py, Outcome::of(outcome.clone())).map(Py::into_any),
            Self::Deployment(outcome) => {
                Py::new(py, DeploymentOutcome::of(outcome.clone())).map(Py::into_any)
            }
        }
    }
}

/// What a run does, before it begins. Roles learn here on which loop their coroutines run.
pub(crate) trait Work: Send + Sync {
    fn begin(
        self: Box<Self>,
        core: &Arc<Core>,
        home: Option<&Bound<'_, PyAny>>,
        py: Python<'_>,
    ) -> PyResult<()>;
}

/// The parts of a run that Python sees.
pub(crate) struct Core {
    work: Mutex<Option<Box<dyn Work>>>,
    pub(crate) controls: Arc<Controls>,
    handle: Py<Handle>,
    promise: Promise,
    queues: Mutex<Vec<Arc<Queue>>>,
    callbacks: Mutex<Vec<Py<PyAny>>>,
    pid: u32,
}

/// The runs that are under way, for the end of the interpreter.
static ACTIVE: Mutex<Vec<Weak<Core>>> = Mutex::new(Vec::new());

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Core {
    pub(crate) fn new(py: Python<'_>, work: impl Work + 'static) -> PyResult<Arc<Self>> {
        let controls = Arc::new(Controls::default());
        Ok(Arc::new(Self {
            work: Mutex::new(Some(Box::new(work))),
            handle: Py::new(py, Handle(Arc::clone(&controls)))?,
            controls,
            promise: Promise::default(),
            queues: Mutex::default(),
            callbacks: Mutex::default(),
            pid: std::process::id(),
        }))
    }

    fn is_here(&self) -> PyResult<()> {
        match self.pid == std::process::id() {
            true => Ok(()),
            false => Err(elsewhere()),
        }
    }

    pub(crate) fn handle(&self, py: Python<'_>) -> Py<Handle> {
        self.handle.clone_ref(py)
    }

    pub(crate) fn is_done(&self) -> bool {
        self.promise.is_done()
    }

    pub(crate) fn add_callback(&self, callback: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = callback.py();
        if lock(&self.work).is_none() {
            return Err(PyRuntimeError::new_err("the run has begun; use `events()`"));
        }
        let run = py.import("bluegreen._run")?;
        let is_coroutine = run.call_method1("is_coroutine_function", (callback,))?;
        if is_coroutine.is_truthy()? || !callback.is_callable() {
            let message =
                "a callback of events is a plain function; use `async for event in run.events()`";
            return Err(PyTypeError::new_err(message));
        }
        lock(&self.callbacks).push(callback.clone().unbind());
        Ok(())
    }

    /// Begins the run, if it has not begun. `home`: the loop on which coroutines of roles run.
    pub(crate) fn start(
        self: &Arc<Self>,
        py: Python<'_>,
        home: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        self.is_here()?;
        let Some(work) = lock(&self.work).take() else {
            return Ok(());
        };
        let run = py.import("bluegreen._run")?;
        attach::is_new_process();
        crate::log::follow(py);
        lock(&ACTIVE).push(Arc::downgrade(self));
        run.call_method1("begun", (self.handle(py),))?;
        if let Err(error) = work.begin(self, home, py) {
            self.over(py, Err(error.clone_ref(py)));
            run.call_method0("released")?;
            return Err(error);
        }
        Ok(())
    }

    /// As [`start`](Self::start), on the loop that runs in this thread, if one does.
    pub(crate) fn start_here(self: &Arc<Self>, py: Python<'_>) -> PyResult<()> {
        let home = py.import("bluegreen._run")?.call_method0("running_loop")?;
        self.start(py, Some(&home).filter(|home| !home.is_none()))
    }

    /// Runs `run` on `engine` to its end, paced as `world` is.
    pub(crate) fn launch<F>(self: &Arc<Self>, engine: &Arc<Engine>, world: World, run: F)
    where
        F: Future<Output = Result<Ended, Failed>> + Send + 'static,
    {
        let (core, engine) = (Arc::clone(self), Arc::clone(engine));
        let run = engine.spawn(async move {
            let _paced = world.paced();
            run.await
        });
        let owner = Arc::clone(&engine);
        engine.spawn(async move {
            let ended = run.await;
            let ended = ended.unwrap_or_else(|error| Err(Failed::Panicked(error.to_string())));
            let _ = attached(|py| {
                let done = match ended {
                    Ok(ended) => ended.to_python(py),
                    Err(failed) => Err(failed.to_python(py)),
                };
                core.over(py, done);
            });
            drop(owner);
        });
    }

    fn over(self: &Arc<Self>, py: Python<'_>, done: Done) {
        self.controls.over();
        lock(&self.callbacks).clear();
        let told = py
            .import("bluegreen._run")
            .and_then(|run| run.call_method1("ended", (self.handle(py),)));
        drop(told);
        lock(&ACTIVE).retain(|one| !std::ptr::eq(one.as_ptr(), Arc::as_ptr(self)));
        // Before the queues are closed: a queue that is added later sees that the run is done.
        self.promise.settle(py, done);
        let queues = std::mem::take(&mut *lock(&self.queues));
        for queue in queues {
            queue.close(py);
        }
    }

    /// Whether anything listens to events.
    pub(crate) fn is_heard(&self) -> bool {
        !lock(&self.queues).is_empty() || !lock(&self.callbacks).is_empty()
    }

    /// Tells an event to queues and callbacks. Callbacks run here, in the run's thread.
    pub(crate) fn tell(&self, item: &Item) {
        let queues = lock(&self.queues).clone();
        for queue in queues {
            queue.push(item.clone());
        }
        if lock(&self.callbacks).is_empty() {
            return;
        }
        let _ = attached(|py| {
            let callbacks: Vec<_> = lock(&self.callbacks)
                .iter()
                .map(|one| one.clone_ref(py))
                .collect();
            let Ok(event) = item.to_python(py) else {
                return;
            };
            for callback in callbacks {
                if let Err(raised) = callback.call1(py, (event.clone_ref(py),)) {
                    let told = py.import("bluegreen._run").and_then(|run| {
                        run.call_method1("callback_failed", (callback, raised.into_value(py)))
                    });
                    drop(told);
                }
            }
        });
    }

    pub(crate) fn events(self: &Arc<Self>, py: Python<'_>) -> PyResult<Events> {
        self.is_here()?;
        let queue = Arc::new(Queue::default());
        match self.promise.is_done() {
            true => queue.close(py),
            false => lock(&self.queues).push(Arc::clone(&queue)),
        }
        self.start_here(py)?;
        // The run may have ended between the look and the push.
        if self.promise.is_done() {
            queue.close(py);
        }
        Ok(Events {
            queue,
            core: Arc::clone(self),
        })
    }

    /// What to do if a signal handler of Python has raised while a run is waited for: the run is cancelled.
    fn interrupted(&self, py: Python<'_>, raised: PyErr, kept: &mut Option<PyErr>) {
        let is_interrupt = raised.is_instance_of::<PyKeyboardInterrupt>(py);
        let reason = match is_interrupt {
            true => "SIGINT".to_owned(),
            false => format!("a signal handler raised {raised}"),
        };
        self.controls.send(Control::Cancel { reason });
        if !is_interrupt {
            kept.get_or_insert(raised);
        }
    }

    /// Waits for the end without the interpreter.
    pub(crate) fn run(self: &Arc<Self>, py: Python<'_>) -> Done {
        self.start(py, None)?;
        self.is_here()?;
        let mut kept = None;
        let done = self.promise.wait(py, None, |raised| {
            self.interrupted(py, raised, &mut kept);
            Ok(())
        })?;
        py.import("bluegreen._run")?.call_method0("released")?;
        match (kept, done) {
            (Some(raised), _) => Err(raised),
            (None, Some(done)) => done,
            (None, None) => Err(PyRuntimeError::new_err("the run has no end")),
        }
    }

    pub(crate) fn future(
        self: &Arc<Self>,
        py: Python<'_>,
        home: &Bound<'_, PyAny>,
    ) -> PyResult<Py<PyAny>> {
        self.start(py, Some(home))?;
        self.is_here()?;
        self.promise.future(py, home)
    }
}

/// Cancels every run that is under way and waits for their ends; `atexit` calls it.
#[pyfunction]
#[pyo3(name = "_shutdown")]
pub(crate) fn shutdown(py: Python<'_>) -> PyResult<()> {
    if attach::is_new_process() {
        // A fork without runs of its own: those of its parent go on there.
        return Ok(());
    }
    let active: Vec<Arc<Core>> = lock(&ACTIVE).iter().filter_map(Weak::upgrade).collect();
    let here = active
        .into_iter()
        .filter(|core| core.pid == std::process::id());
    let here: Vec<_> = here.collect();
    for core in &here {
        let reason = "the interpreter ends".to_owned();
        core.controls.send(Control::Cancel { reason });
    }
    for core in here {
        let mut kept = None;
        core.promise.wait(py, None, |raised| {
            core.interrupted(py, raised, &mut kept);
            Ok(())
        })?;
    }
    attach::close(py);
    Ok(())
}

impl Drop for Core {
    /// A run that never began answers the controls that it was given.
    fn drop(&mut self) {
        self.controls.over();
    }
}

/// The events that one reader has not read yet.
#[derive(Debug, Default)]
struct Queue {
    state: Mutex<Waiting>,
    ready: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    items: VecDeque<Item>,
    is_over: bool,
    waiters: Vec<Waiter>,
}

impl Queue {
    fn push(&self, item: Item) {
        let waiters = {
            let mut state = lock(&self.state);
            state.items.push_back(item);
            std::mem::take(&mut state.waiters)
        };
        self.ready.notify_all();
        if !waiters.is_empty() {
            let _ = attached(|py| wake(py, &waiters));
        }
    }

    fn close(&self, py: Python<'_>) {
        let waiters = {
            let mut state = lock(&self.state);
            state.is_over = true;
            std::mem::take(&mut state.waiters)
        };
        self.ready.notify_all();
        wake(py, &waiters);
    }

    fn pop(&self) -> Option<Item> {
        lock(&self.state).items.pop_front()
    }

    fn is_over(&self) -> bool {
        let state = lock(&self.state);
        state.is_over && state.items.is_empty()
    }
}

fn wake(py: Python<'_>, waiters: &[Waiter]) {
    for waiter in waiters {
        waiter.settle(py, &Ok(py.None()));
    }
}

/// The events of a run, in order; ends with the run. `for` and `async for` both work. Each call of
/// `events()` has its own: all events from the first one, if it is made before the start. Events wait here,
/// in memory, until they are read.
#[pyclass(module = "bluegreen", frozen)]
pub(crate) struct Events {
    queue: Arc<Queue>,
    core: Arc<Core>,
}

#[pymethods]
impl Events {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        self.core.is_here()?;
        let mut kept = None;
        loop {
            if let Some(item) = self.queue.pop() {
                return item.to_python(py).map(Some);
            }
            if self.queue.is_over() {
                return match kept {
                    Some(raised) => Err(raised),
                    None => Ok(None),
                };
            }
            py.detach(|| {
                let state = lock(&self.queue.state);
                if state.items.is_empty() && !state.is_over {
                    let _ = self
                        .queue
                        .ready
                        .wait_timeout(state, Duration::from_millis(50));
                }
            });
            if let Err(raised) = py.check_signals() {
                self.core.interrupted(py, raised, &mut kept);
            }
        }
    }

    fn __aiter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __anext__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.get().core.is_here()?;
        slf.py()
            .import("bluegreen._loop")?
            .call_method1("next_event", (slf,))
    }

    fn _pop(&self, py: Python<'_>) -> PyResult<Option<(Py<PyAny>,)>> {
        let item = self.queue.pop();
        item.map(|item| item.to_python(py).map(|event| (event,)))
            .transpose()
    }

    fn _is_over(&self) -> bool {
        self.queue.is_over()
    }

    fn _wake(&self, py: Python<'_>, home: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let waiter = Waiter::new(home)?;
        let future = waiter.future.clone_ref(py);
        let is_ready = {
            let state = &mut *lock(&self.queue.state);
            let is_ready = state.is_over || !state.items.is_empty();
            if !is_ready {
                state.waiters.push(Waiter {
                    home: waiter.home.clone_ref(py),
                    future: waiter.future.clone_ref(py),
                });
            }
            is_ready
        };
        if is_ready {
            wake(py, &[waiter]);
        }
        Ok(future)
    }
}

/// The methods that every class of runs has, over its field `core`.
macro_rules! run_class {
    ($(#[$doc:meta])* $name:ident, { $($methods:tt)* }) => {
        $(#[$doc])*
        #[pyclass(module = "bluegreen", frozen)]
        pub(crate) struct $name {
            core: Arc<Core>,
        }

        #[pymethods]
        impl $name {
            #[getter]
            fn handle(&self, py: Python<'_>) -> Py<Handle> {
                self.core.handle(py)
            }

            #[getter]
            fn is_done(&self) -> bool {
                self.core.is_done()
            }

            /// Calls `callback` with each event, in order, in the run's thread: the run waits for it. An exception
            /// of it is logged to `bluegreen`, and the run continues. Before the start only. Returns the run.
            fn on_event<'py>(slf: Bound<'py, Self>, callback: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Self>> {
                slf.get().core.add_callback(callback)?;
                Ok(slf)
            }

            /// Starts the run in its own thread and returns at once; a second call does nothing.
            fn start(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
                slf.get().core.start_here(slf.py())?;
                Ok(slf)
            }

            /// Starts the run, if need be.
            fn events(&self, py: Python<'_>) -> PyResult<Events> {
                self.core.events(py)
            }

            /// Starts the run, if need be, waits for its end without the GIL, and returns the outcome; raises if it
            /// could not start, or if a person must look now. Called again it gives the same.
            ///
            /// In the main thread Ctrl-C and SIGTERM cancel the run, which then ends as its plan says; the call
            /// returns the outcome and never raises `KeyboardInterrupt`. A second Ctrl-C on a terminal stops the run
            /// at once.
            fn run(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
                self.core.run(py)
            }

            /// The same on a running asyncio loop. Cancelling the task cancels the run, and the task then ends with
            /// the outcome, not with `CancelledError`: a rollback takes its time. Async roles run on this loop.
            fn run_async<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
                slf.py().import("bluegreen._loop")?.call_method1("outcome_of", (slf,))
            }

            fn _future(&self, py: Python<'_>, home: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
                self.core.future(py, home)
            }

            $($methods)*
        }
    };
}
pub(crate) use run_class;
