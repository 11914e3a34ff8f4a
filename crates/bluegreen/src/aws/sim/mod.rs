//! A simulated AWS behind the same seam as the real one.
//!
//! Traffic flows second by second through a listener rule to two services whose behaviour you choose;
//! a CloudWatch publishes metrics as the real one does: late, in parts, and without a data point if
//! there is nothing to count; any call can fail in any way, before or after its effect; reads can
//! [lag](Lag) behind writes, blue can be [scaled](Scaling) by its requests, and this machine's clock
//! can differ from AWS's. ECS itself may [move the traffic](SimulationBuilder::native). Time is
//! virtual, and everything is the same for the same seed, however often you look.
//!
//! A world lives as long as its handle, or in a folder for several processes: see [`KeptSimulation`].
//!
//! It is made for tests of your own pipelines as much as for ours. Because it stands behind the seam,
//! every call goes through the real adapters.
//!
//! # Examples
//!
//! A write whose answer is lost is observed, found to have happened, and not sent again:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use bluegreen::{ErrorKind, TrafficSplit, TrafficSplitter, traffic::Shift};
//! use bluegreen::aws::{alb::AlbTrafficSplitter, sim::{Call, Fault, Simulation}};
//!
//! let simulation = Simulation::builder().seed(7).build();
//! simulation.start_paused();
//! simulation.fail(Call::ModifyRule.nth(1), Fault::TimeoutAfterEffect);
//!
//! let (rule, blue, green) = (simulation.rule(), simulation.blue(), simulation.green());
//! let splitter = AlbTrafficSplitter::new(&simulation.aws(), rule, blue, green)?;
//! let before = splitter.observe().await?;
//! let error = splitter.shift(&Shift::rise(&before, TrafficSplit::ALL_GREEN)).await.unwrap_err();
//! assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
//! assert!(splitter.observe().await?.is_at(TrafficSplit::ALL_GREEN));
//! # Ok(())
//! # }
//! ```
//!
//! # What it leaves out
//!
//! Listener certificates and connections: a request is an event with an outcome and a latency.

mod api;
mod builder;
mod fault;
mod kept;
mod lag;
mod log;
mod mutation;
mod native;
mod release;
mod scenario;
mod simulation;
mod state;
mod stop;
mod time;
mod unknown;

pub(crate) use self::state::programs::Programs;
pub use self::{
    builder::SimulationBuilder,
    fault::{Call, Fault, Selector},
    kept::KeptSimulation,
    lag::Lag,
    native::NativeScenario,
    release::ReleaseScenario,
    scenario::Scenario,
    simulation::Simulation,
    state::{
        change::{Change, Writer},
        fleet::Fate,
        roles::ScheduleRole,
        scaling::Scaling,
        service::{Behaviour, Service, When},
    },
    stop::{Moment, Stop},
    time::Pacer,
};

#[cfg(test)]
mod tests;
