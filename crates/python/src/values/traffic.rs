//! The split: as it was read, and as it is wanted.

use bluegreen::traffic::{Shift as LibraryShift, Sides, TargetCounts, TrafficObservation};
use pyo3::{exceptions::PyValueError, prelude::*};
use serde_json::{Value, json};

use crate::{
    convert::{self, plain_to_python, to_python},
    errors,
};

wire!(
    /// The routing as a splitter read it.
    ///
    /// `fingerprint` is a versioned hash over everything else that routes this traffic (`"v1:…"`): two
    /// observations with equal weights and fingerprints describe the same routing. `rest` is what the
    /// fingerprint is taken over. `blue_targets` and `green_targets` are healthy targets, or a dict of `healthy`,
    /// `unhealthy`, `initial`, `draining`, `other`.
    Traffic,
    TrafficObservation,
    |traffic| traffic.inner.to_string(),
    {
        #[new]
        #[pyo3(signature = (blue, green, fingerprint, *, blue_targets=None, green_targets=None, rest=None,
                        stickiness=None, restore_command=None))]
        #[expect(clippy::too_many_arguments, reason = "keywords in Python")]
        fn new(
            blue: u32,
            green: u32,
            fingerprint: String,
            blue_targets: Option<&Bound<'_, PyAny>>,
            green_targets: Option<&Bound<'_, PyAny>>,
            rest: Option<std::collections::BTreeMap<String, String>>,
            stickiness: Option<&Bound<'_, PyAny>>,
            restore_command: Option<String>,
        ) -> PyResult<Self> {
            let targets = Sides::new(counts(blue_targets)?, counts(green_targets)?);
            let mut seen = TrafficObservation::new(Sides::new(blue, green), targets, fingerprint);
            if let Some(rest) = rest {
                seen = seen.with_rest(rest);
            }
            if let Some(stickiness) = stickiness {
                seen = seen.with_stickiness(convert::span(stickiness)?);
            }
            if let Some(command) = restore_command {
                seen = seen.with_restore_command(command);
            }
            Ok(Self::of(seen))
        }

        #[getter]
        fn blue(&self) -> u32 {
            self.inner.weights.blue
        }

        #[getter]
        fn green(&self) -> u32 {
            self.inner.weights.green
        }

        /// Green's share, 0 to 1; 0 if no side has weight.
        #[getter]
        fn green_share(&self) -> f64 {
            self.inner.green_share()
        }

        #[getter]
        fn is_all_blue(&self) -> bool {
            self.inner.is_all_blue()
        }

        #[getter]
        fn fingerprint(&self) -> &str {
            &self.inner.fingerprint
        }

        #[getter]
        fn blue_targets(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
            to_python(py, &self.inner.targets.blue)
        }

        #[getter]
        fn green_targets(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
            to_python(py, &self.inner.targets.green)
        }

        #[getter]
        fn rest(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
            plain_to_python(py, &json!(self.inner.rest))
        }

        #[getter]
        fn stickiness(&self) -> Option<std::time::Duration> {
            self.inner.stickiness
        }

        #[getter]
        fn restore_command(&self) -> Option<&str> {
            self.inner.restore_command.as_deref()
        }
    }
);

/// Targets: the number of healthy ones, or the number in each state.
fn counts(given: Option<&Bound<'_, PyAny>>) -> PyResult<TargetCounts> {
    let Some(given) = given else {
        return Ok(TargetCounts::default());
    };
    if let Ok(healthy) = given.extract::<u32>() {
        return Ok(TargetCounts::all_healthy(healthy));
    }
    let mut fields = json!(TargetCounts::default());
    if let (Some(fields), Value::Object(more)) = (fields.as_object_mut(), convert::to_value(given)?)
    {
        fields.extend(more);
    }
    serde_json::from_value(fields).map_err(|error| PyValueError::new_err(error.to_string()))
}

wire!(
    /// A change that a splitter is asked for.
    Shift,
    LibraryShift,
    |shift| format!("{} from {}", shift.inner.to, shift.inner.from),
    {
        /// The routing that is changed, as it was read.
        #[getter]
        fn observed(&self) -> Traffic {
            Traffic::of(self.inner.from.clone())
        }

        /// Green's share wanted, in percent.
        #[getter]
        fn green(&self) -> f64 {
            self.inner.to.green().into()
        }

        /// The split wanted, as two weights whose sum is 1000: blue's, green's.
        #[getter]
        fn weights(&self) -> (u32, u32) {
            let weights = self.inner.to.weights();
            (weights.blue, weights.green)
        }

        /// Whether it is a restore. A restore is always written, even if a read shows the split already.
        #[getter]
        fn restores(&self) -> bool {
            self.inner.restores()
        }

        /// Whether the split must be written over `found`, which was read right before the write. Raises
        /// `ConflictError` if it may not be replaced: then write nothing.
        fn is_to_write(&self, py: Python<'_>, found: &Traffic) -> PyResult<bool> {
            self.inner
                .is_to_write(&found.inner)
                .map_err(|error| errors::of_call(py, &error))
        }
    }
);
