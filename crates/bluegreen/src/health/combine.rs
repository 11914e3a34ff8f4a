//! Putting judges and gates together.

use std::{fmt, future::Future, pin::Pin};

use async_trait::async_trait;

use super::{Evidence, HealthGate, Judge, Look, Observation, Part, Progress, Verdict};
use crate::error::Result;

/// All judges must agree: unhealthy where any is, healthy where all are, else inconclusive. Of no
/// judges at all it is inconclusive.
#[derive(Debug, Default)]
pub struct AllOf {
    judges: Vec<(String, Box<dyn Judge>)>,
}

/// One judge is enough: healthy where any is, unhealthy where all are, else inconclusive.
#[derive(Debug, Default)]
pub struct AnyOf {
    judges: Vec<(String, Box<dyn Judge>)>,
}

macro_rules! named_judges {
    ($name:ident, $verdict:ident) => {
        impl $name {
            /// Of no judges yet.
            #[must_use]
            pub fn new() -> Self {
                Self::default()
            }

            /// Adds a judge; its name stands in the evidence.
            #[must_use]
            pub fn with(mut self, name: impl Into<String>, judge: impl Judge + 'static) -> Self {
                self.judges.push((name.into(), Box::new(judge)));
                self
            }
        }

        impl Judge for $name {
            fn take(&mut self, observation: &Observation, progress: &Progress) -> Verdict {
                let judges = self.judges.iter_mut();
                let parts = judges.map(|(name, judge)| Part {
                    judge: name.clone(),
                    verdict: judge.take(observation, progress),
                });
                $verdict(parts.collect())
            }
        }
    };
}

named_judges!(AllOf, all_of);
named_judges!(AnyOf, any_of);

fn all_of(parts: Vec<Part>) -> Verdict {
    let any_unhealthy = parts.iter().any(|part| part.verdict.is_unhealthy());
    let all_healthy = !parts.is_empty() && parts.iter().all(|part| part.verdict.is_healthy());
    let deciding: fn(&Verdict) -> bool = match (any_unhealthy, all_healthy) {
        (true, _) => Verdict::is_unhealthy,
        (_, true) => Verdict::is_healthy,
        _ => Verdict::is_inconclusive,
    };
    let evidence = merged(parts, deciding);
    match (any_unhealthy, all_healthy) {
        (true, _) => Verdict::Unhealthy(evidence),
        (_, true) => Verdict::Healthy(evidence),
        _ => Verdict::Inconclusive(evidence),
    }
}

fn any_of(parts: Vec<Part>) -> Verdict {
    let any_healthy = parts.iter().any(|part| part.verdict.is_healthy());
    let all_unhealthy = !parts.is_empty() && parts.iter().all(|part| part.verdict.is_unhealthy());
    let deciding: fn(&Verdict) -> bool = match (any_healthy, all_unhealthy) {
        (true, _) => Verdict::is_healthy,
        (_, true) => Verdict::is_unhealthy,
        _ => Verdict::is_inconclusive,
    };
    let evidence = merged(parts, deciding);
    match (any_healthy, all_unhealthy) {
        (true, _) => Verdict::Healthy(evidence),
        (_, true) => Verdict::Unhealthy(evidence),
        _ => Verdict::Inconclusive(evidence),
    }
}

/// The summaries of the judges that decide, every number, the first traffic, and the earliest
/// expiry of those that decide.
fn merged(parts: Vec<Part>, decides: fn(&Verdict) -> bool) -> Evidence {
    let deciding = || parts.iter().filter(|part| decides(&part.verdict));
    let mut summaries: Vec<&str> = deciding()
        .map(|part| part.verdict.evidence().summary.as_str())
        .collect();
    summaries.dedup();
    let mut evidence = Evidence::new(if summaries.is_empty() {
        "there are no judges".to_owned()
    } else {
        summaries.join("; ")
    });
    evidence.expires = deciding()
        .filter_map(|part| part.verdict.evidence().expires)
        .min();
    for part in &parts {
        let of_part = part.verdict.evidence();
        evidence.figures.extend(of_part.figures.iter().cloned());
        evidence.traffic = evidence.traffic.or(of_part.traffic);
    }
    evidence.parts = parts;
    evidence
}

