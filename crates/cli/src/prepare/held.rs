//! `prepare` under the lease of its journal, so that a killed run is known to the next one.

use std::pin::pin;

use bluegreen::{
    Aws, Error, ErrorKind,
    aws::alb::{GreenPlace, RuleArn},
    engine::Journal as _,
    store::{EXPIRY, JournalStore, Lease, Take},
};
use futures_util::future::{Either, select};

use super::Cli;
use crate::common::{journal::take, say::say_line};

/// Prepares the place that `make` returns for a handle to AWS, or removes it.
pub(super) async fn run(
    cli: &Cli,
    aws: &Aws,
    store: &JournalStore,
    make: impl Fn(&Aws) -> bluegreen::Result<GreenPlace>,
) -> bluegreen::Result<()> {
    let rule = make(aws)?.locate().await?;
    no_run(aws, store, &rule).await?;
    let log = store.log(&GreenPlace::log_name(&rule));
    let lease = take(&log, &cli.told.operator, aws.clock(), Take::IfExpired).await?;
    let ended = {
        let work = pin!(under(cli, aws, &lease, make));
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

async fn under(
    cli: &Cli,
    aws: &Aws,
    lease: &Lease,
    make: impl Fn(&Aws) -> bluegreen::Result<GreenPlace>,
) -> bluegreen::Result<()> {
    let records = lease.newest_run().await?;
    let place = make(&aws.fenced(lease.clone()))?;
    let place = place.journal(lease.clone()).after(&records);
    if let Some(step) = place.cut_off_at() {
        say_line!("a run was cut off at this step: {step}");
        say_line!("waiting until reads show it, if it was taken: 40 s after it at most");
    }
    super::run(cli, place).await
}

/// Refuses to change the rule of a run that is under way: the run would take the change for a third party's.
async fn no_run(aws: &Aws, store: &JournalStore, rule: &RuleArn) -> bluegreen::Result<()> {
    let Some(standing) = store.log(rule.as_str()).lease_state().await? else {
        return Ok(());
    };
    let silent = aws.clock().now().duration_since(standing.last);
    let is_alive = std::time::Duration::try_from(silent).map_or(true, |silent| silent < EXPIRY);
    if standing.holder.is_none() || !is_alive {
        return Ok(());
    }
    let message = format!("change rule {rule}: its journal is {standing}");
    let hint = "wait until that run has ended: `bluegreen status`";
    Err(Error::new(ErrorKind::Held, message).with_hint(hint))
}
