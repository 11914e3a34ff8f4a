//! The newest run that counts: one that ended without a change is as if it had not begun.

use jiff::Timestamp;

use super::Origin;
use crate::{
    engine::Record,
    error::Result,
    migration::{MigrationEvent, MigrationOutcome, ReplayError, Retelling},
    store::JournalLog,
};

/// The most runs that are looked at: each that changed nothing was refused, and a person saw that.
const RUNS: usize = 50;

fn changed_nothing(records: &[Record]) -> bool {
    let end = end_of(records).ok().flatten();
    matches!(end, Some((_, Some(MigrationOutcome::Unchanged { .. }), _)))
}

/// When and how a run ended, or the summary of an end that a person must look at; `None` if it has not ended.
type End = (Timestamp, Option<MigrationOutcome>, String);

pub(super) fn end_of(records: &[Record]) -> std::result::Result<Option<End>, ReplayError> {
    let mut retelling = Retelling::new();
    let mut end = None;
    for record in records {
        for event in retelling.take(record)? {
            end = match event.kind {
                MigrationEvent::Ended { outcome, .. } => {
                    Some((event.at, Some(outcome), String::new()))
                }
                MigrationEvent::Unresolved { unresolved, .. } => {
                    Some((event.at, None, unresolved.summary.clone()))
                }
                // A later event belongs to a run that was resumed.
                _ => end,
            };
        }
    }
    Ok(end)
}

/// Returns what a resume would need of the newest run that counts; nothing if none of the newest runs does.
pub(super) async fn that_moved(log: &JournalLog) -> Result<Vec<Record>> {
    log.newest_run_but(RUNS, changed_nothing).await
}

impl Origin {
    /// Returns what a resume would need of the newest run that may have changed something; nothing if none of the
    /// newest 50 runs has.
    ///
    /// # Errors
    ///
    /// If the journal could not be read.
    ///
    /// # Cancel safety
    ///
    /// Only reads.
    pub async fn records_that_moved(log: &JournalLog) -> Result<Vec<Record>> {
        that_moved(log).await
    }

    /// Returns the first record of the newest run that may have changed something: the side that served before
    /// that run is the side of a rollback. A later run that was refused, or ended without a change, does not
    /// count. If no run counts, this is the first record of the newest run; `None` if there was no run.
    ///
    /// Looks at the newest 50 runs.
    ///
    /// # Errors
    ///
    /// If the journal could not be read.
    ///
    /// # Cancel safety
    ///
    /// Only reads.
    pub async fn newest_that_moved(log: &JournalLog) -> Result<Option<Record>> {
        match that_moved(log).await?.into_iter().next() {
            Some(first) => Ok(Some(first)),
            None => log.newest_opening().await,
        }
    }
}
