//! [`HookGate`]: a hook that is asked before each step, as a gate.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::{Mutex, oneshot};

use super::{Caller, answer::Answer, message::Message};
use crate::{
    clock::{later, span},
    error::Result,
    health::{Evidence, HealthGate, Judge, Look, Observation, Phase, Progress, Verdict},
    json::JsonText,
    migration::MigrationPlan,
    traffic::Percent,
};

const SCHEMA: &str = "bluegreen.hook/1";
/// How long a leave to rise holds: the other gates may need a while more, and the world of the answer changes.
const HOLDS: Duration = Duration::from_secs(5 * 60);
/// After this time a hook that has not answered is asked again.
const AGAIN: Duration = Duration::from_secs(60);
/// The exit code of a refusal: that of a migration that was rolled back. Programs that fail end with 1, 2 or
/// more than 100 as a rule, and a failure must not be taken for a refusal.
const REFUSES: i32 = 10;
/// How long one look waits for the answer; a later answer counts at the next look.
const WAITS: Duration = Duration::from_secs(5);

/// Asks a hook when the bake of a step is over, and before the first step. The hook may take longer than a look
/// for its answer.
#[derive(Debug)]
pub(crate) struct HookGate {
    caller: Arc<Caller>,
    /// Green's share at each step, and how long the step bakes.
    steps: Vec<(Percent, Duration)>,
    asked: Mutex<Option<Asked>>,
}

/// A question that is not answered.
#[derive(Debug)]
struct Asked {
    /// The stage of the question.
    since: Timestamp,
    answer: oneshot::Receiver<Answer>,
}

/// What a look at the hook has found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Heard {
    /// The share that is asked for; `None` if no step follows.
    to: Option<Percent>,
    /// The stage.
    since: Timestamp,
    at: Timestamp,
    answer: Said,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    why: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    /// The bake is not over, so the hook was not asked.
    NotAsked,
    /// The hook was asked, and works.
    Works,
    Allows,
    Refuses,
    /// Another exit code, a signal, or no answer within the limit.
    Nothing,
}

impl HookGate {
    pub(crate) fn new(caller: Arc<Caller>, plan: &MigrationPlan) -> Self {
        let steps = plan.steps().iter();
        Self {
            caller,
            steps: steps.map(|step| (step.green, plan.bake_of(step))).collect(),
            asked: Mutex::default(),
        }
    }

    /// The share of the step after this phase, and from when on the hook is asked for that step.
    fn follows(&self, progress: &Progress) -> Option<(Percent, Timestamp)> {
        let (to, bake) = match progress.phase {
            Phase::Preflight => (self.steps.first()?.0, Duration::ZERO),
            Phase::Step(step) => (self.steps.get(step + 1)?.0, self.steps.get(step)?.1),
            Phase::Bake | Phase::Confirm => return None,
        };
        Some((to, later(progress.since, bake)))
    }

    /// Returns the answer to the question of this stage, or that there is none yet.
    async fn answer(&self, progress: &Progress, to: Percent) -> (Said, String) {
        let mut asked = self.asked.lock().await;
        if asked.as_ref().is_none_or(|one| one.since != progress.since) {
            let question = Message::question(progress.at, to);
            *asked = Some(Asked {
                since: progress.since,
                answer: self.caller.ask(question),
            });
        }
        let Some(one) = asked.as_mut() else {
            return (Said::Works, String::new());
        };
        // Dropped with the look, the question stays.
        let Ok(answer) = tokio::time::timeout(WAITS, &mut one.answer).await else {
            return (Said::Works, String::new());
        };
        *asked = None;
        match answer {
            Ok(Answer::Ended { code: 0, line }) => (Said::Allows, line),
            Ok(Answer::Ended {
                code: REFUSES,
                line,
            }) => (Said::Refuses, line),
            Ok(answer) => (Said::Nothing, answer.failure().unwrap_or_default()),
            Err(_) => (Said::Nothing, "the hook has ended".to_owned()),
        }
    }
}

#[async_trait]
impl HealthGate for HookGate {
    async fn observe(&self, look: &Look) -> Result<Option<Observation>> {
        let progress = &look.progress;
        let last = look.last.as_ref().and_then(|last| last.read(SCHEMA).ok());
        let last: Option<Heard> = last.filter(|last: &Heard| last.since == progress.since);
        let heard = |to, answer, why| Heard {
            to,
            since: progress.since,
            at: progress.at,
            answer,
            why,
        };
        let heard = match self.follows(progress) {
            None => heard(None, Said::Allows, String::new()),
            Some((to, from)) if progress.at < from => {
                heard(Some(to), Said::NotAsked, String::new())
            }
            Some((to, _)) => {
                // Half of the time that a leave holds, so that there is never a gap.
                let stands = last.is_some_and(|last| match last.answer {
                    Said::Allows => progress.at < later(last.at, HOLDS / 2),
                    Said::Refuses => true,
                    Said::Nothing => progress.at < later(last.at, AGAIN),
                    Said::NotAsked | Said::Works => false,
                });
                if stands {
                    return Ok(None);
                }
                let (said, why) = self.answer(progress, to).await;
                heard(Some(to), said, why)
            }
        };
        Observation::new(SCHEMA, &heard).map(Some)
    }

    fn judge(&self) -> Box<dyn Judge> {
        Box::new(HookJudge)
    }

    fn settings(&self) -> Value {
        json!({ "hook": { "holds": span(HOLDS).to_string() } })
    }
}

/// Judges by the newest answer alone.
#[derive(Debug)]
struct HookJudge;

impl Judge for HookJudge {
    fn take(&mut self, observation: &Observation, _: &Progress) -> Verdict {
        let heard: Heard = match observation.read(SCHEMA) {
            Ok(heard) => heard,
            Err(error) => return Verdict::inconclusive(error.to_string()),
        };
        let Some(to) = heard.to else {
            return Verdict::healthy("no step follows that the hook could refuse");
        };
        let with_why = |said: String| match heard.why.as_str() {
            "" => said,
            why => format!("{said}: {why}"),
        };
        match heard.answer {
            Said::Allows => {
                let said = with_why(format!("the hook allows {to}"));
                Verdict::Healthy(Evidence::new(said).with_expiry(later(heard.at, HOLDS)))
            }
            Said::Refuses => Verdict::unhealthy(with_why(format!("the hook refuses {to}"))),
            Said::NotAsked => {
                Verdict::inconclusive(format!("the hook is asked for {to} when the bake is over"))
            }
            Said::Works => Verdict::inconclusive(format!("the hook was asked for {to}")),
            Said::Nothing => {
                Verdict::inconclusive(with_why(format!("no answer of the hook for {to}")))
            }
        }
    }

    fn snapshot(&self) -> Option<JsonText> {
        JsonText::of(&()).ok()
    }

    fn restore(&mut self, _: &JsonText) -> Result<()> {
        Ok(())
    }
}
