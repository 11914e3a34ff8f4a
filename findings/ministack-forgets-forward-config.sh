#!/usr/bin/env bash
# ministack 1.5.33 (PyPI), Elastic Load Balancing: a forward to several target groups is accepted and forgotten.
#
# CreateRule and ModifyRule answer 200 to an action with a `ForwardConfig`, and keep a `forward` without any group: neither
# groups nor weights are read back
# (AWS: https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_ForwardActionConfig.html). So weighted traffic
# cannot be tried on it, and a program that believes the 200 thinks that it has divided the traffic.
#
# Seen: an action without groups, in the answer to the write and in a read after it.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check ministack==1.5.33 cbor2==6.3.0 boto3==1.43.6
port=$("$work/venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
BIND_HOST=127.0.0.1 GATEWAY_PORT=$port IOT_MTLS_ENABLED=0 "$work/venv/bin/ministack" >"$work/log" 2>&1 &
server=$!
cat > "$work/probe.py" <<'PY'
import sys
import time

import boto3
from botocore.exceptions import BotoCoreError

place = dict(region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b", endpoint_url=f"http://127.0.0.1:{sys.argv[1]}")
elb = boto3.client("elbv2", **place)
for attempt in range(100):
    try:
        elb.describe_load_balancers()
        break
    except BotoCoreError:
        time.sleep(0.2)
balancer = elb.create_load_balancer(Name="b")["LoadBalancers"][0]["LoadBalancerArn"]
groups = [elb.create_target_group(Name=name, Protocol="HTTP", Port=80)["TargetGroups"][0]["TargetGroupArn"] for name in ("blue", "green")]
listener = elb.create_listener(LoadBalancerArn=balancer, Protocol="HTTP", Port=80, DefaultActions=[
    {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}])["Listeners"][0]["ListenerArn"]
forward = [{"Type": "forward", "ForwardConfig": {"TargetGroups": [
    {"TargetGroupArn": groups[0], "Weight": 90}, {"TargetGroupArn": groups[1], "Weight": 10}]}}]
paths = [{"Field": "path-pattern", "Values": ["/*"]}]
rule = elb.create_rule(ListenerArn=listener, Priority=1, Conditions=paths, Actions=forward)["Rules"][0]
print("created:", rule["Actions"])
print("modified:", elb.modify_rule(RuleArn=rule["RuleArn"], Actions=forward)["Rules"][0]["Actions"])
print("read:", elb.describe_rules(RuleArns=[rule["RuleArn"]])["Rules"][0]["Actions"])
PY
"$work/venv/bin/python" "$work/probe.py" "$port" > "$work/seen"
cat "$work/seen"
diff "$work/seen" - <<'SEEN'
created: [{'Type': 'forward', 'Order': 1}]
modified: [{'Type': 'forward', 'Order': 1}]
read: [{'Type': 'forward', 'Order': 1}]
SEEN
echo "as stated: ministack accepts weighted groups, and forgets them"
