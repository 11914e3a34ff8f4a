//! The role that runs an image as a service.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{error::Result, image::ImageRef};

/// Runs an image as a service, and follows what it started to its end.
///
/// "Stable" is not "mine won": a service is stable too after it went back to the old revision
/// by itself. So a deployment is followed by its own id, and its end says who won.
///
/// # Mocking
///
/// Feature `mock` exports `MockServiceDeployer`. To write one of your own:
///
/// ```
/// # mod embedder {
/// use async_trait::async_trait;
/// use bluegreen::{Result, ServiceDeployer, image::ImageRef};
/// use bluegreen::service::{DeploymentId, DeploymentProgress, RevisionId, ServiceObservation};
///
/// mockall::mock! {
///     #[derive(Debug)]
///     pub Deployer {}
///     #[async_trait]
///     impl ServiceDeployer for Deployer {
///         async fn observe(&self) -> Result<ServiceObservation>;
///         async fn register(&self, image: &ImageRef) -> Result<RevisionId>;
///         async fn update(&self, revision: &RevisionId) -> Result<DeploymentId>;
///         async fn follow(&self, deployment: &DeploymentId) -> Result<DeploymentProgress>;
///     }
/// }
/// # }
/// # fn main() {}
/// ```
#[async_trait]
pub trait ServiceDeployer: fmt::Debug + Send + Sync {
    /// Reads the service as it is. The revision that runs before a change is where a rollback
    /// goes: record it.
    ///
    /// # Errors
    ///
    /// `NotFound` where the service does not exist; never a made-up default.
    ///
    /// # Cancel safety
    ///
    /// Only reads: dropping it leaves nothing behind.
    async fn observe(&self) -> Result<ServiceObservation>;

    /// Registers a revision that runs `image`, or finds the one that does already.
    ///
    /// # Errors
    ///
    /// Where it could not be registered. A revision that nothing runs does no harm.
    ///
    /// # Cancel safety
    ///
    /// A dropped call may have registered a revision that nothing runs.
    async fn register(&self, image: &ImageRef) -> Result<RevisionId>;

    /// Starts a deployment of a revision and returns its id. A rollback is an update to the
    /// revision that was recorded.
    ///
    /// # Errors
    ///
    /// `OutcomeUnknown` where it may or may not have started: observe before anything else.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: a dropped call may have started a deployment. Observe afterwards.
    async fn update(&self, revision: &RevisionId) -> Result<DeploymentId>;

    /// Reads how far a deployment is.
    ///
    /// # Errors
    ///
    /// `NotFound` where the service knows no such deployment.
    ///
    /// # Cancel safety
    ///
    /// Only reads: dropping it leaves nothing behind.
    async fn follow(&self, deployment: &DeploymentId) -> Result<DeploymentProgress>;
}

#[async_trait]
impl<T: ServiceDeployer + ?Sized> ServiceDeployer for Arc<T> {
    async fn observe(&self) -> Result<ServiceObservation> {
        (**self).observe().await
    }

    async fn register(&self, image: &ImageRef) -> Result<RevisionId> {
        (**self).register(image).await
    }

    async fn update(&self, revision: &RevisionId) -> Result<DeploymentId> {
        (**self).update(revision).await
    }

    async fn follow(&self, deployment: &DeploymentId) -> Result<DeploymentProgress> {
        (**self).follow(deployment).await
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The id as its service spells it.
            pub fn new(id: impl Into<String>) -> Self {
                Self(id.into())
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id!(
    /// One immutable description of what runs; on ECS the ARN of a task definition's revision.
    RevisionId
);
id!(
    /// One deployment of a revision to a service.
    DeploymentId
);

/// A service as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ServiceObservation {
    /// The revision that the service is to run.
    pub revision: RevisionId,
    /// How many copies it is to run.
    pub desired: u32,
    /// How many copies run.
    pub running: u32,
}

impl ServiceObservation {
    /// A service that runs all its copies.
    #[must_use]
    pub fn steady(revision: RevisionId, copies: u32) -> Self {
        Self {
            revision,
            desired: copies,
            running: copies,
        }
    }
}

/// How far a deployment is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DeploymentProgress {
    /// How many copies of its revision are to run.
    pub desired: u32,
    /// How many run.
    pub running: u32,
    /// How many have failed to start.
    pub failed: u32,
    /// How it ended; `None` while it goes on.
    pub end: Option<DeploymentEnd>,
}

impl DeploymentProgress {
    /// A deployment that goes on.
    #[must_use]
    pub fn going_on(desired: u32, running: u32, failed: u32) -> Self {
        Self {
            desired,
            running,
            failed,
            end: None,
        }
    }

    /// The same with an end.
    #[must_use]
    pub fn ended(mut self, end: DeploymentEnd) -> Self {
        self.end = Some(end);
        self
    }
}

/// How a deployment ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "end", rename_all = "snake_case")]
#[non_exhaustive]
pub enum DeploymentEnd {
    /// Its revision runs, in full.
    Won,
    /// It failed, and the service was left as it is.
    Failed {
        /// Why, as the service says.
        reason: String,
    },
    /// The service went back to an older revision by itself.
    RolledBack {
        /// The revision that runs now.
        to: RevisionId,
    },
    /// A later deployment took its place.
    Superseded {
        /// The later one.
        by: DeploymentId,
    },
}
