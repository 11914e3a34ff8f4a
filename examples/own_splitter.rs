//! A splitter of your own: a router that reads its weights from a file, such as a proxy's configuration.
//!
//! ```text
//! cargo run --example own_splitter
//! ```
//!
//! The conformance suite tests all behaviour that a run relies on, then a migration uses the splitter, in
//! virtual time. Prints each event. Ends with 0 if the splitter conforms and green is promoted.

#![expect(clippy::print_stdout, reason = "an example prints")]

use std::{fs, future::ready, path::PathBuf, process::ExitCode, time::Duration};

use async_trait::async_trait;
use bluegreen::traffic::conformance::{self, Behaviour, Fixture, Truth};
use bluegreen::traffic::{Shift, Shifted, Sides, TargetCounts, TrafficObservation};
use bluegreen::{Error, ErrorKind, Migration, Result, TrafficSplitter, Verdict, gate_fn};

/// The file has both weights and the rest of the configuration, as JSON.
#[derive(Debug, Clone)]
struct FileRouter(PathBuf);

impl FileRouter {
    fn read(&self) -> Result<(Sides<u32>, String)> {
        let read = fs::read(&self.0).and_then(|text| Ok(serde_json::from_slice(&text)?));
        let failed = Error::new(ErrorKind::Unavailable, "read the weights");
        read.map_err(|error| failed.with_source(error))
    }

    fn write(&self, weights: Sides<u32>, rest: &str) -> Result<()> {
        let text = serde_json::json!([weights, rest]).to_string();
        // A write that failed may have happened: the run reads before it decides.
        let failed = Error::new(ErrorKind::OutcomeUnknown, "write the weights");
        fs::write(&self.0, text).map_err(|error| failed.with_source(error))
    }
}

#[async_trait]
impl TrafficSplitter for FileRouter {
    async fn observe(&self) -> Result<TrafficObservation> {
        let (weights, rest) = self.read()?;
        // A real router knows how many of its targets are healthy.
        let targets = Sides::both(TargetCounts::all_healthy(2));
        // A fingerprint covers everything except for the weights; a large rest is hashed.
        Ok(TrafficObservation::new(weights, targets, rest))
    }
    async fn shift(&self, shift: &Shift) -> Result<Shifted> {
        // Refuses if a third party changed the file in between.
        if shift.is_to_write(&self.observe().await?)? {
            self.write(shift.to.weights(), &self.read()?.1)?;
        }
        Ok(Shifted::Seen(self.observe().await?))
    }
    fn propagation(&self) -> Duration {
        Duration::ZERO // A read shows a write at once.
    }
}

/// For the suite: reads and writes the same file without the splitter.
#[async_trait]
impl Fixture for FileRouter {
    async fn reset(&self) -> Result<()> {
        self.write(Sides::new(1, 0), "port 80")
    }
    async fn splitter(&self) -> Result<Box<dyn TrafficSplitter>> {
        Ok(Box::new(self.clone()))
    }
    async fn truth(&self) -> Result<Truth> {
        self.read().map(|(weights, rest)| Truth::new(weights, rest))
    }
    async fn write_weights(&self, weights: Sides<u32>) -> Result<()> {
        self.write(weights, &self.read()?.1)
    }
    async fn change_rest(&self) -> Result<()> {
        self.write(self.read()?.0, "port 8080")
    }
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> std::result::Result<ExitCode, Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let router = FileRouter(folder.path().join("weights"));
    conformance::check(&router).await?;
    println!("conforms: {} behaviours were tried", Behaviour::ALL.len());
    router.reset().await?;
    let fine = gate_fn("fine", |_look| ready(Ok(Verdict::healthy("all is well"))));
    let migration = Migration::for_tests(router).gate("fine", fine);
    let migration = migration.on_event(|event| println!("{}", event.line(80)));
    Ok(migration.run().await?.exit_code().into())
}
