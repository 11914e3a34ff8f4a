//! A test of your own pipeline against the simulated AWS, with faults.
//!
//! ```text
//! cargo run --example simulate_your_pipeline
//! cargo test --example simulate_your_pipeline
//! ```
//!
//! The pipeline takes an `Aws`, so a test hands it a simulated one and says what goes wrong in it: throttles,
//! lost answers, a third party, a green that fails. Prints each world, how the pipeline ended in it, and where
//! traffic is. Ends with 0 if all ended as they should.

#![expect(clippy::print_stdout, reason = "an example prints")]

use std::{error::Error, time::Duration};

use bluegreen::{
    Aws, MigrationOutcome,
    aws::sim::{Behaviour, Call, Fault, Service, Simulation, SimulationBuilder, When},
    spec::MigrationSpec,
    store::JournalStore,
    traffic::Sides,
};

/// The pipeline under test.
async fn release(aws: &Aws, spec: &MigrationSpec) -> Result<MigrationOutcome, Box<dyn Error>> {
    let store = JournalStore::memory();
    Ok(spec.start(aws, &store, "the pipeline").await?.run().await?)
}

/// What happens in a world.
type Happens = fn(&Simulation);

/// A name, what happens, and the exit code that must come of it.
const WORLDS: [(&str, Happens, u8); 6] = [
    ("nothing goes wrong", |_| {}, 0),
    (
        "the first write is throttled",
        |aws| aws.fail(Call::ModifyRule.nth(1), Fault::Throttle),
        0,
    ),
    (
        "a write's answer is lost",
        |aws| aws.fail(Call::ModifyRule.nth(2), Fault::TimeoutAfterEffect),
        0,
    ),
    (
        "one read of metrics fails",
        |aws| aws.fail(Call::GetMetricData.nth(9), Fault::Throttle),
        0,
    ),
    (
        "the third write is denied",
        |aws| aws.fail(Call::ModifyRule.nth(3), Fault::Denied),
        10,
    ),
    (
        "a third party writes 70/30",
        |aws| {
            aws.third_party_write_at(
                Duration::from_secs(900),
                Sides {
                    blue: 70,
                    green: 30,
                },
            );
        },
        12,
    ),
];

/// Runs the pipeline in a world, and holds its last words against the world's truth.
async fn ends(name: &str, simulation: &Simulation, wanted: u8) -> Result<(), Box<dyn Error>> {
    let outcome = release(&simulation.aws(), &simulation.spec()).await?;
    let code = outcome.exit_code();
    let told = outcome
        .report()
        .traffic
        .as_ref()
        .map(|traffic| traffic.weights);
    let truth = simulation.weights();
    println!(
        "{name:<32} ends with {code:>2}, traffic {}:{}",
        truth.blue, truth.green
    );
    if code != wanted {
        return Err(format!("{name}: ended with {code}, not {wanted}: {outcome}").into());
    }
    if told != Some(truth) {
        return Err(format!("{name}: {told:?} was told, and {truth:?} is true").into());
    }
    Ok(())
}

/// Blue has served for an hour, which is what a start foresees from.
fn world() -> SimulationBuilder {
    Simulation::builder().history(Duration::from_secs(3600))
}

async fn every_world() -> Result<(), Box<dyn Error>> {
    for (name, happens, wanted) in WORLDS {
        let simulation = world().build();
        happens(&simulation);
        ends(name, &simulation, wanted).await?;
    }
    let failing = Service::new(4).with(When::Always, Behaviour::Errors(0.2));
    let simulation = world().green(failing).build();
    ends("green fails a fifth", &simulation, 10).await
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
