//! A controller dies in the middle of a change, and another one resumes its run from the journal.
//!
//! ```text
//! cargo run --example resume_elsewhere
//! ```
//!
//! The first controller is killed after its second write has taken effect and before the answer has come. The
//! second controller has only the journal: it takes over once the first controller's lease has expired, reads
//! the specification from the first record, finds out whether the write took effect, and finishes the run.
//! All in memory and in virtual time here; with `aws.journals(…)` as the store it works across machines.
//! Prints the steps of both, and at the end the split. The exit code is 0 if green is promoted.

#![expect(clippy::print_stdout, reason = "an example prints")]

use std::{error::Error, process::ExitCode};

use bluegreen::{
    Aws,
    aws::sim::{Call, Moment, Scenario},
    engine::Event,
    migration::{MigrationEvent, MigrationOutcome},
    spec::{MigrationSpec, Origin},
    store::{Holder, JournalStore, Take},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let simulation = Scenario::Healthy.simulation(7);
    simulation.start_paused();
    let _pacer = simulation.pace(240.0);
    let (aws, spec, store) = (simulation.aws(), simulation.spec(), JournalStore::memory());

    let mut killed = simulation.stop_at(Call::ModifyRule.nth(2), Moment::AfterEffect);
    let run = spec.start(&aws, &store, "ann").await?;
    let run = run.with(|migration| migration.on_event(|event| show("ann", event)));
    tokio::select! {
        ended = run.run() => return Err(format!("not killed: {ended:?}").into()),
        // Everything that the first controller was doing is dropped here, as by a kill.
        () = killed.reached() => println!("ann         is killed in the middle of a write"),
    }

    let outcome = resume(&aws, &spec, &store).await?;
    println!("{outcome}");
    Ok(outcome.exit_code().into())
}

/// Resumes the run, as another machine would. Uses only the rule of `spec`, to find the journal.
async fn resume(
    aws: &Aws,
    spec: &MigrationSpec,
    store: &JournalStore,
) -> Result<MigrationOutcome, Box<dyn Error>> {
    let log = store.log(spec.locate(aws).await?.as_str());
    let lease = log
        .take(Holder::this_process("bob"), aws.clock(), Take::IfExpired)
        .await?;
    println!("bob         takes the journal over");
    let records = lease.newest_run_to_resume().await?;
    let Origin { spec, from, .. } = Origin::of(&records)?;
    let target = spec.target(aws, Some(&from)).await?;
    let migration = spec.migration(aws, &target, Some(&lease))?;
    let migration = migration.on_event(|event| show("bob", event));
    let ended = migration.resume(&records, "bob").await;
    lease.release().await?;
    Ok(ended?)
}

/// Prints the changes and the steps of a controller; looks are left out.
fn show(who: &str, event: &Event<MigrationEvent>) {
    let line = match &event.kind {
        MigrationEvent::Shifting { to, .. } => format!("shifting to {to}"),
        MigrationEvent::Shifted { traffic } => format!("read back: {traffic}"),
        MigrationEvent::StepPassed { step, .. } => format!("step {} passed", step + 1),
        MigrationEvent::Resumed {
            expected: Some(traffic),
            ..
        } => {
            format!("resumes; last known: {traffic}")
        }
        _ => return,
    };
    println!("{who}  {:>7}  {line}", event.time());
}
