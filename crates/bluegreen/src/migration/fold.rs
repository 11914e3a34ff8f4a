//! [`Fold`]: the state of a gate's judge, and how a journal keeps it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::GateId;
use crate::{
    error::Result,
    health::{HealthGate, Judge, Observation, Progress, Verdict},
    json::JsonText,
};

/// A gate's judge, and what the journal must keep to restore it.
#[derive(Debug)]
pub(super) struct Fold {
    pub(super) gate: GateId,
    /// The settings that the judge's verdicts depend on.
    settings: JsonText,
    judge: Box<dyn Judge>,
    /// The gate's newest observation.
    pub(super) last: Option<Observation>,
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
pub(super) struct Observed {
    observation: Observation,
    progress: Progress,
}

/// A fold as a journal keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct FoldSnapshot {
    pub(super) gate: GateId,
    pub(super) settings: JsonText,
    /// The gate's newest observation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last: Option<Observation>,
    learnt: Learnt,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Learnt {
    Snapshot(Value),
    Observations(Vec<Observed>),
}

impl Fold {
    /// Creates the fold of a judge that has seen nothing yet.
    pub(super) fn new(id: GateId, gate: &dyn HealthGate) -> Self {
        let judge = gate.judge();
        let fed = match judge.snapshot() {
            Some(_) => Fed::Nothing,
            None => Fed::All(Vec::new()),
        };
        Self {
            gate: id,
            settings: gate.settings().into(),
            judge,
            last: None,
            fed,
        }
    }

    /// Feeds the judge an observation of its gate.
    pub(super) fn take(&mut self, observation: &Observation, progress: &Progress) -> Verdict {
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

    /// Returns what a journal keeps of this fold; `None` if that would be too large, or is not plain data.
    pub(super) fn snapshot(&self) -> Option<FoldSnapshot> {
        let learnt = match &self.fed {
            Fed::Nothing => Learnt::Snapshot(self.judge.snapshot()?),
            Fed::All(all) => Learnt::Observations(all.clone()),
            Fed::TooMany => return None,
        };
        Some(FoldSnapshot {
            gate: self.gate.clone(),
            settings: self.settings.clone(),
            last: self.last.clone(),
            learnt,
        })
    }

    /// Restores the state that a journal kept of this gate.
    pub(super) fn restore(&mut self, snapshot: &FoldSnapshot) -> Result<()> {
        match &snapshot.learnt {
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
        self.last.clone_from(&snapshot.last);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::{
        health::{GateExt as _, Phase, gate_fn, judge_fn},
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

    fn fold() -> Fold {
        let gate = gate_fn("fine", |_| async { Ok(Verdict::healthy("fine")) });
        let counting = || Box::new(Counting::default()) as Box<dyn Judge>;
        let gate = gate.judged_by(judge_fn(json!("counting"), counting));
        Fold::new("fine".into(), &gate)
    }

    fn take(fold: &mut Fold) -> String {
        let at = Timestamp::UNIX_EPOCH;
        let progress = Progress::new(at, Phase::Bake, Percent::HUNDRED, at);
        let seen = Observation::new("a/1", &7).expect("plain data");
        fold.take(&seen, &progress).evidence().summary.clone()
    }

    #[test]
    fn p09_a_judge_without_snapshots_is_fed_again_what_it_saw() {
        let mut fold_1 = fold();
        for n in 1..=30 {
            assert_eq!(take(&mut fold_1), n.to_string());
            let saved = fold_1.snapshot().expect("few");
            let saved: FoldSnapshot =
                serde_json::from_value(serde_json::to_value(&saved).expect("JSON")).expect("JSON");
            let mut fold_2 = fold();
            fold_2.restore(&saved).expect("of the same gate");
            assert_eq!(fold_2.last, fold_1.last);
            assert_eq!(fold_2.snapshot(), fold_1.snapshot());
            assert_eq!(take(&mut fold_2), (n + 1).to_string());
        }
    }

    #[test]
    fn a_judge_without_snapshots_that_saw_too_much_is_not_kept() {
        let mut fold = fold();
        for _ in 0..MOST {
            take(&mut fold);
        }
        assert!(fold.snapshot().is_some());
        take(&mut fold);
        assert!(fold.snapshot().is_none());
        assert_eq!(take(&mut fold), (MOST + 2).to_string());
    }
}
