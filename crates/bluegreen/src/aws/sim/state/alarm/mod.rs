//! Alarms: by a script, or by metrics as CloudWatch evaluates them.

mod evaluation;
mod expression;
mod setting;

use std::time::Duration;

use serde_json::Value;

pub(in crate::aws::sim) use self::evaluation::AlarmState;
use self::setting::Setting;
use super::{series::Series, service::When};

/// How often CloudWatch evaluates an alarm whose period is a minute or longer
/// ([CloudWatch guide](https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html)).
const EVERY: Duration = Duration::from_secs(60);
/// How many periods CloudWatch reads beyond those that it needs, in case some have no data point: as in the
/// guide's example, since no number is documented.
const MORE: usize = 2;

/// An alarm, what it goes by, and when its evaluation fails.
#[derive(Debug, Clone)]
pub(in crate::aws::sim) struct Alarm {
    pub(in crate::aws::sim) kind: AlarmKind,
    pub(in crate::aws::sim) name: String,
    source: Source,
    pub(in crate::aws::sim) fails: Option<(AlarmEvaluation, When)>,
}

/// What an alarm watches, and so which list of `DescribeAlarms` it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "the rest is for the crate's own tests")
)]
pub(crate) enum AlarmKind {
    /// A metric, or an expression over several.
    Metric,
    /// Other alarms. Its evaluation has no state of its own.
    Composite,
    /// The results of a query over logs.
    Log,
}

/// Why an alarm could not be evaluated, as CloudWatch names it
/// ([`EvaluationState`](https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricAlarm.html)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    dead_code,
    reason = "all that CloudWatch has; the tests make one of them"
)]
pub(crate) enum AlarmEvaluation {
    /// `PARTIAL_DATA`: a part of the data is missing.
    PartialData,
    /// `EVALUATION_FAILURE`: CloudWatch itself is in trouble for a while.
    Failure,
    /// `EVALUATION_ERROR`: the alarm is set up wrongly.
    Error,
}

#[derive(Debug, Clone)]
enum Source {
    /// The times at which it is in alarm.
    Script(When),
    Metrics(Box<Watch>),
}

/// An alarm over metrics, and its states so far.
#[derive(Debug, Clone)]
struct Watch {
    setting: Setting,
    /// When it is evaluated next.
    next: Duration,
    /// Each new state, and since when.
    states: Vec<(Duration, AlarmState)>,
}

impl Alarm {
    pub(in crate::aws::sim) fn scripted(kind: AlarmKind, name: String, when: When) -> Self {
        Self {
            kind,
            name,
            source: Source::Script(when),
            fails: None,
        }
    }

    /// An alarm over metrics, as PutMetricAlarm makes one.
    pub(in crate::aws::sim) fn over_metrics(request: &Value) -> Result<Self, String> {
        let setting = Setting::read(request)?;
        Ok(Self {
            kind: AlarmKind::Metric,
            name: setting.name.clone(),
            source: Source::Metrics(Box::new(Watch {
                setting,
                next: Duration::ZERO,
                states: Vec::new(),
            })),
            fails: None,
        })
    }

    /// Its state at a time that has passed. `rises` are those of green's share.
    pub(in crate::aws::sim) fn state(&self, at: Duration, rises: &[Duration]) -> AlarmState {
        match &self.source {
            Source::Script(when) => match when.is_on(at, rises) {
                true => AlarmState::Alarm,
                false => AlarmState::Ok,
            },
            Source::Metrics(watch) => watch.state(at),
        }
    }

    /// When it goes into alarm for the first time after `since`, as far as that is known.
    pub(super) fn goes_off(&self, since: Duration, rises: &[Duration]) -> Option<Duration> {
        match &self.source {
            Source::Script(when) => {
                let (from, to) = when.span(rises)?;
                (from > since && to > from).then_some(from)
            }
            Source::Metrics(watch) => {
                let mut states = watch.states.iter();
                let (at, _) =
                    states.find(|(at, state)| *at > since && *state == AlarmState::Alarm)?;
                Some(*at)
            }
        }
    }

    /// When it is evaluated next; `None` for a script.
    pub(super) fn next(&self) -> Option<Duration> {
        match &self.source {
            Source::Script(_) => None,
            Source::Metrics(watch) => Some(watch.next),
        }
    }

    /// How many seconds before `at` its evaluation range begins.
    pub(super) fn range(&self) -> i64 {
        match &self.source {
            Source::Script(_) => 0,
            Source::Metrics(watch) => watch.range(),
        }
    }

    /// Evaluates it at `at`, by what CloudWatch shows then: `shown` returns a statistic of a metric over some
    /// seconds since the start.
    pub(super) fn evaluate(
        &mut self,
        at: Duration,
        shown: &impl Fn(Series, &str, (i64, i64)) -> Option<f64>,
    ) {
        if let Source::Metrics(watch) = &mut self.source {
            let state = watch.evaluated(at, shown);
            if watch.states.last().is_none_or(|(_, last)| *last != state) {
                watch.states.push((at, state));
            }
            watch.next = at + EVERY;
        }
    }
}

impl Watch {
    fn state(&self, at: Duration) -> AlarmState {
        let mut states = self.states.iter().rev();
        let known = states.find(|(since, _)| *since <= at);
        known.map_or(AlarmState::InsufficientData, |(_, state)| *state)
    }

    /// How many data points are read.
    fn points(&self) -> usize {
        self.setting.needed.periods + MORE
    }

    fn range(&self) -> i64 {
        let points = i64::try_from(self.points()).unwrap_or(i64::MAX);
        points.saturating_mul(self.setting.period)
    }

    /// The state at `at` by the data points of the evaluation range, a window that ends now.
    fn evaluated(
        &self,
        at: Duration,
        shown: &impl Fn(Series, &str, (i64, i64)) -> Option<f64>,
    ) -> AlarmState {
        let setting = &self.setting;
        let now = i64::try_from(at.as_secs()).unwrap_or(i64::MAX / 2);
        let first = now - self.range();
        let starts = (0..self.points()).scan(first, |start, _| {
            let this = *start;
            *start += setting.period;
            Some(this)
        });
        let points = starts.map(|start| {
            let of = |name: &str| {
                let statistic = setting.statistics.get(name)?;
                shown(
                    statistic.series?,
                    &statistic.name,
                    (start, start + setting.period),
                )
            };
            let value = setting.term.value(&of)?;
            Some(setting.breaches(value))
        });
        let points: Vec<Option<bool>> = points.collect();
        setting.needed.state(&points, self.state(at))
    }
}
