//! Watches a migration that another process runs: there are no events, only reads.

use std::{fmt, sync::Arc};

use bluegreen::{
    HealthGate, Result, TrafficSplitter,
    clock::{Clock, RunClock},
    health::{Judge, Look, Observation, Phase, Progress, Verdict},
    migration::{GateId, GatePolicy, GateStanding},
    traffic::{Sides, TrafficObservation},
};
use jiff::Timestamp;

use crate::Shared;

/// Looks at a split and lets gates judge it, as a migration would, and changes nothing.
///
/// The watcher does not know the plan: it takes each change of the split as the start of a step, and
/// its gates only advise.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use bluegreen::{aws::{alb::AlbTrafficSplitter, sim::Scenario}, health::TargetHealthGate};
/// use bluegreen_monitor::{Shared, watch::Watcher};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let simulation = Scenario::Divided.simulation(7);
/// simulation.start_paused();
/// let aws = simulation.aws();
/// let (rule, blue, green) = (simulation.rule(), simulation.blue(), simulation.green());
///
/// let shared = Shared::default();
/// let mut watcher = Watcher::new(AlbTrafficSplitter::new(&aws, rule, blue, green)?, aws.clock())
///     .gate("targets", TargetHealthGate::new());
/// watcher.look(&shared).await?;
/// assert_eq!(shared.view().gates[0].status, "healthy");
/// # Ok(())
/// # }
/// ```
pub struct Watcher {
    splitter: Arc<dyn TrafficSplitter>,
    clock: RunClock,
    seats: Vec<Seat>,
    /// The weights as last read, and when they were read first.
    split: Option<(Sides<u32>, Timestamp)>,
}

struct Seat {
    id: GateId,
    gate: Arc<dyn HealthGate>,
    judge: Box<dyn Judge>,
    last: Option<Observation>,
    standing: Arc<Verdict>,
}

impl Watcher {
    /// Returns a watcher of the split that `splitter` reads, without gates.
    #[must_use]
    pub fn new(splitter: impl TrafficSplitter + 'static, clock: impl Clock + 'static) -> Self {
        Self {
            splitter: Arc::new(splitter),
            clock: RunClock::start(clock),
            seats: Vec::new(),
            split: None,
        }
    }

    /// Adds a gate.
    #[must_use]
    pub fn gate(mut self, id: impl Into<GateId>, gate: impl HealthGate + 'static) -> Self {
        self.seats.push(Seat {
            id: id.into(),
            judge: gate.judge(),
            gate: Arc::new(gate),
            last: None,
            standing: Verdict::inconclusive("nothing seen yet").into(),
        });
        self
    }

    /// Looks once, and updates the view. A gate that cannot look says so in its verdict.
    ///
    /// # Errors
    ///
    /// If the split cannot be read. The gates have looked even then.
    ///
    /// # Cancel safety
    ///
    /// Safe: it only reads.
    pub async fn look(&mut self, shared: &Shared) -> Result<()> {
        let at = self.clock.now();
        let traffic = self.splitter.observe().await;
        let (traffic, failed) = match traffic {
            Ok(traffic) => (Some(traffic), Ok(())),
            Err(error) => (None, Err(error)),
        };
        let progress = self.progress(at, traffic.as_ref());
        let mut standings = Vec::new();
        for seat in &mut self.seats {
            let is_new = seat.look(progress, traffic.as_ref()).await;
            standings.push(GateStanding {
                gate: seat.id.clone(),
                policy: GatePolicy::Advisory,
                verdict: Arc::clone(&seat.standing),
                is_new,
            });
        }
        shared.update(|view| view.look(at, traffic.as_ref(), &standings));
        failed
    }

    fn progress(&mut self, at: Timestamp, traffic: Option<&TrafficObservation>) -> Progress {
        if let Some(traffic) = traffic
            && self
                .split
                .is_none_or(|(weights, _)| weights != traffic.weights)
        {
            self.split = Some((traffic.weights, at));
        }
        let since = self.split.map_or(at, |(_, since)| since);
        let green = traffic.map(|traffic| traffic.nearest_split().green());
        Progress::new(at, Phase::Step(0), green.unwrap_or_default(), since)
    }
}

impl Seat {
    /// Looks, and returns whether there was a new observation.
    async fn look(&mut self, progress: Progress, traffic: Option<&TrafficObservation>) -> bool {
        let mut look = Look::new(progress);
        look.last.clone_from(&self.last);
        look.traffic = traffic.cloned();
        match self.gate.observe(&look).await {
            Ok(Some(observation)) => {
                self.standing = self.judge.take(&observation, &progress).into();
                self.last = Some(observation);
                true
            }
            Ok(None) => false,
            Err(error) => {
                self.standing = Verdict::inconclusive(format!("could not look: {error}")).into();
                false
            }
        }
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watcher")
            .field("splitter", &self.splitter)
            .field("split", &self.split)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bluegreen::{
        aws::{
            alb::AlbTrafficSplitter,
            cloudwatch::{AlbMetrics, CloudWatchGate},
            sim::{Behaviour, Call, Fault, Service, Simulation, When},
        },
        health::Limits,
    };

    use super::*;

    fn watcher(simulation: &Simulation) -> Watcher {
        let aws = simulation.aws();
        let (rule, blue, green) = (simulation.rule(), simulation.blue(), simulation.green());
        let balancer = simulation.listener().load_balancer();
        let metrics = AlbMetrics::new(&aws, balancer, blue.clone(), green.clone());
        let splitter = AlbTrafficSplitter::new(&aws, rule, blue, green).expect("well-formed");
        Watcher::new(splitter, aws.clock())
            .gate("metrics", CloudWatchGate::alb(metrics, Limits::default()))
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_stranger_does_is_seen_judged_and_left_alone() {
        let failing = Service::new(4).with(When::Always, Behaviour::Errors(0.3));
        let simulation = Simulation::builder().green(failing).build();
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        let half = Sides {
            blue: 50,
            green: 50,
        };
        simulation.third_party_write_at(minutes(5), half);
        let (mut watcher, shared) = (watcher(&simulation), Shared::default());
        for _ in 0..60 {
            watcher.look(&shared).await.expect("reads");
            tokio::time::sleep(Duration::from_secs(15)).await;
        }
        let view = shared.view();
        let shares: Vec<f64> = view.series.iter().filter_map(|point| point.asked).collect();
        assert!(
            shares.contains(&0.0) && shares.contains(&50.0),
            "{shares:?}"
        );
        assert_eq!(view.gates[0].status, "unhealthy", "{:?}", view.gates[0]);
        assert!(view.green_failed > 100);
        assert_eq!(simulation.weights(), half);
        assert_eq!(simulation.calls(Call::ModifyRule), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_read_is_an_error_and_the_last_view_stays() {
        let simulation = Simulation::builder().build();
        let (mut watcher, shared) = (watcher(&simulation), Shared::default());
        watcher.look(&shared).await.expect("reads");
        simulation.fail(Call::DescribeRules.every(), Fault::Denied);
        simulation.fail(Call::GetMetricData.every(), Fault::Denied);
        tokio::time::sleep(Duration::from_secs(60)).await;
        watcher.look(&shared).await.expect_err("denied");
        let view = shared.view();
        assert_eq!(view.series.newest().expect("kept").asked, Some(0.0));
        assert!(
            view.gates[0].summary.starts_with("could not look"),
            "{:?}",
            view.gates[0]
        );
    }
}
