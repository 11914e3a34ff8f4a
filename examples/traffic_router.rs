//! The guide's `deploy/traffic_router.py` with the library: moves live traffic from blue to green, a step
//! at a time, and back if green does harm.
//!
//! ```text
//! cargo run --example traffic_router                    # a simulated AWS: half an hour in 20 s
//! cargo run --example traffic_router green-errors max   # another scenario, with no waiting
//! cargo run --example traffic_router bluegreen.toml     # the real AWS, as the file says
//! ```
//!
//! Prints a line a minute with green's share, and at the end the split. Ctrl-C rolls back. The exit code
//! is 0 if green is promoted, 10 after a rollback, 11 after a rollback by Ctrl-C, otherwise as in
//! `MigrationOutcome::exit_code`.

#![expect(clippy::print_stdout, reason = "an example prints")]

use std::{env, error::Error, fs, process::ExitCode, thread};

use bluegreen::engine::{ControlHandle, Event};
use bluegreen::{aws::sim::Scenario, migration::MigrationEvent, spec::MigrationSpec};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let what = env::args().nth(1).unwrap_or_else(|| "healthy".into());
    let mut _pacer = None;
    let started = match what.parse::<Scenario>() {
        Ok(scenario) => {
            let simulation = scenario.simulation(1);
            simulation.start_paused();
            _pacer = (env::args().nth(2).as_deref() != Some("max")).then(|| simulation.pace(150.0));
            simulation.start().await
        }
        Err(_) => {
            let spec = MigrationSpec::from_toml(&fs::read_to_string(what)?)?;
            let (aws, store) = spec.open().await?;
            let by = env::var("USER").unwrap_or_else(|_| "an operator".into());
            spec.start(&aws, &store, &by).await
        }
    };
    let run = match started {
        Ok(run) => run,
        Err(refused) => {
            println!("{refused}");
            return Ok(refused.exit_code().into());
        }
    };
    let mut minute = None;
    let run = run.with(|migration| migration.on_event(move |event| show(event, &mut minute)));
    cancel_on_ctrl_c(run.handle())?;
    Ok(match run.run().await {
        Ok(outcome) => outcome.exit_code().into(),
        Err(error) => error.exit_code().into(),
    })
}

/// Prints the events; of the looks only one a minute.
fn show(event: &Event<MigrationEvent>, minute: &mut Option<u64>) {
    let (time, now) = (event.time(), event.elapsed.as_secs() / 60);
    match &event.kind {
        MigrationEvent::Looked { phase, gates, .. } => {
            let traffic = event.kind.traffic();
            let Some(traffic) = traffic.filter(|_| minute.replace(now) != Some(now)) else {
                return;
            };
            let (phase, share) = (phase.to_string(), traffic.green_share() * 100.0);
            let bar = "#".repeat((share / 5.0).round() as usize);
            let open = gates.iter().filter(|gate| !gate.verdict.is_healthy());
            let open = format!("{} of {} gates wait", open.count(), gates.len());
            println!("{time:>7}  {phase:<9} [{bar:.<20}] {share:>3.0}% green  {open}");
        }
        MigrationEvent::PreflightPassed { .. } => println!("{time:>7}  preflight passed"),
        MigrationEvent::Shifting { to, .. } => println!("{time:>7}  shifting to {to}"),
        MigrationEvent::Shifted { .. } => {}
        // The whole text, with the steps that an operator may have to take.
        MigrationEvent::Ended { .. } | MigrationEvent::Unresolved { .. } => println!("{event}"),
        _ => println!("{}", event.line(80)),
    }
}

/// On a thread and a runtime of its own: the simulation pauses the clock of this one, and a runtime with a
/// paused clock must not wait for signals.
fn cancel_on_ctrl_c(handle: ControlHandle) -> std::io::Result<()> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_io().build()?;
    thread::spawn(move || {
        while runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
            let _answer = handle.cancel("Ctrl-C");
        }
    });
    Ok(())
}
