//! What changes the world: requests that a file can keep, and what each of them does.

pub(super) mod ecr;
pub(super) mod ecs;
pub(super) mod elb;
pub(super) mod groups;
pub(super) mod repeat;
pub(super) mod scaling;
pub(super) mod scheduler;
pub(super) mod tags;
mod wire;

use std::time::Duration;

use serde_json::Value;

use super::{fault::Call, state::world::World};
use crate::aws::api::ApiError;

/// A request that changes the world. Its form in JSON is what a kept world keeps of it: whatever is
/// lost on the way there and back cannot be kept.
pub(super) trait Mutation: PartialEq + Sized + Send + 'static {
    type Output: 'static;

    fn call(&self) -> Call;

    fn to_json(&self) -> Value;

    fn from_json(call: Call, json: &Value) -> Self;

    /// What it does, and what AWS answers.
    fn happen(&self, world: &mut World, now: Duration) -> Result<Self::Output, ApiError>;
}
