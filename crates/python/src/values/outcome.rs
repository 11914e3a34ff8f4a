//! How migrations and deployments ended.

use bluegreen::{MigrationOutcome, deployment::DeploymentOutcome as LibraryDeploymentOutcome};
use pyo3::prelude::*;

use super::{Traffic, text_of};
use crate::convert::to_python;

wire!(
    /// How a migration ended, as it was read back. `str(outcome)` is the text for people.
    Outcome,
    MigrationOutcome,
    |outcome| outcome.inner.to_string(),
    {
        #[getter]
        fn kind(&self) -> &str {
            text_of(self.value(), "outcome")
        }

        /// 0 promoted or restored on request, 3 nothing changed, 10 rolled back, 11 cancelled, 12 held.
        #[getter]
        fn exit_code(&self) -> u8 {
            self.inner.exit_code()
        }

        #[getter]
        fn is_promoted(&self) -> bool {
            matches!(self.inner, MigrationOutcome::Promoted { .. })
        }

        /// The cause of a rollback, or the reason of a hold or of no change.
        #[getter]
        fn why(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
            match &self.inner {
                MigrationOutcome::Promoted { .. } => Ok(py.None()),
                MigrationOutcome::RolledBack { cause, .. } => to_python(py, cause),
                MigrationOutcome::Held { reason, .. } => to_python(py, reason),
                MigrationOutcome::Unchanged { reason, .. } => to_python(py, reason),
            }
        }

        #[getter]
        fn report(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
            to_python(py, self.inner.report())
        }

        #[getter]
        fn started(&self) -> jiff::Timestamp {
            self.inner.report().started
        }

        #[getter]
        fn ended(&self) -> jiff::Timestamp {
            self.inner.report().ended
        }

        #[getter]
        fn took(&self) -> std::time::Duration {
            self.inner.report().took()
        }

        /// The last split that was read.
        #[getter]
        fn traffic(&self) -> Option<Traffic> {
            self.inner.report().traffic.clone().map(Traffic::of)
        }
    }
);

wire!(
    /// How a deployment ended.
    DeploymentOutcome,
    LibraryDeploymentOutcome,
    |outcome| outcome.inner.to_string(),
    {
        #[getter]
        fn kind(&self) -> &str {
            text_of(self.value(), "outcome")
        }

        #[getter]
        fn exit_code(&self) -> u8 {
            self.inner.exit_code()
        }
    }
);
