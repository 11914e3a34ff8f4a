//! The guide's `deploy/migration_monitor.py` with the library: follows a migration, with the figures of both
//! sides next to each other.
//!
//! ```text
//! cargo run --example migration_monitor
//! ```
//!
//! Prints a row a minute while green slowly begins to fail. The migration is simulated and must be rolled
//! back: then the exit code is 0, otherwise 1. `bluegreen_monitor` folds the events of a run into a `View`;
//! its `page`, `report` and `terminal` show the same view.

#![expect(clippy::print_stdout, reason = "an example prints")]

use std::{error::Error, process::ExitCode};

use bluegreen::{
    aws::sim::Scenario, engine::Event, migration::MigrationEvent, store::JournalStore,
};
use bluegreen_monitor::{SidePoint, View};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let simulation = Scenario::SlowLeak.simulation(7);
    simulation.start_paused();
    let _pacer = simulation.pace(80.0);
    let store = JournalStore::memory();

    println!("{:15}{:^26}     {:^26}", "", "blue", "green");
    let figures = format!("{:>8} {:>7} {:>9}", "req/min", "errors", "latency");
    println!("{:>5} {:>7}  {figures}     {figures}", "time", "share");

    let mut view = View::default();
    let mut shown = None;
    let follow = move |event: &Event<MigrationEvent>| {
        view.take(event);
        let minute = event.elapsed.as_secs() / 60;
        let is_look = matches!(event.kind, MigrationEvent::Looked { .. });
        if is_look && shown != Some(minute) {
            shown = Some(minute);
            show(minute, &view);
        }
        if let MigrationEvent::RollingBack { cause, .. } = &event.kind {
            let cause: String = cause.to_string().chars().take(58).collect();
            println!("{minute:>4}m  rolling back: {cause}");
        }
    };
    let run = simulation
        .spec()
        .start(&simulation.aws(), &store, "ann")
        .await?;
    let outcome = run
        .with(|migration| migration.on_event(follow))
        .run()
        .await?;

    let sent = simulation.sent();
    let failed = simulation.failed();
    println!(
        "green got {} requests, {} of them failed",
        sent.green, failed.green
    );
    if let Some(traffic) = &outcome.report().traffic {
        println!("traffic: {traffic}");
    }
    Ok(u8::from(outcome.exit_code() != 10).into())
}

fn show(minute: u64, view: &View) {
    let Some(point) = view.series.newest() else {
        return;
    };
    let share = known(point.asked, 0, "%");
    println!(
        "{minute:>4}m {share:>7}  {}     {}",
        side(&point.blue),
        side(&point.green)
    );
}

/// The figures of a side in its newest settled minute.
fn side(point: &SidePoint) -> String {
    let rate = known(point.rate, 0, "");
    let errors = known(point.errors, 1, "%");
    let latency = known(point.latency, 0, " ms");
    format!("{rate:>8} {errors:>7} {latency:>9}")
}

fn known(value: Option<f64>, digits: usize, unit: &str) -> String {
    value.map_or_else(|| "-".into(), |value| format!("{value:.digits$}{unit}"))
}
