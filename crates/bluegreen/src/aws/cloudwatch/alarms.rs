//! [`AlarmGate`]: alarms that exist already.

use std::{
    collections::BTreeSet,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use aws_sdk_cloudwatch::{
    operation::describe_alarms::{DescribeAlarmsOutput, builders::DescribeAlarmsInputBuilder},
    types::{AlarmType, EvaluationState, StateValue},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    aws::{Aws, api::ApiError},
    error::{Error, ErrorKind, Result},
    health::{Backoff, HealthGate, Judge, Look, Observation, Phase, Progress, Verdict},
    json::JsonText,
};

/// Judges green by CloudWatch alarms: metric alarms, composite ones and log alarms.
///
/// *Unhealthy* if any of them is in `ALARM`, before the first shift too: an alarm that fires
/// already must be [ignored by name](Self::ignoring) or cleared. *Inconclusive* if CloudWatch
/// cannot evaluate an alarm (its `EvaluationState` is set): its state is then an old one.
/// *Inconclusive*, too, if any has insufficient data, unless
/// [accepted](Self::accepting_insufficient_data). *Healthy* if all others are `OK`; that verdict
/// holds for three times the interval of the reads. While a rollback is confirmed, the gate is
/// inconclusive.
///
/// An alarm shows only its state; how late that is, and how missing data counts, are settings of
/// the alarm. This gate is a safety net below the other gates.
///
/// Asks
/// [DescribeAlarms](https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html)
/// at most every 30 s, by name. Composite alarms need that permission on all alarms
/// (resource `*`); without it they are missing in the answer. An endpoint that knows no log alarms
/// refuses the request for them, and is then asked for the others only.
///
/// # Errors
///
/// `NotFound` names every alarm that does not exist. After a failed read the gate asks nothing for
/// 15 s, then 30 s, 60 s and 120 s; a look in that time fails with the kind of the last failure.
#[derive(Debug)]
#[must_use]
pub struct AlarmGate {
    aws: Aws,
    names: BTreeSet<String>,
    ignored: BTreeSet<String>,
    insufficient_data: InsufficientData,
    backoff: Mutex<Backoff>,
    /// Whether the endpoint has refused to be asked for log alarms.
    is_without_logs: AtomicBool,
}

/// The meaning of an alarm without enough data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum InsufficientData {
    Inconclusive,
    Accepted,
}

/// The least time between two reads, since alarms evaluate once a minute.
const EVERY: Duration = Duration::from_secs(30);
/// The most names that one call takes.
const NAMES_A_CALL: usize = 100;
/// The most pages that are read: far more than these names fill.
const MOST_PAGES: usize = 50;
const SCHEMA: &str = "bluegreen.alarms/1";

impl AlarmGate {
    /// A gate over the alarms of these names.
    ///
    /// # Errors
    ///
    /// `Invalid` if there is no name, or an empty one.
    pub fn new<N: Into<String>>(aws: &Aws, names: impl IntoIterator<Item = N>) -> Result<Self> {
        let names: BTreeSet<String> = names.into_iter().map(Into::into).collect();
        if names.is_empty() || names.contains("") {
            return Err(Error::new(
                ErrorKind::Invalid,
                "watch alarms without a name",
            ));
        }
        Ok(Self {
            aws: aws.clone(),
            names,
            ignored: BTreeSet::new(),
            insufficient_data: InsufficientData::Inconclusive,
            backoff: Mutex::default(),
            is_without_logs: AtomicBool::new(false),
        })
    }

    /// Does not judge by this alarm, in any state: the override for an alarm that fires for another
    /// reason. Its state is still journalled.
    pub fn ignoring(mut self, name: impl Into<String>) -> Self {
        self.ignored.insert(name.into());
        self
    }

    /// Takes an alarm with insufficient data for `OK`. For alarms on metrics that exist only if
    /// something is wrong.
    pub fn accepting_insufficient_data(mut self) -> Self {
        self.insufficient_data = InsufficientData::Accepted;
        self
    }

