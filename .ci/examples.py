"""Runs the command in every scenario and each example, and holds exit codes and last events against the promise."""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

failed = []
COMMAND = "target/debug/examples/command"


def report(what, ok, run, more=""):
    print(f"{'ok  ' if ok else 'FAIL'} {what}: exit {run.returncode}{more}")
    if not ok:
        failed.append(what)
        sys.stderr.write(run.stderr[-2000:])


def every_scenario(verb, least):
    listing = subprocess.run([COMMAND, verb, "--sim", "list"], capture_output=True, text=True, check=True).stdout
    scenarios = re.findall(r"^  (\S+) +(\d+)  ", listing, re.MULTILINE)
    if len(scenarios) < least:
        sys.exit(f"error: {verb} lists only {len(scenarios)} scenarios:\n{listing}")
    for name, expected in scenarios:
        run = subprocess.run(
            [COMMAND, verb, "--sim", name, "--speed", "max", "--json"], capture_output=True, text=True
        )
        events = [json.loads(line) for line in run.stdout.splitlines()]
        last = events[-1] if events else {}
        # What is refused before its start has no event at all.
        said = last.get("exit_code") if events else 3
        ok = run.returncode == int(expected) == said
        ok = ok and [e["seq"] for e in events] == list(range(len(events)))
        report(f"{verb} {name}", ok, run, f", promised {expected}, {len(events)} events")


def ends_with(code, *words, within=None):
    run = subprocess.run([COMMAND, *words], capture_output=True, text=True, cwd=within)
    report(" ".join(words), run.returncode == code, run, f", promised {code}")


subprocess.run(["cargo", "build", "--quiet", "--locked", "--workspace", "--examples"], check=True)
COMMAND = str(pathlib.Path(COMMAND).resolve())
every_scenario("migrate", 20)
fast = ("--sim", "--speed", "max")
for verb in ("status", "rollback", "plan", "diff"):
    ends_with(4 if verb == "diff" else 0, verb, *fast)
ends_with(0, "migrate", "--full", *fast)
ends_with(0, "migrate", "--kill-at", "8m", *fast)
ends_with(11, "migrate", "--kill-at", "8m", "--set", "plan.on_resume=roll-back", *fast)
for verb in ("plan", "diff", "status", "migrate", "rollback"):
    ends_with(0, verb, "--print-iam-policy", "--journal", "s3://moves/production", "--sim")
for verb in ("prepare", "deploy"):
    ends_with(0, verb, "--print-iam-policy", "--sim")
ends_with(0, "migrate", "--judge", "limits", *fast)
ends_with(10, "migrate", "--judge", "limits", "--sim", "green-errors", "--speed", "max")
ends_with(0, "migrate", "--metrics", "app", *fast)
ends_with(3, "plan", "--sim", "low-traffic")
ends_with(0, "plan", "--calibrate", "--sim")
ends_with(3, "plan", "--calibrate", "1", "--sim")
ends_with(0, "migrate", "--kill-at", "12m", "--dead-man", "5m", *fast)
ends_with(10, "migrate", "--kill-at", "12m", "--resume-after", "30m", "--dead-man", "5m", *fast)
ends_with(0, "plan", "--print-dead-man-role", "--sim")
ends_with(0, "migrate", "--dead-man-role", "arn:aws:iam::123456789012:role/x", *fast)
with tempfile.TemporaryDirectory() as folder:
    ends_with(2, "migrate", within=folder)
    ends_with(0, "init", "--sim", within=folder)
    for verb, code in (("lint", 0), ("plan", 0), ("migrate", 0), ("status", 0), ("rollback", 0), ("resume", 0)):
        ends_with(code, verb, *(("--speed", "400") if verb in ("migrate", "rollback") else ()), within=folder)
    ends_with(3, "cleanup", "--keep", "0s", within=folder)
    for verb in ("cleanup", "test", "monitor", "resume", "prepare"):
        ends_with(0, verb, "--print-iam-policy", within=folder)
ends_with(2, "cleanup", within="/")
every_scenario("deploy", 20)
every_scenario("judge", 10)
ends_with(0, "judge", "--kill-at", "8m", "--resume-after", "2m", *fast)
ends_with(0, "judge", "--dry-run", *fast)
ends_with(0, "judge", "--print-iam-policy", "--sim")
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
ends_with(0, "monitor", *fast)
ends_with(10, "monitor", "--sim", "green-errors", "--speed", "max")
ends_with(20, "monitor", "--sim", "rollback-blocked", "--speed", "max")
ends_with(0, "monitor", "--replay", "tests/stories/journals/migration-v3.jsonl", "--speed", "max")
ends_with(2, "monitor", "--replay", "README.md")
with tempfile.TemporaryDirectory() as journal:
    ends_with(10, "migrate", "--sim", "green-errors", "--speed", "max", "--journal", journal)
    ends_with(0, "monitor", "--replay", journal, "--speed", "max", "--report", f"{journal}/report.html")
    with open(f"{journal}/other.toml", "w") as other:
        other.write("[gates.metrics]\nlimits = false\nsequential = false\n")
    ends_with(10, "monitor", "--replay", journal, "--judge-with", f"{journal}/other.toml")
    with open(f"{journal}/other.toml", "w") as other:
        other.write("[gates.metrics.limits]\nmax_eror_rate = 1\n")
    ends_with(2, "monitor", "--replay", journal, "--judge-with", f"{journal}/other.toml")
ends_with(2, "monitor", within="/")
ends_with(2, "monitor", "--serve", "0.0.0.0:0")
ends_with(2, "monitor", "--linger", "soon", "--serve")
ends_with(0, "test", "--sim")
for scenario in ("erring", "slow", "differing", "dead", "blue-worse"):
    ends_with(1, "test", "--sim", scenario)
ends_with(2, "test", within="/")
ends_with(0, "check", "--sim")
ends_with(0, "check", "--sim", "starting")
for scenario in ("broken-chat", "slow", "never-healthy"):
    ends_with(1, "check", "--sim", scenario)
for example in sorted(pathlib.Path("examples").glob("*.rs")):
    program = f"target/debug/examples/{example.stem}"
    run = subprocess.run([program], capture_output=True, text=True, timeout=120)
    report(f"example {example.stem}", run.returncode == 0, run)
if failed:
    sys.exit(f"error: {', '.join(failed)}")
