"""Memory, wall time and CPU of bluegreen beside a script over boto3 that does what the guide's does.

    python compare.py              # ours beside boto3: status, and a whole migration with all waits 0
    python compare.py leak         # 200 migrations in one process: does memory grow?
    python compare.py events       # a million events through one callback
    python compare.py crowd 1000   # so many migrations from one asyncio loop, with a Python gate each

`compare.py` starts moto (`pip install boto3 "moto[server]"`) for boto3, and `status` of both asks it over HTTP. A whole migration
of ours runs on the simulation, with all its looks, gates and read-backs; boto3's does the guide's five
calls a step against moto with `wait_minutes=0`. So ours does more, and the figures say what that costs.

Each figure is of a process of its own: the median of five, from the kernel's account of that process. Linux alone.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import resource
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

RUNS = 5
REGION = "us-east-1"


class Cost(NamedTuple):
    """What a process took, by the kernel's account."""

    wall: float
    cpu: float
    memory: float


# What each process runs. The guide's class, method by method, with its own calls.
GUIDE = """
import os, time
import boto3

class TrafficRouter:
    def __init__(self, region):
        url = os.environ["AWS_ENDPOINT_URL"]
        self.elbv2 = boto3.client("elbv2", region_name=region, endpoint_url=url)
        self.cloudwatch = boto3.client("cloudwatch", region_name=region, endpoint_url=url)
        self.listener_arn, self.blue, self.green = os.environ["ARNS"].split()

    def _rule(self):
        for rule in self.elbv2.describe_rules(ListenerArn=self.listener_arn)["Rules"]:
            if rule.get("Priority") == "100":
                return rule

    def get_current_traffic_weights(self):
        groups = self._rule()["Actions"][0]["ForwardConfig"]["TargetGroups"]
        return {group["TargetGroupArn"]: group["Weight"] for group in groups}

    def update_traffic_weights(self, blue, green):
        groups = [{"TargetGroupArn": self.blue, "Weight": blue}, {"TargetGroupArn": self.green, "Weight": green}]
        action = {"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}
        self.elbv2.modify_rule(RuleArn=self._rule()["RuleArn"], Actions=[action])

    def _check_health_metrics(self):
        end = time.time()
        for name in ("ErrorCount", "SuccessCount", "RequestLatency"):
            self.cloudwatch.get_metric_statistics(
                Namespace="ChatBot/FastAPI", MetricName=name, StartTime=end - 300, EndTime=end, Period=300,
                Dimensions=[{"Name": "Endpoint", "Value": "/api/v1/chat"}],
                Statistics=["Average" if name == "RequestLatency" else "Sum"])

router = TrafficRouter("us-east-1")
print(router.get_current_traffic_weights())
"""
GUIDE_MIGRATION = (
    GUIDE
    + """
for green in (10, 50, 100):
    router.update_traffic_weights(100 - green, green)
    router._check_health_metrics()
router.update_traffic_weights(100, 0)
"""
)
OURS = """
import os
import bluegreen
listener, blue, green = os.environ["ARNS"].split()
spec = bluegreen.Spec(
    name="chatbot", traffic={"rules": [{"listener": listener, "priority": 100}]},
    side={"flask": {"target_group": blue}, "fastapi": {"target_group": green}})
print(spec.observe(bluegreen.Aws.from_env(), blue="flask"))
"""
OURS_MIGRATION = """
import bluegreen
world = bluegreen.Simulation("healthy")
outcome = bluegreen.Migration(world.spec, world).run()
assert outcome.is_promoted, outcome
print(outcome)
"""


def cost(program: str, environment: dict[str, str]) -> Cost:
    """Returns the median cost of a program, each part by itself."""
    taken = [_once(program, environment) for _ in range(RUNS)]
    return Cost(*(statistics.median(values) for values in zip(*taken)))


# The peak of a process by its own account: what `wait4` tells includes the memory of the process that began it.
PEAK = """
import sys
with open("/proc/self/status") as status:
    print(*[line.split()[1] for line in status if line.startswith("VmHWM")], file=sys.stderr)
"""


def _once(program: str, environment: Dict[str, str]) -> Cost:
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", program + PEAK],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"a program of the comparison ended with {process.returncode}\n{said}")
    return Cost(wall, used.ru_utime + used.ru_stime, int(said.split()[-1]) / 1024)


@contextmanager
def moto() -> Iterator[tuple[str, str]]:
    """Starts moto with a rule as the guide has it, and yields its URL and the three ARNs."""
    try:
        import boto3
        from moto.server import ThreadedMotoServer
    except ImportError as error:
        raise SystemExit(f"error: {error}\n  hint: pip install boto3 'moto[server]'") from error
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    try:
        keys = {"region_name": REGION, "endpoint_url": url, "aws_access_key_id": "x", "aws_secret_access_key": "x"}
        elb, ec2 = boto3.client("elbv2", **keys), boto3.client("ec2", **keys)
        subnets = ec2.describe_subnets()["Subnets"]
        made = elb.create_load_balancer(Name="chatbot-alb", Subnets=[one["SubnetId"] for one in subnets[:2]])
        groups: list[str] = []
        for name in ("flask", "fastapi"):
            group = elb.create_target_group(
                Name=f"chatbot-{name}-tg", Protocol="HTTP", Port=80, VpcId=subnets[0]["VpcId"]
            )
            groups.append(group["TargetGroups"][0]["TargetGroupArn"])
        forward = {
            "Type": "forward",
            "ForwardConfig": {
                "TargetGroups": [
                    {"TargetGroupArn": groups[0], "Weight": 100},
                    {"TargetGroupArn": groups[1], "Weight": 0},
                ]
            },
        }
        balancer = made["LoadBalancers"][0]["LoadBalancerArn"]
        listener = elb.create_listener(LoadBalancerArn=balancer, Protocol="HTTP", Port=80, DefaultActions=[forward])
        arn = listener["Listeners"][0]["ListenerArn"]
        path = {"Field": "path-pattern", "Values": ["/api/*"]}
        elb.create_rule(ListenerArn=arn, Priority=100, Conditions=[path], Actions=[forward])
        yield url, " ".join([arn, *groups])
    finally:
        server.stop()


