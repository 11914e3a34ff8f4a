//! Services: what runs where, and the role that changes it.

mod deployer;

pub use self::deployer::{
    DeploymentEnd, DeploymentId, DeploymentProgress, Registration, RevisionId, RollbackOwner,
    RollbackPoint, Rollout, ServiceDeployer, ServiceEvent, ServiceObservation, StoppedTask, Target,
    Update,
};
