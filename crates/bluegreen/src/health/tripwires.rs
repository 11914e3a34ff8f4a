//! Tripwires for a green that fails before it answers, which its own error counts do not show.

use serde::{Deserialize, Serialize};

use super::{
    Bucket, Evidence, Figure, Judge, Observation, Progress, Unit, Verdict,
    combine::unreadable,
    counts::fraction,
    martingale::RiskEvidence,
    step::{NOTHING_YET, Place, Steps, stands_until},
};
use crate::traffic::Side;

/// Connections that green does not take. The balancer answers for it with a 502 that is counted
/// for no target group, so green's own error count stays at zero.
///
/// Unhealthy by evidence, as [`Limits`](super::Limits) judges errors; healthy while requests
/// reach green and the rate is within the limit; else inconclusive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[must_use]
pub struct ConnectionErrors {
    max_rate: f64,
    alpha: f64,
}

impl Default for ConnectionErrors {
    fn default() -> Self {
        Self {
            max_rate: 0.01,
            alpha: 0.01,
        }
    }
}

impl ConnectionErrors {
    /// The limit, as a fraction of requests, above 0 and below 1. Default: 0.01, a fifth of what
    /// the guide allows for errors of all kinds.
    pub fn with_max_rate(mut self, rate: f64) -> Self {
        self.max_rate = rate.clamp(1e-6, 1.0 - 1e-6);
        self
    }

    /// A judge by this limit.
    #[must_use]
    pub fn judge(&self) -> impl Judge + use<> {
        ConnectionJudge {
            settings: self.clone(),
            steps: Steps::default(),
            evidence: RiskEvidence::default(),
            proved: None,
        }
    }
}

#[derive(Debug)]
struct ConnectionJudge {
    settings: ConnectionErrors,
    steps: Steps,
    evidence: RiskEvidence,
    /// What was proved against green, once it was.
    proved: Option<String>,
}

/// How many of the newest buckets a healthy verdict looks at.
const WINDOW: usize = 5;

impl Judge for ConnectionJudge {
    fn take(&mut self, observation: &Observation, progress: &Progress) -> Verdict {
        let placed = match self.steps.take(observation, progress, WINDOW) {
            Ok(placed) => placed,
            Err(error) => return unreadable(&error),
        };
        for (place, bucket) in &placed {
            let green = &bucket.sides.green;
            if let (true, Some(requests), Some(errors)) = (
                *place != Place::Before,
                green.requests,
                green.connection_errors,
            ) {
                // A retried connection counts twice; a request can fail only once.
                let trials = requests.max(errors);
                self.evidence
                    .take(errors, trials, self.settings.max_rate, false);
                let enough = (1.0 / self.settings.alpha).ln();
                if self.proved.is_none() && self.evidence.ln() >= enough {
                    let text =
                        format!("{errors} refused connections for {requests} green requests");
                    self.proved = Some(text);
                }
            }
        }
        let (mut errors, mut requests) = (0, 0);
        for bucket in self.steps.recent() {
            errors += bucket.sides.green.connection_errors.unwrap_or(0);
            requests += bucket.sides.green.requests.unwrap_or(0);
        }
        let rate = fraction(errors, requests.max(errors));
        let text = format!("{errors} refused connections for {requests} green requests");
        let newest = self.steps.recent().back().map(|bucket| bucket.sides.green);
        let is_known = newest.is_some_and(|green| {
            green.requests.is_some_and(|requests| requests > 0) && green.connection_errors.is_some()
        });
        let verdict = if let Some(proved) = &self.proved {
            Verdict::unhealthy(proved)
        } else if newest.is_none() {
            Verdict::inconclusive(NOTHING_YET)
        } else if !is_known {
            Verdict::inconclusive("no request of green in the newest settled minute")
        } else if rate > self.settings.max_rate {
            Verdict::inconclusive(format!("{text}, without proof yet"))
        } else {
            Verdict::healthy(text)
        };
        let figure = Figure::new("connection error rate", rate, Unit::Fraction)
            .of(Side::Green)
            .with_limit(self.settings.max_rate);
        verdict.map_evidence(|evidence| {
            standing(
                evidence.with_figure(figure),
                placed.last().map(|(_, bucket)| bucket),
            )
        })
    }
}

