//! The AWS-backed implementations of the roles.
//!
//! Everything here is made from one [`Aws`] handle: from the environment, from an `SdkConfig`
//! of yours, or from the simulation of feature `sim`. What comes after that line is the same code.

use std::{fmt, sync::Arc, time::Duration};

use aws_config::{BehaviorVersion, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};

pub use self::api::CallCounts;
use self::api::{CloudWatchApi, Counter, Counting, ElbApi, RealCloudWatch, RealElb};
use crate::clock::{Clock, SystemClock};

pub mod alb;
pub(crate) mod api;
pub mod cloudwatch;
#[cfg(feature = "sim")]
pub mod sim;

/// A handle to AWS: cheap to clone, opaque, without any type of the SDK on its surface but the
/// configuration that it may be made from.
///
/// # Retries and time-outs
///
/// Reads keep the SDK's standard retries (three attempts, exponential back-off with jitter) under
/// a time limit of 30 seconds an operation. Mutations go through a second client without any
/// retry and a limit of 10 seconds: a resent `ModifyRule` could overwrite what somebody else wrote
/// in between. Where a mutation's outcome is not known, the engine observes before it acts again.
#[derive(Clone)]
pub struct Aws {
    pub(crate) elb: Arc<dyn ElbApi>,
    pub(crate) cloudwatch: Arc<dyn CloudWatchApi>,
    clock: Arc<dyn Clock>,
    region: Option<String>,
    counter: Counter,
}

/// A read may take so long in all, its retries included.
const READ_LIMIT: Duration = Duration::from_secs(30);
/// One attempt of a read may take so long.
const READ_ATTEMPT_LIMIT: Duration = Duration::from_secs(10);
/// A mutation may take so long; after that its outcome is unknown.
const MUTATION_LIMIT: Duration = Duration::from_secs(10);

impl Aws {
    /// From the environment, as every AWS tool finds it: variables, profiles, single sign-on,
    /// credential processes, container and instance roles; `AWS_ENDPOINT_URL` and its per-service
    /// forms point it elsewhere.
    ///
    /// # Cancel safety
    ///
    /// Only reads: dropping it leaves nothing behind.
    pub async fn from_env() -> Self {
        Self::from_config(&aws_config::load_defaults(BehaviorVersion::latest()).await)
    }

    /// From a configuration of yours. Its retry and time-out settings are replaced by the ones
    /// above.
    #[must_use]
    pub fn from_config(config: &SdkConfig) -> Self {
        let reads = config
            .to_builder()
            .retry_config(RetryConfig::standard())
            .timeout_config(
                TimeoutConfig::builder()
                    .operation_timeout(READ_LIMIT)
                    .operation_attempt_timeout(READ_ATTEMPT_LIMIT)
                    .build(),
            )
            .build();
        let mutations = config
            .to_builder()
            .retry_config(RetryConfig::disabled())
            .timeout_config(
                TimeoutConfig::builder()
                    .operation_timeout(MUTATION_LIMIT)
                    .build(),
            )
            .build();
        let elb = Arc::new(RealElb::new(&reads, &mutations));
        let cloudwatch = Arc::new(RealCloudWatch::new(&reads));
        let region = config.region().map(ToString::to_string);
        Self::counted(elb, cloudwatch, Arc::new(SystemClock), region)
    }

    /// From parts: what the simulation and unit tests use.
    #[cfg(any(feature = "sim", test))]
    pub(crate) fn from_parts(
        elb: Arc<dyn ElbApi>,
        cloudwatch: Arc<dyn CloudWatchApi>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self::counted(elb, cloudwatch, clock, None)
    }

    fn counted(
        elb: Arc<dyn ElbApi>,
        cloudwatch: Arc<dyn CloudWatchApi>,
        clock: Arc<dyn Clock>,
        region: Option<String>,
    ) -> Self {
        let counter = Counter::default();
        Self {
            elb: Arc::new(Counting::new(counter.clone(), elb)),
            cloudwatch: Arc::new(Counting::new(counter.clone(), cloudwatch)),
            clock,
            region,
            counter,
        }
    }

    /// How many calls were made through this handle and its clones.
    #[must_use]
    pub fn calls(&self) -> CallCounts {
        self.counter.counts()
    }

    /// The clock that goes with this AWS: give it to the migration.
    #[must_use]
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }

    /// The region of the configuration that this was made from.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }
}

impl fmt::Debug for Aws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aws")
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}