/// Believes a verdict only once it was reached several times in a row; until then it is
/// inconclusive. See [`JudgeExt::sustained`].
#[derive(Debug)]
pub struct Sustained<J> {
    judge: J,
    unhealthy: u32,
    healthy: u32,
    /// The status of the run of verdicts so far, and its length.
    run: Option<(&'static str, u32)>,
}

impl<J: Judge> Judge for Sustained<J> {
    fn take(&mut self, observation: &Observation, progress: &Progress) -> Verdict {
        let verdict = self.judge.take(observation, progress);
        let status = verdict.status();
        let length = match self.run {
            Some((before, length)) if before == status => length.saturating_add(1),
            _ => 1,
        };
        self.run = Some((status, length));
        let needed = match &verdict {
            Verdict::Unhealthy(_) => self.unhealthy,
            Verdict::Healthy(_) => self.healthy,
            Verdict::Inconclusive(_) => 0,
        };
        if length >= needed {
            return verdict;
        }
        let mut evidence = verdict.evidence().clone();
        evidence.summary = format!("{status} {length} of {needed} times: {}", evidence.summary);
        Verdict::Inconclusive(evidence)
    }
}

/// Combinators on judges.
pub trait JudgeExt: Judge + Sized + 'static {
    /// Both must agree; see [`AllOf`].
    #[must_use]
    fn and(self, other: impl Judge + 'static) -> AllOf {
        AllOf::new().with("first", self).with("second", other)
    }

    /// One is enough; see [`AnyOf`].
    #[must_use]
    fn or(self, other: impl Judge + 'static) -> AnyOf {
        AnyOf::new().with("first", self).with("second", other)
    }

    /// Believes `unhealthy` only after so many unhealthy verdicts in a row, and `healthy` after
    /// so many healthy ones.
    #[must_use]
    fn sustained(self, unhealthy: u32, healthy: u32) -> Sustained<Self> {
        Sustained {
            judge: self,
            unhealthy,
            healthy,
            run: None,
        }
    }
}

impl<J: Judge + 'static> JudgeExt for J {}

/// A gate whose judge is changed by a function. See [`GateExt::map_judge`].
pub struct MapJudge<G, F> {
    gate: G,
    name: String,
    change: F,
}

impl<G: fmt::Debug, F> fmt::Debug for MapJudge<G, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapJudge")
            .field("gate", &self.gate)
            .field("name", &self.name)
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
        (self.change)(self.gate.judge())
    }

    fn settings(&self) -> serde_json::Value {
        serde_json::json!({ "judged_by": self.name, "gate": self.gate.settings() })
    }
}

/// Combinators on gates.
pub trait GateExt: HealthGate + Sized {
    /// Changes how this gate's observations are judged. The name stands for the change in the
    /// journal: give another change another name.
    ///
    /// # Examples
    ///
    /// ```
    /// use bluegreen::health::{GateExt, JudgeExt, TargetHealthGate};
    ///
    /// let patient = TargetHealthGate::new()
    ///     .map_judge("twice in a row", |judge| Box::new(judge.sustained(2, 1)));
    /// ```
    fn map_judge<F>(self, name: impl Into<String>, change: F) -> MapJudge<Self, F>
    where
        F: Fn(Box<dyn Judge>) -> Box<dyn Judge> + Send + Sync,
    {
        MapJudge {
            gate: self,
            name: name.into(),
            change,
        }
    }
}

impl<G: HealthGate> GateExt for G {}

/// The schema of a verdict that stands for itself.
const VERDICT_SCHEMA: &str = "bluegreen.verdict/1";

/// A gate from a function that says what it thinks at each look.
///
/// # Examples
///
/// ```
/// use bluegreen::{Verdict, health::gate_fn};
///
/// let gate = gate_fn(|look| async move {
///     Ok(match look.traffic {
///         Some(_) => Verdict::healthy("the rule could be read"),
///         None => Verdict::inconclusive("the rule could not be read"),
///     })
/// });
/// ```
pub fn gate_fn<F, Fut>(function: F) -> GateFn
where
    F: Fn(Look) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Verdict>> + Send + 'static,
{
    GateFn {
        function: Box::new(move |look| Box::pin(function(look))),
    }
}

type Judging = Pin<Box<dyn Future<Output = Result<Verdict>> + Send>>;

/// A gate from a function; see [`gate_fn`].
pub struct GateFn {
    function: Box<dyn Fn(Look) -> Judging + Send + Sync>,
}

impl fmt::Debug for GateFn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GateFn")
    }
}

#[async_trait]
impl HealthGate for GateFn {
    async fn observe(&self, look: &Look) -> Result<Option<Observation>> {
        let verdict = (self.function)(look.clone()).await?;
        Observation::new(VERDICT_SCHEMA, &verdict).map(Some)
    }

    fn judge(&self) -> Box<dyn Judge> {
        Box::new(Verbatim)
    }

    fn settings(&self) -> serde_json::Value {
        serde_json::json!({ "schema": VERDICT_SCHEMA })
    }
}

#[derive(Debug)]
struct Verbatim;

impl Judge for Verbatim {
    fn take(&mut self, observation: &Observation, _progress: &Progress) -> Verdict {
        observation
            .read(VERDICT_SCHEMA)
            .unwrap_or_else(|error| unreadable(&error))
    }
}

/// What a judge says of an observation that it cannot read.
pub(crate) fn unreadable(error: &crate::Error) -> Verdict {
    Verdict::inconclusive(crate::Failure::from(error).to_string())
}
