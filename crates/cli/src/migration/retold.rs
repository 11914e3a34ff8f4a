//! What the journal says of the newest run of a rule: how it ended, and how traffic is put back by hand.

use std::time::Duration;

use bluegreen::{
    MigrationOutcome,
    engine::Event,
    migration::{MigrationEvent, Retelling},
    spec::{Name, Origin},
    store::{JournalLog, JournalStore},
};
use jiff::Timestamp;
use serde::Serialize;

use crate::common::say::say_line;

/// How long a journal is asked for last words.
const JOURNAL_WAITS: Duration = Duration::from_secs(5);

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct End {
    pub(crate) run: String,
    pub(crate) at: Timestamp,
    pub(crate) exit_code: u8,
    /// How, without the split: its sides may have changed their roles since.
    pub(crate) how: String,
}

/// How the newest run ended; `None` if it has not, or its journal cannot be retold.
pub(crate) async fn end(log: &JournalLog) -> Option<End> {
    let events = newest_events(log).await?;
    let ended = |event: &Event<MigrationEvent>| {
        let (exit_code, how) = match &event.kind {
            MigrationEvent::Ended { outcome, exit_code } => (*exit_code, how(outcome)),
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
        })
    };
    events.iter().rev().find_map(ended)
}

fn how(outcome: &MigrationOutcome) -> String {
    match outcome {
        MigrationOutcome::Promoted { .. } => "promoted".to_owned(),
        MigrationOutcome::RolledBack { cause, .. } => format!("rolled back: {cause}"),
        MigrationOutcome::Held { reason, .. } => format!("held: {reason}"),
        MigrationOutcome::Unchanged { reason, .. } => format!("nothing was changed: {reason}"),
    }
}

/// Says the command that puts everything back without this program, as the newest run knew it: for a rollback
/// that AWS does not answer.
pub(crate) async fn say_by_hand(
    store: Option<JournalStore>,
    rule: Option<&str>,
    name: Option<&Name>,
) {
    let found = async {
        let store = store?;
        let log = match rule {
            Some(rule) => store.log(rule),
            None => log_of(&store, name?).await?,
        };
        let events = newest_events(&log).await?;
        let read = |event: &Event<MigrationEvent>| {
            let advice = event.kind.traffic()?.restore_advice()?;
            Some((advice, event.at))
        };
        events.iter().rev().find_map(read)
    };
    match tokio::time::timeout(JOURNAL_WAITS, found)
        .await
        .ok()
        .flatten()
    {
        Some((advice, at)) => say_line!("as the run knew the rule at {at:.0}, {advice}"),
        None => say_line!(
            "no journal says how the rule was: `aws elbv2 describe-rules` shows it, and `aws elbv2 \
             modify-rule` changes its weights by hand"
        ),
    }
}

/// The log of the migration of that name.
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

/// What the newest run told since its newest snapshot, or since its start.
async fn newest_events(log: &JournalLog) -> Option<Vec<Event<MigrationEvent>>> {
    let records = log.newest_run_to_resume().await.ok()?;
    let (first, rest) = records.split_first()?;
    let mut retelling = Retelling::open(first).ok()?;
    let mut events = Vec::new();
    for record in rest {
        events.extend(retelling.take(record).ok()?);
    }
    Some(events)
}
