//! Services: which revision runs, and the role that changes it.

mod deployer;
mod progress;

#[cfg(feature = "aws")]
pub(crate) use self::deployer::quoted;
pub use self::deployer::{
    ByHand, DeploymentEnd, DeploymentId, DeploymentProgress, Registration, RevisionId,
    RollbackOwner, RollbackPoint, Rollout, ServiceDeployer, ServiceEvent, ServiceObservation,
    StoppedTask, Target, Update,
};
