//! [`Verdict`] and its evidence.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::Percentiles;
use crate::{
    clock::moved,
    traffic::{Side, Sides},
};

/// A gate's judgement of green, always with its evidence.
///
/// Only `Healthy` lets green's share rise. `Inconclusive` is neither a pass nor a failure: it
/// waits, and at a deadline the plan decides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", content = "evidence", rename_all = "snake_case")]
pub enum Verdict {
    /// The evidence says that green serves well.
    Healthy(Evidence),
    /// The evidence says that green does harm.
    Unhealthy(Evidence),
    /// The evidence is not sufficient, or there is none.
    Inconclusive(Evidence),
}

impl Verdict {
    /// Creates a healthy verdict with a summary.
    pub fn healthy(summary: impl Into<String>) -> Self {
        Self::Healthy(Evidence::new(summary))
    }

    /// Creates an unhealthy verdict with a summary.
    pub fn unhealthy(summary: impl Into<String>) -> Self {
        Self::Unhealthy(Evidence::new(summary))
    }

    /// Creates an inconclusive verdict with a summary.
    pub fn inconclusive(summary: impl Into<String>) -> Self {
        Self::Inconclusive(Evidence::new(summary))
    }

    /// Returns the evidence.
    #[must_use]
    pub fn evidence(&self) -> &Evidence {
        match self {
            Self::Healthy(evidence) | Self::Unhealthy(evidence) | Self::Inconclusive(evidence) => {
                evidence
            }
        }
    }

    /// Returns the same status with the evidence changed by `f`.
    #[must_use]
    pub(crate) fn map_evidence(self, f: impl FnOnce(Evidence) -> Evidence) -> Self {
        match self {
            Self::Healthy(evidence) => Self::Healthy(f(evidence)),
            Self::Unhealthy(evidence) => Self::Unhealthy(f(evidence)),
            Self::Inconclusive(evidence) => Self::Inconclusive(f(evidence)),
        }
    }

    /// Returns the verdict with every time in its evidence moved forward by `by`, or back if that is
    /// negative.
    pub(crate) fn moved(self, by: SignedDuration) -> Self {
        if by.is_zero() {
            return self;
        }
        self.map_evidence(|mut evidence| {
            evidence.expires = evidence.expires.map(|at| moved(at, by));
            if let Some(traffic) = &mut evidence.traffic {
                traffic.from = moved(traffic.from, by);
                traffic.to = moved(traffic.to, by);
            }
            let parts = evidence.parts.into_iter();
            evidence.parts = parts
                .map(|part| Part {
                    verdict: part.verdict.moved(by),
                    ..part
                })
                .collect();
            evidence
        })
    }

    /// Returns whether the verdict is `Inconclusive` for good: waiting longer will not change it.
    #[must_use]
    pub(crate) fn has_given_up(&self) -> bool {
        matches!(self, Self::Inconclusive(evidence) if evidence.gives_up)
    }

    /// Returns whether the verdict is `Healthy`.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        matches!(self, Self::Healthy(_))
    }

    /// Returns whether the verdict is `Unhealthy`.
    #[must_use]
    pub(crate) fn is_unhealthy(&self) -> bool {
        matches!(self, Self::Unhealthy(_))
    }

    /// Returns whether the verdict is `Inconclusive`.
    #[must_use]
    pub(crate) fn is_inconclusive(&self) -> bool {
        matches!(self, Self::Inconclusive(_))
    }

    /// Returns the status as a word.
    #[must_use]
    pub fn status(&self) -> &'static str {
        match self {
            Self::Healthy(_) => "healthy",
            Self::Unhealthy(_) => "unhealthy",
            Self::Inconclusive(_) => "inconclusive",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.status(), self.evidence().summary)
    }
}

/// Serde for a verdict that is shared, so that machine and events hold one value.
pub(crate) mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Verdict;

    pub(crate) fn serialize<S: Serializer>(
        verdict: &Arc<Verdict>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        (**verdict).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Arc<Verdict>, D::Error> {
        Verdict::deserialize(deserializer).map(Arc::new)
    }
}

/// The evidence of a [`Verdict`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Evidence {
    /// One sentence for people, with the most important reason.
    pub summary: String,
    /// The numbers behind the verdict.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub figures: Vec<Figure>,
    /// The traffic that really reached each side in the newest minutes that were judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<SeenTraffic>,
    /// Until when a healthy verdict stands. A gate without news must not vouch for green for ever: after
    /// this time the verdict counts as inconclusive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// Whether waiting will not change an inconclusive verdict: then the plan's policy for a deadline
    /// applies at once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gives_up: bool,
    /// The verdicts of the judges that this verdict combines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
}

