//! A test of your own pipeline against the simulated AWS, with faults.
//!
//! ```text
//! cargo run --example simulate_your_pipeline
//! cargo test --example simulate_your_pipeline
//! ```
//!
//! The pipeline takes an `Aws`, so a test can pass a simulated `Aws` with chosen faults: throttles, lost
//! answers, a third party, a green that fails. Prints each world, the exit code of the pipeline there, and
//! the split. Ends with 0 if all runs ended as expected.

#![expect(clippy::print_stdout, reason = "an example prints")]

use std::{error::Error, time::Duration};

use bluegreen::aws::sim::Call::{GetMetricData, ModifyRule};
use bluegreen::aws::sim::Fault::{Denied, Throttle, TimeoutAfterEffect};
use bluegreen::aws::sim::{Behaviour, Service, Simulation, SimulationBuilder, When};
use bluegreen::{Aws, MigrationOutcome, spec::MigrationSpec, store::JournalStore, traffic::Sides};

/// The pipeline under test.
async fn release(aws: &Aws, spec: &MigrationSpec) -> Result<MigrationOutcome, Box<dyn Error>> {
    let store = JournalStore::memory();
    Ok(spec.start(aws, &store, "the pipeline").await?.run().await?)
}

/// Runs the pipeline in a world, and compares its outcome with the world's real split.
async fn ends(name: &str, simulation: &Simulation, wanted: u8) -> Result<(), Box<dyn Error>> {
    let outcome = release(&simulation.aws(), &simulation.spec()).await?;
    let (code, truth) = (outcome.exit_code(), simulation.weights());
    let Sides { blue, green } = truth;
    println!("{name:<28} ends with {code:>2}, traffic {blue}:{green}");
    if code != wanted {
        return Err(format!("{name}: ended with {code}, not {wanted}: {outcome}").into());
    }
    let report = outcome.report();
    let told = report.traffic.as_ref().map(|traffic| traffic.weights);
    if told != Some(truth) {
        return Err(format!("{name}: {told:?} was told, and {truth:?} is true").into());
    }
    Ok(())
}

/// A world in which blue has served for an hour: the start makes its forecast from that hour.
fn world() -> SimulationBuilder {
    Simulation::builder().history(Duration::from_secs(3600))
}

async fn every_world() -> Result<(), Box<dyn Error>> {
    ends("nothing goes wrong", &world().build(), 0).await?;
    // The fault of a call, and the exit code that the pipeline must end with.
    let faults = [
        (
            "the first write is throttled",
            ModifyRule.nth(1),
            Throttle,
            0,
        ),
        (
            "an answer is lost",
            ModifyRule.nth(2),
            TimeoutAfterEffect,
            0,
        ),
        ("a read of metrics fails", GetMetricData.nth(9), Throttle, 0),
        ("a write is denied", ModifyRule.nth(3), Denied, 10),
    ];
    for (name, calls, fault, wanted) in faults {
        let simulation = world().build();
        simulation.fail(calls, fault);
        ends(name, &simulation, wanted).await?;
    }
    let simulation = world().build();
    simulation.third_party_write_at(Duration::from_secs(900), Sides::new(70, 30));
    ends("a third party writes 70:30", &simulation, 12).await?;
    let failing = Service::new(4).with(When::Always, Behaviour::Errors(0.2));
    ends("green fails a fifth", &world().green(failing).build(), 10).await
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Box<dyn Error>> {
    every_world().await
}

#[cfg(test)]
#[tokio::test(start_paused = true)]
async fn the_pipeline_ends_as_it_should_in_every_world() {
    every_world().await.expect("as it should");
}
