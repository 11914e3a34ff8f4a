//! A traffic splitter in Python.

use std::time::Duration;

use async_trait::async_trait;
use bluegreen::{
    Result, TrafficSplitter,
    preflight::Finding,
    traffic::{Shift as LibraryShift, Shifted, TrafficObservation},
};
use pyo3::{exceptions::PyTypeError, prelude::*, types::PyTuple};

use crate::{
    convert,
    role::Role,
    values::{Shift, Traffic},
};

#[derive(Debug)]
pub(crate) struct PythonSplitter {
    role: Role,
    propagation: Duration,
}

impl PythonSplitter {
    pub(crate) fn new(role: Role) -> PyResult<Self> {
        let propagation = Python::attach(|py| propagation(role.bind(py)))?;
        Ok(Self { role, propagation })
    }
}

/// How long reads may be old: an attribute, or what a method without arguments returns.
pub(crate) fn propagation(object: &Bound<'_, PyAny>) -> PyResult<Duration> {
    let Some(stated) = object.getattr_opt("propagation")? else {
        let kind = object.get_type().name()?;
        let message = format!(
            "`{kind}` has no `propagation`: how long after a write a read may still show an older state (hint: \
             `propagation = 0` if its reads are consistent)"
        );
        return Err(PyTypeError::new_err(message));
    };
    match stated.is_callable() {
        true => convert::span(&stated.call0()?),
        false => convert::span(&stated),
    }
}

fn traffic(answer: &Bound<'_, PyAny>) -> PyResult<TrafficObservation> {
    match answer.cast::<Traffic>() {
        Ok(seen) => Ok(seen.get().inner.clone()),
        Err(_) => {
            let kind = answer.get_type().name()?;
            Err(PyTypeError::new_err(format!(
                "a splitter must return a Traffic, not a `{kind}`"
            )))
        }
    }
}

#[async_trait]
impl TrafficSplitter for PythonSplitter {
    async fn preflight(&self) -> Result<Vec<Finding>> {
        self.role.preflight().await
    }

    async fn observe(&self) -> Result<TrafficObservation> {
        self.role
            .call(Some("observe"), false, |py| Ok(PyTuple::empty(py)), traffic)
            .await
    }

    async fn shift(&self, shift: &LibraryShift) -> Result<Shifted> {
        let shift = shift.clone();
        let read = |answer: &Bound<'_, PyAny>| match answer.extract::<(Bound<'_, PyAny>, bool)>() {
            Ok((seen, false)) => traffic(&seen).map(Shifted::Accepted),
            Ok((seen, true)) => traffic(&seen).map(Shifted::Seen),
            Err(_) => traffic(answer).map(Shifted::Seen),
        };
        self.role
            .call(
                Some("shift"),
                true,
                move |py| PyTuple::new(py, [Py::new(py, Shift::of(shift))?]),
                read,
            )
            .await
    }

    fn propagation(&self) -> Duration {
        self.propagation
    }
}
