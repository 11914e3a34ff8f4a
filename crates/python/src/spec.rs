//! A migration as one file.

use bluegreen::{
    Aws as LibraryAws, Error, ErrorKind, Result, TrafficSplitter as _,
    spec::{MigrationSpec, Name, Origin, Target},
    store::JournalLog,
    traffic::{Shift, TrafficObservation, TrafficSplit},
};
use pyo3::{exceptions::PyTypeError, prelude::*, types::PyDict};
use serde_json::{Map, Value, json};

use crate::{
    convert::{self, value_to_python},
    errors,
    journal::Journal,
    values::{Plan, Traffic},
    world::World,
};

/// A migration as one file: traffic, sides, plan, judge, safety, hooks, test, journal. Same fields and defaults as
/// `bluegreen.toml`. Every mistake is told at once, with field, place and hint: `SpecError.problems`.
///
/// `Spec({"name": …})`, `Spec(name=…, traffic=…, side=…)`, `Spec.from_toml(text)`, `Spec.from_file(path)`.
#[pyclass(module = "bluegreen", frozen)]
#[derive(Debug)]
pub(crate) struct Spec {
    pub(crate) inner: MigrationSpec,
}

impl Spec {
    pub(crate) fn of(inner: MigrationSpec) -> Self {
        Self { inner }
    }

    fn value(&self) -> Value {
        serde_json::to_value(&self.inner).unwrap_or_default()
    }

    /// Reads fields, whose places in a file would mean nothing.
    fn of_fields(py: Python<'_>, fields: Map<String, Value>) -> PyResult<Self> {
        let read = MigrationSpec::from_json(&Value::Object(fields).to_string());
        read.map(Self::of)
            .map_err(|error| errors::of_fields(py, &error))
    }
}

/// The fields of a dict and of keywords together.
fn fields(
    first: Option<&Bound<'_, PyAny>>,
    more: Option<&Bound<'_, PyDict>>,
) -> PyResult<Map<String, Value>> {
    let mut fields = Map::new();
    for part in [first.cloned(), more.map(|more| more.as_any().clone())]
        .into_iter()
        .flatten()
    {
        if part.is_none() {
            continue;
        }
        match convert::to_value(&part)? {
            Value::Object(part) => fields.extend(part),
            _ => {
                return Err(PyTypeError::new_err(
                    "a specification is a dict or keywords; for text use `from_toml`",
                ));
            }
        }
    }
    Ok(fields)
}

/// Changes fields; tables are merged.
fn merge(into: &mut Map<String, Value>, changes: Map<String, Value>) {
    for (name, change) in changes {
        match (into.get_mut(&name), change) {
            (Some(Value::Object(table)), Value::Object(change)) => merge(table, change),
            (_, Value::Null) => {
                into.remove(&name);
            }
            (_, change) => {
                into.insert(name, change);
            }
        }
    }
}

#[pymethods]
impl Spec {
    #[new]
    #[pyo3(signature = (fields=None, /, **more))]
    fn new(
        py: Python<'_>,
        fields: Option<&Bound<'_, PyAny>>,
        more: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let fields = self::fields(fields, more).map_err(|error| {
            match error.is_instance_of::<PyTypeError>(py) {
                true => error,
                false => errors::argument(
                    py,
                    "",
                    &error.value(py).to_string(),
                    "see `bluegreen.schema()`",
                ),
            }
        })?;
        Self::of_fields(py, fields)
    }

    #[staticmethod]
    fn from_toml(py: Python<'_>, text: &str) -> PyResult<Self> {
        MigrationSpec::from_toml(text)
            .map(Self::of)
            .map_err(|error| errors::of_spec(py, &error))
    }

    #[staticmethod]
    fn from_json(py: Python<'_>, text: &str) -> PyResult<Self> {
        MigrationSpec::from_json(text)
            .map(Self::of)
            .map_err(|error| errors::of_spec(py, &error))
    }

    /// Reads TOML, or JSON if the name ends with `.json`.
    #[staticmethod]
    fn from_file(py: Python<'_>, path: std::path::PathBuf) -> PyResult<Self> {
        // By Python, whose error names the file.
        let file = py.import("pathlib")?.getattr("Path")?.call1((&path,))?;
        let text: String = file.call_method1("read_text", ("utf-8",))?.extract()?;
        match path.extension().is_some_and(|end| end == "json") {
            true => Self::from_json(py, &text),
            false => Self::from_toml(py, &text),
        }
    }

    fn to_toml(&self) -> String {
        self.inner.to_toml()
    }

    /// The exact JSON of the library: the contract of `--json` and of the journal.
    fn to_json(&self) -> String {
        self.value().to_string()
    }

    /// The same fields as in JSON, with times as `datetime` and spans as `timedelta`.
    fn to_dict(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        value_to_python(py, &self.value())
    }

    #[getter]
    fn name(&self) -> &str {
        self.inner.name.as_str()
    }

    #[getter]
    fn journal(&self) -> Option<Journal> {
        self.inner.journal.clone().map(Journal::of_place)
    }

    fn plan(&self, py: Python<'_>) -> PyResult<Plan> {
        self.inner
            .plan()
            .map(Plan::of)
            .map_err(|error| errors::of_fields(py, &error))
    }

    /// The least rights, as the JSON of an IAM policy.
    fn iam_policy(&self, py: Python<'_>) -> PyResult<String> {
        let policy = self.inner.iam_policy(bluegreen::spec::Use::Migrate);
        policy
            .map(|policy| policy.to_string())
            .map_err(|error| errors::of_fields(py, &error))
    }

