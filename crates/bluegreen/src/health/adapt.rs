//! Gates made from gates, and a gate from a closure.

use std::{fmt, future::Future, time::Duration};

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{HealthGate, Judge, JudgeExt, Look, Observation, Progress, Verdict};
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
    /// Returns this gate with its judge [sustained](super::JudgeExt::sustained).
    fn sustained(self, unhealthy: u32, healthy: u32) -> impl HealthGate {
        SustainedGate {
            gate: self,
            unhealthy,
            healthy,
        }
    }
}

impl<G: HealthGate> GateExt for G {}

/// The gate of [`GateExt::sustained`].
#[derive(Debug, Clone)]
struct SustainedGate<G> {
    gate: G,
    unhealthy: u32,
    healthy: u32,
}

#[async_trait]
impl<G: HealthGate> HealthGate for SustainedGate<G> {
    async fn observe(&self, look: &Look) -> Result<Option<Observation>> {
        self.gate.observe(look).await
    }

    fn judge(&self) -> Box<dyn Judge> {
        Box::new(self.gate.judge().sustained(self.unhealthy, self.healthy))
    }

    fn settings(&self) -> Value {
        let label = format!("sustained {}/{}", self.unhealthy, self.healthy);
        json!({ "gate": self.gate.settings(), "judge": label })
    }
}

/// Makes a gate of an async closure that returns a verdict at each look.
///
/// The observation is the verdict itself, under schema `bluegreen.verdict/1`. A healthy verdict without
/// an expiry of its own gets one: 60 s after its look. `name` stands for the closure in the settings that the journal keeps.
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
pub fn gate_fn<F, Fut>(name: &str, probe: F) -> impl HealthGate + use<F, Fut>
where
    F: Fn(Look) -> Fut + Send + Sync,
    Fut: Future<Output = Result<Verdict>> + Send,
{
    GateFn {
        name: name.to_owned(),
        probe,
    }
}

/// The gate of [`gate_fn`].
struct GateFn<F> {
    name: String,
    probe: F,
}

const SCHEMA: &str = "bluegreen.verdict/1";
/// How long a healthy verdict stands after its look, unless it says so itself.
const VALIDITY: Duration = Duration::from_secs(60);

impl<F> fmt::Debug for GateFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GateFn")
            .field("name", &self.name)
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
        let expires = later(look.progress.at, VALIDITY);
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
        json!({ "gate_fn": self.name, "validity_s": VALIDITY.as_secs_f64() })
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
        health::Phase,
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
    }
}
