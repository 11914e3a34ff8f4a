//! A gate over counts: one source, one read a look, several judges.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;

use super::{
    AllOf, COUNTS_SCHEMA, CountsSeen, HealthGate, Judge, Look, MetricSource, Observation,
    settle::Settler,
};
use crate::{
    clock::later,
    error::{Error, Failure, Result},
};

/// Judges green by counts of requests, errors and latencies.
///
/// At each look it reads its source at most once, for both sides together, and only when a new
/// bucket can have settled: a bucket is read first a minute after its end and counts when a
/// second read at least 30 seconds later shows the same. So a verdict is about two minutes behind,
/// and never about a part of a minute.
///
/// # Failures
///
/// A read that fails is inconclusive, and holds green where it is. After it the source is left
/// alone for 15 seconds, then 30, 60 and at most 120, whatever the look interval.
pub struct MetricsGate {
    source: Box<dyn MetricSource>,
    judges: Vec<NamedJudge>,
    reading: Mutex<Reading>,
}

struct NamedJudge {
    name: String,
    settings: serde_json::Value,
    make: Box<dyn Fn() -> Box<dyn Judge> + Send + Sync>,
}

/// What a restart may lose: it costs a little delay.
#[derive(Debug, Default)]
struct Reading {
    settler: Option<Settler>,
    failures: u32,
    /// The source is left alone until then, because of this.
    leave_alone: Option<(Timestamp, Failure)>,
}

/// How far back the first read goes.
const LOOK_BACK: Duration = Duration::from_secs(5 * 60);

impl MetricsGate {
    /// A gate over `source` without judges yet: it is inconclusive.
    pub fn new(source: impl MetricSource + 'static) -> Self {
        Self {
            source: Box::new(source),
            judges: Vec::new(),
            reading: Mutex::default(),
        }
    }

    /// Adds a judge. All of them must agree. `settings` are what decides its verdicts, for the
    /// journal.
    #[must_use]
    pub fn with_judge<J: Judge + 'static>(
        mut self,
        name: impl Into<String>,
        settings: &impl serde::Serialize,
        make: impl Fn() -> J + Send + Sync + 'static,
    ) -> Self {
        self.judges.push(NamedJudge {
            name: name.into(),
            settings: serde_json::to_value(settings).unwrap_or_default(),
            make: Box::new(move || Box::new(make())),
        });
        self
    }

    fn reading(&self) -> MutexGuard<'_, Reading> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The span to read now, if any.
    fn due(&self, look: &Look) -> Result<Option<(Timestamp, Timestamp)>> {
        let now = look.progress.at;
        let mut reading = self.reading();
        if let Some((until, failure)) = &reading.leave_alone
            && now < *until
        {
            let message = format!("{}; not asked again before {until:.0}", failure.message);
            return Err(Error::new(failure.kind, message));
        }
        if reading.settler.is_none() {
            let from = match &look.last {
                Some(last) => last
                    .read::<CountsSeen>(COUNTS_SCHEMA)?
                    .buckets
                    .last()
                    .map(super::Bucket::end),
                None => None,
            };
            let from = from.or_else(|| now.checked_sub(LOOK_BACK).ok());
            let from = from.unwrap_or(now);
            reading.settler = Some(Settler::new(self.source.period(), from));
        }
        Ok(reading
            .settler
            .as_ref()
            .and_then(|settler| settler.due(now)))
    }
}

#[async_trait]
impl HealthGate for MetricsGate {
    async fn observe(&self, look: &Look) -> Result<Option<Observation>> {
        let Some(span) = self.due(look)? else {
            return Ok(None);
        };
        let now = look.progress.at;
        let read = self.source.read(span.0, span.1).await;
        let released = {
            let mut reading = self.reading();
            match read {
                Ok(buckets) => {
                    reading.failures = 0;
                    reading.leave_alone = None;
                    let settler = reading.settler.as_mut();
                    settler.map(|settler| settler.take(now, span, &buckets))
                }
                Err(error) => {
                    reading.failures += 1;
                    let until = later(now, back_off(reading.failures));
                    reading.leave_alone = Some((until, Failure::from(&error)));
                    return Err(error);
                }
            }
        };
        match released {
            Some(buckets) if !buckets.is_empty() => {
                Observation::new(COUNTS_SCHEMA, &CountsSeen::new(buckets)).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn judge(&self) -> Box<dyn Judge> {
        let all = self.judges.iter().fold(AllOf::new(), |all, judge| {
            all.with(judge.name.clone(), (judge.make)())
        });
        Box::new(all)
    }

    fn settings(&self) -> serde_json::Value {
        let judges: serde_json::Map<_, _> = self
            .judges
            .iter()
            .map(|judge| (judge.name.clone(), judge.settings.clone()))
            .collect();
        serde_json::json!({ "source": self.source.settings(), "judges": judges })
    }
}

/// How long a source is left alone after its `failures`th failure in a row.
fn back_off(failures: u32) -> Duration {
    Duration::from_secs(15) * 2_u32.pow(failures.clamp(1, 4) - 1)
}

impl fmt::Debug for MetricsGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let judges: Vec<&str> = self
            .judges
            .iter()
            .map(|judge| judge.name.as_str())
            .collect();
        f.debug_struct("MetricsGate")
            .field("source", &self.source)
            .field("judges", &judges)
            .finish_non_exhaustive()
    }
}
