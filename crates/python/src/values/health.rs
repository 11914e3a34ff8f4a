//! What gates are told, see and say.

use bluegreen::{
    Verdict as LibraryVerdict,
    health::{
        Evidence, Figure, Look as LibraryLook, Observation as LibraryObservation, Phase,
        Progress as LibraryProgress,
    },
};
use pyo3::prelude::*;

use super::Traffic;
use crate::{
    convert::{self, plain_to_python},
    errors,
};

wire!(
    /// The state of a migration at a look.
    Progress,
    LibraryProgress,
    |progress| format!("{} at {}", progress.inner.phase, progress.inner.green),
    {
        #[getter]
        fn at(&self) -> jiff::Timestamp {
            self.inner.at
        }

        #[getter]
        fn phase(&self) -> &'static str {
            match self.inner.phase {
                Phase::Preflight => "preflight",
                Phase::Step(_) => "step",
                Phase::Bake => "bake",
                _ => "confirm",
            }
        }

        /// The step, counted from 0, in the phase `step`.
        #[getter]
        fn step(&self) -> Option<usize> {
            match self.inner.phase {
                Phase::Step(step) => Some(step),
                _ => None,
            }
        }

        /// Green's share in percent that the migration last wrote.
        #[getter]
        fn green(&self) -> f64 {
            self.inner.green.into()
        }

        #[getter]
        fn since(&self) -> jiff::Timestamp {
            self.inner.since
        }

        #[getter]
        fn warm_up(&self) -> std::time::Duration {
            self.inner.warm_up
        }

        /// From then on green's figures count for its health.
        #[getter]
        fn warm_since(&self) -> jiff::Timestamp {
            self.inner.warm_since()
        }
    }
);

wire!(
    /// What a gate saw: a schema such as `"acme.queue/1"` and a body of plain JSON.
    Observation,
    LibraryObservation,
    |seen| format!("{}: {}", seen.inner.schema(), seen.inner.body()),
    {
        #[new]
        fn new(py: Python<'_>, schema: String, body: &Bound<'_, PyAny>) -> PyResult<Self> {
            let seen = LibraryObservation::new(schema, &convert::to_value(body)?);
            seen.map(Self::of)
                .map_err(|error| errors::of_call(py, &error))
        }

        #[getter]
        fn schema(&self) -> &str {
            self.inner.schema()
        }

        #[getter]
        fn body(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
            plain_to_python(py, self.inner.body())
        }
    }
);

wire!(
    /// What a gate is told when it must look.
    Look,
    LibraryLook,
    |look| format!(
        "{} at {}",
        look.inner.progress.phase, look.inner.progress.at
    ),
    {
        #[getter]
        fn progress(&self) -> Progress {
            Progress::of(self.inner.progress)
        }

        /// This gate's newest observation.
        #[getter]
        fn last(&self) -> Option<Observation> {
            self.inner.last.clone().map(Observation::of)
        }

        /// The split and the targets as read at this look; `None` if that read failed.
        #[getter]
        fn traffic(&self) -> Option<Traffic> {
            self.inner.traffic.clone().map(Traffic::of)
        }
    }
);

wire!(
    /// A gate's judgement of green. Only `healthy` lets green's share rise.
    Verdict,
    LibraryVerdict,
    |verdict| verdict.inner.to_string(),
    {
        /// `expires`: until when the verdict stands; a callable's verdict stands for 60 s by default.
        /// `figures`: numbers behind the verdict: `name`, `value`, `unit` (`"fraction"`, `"milliseconds"`, `"count"`), and
        /// optionally `side` and `limit`.
        #[staticmethod]
        #[pyo3(signature = (summary, *, expires=None, figures=None))]
        fn healthy(
            summary: String,
            expires: Option<&Bound<'_, PyAny>>,
            figures: Option<&Bound<'_, PyAny>>,
        ) -> PyResult<Self> {
            let mut evidence = evidence(summary, figures)?;
            if let Some(expires) = expires {
                evidence = evidence.with_expiry(convert::time(expires)?);
            }
            Ok(Self::of(LibraryVerdict::Healthy(evidence)))
        }

        #[staticmethod]
        #[pyo3(signature = (summary, *, figures=None))]
        fn unhealthy(summary: String, figures: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
            Ok(Self::of(LibraryVerdict::Unhealthy(evidence(
                summary, figures,
            )?)))
        }

        #[staticmethod]
        #[pyo3(signature = (summary, *, figures=None))]
        fn inconclusive(summary: String, figures: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
            Ok(Self::of(LibraryVerdict::Inconclusive(evidence(
                summary, figures,
            )?)))
        }

        #[getter]
        fn status(&self) -> &'static str {
            self.inner.status()
        }

        #[getter]
        fn summary(&self) -> &str {
            &self.inner.evidence().summary
        }

        #[getter]
        fn expires(&self) -> Option<jiff::Timestamp> {
            self.inner.evidence().expires
        }
    }
);

fn evidence(summary: String, figures: Option<&Bound<'_, PyAny>>) -> PyResult<Evidence> {
    let figures: Vec<Figure> = match figures {
        Some(figures) => convert::read(figures)?,
        None => Vec::new(),
    };
    let evidence = Evidence::new(summary);
    Ok(figures.into_iter().fold(evidence, Evidence::with_figure))
}
