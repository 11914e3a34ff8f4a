//! Plans of migrations and of deployments.

use bluegreen::{DeploymentPlan, MigrationPlan};
use pyo3::{prelude::*, types::PyDict};
use serde_json::{Map, Value, json};

use crate::{convert, errors};

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
