//! CloudWatch alarms as a gate.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use aws_sdk_cloudwatch::{
    operation::describe_alarms::DescribeAlarmsInput,
    types::{AlarmType, StateValue},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    aws::{Aws, api::CloudWatchApi},
    clock::{between, later},
    error::{Error, ErrorKind, Result},
    health::{Evidence, HealthGate, Judge, Look, Observation, Phase, Progress, Verdict},
};

const SCHEMA: &str = "bluegreen.alarms/1";
/// Names that one call may hold
/// ([API](https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html)).
const NAMES_A_CALL: usize = 100;
/// How often alarms are asked for: they are evaluated by the minute, most of them.
const EVERY: Duration = Duration::from_secs(30);
/// A healthy verdict stands for so long.
const STANDS: Duration = Duration::from_secs(120);

/// CloudWatch alarms, metric and composite, that must not fire.
///
/// An alarm that fires already at the start refuses the migration, unless it is ignored by name:
/// it could not tell a harm of green's from its own. An alarm without enough data is inconclusive;
/// one that does not exist is an error.
#[derive(Debug)]
pub struct AlarmGate {
    api: Arc<dyn CloudWatchApi>,
    names: BTreeSet<String>,
    ignored: BTreeSet<String>,
}

impl AlarmGate {
    /// A gate of these alarms.
    #[must_use]
    pub fn new(aws: &Aws, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            api: Arc::clone(&aws.cloudwatch),
            names: names.into_iter().map(Into::into).collect(),
            ignored: BTreeSet::new(),
        }
    }

    /// Alarms of these whose state is shown and decides nothing.
    #[must_use]
    pub fn with_ignored(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.ignored = names.into_iter().map(Into::into).collect();
        self
    }

    async fn states(&self) -> Result<BTreeMap<String, State>> {
        let names: Vec<String> = self.names.iter().cloned().collect();
        let mut states = BTreeMap::new();
        for chunk in names.chunks(NAMES_A_CALL) {
            let mut token: Option<String> = None;
            loop {
                let input = DescribeAlarmsInput::builder()
                    .set_alarm_names(Some(chunk.to_vec()))
                    .alarm_types(AlarmType::MetricAlarm)
                    .alarm_types(AlarmType::CompositeAlarm)
                    .set_next_token(token.clone());
                let output = self.api.describe_alarms(input).await.map_err(|error| {
                    error.into_error(format!("describe {} alarms", chunk.len()))
                })?;
                let metric = output.metric_alarms().iter();
                let metric = metric.map(|a| (a.alarm_name(), a.state_value(), a.state_reason()));
                let composite = output.composite_alarms().iter();
                let composite =
                    composite.map(|a| (a.alarm_name(), a.state_value(), a.state_reason()));
                for (name, state, reason) in metric.chain(composite) {
                    let name = name.unwrap_or_default().to_owned();
                    states.insert(name, State::of(state, reason));
                }
                match output.next_token() {
                    Some(next) if !next.is_empty() && token.as_deref() != Some(next) => {
                        token = Some(next.to_owned());
                    }
                    _ => break,
                }
            }
        }
        let missing: Vec<&str> = names
            .iter()
            .filter(|name| !states.contains_key(*name))
            .map(String::as_str)
            .collect();
        if !missing.is_empty() {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("describe alarms {}", missing.join(", ")),
            )
            .with_hint("`aws cloudwatch describe-alarms` lists the alarms of the region"));
        }
        Ok(states)
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Seen {
    at: Timestamp,
    alarms: BTreeMap<String, State>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
enum State {
    Ok,
    Firing { reason: String },
    Unknown,
}

impl State {
    fn of(state: Option<&StateValue>, reason: Option<&str>) -> Self {
        match state {
            Some(StateValue::Ok) => Self::Ok,
            Some(StateValue::Alarm) => Self::Firing {
                reason: reason.unwrap_or_default().to_owned(),
            },
            _ => Self::Unknown,
        }
    }
}

#[async_trait]
impl HealthGate for AlarmGate {
    async fn observe(&self, look: &Look) -> Result<Option<Observation>> {
        let at = look.progress.at;
        if let Some(last) = &look.last
            && look.progress.phase != Phase::Preflight
        {
            let last: Seen = last.read(SCHEMA)?;
            let of_this_split = last.at >= look.progress.since;
            if of_this_split && between(last.at, at) < EVERY {
                return Ok(None);
            }
        }
        let alarms = self.states().await?;
        Observation::new(SCHEMA, &Seen { at, alarms }).map(Some)
    }

    fn judge(&self) -> Box<dyn Judge> {
        Box::new(AlarmJudge {
            ignored: self.ignored.clone(),
        })
    }

    fn settings(&self) -> serde_json::Value {
        serde_json::json!({ "alarms": self.names, "ignored": self.ignored })
    }
}

#[derive(Debug)]
struct AlarmJudge {
    ignored: BTreeSet<String>,
}

impl Judge for AlarmJudge {
    fn take(&mut self, observation: &Observation, _progress: &Progress) -> Verdict {
        let seen: Seen = match observation.read(SCHEMA) {
            Ok(seen) => seen,
            Err(error) => return Verdict::inconclusive(error.to_string()),
        };
        let mut firing = Vec::new();
        let mut unknown = Vec::new();
        for (name, state) in &seen.alarms {
            if self.ignored.contains(name) {
                continue;
            }
            match state {
                State::Ok => {}
                State::Firing { reason } => firing.push(format!("alarm `{name}` fires: {reason}")),
                State::Unknown => unknown.push(format!("alarm `{name}` has too little data")),
            }
        }
        let evidence = |summary: String| Evidence::new(summary).with_expiry(later(seen.at, STANDS));
        match (firing.as_slice(), unknown.as_slice()) {
            ([], []) => {
                Verdict::Healthy(evidence(format!("{} alarms are quiet", seen.alarms.len())))
            }
            ([], unknown) => Verdict::Inconclusive(evidence(unknown.join("; "))),
            (firing, _) => Verdict::Unhealthy(evidence(firing.join("; "))),
        }
    }
}
