//! [`TargetHealthGate`]: judges green by the balancer's health checks of its targets.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Figure, HealthGate, Judge, Look, Observation, Phase, Progress, Unit, Verdict,
    judges::limits::{settings_of, tenths},
    snapshot::{restored, saved},
};
use crate::{
    clock::later,
    error::Result,
    json::JsonText,
    traffic::{Percent, Side, Sides, TargetCounts},
};

/// Judges green by its targets' health checks, as the splitter read them at this very look: it does no
/// I/O of its own, and is the first gate to see a green that died.
///
/// While green carries weight:
///
/// - *unhealthy* if no target of green is healthy, if fewer are healthy than [the least
///   share](Self::least_share) of the most healthy targets in this step, or if more than half of the
///   targets that have been checked or wait for it are unhealthy;
/// - *inconclusive* if the targets could not be read, or if all of them still wait for their first checks
///   and none has been healthy in this step;
/// - *healthy* otherwise, for [90 s](Self::VALID) at a time.
///
/// Before the first shift the gate waits for green: its targets must be healthy, but a target that is not
/// yet healthy makes the verdict inconclusive, not unhealthy. If green carries no weight in a step, and
/// while a rollback is confirmed, the verdict is inconclusive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[must_use]
#[non_exhaustive]
pub struct TargetHealthGate {
    /// The share of a step's most healthy targets that must stay healthy. Default: half; 0 % asks for only
    /// one healthy target.
    pub least_share: Percent,
}

impl Default for TargetHealthGate {
    /// Half of the most healthy targets of a step must stay healthy.
    fn default() -> Self {
        Self {
            least_share: tenths(500),
        }
    }
}

impl TargetHealthGate {
    /// How long a healthy verdict stands: six looks at the default interval.
    pub const VALID: Duration = Duration::from_secs(90);
    /// How long after an observation an equal one is repeated.
    const REPEAT: Duration = Duration::from_secs(30);

    /// Creates a gate with the defaults.
    pub fn new() -> Self {
        Self::default()
    }
}

const SCHEMA: &str = "bluegreen.targets/1";

/// The targets and weights at a look; `None` if they could not be read.
#[derive(Debug, Serialize, Deserialize)]
struct SeenTargets {
    at: Timestamp,
    phase: Phase,
    since: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seen: Option<Routing>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Routing {
    weights: Sides<u32>,
    targets: Sides<TargetCounts>,
}

#[async_trait]
impl HealthGate for TargetHealthGate {
    async fn observe(&self, look: &Look) -> Result<Option<Observation>> {
        let progress = &look.progress;
        let now = SeenTargets {
            at: progress.at,
            phase: progress.phase,
            since: progress.since,
            seen: look.traffic.as_ref().map(|traffic| Routing {
                weights: traffic.weights,
                targets: traffic.targets,
            }),
        };
        if let Some(last) = &look.last {
            let last = last.shared::<SeenTargets>(SCHEMA)?;
            let is_recent = later(last.at, Self::REPEAT) > now.at && last.at <= now.at;
            let is_same =
                (last.phase, last.since) == (now.phase, now.since) && last.seen == now.seen;
            if is_recent && is_same {
                return Ok(None);
            }
        }
        Observation::typed(SCHEMA, now).map(Some)
    }

    fn judge(&self) -> Box<dyn Judge> {
        Box::new(TargetJudge {
            least_share: self.least_share.as_fraction(),
            since: None,
            most: 0,
        })
    }

    fn settings(&self) -> serde_json::Value {
        settings_of(self)
    }
}

#[derive(Debug)]
struct TargetJudge {
    least_share: f64,
    since: Option<Timestamp>,
    /// The most healthy targets of green so far in this step.
    most: u32,
}

impl Judge for TargetJudge {
    fn take(&mut self, observation: &Observation, progress: &Progress) -> Verdict {
        let observed = match observation.shared::<SeenTargets>(SCHEMA) {
            Ok(observed) => observed,
            Err(error) => return Verdict::inconclusive(error.to_string()),
        };
        if self.since.replace(progress.since) != Some(progress.since) {
            self.most = 0;
        }
        let Some(routing) = &observed.seen else {
            return Verdict::inconclusive("the targets could not be read");
        };
        let green = routing.targets.green;
        let count = |name: &str, value: u32| {
            Figure::new(name, f64::from(value), Unit::Count).of(Side::Green)
        };
        let verdict = self.judge(green, routing.weights.green > 0, progress.phase);
        self.most = self.most.max(green.healthy);
        verdict.map_evidence(|evidence| {
            evidence
                .with_figure(count("healthy targets", green.healthy))
                .with_figure(count("targets", green.registered()))
                .with_expiry(later(observed.at, TargetHealthGate::VALID))
        })
    }

    fn snapshot(&self) -> Option<JsonText> {
        saved(&(self.since, self.most))
    }

