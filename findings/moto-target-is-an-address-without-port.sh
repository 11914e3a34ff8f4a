#!/usr/bin/env bash
# moto 5.2.5 (PyPI), Elastic Load Balancing: a target is an address alone.
#
# On AWS a target is an address and a port, so one address can be registered several times
# (https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetDescription.html). moto keeps targets by
# their address: the second port replaces the first one, and to deregister either of them removes both. So a test with
# several servers on 127.0.0.1 has one target, and counts of healthy targets are wrong. Give each server an address of
# its own, such as 127.0.1.1 and 127.0.1.2.
#
# Seen: one target of two, with the port of the second; none after the first one was deregistered.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'moto[elbv2,ec2]==5.2.5' boto3==1.43.6
cat > "$work/probe.py" <<'PY'
import boto3
from moto import mock_aws

place = dict(region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
with mock_aws():
    elb = boto3.client("elbv2", **place)
    vpc = boto3.client("ec2", **place).describe_vpcs()["Vpcs"][0]["VpcId"]
    made = elb.create_target_group(Name="g", Protocol="HTTP", Port=80, VpcId=vpc, TargetType="ip")
    group = made["TargetGroups"][0]["TargetGroupArn"]
    two = [{"Id": "10.0.0.1", "Port": 8001}, {"Id": "10.0.0.1", "Port": 8002}]
    elb.register_targets(TargetGroupArn=group, Targets=two)
    seen = elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
    print("registered two:", [one["Target"] for one in seen])
    elb.deregister_targets(TargetGroupArn=group, Targets=two[:1])
    seen = elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
    print("deregistered the first:", [one["Target"] for one in seen])
PY
"$work/venv/bin/python" "$work/probe.py" > "$work/seen"
cat "$work/seen"
diff "$work/seen" - <<'SEEN'
registered two: [{'Id': '10.0.0.1', 'Port': 8002}]
deregistered the first: []
SEEN
echo "as stated: moto keeps targets by their address alone"
