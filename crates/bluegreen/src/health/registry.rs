//! The judges that have a known name, made from their settings alone.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{
    Bucket, ConnectionErrors, HealthGate, Judge, JudgeFactory, Limits, MetricSource, MetricsGate,
    Shortfall, UnhealthyRouting, Window, sequential::Sequential,
};
use crate::error::{Error, ErrorKind, Result};

/// Creates a fresh judge of a gate over counts, from the settings that a journal holds for the gate; `None`
/// if the gate's judges are not over counts, so that only the gate itself can create them.
///
/// The known judges are `limits`, `connections`, `routing`, `shortfall` and `sequential`, the judges of a
/// `CloudWatchGate` and of the gates in a specification file.
///
/// # Errors
///
/// `Invalid` if a judge is not known or a setting has a wrong value; the message names the setting.
///
/// # Examples
///
/// ```
/// use bluegreen::health::judge_of;
///
/// let settings = serde_json::json!({ "judges": { "limits": { "max_error_rate": 2.0 } } });
/// assert!(judge_of(&settings)?.is_some());
///
/// let unknown = serde_json::json!({ "judges": { "guess": {} } });
/// assert!(judge_of(&unknown).is_err());
/// # Ok::<(), bluegreen::Error>(())
/// ```
pub fn judge_of(settings: &Value) -> Result<Option<Box<dyn Judge>>> {
    changed_judge_of(settings, None, "judges").map_err(|bad| {
        let message = format!("make a judge from its settings: {bad}");
        Error::new(ErrorKind::Invalid, message)
    })
}

/// A setting that does not exist, or has a wrong value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadSetting {
    pub(crate) setting: String,
    pub(crate) why: String,
}

impl BadSetting {
    pub(crate) fn new(setting: &str, why: impl ToString) -> Self {
        Self {
            setting: setting.to_owned(),
            why: why.to_string(),
        }
    }
}

impl fmt::Display for BadSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.setting, self.why)
    }
}

/// The known judges, in their usual order.
const ORDER: [&str; 5] = [
    "limits",
    "connections",
    "routing",
    "shortfall",
    "sequential",
];

/// [`judge_of`] with some settings changed. `other` holds the changes by the names of the judges; `false`
/// leaves a judge out. `path` names the gate in errors.
pub(crate) fn changed_judge_of(
    settings: &Value,
    other: Option<&Value>,
    path: &str,
) -> Result<Option<Box<dyn Judge>>, BadSetting> {
    let Some(Value::Object(judges)) = settings.get("judges") else {
        return match other {
            Some(_) => {
                let why = "its judges are not over counts, so its verdicts stand as they are";
                Err(BadSetting::new(path, why))
            }
            None => Ok(None),
        };
    };
    let mut judges = judges.clone();
    if let Some(Value::Object(other)) = other {
        for (judge, change) in other {
            if *change == Value::Bool(false) {
                judges.remove(judge);
                continue;
            }
            let was = judges.remove(judge);
            let was = was.unwrap_or_else(|| Value::Object(Map::new()));
            let settings = merged(was, change);
            factory(judge, &settings, Some(change), &format!("{path}.{judge}"))?;
            judges.insert(judge.clone(), settings);
        }
    }
    let mut gate = MetricsGate::new(NoSource).recorded(settings);
    // The order of `CloudWatchGate`: a verdict lists its reasons in the order of the judges.
    let place = |name: &str| ORDER.iter().position(|known| *known == name);
    let mut judges: Vec<_> = judges.iter().collect();
    judges.sort_by_key(|(name, _)| place(name).unwrap_or(ORDER.len()));
    for (judge, settings) in judges {
        let factory = factory(judge, settings, None, &format!("{path}.{judge}"))?;
        gate = gate.with_judge(judge.clone(), factory);
    }
    Ok(Some(gate.judge()))
}

/// Creates a judge's factory from name and settings. `change` may name only settings that exist.
fn factory(
    judge: &str,
    settings: &Value,
    change: Option<&Value>,
    path: &str,
) -> Result<Box<dyn JudgeFactory>, BadSetting> {
    fn of<F: JudgeFactory + DeserializeOwned + 'static>(
        settings: &Value,
        change: Option<&Value>,
        path: &str,
    ) -> Result<Box<dyn JudgeFactory>, BadSetting> {
        let factory: F = serde_json::from_value(settings.clone())
            .map_err(|error| BadSetting::new(path, error))?;
        known(change, &factory.settings(), path)?;
        Ok(Box::new(factory))
    }
    match judge {
        "limits" => of::<Limits>(settings, change, path),
        "connections" => of::<ConnectionErrors>(settings, change, path),
        "routing" => of::<UnhealthyRouting>(settings, change, path),
        "shortfall" => of::<Shortfall>(settings, change, path),
        "sequential" => of::<Sequential>(settings, change, path),
        _ => {
            let why = "is none of limits, connections, routing, shortfall and sequential";
            Err(BadSetting::new(path, why))
        }
    }
}

/// Returns a value with some of its fields changed.
pub(crate) fn merged(was: Value, change: &Value) -> Value {
    match (was, change) {
        (Value::Object(mut was), Value::Object(change)) => {
            for (name, change) in change {
                let before = was.remove(name).unwrap_or(Value::Null);
                was.insert(name.clone(), merged(before, change));
            }
            Value::Object(was)
        }
        (_, change) => change.clone(),
    }
}

/// Returns an error if `change` names a setting that does not exist: nothing would read it, so a wrong name
/// would go unseen.
fn known(change: Option<&Value>, settings: &Value, path: &str) -> Result<(), BadSetting> {
    let Some(Value::Object(change)) = change else {
        return Ok(());
    };
    for (name, change) in change {
        let path = format!("{path}.{name}");
        match settings.get(name) {
            None => return Err(BadSetting::new(&path, "there is no such setting")),
            Some(settings) => known(Some(change), settings, &path)?,
        }
    }
    Ok(())
}

/// A source that is never read: the judge is given recorded observations.
#[derive(Debug)]
struct NoSource;

#[async_trait]
impl MetricSource for NoSource {
    fn period(&self) -> Duration {
        Duration::from_secs(60)
    }

    async fn read(&self, _: &Window) -> Result<Vec<Bucket>> {
        Ok(Vec::new())
    }

    fn settings(&self) -> Value {
        Value::Null
    }
}
