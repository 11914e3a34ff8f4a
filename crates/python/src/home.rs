//! The loop of asyncio on which coroutines of roles run.
//!
//! A run does not enter the interpreter to get there: it puts an errand into the box of the loop. The first errand
//! in an empty box wakes the loop, which then does all that have come. So a thousand runs cost the loop a few wakes.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::prelude::*;

use crate::attach::attached;

/// What is done on the loop, in its thread.
pub(crate) type Errand = Box<dyn FnOnce(Python<'_>) + Send>;

/// What waits to be done on one loop.
#[pyclass(frozen)]
#[derive(Default)]
struct Inbox(Mutex<Vec<Errand>>);

impl Inbox {
    fn take(&self) -> Vec<Errand> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns whether the box was empty.
    fn put(&self, errand: Errand) -> bool {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push(errand);
        waiting.len() == 1
    }
}

#[pymethods]
impl Inbox {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    /// Does what waits; the loop calls it.
    fn __call__(&self, py: Python<'_>) {
        for errand in self.take() {
            errand(py);
        }
    }
}

/// A loop, and its box.
#[derive(Debug, Clone)]
pub(crate) struct Home(Arc<(Py<PyAny>, Py<Inbox>)>);

impl Home {
    /// `home`, or the loop of this package's own.
    pub(crate) fn new(py: Python<'_>, home: Option<&Py<PyAny>>) -> PyResult<Self> {
        let run = py.import("bluegreen._loop")?;
        let inbox = py.get_type::<Inbox>();
        let (home, inbox) = run.call_method1("home_of", (home, inbox))?.extract()?;
        Ok(Self(Arc::new((home, inbox))))
    }

    /// Lets the loop do `errand`, soon. A loop that is closed drops the errand.
    pub(crate) fn put(&self, errand: Errand) {
        let (home, inbox) = &*self.0;
        if !inbox.get().put(errand) {
            return;
        }
        let woken = attached(|py| {
            home.call_method1(py, "call_soon_threadsafe", (inbox,))
                .is_ok()
        });
        if woken != Some(true) {
            drop(inbox.get().take());
        }
    }

    /// Whether the loop does errands no more. `None` once the interpreter ends.
    pub(crate) fn is_closed(&self) -> Option<bool> {
        let (home, inbox) = &*self.0;
        let is_closed = attached(|py| {
            let closed = home.call_method0(py, "is_closed");
            closed
                .and_then(|closed| closed.is_truthy(py))
                .unwrap_or(true)
        })?;
        if is_closed {
            drop(inbox.get().take());
        }
        Some(is_closed)
    }
}
