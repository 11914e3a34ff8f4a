//! [`GateSession`]: a gate in one run: its judge, its newest observation, and what restores both.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{HealthGate, Judge, Observation, Progress, Verdict};
use crate::{
    error::{Failure, Result},
    json::JsonText,
};

/// The name of a gate, the same in plan, events and journal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GateId(String);

impl GateId {
    /// The name of the gate of a hook that is asked before steps; a second hook has a number behind it.
    pub(crate) const HOOK: &str = "hook";

    /// Whether it is the gate of a hook.
    pub(crate) fn is_of_hook(&self) -> bool {
        let rest = self.0.strip_prefix(Self::HOOK);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<T: Into<String>> From<T> for GateId {
    fn from(name: T) -> Self {
        Self(name.into())
    }
}

impl fmt::Display for GateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a gate saw at one look: `None` if there was nothing new, or why it could not look.
pub(crate) type Seen = Result<Option<Observation>, Failure>;

/// A gate in one run, without I/O: its judge, its newest observation, and what restores both.
///
/// A run, a replay, and a run that is judged again with other settings hold one session for each gate.
/// Two things stand elsewhere. The calls of a gate are `GateCalls`, since a
/// replay calls no gate. The verdict that stands, and what it does, are the machine's: its state must be
/// plain data, and a journal of an older version has its verdicts without a judge.
#[derive(Debug)]
pub(crate) struct GateSession {
    gate: GateId,
    /// The settings that the judge's verdicts depend on.
    settings: JsonText,
    judge: Box<dyn Judge>,
    last: Option<Observation>,
    fed: Fed,
}

/// The data that is kept for a restore beside the judge's snapshot.
#[derive(Debug)]
enum Fed {
    /// Nothing: the judge makes snapshots.
    Nothing,
    /// The judge makes no snapshots, so its observations are kept and fed to it again.
    All(Vec<Observed>),
    /// The observations are too many to keep: a resume reads the whole journal.
    TooMany,
}

/// How many observations are kept at most for a judge that makes no snapshots: some hours of looks, and
/// less than a megabyte.
const MOST: usize = 1_000;

/// An observation, and what its judge was told with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Observed {
    observation: Observation,
    progress: Progress,
}

/// A session as a journal keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SavedSession {
    pub(crate) gate: GateId,
    pub(crate) settings: JsonText,
    /// The gate's newest observation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last: Option<Observation>,
    learnt: Learnt,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Learnt {
    Snapshot(JsonText),
    Observations(Vec<Observed>),
}

impl GateSession {
    /// Creates the session of a gate that has seen nothing yet.
    pub(crate) fn new(id: GateId, gate: &dyn HealthGate) -> Self {
        Self::of_judge(id, gate.settings().into(), gate.judge())
    }

    /// Creates the session of a fresh judge with these settings.
    pub(crate) fn of_judge(gate: GateId, settings: JsonText, judge: Box<dyn Judge>) -> Self {
        let fed = match judge.snapshot() {
            Some(_) => Fed::Nothing,
            None => Fed::All(Vec::new()),
        };
        Self {
            gate,
            settings,
            judge,
            last: None,
            fed,
        }
    }

    /// Returns the gate's name.
    pub(crate) fn gate(&self) -> &GateId {
        &self.gate
    }

    /// Returns the gate's newest observation.
    pub(crate) fn last(&self) -> Option<&Observation> {
        self.last.as_ref()
    }

    /// Gives the judge what its gate saw at a look, and returns the verdict; `None` if there was nothing new.
    pub(crate) fn judge(&mut self, seen: &Seen, progress: &Progress) -> Option<Verdict> {
        match seen {
            Ok(Some(observation)) => Some(self.take(observation, progress)),
            _ => None,
        }
    }

