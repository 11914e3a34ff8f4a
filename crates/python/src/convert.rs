//! Data over the border: JSON of the library to Python and back.
//!
//! Everything that the library tells or is told is serde data, so it passes through a JSON value: nothing is
//! lost, integers of 64 bits included. On the way to Python, times become `datetime` and spans `timedelta`.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use pyo3::{
    IntoPyObjectExt as _,
    exceptions::{PyTypeError, PyValueError},
    prelude::*,
    types::{
        PyBool, PyDateTime, PyDelta, PyDict, PyFloat, PyInt, PyList, PyMapping, PyString, PyTuple,
    },
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Number, Value};

/// The fields whose text is a time. A text in them that is no time, such as a span or a reason, stays a text.
const TIMES: [&str; 21] = [
    "at",
    "bake_until",
    "blue_kept_until",
    "confirmed",
    "deadline",
    "ended",
    "expires",
    "fires",
    "from",
    "next_look",
    "pinned_until",
    "read_at",
    "retry_at",
    "service_read_at",
    "since",
    "started",
    "to",
    "traffic_read_at",
    "until",
    "visible_by",
    "warm_since",
];

/// The fields whose text is a span of time.
const SPANS: [&str; 29] = [
    "after",
    "bake",
    "confirm_within",
    "dead_man",
    "deadline",
    "duration",
    "elapsed",
    "every",
    "final_bake",
    "grace",
    "gradual_restore",
    "length",
    "limit",
    "look_interval",
    "look_limit",
    "margin",
    "max_latency",
    "period",
    "poll_every",
    "ramp",
    "require",
    "restore_within",
    "rollback_deadline",
    "rollout_deadline",
    "step_deadline",
    "timeout",
    "took",
    "warm_up",
    "write_within",
];

/// Returns serde data as Python data.
pub(crate) fn to_python<T: Serialize>(py: Python<'_>, data: &T) -> PyResult<Py<PyAny>> {
    let value =
        serde_json::to_value(data).map_err(|error| PyValueError::new_err(error.to_string()))?;
    value_to_python(py, &value)
}

/// Returns a JSON value as Python data, with times and spans.
pub(crate) fn value_to_python(py: Python<'_>, value: &Value) -> PyResult<Py<PyAny>> {
    field(py, None, value)
}

/// Returns a JSON value as Python data as it is: text stays text.
pub(crate) fn plain_to_python(py: Python<'_>, value: &Value) -> PyResult<Py<PyAny>> {
    match value {
        Value::Null => Ok(py.None()),
        Value::Bool(value) => value.into_py_any(py),
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(value), _) => value.into_py_any(py),
            (_, Some(value)) => value.into_py_any(py),
            _ => number.as_f64().into_py_any(py),
        },
        Value::String(text) => text.into_py_any(py),
        Value::Array(items) => {
            let list = PyList::empty(py);
            for item in items {
                list.append(plain_to_python(py, item)?)?;
            }
            list.into_py_any(py)
        }
        Value::Object(fields) => {
            let dict = PyDict::new(py);
            for (name, value) in fields {
                dict.set_item(name, plain_to_python(py, value)?)?;
            }
            dict.into_py_any(py)
        }
    }
}

fn field(py: Python<'_>, name: Option<&str>, value: &Value) -> PyResult<Py<PyAny>> {
    match (name, value) {
        (Some(name), Value::String(text)) if TIMES.contains(&name) || SPANS.contains(&name) => {
            match (text.parse::<Timestamp>(), text.parse::<SignedDuration>()) {
                (Ok(time), _) if TIMES.contains(&name) => time.into_py_any(py),
                (_, Ok(span)) if SPANS.contains(&name) => span.into_py_any(py),
                _ => text.into_py_any(py),
            }
        }
        (_, Value::Array(items)) => {
            let list = PyList::empty(py);
            for item in items {
                list.append(field(py, None, item)?)?;
            }
            list.into_py_any(py)
        }
        (name, Value::Object(fields)) => match std_span(fields) {
            Some(span) => span.into_py_any(py),
            None => {
                let dict = PyDict::new(py);
                // The latencies of `max_latency = { p50 = "300ms" }` are spans, whatever their names.
                let all = name.filter(|name| SPANS.contains(name));
                for (name, value) in fields {
                    dict.set_item(name, field(py, Some(all.unwrap_or(name)), value)?)?;
                }
                dict.into_py_any(py)
            }
        },
        _ => plain_to_python(py, value),
    }
}

/// A span in serde's own form: `{"secs": 60, "nanos": 0}`.
fn std_span(fields: &Map<String, Value>) -> Option<Duration> {
    let (secs, nanos) = (
        fields.get("secs")?.as_u64()?,
        fields.get("nanos")?.as_u64()?,
    );
    let nanos = u32::try_from(nanos).ok().filter(|_| fields.len() == 2)?;
    Some(Duration::new(secs, nanos))
}

