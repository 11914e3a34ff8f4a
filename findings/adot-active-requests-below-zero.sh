#!/usr/bin/env bash
# aws-opentelemetry-distro 0.21.0 (PyPI), AWS's own distribution of OpenTelemetry: of five requests that Flask is
# answering, CloudWatch is told "5" once, then nothing while they last, and "-5" when they end.
#
# Its exporter to CloudWatch's embedded metric format asks for changes since the last export, of every kind of
# instrument. That is right for what is counted, such as requests. The instrumentations of Flask, FastAPI and others
# record `http.server.active_requests` as an up-down counter, whose value is a level, and the exporter writes each
# change of the level as a value of the metric. So the metric is not what its name says: a service with hundreds of
# requests all the time sends 0 or nothing, and an average or a minimum below zero. A rule "wait until green has no
# active request" passes at once.
#
# Seen: the lines under SEEN, one for each export. OpenTelemetry's own preference for changes leaves up-down counters
# as levels
# (https://opentelemetry.io/docs/specs/otel/metrics/sdk_exporters/otlp/#additional-environment-variable-configuration).
# Known of the older way through the collector, and closed as inactive there:
# https://github.com/open-telemetry/opentelemetry-collector-contrib/issues/23579. Not found in the tracker of the
# distribution.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check aws-opentelemetry-distro==0.21.0 flask==3.1.3
cat > "$work/probe.py" <<'PY'
import contextlib
import io
import json
import threading

from amazon.opentelemetry.distro.exporter.aws.metrics.console_emf_exporter import ConsoleEmfExporter
from flask import Flask
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

reader = PeriodicExportingMetricReader(ConsoleEmfExporter(namespace="n"), export_interval_millis=float("inf"))
provider = MeterProvider(metric_readers=[reader])
app = Flask("app")
FlaskInstrumentor().instrument_app(app, meter_provider=provider)
started, end = threading.Semaphore(0), threading.Event()


@app.get("/")
def page():
    started.release()
    end.wait()
    return "page"


def export(name):
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        provider.force_flush()
    documents = [json.loads(line) for line in text.getvalue().splitlines()]
    values = [one["http.server.active_requests"] for one in documents if "http.server.active_requests" in one]
    print(f"{name}: {values}")


requests = [threading.Thread(target=lambda: app.test_client().get("/")) for _ in range(5)]
for request in requests:
    request.start()
for _ in requests:
    started.acquire()
export("five requests are active")
export("they still are")
end.set()
for request in requests:
    request.join()
export("none is active")
PY
"$work/venv/bin/python" "$work/probe.py" > "$work/seen"
cat "$work/seen"
diff "$work/seen" - <<'SEEN'
five requests are active: [5]
they still are: []
none is active: [-5]
SEEN
echo "as stated: the metric of active requests holds changes, and goes below zero"