/// Requests that were sent to green and that nobody answered: the balancer gave up on them. Web
/// sockets, clients that went away and requests in flight are such a shortfall too, so green is
/// held against blue in the same minutes, and over two of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[must_use]
pub struct Shortfall {
    max_excess: f64,
    min_requests: u64,
}

impl Default for Shortfall {
    fn default() -> Self {
        Self {
            max_excess: 0.05,
            min_requests: 20,
        }
    }
}

impl Shortfall {
    /// How much more of its requests green may leave unanswered than blue, as a fraction.
    /// Default: 0.05, the guide's limit of errors.
    pub fn with_max_excess(mut self, excess: f64) -> Self {
        self.max_excess = excess.clamp(0.0, 1.0);
        self
    }

    /// A judge by this limit.
    #[must_use]
    pub fn judge(&self) -> impl Judge + use<> {
        ShortfallJudge {
            settings: self.clone(),
            steps: Steps::default(),
        }
    }
}

#[derive(Debug)]
struct ShortfallJudge {
    settings: Shortfall,
    steps: Steps,
}

impl ShortfallJudge {
    /// How much more of its requests green left unanswered than blue, over these buckets: the
    /// excess and green's requests; `None` where green's are not known.
    fn excess(&self) -> Option<(f64, u64)> {
        let mut green = (0, 0);
        let mut blue = (0, 0);
        for bucket in self.steps.recent() {
            let counts = &bucket.sides.green;
            let (requests, responses) = (counts.requests?, counts.responses?);
            green.0 += requests.saturating_sub(responses);
            green.1 += requests;
            let counts = &bucket.sides.blue;
            if let (Some(requests), Some(responses)) = (counts.requests, counts.responses) {
                blue.0 += requests.saturating_sub(responses);
                blue.1 += requests;
            }
        }
        Some((
            fraction(green.0, green.1) - fraction(blue.0, blue.1),
            green.1,
        ))
    }
}

impl Judge for ShortfallJudge {
    fn take(&mut self, observation: &Observation, progress: &Progress) -> Verdict {
        // Requests at the edge of one minute are answered in the next: two minutes say more.
        let placed = match self.steps.take(observation, progress, 2) {
            Ok(placed) => placed,
            Err(error) => return unreadable(&error),
        };
        let newest = placed.last().map(|(_, bucket)| bucket);
        let minutes = self.steps.recent().len();
        let Some((excess, requests)) = self.excess().filter(|_| minutes == 2) else {
            let verdict = Verdict::inconclusive(match minutes {
                0 => NOTHING_YET,
                _ => "green's responses are not known for two minutes",
            });
            return verdict.map_evidence(|evidence| standing(evidence, newest));
        };
        let text = format!(
            "green leaves {} more of its requests unanswered than blue",
            Unit::Fraction.show(excess.max(0.0))
        );
        let verdict = if requests == 0 {
            Verdict::inconclusive("no request reached green in two minutes")
        } else if excess <= self.settings.max_excess {
            Verdict::healthy(text)
        } else if requests < self.settings.min_requests {
            Verdict::inconclusive(format!("{text}, in {requests} requests only"))
        } else {
            Verdict::unhealthy(text)
        };
        let figure = Figure::new("excess shortfall", excess, Unit::Fraction)
            .of(Side::Green)
            .with_limit(self.settings.max_excess);
        verdict.map_evidence(|evidence| standing(evidence.with_figure(figure), newest))
    }
}

fn standing(mut evidence: Evidence, newest: Option<&Bucket>) -> Evidence {
    if let Some(newest) = newest {
        evidence.traffic = newest.seen();
        evidence.expires = Some(stands_until(newest));
    }
    evidence
}
