//! `bluegreen router plan` and `calibrate`: what blue's past says of the migration to come.

use std::time::Duration;

use bluegreen::{
    Aws, Result,
    health::sequential::{Calibration, Settings, calibrate},
    spec::{MigrationSpec, Target},
};

use crate::common::say::say_line;

/// What to do if there was no request.
const NO_TRAFFIC: &str = "check that blue's target group and the region are the ones that serve; \
    else send requests, synthetic ones count, or judge by the limits alone (--judge limits)";

/// Says what each step will take. False if one cannot be decided at this traffic.
pub(crate) async fn plan(spec: &MigrationSpec, aws: &Aws, target: &Target) -> Result<bool> {
    let Some(forecast) = spec.forecast(aws, target).await? else {
        return Ok(true);
    };
    if forecast.steps.is_empty() {
        say_line!("error: blue had no request in the hour before: nothing can be foreseen");
        say_line!("  hint: {NO_TRAFFIC}");
        return Ok(false);
    }
    say_line!("{forecast}");
    let can = forecast.is_decidable();
    if !can {
        say_line!(
            "  hint: move more to green at once (--steps), send synthetic requests, or judge by the limits alone (--judge limits)"
        );
    }
    Ok(can)
}

/// Says how far blue's past can be trusted. False where that cannot be told.
pub(crate) async fn past(
    spec: &MigrationSpec,
    aws: &Aws,
    target: &Target,
    settings: &Settings,
    days: u32,
) -> Result<bool> {
    say_line!("reading {days} days of blue …");
    let past = Duration::from_secs(u64::from(days) * 86_400);
    let minutes = spec.past(aws, target, past).await?;
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
