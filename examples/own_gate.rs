//! A gate of your own: green is judged by the number of messages in its queue.
//!
//! ```text
//! cargo run --example own_gate
//! ```
//!
//! A gate has two halves. `observe` does the I/O of a look and returns a value for the journal. The judge
//! folds such values into a verdict, without I/O, so that a resumed run and a replay reach the same verdict.
//! The queue here grows while green gets traffic, so the run must be rolled back: then the exit code is 0,
//! otherwise 1. Prints the gate's verdict at each look, and at the end the split.

#![expect(clippy::print_stdout, reason = "an example prints")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::{error::Error, process::ExitCode, sync::Arc};

use async_trait::async_trait;
use bluegreen::{
    HealthGate, Result, Verdict,
    aws::sim::Scenario,
    engine::Event,
    health::{Judge, Look, Observation, Progress},
    migration::MigrationEvent,
};

/// The name and version of what the gate observes: a number of messages.
const SCHEMA: &str = "acme.queue/1";

/// Unhealthy if more than `limit` messages wait. Gate and judge in one: both are small.
#[derive(Debug, Clone)]
struct Queue {
    limit: u64,
    /// Stands for a real queue.
    waiting: Arc<AtomicU64>,
}

#[async_trait]
impl HealthGate for Queue {
    async fn observe(&self, look: &Look) -> Result<Option<Observation>> {
        // A real gate asks its queue here. An error would be inconclusive, never healthy.
        let more = if look.green_has_traffic() { 40 } else { 0 };
        let waiting = self.waiting.fetch_add(more, Ordering::Relaxed) + more;
        Observation::new(SCHEMA, &waiting).map(Some)
    }

    fn judge(&self) -> Box<dyn Judge> {
        Box::new(self.clone())
    }

    /// All settings that change a verdict: a resumed run must have the same settings.
    fn settings(&self) -> serde_json::Value {
        serde_json::json!({ "schema": SCHEMA, "limit": self.limit })
    }
}

impl Judge for Queue {
    fn take(&mut self, observation: &Observation, _progress: &Progress) -> Verdict {
        match observation.read::<u64>(SCHEMA) {
            Ok(waiting) if waiting > self.limit => {
                Verdict::unhealthy(format!("{waiting} wait, the limit is {}", self.limit))
            }
            Ok(waiting) => Verdict::healthy(format!("{waiting} messages wait")),
            Err(error) => Verdict::inconclusive(error.to_string()),
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::result::Result<ExitCode, Box<dyn Error>> {
    let simulation = Scenario::Healthy.simulation(7);
    let _pacer = simulation.start_paced(60.0);
    let (limit, waiting) = (500, Arc::default());
    let queue = Queue { limit, waiting };
    // In addition to the gates of the simulation's specification.
    let run = simulation.start().await?;
    let run = run.with(|migration| migration.gate("queue", queue).on_event(show));
    Ok(u8::from(run.run().await?.exit_code() != 10).into())
}

fn show(event: &Event<MigrationEvent>) {
    match &event.kind {
        MigrationEvent::Looked { gates, .. } => {
            for gate in gates.iter().filter(|gate| gate.gate.as_str() == "queue") {
                println!("{}  queue {}", event.time(), gate.verdict);
            }
        }
        MigrationEvent::Ended { .. } => println!("{event}"),
        _ => {}
    }
}
