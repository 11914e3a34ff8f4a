//! Elastic Container Service as the simulation answers it.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{scaling, shared::Shared};
use crate::aws::{
    api::{ApiError, EcsApi, EcsCall},
    sim::{
        fault::Call,
        mutation::ecs::{EcsMutation, serve},
        state::fleet::{BLUE_SERVICE, CLUSTER},
    },
};

#[derive(Debug)]
pub(in crate::aws::sim) struct SimEcs(pub(in crate::aws::sim) Arc<Shared>);

#[async_trait]
impl EcsApi for SimEcs {
    async fn call(&self, call: EcsCall, input: Value) -> Result<Value, ApiError> {
        let call = match call {
            EcsCall::CreateService => Call::CreateService,
            EcsCall::DescribeServiceRevisions => Call::DescribeServiceRevisions,
            EcsCall::DescribeServices => Call::DescribeServices,
            EcsCall::DescribeTaskDefinition => Call::DescribeTaskDefinition,
            EcsCall::DescribeTasks => Call::DescribeTasks,
            EcsCall::ListTaskDefinitions => Call::ListTaskDefinitions,
            EcsCall::ListTasks => Call::ListTasks,
            EcsCall::RegisterTaskDefinition => Call::RegisterTaskDefinition,
            EcsCall::TagResource => Call::TagResource,
            EcsCall::UpdateService => Call::UpdateService,
        };
        if call.is_change() {
            return self.0.change(EcsMutation { call, input }).await;
        }
        self.0
            .serve(call, move |world, now| {
                let asked = input.pointer("/services/0").and_then(Value::as_str);
                let cluster = input.get("cluster").and_then(Value::as_str);
                if call == Call::DescribeServices
                    && (cluster, asked) == (Some(CLUSTER), Some(BLUE_SERVICE))
                {
                    let blue = scaling::blue_service(world, now);
                    return Ok(json!({"services": [blue], "failures": []}));
                }
                serve(&mut world.fleet, now, call, &input)
            })
            .await
    }
}
