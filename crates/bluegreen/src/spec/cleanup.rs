//! [`Cleanup`]: how far the newest retirement of a rule's blue came, as the journal's store keeps it.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Name, Span};
use crate::{
    aws::{
        alb::RuleArn,
        retire::{RetireStep, Retirement, Stage},
    },
    error::{Error, ErrorKind, Result},
    store::{JournalStore, Kept},
};

/// The version of what is kept.
const VERSION: u32 = 1;

/// The newest retirement of a rule's blue that had something to do: `bluegreen status` tells it.
///
/// A [retirement](Retirement) that is [recorded](Self::record) writes this before its first step, before each step, and
/// at its end. Without an end its process works still, or was killed: the journal's
/// [lease](crate::store::JournalLog::lease_state) tells which.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Cleanup {
    version: u32,
    /// The side that is retired.
    pub side: Name,
    /// Its service, as `CLUSTER/SERVICE`.
    pub service: String,
    /// Whether the side is to be deleted, and not only scaled to zero.
    pub deletes: bool,
    /// How long the side was to be kept after the migration.
    pub keep: Span,
    /// The person or job that is responsible.
    pub by: String,
    /// When it began.
    pub began: Timestamp,
    /// The steps in order, those of an earlier call for the same side included. Without an end the last one may
    /// not have been taken.
    pub steps: Vec<RetireStep>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// Why it ended before every step was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
}

impl Cleanup {
    /// Returns the newest one of a rule; `None` if there is none.
    ///
    /// # Errors
    ///
    /// If the store cannot be read, or holds what this version does not know.
    ///
    /// # Cancel safety
    ///
    /// Only reads.
    pub async fn newest(store: &JournalStore, rule: &RuleArn) -> Result<Option<Self>> {
        let Some(bytes) = store.kept(Kept::Cleanup, rule.as_str()).await? else {
            return Ok(None);
        };
        let unknown = || Error::new(ErrorKind::Refused, "read the state of the cleanup");
        let read: Self =
            serde_json::from_slice(&bytes).map_err(|error| unknown().with_source(error))?;
        match read.version {
            VERSION => Ok(Some(read)),
            _ => Err(unknown().with_hint("another version of this program wrote it")),
        }
    }

    /// Lets a retirement of this side keep its stages in `store`. `by` names the person or job that is
    /// responsible, and `keep` is the time for which the side was to be kept.
    #[must_use]
    pub fn record(
        retirement: Retirement,
        store: &JournalStore,
        side: &Name,
        by: &str,
        keep: Span,
    ) -> Retirement {
        let clock = retirement.aws().clock();
        let begun = Self {
            version: VERSION,
            side: side.clone(),
            service: retirement.service(),
            deletes: retirement.deletes(),
            keep,
            by: by.to_owned(),
            began: clock.now(),
            steps: Vec::new(),
            ended: None,
            stopped: None,
        };
        let (store, rule, since) = (store.clone(), retirement.rule().clone(), retirement.ended());
        let now = Arc::new(Mutex::new(begun));
        retirement.with_stages(move |stage| {
            let (store, rule, now, clock) =
                (store.clone(), rule.clone(), Arc::clone(&now), clock.clone());
            Box::pin(async move {
                let before = match stage {
                    Stage::Began => Self::newest(&store, &rule).await.ok().flatten(),
                    _ => None,
                };
                let kept = {
                    let mut kept = now.lock().unwrap_or_else(PoisonError::into_inner);
                    match stage {
                        Stage::Began => kept.follow(before, since),
                        Stage::Step(step) => kept.add(step),
                        Stage::Ended(why) => {
                            kept.ended = Some(clock.now());
                            kept.stopped = why;
                        }
                    }
                    kept.clone()
                };
                let bytes = serde_json::to_vec(&kept).map_err(|error| {
                    let message = "write the state of the cleanup";
                    Error::new(ErrorKind::Invalid, message).with_source(error)
                })?;
                store.keep(Kept::Cleanup, rule.as_str(), bytes).await
            })
        })
    }

    /// Continues after an earlier call of the same retirement: since the migration ended at `since`.
    fn follow(&mut self, before: Option<Self>, since: Timestamp) {
        if let Some(before) = before.filter(|one| one.side == self.side && one.began >= since) {
            self.steps = before.steps;
        }
    }

    /// A step that is tried again stands once.
    fn add(&mut self, step: RetireStep) {
        self.steps.retain(|one| *one != step);
        self.steps.push(step);
    }

    /// Whether the side is deleted, as far as this was seen.
    #[must_use]
    pub fn has_deleted(&self) -> bool {
        self.deletes && self.ended.is_some() && self.stopped.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(side: &'static str, began: &str) -> Cleanup {
        Cleanup {
            version: VERSION,
            side: Name::known(side),
            service: "shop/web".to_owned(),
            deletes: false,
            keep: Span::minutes(60),
            by: "ann".to_owned(),
            began: began.parse().unwrap(),
            steps: Vec::new(),
            ended: None,
            stopped: None,
        }
    }

    fn scaled() -> RetireStep {
        let service = "web".to_owned();
        RetireStep::ScaleToZero { service }
    }

    #[test]
    fn a_second_call_continues_the_list_of_the_same_side_since_the_same_migration() {
        let since: Timestamp = "2030-01-02T00:00:00Z".parse().unwrap();
        for (side, began, wanted) in [
            ("blue", "2030-01-02T00:00:00Z", 1),
            ("blue", "2030-01-01T23:59:59Z", 0),
            ("green", "2030-01-03T00:00:00Z", 0),
        ] {
            let mut before = kept(side, began);
            before.add(scaled());
            before.add(scaled());
            let mut now = kept("blue", "2030-01-04T00:00:00Z");
            now.follow(Some(before), since);
            assert_eq!(now.steps.len(), wanted, "{side} {began}");
        }
    }

    #[tokio::test]
    async fn what_another_version_has_written_is_refused() {
        let rule = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener-rule/app/a/50dc6c495c0c9188/f2f7dc8efc522ab2/9683b2d02a6cabee";
        let rule: RuleArn = rule.parse().unwrap();
        let store = JournalStore::memory();
        assert_eq!(Cleanup::newest(&store, &rule).await.unwrap(), None);
        let mut newer = kept("blue", "2030-01-02T00:00:00Z");
        newer.version = 2;
        for bytes in [serde_json::to_vec(&newer).unwrap(), b"{}".to_vec()] {
            let put = store.keep(Kept::Cleanup, rule.as_str(), bytes).await;
            put.unwrap();
            let error = Cleanup::newest(&store, &rule).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Refused);
        }
    }
}
