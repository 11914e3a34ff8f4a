"""Emulators that others wrote, over real HTTP: started as the emulator tier of the library starts them.

`moto` stands for the load balancer and S3, `ministack` for CloudWatch. Both are Python packages; if they are not
installed, the tests say so and are skipped, and with BLUEGREEN_REQUIRE_EMULATOR=1 that is a failure.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
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