impl Evidence {
    /// Creates evidence with only a summary; the `with_…` methods add to it.
    pub fn new(summary: impl Into<String>) -> Self {
        Self {
            summary: summary.into(),
            ..Self::default()
        }
    }

    /// Adds a number.
    #[must_use]
    pub fn with_figure(mut self, figure: Figure) -> Self {
        self.figures.push(figure);
        self
    }

    /// Adds the traffic that really reached each side.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn with_traffic(mut self, traffic: SeenTraffic) -> Self {
        self.traffic = Some(traffic);
        self
    }

    /// Says that waiting will not change the verdict.
    #[must_use]
    pub(crate) fn giving_up(mut self) -> Self {
        self.gives_up = true;
        self
    }

    /// Sets until when a healthy verdict stands.
    #[must_use]
    pub fn with_expiry(mut self, expires: Timestamp) -> Self {
        self.expires = Some(expires);
        self
    }
}

/// The verdict of one judge inside a combined one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// The name of the judge.
    pub judge: String,
    /// Its verdict.
    pub verdict: Verdict,
}

/// One number behind a verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Figure {
    /// The name of the quantity: `error rate`, `mean latency`.
    pub name: String,
    /// The side of the number; `None` if it is about both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub side: Option<Side>,
    /// The number. Always finite.
    pub value: f64,
    /// The limit that the number was compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<f64>,
    /// The unit of value and limit.
    pub unit: Unit,
}

impl Figure {
    /// Creates a number without side and limit.
    pub fn new(name: impl Into<String>, value: f64, unit: Unit) -> Self {
        Self {
            name: name.into(),
            side: None,
            value: if value.is_finite() { value } else { f64::MAX },
            limit: None,
            unit,
        }
    }

    /// Sets the side.
    #[must_use]
    pub fn of(mut self, side: Side) -> Self {
        self.side = Some(side);
        self
    }

    /// Adds the limit that the number was compared with.
    #[must_use]
    pub fn with_limit(mut self, limit: f64) -> Self {
        self.limit = Some(limit);
        self
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(side) = self.side {
            write!(f, "{side} ")?;
        }
        write!(f, "{} {}", self.name, self.unit.show(self.value))?;
        if let Some(limit) = self.limit {
            write!(f, " (limit {})", self.unit.show(limit))?;
        }
        Ok(())
    }
}

/// The unit of a [`Figure`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Unit {
    /// A fraction of 0 to 1, shown as percent.
    Fraction,
    /// Milliseconds.
    Milliseconds,
    /// A number of things.
    Count,
    /// A natural logarithm of evidence.
    LogEvidence,
}

impl Unit {
    /// Returns the value in this unit, for people to read.
    #[must_use]
    pub(crate) fn show(self, value: f64) -> String {
        match self {
            Self::Fraction => format!("{:.2}%", value * 100.0),
            Self::Milliseconds => format!("{value:.0} ms"),
            Self::Count => format!("{value:.0}"),
            Self::LogEvidence => format!("{value:.2}"),
        }
    }
}

/// The traffic that really reached each side in a span of settled minutes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SeenTraffic {
    /// The start of the span.
    pub from: Timestamp,
    /// The end of the span, exclusive.
    pub to: Timestamp,
    /// The traffic of each side, and how it fared.
    pub sides: Sides<SeenSide>,
}

impl SeenTraffic {
    /// Creates the traffic of each side from `from` to `to`, exclusive.
    #[must_use]
    pub(crate) fn new(from: Timestamp, to: Timestamp, sides: Sides<SeenSide>) -> Self {
        Self { from, to, sides }
    }

    /// Returns the share of requests that reached green, 0 to 1; `None` without requests.
    #[must_use]
    pub fn green_share(&self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
        let share = |green: u64, all: u64| green as f64 / all as f64;
        let all = self.sides.blue.requests + self.sides.green.requests;
        (all > 0).then(|| share(self.sides.green.requests, all))
    }
}

/// The traffic of one side, and how it fared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SeenSide {
    /// Requests.
    pub requests: u64,
    /// The fraction of the requests that failed, 0 to 1, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_rate: Option<f64>,
    /// Their mean latency in milliseconds, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_latency_ms: Option<f64>,
    /// The percentiles of their latencies, if they are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percentiles: Option<Percentiles>,
}

impl SeenSide {
    /// Creates a number of requests, of which nothing else is known.
    #[must_use]
    pub(crate) fn of_requests(requests: u64) -> Self {
        Self {
            requests,
            ..Self::default()
        }
    }
}
