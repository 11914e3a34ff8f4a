//! `bluegreen router plan` and `calibrate`: what blue's past says of the migration to come.

use std::time::Duration;

use bluegreen::{
    Aws, MigrationPlan, Result,
    health::{
        MetricSource, Window,
        sequential::{Calibration, Forecast, MinuteSide, Settings, calibrate, forecast},
    },
};
use jiff::{SignedDuration, Timestamp};

use crate::common::say::say_line;

/// Blue is looked at this long for a forecast.
const PAST: Duration = Duration::from_secs(3_600);
/// So much is read at once.
const PORTION: SignedDuration = SignedDuration::from_hours(6);
/// What to do if there was no request.
const NO_TRAFFIC: &str = "check that blue's target group and the region are the ones that serve; \
    else send requests, synthetic ones count, or judge by the limits alone (--judge limits)";
/// The newest minutes are not complete yet.
const SETTLING: SignedDuration = SignedDuration::from_mins(5);

/// Blue minute by minute, oldest first, as far as it is known, up to `now` by the clock here.
async fn blue(
    source: &dyn MetricSource,
    now: Timestamp,
    past: Duration,
) -> Result<Vec<MinuteSide>> {
    let there = || {
        let ahead = source.ahead(now).unwrap_or_default();
        now.saturating_add(ahead).unwrap_or(now)
    };
    let asked = there();
    let minutes = blue_until(source, asked, past).await?;
    // An answer that tells the time may tell that another window was meant.
    match there() {
        told if told == asked => Ok(minutes),
        told => blue_until(source, told, past).await,
    }
}

/// The same, up to `now` by the source's clock.
async fn blue_until(
    source: &dyn MetricSource,
    now: Timestamp,
    past: Duration,
) -> Result<Vec<MinuteSide>> {
    let period = SignedDuration::try_from(source.period()).unwrap_or(SignedDuration::from_mins(1));
    let grid = period.as_secs().max(60);
    let floor = |at: Timestamp| {
        let second = at.as_second().div_euclid(grid) * grid;
        Timestamp::from_second(second).unwrap_or(at)
    };
    let end = floor(now - SETTLING);
    let past = SignedDuration::try_from(past).unwrap_or(PORTION);
    let mut from = floor(end - past);
    let mut minutes = Vec::new();
    while from < end {
        let to = floor(from + PORTION).min(end);
        let mut buckets = source.read(&Window::new(from, to)).await?;
        buckets.sort_by_key(|bucket| bucket.start);
        let known = buckets.iter().map(|bucket| &bucket.sides.blue);
        minutes.extend(known.filter_map(MinuteSide::of));
        from = to;
    }
    Ok(minutes)
}

/// Says what each step will take. False where one cannot be decided at this traffic.
pub(crate) async fn plan(
    source: &dyn MetricSource,
    aws: &Aws,
    plan: &MigrationPlan,
    settings: &Settings,
) -> Result<bool> {
    let minutes = blue(source, aws.clock().now(), PAST).await?;
    let requests: u64 = minutes.iter().map(|side| side.requests).sum();
    let errors: u64 = minutes.iter().map(|side| side.errors.low()).sum();
    if requests == 0 {
        say_line!("error: blue had no request in the hour before: nothing can be foreseen");
        say_line!("  hint: {NO_TRAFFIC}");
        return Ok(false);
    }
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    let (a_minute, rate) = (
        requests as f64 / minutes.len() as f64,
        errors as f64 / requests as f64,
    );
    say_line!(
        "blue in the hour before: {a_minute:.0} requests a minute, {:.2}% of them failed",
        100.0 * rate
    );
    let steps = plan.steps().iter().map(|step| step.green.as_fraction());
    // After a step that holds blue back, the last one only watches.
    let held = plan.steps().iter().rev().nth(1);
    let is_held = held.is_some_and(|step| step.green.as_fraction() > 0.85);
    let shares: Vec<f64> = steps.filter(|share| *share < 1.0 || !is_held).collect();
    let mut can = true;
    for step in forecast(a_minute, rate, &shares, settings) {
        can &= step.minutes.is_some();
        say_line!("  {}", shown(&step));
    }
    if !can {
        say_line!(
            "  hint: move more to green at once (--steps), send synthetic requests, or judge by the limits alone (--judge limits)"
        );
    }
    Ok(can)
}

fn shown(step: &Forecast) -> String {
    let time = match step.minutes {
        Some(minutes) => format!("about {minutes} min to prove green as good"),
        None => "cannot be proved in time".to_owned(),
    };
    let caught = match step.caught {
        Some(rate) => format!(
            "an error rate of {:.2}% or more is stopped (power 80%)",
            100.0 * rate
        ),
        None => "nothing is stopped in time".to_owned(),
    };
    format!(
        "{:>5.1}%  {:>7.0} requests a minute on green: {time}; {caught}",
        100.0 * step.share,
        step.green_requests
    )
}

/// Says how far blue's past can be trusted. False where that cannot be told.
pub(crate) async fn past(
    source: &dyn MetricSource,
    aws: &Aws,
    settings: &Settings,
    days: u32,
) -> Result<bool> {
    say_line!("reading {days} days of blue …");
    let past = Duration::from_secs(u64::from(days) * 86_400);
    let minutes = blue(source, aws.clock().now(), past).await?;
    if minutes.iter().all(|side| side.requests == 0) {
        say_line!("error: blue had no request in these {days} days: nothing can be calibrated");
        say_line!("  hint: {NO_TRAFFIC}");
        return Ok(false);
    }
    let found = calibrate(&minutes, settings);
    say_line!(
        "{} minutes, {} windows of half an hour, each against the two hours before it",
        minutes.len(),
        found.windows
    );
    for (ratio, alarms) in &found.alarms {
        say_line!("  ratio {ratio:.1}: {alarms} false alarms");
    }
    match found.ratio {
        Some(ratio) => {
            say_line!("--history-ratio {ratio}: no alarm, so at most 1% with a confidence of 95%");
        }
        None if found.windows < Calibration::ENOUGH => {
            say_line!(
                "that is too little: {} windows are needed",
                Calibration::ENOUGH
            );
        }
        None => say_line!("blue swings too much to be held against its past: keep the hold-back"),
    }
    Ok(found.ratio.is_some())
}
