"""AWS for the fleet: moto in this process, with a log of the rules' changes, health of targets, and faults.

CloudWatch is ministack's: the SDK for Rust asks in CBOR, which moto does not speak.
"""

import dataclasses
import io
import pathlib
import socket
import subprocess
import sys
import threading
import time
from urllib.parse import parse_qsl

import boto3
from moto import backends
from moto.elbv2 import models
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

ROOT = pathlib.Path(__file__).resolve().parents[4]
SERVE = ROOT / "tests" / "emulator" / "serve.py"
sys.path.insert(0, str(ROOT / "tests" / "real"))
import app_metrics  # noqa: E402
import aws  # noqa: E402

OLD, NEW = "old", "new"
THROTTLED = (b'<ErrorResponse xmlns="http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/"><Error><Type>Sender</Type>'
             b"<Code>Throttling</Code><Message>Rate exceeded</Message></Error><RequestId>0</RequestId></ErrorResponse>")
# Longer than a change may take: the library's limit is 10 seconds a call.
NO_ANSWER = 14


@dataclasses.dataclass
class Fault:
    """What happens to calls of one operation for one migration."""

    operation: str
    # `throttle`: refused. `lost`: done, and the connection ends without an answer. `timeout`: done, answered too late.
    # `never`: not done, and the connection ends.
    kind: str
    left: int = 1


class Quiet(WSGIRequestHandler):
    def log(self, *_):
        """Requests are not logged."""


