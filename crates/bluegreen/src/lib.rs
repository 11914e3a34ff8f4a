//! Moves live production traffic from one service to another.

#[cfg(feature = "aws")]
pub mod aws;
pub mod clock;
pub mod engine;
pub mod error;
pub mod health;
pub mod image;
pub mod migration;
#[cfg(feature = "mock")]
pub mod mock;
pub mod service;
pub mod traffic;

#[cfg(feature = "aws")]
#[doc(inline)]
pub use self::aws::Aws;
#[doc(inline)]
pub use self::{
    error::{Error, ErrorKind, Failure, Result},
    health::{HealthGate, Verdict, gate_fn},
    image::ImageBuilder,
    migration::{Migration, MigrationError, MigrationPlan, Outcome},
    service::ServiceDeployer,
    traffic::{Percent, TrafficSplit, TrafficSplitter},
};
