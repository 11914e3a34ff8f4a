//! `bluegreen status --wait` and `bluegreen monitor` of a service whose traffic ECS moves: follows the judge of
//! another process in its journal.

use std::time::Duration;

use bluegreen::{
    native::{Retelling, is_of_judge},
    store::EXPIRY,
};

use super::{log::end_at, render, status::policy};
use crate::{
    common::{
        errors::{UNCHANGED, bad_arguments, failed},
        journal::JournalPlace,
        say::say_line,
    },
    migration::{file::File, world::World},
};
use bluegreen::spec::Use;

/// How often the journal is read.
const EVERY: Duration = Duration::from_secs(2);
/// How long a run may take to begin.
const BEGINS: Duration = Duration::from_secs(10 * 60);
/// The exit code if the judge is silent, so the end of the run is not known.
const NOT_KNOWN: u8 = 20;

/// Follows the newest judge to its end, and returns its exit code. With `since`, a run that begins then or later
/// is waited for.
pub(crate) async fn wait(
    file: &File,
    place: &JournalPlace,
    since: Option<jiff::Timestamp>,
    prints_policy: bool,
    json: bool,
) -> Result<u8, u8> {
    let place = file.journal(place);
    if prints_policy {
        return policy(file, &place, Use::Wait);
    }
    let native = file.spec.native.as_ref().ok_or(UNCHANGED)?;
    let world = World::of(&file.spec, false, None).await?;
    let store = world
        .store(&place)
        .map_err(|problem| bad_arguments(&[problem]))?;
    let mut log = store.log(&native.log_name(world.aws())).follow();
    let clock = world.aws().clock();
    let (mut progress, mut retelling) = (render::Progress::default(), Retelling::new());
    let (begun, mut heard) = (clock.uptime(), clock.uptime());
    let (mut is_judge, mut last) = (false, None);
    loop {
        let followed = log.more().await;
        let followed = followed.map_err(|error| failed(&error, UNCHANGED))?;
        let now = clock.uptime();
        let newest = followed.lease.as_ref().map(|lease| lease.last);
        if newest != last || !followed.records.is_empty() {
            (heard, last) = (now, newest);
        }
        let is_new = !followed.records.is_empty();
        for record in &followed.records {
            if record.seq == 0 {
                let is_late = since.is_none_or(|since| record.at >= since);
                is_judge = is_late && is_of_judge(std::slice::from_ref(record));
            }
            if !is_judge {
                continue;
            }
            let events = retelling.take(record).map_err(|error| {
                say_line!("error: {error}");
                UNCHANGED
            })?;
            for event in &events {
                match json {
                    true => render::json(event),
                    false => progress.show(event),
                }
                if let Some(end) = end_at(event) {
                    if !json {
                        say_line!("{}", end.how);
                    }
                    return Ok(end.exit_code);
                }
            }
        }
        if !is_judge && (since.is_none() || now.saturating_sub(begun) > BEGINS) {
            say_line!("error: no judge has begun in {store}");
            return Err(UNCHANGED);
        }
        if is_judge && now.saturating_sub(heard) > EXPIRY {
            say_line!("error: the run has not ended, and its judge is silent");
            say_line!("  hint: `bluegreen resume` continues it");
            return Ok(NOT_KNOWN);
        }
        if !is_new {
            tokio::time::sleep(EVERY).await;
        }
    }
}

/// Shows the newest judge to its end, for `bluegreen monitor`.
pub(crate) async fn follow(
    file: &File,
    place: &JournalPlace,
    prints_policy: bool,
) -> Result<u8, u8> {
    wait(file, place, None, prints_policy, false).await
}
