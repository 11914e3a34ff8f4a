//! What happened: events of migrations and of deployments.

use bluegreen::{
    deployment::DeploymentEvent as LibraryDeploymentEvent, engine::Event as Envelope,
    migration::MigrationEvent,
};
use pyo3::prelude::*;
use serde_json::Value;

use super::{Traffic, text_of};
use crate::convert::value_to_python;

wire!(
    /// One fact of a migration. `str(event)` is the text for people.
    Event,
    Envelope<MigrationEvent>,
    |event| event.inner.to_string(),
    {
        #[getter]
        fn run(&self) -> &str {
            self.inner.run.as_str()
        }

        #[getter]
        fn seq(&self) -> u64 {
            self.inner.seq
        }

        #[getter]
        fn at(&self) -> jiff::Timestamp {
            self.inner.at
        }

        #[getter]
        fn elapsed(&self) -> std::time::Duration {
            self.inner.elapsed
        }

        /// `started`, `preflight_passed`, `looked`, `awaiting`, `step_passed`, `shifting`, `shifted`, `ended`, …
        #[getter]
        fn name(&self) -> &str {
            text_of(self.value(), "event")
        }

        /// The fields of this kind of event, as `to_dict` without the envelope.
        #[getter]
        fn data(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
            value_to_python(py, &kind_of(self.value()))
        }

        /// The split that the event reports as read, if it reports one.
        #[getter]
        fn traffic(&self) -> Option<Traffic> {
            self.inner.kind.traffic().cloned().map(Traffic::of)
        }

        /// One line for a terminal.
        #[pyo3(signature = (columns=80))]
        fn line(&self, columns: usize) -> String {
            self.inner.line(columns)
        }
    }
);

wire!(
    /// One fact of a deployment.
    DeploymentEvent,
    Envelope<LibraryDeploymentEvent>,
    |event| event.inner.to_string(),
    {
        #[getter]
        fn run(&self) -> &str {
            self.inner.run.as_str()
        }

        #[getter]
        fn seq(&self) -> u64 {
            self.inner.seq
        }

        #[getter]
        fn at(&self) -> jiff::Timestamp {
            self.inner.at
        }

        #[getter]
        fn elapsed(&self) -> std::time::Duration {
            self.inner.elapsed
        }

        #[getter]
        fn name(&self) -> &str {
            text_of(self.value(), "event")
        }

        #[getter]
        fn data(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
            value_to_python(py, &kind_of(self.value()))
        }

        #[pyo3(signature = (columns=80))]
        fn line(&self, columns: usize) -> String {
            self.inner.line(columns)
        }
    }
);

/// The fields of an event without its envelope.
fn kind_of(event: &Value) -> Value {
    let envelope = ["run", "seq", "at", "elapsed", "event"];
    let fields = event.as_object().cloned().unwrap_or_default();
    let fields = fields
        .into_iter()
        .filter(|(name, _)| !envelope.contains(&name.as_str()));
    Value::Object(fields.collect())
}
