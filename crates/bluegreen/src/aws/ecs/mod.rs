//! Elastic Container Service: task definitions, services, and the deployer that updates them.

mod capacity;
pub(super) mod conversions;
mod deployer;
mod fits;
mod follow;
mod native;
mod observe;
mod preflight;
mod reach;
mod register;
pub(super) mod retire;
mod role;
mod service_rules;
mod service_spec;
mod task_definition;
mod task_rules;
mod traffic;
mod update;
mod wire;

pub use self::{
    capacity::EcsCapacityKeeper,
    deployer::EcsServiceDeployer,
    native::{EcsNativeDeployment, EcsNativeService, NativeSetup},
    service_spec::ServiceSpec,
    task_definition::TaskDefinition,
};

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
