//! Controls of a run, before it begins too.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bluegreen::engine::{Control, ControlEffect, ControlHandle, Operator};
use pyo3::{
    exceptions::{PyRuntimeError, PyTimeoutError},
    prelude::*,
};
use tokio::runtime;

use crate::{
    attach::attached,
    convert::{self, to_python},
    promise::Promise,
};

/// Where controls go: kept until the run can take them, then to the run.
#[derive(Debug)]
pub(crate) struct Controls {
    state: Mutex<State>,
    pid: u32,
}

#[derive(Debug)]
enum State {
    /// The run does not take controls yet; these are given then, in this order.
    Early(Vec<(Control, Arc<Promise>)>),
    Live(ControlHandle, runtime::Handle),
    Over,
}

impl Default for Controls {
    fn default() -> Self {
        Self {
            state: Mutex::new(State::Early(Vec::new())),
            pid: std::process::id(),
        }
    }
}

impl Controls {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn send(&self, control: Control) -> Arc<Promise> {
        let promise = Arc::new(Promise::default());
        let over = match &mut *self.state() {
            State::Early(kept) => {
                kept.push((control, Arc::clone(&promise)));
                false
            }
            State::Live(handle, runtime) => {
                give(handle, runtime, control, &promise);
                false
            }
            State::Over => true,
        };
        if over {
            answered(&promise, &ended());
        }
        promise
    }

    /// The run takes controls from now on.
    pub(crate) fn live(&self, handle: ControlHandle, runtime: runtime::Handle) {
        let mut state = self.state();
        if let State::Early(kept) = &mut *state {
            for (control, promise) in kept.drain(..) {
                give(&handle, &runtime, control, &promise);
            }
        }
        *state = State::Live(handle, runtime);
    }

    /// The run has ended, or never began.
    pub(crate) fn over(&self) {
        let before = std::mem::replace(&mut *self.state(), State::Over);
        if let State::Early(kept) = before {
            for (_, promise) in kept {
                answered(&promise, &ended());
            }
        }
    }
}

fn ended() -> ControlEffect {
    ControlEffect::Ignored("the run has ended".to_owned())
}

fn give(
    handle: &ControlHandle,
    runtime: &runtime::Handle,
    control: Control,
    promise: &Arc<Promise>,
) {
    let answer = handle.send(control);
    let told = Told(Arc::clone(promise));
    runtime.spawn(async move {
        answered(&told.0, &answer.await);
    });
}

/// Answers for a run whose runtime ends before the answer has come.
struct Told(Arc<Promise>);

impl Drop for Told {
    fn drop(&mut self) {
        if !self.0.is_done() {
            answered(&self.0, &ended());
        }
    }
}

fn answered(promise: &Promise, effect: &ControlEffect) {
    // Without an interpreter there is no one to tell.
    let _ = attached(|py| promise.settle(py, to_python(py, effect)));
}

/// The answer to a control: `result()`, or `await answer`. It comes as soon as the run has taken the
/// control. `{"effect": "applied" | "after_change" | "ignored", "why": …}`.
#[pyclass(module = "bluegreen", frozen)]
#[derive(Debug)]
pub(crate) struct Answer(Arc<Promise>);

#[pymethods]
impl Answer {
    /// Blocks, without the GIL. `TimeoutError` if there is no answer in `timeout` seconds.
    #[pyo3(signature = (timeout=None))]
    fn result(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Py<PyAny>> {
        let limit = timeout.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default());
        match self.0.wait(py, limit, Err)? {
            Some(done) => done,
            None => Err(PyTimeoutError::new_err(
                "the run has not taken the control yet",
            )),
        }
    }

    fn _future(&self, py: Python<'_>, home: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.0.future(py, home)
    }

    fn __await__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let run = slf.py().import("bluegreen._loop")?;
        run.call_method1("answer_of", (slf,))?
            .call_method0("__await__")
    }
}

/// Controls a run from anywhere. Sending never blocks; a control that is given before the run starts holds
/// from its first step on, and one after its end is ignored.
#[pyclass(module = "bluegreen", frozen)]
#[derive(Debug, Clone)]
pub(crate) struct Handle(pub(crate) Arc<Controls>);

impl Handle {
    fn send(&self, control: Control) -> PyResult<Answer> {
        if self.0.pid != std::process::id() {
            return Err(elsewhere());
        }
        Ok(Answer(self.0.send(control)))
    }
}

/// A fork has the objects of its parent, and none of its threads.
pub(crate) fn elsewhere() -> PyErr {
    PyRuntimeError::new_err(
        "this belongs to the process from which this one was forked, which goes on with its runs; make your own here",
    )
}

#[pymethods]
impl Handle {
    #[pyo3(signature = (by, length=None))]
    fn pause(&self, by: String, length: Option<&Bound<'_, PyAny>>) -> PyResult<Answer> {
        let length = length.map(convert::span).transpose()?;
        self.send(Control::Pause {
            by: by.into(),
            length,
        })
    }

    fn continue_run(&self, by: String) -> PyResult<Answer> {
        self.send(Control::Continue { by: by.into() })
    }

    fn skip_wait(&self, by: String) -> PyResult<Answer> {
        self.send(Control::SkipWait { by: by.into() })
    }

    /// Rises to the next step: the leave for which a manual step waits, and before a healthy verdict an
    /// override.
    fn promote(&self, by: String) -> PyResult<Answer> {
        self.send(Control::Promote { by: by.into() })
    }

    fn promote_fully(&self, by: String) -> PyResult<Answer> {
        self.send(Control::PromoteFully { by: by.into() })
    }

    /// Rolls back.
    fn abort(&self, by: String) -> PyResult<Answer> {
        self.send(Control::Abort { by: by.into() })
    }

    /// Ends and leaves the split as it is.
    fn leave(&self, by: String, reason: String) -> PyResult<Answer> {
        let by = Operator::new(by).with_reason(reason);
        self.send(Control::Leave { by })
    }

    /// Ends as the plan says for a cancellation, by default by a rollback.
    fn cancel(&self, reason: String) -> PyResult<Answer> {
        self.send(Control::Cancel { reason })
    }

    /// Ends at once, even if a change is under way, and says where traffic was last seen.
    fn stop(&self, reason: String) -> PyResult<Answer> {
        self.send(Control::Stop { reason })
    }
}
