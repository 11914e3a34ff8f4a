//! The newest run of a rule, from its journal: whether it is paused, how it ended, and how to put traffic
//! back by hand.

use std::time::Duration;

use bluegreen::{
    MigrationOutcome,
    engine::{Event, Operator, Record},
    migration::{MigrationEvent, Retelling},
    spec::{Name, Origin},
    store::{JournalLog, JournalStore},
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use serde::Serialize;

use super::sides::side_of;
use crate::common::say::say_line;

/// The most time that the journal's answer for a last message may take.
const JOURNAL_WAITS: Duration = Duration::from_secs(5);

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct End {
    pub(crate) run: String,
    pub(crate) at: Timestamp,
    pub(crate) exit_code: u8,
    /// How the run ended, without the split: the sides may have changed roles since.
    pub(crate) how: String,
    /// From when the side that served before may be retired, if everything moved to green.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) blue_kept_until: Option<Timestamp>,
}

/// A pause of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Pause {
    /// When the pause ends, unless the run is continued before.
    pub(crate) until: Timestamp,
    pub(crate) by: Operator,
}

/// The newest run of a rule.
#[derive(Debug)]
pub(crate) struct Newest {
    first: Record,
    /// Its events since its newest snapshot, or since its start.
    events: Vec<Event<MigrationEvent>>,
    /// The pause that holds; `None` if there is none.
    pub(crate) paused: Option<Pause>,
}

/// Returns the newest run; `None` if there is none, or if its journal cannot be retold.
pub(crate) async fn newest(log: &JournalLog) -> Option<Newest> {
    told(log.newest_run_to_resume().await.ok()?).await
}

/// Returns the newest run that moved something; `None` as for [`newest`].
pub(crate) async fn that_moved(log: &JournalLog) -> Option<Newest> {
    told(Origin::records_that_moved(log).await.ok()?).await
}

async fn told(records: Vec<Record>) -> Option<Newest> {
    let first = records.first()?.clone();
    let mut retelling = Retelling::new();
    let events = retelling.retell(stream::iter(records).map(Ok));
    let events = events.try_collect().await.ok()?;
    let paused = retelling.paused().map(|(by, until)| Pause {
        until,
        by: by.clone(),
    });
    Some(Newest {
        first,
        events,
        paused,
    })
}

impl Newest {
    /// Returns how the run ended; `None` if it has not ended.
    pub(crate) fn end(&self) -> Option<End> {
        self.events.iter().rev().find_map(end_at)
    }
}

fn end_at(event: &Event<MigrationEvent>) -> Option<End> {
    let mut report = None;
    let (exit_code, how) = match &event.kind {
        MigrationEvent::Ended { outcome, exit_code } => {
            report = Some(outcome.report());
            (*exit_code, how(outcome))
        }
        MigrationEvent::Unresolved {
            unresolved,
            exit_code,
        } => (*exit_code, unresolved.summary.clone()),
        _ => return None,
    };
    Some(End {
        run: event.run.to_string(),
        at: event.at,
        exit_code,
        how,
        blue_kept_until: report.and_then(|report| report.blue_kept_until),
    })
}

fn how(outcome: &MigrationOutcome) -> String {
    match outcome {
        MigrationOutcome::Promoted { .. } => "promoted".to_owned(),
        MigrationOutcome::RolledBack { cause, .. } => format!("rolled back: {cause}"),
        MigrationOutcome::Held { reason, .. } => format!("held: {reason}"),
        MigrationOutcome::Unchanged { reason, .. } => format!("nothing was changed: {reason}"),
    }
}

/// Prints the command that puts everything back without this program, as the newest run knew the rule: for a
/// rollback that AWS does not answer. If `to` is another side than that run's blue, the command does not fit,
/// and a general hint is printed.
pub(crate) async fn say_by_hand(
    store: Option<JournalStore>,
    rule: Option<&str>,
    name: Option<&Name>,
    to: Option<&str>,
) {
    let found = async {
        let store = store?;
        let log = match rule {
            Some(rule) => store.log(rule),
            None => log_of(&store, name?).await?,
        };
        let Newest { first, events, .. } = newest(&log).await?;
        let Origin { spec, from, .. } = Origin::of(&[first]).ok()?;
        let is_meant = |to: &str| from.as_str() == to || side_of(&spec, to).as_ref() == Some(&from);
        if !to.is_none_or(is_meant) {
            return None;
        }
        let read = |event: &Event<MigrationEvent>| {
            let advice = event.kind.traffic()?.restore_advice()?;
            Some((advice, event.at))
        };
        let (advice, at) = events.iter().rev().find_map(read)?;
        Some((from, advice, at))
    };
    let found = tokio::time::timeout(JOURNAL_WAITS, found).await;
    match found.ok().flatten() {
        Some((from, advice, at)) => {
            say_line!("blue is {from}, as the newest run knew the rule at {at:.0}; {advice}")
        }
        None => say_line!(
            "no journal says how that is done by hand: `aws elbv2 describe-rules` shows the rule, and \
             `aws elbv2 modify-rule` changes its weights"
        ),
    }
}

/// Returns the log of the migration with this name.
async fn log_of(store: &JournalStore, name: &Name) -> Option<JournalLog> {
    for own in store.logs().await.ok()? {
        let log = store.named(&own);
        let opening = log.newest_opening().await.ok()?;
        let origin = opening.and_then(|opening| Origin::of(&[opening]).ok());
        if origin.is_some_and(|origin| origin.spec.name == *name) {
            return Some(log);
        }
    }
    None
}
