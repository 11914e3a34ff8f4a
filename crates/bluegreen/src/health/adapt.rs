//! Gates made from gates, and a gate from a closure.

use std::{fmt, future::Future, time::Duration};

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{HealthGate, Judge, JudgeExt, JudgeFactory, Look, Observation, Progress, Verdict};
use crate::{clock::later, error::Result, json::JsonText};

/// Combinators as methods of every [`HealthGate`].
///
/// A gate's observations stay as they are; only their judge changes.
///
/// # Examples
///
/// ```
/// use bluegreen::health::{GateExt, TargetHealthGate};
///
/// // One bad look is forgiven.
/// let patient = TargetHealthGate::new().sustained(2, 1);
/// # let _ = patient;
/// ```
pub trait GateExt: HealthGate + Sized {
    /// Judges this gate's observations by another judge, which must read their schema.
    fn judged_by<F: JudgeFactory>(self, judge: F) -> impl HealthGate {
        JudgedBy { gate: self, judge }
    }

    /// Returns this gate with its judge changed by `map`. `label` stands for the change in the settings
    /// that the journal keeps, so it must name everything that changes a verdict: `sustained 2/1`.
    fn map_judge<F>(self, label: impl Into<String>, map: F) -> impl HealthGate
    where
        F: Fn(Box<dyn Judge>) -> Box<dyn Judge> + Send + Sync,
    {
        MapJudge {
            gate: self,
            label: label.into(),
            map,
        }
    }

    /// Returns this gate with its judge [sustained](super::JudgeExt::sustained).
    fn sustained(self, unhealthy: u32, healthy: u32) -> impl HealthGate {
        self.map_judge(format!("sustained {unhealthy}/{healthy}"), move |judge| {
            Box::new(judge.sustained(unhealthy, healthy)) as Box<dyn Judge>
        })
    }
}

impl<G: HealthGate> GateExt for G {}

/// The gate of [`GateExt::judged_by`].
#[derive(Debug, Clone)]
struct JudgedBy<G, F> {
    gate: G,
    judge: F,
}

#[async_trait]
impl<G: HealthGate, F: JudgeFactory> HealthGate for JudgedBy<G, F> {
    async fn observe(&self, look: &Look) -> Result<Option<Observation>> {
        self.gate.observe(look).await
    }

    fn judge(&self) -> Box<dyn Judge> {
        self.judge.judge()
    }

    fn settings(&self) -> Value {
        json!({ "gate": self.gate.settings(), "judged_by": self.judge.settings() })
    }
}

/// The gate of [`GateExt::map_judge`].
#[derive(Clone)]
struct MapJudge<G, F> {
    gate: G,
    label: String,
    map: F,
}

impl<G: fmt::Debug, F> fmt::Debug for MapJudge<G, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapJudge")
            .field("gate", &self.gate)
            .field("label", &self.label)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl<G, F> HealthGate for MapJudge<G, F>
where
    G: HealthGate,
    F: Fn(Box<dyn Judge>) -> Box<dyn Judge> + Send + Sync,
{
    async fn observe(&self, look: &Look) -> Result<Option<Observation>> {
        self.gate.observe(look).await
    }

    fn judge(&self) -> Box<dyn Judge> {
        (self.map)(self.gate.judge())
    }

    fn settings(&self) -> Value {
        json!({ "gate": self.gate.settings(), "judge": self.label })
    }
}

/// Makes a gate of an async closure that returns a verdict at each look.
///
/// The observation is the verdict itself, under schema `bluegreen.verdict/1`. A healthy verdict without
/// an expiry of its own gets one: [`GateFn::with_validity`], 60 s by default. `name` stands for the
/// closure in the settings that the journal keeps.
///
/// # Errors
///
/// Errors of the closure; the run counts them as inconclusive.
///
/// # Cancel safety
///
/// The closure's future is dropped when an operator takes control, so it must only read.
///
/// # Examples
///
/// ```
/// use bluegreen::health::{HealthGate, Look, Verdict, gate_fn};
///
/// async fn queue_depth() -> u64 { 3 }
///
/// let gate = gate_fn("queue", |_look: Look| async {
///     Ok(match queue_depth().await {
///         0..100 => Verdict::healthy("the queue is short"),
///         depth => Verdict::unhealthy(format!("{depth} jobs wait")),
///     })
/// });
/// # let _: &dyn HealthGate = &gate;
/// ```
pub fn gate_fn<F, Fut>(name: impl Into<String>, probe: F) -> GateFn<F>
where
    F: Fn(Look) -> Fut + Send + Sync,
    Fut: Future<Output = Result<Verdict>> + Send,
{
    GateFn {
        name: name.into(),
        validity: Duration::from_secs(60),
        probe,
    }
}