/// Returns Python data as a JSON value: dicts, lists, tuples, text, numbers, times, spans, paths, and values of
/// this package.
pub(crate) fn to_value(data: &Bound<'_, PyAny>) -> PyResult<Value> {
    if data.is_none() {
        return Ok(Value::Null);
    }
    if let Ok(flag) = data.cast::<PyBool>() {
        return Ok(flag.is_true().into());
    }
    if data.is_instance_of::<PyInt>() {
        return integer(data);
    }
    if data.is_instance_of::<PyFloat>() {
        let number: f64 = data.extract()?;
        let number = Number::from_f64(number);
        return number.map(Value::Number).ok_or_else(|| {
            PyValueError::new_err("a number that is not finite cannot be written as JSON")
        });
    }
    if data.is_instance_of::<PyString>() {
        return Ok(data.extract::<String>()?.into());
    }
    if data.is_instance_of::<PyDateTime>() {
        let time: Timestamp = time(data)?;
        return Ok(time.to_string().into());
    }
    if data.is_instance_of::<PyDelta>() {
        return Ok(written(span(data)?).into());
    }
    if data.hasattr("to_json")? {
        let text: String = data.call_method0("to_json")?.extract()?;
        return serde_json::from_str(&text)
            .map_err(|error| PyValueError::new_err(error.to_string()));
    }
    if let Ok(mapping) = data.cast::<PyMapping>() {
        let mut fields = Map::new();
        for item in mapping.items()?.iter() {
            let (name, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = item.extract()?;
            let name: String = name
                .extract()
                .map_err(|_| PyTypeError::new_err("the keys of a dict must be text"))?;
            fields.insert(name, to_value(&value)?);
        }
        return Ok(fields.into());
    }
    if data.hasattr("__fspath__")? {
        return Ok(data.call_method0("__fspath__")?.extract::<String>()?.into());
    }
    if data.is_instance_of::<PyList>() || data.is_instance_of::<PyTuple>() {
        let items = data.try_iter()?.map(|item| to_value(&item?));
        return items.collect::<PyResult<Vec<_>>>().map(Value::Array);
    }
    let kind = data.get_type().name()?;
    Err(PyTypeError::new_err(format!(
        "a `{kind}` cannot be written as JSON"
    )))
}

fn integer(data: &Bound<'_, PyAny>) -> PyResult<Value> {
    if let Ok(number) = data.extract::<i64>() {
        return Ok(number.into());
    }
    let number = data.extract::<u64>();
    number
        .map(Value::from)
        .map_err(|_| PyValueError::new_err(format!("the integer {data} does not fit 64 bits")))
}

/// Reads Python data as a value of the library.
pub(crate) fn read<T: DeserializeOwned>(data: &Bound<'_, PyAny>) -> PyResult<T> {
    serde_json::from_value(to_value(data)?)
        .map_err(|error| PyValueError::new_err(error.to_string()))
}

/// Reads a time; one without a time zone is refused, since its meaning depends on the machine.
pub(crate) fn time(data: &Bound<'_, PyAny>) -> PyResult<Timestamp> {
    if data.getattr("tzinfo")?.is_none() {
        let message =
            format!("the time {data} has no time zone (hint: `datetime.now(timezone.utc)`)");
        return Err(PyValueError::new_err(message));
    }
    let utc = data
        .py()
        .import("datetime")?
        .getattr("timezone")?
        .getattr("utc")?;
    data.call_method1("astimezone", (utc,))?.extract()
}

/// Reads a span: a `timedelta`, seconds, or text such as `3m`.
pub(crate) fn span(data: &Bound<'_, PyAny>) -> PyResult<Duration> {
    let wrong = |why: String| {
        PyValueError::new_err(format!(
            "{why} (hint: a timedelta, seconds, or text such as `3m`)"
        ))
    };
    if data.is_instance_of::<PyDelta>() {
        return data
            .extract()
            .map_err(|_| wrong(format!("{data} is a negative span")));
    }
    if data.is_instance_of::<PyString>() {
        let text: String = data.extract()?;
        let span: SignedDuration = text
            .parse()
            .map_err(|_| wrong(format!("`{text}` is no span")))?;
        return Duration::try_from(span).map_err(|_| wrong(format!("`{text}` is a negative span")));
    }
    let seconds: f64 = data
        .extract()
        .map_err(|_| wrong(format!("{data} is no span")))?;
    Duration::try_from_secs_f64(seconds).map_err(|_| wrong(format!("{data} is no span")))
}

/// A span as files spell it: `90s`, or in the smallest unit that it needs.
pub(crate) fn written(span: Duration) -> String {
    match (span.subsec_nanos(), span.subsec_micros()) {
        (0, _) => format!("{}s", span.as_secs()),
        (nanos, micros) if nanos % 1_000_000 == 0 && micros > 0 => {
            format!("{}ms", span.as_millis())
        }
        (nanos, _) if nanos % 1_000 == 0 => format!("{}us", span.as_micros()),
        _ => format!("{}ns", span.as_nanos()),
    }
}

/// Percents as a plain number: `10`, `0.5` or `"10%"`.
pub(crate) fn share(data: &Bound<'_, PyAny>) -> PyResult<bluegreen::Percent> {
    let text = match data.is_instance_of::<PyString>() {
        true => data
            .extract::<String>()?
            .trim_end_matches('%')
            .trim()
            .to_owned(),
        false => data.extract::<f64>()?.to_string(),
    };
    text.parse()
        .map_err(|error: bluegreen::error::ParseError| PyValueError::new_err(error.to_string()))
}
