"""The test agent of one world: makes HAProxy do what the rule says, and AWS know what HAProxy sees.

Usage: agent.py WORLD.json

- Each 200 ms: the rule's weights and the test route go to HAProxy's runtime API.
- Each 500 ms: HAProxy's own health checks go to moto as the health of the targets. A group that no rule names is unused.
- Each minute: what HAProxy logged of each group goes to CloudWatch as metrics of the load balancer. A counter that is zero
  is not sent, as on AWS, and what HAProxy answered itself carries no target group.
"""

import json
import pathlib
import re
import socket
import sys
import threading
import time

import aws
from app_metrics import put
from haproxy import Runtime

MINUTE = 60
# What AWS calls a health check that has not ended, passes, or fails.
STATES = {None: ["initial", "Elb.InitialHealthChecking"], True: ["healthy", None],
          False: ["unhealthy", "Target.FailedHealthChecks"]}
# <134>Nov 28 18:00:00 haproxy[123]: fastapi 127.77.2.1 200 12 --
LINE = re.compile(r"]: (?P<side>\S+) (?P<target>\S+) (?P<status>-?\d+) (?P<milliseconds>-?\d+) (?P<ended>\S+)$")


class Agent:
    def __init__(self, world):
        self.moto, self.ministack, self.listener = world["moto"], world["ministack"], world["listener"]
        self.balancer, self.groups, self.rule = world["balancer"], world["groups"], world["rule"]
        self.folder = pathlib.Path(world["folder"])
        self.sides = {arn: side for side, arn in self.groups.items()}
        self.haproxy = Runtime(self.folder / "haproxy.sock")
        self.out = open(self.folder / "agent.jsonl", "a", buffering=1)
        self.weights = self.routes = self.health = None
        self.lock, self.minutes = threading.Lock(), {}

    def tell(self, **what):
        self.out.write(json.dumps({"at": time.time(), **what}) + "\n")

    def follow_rule(self):
        found = aws.rules(self.moto, ListenerArn=self.listener)
        main = next(one for one in found if one.arn == self.rule)
        weights = {side: main.weights.get(arn, 0) for side, arn in self.groups.items()}
        if weights != self.weights:
            self.haproxy.set_weights(weights)
            assert self.haproxy.weights() == weights
            self.tell(weights=weights)
            self.weights = weights
        routes = {}
        for one in found:
            leads_to = [self.sides[arn] for arn, weight in one.weights.items() if weight and arn in self.sides]
            if one.header == aws.TEST_HEADER and len(leads_to) == 1:
                routes |= {value: leads_to[0] for value in one.values}
        if routes != self.routes:
            commands = [f"clear map {self.folder}/routes.map"]
            commands += [f"add map {self.folder}/routes.map {value} {side}" for value, side in routes.items()]
            self.haproxy.change(*commands)
            self.tell(routes=routes)
            self.routes = routes
        self.named = {arn for one in found for arn in one.weights}

    def follow_health(self):
        health = {}
        for side, arn in self.groups.items():
            passes = self.haproxy.health(side)
            if arn not in self.named:
                health[arn] = {target: ["unused", "Target.NotInUse"] for target in passes}
            else:
                health[arn] = {target: STATES[ok] for target, ok in passes.items()}
        if health != self.health:
            aws.put_health(self.moto, health)
            self.tell(health={self.sides[arn]: found for arn, found in health.items()})
            self.health = health

    def read_log(self, log):
        while True:
            found = LINE.search(log.recv(2048).decode(errors="replace").strip())
            if found:
                minute = int(time.time() // MINUTE * MINUTE)
                with self.lock:
                    self.minutes.setdefault(minute, []).append(found.groupdict())

    def publish_minutes(self):
        with self.lock:
            over = [minute for minute in self.minutes if minute + MINUTE + 2 <= time.time()]
            taken = [(minute, self.minutes.pop(minute)) for minute in over]
        for minute, requests in taken:
            data = self.own_answers(minute, requests)
            for side, arn in self.groups.items():
                data += self.of_group(minute, arn, [one for one in requests if one["side"] == side])
            put(self.ministack, "AWS/ApplicationELB", data)

    def datum(self, minute, name, value, **more):
        dimensions = [{"Name": key, "Value": name} for key, name in
                      {"LoadBalancer": self.balancer.split("loadbalancer/")[1], **more}.items()]
        usual = {"MetricName": name, "Timestamp": minute, "Dimensions": dimensions}
        return {**usual, **(value if isinstance(value, dict) else {"Value": value, "Unit": "Count"})}

    def of_group(self, minute, arn, requests):
        """The metrics of a group: of the requests for which the balancer could choose a target."""
        requests = [one for one in requests if one["target"] != "<NOSRV>"]
        if not requests:
            return []
        counts = {"RequestCount": len(requests)}
        answered = [one for one in requests if int(one["milliseconds"]) >= 0]
        for one in answered:
            name = f"HTTPCode_Target_{one['status'][0]}XX_Count"
            counts[name] = counts.get(name, 0) + 1
        refused = sum(one["ended"] in ("SC", "sC") for one in requests)
        counts |= {"TargetConnectionErrorCount": refused} if refused else {}
        group = {"TargetGroup": arn.split(":")[-1]}
        data = [self.datum(minute, name, count, **group) for name, count in counts.items()]
        seconds = [int(one["milliseconds"]) / 1e3 for one in answered]
        if seconds:
            summed = {"SampleCount": len(seconds), "Sum": sum(seconds), "Minimum": min(seconds), "Maximum": max(seconds)}
            data.append(self.datum(minute, "TargetResponseTime", {"StatisticValues": summed, "Unit": "Seconds"}, **group))
        return data

    def own_answers(self, minute, requests):
        """The balancer's own errors carry no target group."""
        own = sum(int(one["milliseconds"]) < 0 and one["status"].startswith("5") for one in requests)
        return [self.datum(minute, "HTTPCode_ELB_5XX_Count", own)] if own else []

    def run(self, log):
        threading.Thread(target=self.read_log, args=[log], daemon=True).start()
        turn = 0
        while True:
            self.follow_rule()
            if turn % 3 == 0:
                self.follow_health()
            if turn % 10 == 0:
                self.publish_minutes()
            turn += 1
            time.sleep(0.2)


def main():
    world = json.loads(pathlib.Path(sys.argv[1]).read_text())
    path = pathlib.Path(world["folder"]) / "log.sock"
    log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    log.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    log.bind(str(path))
    print("ready", flush=True)
    # HAProxy starts once its log has a reader.
    sys.stdin.readline()
    Agent(world).run(log)


main()
