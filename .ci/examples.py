"""Runs every scenario of the examples and holds exit code and last event against the promise."""

import json
import re
import subprocess
import sys
import tempfile

failed = []


COMMAND = ["cargo", "run", "--quiet", "--locked", "--bin", "bluegreen", "--"]
# What is a verb of the command; the rest are examples.
VERBS = ("deploy", "prepare", "lint")


def example(name):
    if name in VERBS:
        return COMMAND + [name]
    return ["cargo", "run", "--quiet", "--locked", "--example", name, "--"]


def report(what, ok, run, more=""):
    print(f"{'ok  ' if ok else 'FAIL'} {what}: exit {run.returncode}{more}")
    if not ok:
        failed.append(what)
        sys.stderr.write(run.stderr[-2000:])


def every_scenario(program, least, world="--scenario"):
    command = example(program)
    listing = subprocess.run(command + [world, "list"], capture_output=True, text=True, check=True).stdout
    scenarios = re.findall(r"^  (\S+) +(\d+)  ", listing, re.MULTILINE)
    if len(scenarios) < least:
        sys.exit(f"error: {program} lists only {len(scenarios)} scenarios:\n{listing}")
    for name, expected in scenarios:
        run = subprocess.run(command + [world, name, "--speed", "max", "--json"], capture_output=True, text=True)
        events = [json.loads(line) for line in run.stdout.splitlines()]
        last = events[-1] if events else {}
        # What is refused before its start has no event at all.
        said = last.get("exit_code") if events else 3
        ok = run.returncode == int(expected) == said
        ok = ok and [e["seq"] for e in events] == list(range(len(events)))
        report(f"{program} {name}", ok, run, f", promised {expected}, {len(events)} events")


def ends_with(code, program, *arguments):
    run = subprocess.run(example(program) + list(arguments), capture_output=True, text=True)
    report(f"{program} {' '.join(arguments)}", run.returncode == code, run, f", promised {code}")


every_scenario("traffic_router", 20)
for command in ("status", "rollback", "complete"):
    ends_with(0, "traffic_router", command, "--speed", "max")
ends_with(0, "traffic_router", "--kill-at", "8m", "--speed", "max")
ends_with(11, "traffic_router", "--kill-at", "8m", "--on-resume", "roll-back", "--speed", "max")
ends_with(2, "traffic_router", "resume")
ends_with(0, "traffic_router", "--print-iam-policy", "--journal", "s3://moves/production")
ends_with(2, "traffic_router", "--aws")
ends_with(0, "traffic_router", "--judge", "limits", "--speed", "max")
ends_with(10, "traffic_router", "--judge", "limits", "--scenario", "green-errors", "--speed", "max")
ends_with(0, "traffic_router", "plan")
ends_with(3, "traffic_router", "plan", "--scenario", "low-traffic")
ends_with(0, "traffic_router", "calibrate")
ends_with(3, "traffic_router", "calibrate", "--days", "1")
every_scenario("deploy", 20, "--sim")
ends_with(0, "deploy", "--sim", "--dry-run", "--speed", "max")
ends_with(0, "deploy", "--sim", "--only", "health", "--speed", "max")
ends_with(0, "deploy", "--sim", "--only", "smoke", "--speed", "max")
ends_with(1, "deploy", "--sim", "first-release", "--only", "health", "--speed", "max")
ends_with(3, "deploy", "--sim", "--undo", "--speed", "max")
ends_with(2, "deploy", "--sim", "--resume")
ends_with(2, "deploy")
ends_with(0, "prepare", "--sim")
ends_with(0, "prepare", "--sim", "--undo")
ends_with(0, "prepare", "--sim", "--dry-run")
ends_with(2, "prepare", "--sim", "--test-header", "Host: green")
ends_with(2, "prepare")
ends_with(0, "prepare", "--sim", "--target-group-definition", "examples/deploy/target-group.json")
ends_with(2, "lint")
ends_with(2, "lint", "--task-definition", "examples/deploy/service.json")
ends_with(
    0, "lint", "--task-definition", "examples/deploy/task-definition.json",
    "--service-definition", "examples/deploy/service.json",
    "--target-group-definition", "examples/deploy/target-group.json",
    "--listener-rule", "examples/deploy/listener-rule.json",
)
ends_with(0, "migration_monitor", "--speed", "max")
ends_with(10, "migration_monitor", "--scenario", "green-errors", "--speed", "max")
ends_with(20, "migration_monitor", "--scenario", "rollback-blocked", "--speed", "max")
ends_with(0, "migration_monitor", "--replay", "tests/stories/journals/migration-v3.jsonl", "--speed", "max")
ends_with(2, "migration_monitor", "--replay", "README.md")
with tempfile.TemporaryDirectory() as journal:
    ends_with(10, "traffic_router", "--scenario", "green-errors", "--speed", "max", "--journal", journal)
    ends_with(0, "migration_monitor", "--replay", journal, "--speed", "max", "--report", f"{journal}/report.html")
    with open(f"{journal}/other.toml", "w") as other:
        other.write("[gates.metrics]\nlimits = false\nsequential = false\n")
    ends_with(10, "migration_monitor", "--replay", journal, "--judge-with", f"{journal}/other.toml")
    with open(f"{journal}/other.toml", "w") as other:
        other.write("[gates.metrics.limits]\nmax_eror_rate = 1\n")
    ends_with(2, "migration_monitor", "--replay", journal, "--judge-with", f"{journal}/other.toml")
ends_with(2, "migration_monitor", "--aws")
ends_with(2, "migration_monitor", "--serve", "0.0.0.0:0")
ends_with(2, "migration_monitor", "--linger", "soon", "--serve")
ends_with(0, "traffic_router", "--kill-at", "12m", "--dead-man", "5m", "--speed", "max")
ends_with(10, "traffic_router", "--kill-at", "12m", "--resume-after", "30m", "--dead-man", "5m", "--speed", "max")
ends_with(0, "traffic_router", "--print-dead-man-role")
ends_with(0, "traffic_router", "--dead-man-role", "arn:aws:iam::123456789012:role/x", "--speed", "max")
ends_with(0, "integration_tests")
for scenario in ("broken-chat", "slow", "never-healthy"):
    ends_with(1, "integration_tests", "--scenario", scenario)
if failed:
    sys.exit(f"error: {', '.join(failed)}")
