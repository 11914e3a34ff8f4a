//! Deployments whose traffic ECS moves itself: read, answered, stopped.

mod deployment;
mod read;
mod role;
mod survey;
mod wire;

pub use self::deployment::EcsNativeDeployment;

#[cfg(test)]
mod tests;
