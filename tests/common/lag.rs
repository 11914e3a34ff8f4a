//! Worlds whose reads lag.

use std::time::Duration;

use bluegreen::aws::sim::{Call, Lag, Simulation};

/// The calls by which a migration and a deployment read the state that they change.
pub(crate) static READS: [Call; 4] = [
    Call::DescribeRules,
    Call::DescribeTargetHealth,
    Call::DescribeServices,
    Call::DescribeTasks,
];

/// A way to lag, with its name for messages of failed tests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lagging {
    pub(crate) name: &'static str,
    pub(crate) reads: &'static [Call],
    pub(crate) lag: Lag,
}

impl Lagging {
    /// Makes a world lag in this way, from its next write on.
    pub(crate) fn set(&self, simulation: &Simulation) {
        lagging(simulation, self.reads, self.lag);
    }
}

/// Makes these reads of a world lag, from its next write on, and returns the world:
/// `lagging(&world, &[Call::DescribeRules], Lag::reads(1))`.
pub(crate) fn lagging<'a>(simulation: &'a Simulation, reads: &[Call], lag: Lag) -> &'a Simulation {
    for read in reads {
        simulation.lag(*read, lag);
    }
    simulation
}

/// Each kind of lag, each read by itself and all reads together, for loops over faults.
pub(crate) fn lags() -> Vec<Lagging> {
    let millis = Duration::from_millis;
    let shapes = [
        ("0.3 s late", Lag::for_time(millis(300))),
        ("4 s late", Lag::for_time(millis(4_000))),
        ("one read late", Lag::reads(1)),
        ("back once", Lag::back_once()),
        ("back once after 3 s", Lag::back_once_after(millis(3_000))),
    ];
    let sets = [
        &READS[..],
        &READS[..1],
        &READS[1..2],
        &READS[2..3],
        &READS[3..],
    ];
    let all = shapes
        .into_iter()
        .flat_map(|(name, lag)| sets.map(|reads| Lagging { name, reads, lag }));
    all.collect()
}
