//! Whether green has targets that can serve.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Evidence, Figure, HealthGate, Judge, Look, Observation, Phase, Progress, Unit, Verdict,
    combine::unreadable,
};
use crate::{
    clock::later,
    error::Result,
    traffic::{Side, Sides, TargetCounts},
};

const SCHEMA: &str = "bluegreen.targets/1";
/// A healthy verdict stands for so long.
const STANDS: Duration = Duration::from_secs(90);

/// Judges green by its targets as the balancer sees them at every look. A green that is dead
/// publishes no metrics, so this is the first to notice.
///
/// It makes no call of its own: the run reads the targets at every look anyway.
///
/// Unhealthy: green carries traffic and has no healthy target, or fewer than half of the most
/// that it had since the last shift. Healthy: all that it had are. Inconclusive: in between, and
/// where the targets could not be read.
#[derive(Debug, Clone, Default)]
pub struct TargetHealthGate {
    _private: (),
}

impl TargetHealthGate {
    /// The gate.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Targets {
    /// `None` where they could not be read.
    targets: Option<Sides<TargetCounts>>,
}

#[async_trait]
impl HealthGate for TargetHealthGate {
    async fn observe(&self, look: &Look) -> Result<Option<Observation>> {
        let targets = look.traffic.as_ref().map(|traffic| traffic.targets);
        Observation::new(SCHEMA, &Targets { targets }).map(Some)
    }

    fn judge(&self) -> Box<dyn Judge> {
        Box::new(TargetJudge::default())
    }

    fn settings(&self) -> serde_json::Value {
        serde_json::json!({ "schema": SCHEMA, "least": "half" })
    }
}

#[derive(Debug, Default)]
struct TargetJudge {
    /// The most healthy targets that green had, and since which shift.
    most: Option<(Timestamp, u32)>,
}

impl Judge for TargetJudge {
    fn take(&mut self, observation: &Observation, progress: &Progress) -> Verdict {
        let seen: Targets = match observation.read(SCHEMA) {
            Ok(seen) => seen,
            Err(error) => return unreadable(&error),
        };
        let Some(targets) = seen.targets else {
            return Verdict::inconclusive("the targets could not be read");
        };
        let green = targets.green;
        let most = match self.most {
            Some((since, most)) if since == progress.since => most.max(green.healthy),
            _ => green.healthy,
        };
        self.most = Some((progress.since, most));
        let count = |name: &str, side: Side, value: u32| {
            Figure::new(name, f64::from(value), Unit::Count).of(side)
        };
        let evidence = |summary: String| {
            Evidence::new(summary)
                .with_figure(count("healthy targets", Side::Green, green.healthy))
                .with_figure(count("healthy targets", Side::Blue, targets.blue.healthy))
                .with_expiry(later(progress.at, STANDS))
        };
        let carries = !matches!(progress.phase, Phase::Preflight | Phase::Confirm);
        if green.healthy == 0 {
            let evidence = evidence(format!("green has no healthy target: {green}"));
            return if carries {
                Verdict::Unhealthy(evidence)
            } else {
                Verdict::Inconclusive(evidence)
            };
        }
        if carries && green.healthy * 2 < most {
            return Verdict::Unhealthy(evidence(format!(
                "green has {} healthy targets of the {most} that it had",
                green.healthy
            )));
        }
        if green.healthy < most || green.unhealthy > 0 {
            return Verdict::Inconclusive(evidence(format!("green's targets: {green}")));
        }
        Verdict::Healthy(evidence(format!("green's targets: {green}")))
    }
}
