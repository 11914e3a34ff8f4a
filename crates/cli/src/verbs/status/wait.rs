//! `bluegreen status --wait`: follows the run of another process in its journal, to its end.

use std::time::Duration;

use bluegreen::{
    MigrationOutcome,
    engine::Event,
    migration::{MigrationEvent, Retelling},
    store::{EXPIRY, Followed, LeaseState},
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;

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

/// How long a run may take to begin: a task of Fargate waits for its image for some minutes.
const BEGINS: Duration = Duration::from_secs(10 * 60);

/// Waits for the end of the newest run, and returns its exit code. With `since`, an earlier run is not waited
/// for, but a run that begins at that time or later.
pub(super) async fn run(opened: &Opened, since: Option<Timestamp>, json: bool) -> Result<u8, u8> {
    let store = opened
        .store()
        .map_err(|problem| bad_arguments(&[problem]))?;
    let rule = opened.spec.locate(opened.aws()).await;
    let rule = rule.map_err(|error| failed(&error, UNCHANGED))?;
    let mut log = store.log(rule.as_str()).follow();
    let clock = opened.aws().clock();
    let mut progress = render::Progress::of(&opened.plan);
    let mut told = Retelling::new();
    let mut has_begun = false;
    let mut heard: Option<(LeaseState, Duration)> = None;
    let mut unread: Option<Duration> = None;
    let begun = clock.uptime();
    loop {
        let now = clock.uptime();
        let followed = match log.more().await {
            Ok(mut followed) => {
                if !has_begun && is_earlier(&followed, since) {
                    followed.records.clear();
                }
                followed
            }
            Err(error) => {
                let since = *unread.get_or_insert_with(|| {
                    say_line!("the journal cannot be read, and is tried again: {error}");
                    now
                });
                if !error.kind().is_transient() || now.saturating_sub(since) > EXPIRY {
                    return Err(failed(&error, UNCHANGED));
                }
                tokio::time::sleep(EVERY).await;
                continue;
            }
        };
        unread = None;
        let is_new = !followed.records.is_empty();
        let events = told.retell(stream::iter(followed.records).map(Ok));
        let events: Vec<_> = events
            .try_collect()
            .await
            .map_err(|error| failed(&error, UNCHANGED))?;
        has_begun |= is_new;
        if !has_begun {
            if since.is_some() && now.saturating_sub(begun) < BEGINS {
                tokio::time::sleep(EVERY).await;
                continue;
            }
            match since {
                Some(since) => say_line!("error: no run has begun since {since} in {store}"),
                None => say_line!("error: no run has begun in {store}"),
            }
            return Err(UNCHANGED);
        }
        for event in &events {
            match json {
                true => render::json(event),
                false => progress.show(event),
            }
        }
        if let Some((code, words)) = events.iter().rev().find_map(ended) {
            if !json {
                say_line!("{words}");
            }
            return Ok(code);
        }
        if let Some(standing) = silent(&mut heard, followed.lease, now) {
            say_line!("error: the run has not ended, and its controller is silent: {standing}");
            say_line!(
                "  hint: `bluegreen resume` continues it, `bluegreen rollback` puts everything back"
            );
            return Ok(NOT_KNOWN);
        }
        if !is_new {
            tokio::time::sleep(EVERY).await;
        }
    }
}

/// Returns the lease if its holder has been silent for too long. `heard` keeps the newest state of the lease, and
/// since when it stands.
fn silent(
    heard: &mut Option<(LeaseState, Duration)>,
    lease: Option<LeaseState>,
    now: Duration,
) -> Option<LeaseState> {
    let standing = lease?;
    match heard {
        Some((before, since)) if before.last == standing.last => {
            (now.saturating_sub(*since) > EXPIRY).then_some(standing)
        }
        _ => {
            *heard = Some((standing, now));
            None
        }
    }
}

/// Whether these are the first records of a run that began before that time.
fn is_earlier(followed: &Followed, since: Option<Timestamp>) -> bool {
    let first = followed.records.first().filter(|_| followed.begins);
    first.is_some_and(|first| since.is_some_and(|since| first.at < since))
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