    fn restore(&mut self, snapshot: &JsonText) -> Result<()> {
        (self.since, self.most) = restored(snapshot)?;
        Ok(())
    }
}

impl TargetJudge {
    fn judge(&self, green: TargetCounts, carries: bool, phase: Phase) -> Verdict {
        let said = |what: &str| format!("{what}: green has {green}");
        let checked = green.healthy + green.unhealthy + green.initial;
        let is_mostly_unhealthy = green.unhealthy * 2 > checked;
        match phase {
            Phase::Confirm => Verdict::inconclusive("green carries no traffic any more"),
            Phase::Preflight if green.healthy == 0 || is_mostly_unhealthy => {
                Verdict::inconclusive(said("waiting for targets"))
            }
            Phase::Preflight => Verdict::healthy(said("targets are healthy")),
            Phase::Step(_) | Phase::Bake if !carries => {
                Verdict::inconclusive("green carries no weight")
            }
            Phase::Step(_) | Phase::Bake => {
                let waits = green.unhealthy == 0 && green.initial > 0 && self.most == 0;
                let least = f64::from(self.most) * self.least_share;
                if green.healthy == 0 && waits {
                    Verdict::inconclusive(said("targets wait for their first checks"))
                } else if green.healthy == 0 {
                    Verdict::unhealthy(said("no healthy target"))
                } else if is_mostly_unhealthy {
                    Verdict::unhealthy(said("most targets are unhealthy"))
                } else if f64::from(green.healthy) < least {
                    let most = self.most;
                    Verdict::unhealthy(said(&format!("only so few of {most} targets are left")))
                } else {
                    Verdict::healthy(said("targets are healthy"))
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::TrafficObservation;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).expect("in range")
    }

    fn progress(second: i64, phase: Phase) -> Progress {
        Progress::new(at(second), phase, Percent::HUNDRED, at(0))
    }

    fn targets(healthy: u32, unhealthy: u32, initial: u32) -> TargetCounts {
        let mut counts = TargetCounts::all_healthy(healthy);
        counts.unhealthy = unhealthy;
        counts.initial = initial;
        counts
    }

    fn traffic(green: TargetCounts, weight: u32) -> TrafficObservation {
        let weights = Sides {
            blue: 90,
            green: weight,
        };
        let blue = TargetCounts::all_healthy(4);
        TrafficObservation::new(weights, Sides { blue, green }, "v1:x")
    }

    async fn play(phase: Phase, seen: &[Option<TrafficObservation>]) -> Vec<&'static str> {
        let gate = TargetHealthGate::new();
        let mut judge = gate.judge();
        let mut statuses = Vec::new();
        for (second, traffic) in (0..).step_by(60).zip(seen) {
            let mut look = Look::new(progress(second, phase));
            look.traffic = traffic.clone();
            let observation = gate.observe(&look).await.expect("reads nothing");
            let observation = observation.expect("no last one");
            statuses.push(judge.take(&observation, &look.progress).status());
        }
        statuses
    }

    #[tokio::test]
    async fn judges_by_the_targets_while_green_carries_weight() {
        let step = Phase::Step(0);
        let cases = [
            (targets(4, 0, 0), 10, "healthy"),
            (targets(0, 4, 0), 10, "unhealthy"),
            (targets(0, 0, 0), 10, "unhealthy"),
            (targets(0, 0, 4), 10, "inconclusive"),
            (targets(0, 1, 3), 10, "unhealthy"),
            (targets(2, 2, 0), 10, "healthy"),
            (targets(1, 2, 0), 10, "unhealthy"),
            (targets(0, 4, 0), 0, "inconclusive"),
        ];
        for (green, weight, expected) in cases {
            let statuses = play(step, &[Some(traffic(green, weight))]).await;
            assert_eq!(statuses, [expected], "{green:?} at weight {weight}");
        }
        assert_eq!(play(step, &[None]).await, ["inconclusive"]);
    }

    #[tokio::test]
    async fn fewer_than_half_of_the_most_of_this_step_is_unhealthy() {
        let seen = [4, 2, 1, 4].map(|healthy| Some(traffic(targets(healthy, 0, 0), 10)));
        let statuses = play(Phase::Step(1), &seen).await;
        assert_eq!(statuses, ["healthy", "healthy", "unhealthy", "healthy"]);
        let gone = [targets(4, 0, 0), targets(0, 0, 4)].map(|green| Some(traffic(green, 10)));
        assert_eq!(play(Phase::Bake, &gone).await, ["healthy", "unhealthy"]);
    }

    #[tokio::test]
    async fn preflight_waits_and_confirm_does_not_judge() {
        for green in [targets(0, 4, 0), targets(0, 0, 4), targets(0, 0, 0)] {
            for phase in [Phase::Preflight, Phase::Confirm] {
                let statuses = play(phase, &[Some(traffic(green, 0))]).await;
                assert_eq!(statuses, ["inconclusive"], "{green:?} in {phase}");
            }
        }
        let ready = [Some(traffic(targets(4, 0, 0), 0))];
        assert_eq!(play(Phase::Preflight, &ready).await, ["healthy"]);
    }

    #[tokio::test]
    async fn repeats_itself_only_after_30_s_and_expires_after_90() {
        let gate = TargetHealthGate::new();
        let step = Phase::Step(0);
        let healthy = traffic(targets(4, 0, 0), 10);
        let look = Look::new(progress(0, step)).with_traffic(healthy.clone());
        let first = gate.observe(&look).await.expect("reads").expect("new");
        let verdict = gate.judge().take(&first, &look.progress);
        assert_eq!(verdict.evidence().expires, Some(at(90)));

        let again = |second: i64, phase: Phase, traffic: TrafficObservation| {
            Look::new(progress(second, phase))
                .with_traffic(traffic)
                .with_last(first.clone())
        };
        let same = gate.observe(&again(15, step, healthy.clone())).await;
        assert_eq!(same.expect("reads"), None);
        let dead = traffic(targets(0, 4, 0), 10);
        for look in [
            again(30, step, healthy.clone()),
            again(15, Phase::Step(1), healthy),
            again(15, step, dead),
        ] {
            assert!(gate.observe(&look).await.expect("reads").is_some());
        }
    }
}
