#!/usr/bin/env bash
# moto 5.2.5 (PyPI), Application Auto Scaling of an ECS service: two differences from AWS.
#
# 1. A scaling policy outlives the scalable target that it belongs to. AWS deletes the policies with the
#    target (https://docs.aws.amazon.com/autoscaling/application/APIReference/API_DeregisterScalableTarget.html),
#    so a test that registers a service again finds a policy that AWS would have deleted.
# 2. A minimum above the maximum is accepted and kept. So a test that raises the minimum to the number of
#    running tasks passes here, even if more tasks run than the maximum.
#
# Seen: the policy's name after deregistration, and `20 9` as minimum and maximum.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'moto[applicationautoscaling,ecs]==5.2.5' boto3==1.43.6
cat > "$work/probe.py" <<'PY'
import boto3
from moto import mock_aws

place = dict(region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
target = dict(
    ServiceNamespace="ecs", ResourceId="service/c/s", ScalableDimension="ecs:service:DesiredCount"
)
with mock_aws():
    ecs = boto3.client("ecs", **place)
    ecs.create_cluster(clusterName="c")
    ecs.register_task_definition(family="f", containerDefinitions=[{"name": "web", "image": "x", "memory": 128}])
    ecs.create_service(cluster="c", serviceName="s", taskDefinition="f", desiredCount=2)
    scaling = boto3.client("application-autoscaling", **place)
    scaling.register_scalable_target(**target, MinCapacity=2, MaxCapacity=9)
    scaling.put_scaling_policy(
        **target,
        PolicyName="cpu",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 50.0,
            "PredefinedMetricSpecification": {
                "PredefinedMetricType": "ECSServiceAverageCPUUtilization"
            },
        },
    )
    scaling.deregister_scalable_target(**target)
    policies = scaling.describe_scaling_policies(ServiceNamespace="ecs")["ScalingPolicies"]
    print("policies without a target:", [policy["PolicyName"] for policy in policies])
    scaling.register_scalable_target(**target, MinCapacity=20, MaxCapacity=9)
    [found] = scaling.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"]
    print("minimum and maximum:", found["MinCapacity"], found["MaxCapacity"])
PY
"$work/venv/bin/python" "$work/probe.py" > "$work/seen"
cat "$work/seen"
diff "$work/seen" - <<'SEEN'
policies without a target: ['cpu']
minimum and maximum: 20 9
SEEN
echo "as stated: moto keeps the policy, and takes a minimum above the maximum"
