#!/usr/bin/env bash
# cfn-lint 1.58.0 (PyPI): of the 500 shares of traffic from 0.1 % to 50.0 % that a canary deployment of ECS can
# have, it refuses 174, among them 0.3 % and 33.3 %, as "not a multiple of 0.1".
#
# The schema of `AWS::ECS::Service` asks for multiples of 0.1. cfn-lint divides by 0.1 and wants a whole number, and
# 33.3 divided by 0.1 is 332.99999999999994 in binary. The finding has the level E, so a check of pull requests
# fails on a template that is right. 33.4 is refused too, so the next share that passes is 33.2 or 33.5. It is the
# same for the steps of a linear deployment.
#
# Seen: the lines under SEEN. Not found in the tracker.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check cfn-lint==1.58.0
cat > "$work/write.py" <<'PY'
print("Resources:")
for tenths in range(1, 501):
    canary = f"{{CanaryPercent: {tenths / 10}, CanaryBakeTimeInMinutes: 6}}"
    print(f"  S{tenths}:\n    Type: AWS::ECS::Service\n    Properties:\n      TaskDefinition: web:1")
    print(f"      DeploymentConfiguration: {{Strategy: CANARY, CanaryConfiguration: {canary}}}")
PY
cd "$work"
python3 write.py > template.yaml
venv/bin/cfn-lint --format parseable template.yaml > lint || true
refused=$(grep -c 'is not a multiple of 0.1' lint)
{
    echo "$refused of $(grep -c CanaryPercent template.yaml) refused, other remarks: $(($(wc -l < lint) - refused))"
    grep -oE '\b(0.1|0.3|10.1|25.5|33.2|33.3|33.4|33.5) is not a multiple of 0.1' lint | sort -n
} > seen
cat seen
diff seen - <<'SEEN'
174 of 500 refused, other remarks: 0
0.3 is not a multiple of 0.1
10.1 is not a multiple of 0.1
33.3 is not a multiple of 0.1
33.4 is not a multiple of 0.1
SEEN
echo "as stated: a third of the shares are refused"
