//! The guide's `deploy/traffic_router.py` over the library: moves live traffic from blue to green, a step
//! at a time, and back if green does harm.
//!
//! ```text
//! cargo run --example traffic_router                  # a simulated AWS: half an hour in 20 s
//! cargo run --example traffic_router bluegreen.toml   # the real one, as the file says
//! ```
//!
//! Prints a line a minute with green's share, and at the end where traffic is. Ctrl-C rolls back. Ends
//! with 0 if green is promoted, 10 if it was rolled back, 11 if that was by Ctrl-C, and as
//! `MigrationOutcome::exit_code` says else.

#![expect(clippy::print_stdout, reason = "an example prints")]

use std::{env, error::Error, fs, process::ExitCode, thread};

use bluegreen::{
    Aws,
    aws::sim::Scenario,
    engine::{ControlHandle, Event},
    migration::MigrationEvent,
    spec::{JournalPlace, MigrationSpec},
    store::JournalStore,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let (aws, spec, store, _pacer) = match env::args().nth(1) {
        Some(file) => {
            let spec = MigrationSpec::from_toml(&fs::read_to_string(file)?)?;
            let aws = match spec.region_of_all() {
                Some(region) => Aws::from_env_in(region).await,
                None => Aws::from_env().await,
            };
            let store = match &spec.journal {
                Some(JournalPlace::S3 { bucket, prefix }) => aws.journals(bucket, prefix)?,
                Some(JournalPlace::Folder(folder)) => JournalStore::local(folder)?,
                _ => return Err("the file names no `journal`".into()),
            };
            (aws, spec, store, None)
        }
        None => {
            let simulation = Scenario::Healthy.simulation(7);
            simulation.start_paused();
            let pacer = simulation.pace(150.0);
            let (aws, spec) = (simulation.aws(), simulation.spec());
            (aws, spec, JournalStore::memory(), Some(pacer))
        }
    };
    let by = env::var("USER").unwrap_or_else(|_| "an operator".into());
    let mut minute = None;
    let run = spec.start(&aws, &store, &by).await?;
    let run = run.with(|migration| migration.on_event(move |event| show(event, &mut minute)));

    cancel_on_ctrl_c(run.handle())?;
    let (code, report) = match run.run().await {
        Ok(outcome) => (outcome.exit_code(), outcome.to_string()),
        Err(error) => (error.exit_code(), error.to_string()),
    };
    println!("{report}");
    Ok(code.into())
}

/// What changes something, and a look a minute.
fn show(event: &Event<MigrationEvent>, minute: &mut Option<u64>) {
    let seconds = event.elapsed.as_secs();
    let line = match &event.kind {
        MigrationEvent::Looked {
            phase,
            traffic: Ok(traffic),
            gates,
            ..
        } => {
            if minute.replace(seconds / 60) == Some(seconds / 60) {
                return;
            }
            let open = gates
                .iter()
                .filter(|standing| !standing.verdict.is_healthy());
            let open: Vec<_> = open.map(|standing| standing.gate.as_str()).collect();
            let waits = match &open[..] {
                [] => "all gates are healthy".to_owned(),
                open => format!("waits for {}", open.join(", ")),
            };
            let share = traffic.green_share();
            let bar = "#".repeat((share * 20.0).round() as usize);
            format!(
                "{phase:<9} [{bar:.<20}] {:>3.0}% green  {waits}",
                share * 100.0
            )
        }
        MigrationEvent::PreflightPassed { .. } => "preflight passed".to_owned(),
        MigrationEvent::StepPassed { step, .. } => format!("step {} passed", step + 1),
        MigrationEvent::Shifting { to, .. } => format!("shifting to {to}"),
        MigrationEvent::Shifted { .. } | MigrationEvent::Looked { .. } => return,
        MigrationEvent::Ended { .. } | MigrationEvent::Unresolved { .. } => return,
        other => other.to_string().chars().take(72).collect(),
    };
    println!("{:02}:{:02}  {line}", seconds / 60, seconds % 60);
}

/// On a thread and a runtime of its own: the simulation pauses the clock of this one, and a runtime with a
/// paused clock must not wait for signals.
fn cancel_on_ctrl_c(handle: ControlHandle) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    thread::spawn(move || {
        while runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
            let _answer = handle.cancel("Ctrl-C");
        }
    });
    Ok(())
}