/// The gate of [`gate_fn`].
#[derive(Clone)]
#[must_use]
pub struct GateFn<F> {
    name: String,
    validity: Duration,
    probe: F,
}

const SCHEMA: &str = "bluegreen.verdict/1";

impl<F> GateFn<F> {
    /// Sets how long a healthy verdict stands after its look.
    pub fn with_validity(mut self, validity: Duration) -> Self {
        self.validity = validity;
        self
    }
}

impl<F> fmt::Debug for GateFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GateFn")
            .field("name", &self.name)
            .field("validity", &self.validity)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl<F, Fut> HealthGate for GateFn<F>
where
    F: Fn(Look) -> Fut + Send + Sync,
    Fut: Future<Output = Result<Verdict>> + Send,
{
    async fn observe(&self, look: &Look) -> Result<Option<Observation>> {
        let verdict = (self.probe)(look.clone()).await?;
        let expires = later(look.progress.at, self.validity);
        let verdict = verdict.map_evidence(|mut evidence| {
            evidence.expires.get_or_insert(expires);
            evidence
        });
        Observation::new(SCHEMA, &verdict).map(Some)
    }

    fn judge(&self) -> Box<dyn Judge> {
        Box::new(Repeat)
    }

    fn settings(&self) -> Value {
        json!({ "gate_fn": self.name, "validity_s": self.validity.as_secs_f64() })
    }
}

/// Returns the verdict that was observed.
#[derive(Debug)]
struct Repeat;

impl Judge for Repeat {
    fn take(&mut self, observation: &Observation, _: &Progress) -> Verdict {
        match observation.read(SCHEMA) {
            Ok(verdict) => verdict,
            Err(error) => Verdict::inconclusive(error.to_string()),
        }
    }

    fn snapshot(&self) -> Option<JsonText> {
        Some(Value::Null.into())
    }

    fn restore(&mut self, _: &JsonText) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::{
        error::{Error, ErrorKind},
        health::{Phase, judge_fn},
        traffic::Percent,
    };

    fn look() -> Look {
        let epoch = Timestamp::UNIX_EPOCH;
        Look::new(Progress::new(
            epoch,
            Phase::Step(0),
            Percent::HUNDRED,
            epoch,
        ))
    }

    #[tokio::test]
    async fn a_closure_is_a_gate_whose_healthy_verdict_expires() {
        let gate = gate_fn("fine", |_| async { Ok(Verdict::healthy("fine")) });
        let look = look();
        let seen = gate.observe(&look).await.expect("looks").expect("new");
        let verdict = gate.judge().take(&seen, &look.progress);
        assert!(verdict.is_healthy());
        let minute = Timestamp::from_second(60).expect("in range");
        assert_eq!(verdict.evidence().expires, Some(minute));

        let broken = gate_fn("broken", |_| async {
            Err(Error::new(ErrorKind::Unavailable, "ask the queue"))
        });
        let error = broken.observe(&look).await.expect_err("broken");
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }

    #[tokio::test]
    async fn wrappers_forward_looks_and_journal_what_they_change() {
        let fine = || gate_fn("fine", |_| async { Ok(Verdict::healthy("fine")) });
        let look = look();
        let patient = fine().sustained(2, 2);
        let seen = patient.observe(&look).await.expect("looks").expect("new");
        let mut judge = patient.judge();
        assert!(judge.take(&seen, &look.progress).is_inconclusive());
        assert!(judge.take(&seen, &look.progress).is_healthy());
        assert_eq!(patient.settings()["judge"], "sustained 2/2");
        assert_eq!(patient.settings()["gate"], fine().settings());

        #[derive(Debug)]
        struct Never;
        impl Judge for Never {
            fn take(&mut self, _: &Observation, _: &Progress) -> Verdict {
                Verdict::unhealthy("never")
            }
        }
        let never = judge_fn(json!("never"), || Box::new(Never) as Box<dyn Judge>);
        let strict = fine().judged_by(never);
        let seen = strict.observe(&look).await.expect("looks").expect("new");
        assert!(strict.judge().take(&seen, &look.progress).is_unhealthy());
        assert_eq!(strict.settings()["judged_by"], "never");
    }
}
