//! Services: what runs where, and the role that changes it.

mod deployer;

pub use self::deployer::{
    DeploymentEnd, DeploymentId, DeploymentProgress, RevisionId, ServiceDeployer,
    ServiceObservation,
};
