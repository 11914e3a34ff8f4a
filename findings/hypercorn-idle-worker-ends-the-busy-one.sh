#!/usr/bin/env bash
# hypercorn 0.18.0 (PyPI): with two workers or more, SIGTERM cuts requests that are being answered, whatever
# `--graceful-timeout` says. With one worker they are answered.
#
# On SIGTERM the parent tells its workers to finish and waits until one of them has ended; then it terminates the
# others. A worker without requests ends at once. So the fewer requests there are, the surer is a request to be
# cut, and the exit status is 0. A container that gets SIGTERM during a rollout loses answers that its target
# group waits for; uvicorn 0.54.0 with `--workers 2`, and hypercorn with one worker, answer them.
#
# Seen: with `--graceful-timeout 30`, a request of 3 s at the time of SIGTERM is answered by one worker, and gets
# an end of connection without an answer from two. Not found in the tracker.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check hypercorn==0.18.0 uvicorn==0.54.0
cat > "$work/app.py" <<'PY'
import asyncio


def mark(event):
    with open("events", "a") as file:
        file.write(event + "\n")


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        mark("started")
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    mark("asked")
    await asyncio.sleep(3)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
    await send({"type": "http.response.body", "body": b"done"})
PY
cat > "$work/probe.py" <<'PY'
import pathlib
import socket
import subprocess
import time

events = pathlib.Path("events")


def wait_for(event, count):
    end = time.monotonic() + 60
    while events.read_text().split().count(event) < count:
        assert time.monotonic() < end, f"no {event}"
        time.sleep(0.1)


def ask(command, workers):
    events.write_text("")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [part.format(port=port, workers=workers) for part in command.split()]
    with open("log", "ab") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait_for("started", workers)
        time.sleep(1)
        with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            wait_for("asked", 1)
            server.terminate()
            answer = client.recv(64)
        status = answer.split()[1].decode() if answer else "no answer"
        print(f"{command[0].split('/')[-1]}, {workers} workers: {status}, exit {server.wait(30)}")
    finally:
        server.kill()


hypercorn = "venv/bin/hypercorn --bind 127.0.0.1:{port} --workers {workers} --graceful-timeout 30 app:app"
uvicorn = "venv/bin/uvicorn --host 127.0.0.1 --port {port} --workers {workers} app:app"
ask(hypercorn, 1)
ask(hypercorn, 2)
ask(uvicorn, 2)
PY
cd "$work"
venv/bin/python probe.py > seen
cat seen
diff seen - <<'SEEN'
hypercorn, 1 workers: 200, exit 0
hypercorn, 2 workers: no answer, exit 0
uvicorn, 2 workers: 200, exit 0
SEEN
echo "as stated: an idle worker's end is the end of the busy one"
