//! Application Auto Scaling.

service! {
    /// The real service.
    ScalingApi, RealScaling, aws_sdk_applicationautoscaling, "application-autoscaling";
    Read describe_scalable_targets DescribeScalableTargets(DescribeScalableTargetsInputBuilder) -> DescribeScalableTargetsOutput;
    Mutation register_scalable_target RegisterScalableTarget(RegisterScalableTargetInputBuilder) -> RegisterScalableTargetOutput;
}
