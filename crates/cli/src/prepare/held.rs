//! `prepare` under the lease of its journal, so that a killed run is known to the next one.

use std::pin::pin;

use bluegreen::{
    Aws, Error, ErrorKind,
    aws::alb::{GreenPlace, RuleArn},
    engine::Journal as _,
    store::{JournalStore, Lease, Take},
};
use futures_util::future::{Either, select};

use super::{Cli, beside::Beside};
use crate::common::{journal::take, say::say_line};

/// Prepares the place that `make` returns for a handle to AWS, or removes it.
pub(super) async fn run(
    cli: &Cli,
    aws: &Aws,
    store: &JournalStore,
    make: impl Fn(&Aws) -> bluegreen::Result<GreenPlace>,
) -> bluegreen::Result<()> {
    let rule = make(aws)?.locate().await?;
    Beside::of(store, &rule, aws).no_run().await?;
    let log = store.log(&GreenPlace::log_name(&rule));
    let lease = take(&log, &cli.told.operator, aws.clock(), Take::IfExpired).await;
    let lease = lease.map_err(held_by)?;
    let ended = {
        let work = pin!(under(cli, aws, store, &rule, &lease, make));
        let lost = pin!(lease.heartbeat());
        match select(work, lost).await {
            Either::Left((ended, _)) => ended,
            Either::Right((error, _)) => Err(error),
        }
    };
    if let Err(error) = lease.release().await {
        say_line!("warning: the journal's lease was not released: {error}");
    }
    ended
}

/// There is nothing here that `resume` could continue.
fn held_by(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Held => {
            error.with_hint("another `prepare` works on this place: wait until it has ended")
        }
        _ => error,
    }
}

async fn under(
    cli: &Cli,
    aws: &Aws,
    store: &JournalStore,
    rule: &RuleArn,
    lease: &Lease,
    make: impl Fn(&Aws) -> bluegreen::Result<GreenPlace>,
) -> bluegreen::Result<()> {
    let records = lease.newest_run().await?;
    let place = make(&aws.fenced(lease.clone()))?;
    let journal = Beside::of(store, rule, aws).journal(lease.clone());
    let place = place.journal(journal).after(&records);
    if let Some(step) = place.cut_off_at() {
        say_line!("a run was cut off at this step: {step}");
        say_line!("waiting until reads show it, if it was taken: 40 s after it at most");
    }
    super::run(cli, place).await
}
