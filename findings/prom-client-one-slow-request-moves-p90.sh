#!/usr/bin/env bash
# prom-client 15.1.3 (npm), the Prometheus client of Node: one slow request among a thousand equal ones makes the
# 90th percentile of a `Summary` eighty times as large.
#
# A summary of prom-client is a t-digest of npm's tdigest 0.1.3. It keeps equal values in one centroid, however
# many they are, and interpolates from the middle of one centroid to the next. So between 999 answers of 20 ms and
# one of 2 s, a straight line runs from the 50th percentile to the last. The more of the values are equal, the
# worse: latencies in whole milliseconds of a fast service, sizes, counts. A rule "p90 below 500 ms" then fails at
# one request of a thousand, and at one of a million. With a nanosecond of difference between the answers the same
# summary is right.
#
# tdigest 0.5.2.2 and pytdigest 0.1.4 (PyPI) have the same numbers. fastdigest 0.12.0 and datasketches 5.2.0
# (PyPI), which have a t-digest too, and bound the weight of a centroid, are right up to the 95th percentile.
#
# Seen: the lines under SEEN. Known for one of the Python packages, with a die:
# https://github.com/CamDavidsonPilon/tdigest/issues/60. Not found in the tracker of prom-client.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
npm install --silent --no-audit --no-fund --prefix "$work" prom-client@15.1.3 tdigest@0.1.3 > "$work/npm"
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
    tdigest==0.5.2.2 pytdigest==0.1.4 fastdigest==0.12.0 datasketches==5.2.0 numpy==2.4.6 pandas==3.1.1
cat > "$work/probe.js" <<'JS'
const { Summary } = require("prom-client");

async function show(name, values) {
  const percentiles = [0.5, 0.9, 0.95];
  const summary = new Summary({ name: "latency", help: "h", percentiles, registers: [] });
  for (const value of values) summary.observe(value);
  const seen = (await summary.get()).values.filter((one) => "quantile" in one.labels);
  const text = seen.map((one) => `p${one.labels.quantile * 100} ${one.value.toFixed(3)}`).join(", ");
  console.log(`prom-client, ${name}: ${text}`);
}

(async () => {
  const fast = Array(999).fill(0.02);
  await show("20 ms each", fast);
  await show("and one of 2 s", [...fast, 2]);
  await show("a nanosecond apart, and one of 2 s", [...fast.map((value, at) => value + at * 1e-9), 2]);
  const steps = Array.from({ length: 999 }, (_, at) => 0.001 * (1 + (at % 3)));
  await show("1, 2 and 3 ms, and one of 2 s", [...steps, 2]);
})();
JS
cat > "$work/probe.py" <<'PY'
import datasketches
import fastdigest
import numpy
import pytdigest
import tdigest

values = [0.02] * 999 + [2.0]
quantiles = 0.5, 0.9, 0.95


def show(name, quantile):
    print(f"{name}, 20 ms each, and one of 2 s:", ", ".join(f"p{q * 100:g} {quantile(q):.3f}" for q in quantiles))


one = tdigest.TDigest()
one.batch_update(values)
show("tdigest", lambda q: one.percentile(100 * q))
show("pytdigest", lambda q: float(pytdigest.TDigest.compute(numpy.array(values)).inverse_cdf(q)))
show("fastdigest", fastdigest.TDigest.from_values(values).quantile)
sketch = datasketches.tdigest_double()
for value in values:
    sketch.update(value)
show("datasketches", sketch.get_quantile)
PY
cd "$work"
{
    node probe.js
    venv/bin/python probe.py
} > seen
cat seen
diff seen - <<'SEEN'
prom-client, 20 ms each: p50 0.020, p90 0.020, p95 0.020
prom-client, and one of 2 s: p50 0.022, p90 1.606, p95 1.804
prom-client, a nanosecond apart, and one of 2 s: p50 0.020, p90 0.020, p95 0.020
prom-client, 1, 2 and 3 ms, and one of 2 s: p50 0.002, p90 0.810, p95 1.408
tdigest, 20 ms each, and one of 2 s: p50 0.022, p90 1.606, p95 1.804
pytdigest, 20 ms each, and one of 2 s: p50 0.022, p90 1.606, p95 1.804
fastdigest, 20 ms each, and one of 2 s: p50 0.020, p90 0.020, p95 0.020
datasketches, 20 ms each, and one of 2 s: p50 0.020, p90 0.020, p95 0.020
SEEN
echo "as stated: one slow request of a thousand, and the 90th percentile is eighty times as large"