class Emulated:
    """The emulated AWS. A migration is known by its number, which is in the names of its groups."""

    def __init__(self):
        self.changes, self.dead, self.faults, self.hooks = [], set(), {}, {}
        self.rules, self.of = {}, {}
        self.lock = threading.Lock()
        modules = list(backends.list_of_moto_modules())
        backends.list_of_moto_modules = lambda: modules
        models.FakeTargetGroup.health_for = self.health(models.FakeTargetGroup.health_for)
        self.app = DomainDispatcherApplication(create_backend_app)
        listening = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.moto = f"http://127.0.0.1:{listening.getsockname()[1]}"
        server = make_server("127.0.0.1", 0, self.serve, threaded=True, fd=listening.fileno(), request_handler=Quiet)
        self.kept = listening
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.process = subprocess.Popen([sys.executable, SERVE, "ministack"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.ministack = f"http://127.0.0.1:{int(self.process.stdout.readline())}"
        self.env = aws.environment(self.moto, self.ministack)
        threading.Thread(target=self.publish, daemon=True).start()

    # --- requests

    def health(self, moto):
        def health_for(group, target, ec2):
            found = moto(group, target, ec2)
            if group.arn in self.dead and found.status == "healthy":
                found.status, found.reason = "unhealthy", "Target.FailedHealthChecks"
                found.description = "by the fleet's test"
            return found
        return health_for

    def serve(self, environ, start_response):
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        form = dict(parse_qsl(body.decode(errors="replace")))
        operation, number = form.get("Action"), self.number(form)
        if number in self.hooks:
            self.hooks[number]("before", operation)
        fault = self.fault(operation, number)
        if fault == "throttle":
            start_response("400 Bad Request", [("Content-Type", "text/xml")])
            return [THROTTLED]
        if fault == "never":
            return self.cut(environ)
        # moto's state has no locks.
        with self.lock:
            self.note(form, operation, number)
            answer = b"".join(self.app(environ, start_response))
        if number in self.hooks:
            self.hooks[number]("after", operation)
        if fault == "lost":
            return self.cut(environ)
        if fault == "timeout":
            time.sleep(NO_ANSWER)
        return [answer]

    def number(self, form):
        """The migration of a call, by the ARNs in it."""
        for name in ("RuleArn", "RuleArns.member.1", "TargetGroupArn", "TargetGroupArns.member.1"):
            if form.get(name) in self.of:
                return self.of[form[name]]
        return None

    def fault(self, operation, number):
        fault = self.faults.get(number)
        if not fault or fault.operation != operation or not fault.left:
            return None
        fault.left -= 1
        return fault.kind

    def cut(self, environ):
        connection = environ["werkzeug.socket"]
        connection.shutdown(socket.SHUT_RDWR)
        raise ConnectionAbortedError("a fault of the test")

    def note(self, form, operation, number):
        if operation != "ModifyRule":
            return
        weights = {form[name]: int(form[name.replace("TargetGroupArn", "Weight")])
                   for name in form if ".TargetGroups.member." in name and name.endswith("TargetGroupArn")}
        groups = self.rules[number]["groups"]
        self.changes.append((time.time(), number, weights[groups[OLD]], weights[groups[NEW]]))

    def writes(self, number):
        """The weights that were written, in order: old side, new side."""
        return [change[2:] for change in list(self.changes) if change[1] == number]

    # --- what stands before a migration

    def make(self, numbers):
        clients = {"region_name": aws.REGION, "endpoint_url": self.moto, "aws_access_key_id": "testing",
                   "aws_secret_access_key": "testing"}
        elb = boto3.client("elbv2", **clients)
        subnets = boto3.client("ec2", **clients).describe_subnets()["Subnets"]
        subnets = [one["SubnetId"] for one in subnets][:2]
        # As on AWS, a balancer has room for some rules only.
        for place in range(0, len(numbers), 50):
            made = elb.create_load_balancer(Name=f"fleet-{numbers[place]}", Subnets=subnets)["LoadBalancers"][0]
            absent = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}
            listener = elb.create_listener(LoadBalancerArn=made["LoadBalancerArn"], Protocol="HTTP", Port=80,
                                           DefaultActions=[absent])["Listeners"][0]["ListenerArn"]
            for number in numbers[place:place + 50]:
                self.make_one(elb, made["VpcId"], listener, number)

    def make_one(self, elb, vpc, listener, number):
        groups = {}
        for place, side in enumerate((OLD, NEW), 1):
            made = elb.create_target_group(Name=f"m{number}-{side}", Protocol="HTTP", Port=80, VpcId=vpc, TargetType="ip")
            arn = groups[side] = made["TargetGroups"][0]["TargetGroupArn"]
            targets = [{"Id": f"10.{place}.{number // 250}.{number % 250 + 1}", "Port": 80}]
            elb.register_targets(TargetGroupArn=arn, Targets=targets)
            self.of[arn] = number
        weights = [{"TargetGroupArn": groups[OLD], "Weight": 100}, {"TargetGroupArn": groups[NEW], "Weight": 0}]
        rule = elb.create_rule(
            ListenerArn=listener, Priority=number + 1,
            Conditions=[{"Field": "path-pattern", "PathPatternConfig": {"Values": [f"/m{number}/*"]}}],
            Actions=[{"Type": "forward", "ForwardConfig": {"TargetGroups": weights}}])["Rules"][0]["RuleArn"]
        self.of[rule] = number
        self.rules[number] = {"rule": rule, "groups": groups}

    def publish(self):
        """One service behind all rules: both sides publish the same figures."""
        newest = None
        while True:
            start = int(time.time() // app_metrics.SECONDS * app_metrics.SECONDS) - app_metrics.SECONDS
            if start != newest:
                newest = start
                usual = {"Timestamp": start, "StorageResolution": 1, "Dimensions": [{"Name": "Endpoint", "Value": "/"}]}
                times = {"SampleCount": 200, "Sum": 10000, "Minimum": 50, "Maximum": 50}
                for side in (OLD, NEW):
                    app_metrics.put(self.ministack, f"Fleet/{side}", [
                        {"MetricName": "SuccessCount", "Value": 200, "Unit": "Count", **usual},
                        {"MetricName": "RequestLatency", "StatisticValues": times, "Unit": "Milliseconds", **usual}])
            time.sleep(0.5)

    def end(self):
        self.process.stdin.close()
        self.process.wait(10)


def file_of(emulated, number, journal, look_interval):
    """The migration's file."""
    made = emulated.rules[number]
    sides = "".join(f'[side.{side}]\ntarget_group = "{arn}"\nnamespace = "Fleet/{side}"\nendpoint = "/"\n'
                    for side, arn in made["groups"].items())
    return f"""name = "m{number}"
journal = "{journal}"
[traffic]
rules = ["{made['rule']}"]
{sides}
[plan]
steps = ["20%", "100%"]
bake = "20s"
warm_up = "10s"
step_deadline = "10m"
look_interval = "{look_interval}"
[judge]
by = "limits"
metrics = "app"
period = "10s"
[safety]
accept = ["no-dead-man", "single-host"]
"""


