//! A result that comes once, for a thread that waits and for asyncio.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use pyo3::prelude::*;

pub(crate) type Done = PyResult<Py<PyAny>>;

/// How often a waiting thread lets Python handle signals.
const STROKE: Duration = Duration::from_millis(50);

#[derive(Debug, Default)]
pub(crate) struct Promise {
    state: Mutex<State>,
    ready: Condvar,
}

#[derive(Debug, Default)]
struct State {
    done: Option<Done>,
    waiters: Vec<Waiter>,
}

/// A future of asyncio, and its loop.
#[derive(Debug)]
pub(crate) struct Waiter {
    pub(crate) home: Py<PyAny>,
    pub(crate) future: Py<PyAny>,
}

impl Waiter {
    /// Makes a future on `home`.
    pub(crate) fn new(home: &Bound<'_, PyAny>) -> PyResult<Self> {
        let future = home.call_method0("create_future")?.unbind();
        Ok(Self {
            home: home.clone().unbind(),
            future,
        })
    }

    /// Settles the future on its loop. A loop that is closed waits for nothing any more.
    pub(crate) fn settle(&self, py: Python<'_>, done: &Done) {
        let (value, error) = match done {
            Ok(value) => (value.clone_ref(py), py.None()),
            Err(error) => (py.None(), error.clone_ref(py).into_value(py).into_any()),
        };
        let told = (|| {
            let settle = py.import("bluegreen._loop")?.getattr("settle")?;
            let future = self.future.clone_ref(py);
            self.home
                .call_method1(py, "call_soon_threadsafe", (settle, future, value, error))
        })();
        drop(told);
    }
}

fn copied(py: Python<'_>, done: &Done) -> Done {
    match done {
        Ok(value) => Ok(value.clone_ref(py)),
        Err(error) => Err(error.clone_ref(py)),
    }
}

impl Promise {
    /// Never held while the interpreter is waited for.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the result; only the first one counts.
    pub(crate) fn settle(&self, py: Python<'_>, done: Done) {
        let waiters = {
            let mut state = self.state();
            if state.done.is_some() {
                return;
            }
            state.done = Some(copied(py, &done));
            std::mem::take(&mut state.waiters)
        };
        self.ready.notify_all();
        for waiter in waiters {
            waiter.settle(py, &done);
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.state().done.is_some()
    }

    /// Waits without the interpreter. `None` if there is no result in `limit`. `on_signal` gets what a signal
    /// handler of Python has raised, and may swallow it.
    pub(crate) fn wait(
        &self,
        py: Python<'_>,
        limit: Option<Duration>,
        mut on_signal: impl FnMut(PyErr) -> PyResult<()>,
    ) -> PyResult<Option<Done>> {
        #[expect(clippy::disallowed_methods, reason = "a person waits by real time")]
        let started = Instant::now();
        loop {
            if let Some(done) = &self.state().done {
                return Ok(Some(copied(py, done)));
            }
            let left = limit.map(|limit| limit.saturating_sub(started.elapsed()));
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(None);
            }
            let stroke = left.unwrap_or(STROKE).min(STROKE);
            py.detach(|| {
                let state = self.state();
                if state.done.is_none() {
                    let _ = self.ready.wait_timeout(state, stroke);
                }
            });
            if let Err(raised) = py.check_signals() {
                on_signal(raised)?;
            }
        }
    }

    /// A future of asyncio that gets the result.
    pub(crate) fn future(&self, py: Python<'_>, home: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let waiter = Waiter::new(home)?;
        let future = waiter.future.clone_ref(py);
        let done = {
            let mut state = self.state();
            match &state.done {
                Some(done) => Some(copied(py, done)),
                None => {
                    state.waiters.push(Waiter {
                        home: waiter.home.clone_ref(py),
                        future: waiter.future.clone_ref(py),
                    });
                    None
                }
            }
        };
        if let Some(done) = done {
            waiter.settle(py, &done);
        }
        Ok(future)
    }
}