    /// A copy with these fields changed; tables are merged, everything else replaced.
    #[pyo3(signature = (fields=None, /, **more))]
    fn with_(
        &self,
        py: Python<'_>,
        fields: Option<&Bound<'_, PyAny>>,
        more: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let mut all = self.value().as_object().cloned().unwrap_or_default();
        merge(&mut all, self::fields(fields, more)?);
        Self::of_fields(py, all)
    }

    /// How long each step takes at the traffic of the hour before: `requests_a_minute`, `error_rate`,
    /// `steps`, `text`, and `refusal` if a step cannot be decided. `None` if the limits alone judge. Blocks.
    fn forecast(&self, py: Python<'_>, aws: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let spec = self.inner.clone();
        let forecast = World::of(Some(aws))?.ask(py, move |aws| async move {
            let target = spec.target(&aws, None).await?;
            spec.forecast(&aws, &target).await
        })?;
        let forecast = forecast.map_err(|error| errors::of_call(py, &error))?;
        let Some(forecast) = forecast else {
            return Ok(py.None());
        };
        let steps = forecast.steps.iter().map(|step| {
            json!({
                "share": step.share, "green_requests": step.green_requests, "minutes": step.minutes,
                "caught": step.caught,
            })
        });
        let told = json!({
            "requests_a_minute": forecast.requests_a_minute,
            "error_rate": forecast.error_rate,
            "steps": steps.collect::<Vec<_>>(),
            "text": forecast.to_string(),
            "refusal": forecast.finding(),
        });
        value_to_python(py, &told)
    }

    /// Reads the split as it is. `blue` names the side that serves or served, by its name in the file; needed while both sides get traffic. Blocks.
    #[pyo3(signature = (aws, *, blue=None))]
    fn observe(
        &self,
        py: Python<'_>,
        aws: &Bound<'_, PyAny>,
        blue: Option<&str>,
    ) -> PyResult<Traffic> {
        let (spec, blue) = (self.inner.clone(), side(py, blue)?);
        let seen = World::of(Some(aws))?.ask(py, move |aws| async move {
            let target = target(&spec, &aws, blue.as_ref(), None).await?;
            spec.splitter(&aws, &target)?.observe().await
        })?;
        seen.map(Traffic::of)
            .map_err(|error| errors::of_call(py, &error))
    }

    /// Writes one split, by hand: one guarded write, read back; no gate, no journal, no rollback. Raises
    /// `ConflictError`, `OutcomeUnknownError` and so on. Blocks. Prefer a `Migration`.
    #[pyo3(signature = (aws, green, *, blue=None))]
    fn shift(
        &self,
        py: Python<'_>,
        aws: &Bound<'_, PyAny>,
        green: &Bound<'_, PyAny>,
        blue: Option<&str>,
    ) -> PyResult<Traffic> {
        let (spec, blue) = (self.inner.clone(), side(py, blue)?);
        let split = TrafficSplit::to_green(convert::share(green)?);
        let seen = World::of(Some(aws))?.ask(py, move |aws| async move {
            shift(&spec, &aws, blue, split).await
        })?;
        seen.map(Traffic::of)
            .map_err(|error| errors::of_call(py, &error))
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other
            .cast::<Self>()
            .is_ok_and(|other| other.get().inner == self.inner)
    }

    fn __hash__(&self) -> u64 {
        use std::hash::{DefaultHasher, Hash as _, Hasher as _};
        let mut hasher = DefaultHasher::new();
        self.to_json().hash(&mut hasher);
        hasher.finish()
    }

    fn __str__(&self) -> String {
        self.to_toml()
    }

    fn __repr__(&self) -> String {
        format!("<Spec {}>", self.name())
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (String,))> {
        Ok((slf.getattr("from_json")?, (slf.get().to_json(),)))
    }
}

async fn shift(
    spec: &MigrationSpec,
    aws: &LibraryAws,
    blue: Option<Name>,
    to: TrafficSplit,
) -> Result<TrafficObservation> {
    let target = target(spec, aws, blue.as_ref(), None).await?;
    let splitter = spec.splitter(aws, &target)?;
    let seen = splitter.observe().await?;
    Ok(splitter
        .shift(&Shift::rise(&seen, to))
        .await?
        .into_traffic())
}

/// The name of a side.
pub(crate) fn side(py: Python<'_>, name: Option<&str>) -> PyResult<Option<Name>> {
    let read = name.map(|name| name.parse::<Name>());
    read.transpose()
        .map_err(|error| errors::argument(py, "blue", &error.to_string(), error.hint()))
}

/// The sides: `blue` as said, or as the newest run in `log` began, or by the rule.
pub(crate) async fn target(
    spec: &MigrationSpec,
    aws: &LibraryAws,
    blue: Option<&Name>,
    log: Option<&JournalLog>,
) -> Result<Target> {
    if blue.is_some() {
        return spec.target(aws, blue).await;
    }
    if let Some(log) = log
        && let Ok(Some(opening)) = log.newest_opening().await
        && let Ok(origin) = Origin::of(&[opening])
    {
        return spec.target(aws, Some(&origin.from)).await;
    }
    let found = spec.target(aws, None).await;
    found.map_err(|error| match error.kind() {
        ErrorKind::Refused if error.hint().is_none() => {
            let message = error.message().to_owned();
            Error::new(ErrorKind::Refused, message)
                .with_hint("name the side that serves, or served: `blue=\"NAME\"`")
        }
        _ => error,
    })
}

/// The JSON Schema of a specification.
#[pyfunction]
pub(crate) fn schema(py: Python<'_>) -> PyResult<Py<PyAny>> {
    convert::plain_to_python(py, &bluegreen::spec::schema())
}
