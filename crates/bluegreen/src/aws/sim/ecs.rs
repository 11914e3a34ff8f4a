//! Elastic Container Service as the simulation answers it.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use super::simulation::Shared;
use crate::{
    aws::api::{ApiError, EcsApi, EcsCall},
    error::ErrorKind,
};

#[derive(Debug)]
pub(super) struct SimEcs(pub(super) Arc<Shared>);

#[async_trait]
impl EcsApi for SimEcs {
    async fn call(&self, call: EcsCall, _input: Value) -> Result<Value, ApiError> {
        let _ = &self.0;
        let message = "the simulation has no ECS yet";
        Err(ApiError::new(
            ErrorKind::Unavailable,
            call.operation(),
            "Unsupported",
            message,
        ))
    }
}
