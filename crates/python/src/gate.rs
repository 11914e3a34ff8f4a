//! Health gates in Python: a function, or an object with `observe` and a pure `judge`.

use std::sync::Arc;

use async_trait::async_trait;
use bluegreen::{
    Error, ErrorKind, HealthGate, Result, Verdict as LibraryVerdict,
    engine::JsonText,
    gate_fn,
    health::{
        Judge, Look as LibraryLook, Observation as LibraryObservation, Progress as LibraryProgress,
    },
};
use pyo3::{exceptions::PyTypeError, prelude::*, types::PyTuple};
use serde_json::{Value, json};

use crate::{
    attach::attached,
    convert, errors,
    role::Role,
    values::{Look, Observation, Progress, Verdict},
};

/// Makes a gate of an object with `observe`, or else of a function.
pub(crate) fn gate(role: Role) -> PyResult<Arc<dyn HealthGate>> {
    let (is_object, settings, is_callable) = Python::attach(|py| {
        let object = role.bind(py);
        let settings = match object.getattr_opt("settings")? {
            Some(settings) if object.hasattr("observe")? => convert::to_value(&settings.call0()?)?,
            _ => json!({ "python": role.name() }),
        };
        PyResult::Ok((object.hasattr("observe")?, settings, object.is_callable()))
    })?;
    if is_object {
        return Ok(Arc::new(ObjectGate { role, settings }));
    }
    if !is_callable {
        let message = format!(
            "{} is neither a function nor an object with `observe` and `judge`",
            role.name()
        );
        return Err(PyTypeError::new_err(message));
    }
    let name = role.name().to_owned();
    Ok(Arc::new(gate_fn(&name, move |look: LibraryLook| {
        let role = role.clone();
        async move {
            role.call(None, false, move |py| arguments(py, look), verdict)
                .await
        }
    })))
}

fn arguments(py: Python<'_>, look: LibraryLook) -> PyResult<Bound<'_, PyTuple>> {
    PyTuple::new(py, [Py::new(py, Look::of(look))?])
}

fn verdict(answer: &Bound<'_, PyAny>) -> PyResult<LibraryVerdict> {
    match answer.cast::<Verdict>() {
        Ok(verdict) => Ok(verdict.get().inner.clone()),
        Err(_) => {
            let kind = answer.get_type().name()?;
            Err(PyTypeError::new_err(format!(
                "a gate must return a Verdict, not a `{kind}`"
            )))
        }
    }
}

#[derive(Debug)]
struct ObjectGate {
    role: Role,
    settings: Value,
}

#[async_trait]
impl HealthGate for ObjectGate {
    async fn observe(&self, look: &LibraryLook) -> Result<Option<LibraryObservation>> {
        let look = look.clone();
        let read = |answer: &Bound<'_, PyAny>| {
            if answer.is_none() {
                return Ok(None);
            }
            match answer.cast::<Observation>() {
                Ok(seen) => Ok(Some(seen.get().inner.clone())),
                Err(_) => {
                    let kind = answer.get_type().name()?;
                    let message =
                        format!("`observe` must return an Observation or None, not a `{kind}`");
                    Err(PyTypeError::new_err(message))
                }
            }
        };
        self.role
            .call(Some("observe"), false, move |py| arguments(py, look), read)
            .await
    }

    fn judge(&self) -> Box<dyn Judge> {
        let made = attached(|py| {
            let made = self.role.bind(py).call_method0("judge").and_then(|fold| {
                let take = match fold.getattr_opt("take")? {
                    Some(take) => take,
                    None => fold.clone(),
                };
                Ok((fold.unbind(), take.unbind()))
            });
            made.map_err(|raised| errors::traceback(py, &raised))
        });
        let fold = made.unwrap_or_else(|| Err("the interpreter has ended".to_owned()));
        Box::new(ObjectJudge {
            name: self.role.name().to_owned(),
            fold,
        })
    }

    fn settings(&self) -> Value {
        self.settings.clone()
    }
}

#[derive(Debug)]
struct ObjectJudge {
    name: String,
    /// The fold and its `take`, or why there is none.
    fold: std::result::Result<(Py<PyAny>, Py<PyAny>), String>,
}

impl ObjectJudge {
    fn inconclusive(&self, why: &str) -> LibraryVerdict {
        LibraryVerdict::inconclusive(format!("the judge of {} failed: {why}", self.name))
    }
}

impl Judge for ObjectJudge {
    fn take(
        &mut self,
        observation: &LibraryObservation,
        progress: &LibraryProgress,
    ) -> LibraryVerdict {
        let (_, take) = match &self.fold {
            Ok(fold) => fold,
            Err(why) => return self.inconclusive(why),
        };
        let taken = attached(|py| {
            let seen = Py::new(py, Observation::of(observation.clone()));
            let progress = Py::new(py, Progress::of(*progress));
            let answer = seen.and_then(|seen| take.bind(py).call1((seen, progress?)));
            answer
                .and_then(|answer| verdict(&answer))
                .map_err(|raised| errors::traceback(py, &raised))
        });
        match taken {
            Some(Ok(verdict)) => verdict,
            Some(Err(why)) => self.inconclusive(&why),
            None => self.inconclusive("the interpreter has ended"),
        }
    }

    fn snapshot(&self) -> Option<JsonText> {
        let (fold, _) = self.fold.as_ref().ok()?;
        let kept = attached(|py| {
            let fold = fold.bind(py);
            match fold.hasattr("snapshot").unwrap_or(false) {
                true => convert::to_value(&fold.call_method0("snapshot").ok()?)
                    .ok()
                    .map(JsonText::from),
                false => None,
            }
        });
        kept.flatten()
    }

    fn restore(&mut self, snapshot: &JsonText) -> Result<()> {
        let refused = |why: String| {
            Error::new(
                ErrorKind::Refused,
                format!("restore the judge of {}: {why}", self.name),
            )
        };
        let (fold, _) = self.fold.as_ref().map_err(|why| refused(why.clone()))?;
        let restored = attached(|py| {
            let kept = convert::plain_to_python(py, snapshot.value());
            let restored = kept.and_then(|kept| fold.bind(py).call_method1("restore", (kept,)));
            restored
                .map(drop)
                .map_err(|raised| errors::traceback(py, &raised))
        });
        restored.unwrap_or(Ok(())).map_err(refused)
    }
}
