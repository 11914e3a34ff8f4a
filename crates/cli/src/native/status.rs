//! `bluegreen status` of a service whose traffic ECS moves.

use std::time::Duration;

use bluegreen::{
    Failure,
    aws::ecs::{EcsNativeDeployment, EcsNativeService},
    engine::Request,
    native::PausedDeployment as _,
    spec::Use,
    store::LeaseState,
};
use serde_json::{Value, json};

use super::{
    file::not_moved,
    log::{self, Newest},
};
use crate::{
    common::{
        data::try_json_line,
        errors::{UNCHANGED, bad_arguments, failed, invalid},
        journal::JournalPlace,
        say::{answer, say_line},
    },
    migration::{file::File, rights::printed, world::World},
};

/// The longest wait for the journal.
const JOURNAL_WAITS: Duration = Duration::from_secs(2);

/// What the journal says, if it answers in time.
#[derive(Default)]
struct RunOf {
    holder: Option<LeaseState>,
    requests: Vec<Request>,
    newest: Option<Newest>,
}

/// Shows the newest deployment of the file's service, its judge, and how to put everything back.
pub(crate) async fn status(
    file: &File,
    place: &JournalPlace,
    prints_policy: bool,
    is_json: bool,
) -> Result<u8, u8> {
    let spec = &file.spec;
    let place = file.journal(place);
    if prints_policy {
        return policy(file, &place, Use::Status);
    }
    let native = spec.native.as_ref().ok_or(UNCHANGED)?;
    let world = World::of(spec, false, None).await?;
    let aws = world.aws();
    let service = EcsNativeService::new(aws, &native.service.cluster, &native.service.name);
    let setup = service.setup().await;
    let setup = setup.map_err(|error| failed(&error, UNCHANGED))?;
    let Some(setup) = setup else {
        return Err(not_moved(&native.service));
    };
    let current = setup.current.as_deref();
    let current = current.and_then(|arn| EcsNativeDeployment::new(aws, arn).ok());
    let seen = match &current {
        Some(one) => Some(
            one.observe()
                .await
                .map_err(|error| failed(&error, UNCHANGED))?,
        ),
        None => None,
    };
    let run = run_of(&world, &place, &native.log_name(aws)).await;
    let is_held = run
        .holder
        .as_ref()
        .is_some_and(|state| state.holder.is_some());
    let end = run.newest.as_ref().and_then(Newest::end);
    let is_under_way = seen.as_ref().is_some_and(|seen| !seen.status.is_over());
    let stop = current.as_ref().filter(|_| is_under_way);
    let stop = stop.and_then(|one| one.by_hand());
    let written = match is_json {
        true => try_json_line(&json!({
            "name": spec.name,
            "service": native.service.to_string(),
            "strategy": setup.survey.strategy,
            "deployment": setup.current,
            "observed": seen,
            "holder": run.holder.as_ref().map(ToString::to_string),
            "requests": run.requests,
            "newest_run": end,
            "stop_by_hand": stop,
        })),
        false => {
            let mut lines = vec![format!(
                "{}: service {}, ECS moves the traffic: {}",
                spec.name, native.service, setup.survey.strategy
            )];
            lines.push(match (&setup.current, &seen) {
                (Some(arn), Some(seen)) => format!("deployment {arn}\n  {seen}"),
                _ => "no deployment has begun".to_owned(),
            });
            if let Some(holder) = run.holder.as_ref().filter(|state| state.holder.is_some()) {
                lines.push(format!("judge: the journal is {holder}"));
            }
            for request in &run.requests {
                lines.push(format!(
                    "asked for {} by {}",
                    request.verb.kind(),
                    request.who
                ));
            }
            if let (Some(end), false) = (&end, is_held) {
                lines.push(format!(
                    "the newest judge ended at {:.0}: {}",
                    end.at, end.how
                ));
            }
            let is_unfinished = run.newest.is_some() && end.is_none() && !is_held;
            if is_unfinished && is_under_way {
                lines.push(
                    "the judge has no holder and has not ended: `bluegreen resume` continues it"
                        .to_owned(),
                );
            } else if is_under_way && !is_held {
                lines.push("no judge answers its pauses: `bluegreen judge` does".to_owned());
            }
            if let Some(stop) = stop {
                lines.push(format!("to put everything back by hand:\n  {stop}"));
            }
            answer(&lines.join("\n"))
        }
    };
    Ok(match written {
        Ok(()) => 0,
        Err(error) => {
            say_line!("error: the answer could not be written: {error}");
            UNCHANGED
        }
    })
}

/// Prints the least policy of a use of the file.
pub(super) fn policy(file: &File, place: &JournalPlace, of: Use) -> Result<u8, u8> {
    let mut spec = file.spec.clone();
    spec.journal = place
        .journal
        .as_deref()
        .and_then(|place| place.parse().ok());
    let policy = spec.iam_policy(of).map_err(|error| invalid(&error))?;
    Ok(printed(&policy))
}

async fn run_of(world: &World, place: &JournalPlace, name: &str) -> RunOf {
    if place.journal.is_none() && !world.is_simulated() {
        return RunOf::default();
    }
    let asked = async {
        let store = world
            .store(place)
            .map_err(|problem| bad_arguments(&[problem]));
        let log = store.ok()?.log(name);
        let holder = log.lease_state().await;
        let holder = holder.map_err(|error| say_line!("warning: {}", Failure::from(&error)));
        Some(RunOf {
            holder: holder.ok()?,
            requests: log.open_requests().await.unwrap_or_default(),
            newest: log::newest(&log).await,
        })
    };
    let asked = tokio::time::timeout(JOURNAL_WAITS, asked).await;
    asked.ok().flatten().unwrap_or_default()
}

/// The value of a survey for programs.
pub(super) fn data(survey: &bluegreen::native::NativeSurvey) -> Value {
    serde_json::to_value(survey).unwrap_or_default()
}
