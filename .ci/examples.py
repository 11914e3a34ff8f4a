"""Runs every scenario of the examples and holds exit code and last event against the promise."""

import json
import re
import subprocess
import sys

ROUTER = ["cargo", "run", "--quiet", "--locked", "--example", "traffic_router", "--"]

listing = subprocess.run(ROUTER + ["--scenario", "list"], capture_output=True, text=True, check=True).stdout
scenarios = re.findall(r"^  (\S+) +(\d+)  ", listing, re.MULTILINE)
if len(scenarios) < 12:
    sys.exit(f"error: only {len(scenarios)} scenarios listed:\n{listing}")
failed = []
for name, expected in scenarios:
    run = subprocess.run(ROUTER + ["--scenario", name, "--speed", "max", "--json"], capture_output=True, text=True)
    events = [json.loads(line) for line in run.stdout.splitlines()]
    last = events[-1] if events else {}
    ok = run.returncode == int(expected) == last.get("exit_code")
    ok = ok and [e["seq"] for e in events] == list(range(len(events)))
    print(f"{'ok  ' if ok else 'FAIL'} {name}: exit {run.returncode}, promised {expected}, {len(events)} events")
    if not ok:
        failed.append(name)
        sys.stderr.write(run.stderr[-2000:])
for command in (["status"], ["rollback"], ["complete"]):
    run = subprocess.run(ROUTER + command + ["--speed", "max"], capture_output=True, text=True)
    print(f"{'ok  ' if run.returncode == 0 else 'FAIL'} {command[0]}: exit {run.returncode}")
    if run.returncode != 0:
        failed.append(command[0])
        sys.stderr.write(run.stderr[-2000:])
if failed:
    sys.exit(f"error: {', '.join(failed)}")
