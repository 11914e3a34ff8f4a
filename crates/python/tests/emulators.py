"""Emulators that others wrote, over real HTTP: started as the emulator tier of the library starts them.

`moto` stands for the load balancer and S3, `ministack` for CloudWatch. Both are Python packages; if they are not
installed, the tests say so and are skipped, and with BLUEGREEN_REQUIRE_EMULATOR=1 that is a failure.
"""

from __future__ import annotations

import http.server
import importlib.util
import itertools
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from conftest import ROOT

REGION = "us-east-1"
SERVE = ROOT / "tests" / "emulator" / "serve.py"
READY = {"moto": "/moto-api/", "ministack": "/_ministack/health"}
NUMBER = itertools.count()


def start(name: str) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        [sys.executable, str(SERVE), name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    url = f"http://127.0.0.1:{int(process.stdout.readline())}"
    for _ in range(600):
        try:
            urllib.request.urlopen(url + READY[name], timeout=60).close()
            return process, url
        except (urllib.error.URLError, OSError):
            assert process.poll() is None, f"{name} ended"
            time.sleep(0.1)
    raise AssertionError(f"{name} never answered")


@dataclass
class Topology:
    """A load balancer of its own with a listener, two groups and a rule of priority 100, made with boto3."""

    elb: Any
    listener: str
    blue: str
    green: str
    rule: str

    def actions(self) -> list[dict[str, Any]]:
        [rule] = self.elb.describe_rules(RuleArns=[self.rule])["Rules"]
        actions: list[dict[str, Any]] = rule["Actions"]
        return actions

    def weights(self) -> tuple[int, int]:
        forward = self.actions()[-1]["ForwardConfig"]["TargetGroups"]
        weights = {group["TargetGroupArn"]: group["Weight"] for group in forward}
        return weights[self.blue], weights[self.green]

    def rest(self) -> list[dict[str, Any]]:
        """Everything that a shift must leave as it is. The emulator shows the secret of a log-in, which AWS never
        does; a write says `UseExistingClientSecret` instead, and AWS keeps the secret."""
        actions = self.actions()
        for action in actions:
            for name in ("ClientSecret", "UseExistingClientSecret"):
                action.get("AuthenticateOidcConfig", {}).pop(name, None)
            for group in action.get("ForwardConfig", {}).get("TargetGroups", []):
                group.pop("Weight")
        return actions


def topology(url: str, *, log_in: bool = False) -> Topology:
    import boto3

    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "region_name": REGION}
    elb, ec2 = (boto3.client(name, endpoint_url=url, **keys) for name in ("elbv2", "ec2"))
    name = f"py-{os.getpid()}-{next(NUMBER)}"
    subnets = ec2.describe_subnets()["Subnets"]
    made = elb.create_load_balancer(Name=name, Subnets=[one["SubnetId"] for one in subnets[:2]])
    fixed = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}
    listener = elb.create_listener(
        LoadBalancerArn=made["LoadBalancers"][0]["LoadBalancerArn"], Protocol="HTTP", Port=80, DefaultActions=[fixed]
    )["Listeners"][0]["ListenerArn"]
    groups = []
    for side in ("blue", "green"):
        group = elb.create_target_group(
            Name=f"{name}-{side}", Protocol="HTTP", Port=8080, VpcId=subnets[0]["VpcId"], TargetType="ip"
        )["TargetGroups"][0]["TargetGroupArn"]
        targets = [{"Id": f"172.31.0.{last}", "Port": 8080} for last in (1, 2, 3, 4)]
        elb.register_targets(TargetGroupArn=group, Targets=targets)
        groups.append(group)
    weights = [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in zip(groups, (100, 0))]
    forward = {
        "Type": "forward",
        "ForwardConfig": {
            "TargetGroups": weights,
            "TargetGroupStickinessConfig": {"Enabled": True, "DurationSeconds": 60},
        },
        "Order": 2,
    }
    oidc = {
        "Type": "authenticate-oidc",
        "Order": 1,
        "AuthenticateOidcConfig": {
            "Issuer": "https://id.example",
            "AuthorizationEndpoint": "https://id.example/a",
            "TokenEndpoint": "https://id.example/t",
            "UserInfoEndpoint": "https://id.example/u",
            "ClientId": "chat",
            "ClientSecret": "hush-4711",
        },
    }
    rule = elb.create_rule(
        ListenerArn=listener,
        Priority=100,
        Conditions=[{"Field": "path-pattern", "Values": ["/100/*"]}],
        Actions=[oidc, forward] if log_in else [forward],
    )["Rules"][0]["RuleArn"]
    return Topology(elb, listener, groups[0], groups[1], rule)


