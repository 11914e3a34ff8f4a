//! Deployments whose traffic ECS moves itself: read, answered, stopped.

mod deployment;
mod read;
mod role;
mod service;
mod survey;
mod wire;

pub(super) use self::service::setup_of;
pub use self::{
    deployment::EcsNativeDeployment,
    service::{EcsNativeService, NativeSetup},
};

#[cfg(test)]
mod tests;
