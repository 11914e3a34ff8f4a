//! Elastic Container Service as the simulation answers it.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use super::{native, shared::Shared};
use crate::aws::{
    api::{ApiError, EcsApi, EcsCall},
    sim::{
        fault::Call,
        mutation::{
            blue,
            ecs::{EcsMutation, describe, serve},
        },
    },
};

#[derive(Debug)]
pub(in crate::aws::sim) struct SimEcs(pub(in crate::aws::sim) Arc<Shared>);

#[async_trait]
impl EcsApi for SimEcs {
    async fn call(&self, call: EcsCall, input: Value) -> Result<Value, ApiError> {
        let call = match call {
            EcsCall::ContinueServiceDeployment => Call::ContinueServiceDeployment,
            EcsCall::CreateService => Call::CreateService,
            EcsCall::DeleteService => Call::DeleteService,
            EcsCall::DescribeServiceDeployments => Call::DescribeServiceDeployments,
            EcsCall::DescribeServiceRevisions => Call::DescribeServiceRevisions,
            EcsCall::DescribeServices => Call::DescribeServices,
            EcsCall::DescribeTaskDefinition => Call::DescribeTaskDefinition,
            EcsCall::DescribeTasks => Call::DescribeTasks,
            EcsCall::ListServiceDeployments => Call::ListServiceDeployments,
            EcsCall::ListServices => Call::ListServices,
            EcsCall::ListTaskDefinitions => Call::ListTaskDefinitions,
            EcsCall::ListTasks => Call::ListTasks,
            EcsCall::RegisterTaskDefinition => Call::RegisterTaskDefinition,
            EcsCall::StopServiceDeployment => Call::StopServiceDeployment,
            EcsCall::TagResource => Call::TagResource,
            EcsCall::UpdateService => Call::UpdateService,
        };
        if call.is_change() {
            return self.0.change(EcsMutation { call, input }).await;
        }
        self.0
            .serve(call, move |world, now| match call {
                Call::DescribeServices => describe(world, now, &input),
                Call::DescribeServiceDeployments => native::describe(world, now, &input),
                Call::DescribeServiceRevisions if world.fleet.native.is_some() => {
                    native::describe_revisions(world, &input)
                }
                Call::ListServiceDeployments => native::list(world, &input),
                Call::ListServices => Ok(blue::listed(world)),
                _ => serve(world, now, call, &input),
            })
            .await
    }
}