def had_requests(url: str, world: Topology) -> None:
    """Blue has served 1,000 requests a second for the last hour, at `url`; green none."""
    import boto3

    cloudwatch = boto3.client("cloudwatch", endpoint_url=url, region_name=REGION)
    balancer = world.listener.split(":listener/")[1].rpartition("/")[0]
    dimensions = [
        {"Name": "LoadBalancer", "Value": balancer},
        {"Name": "TargetGroup", "Value": world.blue.rpartition(":")[2]},
    ]
    latencies = {"Values": [0.04, 0.05, 0.09, 0.2], "Counts": [12_000.0, 36_000.0, 9_000.0, 3_000.0]}
    of_a_minute: dict[str, dict[str, Any]] = {
        "RequestCount": {"Value": 60_000.0},
        "HTTPCode_Target_2XX_Count": {"Value": 60_000.0},
        "TargetResponseTime": latencies,
    }
    now = time.time() // 60 * 60
    for minute in range(1, 66):
        data = [
            {"MetricName": name, "Dimensions": dimensions, "Timestamp": now - minute * 60, **values}
            for name, values in of_a_minute.items()
        ]
        cloudwatch.put_metric_data(Namespace="AWS/ApplicationELB", MetricData=data)


@dataclass
class Faults:
    """A server before an emulator, which lets calls of the query protocol fail. `calls` counts those that came.

    `fail(action, fault)`: the next call of this action, or the next few, are `throttled` or `denied` without an
    effect, or have their effect and `lost` their answer.
    """

    url: str = ""
    calls: Counter[str] = field(default_factory=Counter)
    planned: dict[str, list[str]] = field(default_factory=dict)

    def fail(self, action: str, *faults: str) -> None:
        self.planned.setdefault(action, []).extend(faults)


REFUSALS = {"throttled": (400, "Throttling", "Rate exceeded"), "denied": (403, "AccessDenied", "not authorized")}


@contextmanager
def faults_before(upstream: str) -> Iterator[Faults]:
    """Starts such a server on a port of its own."""
    faults = Faults()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            action = urllib.parse.parse_qs(body.decode("latin-1")).get("Action", [""])[0]
            faults.calls[action] += 1
            fault = faults.planned[action].pop(0) if faults.planned.get(action) else None
            if fault in REFUSALS:
                status, code, words = REFUSALS[fault]
                error = f"<ErrorResponse><Error><Code>{code}</Code><Message>{words}</Message></Error></ErrorResponse>"
                self.answer(status, error.encode(), "text/xml")
                return
            headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            request = urllib.request.Request(upstream + self.path, body, headers, method="POST")
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    status, kind, body = answer.status, answer.headers.get("Content-Type", ""), answer.read()
            except urllib.error.HTTPError as error:
                status, kind, body = error.code, error.headers.get("Content-Type", ""), error.read()
            if fault == "lost":
                self.close_connection = True
                return
            self.answer(status, body, kind)

        def answer(self, status: int, body: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    faults.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield faults
    finally:
        server.shutdown()


def endpoints() -> Iterator[dict[str, str]]:
    """Yields the URLs of both emulators, which end with the tests."""
    missing = [name for name in ("moto", "ministack", "boto3") if importlib.util.find_spec(name) is None]
    if missing:
        why = f"no emulator: {', '.join(missing)} is not installed (tests/emulator/requirements.txt has the versions)"
        assert os.environ.get("BLUEGREEN_REQUIRE_EMULATOR") != "1", why
        pytest.skip(why)
    started = {name: start(name) for name in READY}
    try:
        yield {name: url for name, (_, url) in started.items()}
    finally:
        for process, _ in started.values():
            assert process.stdin is not None
            # The server ends with its standard input.
            process.stdin.close()
            process.wait(30)
