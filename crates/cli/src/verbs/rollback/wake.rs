//! A rollback to a side that `cleanup` has scaled to zero: the side is scaled up first, and has its targets
//! before it gets traffic.

use std::time::Duration;

use bluegreen::{
    TrafficSplitter as _, aws::retire::Retired, spec::Target, traffic::TrafficObservation,
};
use tokio::time::{sleep, timeout};

use crate::{
    common::{
        errors::{BAD_ARGUMENTS, UNCHANGED, failed},
        say::say_line,
    },
    migration::open::Opened,
};

/// How long a rollback waits for the answer whether blue was retired: mostly it was not.
const KNOWN_WITHIN: Duration = Duration::from_secs(2);
/// How long blue's targets may take, as a gradual restore of the usual plan may.
const HEALTHY_WITHIN: Duration = Duration::from_secs(15 * 60);
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Scales blue up and waits for its targets, if `cleanup` has scaled blue to zero. With `force` nothing is
/// waited for.
pub(super) async fn woken(opened: &Opened, target: &Target, force: bool) -> Result<(), u8> {
    let Some(service) = &target.sides.blue.service else {
        return Ok(());
    };
    let asked = Retired::of(opened.aws(), &service.cluster, &service.name);
    let Ok(Ok(Some(retired))) = timeout(KNOWN_WITHIN, asked).await else {
        return Ok(());
    };
    let (name, tasks) = (&service.name, retired.tasks());
    say_line!("`cleanup` has scaled blue to zero: scaling service {name} up to {tasks} first");
    let splitter = opened.spec.splitter(opened.aws(), target);
    let splitter = splitter.map_err(|error| failed(&error, BAD_ARGUMENTS))?;
    let clock = opened.aws().clock();
    let end = clock.uptime() + HEALTHY_WITHIN;
    let mut is_asked = false;
    let mut told = None;
    loop {
        if !is_asked {
            match retired.wake().await {
                Ok(()) => is_asked = true,
                Err(error) if error.kind().is_transient() => say_line!("warning: {error}"),
                Err(error) if !force => return Err(failed(&error, UNCHANGED)),
                Err(error) => say_line!("warning: {error}"),
            }
        }
        if force {
            break;
        }
        let traffic = splitter.observe().await;
        if let Err(error) = &traffic {
            say_line!("warning: {error}");
        }
        let healthy = traffic.as_ref().map_or(0, |seen| seen.targets.blue.healthy);
        if traffic.is_ok_and(|seen| may_go(&seen, tasks)) {
            break;
        }
        if clock.uptime() >= end {
            return late(healthy, tasks, &retired.command());
        }
        if told != Some(healthy) {
            say_line!("waiting: {healthy} of {tasks} targets of blue are healthy");
            told = Some(healthy);
        }
        sleep(LOOK_AGAIN).await;
    }
    if let Err(error) = retired.is_back().await {
        say_line!("warning: {error}");
    }
    Ok(())
}

/// Whether traffic may go back now: blue is whole, or green has no healthy target and blue has some.
fn may_go(seen: &TrafficObservation, tasks: u32) -> bool {
    let healthy = seen.targets.blue.healthy;
    let is_green_dead = seen.targets.green.healthy == 0;
    if is_green_dead && (1..tasks).contains(&healthy) {
        say_line!("green has no healthy target: moving with {healthy} of {tasks} targets of blue");
    }
    healthy >= tasks || (is_green_dead && healthy > 0)
}

/// Ends the wait: traffic moves with some targets, and stays if there is none.
fn late(healthy: u32, tasks: u32, command: &str) -> Result<(), u8> {
    let minutes = HEALTHY_WITHIN.as_secs() / 60;
    if healthy > 0 {
        say_line!(
            "warning: after {minutes} minutes {healthy} of {tasks} targets of blue are healthy"
        );
        return Ok(());
    }
    say_line!(
        "error: after {minutes} minutes no target of blue is healthy, so traffic stays on green"
    );
    say_line!("  hint: see why its tasks do not start; by hand: {command}");
    Err(UNCHANGED)
}
