//! `bluegreen status --wait`: follows the run of another process in its journal, to its end.

use std::{pin::pin, time::Duration};

use bluegreen::{
    Failure, MigrationOutcome,
    engine::Event,
    migration::{MigrationEvent, Retelling},
    store::{EXPIRY, JournalLog, LeaseState},
};
use futures_util::StreamExt as _;

use crate::{
    common::{
        errors::{UNCHANGED, bad_arguments, failed},
        say::say_line,
    },
    migration::{open::Opened, render},
};

/// How often the journal is read.
const EVERY: Duration = Duration::from_secs(2);
/// The exit code of a run that put everything back.
const ROLLED_BACK: u8 = 10;
/// The exit code if the controller is silent, so the end of the run is not known.
const NOT_KNOWN: u8 = 20;

/// Waits for the end of the newest run, and returns its exit code.
pub(super) async fn run(opened: &Opened, json: bool) -> Result<u8, u8> {
    let store = opened
        .store()
        .map_err(|problem| bad_arguments(&[problem]))?;
    let rule = opened.spec.locate(opened.aws()).await;
    let rule = rule.map_err(|error| failed(&error, UNCHANGED))?;
    let log = store.log(rule.as_str());
    let clock = opened.aws().clock();
    let mut progress = render::Progress::of(&opened.plan);
    let mut shown = 0;
    let mut heard: Option<(LeaseState, Duration)> = None;
    loop {
        let events = match events(&log).await {
            Ok(events) => events,
            Err(why) => {
                say_line!("error: the journal could not be read: {why}");
                return Err(UNCHANGED);
            }
        };
        if events.is_empty() {
            say_line!("error: no run has begun in {store}");
            return Err(UNCHANGED);
        }
        for event in events.iter().filter(|event| event.seq >= shown) {
            match json {
                true => render::json(event),
                false => progress.show(event),
            }
        }
        shown = events.last().map_or(shown, |event| event.seq + 1);
        if let Some((code, words)) = events.iter().rev().find_map(ended) {
            if !json {
                say_line!("{words}");
            }
            return Ok(code);
        }
        let standing = log.lease_state().await;
        let standing = standing.map_err(|error| failed(&error, UNCHANGED))?;
        let now = clock.uptime();
        match (&heard, standing) {
            (Some((before, since)), Some(standing)) if before.last == standing.last => {
                if now.saturating_sub(*since) > EXPIRY {
                    say_line!(
                        "error: the run has not ended, and its controller is silent: {standing}"
                    );
                    say_line!(
                        "  hint: `bluegreen resume` continues it, `bluegreen rollback` puts everything back"
                    );
                    return Ok(NOT_KNOWN);
                }
            }
            (_, Some(standing)) => heard = Some((standing, now)),
            (_, None) => {}
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// The exit code of an end.
fn ended(event: &Event<MigrationEvent>) -> Option<(u8, String)> {
    match &event.kind {
        // The run of a `rollback` ends with 0; a caller that waits for the migration must learn that it was
        // rolled back.
        MigrationEvent::Ended { outcome, exit_code } => {
            let is_back = matches!(outcome, MigrationOutcome::RolledBack { .. });
            let code = if is_back {
                (*exit_code).max(ROLLED_BACK)
            } else {
                *exit_code
            };
            Some((code, outcome.to_string()))
        }
        MigrationEvent::Unresolved { unresolved, .. } => Some((NOT_KNOWN, unresolved.to_string())),
        _ => None,
    }
}

/// Every event of the newest run so far.
async fn events(log: &JournalLog) -> Result<Vec<Event<MigrationEvent>>, String> {
    let told = |error: bluegreen::Error| Failure::from(error).to_string();
    let mut records = pin!(log.newest_run_stream().await.map_err(told)?);
    let mut events = Vec::new();
    let mut retelling: Option<Retelling> = None;
    while let Some(record) = records.next().await {
        let record = record.map_err(told)?;
        match &mut retelling {
            None => {
                let opened = Retelling::open(&record).map_err(|error| error.to_string())?;
                retelling = Some(opened);
            }
            Some(retelling) => {
                let more = retelling.take(&record).map_err(|error| error.to_string())?;
                events.extend(more);
            }
        }
    }
    Ok(events)
}
