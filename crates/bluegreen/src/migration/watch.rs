//! [`MigrationState`]: what a run is doing now, folded from its events.

use jiff::Timestamp;

use super::{Cause, GateStanding, MigrationEvent, MigrationOutcome, Unresolved};
use crate::{
    engine::{Control, ControlEffect, Event},
    health::Phase,
    traffic::TrafficObservation,
};

/// What a run is doing now, and how it ended. [`Migration::watch`](super::Migration::watch) returns it.
/// It is folded from events, so that kept events give it too.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "sim")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use bluegreen::{Migration, MigrationPlan, aws::{alb::AlbTrafficSplitter, sim::Scenario}, gate_fn, Verdict};
///
/// let simulation = Scenario::Healthy.simulation(7);
/// simulation.start_paused();
/// let aws = simulation.aws();
/// let splitter = AlbTrafficSplitter::new(&aws, simulation.rule(), simulation.blue(), simulation.green())?;
/// let mut migration = Migration::new(MigrationPlan::builder().build()?, splitter)
///     .clock(aws.clock())
///     .gate("queue", gate_fn("queue", |_look| async { Ok(Verdict::healthy("no message waits")) }));
/// let mut state = migration.watch();
/// let run = tokio::spawn(migration.run());
///
/// state.wait_for(|now| now.traffic.as_ref().is_some_and(|seen| seen.green_share() > 0.0)).await?;
/// let end = state.wait_for(|now| now.end.is_some()).await?.clone();
/// assert_eq!(end.end.and_then(Result::ok), Some(run.await??));
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "sim"))]
/// # fn main() {}
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct MigrationState {
    /// The phase of the newest look; `None` before the first look.
    pub phase: Option<Phase>,
    /// The split as it was last read.
    pub traffic: Option<TrafficObservation>,
    /// When the split was read.
    pub read_at: Option<Timestamp>,
    /// The gates as of the newest look.
    pub gates: Vec<GateStanding>,
    /// When the current pause ends; `None` if the run is not paused.
    pub paused_until: Option<Timestamp>,
    /// Why everything goes back to blue, once a rollback has begun.
    pub rolling_back: Option<Cause>,
    /// How the run ended, once it has ended.
    pub end: Option<Result<MigrationOutcome, Unresolved>>,
}

impl MigrationState {
    /// Takes the next event.
    pub(crate) fn take(&mut self, event: &Event<MigrationEvent>) {
        if let Some(traffic) = event.kind.traffic() {
            self.traffic = Some(traffic.clone());
            self.read_at = Some(event.at);
        }
        match &event.kind {
            MigrationEvent::Looked {
                phase,
                gates,
                paused,
                ..
            } => {
                self.phase = Some(*phase);
                self.gates.clone_from(gates);
                if !paused {
                    self.paused_until = None;
                }
            }
            MigrationEvent::Paused { until } => self.paused_until = Some(*until),
            MigrationEvent::RollingBack { cause, .. } => {
                self.rolling_back = Some(cause.clone());
                self.paused_until = None;
            }
            MigrationEvent::Ended { outcome, .. } => {
                self.end = Some(Ok(outcome.clone()));
                self.paused_until = None;
            }
            MigrationEvent::Unresolved { unresolved, .. } => {
                self.end = Some(Err(unresolved.clone()));
                self.paused_until = None;
            }
            MigrationEvent::Controlled {
                control: Control::Continue { .. },
                effect: ControlEffect::Applied,
            } => self.paused_until = None,
            _ => {}
        }
    }
}
