//! Each gate's verdict at a moment.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    clock::later,
    error::Failure,
    health::Verdict,
    migration::{GateId, GatePolicy, GateReport, GateStanding},
};

/// The verdicts of all gates since the last shift.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Standings(Vec<Standing>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Standing {
    gate: GateId,
    policy: GatePolicy,
    /// The newest verdict since the last shift.
    verdict: Option<TimedVerdict>,
    /// Why the newest look failed, if it did.
    failure: Option<Failure>,
    is_new: bool,
    /// Whether the gate has ever reported how many requests each side got.
    #[serde(default)]
    counts: bool,
    /// Whether a verdict of the gate has shown that the gate counts no requests. Before the first minute with
    /// green settles, a gate over metrics has no verdict, or a verdict of its judges without a count.
    #[serde(default)]
    counts_none: bool,
}

/// A verdict, and until when it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct TimedVerdict(
    #[serde(with = "crate::health::verdict::shared")] Arc<Verdict>,
    Timestamp,
);

impl Standings {
    pub(crate) fn new(gates: impl IntoIterator<Item = (GateId, GatePolicy)>) -> Self {
        let standing = |(gate, policy)| Standing {
            gate,
            policy,
            verdict: None,
            failure: None,
            is_new: false,
            counts: false,
            counts_none: false,
        };
        Self(gates.into_iter().map(standing).collect())
    }

    pub(crate) fn names(&self) -> Vec<GateId> {
        self.0
            .iter()
            .map(|standing| standing.gate.clone())
            .collect()
    }

    /// Returns whether a gate counts the requests of each side, or has not shown yet that it does not: only
    /// such a gate can confirm that no request reaches green.
    pub(crate) fn may_count_requests(&self) -> bool {
        let mut all = self.0.iter();
        all.any(|standing| standing.counts || !standing.counts_none)
    }

    /// Forgets every verdict: a verdict is about the split under which it was reached.
    pub(crate) fn clear(&mut self) {
        for standing in &mut self.0 {
            standing.verdict = None;
            standing.failure = None;
            standing.is_new = false;
        }
    }

    /// Takes the reports of the gates at `at`. A verdict without an expiry of its own stands for
    /// `standing_time`.
    pub(crate) fn take(
        &mut self,
        at: Timestamp,
        reports: Vec<GateReport>,
        standing_time: Duration,
    ) {
        for standing in &mut self.0 {
            standing.is_new = false;
        }
        for report in reports {
            let Some(standing) = self.0.iter_mut().find(|s| s.gate == report.gate) else {
                continue;
            };
            match report.seen {
                Ok(_) => {
                    standing.failure = None;
                    if let Some(verdict) = report.verdict {
                        let evidence = verdict.evidence();
                        standing.counts |= evidence.traffic.is_some();
                        standing.counts_none |=
                            evidence.traffic.is_none() && evidence.parts.is_empty();
                        let expires = verdict.evidence().expires;
                        let expires = expires.unwrap_or_else(|| later(at, standing_time));
                        standing.verdict = Some(TimedVerdict(Arc::new(verdict), expires));
                        standing.is_new = true;
                    }
                }
                Err(failure) => standing.failure = Some(failure),
            }
        }
    }

    /// Returns the verdicts at `at`: a failed look and an expired pass are inconclusive.
    pub(crate) fn at(&self, at: Timestamp) -> Vec<GateStanding> {
        let standing = |standing: &Standing| GateStanding {
            gate: standing.gate.clone(),
            policy: standing.policy,
            verdict: standing.at(at),
            is_new: standing.is_new,
        };
        self.0.iter().map(standing).collect()
    }

    /// Returns the first required gate that is unhealthy at `at`.
    pub(crate) fn unhealthy(&self, at: Timestamp) -> Option<(GateId, Arc<Verdict>)> {
        let mut required = self.required(at);
        let (gate, verdict) = required.find(|(_, verdict)| verdict.is_unhealthy())?;
        Some((gate.clone(), verdict))
    }

    /// Returns whether every required gate is healthy at `at`; `false` without a required gate.
    pub(crate) fn are_healthy(&self, at: Timestamp) -> bool {
        let mut required = self.required(at).peekable();
        required.peek().is_some() && required.all(|(_, verdict)| verdict.is_healthy())
    }

    /// Returns why the gates that give leave to each step do not allow the first step, if there are any.
    pub(crate) fn without_leave(&self, at: Timestamp) -> Option<String> {
        let gives_leave = |standing: &&Standing| standing.policy == GatePolicy::BeforeEachStep;
        let mut leaves = self.0.iter().filter(gives_leave);
        let missing = leaves.find(|standing| !standing.at(at).is_healthy())?;
        Some(format!("gate `{}` is {}", missing.gate, missing.at(at)))
    }

    /// Returns why a required gate has given up, if one has: waiting will not change its verdict.
    pub(crate) fn given_up(&self, at: Timestamp) -> Option<String> {
        let mut required = self.required(at);
        let (gate, verdict) = required.find(|(_, verdict)| verdict.has_given_up())?;
        Some(format!(
            "gate `{gate}` gave up: {}",
            verdict.evidence().summary
        ))
    }

    /// Returns why the required gates are not healthy at `at`, for people to read.
    pub(crate) fn missing(&self, at: Timestamp) -> String {
        let missing: Vec<String> = self
            .required(at)
            .filter(|(_, verdict)| !verdict.is_healthy())
            .map(|(gate, verdict)| format!("gate `{gate}` is {verdict}"))
            .collect();
        missing.join("; ")
    }

    /// Returns the failures of the newest looks that waiting will not mend.
    pub(crate) fn lasting_failures(&self) -> impl Iterator<Item = (&GateId, &Failure)> {
        self.0.iter().filter_map(|standing| {
            let failure = standing.failure.as_ref()?;
            (!failure.kind.is_transient()).then_some((&standing.gate, failure))
        })
    }

    fn required(&self, at: Timestamp) -> impl Iterator<Item = (&GateId, Arc<Verdict>)> {
        self.0
            .iter()
            .filter(|standing| standing.policy.is_required())
            .map(move |standing| (&standing.gate, standing.at(at)))
    }
}

impl Standing {
    fn at(&self, at: Timestamp) -> Arc<Verdict> {
        let summary = match (&self.failure, &self.verdict) {
            // A harm that was seen still counts, even if a later look failed.
            (_, Some(TimedVerdict(verdict, _))) if verdict.is_unhealthy() => {
                return Arc::clone(verdict);
            }
            (Some(failure), _) => format!("could not look: {failure}"),
            (None, None) => "nothing seen since the last shift".to_owned(),
            (None, Some(TimedVerdict(verdict, expires)))
                if verdict.is_healthy() && *expires < at =>
            {
                format!("nothing new since the healthy verdict, which expired at {expires:.0}")
            }
            (None, Some(TimedVerdict(verdict, _))) => return Arc::clone(verdict),
        };
        Arc::new(Verdict::inconclusive(summary))
    }
}
