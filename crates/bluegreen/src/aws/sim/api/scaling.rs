//! Application Auto Scaling as the simulation answers it: blue's service has a scalable target if it
//! scales, green's has none.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_applicationautoscaling::{
    operation::{
        describe_scalable_targets::{
            DescribeScalableTargetsOutput, builders::DescribeScalableTargetsInputBuilder,
        },
        register_scalable_target::{
            RegisterScalableTargetOutput, builders::RegisterScalableTargetInputBuilder,
        },
    },
    primitives::DateTime,
    types::{ScalableDimension, ScalableTarget, ServiceNamespace},
};

use super::shared::Shared;
use crate::aws::{
    api::{ApiError, ScalingApi},
    sim::{
        fault::Call,
        mutation::scaling::{invalid, resource},
        state::scaling::Scaled,
        time::SimClock,
    },
};

#[derive(Debug)]
pub(in crate::aws::sim) struct SimScaling(pub(in crate::aws::sim) Arc<Shared>);

#[async_trait]
impl ScalingApi for SimScaling {
    async fn describe_scalable_targets(
        &self,
        input: DescribeScalableTargetsInputBuilder,
    ) -> Result<DescribeScalableTargetsOutput, ApiError> {
        let call = Call::DescribeScalableTargets;
        self.0
            .serve(call, move |world, _now| {
                let asked = input.get_resource_ids().as_deref().unwrap_or_default();
                let is_asked = asked.is_empty() || asked.contains(&resource());
                let scaled = world.scaling.as_ref().filter(|_| is_asked);
                let found = scaled.map(|scaled| target(call, scaled)).transpose()?;
                Ok(DescribeScalableTargetsOutput::builder()
                    .set_scalable_targets(Some(found.into_iter().collect()))
                    .build())
            })
            .await
    }

    async fn register_scalable_target(
        &self,
        input: RegisterScalableTargetInputBuilder,
    ) -> Result<RegisterScalableTargetOutput, ApiError> {
        self.0.change(input).await
    }
}

fn target(call: Call, scaled: &Scaled) -> Result<ScalableTarget, ApiError> {
    let number = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
    ScalableTarget::builder()
        .service_namespace(ServiceNamespace::Ecs)
        .resource_id(resource())
        .scalable_dimension(ScalableDimension::EcsServiceDesiredCount)
        .min_capacity(number(scaled.minimum))
        .max_capacity(number(scaled.maximum))
        .role_arn("arn:aws:iam::123456789012:role/aws-service-role/ecs.application-autoscaling")
        .creation_time(DateTime::from_secs(SimClock::epoch().as_second()))
        .build()
        .map_err(|error| invalid(call, &error.to_string()))
}
