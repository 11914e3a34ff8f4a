"""Memory, wall time and CPU beside a script over boto3, in one run: both send real requests to moto over HTTP.

    pip install boto3 "moto[server]"
    python crates/python/bench/beside.py                       # the package
    python crates/python/bench/beside.py path/to/bluegreen     # the command, too

The script makes the calls of the guide's `traffic_router.py` in their order: of `status` one, of a migration with all
waits 0 five a step, and one write to put everything back. Ours moves through the same steps and back, each rise after
a look at targets and metrics, read back, with a lease and a journal; moto has no requests to count, so each step is
promoted by hand.

A figure is the median of seven processes, from start to end, the interpreter included. Goals: memory at most a half,
the wall time of `status` at most an eighth, CPU at most a twentieth. Ends with 1 if one is missed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from process import Cost, cost

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

RUNS = 7

# What a script of a few lines does: the rule of priority 100, and its weights.
BOTO3 = """
import os, sys, time
import boto3

listener, blue, green = os.environ["ARNS"].split()
elb, cloudwatch = boto3.client("elbv2"), boto3.client("cloudwatch")

def rule():
    rules = elb.describe_rules(ListenerArn=listener)["Rules"]
    return next(one for one in rules if one["Priority"] == "100")

def shift(share):
    groups = [{"TargetGroupArn": blue, "Weight": 100 - share}, {"TargetGroupArn": green, "Weight": share}]
    forward = {"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}
    elb.modify_rule(RuleArn=rule()["RuleArn"], Actions=[forward])

def looks_well():
    now = time.time()
    for name, what in (("ErrorCount", "Sum"), ("SuccessCount", "Sum"), ("RequestLatency", "Average")):
        cloudwatch.get_metric_statistics(
            Namespace="ChatBot/FastAPI", MetricName=name, StartTime=now - 300, EndTime=now, Period=300,
            Dimensions=[{"Name": "Endpoint", "Value": "/api/v1/chat"}], Statistics=[what])

if sys.argv[1] == "status":
    print([group["Weight"] for group in rule()["Actions"][0]["ForwardConfig"]["TargetGroups"]])
else:
    for share in (10, 50, 100):
        shift(share)
        looks_well()
    shift(0)
"""
OURS = """
import sys
from bluegreen import Aws, Migration, Spec

spec, aws = Spec.from_file("bluegreen.toml"), Aws.from_env()
if sys.argv[1] == "status":
    print(spec.observe(aws, blue="flask"))
else:
    migration = Migration(spec, aws, by="bench", blue="flask")
    migration.on_event(lambda event: event.name in ("preflight_passed", "shifted") and migration.handle.promote("bench"))
    assert migration.run().is_promoted
    assert Migration(spec, aws, act="restore", by="bench", blue="flask").run().exit_code == 0
"""
SPEC = """
name = "bench"
journal = "journal"
traffic = {{ rules = [{{ listener = "{0}", priority = 100 }}] }}
side.flask.target_group = "{1}"
side.fastapi.target_group = "{2}"
judge.by = "limits"
safety.accept = ["no-dead-man", "single-host", "shared-targets", "long-stickiness"]

[plan]
steps = [10, 50, 100]
bake = "1s"
step_deadline = "10m"
warm_up = "0s"
final_bake = "0s"
look_interval = "1s"
hold_back = 0
"""


@contextmanager
def world() -> Iterator[tuple[dict[str, str], str]]:
    """Yields the environment of all programs, and a folder with our specification."""
    import emulators

    process, url = emulators.start("moto")
    try:
        made = emulators.topology(url)
        arns = (made.listener, made.blue, made.green)
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "bluegreen.toml").write_text(SPEC.format(*arns))
            nothing = str(Path(folder, "nothing"))
            yield (
                {
                    "PATH": os.environ["PATH"],
                    "ARNS": " ".join(arns),
                    "AWS_ENDPOINT_URL": url,
                    "AWS_DEFAULT_REGION": emulators.REGION,
                    "AWS_REGION": emulators.REGION,
                    "AWS_ACCESS_KEY_ID": "testing",
                    "AWS_SECRET_ACCESS_KEY": "testing",
                    "AWS_EC2_METADATA_DISABLED": "true",
                    "AWS_CONFIG_FILE": nothing,
                    "AWS_SHARED_CREDENTIALS_FILE": nothing,
                },
                folder,
            )
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(30)


def line(what: str, figures: Cost, other: Cost, goals: Cost | None) -> bool:
    """Prints a line of the table, and returns whether its goals are met."""
    ratios = [one / two for one, two in zip(figures, other)]
    missed = [ratio > goal for ratio, goal in zip(ratios, goals)] if goals else [False] * 3
    cells = [
        f"{value:7.0f} {unit:<3} {ratio:5.3f}{'!' if is_missed else ' '}"
        for value, unit, ratio, is_missed in zip(
            (figures.wall * 1000, figures.cpu * 1000, figures.memory), ("ms", "ms", "MiB"), ratios, missed
        )
    ]
    print(f"{what:<42}" + "  ".join(cells), flush=True)
    return not any(missed)


def main() -> int:
    parser = argparse.ArgumentParser(description="Measures bluegreen beside a script over boto3.")
    parser.add_argument("command", nargs="?", help="the command `bluegreen`, as it is installed")
    command = parser.parse_args().command
    python = [sys.executable, "-c"]
    # A rise waits for two reads, 3 s apart, so the wall time of a migration has no goal.
    status, migration = Cost(1 / 8, 1 / 20, 1 / 2), Cost(float("inf"), 1 / 20, 1 / 2)
    with world() as (environment, folder):

        def of(*words: str) -> Cost:
            return cost(words, environment, runs=RUNS, folder=folder)

        print(f"{'':<42}{'wall':>9}{'ratio':>8}   {'CPU':>9}{'ratio':>8}   {'memory':>9}{'ratio':>8}")
        base = of(*python, BOTO3, "status")
        line("status, boto3", base, base, None)
        line("the interpreter alone", of(*python, "pass"), base, None)
        met = [line("status, the package", of(*python, OURS, "status"), base, status)]
        if command:
            met.append(line("status, the command", of(str(Path(command).resolve()), "status"), base, status))
        base = of(*python, BOTO3, "migrate")
        line("a migration there and back, boto3", base, base, None)
        met.append(line("a migration there and back, the package", of(*python, OURS, "migrate"), base, migration))
    print(f"\nmedian of {RUNS} processes; `!` misses its goal; Python {sys.version.split()[0]}")
    return int(not all(met))


if __name__ == "__main__":
    sys.exit(main())