    fn take(&mut self, observation: &Observation, progress: &Progress) -> Verdict {
        self.last = Some(observation.clone());
        match &mut self.fed {
            Fed::All(all) if all.len() == MOST => self.fed = Fed::TooMany,
            Fed::All(all) => all.push(Observed {
                observation: observation.clone(),
                progress: *progress,
            }),
            Fed::Nothing | Fed::TooMany => {}
        }
        let verdict = self.judge.take(observation, progress);
        observation.forget_decoded();
        verdict
    }

    /// Returns what a journal keeps of this session; `None` if that would be too large, or is not plain data.
    pub(crate) fn saved(&self) -> Option<SavedSession> {
        let learnt = match &self.fed {
            Fed::Nothing => Learnt::Snapshot(self.judge.snapshot()?),
            Fed::All(all) => Learnt::Observations(all.clone()),
            Fed::TooMany => return None,
        };
        Some(SavedSession {
            gate: self.gate.clone(),
            settings: self.settings.clone(),
            last: self.last.clone(),
            learnt,
        })
    }

    /// Returns whether a saved session is of this gate with these settings.
    pub(crate) fn is_of(&self, saved: &SavedSession) -> bool {
        self.gate == saved.gate && self.settings == saved.settings
    }

    /// Makes a fresh session continue from a saved session.
    pub(crate) fn restore(&mut self, saved: &SavedSession) -> Result<()> {
        match &saved.learnt {
            Learnt::Snapshot(learnt) => self.judge.restore(learnt)?,
            Learnt::Observations(all) => {
                for Observed {
                    observation,
                    progress,
                } in all
                {
                    let _ = self.take(observation, progress);
                }
            }
        }
        self.last.clone_from(&saved.last);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::{
        health::{HealthGate, Look, Phase},
        traffic::Percent,
    };

    /// Says how many observations there were, and makes no snapshots.
    #[derive(Debug, Default)]
    struct Counting(u32);

    impl Judge for Counting {
        fn take(&mut self, _: &Observation, _: &Progress) -> Verdict {
            self.0 += 1;
            Verdict::healthy(self.0.to_string())
        }
    }

    /// A gate whose judge is [`Counting`].
    #[derive(Debug)]
    struct Counted;

    #[async_trait::async_trait]
    impl HealthGate for Counted {
        async fn observe(&self, _: &Look) -> Result<Option<Observation>> {
            Ok(None)
        }

        fn judge(&self) -> Box<dyn Judge> {
            Box::new(Counting::default())
        }

        fn settings(&self) -> serde_json::Value {
            "counting".into()
        }
    }

    fn session() -> GateSession {
        GateSession::new("fine".into(), &Counted)
    }

    fn take(session: &mut GateSession) -> String {
        let at = Timestamp::UNIX_EPOCH;
        let progress = Progress::new(at, Phase::Bake, Percent::HUNDRED, at);
        let seen = Observation::new("a/1", &7).expect("plain data");
        session.take(&seen, &progress).evidence().summary.clone()
    }

    #[test]
    fn p09_a_judge_without_snapshots_is_fed_again_what_it_saw() {
        let mut session_1 = session();
        for n in 1..=30 {
            assert_eq!(take(&mut session_1), n.to_string());
            let saved = session_1.saved().expect("few");
            let saved: SavedSession =
                serde_json::from_value(serde_json::to_value(&saved).expect("JSON")).expect("JSON");
            let mut session_2 = session();
            session_2.restore(&saved).expect("of the same gate");
            assert_eq!(session_2.last, session_1.last);
            assert_eq!(session_2.saved(), session_1.saved());
            assert_eq!(take(&mut session_2), (n + 1).to_string());
        }
    }

    #[test]
    fn a_judge_without_snapshots_that_saw_too_much_is_not_kept() {
        let mut session = session();
        for _ in 0..MOST {
            take(&mut session);
        }
        assert!(session.saved().is_some());
        take(&mut session);
        assert!(session.saved().is_none());
        assert_eq!(take(&mut session), (MOST + 2).to_string());
    }
}
