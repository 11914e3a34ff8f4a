//! Changes of the world: requests that a file can keep, and their effects.

pub(super) mod blue;
pub(super) mod ecr;
pub(super) mod ecs;
pub(super) mod elb;
pub(super) mod groups;
pub(super) mod native;
pub(super) mod repeat;
mod rollout;
pub(super) mod scaling;
pub(super) mod scheduler;
pub(super) mod tags;
mod wire;

use std::time::Duration;

use serde_json::Value;

use super::{fault::Call, state::world::World};
use crate::aws::api::ApiError;

/// A request that changes the world. A kept world keeps it as JSON: a request that is not the same
/// when read back cannot be kept.
pub(super) trait Mutation: PartialEq + Sized + Send + 'static {
    type Output: 'static;

    fn call(&self) -> Call;

    fn to_json(&self) -> Value;

    fn from_json(call: Call, json: &Value) -> Self;

    /// Makes the change, and returns AWS's answer.
    fn happen(&self, world: &mut World, now: Duration) -> Result<Self::Output, ApiError>;
}