    async fn read(&self) -> Result<Vec<Alarm>> {
        let names: Vec<&String> = self.names.iter().collect();
        let mut alarms = Vec::with_capacity(names.len());
        for chunk in names.chunks(NAMES_A_CALL) {
            self.read_chunk(chunk, &mut alarms).await?;
        }
        let missing: Vec<&str> = self
            .names
            .iter()
            .filter(|name| !alarms.iter().any(|alarm| alarm.name == **name))
            .map(String::as_str)
            .collect();
        if !missing.is_empty() {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("describe alarms `{}`", missing.join("`, `")),
            )
            .with_hint(self.hint_of_missing(&missing)));
        }
        alarms.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(alarms)
    }

    /// Why an alarm may be missing in a whole answer.
    fn hint_of_missing(&self, missing: &[&str]) -> String {
        if missing.iter().any(|name| name.starts_with("arn:")) {
            return "give the name of an alarm, not its ARN".to_owned();
        }
        let place = match self.aws.region() {
            Some(region) => format!("in {region}"),
            None => "in this region".to_owned(),
        };
        let logs = if self.is_without_logs.load(Ordering::Relaxed) {
            "; this endpoint knows no log alarms"
        } else {
            ""
        };
        format!(
            "check the names: no alarm of that name is visible {place}; a composite alarm is \
             visible only if `cloudwatch:DescribeAlarms` is allowed on all alarms (resource `*`){logs}"
        )
    }

    async fn read_chunk(&self, names: &[&String], alarms: &mut Vec<Alarm>) -> Result<()> {
        let attempted = || {
            let names: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
            format!("describe alarms `{}`", names.join("`, `"))
        };
        let request = DescribeAlarmsInputBuilder::default()
            .set_alarm_names(Some(names.iter().map(|name| (*name).clone()).collect()))
            .max_records(100);
        let mut token: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let page = request.clone().set_next_token(token.clone());
            let page = self
                .page(page)
                .await
                .map_err(|error| error.into_error(attempted()))?;
            let next = page.next_token.clone().filter(|token| !token.is_empty());
            alarms.extend(alarms_of(page));
            if next.is_none() {
                return Ok(());
            }
            if next == token {
                break;
            }
            token = next;
        }
        Err(Error::new(ErrorKind::Unavailable, attempted())
            .with_source("CloudWatch's pages do not end"))
    }

    /// A page with alarms of every type that the endpoint knows. Without types only metric alarms
    /// would be listed.
    async fn page(
        &self,
        request: DescribeAlarmsInputBuilder,
    ) -> Result<DescribeAlarmsOutput, ApiError> {
        let others = request
            .alarm_types(AlarmType::MetricAlarm)
            .alarm_types(AlarmType::CompositeAlarm);
        if !self.is_without_logs.load(Ordering::Relaxed) {
            let all = others.clone().alarm_types(AlarmType::LogAlarm);
            match self.aws.cloudwatch.describe_alarms(all).await {
                Err(error) if error.kind == ErrorKind::Invalid => {}
                answered => return answered,
            }
        }
        let answered = self.aws.cloudwatch.describe_alarms(others).await;
        if answered.is_ok() {
            // The others were taken, so the type of log alarms was refused.
            self.is_without_logs.store(true, Ordering::Relaxed);
        }
        answered
    }

    fn backoff(&self) -> MutexGuard<'_, Backoff> {
        self.backoff.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The alarms at one look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SeenAlarms {
    at: Timestamp,
    alarms: Vec<Alarm>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Alarm {
    name: String,
    state: State,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Why CloudWatch could not evaluate the alarm, in its words: the state is then an old one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    not_evaluated: Option<String>,
}

/// The alarms of all lists of a page.
fn alarms_of(page: DescribeAlarmsOutput) -> impl Iterator<Item = Alarm> {
    let alarm = |name: Option<String>, state, reason, evaluation: Option<EvaluationState>| Alarm {
        name: name.unwrap_or_default(),
        state: State::from(state),
        reason,
        not_evaluated: evaluation.map(|why| why.as_str().to_owned()),
    };
    let metric = page
        .metric_alarms
        .unwrap_or_default()
        .into_iter()
        .map(move |a| {
            alarm(
                a.alarm_name,
                a.state_value,
                a.state_reason,
                a.evaluation_state,
            )
        });
    let composite = page.composite_alarms.unwrap_or_default().into_iter();
    let composite =
        composite.map(move |a| alarm(a.alarm_name, a.state_value, a.state_reason, None));
    let log = page
        .log_alarms
        .unwrap_or_default()
        .into_iter()
        .map(move |a| {
            alarm(
                a.alarm_name,
                a.state_value,
                a.state_reason,
                a.evaluation_state,
            )
        });
    metric.chain(composite).chain(log)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Ok,
    Alarm,
    InsufficientData,
    /// A state that this crate does not know.
    Unknown,
}

impl From<Option<StateValue>> for State {
    fn from(state: Option<StateValue>) -> Self {
        match state {
            Some(StateValue::Ok) => Self::Ok,
            Some(StateValue::Alarm) => Self::Alarm,
            Some(StateValue::InsufficientData) => Self::InsufficientData,
            _ => Self::Unknown,
        }
    }
}

#[async_trait]
impl HealthGate for AlarmGate {
    async fn observe(&self, look: &Look) -> Result<Option<Observation>> {
        let now = look.progress.at;
        if let Some(last) = &look.last {
            let last: SeenAlarms = last.read(SCHEMA)?;
            if last.at <= now && after(last.at, EVERY) > now {
                return Ok(None);
            }
        }
        self.backoff().check(now, "describe alarms")?;
        let read = self.read().await;
        match read {
            Ok(alarms) => {
                self.backoff().succeeded();
                Observation::new(SCHEMA, &SeenAlarms { at: now, alarms }).map(Some)
            }
            Err(error) => {
                self.backoff().failed(now, &error);
                Err(error)
            }
        }
    }

    fn judge(&self) -> Box<dyn Judge> {
        Box::new(AlarmJudge {
            ignored: self.ignored.clone(),
            insufficient_data: self.insufficient_data,
            valid: EVERY.saturating_mul(3),
        })
    }

    fn settings(&self) -> Value {
        json!({
            "alarms": self.names,
            "ignored": self.ignored,
            "insufficient_data": self.insufficient_data,
            "every_s": EVERY.as_secs_f64(),
        })
    }
}

#[derive(Debug)]
struct AlarmJudge {
    ignored: BTreeSet<String>,
    insufficient_data: InsufficientData,
    valid: Duration,
}

impl Judge for AlarmJudge {
    fn take(&mut self, observation: &Observation, progress: &Progress) -> Verdict {
        let seen: SeenAlarms = match observation.read(SCHEMA) {
            Ok(seen) => seen,
            Err(error) => return Verdict::inconclusive(error.to_string()),
        };
        let verdict = match progress.phase {
            Phase::Confirm => Verdict::inconclusive("green carries no traffic any more"),
            Phase::Preflight | Phase::Step(_) | Phase::Bake => self.judge(&seen),
        };
        let expires = after(seen.at, self.valid);
        verdict.map_evidence(|evidence| evidence.with_expiry(expires))
    }

    fn snapshot(&self) -> Option<JsonText> {
        Some(Value::Null.into())
    }

    fn restore(&mut self, _: &JsonText) -> Result<()> {
        Ok(())
    }
}

impl AlarmJudge {
    fn judge(&self, seen: &SeenAlarms) -> Verdict {
        let alarms = seen.alarms.iter();
        let judged: Vec<&Alarm> = alarms.filter(|a| !self.ignored.contains(&a.name)).collect();
        let named = |is: fn(&Alarm) -> bool| -> Option<String> {
            let said: Vec<String> = judged
                .iter()
                .filter(|alarm| is(alarm))
                .map(|alarm| {
                    let why = [alarm.not_evaluated.as_ref(), alarm.reason.as_ref()];
                    let why: Vec<&str> = why.into_iter().flatten().map(String::as_str).collect();
                    if why.is_empty() {
                        format!("`{}`", alarm.name)
                    } else {
                        format!("`{}` ({})", alarm.name, why.join(": "))
                    }
                })
                .collect();
            (!said.is_empty()).then(|| said.join(", "))
        };
        if judged.is_empty() {
            return Verdict::inconclusive("no alarm to judge by");
        }
        if let Some(names) = named(|alarm| alarm.state == State::Alarm) {
            return Verdict::unhealthy(format!("in alarm: {names}"));
        }
        if let Some(names) = named(|alarm| alarm.not_evaluated.is_some()) {
            return Verdict::inconclusive(format!("CloudWatch cannot evaluate {names}"));
        }
        if let Some(names) = named(|alarm| alarm.state == State::Unknown) {
            return Verdict::inconclusive(format!("in an unknown state: {names}"));
        }
        if self.insufficient_data == InsufficientData::Inconclusive
            && let Some(names) = named(|alarm| alarm.state == State::InsufficientData)
        {
            return Verdict::inconclusive(format!("insufficient data: {names}"));
        }
        Verdict::healthy(format!("{} alarms are quiet", judged.len()))
    }
}

fn after(at: Timestamp, span: Duration) -> Timestamp {
    at.checked_add(span).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudwatch::{
        operation::describe_alarms::DescribeAlarmsOutput,
        types::{CompositeAlarm, LogAlarm, MetricAlarm},
    };
    use mockall::{Sequence, predicate::eq};

    use super::*;
    use crate::{
        aws::{
            api::MockCloudWatchApi,
            cloudwatch::testing::{at, aws},
        },
        traffic::Percent,
    };

    fn look(second: i64, phase: Phase) -> Look {
        Look::new(Progress::new(at(second), phase, Percent::ZERO, at(0)))
    }

    fn request(names: &[&str]) -> DescribeAlarmsInputBuilder {
        DescribeAlarmsInputBuilder::default()
            .set_alarm_names(Some(names.iter().map(ToString::to_string).collect()))
            .alarm_types(AlarmType::MetricAlarm)
            .alarm_types(AlarmType::CompositeAlarm)
            .alarm_types(AlarmType::LogAlarm)
            .max_records(100)
    }

    fn metric(name: &str, state: StateValue) -> MetricAlarm {
        MetricAlarm::builder()
            .alarm_name(name)
            .state_value(state)
            .state_reason("Threshold Crossed")
            .build()
    }

    fn page(alarms: Vec<MetricAlarm>) -> DescribeAlarmsOutput {
        DescribeAlarmsOutput::builder()
            .set_metric_alarms(Some(alarms))
            .build()
    }

    fn answering(states: Vec<(&'static str, StateValue)>) -> MockCloudWatchApi {
        let mut api = MockCloudWatchApi::new();
        api.expect_describe_alarms().returning(move |_| {
            let alarms = states
                .iter()
                .map(|(name, state)| metric(name, state.clone()));
            Ok(page(alarms.collect()))
        });
        api
    }

    async fn judge(gate: &AlarmGate, phase: Phase) -> Verdict {
        let look = look(0, phase);
        let seen = gate.observe(&look).await.expect("reads").expect("new");
        gate.judge().take(&seen, &look.progress)
    }

    #[tokio::test]
    async fn asks_for_alarms_of_every_type_by_name_page_by_page() {
        let mut api = MockCloudWatchApi::new();
        let mut order = Sequence::new();
        api.expect_describe_alarms()
            .with(eq(request(&["all", "errors"])))
            .times(1)
            .in_sequence(&mut order)
            .returning(|_| {
                let mut first = page(vec![metric("errors", StateValue::Ok)]);
                first.next_token = Some("2".into());
                Ok(first)
            });
        api.expect_describe_alarms()
            .with(eq(request(&["all", "errors"]).next_token("2")))
            .times(1)
            .in_sequence(&mut order)
            .returning(|_| {
                let composite = CompositeAlarm::builder()
                    .alarm_name("all")
                    .state_value(StateValue::Alarm)
                    .state_reason("errors is in alarm")
                    .build();
                Ok(DescribeAlarmsOutput::builder()
                    .composite_alarms(composite)
                    .build())
            });
        let gate = AlarmGate::new(&aws(api), ["errors", "all"]).expect("names");
        let verdict = judge(&gate, Phase::Preflight).await;
        assert!(verdict.is_unhealthy(), "one that fires already is refused");
        assert_eq!(
            verdict.evidence().summary,
            "in alarm: `all` (errors is in alarm)"
        );
    }

    #[tokio::test]
    async fn asks_for_a_hundred_names_a_call() {
        let mut api = MockCloudWatchApi::new();
        api.expect_describe_alarms().times(2).returning(|input| {
            let names = input.get_alarm_names().clone().expect("names");
            assert!(names.len() <= 100);
            let alarms = names.iter().map(|name| metric(name, StateValue::Ok));
            Ok(page(alarms.collect()))
        });
        let names = (0..150).map(|index| format!("alarm-{index}"));
        let gate = AlarmGate::new(&aws(api), names).expect("names");
        assert!(judge(&gate, Phase::Step(0)).await.is_healthy());
    }

    #[tokio::test]
    async fn names_every_alarm_that_does_not_exist() {
        let api = answering(vec![("here", StateValue::Ok)]);
        let gate = AlarmGate::new(&aws(api), ["here", "gone", "lost"]).expect("names");
        let error = gate
            .observe(&look(0, Phase::Preflight))
            .await
            .expect_err("missing");
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(error.message(), "describe alarms `gone`, `lost`");
        assert!(error.hint().expect("a hint").contains("resource `*`"));
        assert!(AlarmGate::new(&aws(answering(vec![])), [""; 0]).is_err());
    }

    #[tokio::test]
    async fn states_mean_what_they_say() {
        use StateValue::{Alarm, InsufficientData, Ok as Quiet};
        let gate = |states| {
            let api = answering(states);
            AlarmGate::new(&aws(api), ["a", "b"]).expect("names")
        };
        let step = Phase::Step(0);
        let quiet = gate(vec![("a", Quiet), ("b", Quiet)]);
        let verdict = judge(&quiet, step).await;
        assert!(verdict.is_healthy());
        assert_eq!(verdict.evidence().expires, Some(at(90)));
        assert!(judge(&quiet, Phase::Confirm).await.is_inconclusive());

        let blind = || gate(vec![("a", Quiet), ("b", InsufficientData)]);
        assert!(judge(&blind(), step).await.is_inconclusive());
        let accepting = blind().accepting_insufficient_data();
        assert!(judge(&accepting, step).await.is_healthy());

        let firing = || gate(vec![("a", Quiet), ("b", Alarm)]);
        assert!(judge(&firing(), step).await.is_unhealthy());
        assert!(judge(&firing().ignoring("b"), step).await.is_healthy());
        let nothing = firing().ignoring("a").ignoring("b");
        assert!(judge(&nothing, step).await.is_inconclusive());

        let strange = gate(vec![("a", Quiet), ("b", StateValue::from("SNOOZED"))])
            .accepting_insufficient_data();
        assert!(judge(&strange, step).await.is_inconclusive());
    }

    #[tokio::test]
    async fn asks_at_most_every_30_s_and_backs_off_when_throttled() {
        let api = answering(vec![("a", StateValue::Ok)]);
        let gate = AlarmGate::new(&aws(api), ["a"]).expect("names");
        let step = Phase::Step(0);
        let seen = gate
            .observe(&look(0, step))
            .await
            .expect("reads")
            .expect("new");
        let again = |second| look(second, step).with_last(seen.clone());
        assert_eq!(gate.observe(&again(29)).await.expect("waits"), None);
        assert!(gate.observe(&again(30)).await.expect("reads").is_some());

        let mut api = MockCloudWatchApi::new();
        api.expect_describe_alarms().times(2).returning(|_| {
            let kind = ErrorKind::Throttled;
            Err(ApiError::new(
                kind,
                "DescribeAlarms",
                "Throttling",
                "Rate exceeded",
            ))
        });
        let gate = AlarmGate::new(&aws(api), ["a"]).expect("names");
        for second in [0, 5, 14, 15, 44] {
            let error = gate.observe(&look(second, step)).await.expect_err("fails");
            assert_eq!(error.kind(), ErrorKind::Throttled);
        }
    }

    #[tokio::test]
    async fn pages_that_do_not_end_are_an_error() {
        let mut api = MockCloudWatchApi::new();
        api.expect_describe_alarms().times(2).returning(|_| {
            let mut endless = page(vec![metric("a", StateValue::Ok)]);
            endless.next_token = Some("same".into());
            Ok(endless)
        });
        let gate = AlarmGate::new(&aws(api), ["a"]).expect("names");
        let error = gate.observe(&look(0, Phase::Step(0))).await;
        assert_eq!(error.expect_err("endless").kind(), ErrorKind::Unavailable);
    }

    /// An answer of the kind that was once taken for a healthy one.
    #[tokio::test]
    async fn an_alarm_that_cannot_be_evaluated_proves_nothing() {
        for why in [
            "PARTIAL_DATA",
            "EVALUATION_FAILURE",
            "EVALUATION_ERROR",
            "NEW",
        ] {
            for is_log in [false, true] {
                let mut api = MockCloudWatchApi::new();
                api.expect_describe_alarms().returning(move |_| {
                    let answer = page(vec![metric("quiet", StateValue::Ok)]);
                    let why = EvaluationState::from(why);
                    let mut answer = answer;
                    if is_log {
                        answer.log_alarms = Some(vec![
                            LogAlarm::builder()
                                .alarm_name("blind")
                                .state_value(StateValue::Ok)
                                .state_reason("as it was")
                                .evaluation_state(why)
                                .build(),
                        ]);
                    } else {
                        let mut blind = metric("blind", StateValue::Ok);
                        blind.state_reason = Some("as it was".into());
                        blind.evaluation_state = Some(why);
                        answer.metric_alarms.get_or_insert_default().push(blind);
                    }
                    Ok(answer)
                });
                let gate = AlarmGate::new(&aws(api), ["quiet", "blind"])
                    .expect("names")
                    .accepting_insufficient_data();
                let verdict = judge(&gate, Phase::Step(0)).await;
                assert!(verdict.is_inconclusive(), "{why}");
                assert_eq!(
                    verdict.evidence().summary,
                    format!("CloudWatch cannot evaluate `blind` ({why}: as it was)")
                );
            }
        }
    }

    #[tokio::test]
    async fn an_alarm_that_fires_stops_green_though_another_cannot_be_evaluated() {
        let mut api = MockCloudWatchApi::new();
        api.expect_describe_alarms().returning(|_| {
            let mut blind = metric("a", StateValue::Ok);
            blind.evaluation_state = Some(EvaluationState::PartialData);
            Ok(page(vec![blind, metric("b", StateValue::Alarm)]))
        });
        let gate = AlarmGate::new(&aws(api), ["a", "b"]).expect("names");
        assert!(judge(&gate, Phase::Step(0)).await.is_unhealthy());
    }

    #[tokio::test]
    async fn an_endpoint_without_log_alarms_is_asked_for_the_others() {
        let mut api = MockCloudWatchApi::new();
        let mut order = Sequence::new();
        let knows = |input: &DescribeAlarmsInputBuilder| {
            let types = input.get_alarm_types().as_deref().unwrap_or_default();
            !types.contains(&AlarmType::LogAlarm)
        };
        api.expect_describe_alarms()
            .withf(move |input| !knows(input))
            .times(1)
            .in_sequence(&mut order)
            .returning(|_| {
                let (kind, code) = (ErrorKind::Invalid, "ValidationError");
                Err(ApiError::new(
                    kind,
                    "DescribeAlarms",
                    code,
                    "LogAlarm is unknown",
                ))
            });
        api.expect_describe_alarms()
            .withf(knows)
            .times(2)
            .in_sequence(&mut order)
            .returning(|_| Ok(page(vec![metric("a", StateValue::Ok)])));
        let gate = AlarmGate::new(&aws(api), ["a"]).expect("names");
        assert!(judge(&gate, Phase::Step(0)).await.is_healthy());
        let again = gate.observe(&look(60, Phase::Step(0))).await;
        assert!(again.expect("reads").is_some());
    }

    #[tokio::test]
    async fn a_request_that_is_wrong_in_another_way_fails_with_its_own_cause() {
        let mut api = MockCloudWatchApi::new();
        api.expect_describe_alarms().times(2).returning(|_| {
            let (kind, code) = (ErrorKind::Invalid, "ValidationError");
            Err(ApiError::new(
                kind,
                "DescribeAlarms",
                code,
                "AlarmNames is wrong",
            ))
        });
        let gate = AlarmGate::new(&aws(api), ["a"]).expect("names");
        let error = gate.observe(&look(0, Phase::Step(0))).await;
        assert_eq!(error.expect_err("refused").kind(), ErrorKind::Invalid);
    }

    #[tokio::test]
    async fn an_arn_in_place_of_a_name_is_told_from_an_alarm_that_is_gone() {
        let arn = "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:a";
        let gate = AlarmGate::new(&aws(answering(vec![])), [arn]).expect("names");
        let error = gate
            .observe(&look(0, Phase::Step(0)))
            .await
            .expect_err("missing");
        assert_eq!(error.hint(), Some("give the name of an alarm, not its ARN"));
    }
}
