//! What the journal of a service says about its judge.

use bluegreen::{
    engine::{Event, Record},
    native::{NativeEvent, NativeOutcome, Retelling, is_of_judge},
    spec::ServiceJudge,
    store::JournalLog,
};
use jiff::Timestamp;
use serde::Serialize;

/// How a judge's run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct End {
    pub(super) run: String,
    pub(super) at: Timestamp,
    pub(super) exit_code: u8,
    pub(super) how: String,
}

/// The newest judge's run of a service.
#[derive(Debug)]
pub(super) struct Newest {
    events: Vec<Event<NativeEvent>>,
}

/// Returns the newest run, if a judge's run is the newest, and can be retold.
pub(super) async fn newest(log: &JournalLog) -> Option<Newest> {
    let records = log.newest_run_to_resume().await.ok()?;
    if !is_of_judge(&records) {
        return None;
    }
    let mut retelling = Retelling::new();
    let mut events = Vec::new();
    for record in &records {
        events.extend(retelling.take(record).ok()?);
    }
    Some(Newest { events })
}

impl Newest {
    /// Returns how the run ended; `None` if it has not ended.
    pub(super) fn end(&self) -> Option<End> {
        self.events.iter().rev().find_map(end_at)
    }
}

/// Returns the end that an event tells.
pub(super) fn end_at(event: &Event<NativeEvent>) -> Option<End> {
    let (exit_code, how) = match &event.kind {
        NativeEvent::Ended { outcome, exit_code } => (*exit_code, how(outcome)),
        NativeEvent::Unresolved {
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
}

fn how(outcome: &NativeOutcome) -> String {
    match outcome {
        NativeOutcome::Promoted { .. } => "promoted".to_owned(),
        NativeOutcome::RolledBack { cause, .. } => format!("rolled back: {cause}"),
        NativeOutcome::Held { reason, .. } => format!("held: {reason}"),
        NativeOutcome::Unchanged { reason, .. } => format!("nothing was answered: {reason}"),
    }
}

/// Returns what a list of journals says about a judge's run, from its first record.
pub(crate) fn told_of(opening: &Record) -> Option<String> {
    let judge = ServiceJudge::of_records(std::slice::from_ref(opening)).ok()?;
    let id = judge.deployment.rsplit('/').next().unwrap_or_default();
    Some(format!("judge of deployment {id}"))
}
