//! The targets of a group as the balancer sees them.

use aws_sdk_elasticloadbalancingv2::{
    operation::describe_target_health::DescribeTargetHealthInput,
    types::{TargetHealthDescription, TargetHealthStateEnum},
};

use super::TargetGroupArn;
use crate::{aws::api::ElbApi, error::Result, traffic::TargetCounts};

/// Reads the targets of a group.
pub(in crate::aws) async fn targets_of(
    elb: &dyn ElbApi,
    group: &TargetGroupArn,
) -> Result<TargetCounts> {
    let input = DescribeTargetHealthInput::builder().target_group_arn(group.as_str());
    let output = elb.describe_target_health(input).await.map_err(|error| {
        error.into_error(format!("describe the health of target group {group}"))
    })?;
    Ok(count(output.target_health_descriptions()))
}

/// Counts targets by state
/// ([ELB API](https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetHealth.html)).
fn count(targets: &[TargetHealthDescription]) -> TargetCounts {
    let mut counts = TargetCounts::default();
    for target in targets {
        let state = target.target_health().and_then(|health| health.state());
        let counter = match state {
            Some(TargetHealthStateEnum::Healthy) => &mut counts.healthy,
            Some(TargetHealthStateEnum::Unhealthy) => &mut counts.unhealthy,
            Some(TargetHealthStateEnum::Initial) => &mut counts.initial,
            Some(TargetHealthStateEnum::Draining | TargetHealthStateEnum::UnhealthyDraining) => {
                &mut counts.draining
            }
            _ => &mut counts.other,
        };
        *counter += 1;
    }
    counts
}
