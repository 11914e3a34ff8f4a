//! [`MemorySplitter`]: a router for tests.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;

use crate::{
    error::Result,
    traffic::{
        Percent, Shift, Shifted, Sides, TargetCounts, TrafficObservation, TrafficSplit,
        TrafficSplitter,
    },
};

/// A router in memory: reads show what was written, and each side has four healthy targets. The router
/// remembers every write, so that a test can check what a run did.
///
/// Cheap to clone: all clones are the same router. The router passes the whole suite of
/// [`conformance`](crate::traffic::conformance).
///
/// # Examples
///
/// A queue that grows as soon as green has traffic: one rise, and one restore.
///
/// ```
/// use bluegreen::{Migration, Percent, Verdict, gate_fn, mock::MemorySplitter};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), bluegreen::MigrationError> {
/// let grows = gate_fn("queue", |look| async move {
///     Ok(match look.green_has_traffic() {
///         true => Verdict::unhealthy("900 messages wait"),
///         false => Verdict::healthy("no message waits"),
///     })
/// });
/// let router = MemorySplitter::new();
/// let outcome = Migration::for_tests(router.clone()).gate("queue", grows).run().await?;
/// assert_eq!(outcome.exit_code(), 10);
/// assert_eq!(router.written(), [Percent::TEN, Percent::ZERO]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct MemorySplitter(Arc<Mutex<Router>>);

#[derive(Debug)]
struct Router {
    weights: Sides<u32>,
    /// Stands for everything in a rule except for the weights.
    rest: u32,
    written: Vec<Percent>,
}

impl MemorySplitter {
    /// Creates a router with everything on blue.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Router {
            weights: TrafficSplit::ALL_BLUE.weights(),
            rest: 0,
            written: Vec::new(),
        })))
    }

    /// Returns the current weights.
    #[must_use]
    pub fn weights(&self) -> Sides<u32> {
        self.router().weights
    }

    /// Returns green's share after each write through the splitter, in order; 0 % is a restore.
    #[must_use]
    pub fn written(&self) -> Vec<Percent> {
        self.router().written.clone()
    }

    /// Sets the weights as a third party would, without the splitter.
    pub fn third_party_write(&self, weights: Sides<u32>) {
        self.router().weights = weights;
    }

    fn router(&self) -> MutexGuard<'_, Router> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemorySplitter {
    fn default() -> Self {
        Self::new()
    }
}

impl Router {
    fn read(&self) -> TrafficObservation {
        let targets = Sides::both(TargetCounts::all_healthy(4));
        TrafficObservation::new(self.weights, targets, format!("v1:{}", self.rest))
    }
}

#[async_trait]
impl TrafficSplitter for MemorySplitter {
    async fn observe(&self) -> Result<TrafficObservation> {
        Ok(self.router().read())
    }

    async fn shift(&self, shift: &Shift) -> Result<Shifted> {
        let mut router = self.router();
        if shift.is_to_write(&router.read())? {
            router.weights = shift.to.weights();
            router.written.push(shift.to.green());
        }
        Ok(Shifted::Seen(router.read()))
    }

    fn propagation(&self) -> Duration {
        Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        DeploymentPlan, Migration, MigrationPlan, Verdict, gate_fn,
        traffic::conformance::{self, Fixture, Truth},
    };

    #[async_trait]
    impl Fixture for MemorySplitter {
        async fn reset(&self) -> Result<()> {
            let mut router = self.router();
            (router.weights, router.rest) = (Sides::new(100, 0), 0);
            Ok(())
        }

        async fn splitter(&self) -> Result<Box<dyn TrafficSplitter>> {
            Ok(Box::new(self.clone()))
        }

        async fn truth(&self) -> Result<Truth> {
            let router = self.router();
            Ok(Truth::new(router.weights, router.rest.to_string()))
        }

        async fn write_weights(&self, weights: Sides<u32>) -> Result<()> {
            self.third_party_write(weights);
            Ok(())
        }

        async fn change_rest(&self) -> Result<()> {
            self.router().rest += 1;
            Ok(())
        }
    }

    #[tokio::test]
    async fn conforms() {
        conformance::check(&MemorySplitter::new())
            .await
            .expect("conforms");
    }

    #[tokio::test(start_paused = true)]
    async fn a_third_partys_write_ends_the_runs_writing() {
        let router = MemorySplitter::new();
        let third = router.clone();
        let gate = gate_fn("queue", move |look| {
            if look.green_has_traffic() {
                third.third_party_write(Sides::new(70, 30));
            }
            async { Ok(Verdict::healthy("no message waits")) }
        });
        let ended = Migration::for_tests(router.clone())
            .gate("queue", gate)
            .run()
            .await;
        assert_eq!(ended.expect("a known end").exit_code(), 12);
        assert_eq!(router.written(), [Percent::TEN]);
        assert_eq!(router.weights(), Sides::new(70, 30));
    }

    #[test]
    fn the_plans_of_tests_are_without_a_problem() {
        assert_eq!(
            MigrationPlan::for_tests().build(),
            Ok(MigrationPlan::quick())
        );
        assert_eq!(
            DeploymentPlan::for_tests().build(),
            Ok(DeploymentPlan::quick())
        );
    }
}
