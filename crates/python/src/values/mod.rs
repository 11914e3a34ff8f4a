//! The values of the journal as frozen Python objects: each holds the library's own value.

use serde_json::Value;

/// A frozen class over a value of the library, with what all of them have. `text` is its words for people.
macro_rules! wire {
    ($(#[$doc:meta])* $name:ident, $inner:ty, $text:expr, { $($methods:tt)* }) => {
        $(#[$doc])*
        #[pyclass(module = "bluegreen", frozen)]
        #[derive(Debug)]
        pub(crate) struct $name {
            pub(crate) inner: $inner,
            /// Its JSON, from the first time on at which it is asked for.
            value: std::sync::OnceLock<serde_json::Value>,
        }

        impl $name {
            pub(crate) fn of(inner: $inner) -> Self {
                Self { inner, value: std::sync::OnceLock::new() }
            }

            #[allow(dead_code, reason = "not every value has fields to look up")]
            fn value(&self) -> &serde_json::Value {
                self.value.get_or_init(|| serde_json::to_value(&self.inner).unwrap_or_default())
            }
        }

        #[pymethods]
        impl $name {
            #[staticmethod]
            fn from_json(text: &str) -> PyResult<Self> {
                let read = serde_json::from_str(text);
                read.map(Self::of).map_err(|error| pyo3::exceptions::PyValueError::new_err(error.to_string()))
            }

            /// The exact JSON of the library: the contract of `--json` and of the journal.
            fn to_json(&self) -> PyResult<String> {
                serde_json::to_string(&self.inner).map_err(|error| pyo3::exceptions::PyValueError::new_err(error.to_string()))
            }

            /// The same fields as in JSON, with times as `datetime` and spans as `timedelta`.
            fn to_dict(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
                $crate::convert::value_to_python(py, self.value())
            }

            fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
                other.cast::<Self>().is_ok_and(|other| other.get().inner == self.inner)
            }

            fn __hash__(&self) -> u64 {
                let mut hasher = std::hash::DefaultHasher::new();
                std::hash::Hash::hash(&self.value().to_string(), &mut hasher);
                std::hash::Hasher::finish(&hasher)
            }

            fn __str__(&self) -> String {
                let text: fn(&Self) -> String = $text;
                text(self)
            }

            fn __repr__(&self) -> String {
                let text = self.__str__();
                format!("<{} {}>", stringify!($name), text.lines().next().unwrap_or_default())
            }

            fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (String,))> {
                Ok((slf.getattr("from_json")?, (slf.get().to_json()?,)))
            }

            $($methods)*
        }
    };
}

mod event;
mod health;
mod outcome;
mod plan;
mod problem;
mod traffic;

pub(crate) use self::{
    event::{DeploymentEvent, Event},
    health::{Look, Observation, Progress, Verdict},
    outcome::{DeploymentOutcome, Outcome},
    plan::{Plan, deployment_plan},
    problem::Problem,
    traffic::{Shift, Traffic},
};

fn text_of<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}
