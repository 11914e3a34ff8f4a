#!/usr/bin/env bash
# Three libraries of AWS for CloudWatch's embedded metric format: if one part of a program records a latency in
# milliseconds and another part records the same metric in seconds, Python's aws-embedded-metrics 3.5.0 takes the
# first unit for all values, Python's aws-lambda-powertools 3.37.0 takes the last one, and neither converts, warns
# or raises. Powertools for TypeScript (npm, @aws-lambda-powertools/metrics 2.36.0) raises an error.
#
# The format has one unit for all values of a metric in a document. So 20 ms, 30 ms and 0.04 s are reported as 20,
# 30 and 0.04 ms, with an average of 17 ms in place of 30, or as 20, 30 and 0.04 s: values that were written
# before change their unit. In powertools a document also ends at 100 values, so which values change depends on how
# many there were.
#
# Seen: the lines under SEEN. Not found in the three trackers.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
    aws-embedded-metrics==3.5.0 aws-lambda-powertools==3.37.0
npm install --silent --no-audit --no-fund --prefix "$work" @aws-lambda-powertools/metrics@2.36.0 > "$work/npm"
cat > "$work/probe.py" <<'PY'
import contextlib
import io
import json

from aws_embedded_metrics.logger.metrics_context import MetricsContext
from aws_embedded_metrics.serializers.log_serializer import LogSerializer
from aws_lambda_powertools.metrics import Metrics

measured = [("Milliseconds", 20.0), ("Milliseconds", 30.0), ("Seconds", 0.04)]


def show(name, documents):
    for text in documents:
        document = json.loads(text)
        [metric] = document["_aws"]["CloudWatchMetrics"][0]["Metrics"]
        print(f"{name}:", document["latency"], metric["Unit"])


context = MetricsContext()
for unit, value in measured:
    context.put_metric("latency", value, unit)
show("aws-embedded-metrics", LogSerializer.serialize(context))

for others in 0, 98:
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        metrics = Metrics(namespace="n", service="s")
        for unit, value in [("Milliseconds", 10.0)] * others + measured:
            metrics.add_metric("latency", unit, value)
        metrics.flush_metrics()
    documents = text.getvalue().splitlines()
    show(f"powertools after {others} others", documents[-1:])
PY
cat > "$work/probe.js" <<'JS'
const { Metrics } = require("@aws-lambda-powertools/metrics");
const metrics = new Metrics({ namespace: "n", serviceName: "s" });
metrics.addMetric("latency", "Milliseconds", 20);
try {
  metrics.addMetric("latency", "Seconds", 0.04);
  console.log("powertools, TypeScript: accepted");
} catch (error) {
  console.log("powertools, TypeScript:", error.message.split(".")[0]);
}
JS
cd "$work"
{
    venv/bin/python probe.py
    node probe.js
} > seen
cat seen
diff seen - <<'SEEN'
aws-embedded-metrics: [20.0, 30.0, 0.04] Milliseconds
powertools after 0 others: [20.0, 30.0, 0.04] Seconds
powertools after 98 others: [0.04] Seconds
powertools, TypeScript: Metric "latency" has already been added with unit "Milliseconds", but we received unit "Seconds"
SEEN
echo "as stated: one unit for all values, the first or the last"
