//! Ready-made [`mockall`] mocks of the role traits, a router in memory and a clock, for unit tests of your
//! own tooling.
//!
//! [`unit_tests`](crate::unit_tests) shows whole tests with them.
//!
//! # Examples
//!
//! ```
//! use bluegreen::{TrafficSplitter, mock::MockTrafficSplitter, traffic::{Sides, TargetCounts, TrafficObservation}};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> bluegreen::Result<()> {
//! let mut splitter = MockTrafficSplitter::new();
//! splitter.expect_observe().returning(|| {
//!     let healthy = TargetCounts::all_healthy(4);
//!     Ok(TrafficObservation::new(Sides::new(100, 0), Sides::both(healthy), "v1:rule"))
//! });
//! assert!(splitter.observe().await?.is_all_blue());
//! # Ok(())
//! # }
//! ```
// mockall derives neither docs nor `Debug` for the expectations that it generates.
#![allow(missing_docs, missing_debug_implementations)]

mod memory_splitter;

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

pub use self::memory_splitter::MemorySplitter;
#[cfg(feature = "run")]
pub use crate::clock::test_clock::TestClock;
use crate::{
    check::{CheckReport, HttpClient, HttpFailure, HttpRequest, HttpResponse, ServiceCheck},
    error::Result,
    health::{HealthGate, Judge, Look, Observation},
    image::{BuildRequest, ImageBuilder, ImageRef, ImageTag, Tagging},
    native::{NativeObservation, NativeSurvey, PauseId, PausedDeployment, RollBackBy},
    preflight::Finding,
    service::{
        DeploymentId, DeploymentProgress, Registration, ServiceDeployer, ServiceObservation, Update,
    },
    traffic::{
        Armed, Capacity, CapacityKeeper, DeadManSwitch, Kept, Released, Shift, Shifted,
        TrafficObservation, TrafficSplitter,
    },
};

mockall::mock! {
    #[derive(Debug)]
    pub TrafficSplitter {}

    #[async_trait]
    impl TrafficSplitter for TrafficSplitter {
        async fn preflight(&self) -> Result<Vec<Finding>>;
        async fn observe(&self) -> Result<TrafficObservation>;
        async fn shift(&self, shift: &Shift) -> Result<Shifted>;
        fn propagation(&self) -> Duration;
    }
}

mockall::mock! {
    #[derive(Debug)]
    pub DeadManSwitch {}

    #[async_trait]
    impl DeadManSwitch for DeadManSwitch {
        async fn preflight(&self) -> Result<Vec<Finding>>;
        async fn arm(&self, traffic: &TrafficObservation, fires: Timestamp) -> Result<Armed>;
        async fn disarm(&self) -> Result<()>;
    }
}

mockall::mock! {
    #[derive(Debug)]
    pub CapacityKeeper {}

    #[async_trait]
    impl CapacityKeeper for CapacityKeeper {
        async fn observe(&self) -> Result<Capacity>;
        async fn keep(&self, kept: &Kept) -> Result<()>;
        async fn release(&self, kept: &Kept) -> Result<Released>;
    }
}

mockall::mock! {
    #[derive(Debug)]
    pub HealthGate {}

    #[async_trait]
    impl HealthGate for HealthGate {
        async fn observe(&self, look: &Look) -> Result<Option<Observation>>;
        fn judge(&self) -> Box<dyn Judge>;
        fn settings(&self) -> serde_json::Value;
    }
}

mockall::mock! {
    #[derive(Debug)]
    pub ImageBuilder {}

    #[async_trait]
    impl ImageBuilder for ImageBuilder {
        async fn preflight(&self) -> Result<Vec<Finding>>;
        async fn find(&self, tag: &ImageTag) -> Result<Option<ImageRef>>;
        async fn build(&self, request: &BuildRequest) -> Result<ImageRef>;
        async fn tag(&self, image: &ImageRef, tag: &ImageTag) -> Result<Tagging>;
    }
}

mockall::mock! {
    #[derive(Debug)]
    pub ServiceDeployer {}

    #[async_trait]
    impl ServiceDeployer for ServiceDeployer {
        async fn preflight(&self) -> Result<Vec<Finding>>;
        async fn observe(&self) -> Result<Option<ServiceObservation>>;
        async fn register(&self, image: &ImageRef) -> Result<Registration>;
        async fn update(&self, update: &Update) -> Result<DeploymentId>;
        async fn follow(&self, deployment: &DeploymentId) -> Result<DeploymentProgress>;
        fn propagation(&self) -> Duration;
    }
}

mockall::mock! {
    #[derive(Debug)]
    pub PausedDeployment {}

    #[async_trait]
    impl PausedDeployment for PausedDeployment {
        fn name(&self) -> String;
        async fn preflight(&self) -> Result<NativeSurvey>;
        async fn observe(&self) -> Result<NativeObservation>;
        async fn proceed(&self, pause: &PauseId) -> Result<()>;
        async fn roll_back(&self, how: &RollBackBy) -> Result<()>;
        fn propagation(&self) -> Duration;
        fn by_hand(&self) -> Option<String>;
    }
}

mockall::mock! {
    #[derive(Debug)]
    pub ServiceCheck {}

    #[async_trait]
    impl ServiceCheck for ServiceCheck {
        fn name(&self) -> &str;
        async fn check(&self) -> CheckReport;
    }
}

mockall::mock! {
    #[derive(Debug)]
    pub HttpClient {}

    #[async_trait]
    impl HttpClient for HttpClient {
        async fn send(&self, request: &HttpRequest) -> std::result::Result<HttpResponse, HttpFailure>;
    }
}
