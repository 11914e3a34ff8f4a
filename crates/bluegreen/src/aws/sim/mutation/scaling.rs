//! Changes of the limits of blue's scaling.

use std::time::Duration;

use aws_sdk_applicationautoscaling::{
    operation::register_scalable_target::{
        RegisterScalableTargetInput, RegisterScalableTargetOutput,
        builders::RegisterScalableTargetInputBuilder,
    },
    types::{ScalableDimension, ServiceNamespace},
};
use serde_json::{Value, json};

use super::Mutation;
use crate::{
    aws::{
        alb::spec::request::{number, string},
        api::ApiError,
        sim::{
            fault::{Call, answer},
            state::{
                fleet::{BLUE_SERVICE, CLUSTER},
                world::World,
            },
        },
    },
    error::ErrorKind,
};

/// Blue's service, as Application Auto Scaling names it.
pub(in crate::aws::sim) fn resource() -> String {
    format!("service/{CLUSTER}/{BLUE_SERVICE}")
}

impl Mutation for RegisterScalableTargetInputBuilder {
    type Output = RegisterScalableTargetOutput;

    fn call(&self) -> Call {
        Call::RegisterScalableTarget
    }

    fn to_json(&self) -> Value {
        let namespace = self.get_service_namespace().as_ref();
        let dimension = self.get_scalable_dimension().as_ref();
        json!({
            "ServiceNamespace": namespace.map(ServiceNamespace::as_str),
            "ResourceId": self.get_resource_id(),
            "ScalableDimension": dimension.map(ScalableDimension::as_str),
            "MinCapacity": self.get_min_capacity(),
            "MaxCapacity": self.get_max_capacity(),
        })
    }

    fn from_json(_: Call, json: &Value) -> Self {
        let namespace = string(json, "ServiceNamespace");
        let dimension = string(json, "ScalableDimension");
        RegisterScalableTargetInput::builder()
            .set_service_namespace(namespace.map(|one| ServiceNamespace::from(&*one)))
            .set_resource_id(string(json, "ResourceId"))
            .set_scalable_dimension(dimension.map(|one| ScalableDimension::from(&*one)))
            .set_min_capacity(number(json, "MinCapacity"))
            .set_max_capacity(number(json, "MaxCapacity"))
    }

    fn happen(&self, world: &mut World, now: Duration) -> Result<Self::Output, ApiError> {
        let call = Call::RegisterScalableTarget;
        let is_known = self.get_resource_id().as_deref() == Some(&resource());
        let Some(scaled) = world.scaling.as_mut().filter(|_| is_known) else {
            let message = "MaxCapacity and MinCapacity are needed for a new scalable target";
            return Err(invalid(call, message));
        };
        let count = |given: &Option<i32>, stands: u32| match given {
            Some(given) => u32::try_from(*given).ok(),
            None => Some(stands),
        };
        let minimum = count(self.get_min_capacity(), scaled.minimum);
        let maximum = count(self.get_max_capacity(), scaled.maximum);
        let (Some(minimum), Some(maximum)) = (minimum, maximum) else {
            return Err(invalid(call, "a capacity must not be negative"));
        };
        if minimum > maximum {
            let message = "Maximum capacity cannot be less than minimum capacity";
            return Err(invalid(call, message));
        }
        (scaled.minimum, scaled.maximum) = (minimum, maximum);
        // The running count is brought into the range at once.
        scaled.scale(now, scaled.desired());
        Ok(RegisterScalableTargetOutput::builder().build())
    }
}

pub(in crate::aws::sim) fn invalid(call: Call, message: &str) -> ApiError {
    answer(call, ErrorKind::Invalid, "ValidationException", message)
}
