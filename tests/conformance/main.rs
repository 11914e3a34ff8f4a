//! The behaviour suite for splitters, on the load balancer's adapter and the simulated AWS. The
//! emulator tier runs the same suite, which keeps the simulation honest.

use std::sync::Mutex;

use async_trait::async_trait;
use bluegreen::{
    Result, TrafficSplitter,
    aws::{
        alb::AlbTrafficSplitter,
        sim::{Simulation, SimulationBuilder},
    },
    traffic::{
        Sides,
        conformance::{self, Fixture, Truth},
    },
};

/// A world that each reset builds again.
#[derive(Debug)]
struct World {
    make: fn() -> SimulationBuilder,
    now: Mutex<Simulation>,
}

impl World {
    fn new(make: fn() -> SimulationBuilder) -> Self {
        Self {
            make,
            now: Mutex::new(make().build()),
        }
    }

    fn now(&self) -> Simulation {
        self.now.lock().expect("no test panics in it").clone()
    }
}

#[async_trait]
impl Fixture for World {
    async fn reset(&self) -> Result<()> {
        *self.now.lock().expect("no test panics in it") = (self.make)().build();
        Ok(())
    }

    async fn splitter(&self) -> Result<Box<dyn TrafficSplitter>> {
        let world = self.now();
        let (rule, blue, green) = (world.rule(), world.blue(), world.green());
        let splitter = AlbTrafficSplitter::new(&world.aws(), rule, blue, green)?;
        Ok(Box::new(splitter))
    }

    async fn truth(&self) -> Result<Truth> {
        let world = self.now();
        Ok(Truth::new(world.weights(), world.rule_without_weights()))
    }

    async fn write_weights(&self, weights: Sides<u32>) -> Result<()> {
        self.now().third_party_write(weights);
        Ok(())
    }

    async fn change_rest(&self) -> Result<()> {
        self.now().third_party_edit();
        Ok(())
    }
}

async fn conforms(make: fn() -> SimulationBuilder) {
    if let Err(failure) = conformance::check(&World::new(make)).await {
        panic!("{failure}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_splitter_of_a_named_rule_conforms() {
    conforms(Simulation::builder).await;
}

#[tokio::test(start_paused = true)]
async fn the_splitter_of_a_default_rule_conforms() {
    conforms(|| Simulation::builder().default_rule()).await;
}

#[tokio::test(start_paused = true)]
async fn the_splitter_of_a_rule_with_everything_conforms() {
    conforms(|| {
        Simulation::builder()
            .login()
            .sticky(std::time::Duration::from_secs(60))
            .third_group(0)
            .rules_before(25)
    })
    .await;
}
