//! A splitter of your own: a router that reads its weights from a file, such as a proxy's configuration.
//!
//! ```text
//! cargo run --example own_splitter
//! ```
//!
//! First the conformance suite tries all that a run relies on, then a migration goes through the splitter,
//! in virtual time. Prints what was tried and each shift, and at the end where traffic is. Ends with 0 if the
//! splitter conforms and green is promoted.

#![expect(clippy::print_stdout, reason = "an example prints")]

use std::{fs, path::PathBuf, process::ExitCode, time::Duration};

use async_trait::async_trait;
use bluegreen::{
    Error, ErrorKind, Migration, MigrationPlan, Result, TrafficSplitter, Verdict, gate_fn,
    migration::MigrationEvent,
    mock::TestClock,
    preflight::Finding,
    traffic::{
        Shift, Shifted, Sides, TargetCounts, TrafficObservation,
        conformance::{self, Behaviour, Fixture, Truth},
    },
};

/// One line: blue's weight, green's weight, and the port.
#[derive(Debug, Clone)]
struct FileRouter(PathBuf);

impl FileRouter {
    fn read(&self) -> Result<(Sides<u32>, String)> {
        let failed = || Error::new(ErrorKind::Unavailable, "read the weights");
        let text = fs::read_to_string(&self.0).map_err(|error| failed().with_source(error))?;
        let mut words = text.split_whitespace();
        let mut weight = || words.next()?.parse().ok();
        let weights = weight()
            .zip(weight())
            .map(|(blue, green)| Sides { blue, green });
        let whole = weights.zip(words.next().map(str::to_owned));
        whole.ok_or_else(|| failed().with_hint("it must have two weights and a port"))
    }

    fn write(&self, weights: Sides<u32>, port: &str) -> Result<()> {
        let text = format!("{} {} {port}\n", weights.blue, weights.green);
        // Whether it is there after a failure is not known: a run reads before it decides.
        let failed =
            |error| Error::new(ErrorKind::OutcomeUnknown, "write the weights").with_source(error);
        fs::write(&self.0, text).map_err(failed)
    }
}

#[async_trait]
impl TrafficSplitter for FileRouter {
    async fn preflight(&self) -> Result<Vec<Finding>> {
        Ok(Vec::new())
    }

    async fn observe(&self) -> Result<TrafficObservation> {
        let (weights, port) = self.read()?;
        // A real router knows how many of its targets are healthy.
        let targets = Sides {
            blue: TargetCounts::all_healthy(2),
            green: TargetCounts::all_healthy(2),
        };
        // The fingerprint is of everything but the weights.
        Ok(TrafficObservation::new(
            weights,
            targets,
            format!("v1:{port}"),
        ))
    }

    async fn shift(&self, shift: &Shift) -> Result<Shifted> {
        let found = self.observe().await?;
        if !shift.may_replace(&found) {
            let why = found.drift_from(&shift.from).join("; ");
            let message = format!("shift to {}: {why}", shift.to);
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        // A restore is always written, even if blue seems to have everything.
        if shift.restores() || !found.is_at(shift.to) {
            let (_, port) = self.read()?;
            let blue = shift.to.blue().as_tenths().into();
            self.write(
                Sides {
                    blue,
                    green: shift.to.green().as_tenths().into(),
                },
                &port,
            )?;
        }
        Ok(Shifted::Seen(self.observe().await?))
    }

    /// A file is read as it was written.
    fn propagation(&self) -> Duration {
        Duration::ZERO
    }
}

/// The same file, past the splitter.
#[async_trait]
impl Fixture for FileRouter {
    async fn reset(&self) -> Result<()> {
        self.write(Sides { blue: 1, green: 0 }, "80")
    }

    async fn splitter(&self) -> Result<Box<dyn TrafficSplitter>> {
        Ok(Box::new(self.clone()))
    }

    async fn truth(&self) -> Result<Truth> {
        let (weights, port) = self.read()?;
        Ok(Truth::new(weights, port))
    }

    async fn write_weights(&self, weights: Sides<u32>) -> Result<()> {
        self.write(weights, &self.read()?.1)
    }

    async fn change_rest(&self) -> Result<()> {
        let (weights, port) = self.read()?;
        self.write(weights, &format!("{port}0"))
    }
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> std::result::Result<ExitCode, Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let router = FileRouter(folder.path().join("weights"));
    conformance::check(&router).await?;
    println!("conforms: {} behaviours were tried", Behaviour::ALL.len());

    router.reset().await?;
    let fine = gate_fn("fine", |_look| async {
        Ok(Verdict::healthy("nothing to say"))
    });
    let outcome = Migration::new(MigrationPlan::for_tests().build()?, router)
        .clock(TestClock::default())
        .gate("fine", fine)
        .on_event(|event| {
            if let MigrationEvent::Shifting { to, .. } = &event.kind {
                println!("shifting to {to}");
            }
        })
        .run()
        .await?;
    println!("{outcome}");
    Ok(outcome.exit_code().into())
}
