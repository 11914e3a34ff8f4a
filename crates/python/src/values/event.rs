//! What happened: events of migrations and of deployments.

use bluegreen::{
    deployment::DeploymentEvent as LibraryDeploymentEvent, engine::Event as Envelope,
    migration::MigrationEvent,
};
use pyo3::prelude::*;
use serde_json::Value;

use super::{Traffic, text_of};
use crate::convert::value_to_python;

/// A frozen class of events: a fact of a run, with what all of them have.
macro_rules! event {
    ($(#[$doc:meta])* $name:ident, $kind:ty, { $($methods:tt)* }) => {
        wire!($(#[$doc])* $name, Envelope<$kind>, |event| event.inner.to_string(), {
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

            /// The kind of the fact, as `started` or `ended`: the names of the classes of facts, in small letters.
            #[getter]
            fn name(&self) -> &str {
                text_of(self.value(), "event")
            }

            /// The fields of this kind of event, as `to_dict` without the envelope.
            #[getter]
            fn data(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
                value_to_python(py, &kind_of(self.value()))
            }

            /// One line for a terminal.
            #[pyo3(signature = (columns=80))]
            fn line(&self, columns: usize) -> String {
                self.inner.line(columns)
            }

            $($methods)*
        });
    };
}

event!(
    /// One fact of a migration. `str(event)` is the text for people.
    Event,
    MigrationEvent,
    {
        /// The split that the event reports as read, if it reports one.
        #[getter]
        fn traffic(&self) -> Option<Traffic> {
            self.inner.kind.traffic().cloned().map(Traffic::of)
        }
    }
);

event!(
    /// One fact of a deployment. `str(event)` is the text for people.
    DeploymentEvent,
    LibraryDeploymentEvent,
    {}
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