def side_by_side() -> int:
    with moto() as (url, arns):
        environment = {**os.environ, "AWS_ENDPOINT_URL": url, "ARNS": arns, "AWS_REGION": REGION}
        environment |= {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_EC2_METADATA_DISABLED": "true"}
        table = {
            "status": (cost(OURS, environment), cost(GUIDE, environment)),
            "a whole migration, waits 0": (cost(OURS_MIGRATION, environment), cost(GUIDE_MIGRATION, environment)),
        }
    print(f"{'':<28}{'':<8}{'bluegreen':>12}{'boto3':>12}{'ratio':>8}")
    for what, (ours, guide) in table.items():
        for name, unit, factor in (("wall", "ms", 1000.0), ("cpu", "ms", 1000.0), ("memory", "MiB", 1.0)):
            one, other = getattr(ours, name) * factor, getattr(guide, name) * factor
            print(f"{what:<28}{name:<8}{one:>8.0f} {unit:<3}{other:>8.0f} {unit:<3}{one / other:>8.2f}")
            what = ""
    print(f"\nmedian of {RUNS} processes each; Python {sys.version.split()[0]}")
    return 0


def resident() -> float:
    """Returns the memory of this process now, in MiB."""
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize() / 2**20


def leak(rounds: int) -> int:
    """Runs migrations with a Python gate, sink and events, and ends with 1 if memory still grows by the end."""
    import bluegreen

    def run(seed: int) -> None:
        world = bluegreen.Simulation("green-errors", seed=seed)
        gates = {"own": lambda look: bluegreen.Verdict.healthy("well")}
        migration = bluegreen.Migration(world.spec, world, gates=gates).on_event(lambda event: event.to_dict())
        events = migration.events()
        assert migration.run().exit_code == 10 and sum(1 for _ in events) > 20

    threads, sizes = threading.active_count(), []
    for seed in range(rounds):
        run(seed)
        gc.collect()
        sizes.append(resident())
        if (seed + 1) % max(rounds // 10, 1) == 0:
            print(f"after {seed + 1:>5} migrations: {sizes[-1]:6.1f} MiB")
    half = sizes[len(sizes) // 2 :]
    grown = (half[-1] - half[0]) * 1024 / len(half)
    print(f"{grown:+.1f} KiB a migration in the second half; {threading.active_count() - threads} threads left")
    return int(grown > 8 or threading.active_count() > threads)


def events(wanted: int) -> int:
    """Takes so many events through one callback, in as many migrations as that needs."""
    import bluegreen

    count, runs = 0, 0

    def take(event: bluegreen.Event) -> None:
        nonlocal count
        count += 1

    began, cpu = time.perf_counter(), time.process_time()
    while count < wanted:
        world = bluegreen.Simulation("healthy", seed=runs)
        # A long bake in virtual time: 960 looks.
        spec = world.spec.with_(plan={"final_bake": "4h", "deadline": "6h"})
        outcome = bluegreen.Migration(spec, world).on_event(take).run()
        if not outcome.is_promoted:
            # Such as after Ctrl-C.
            print(outcome)
            return outcome.exit_code
        runs += 1
        print(f"{count:>9} events, {resident():6.1f} MiB")
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    print(
        f"{count} events of {runs} runs in {wall:.1f} s: {cpu / count * 1e6:.0f} us of CPU an event, simulation included"
    )
    return 0


def crowd(size: int) -> int:
    """Runs so many migrations at once from one asyncio loop, with an async Python gate each."""
    import asyncio

    import bluegreen

    async def gate(look: bluegreen.Look) -> bluegreen.Verdict:
        await asyncio.sleep(0)
        return bluegreen.Verdict.healthy("well")

    async def main() -> list[bluegreen.Outcome]:
        worlds = [bluegreen.Simulation(seed=seed) for seed in range(size)]
        runs = [bluegreen.Migration(world.spec, world, gates={"own": gate}).run_async() for world in worlds]
        return list(await asyncio.gather(*runs))

    before, began = resident(), time.perf_counter()
    outcomes = asyncio.run(main())
    assert all(outcome.is_promoted for outcome in outcomes)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{size} migrations at once in {time.perf_counter() - began:.1f} s, all promoted")
    print(f"{(peak - before) * 1024 / size:.0f} KiB a migration: {peak:.0f} MiB at most, {before:.0f} before")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description="Measures bluegreen beside a script over boto3, and by itself.")
    parser.add_argument("what", nargs="?", default="beside", choices=["beside", "leak", "events", "crowd"])
    parser.add_argument(
        "number", nargs="?", type=int, help="migrations (leak: 200, crowd: 1000), or events (1,000,000)"
    )
    options = parser.parse_args()
    if options.what == "beside":
        return side_by_side()
    command, usual = {"leak": (leak, 200), "events": (events, 1_000_000), "crowd": (crowd, 1000)}[options.what]
    return command(options.number or usual)


if __name__ == "__main__":
    sys.exit(main())
