//! The values of the journal as frozen Python objects: each holds the library's own value.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::OnceLock,
};

use bluegreen::{
    DeploymentPlan, MigrationOutcome, MigrationPlan, Verdict as LibraryVerdict,
    deployment::{
        DeploymentEvent as LibraryDeploymentEvent, DeploymentOutcome as LibraryDeploymentOutcome,
    },
    engine::Event as Envelope,
    health::{
        Evidence, Figure, Look as LibraryLook, Observation as LibraryObservation, Phase,
        Progress as LibraryProgress,
    },
    migration::MigrationEvent,
    spec::SpecProblem,
    traffic::{Shift as LibraryShift, Sides, TargetCounts, TrafficObservation},
};
use pyo3::{exceptions::PyValueError, prelude::*, types::PyDict};
use serde_json::{Map, Value, json};

use crate::{
    convert::{self, plain_to_python, to_python, value_to_python},
    errors,
};

/// A frozen class over a value of the library, with what all of them have. `text` is its words for people.
macro_rules! wire {
    ($(#[$doc:meta])* $name:ident, $inner:ty, $text:expr, { $($methods:tt)* }) => {
        $(#[$doc])*
        #[pyclass(module = "bluegreen", frozen)]
        #[derive(Debug)]
        pub(crate) struct $name {
            pub(crate) inner: $inner,
            /// Its JSON, from the first time on at which it is asked for.
            value: OnceLock<Value>,
        }

        impl $name {
            pub(crate) fn of(inner: $inner) -> Self {
                Self { inner, value: OnceLock::new() }
            }

            #[allow(dead_code, reason = "not every value has fields to look up")]
            fn value(&self) -> &Value {
                self.value.get_or_init(|| serde_json::to_value(&self.inner).unwrap_or_default())
            }
        }

        #[pymethods]
        impl $name {
            #[staticmethod]
            fn from_json(text: &str) -> PyResult<Self> {
                let read = serde_json::from_str(text);
                read.map(Self::of).map_err(|error| PyValueError::new_err(error.to_string()))
            }

            /// The exact JSON of the library: the contract of `--json` and of the journal.
            fn to_json(&self) -> PyResult<String> {
                serde_json::to_string(&self.inner).map_err(|error| PyValueError::new_err(error.to_string()))
            }

            /// The same fields as in JSON, with times as `datetime` and spans as `timedelta`.
            fn to_dict(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
                value_to_python(py, self.value())
            }

            fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
                other.cast::<Self>().is_ok_and(|other| other.get().inner == self.inner)
            }

            fn __hash__(&self) -> u64 {
                let mut hasher = DefaultHasher::new();
                self.value().to_string().hash(&mut hasher);
                hasher.finish()
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

/// One mistake of a specification. `field` is empty for a mistake of syntax; `line` and `column` count
/// from 1 and are `None` if no file was read.
#[pyclass(module = "bluegreen", frozen, get_all)]
#[derive(Debug)]
pub(crate) struct Problem {
    field: String,
    message: String,
    hint: String,
    line: Option<usize>,
    column: Option<usize>,
}

impl Problem {
    pub(crate) fn of_spec(problem: &SpecProblem) -> Self {
        let place = problem.at;
        Self {
            line: place.map(|at| at.line),
            column: place.map(|at| at.column),
            ..Self::of_plan(&problem.problem)
        }
    }

    pub(crate) fn of_plan(problem: &bluegreen::problem::Problem) -> Self {
        Self {
            field: problem.field.clone(),
            message: problem.message.clone(),
            hint: problem.hint.clone(),
            line: None,
            column: None,
        }
    }
}

impl Problem {
    pub(crate) fn text(&self) -> String {
        let place = match (self.line, self.column) {
            (Some(line), Some(column)) => format!("{line}:{column}: "),
            _ => String::new(),
        };
        let field = match self.field.is_empty() {
            true => String::new(),
            false => format!("{}: ", self.field),
        };
        let hint = match self.hint.is_empty() {
            true => String::new(),
            false => format!(" (hint: {})", self.hint),
        };
        format!("{place}{field}{}{hint}", self.message)
    }
}

#[pymethods]
impl Problem {
    #[new]
    #[pyo3(signature = (field, message, hint, line=None, column=None))]
    fn new(
        field: String,
        message: String,
        hint: String,
        line: Option<usize>,
        column: Option<usize>,
    ) -> Self {
        Self {
            field,
            message,
            hint,
            line,
            column,
        }
    }

    #[expect(clippy::type_complexity, reason = "the arguments of `new`")]
    fn __reduce__<'py>(
        slf: &Bound<'py, Self>,
    ) -> (
        Bound<'py, pyo3::types::PyType>,
        (String, String, String, Option<usize>, Option<usize>),
    ) {
        let Self {
            field,
            message,
            hint,
            line,
            column,
        } = slf.get();
        let parts = (field.clone(), message.clone(), hint.clone(), *line, *column);
        (slf.get_type(), parts)
    }

    fn __str__(&self) -> String {
        self.text()
    }

    fn __repr__(&self) -> String {
        format!("<Problem {}>", self.text())
    }
}

/// The fields of an event without its envelope.
fn kind_of(event: &Value) -> Value {
    let envelope = ["run", "seq", "at", "elapsed", "event"];
    let fields = event.as_object().cloned().unwrap_or_default();
    let fields = fields
        .into_iter()
        .filter(|(name, _)| !envelope.contains(&name.as_str()));
    Value::Object(fields.collect())
}

fn text_of<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

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

        /// `started`, `preflight_passed`, `looked`, `step_passed`, `shifting`, `shifted`, `ended`, …
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

wire!(
    /// Everything that is decided before a migration starts. Every argument may be left out; the defaults are
    /// the library's. `SpecError` tells every problem at once.
    Plan,
    MigrationPlan,
    |plan| plan.inner.preview().to_string(),
    {
        #[new]
        #[pyo3(signature = (**fields))]
        fn new(py: Python<'_>, fields: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
            let mut settings = Map::new();
            for (name, value) in fields.into_iter().flatten() {
                let name: String = name.extract()?;
                let value = setting(py, &name, &value)?;
                settings.insert(name, value);
            }
            let builder: Result<bluegreen::migration::MigrationPlanBuilder, _> =
                serde_json::from_value(settings.into());
            let builder = builder.map_err(|error| {
                errors::argument(
                    py,
                    "plan",
                    &error.to_string(),
                    "`help(bluegreen.Plan)` lists all settings",
                )
            })?;
            builder
                .build()
                .map(Self::of)
                .map_err(|error| errors::of_plan(py, &error))
        }

        /// The course of the migration, as text.
        fn preview(&self) -> String {
            self.inner.preview().to_string()
        }

        /// Green's share in percent at each step.
        #[getter]
        fn steps<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, pyo3::types::PyTuple>> {
            let shares: Vec<f64> = self
                .inner
                .steps()
                .iter()
                .map(|step| step.green.into())
                .collect();
            pyo3::types::PyTuple::new(py, shares)
        }
    }
);

/// The plan's settings that are spans of time.
const PLAN_SPANS: [&str; 12] = [
    "bake",
    "step_deadline",
    "deadline",
    "look_interval",
    "look_limit",
    "warm_up",
    "final_bake",
    "restore_within",
    "gradual_restore",
    "grace",
    "confirm_within",
    "dead_man",
];

/// A setting of a plan in the form of the journal.
fn setting(py: Python<'_>, name: &str, value: &Bound<'_, PyAny>) -> PyResult<Value> {
    let wrong = |error: PyErr| {
        errors::argument(
            py,
            name,
            &error.value(py).to_string(),
            "see `help(bluegreen.Plan)`",
        )
    };
    if PLAN_SPANS.contains(&name) {
        return convert::span(value)
            .map(|span| convert::written(span).into())
            .map_err(wrong);
    }
    match name {
        "hold_back" => convert::share(value)
            .map(|share| json!(share))
            .map_err(wrong),
        "steps" => {
            let steps = value.try_iter()?.map(|one| step(&one?));
            steps
                .collect::<PyResult<Vec<_>>>()
                .map(Value::Array)
                .map_err(wrong)
        }
        _ => convert::to_value(value).map_err(wrong),
    }
}

fn step(given: &Bound<'_, PyAny>) -> PyResult<Value> {
    let Ok(fields) = given.cast::<PyDict>() else {
        return Ok(json!({ "green": convert::share(given)? }));
    };
    let mut step = Map::new();
    for (name, value) in fields {
        let name: String = name.extract()?;
        let value = match name.as_str() {
            "green" => json!(convert::share(&value)?),
            "bake" | "deadline" => convert::written(convert::span(&value)?).into(),
            _ => convert::to_value(&value)?,
        };
        step.insert(name, value);
    }
    Ok(step.into())
}

/// Reads the plan of a deployment from the settings of a dict.
pub(crate) fn deployment_plan(
    py: Python<'_>,
    fields: Option<&Bound<'_, PyDict>>,
) -> PyResult<DeploymentPlan> {
    let value = match fields {
        Some(fields) => convert::to_value(fields)?,
        None => json!({}),
    };
    let builder: Result<bluegreen::deployment::DeploymentPlanBuilder, _> =
        serde_json::from_value(value);
    let builder = builder.map_err(|error| {
        errors::argument(
            py,
            "plan",
            &error.to_string(),
            "leave it out for the defaults",
        )
    })?;
    builder.build().map_err(|error| errors::of_plan(py, &error))
}
