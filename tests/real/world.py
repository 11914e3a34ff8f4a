"""One world: two chatbots behind HAProxy, a rule in moto, live users, and the unmodified command."""

import dataclasses
import json
import pathlib
import re
import subprocess
import sys
import time

import aws
import haproxy
from checker import share_of
from control_plane import TASKS

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
USERS, RATE = 20, 20
BLUE, GREEN = "flask", "fastapi"
APPS = {BLUE: (HERE / "blue_flask" / "app.py", 8001), GREEN: (HERE / "green_fastapi" / "app.py", 8000)}
# What a machine that is busy with other builds may take for one thing.
PATIENCE = 120


@dataclasses.dataclass(frozen=True)
class Kind:
    """What is planted in a world, and what must be found."""

    name: str
    fault: str = ""
    # The source of the figures: `app` by 10 seconds, or `alb` by the minute.
    metrics: str = "app"
    # Green's processes are killed this many seconds after the first rise.
    green_dies_after: float = 0
    # The controller is killed this many seconds after the first rise, and the run is resumed.
    controller_dies_after: float = 0
    # After the restore the command is told to end: an application's metrics cannot confirm that no request reaches green,
    # and the command would wait for five minutes.
    ends_wait: bool = False
    # Blue's service may be scaled in to one task.
    blue_scales: bool = False


KINDS = [
    Kind("right", controller_dies_after=25, blue_scales=True),
    Kind("errs", fault="errs", ends_wait=True),
    # Once the balancer's first minute has settled, at most 144 s after the rise: before that the run has seen no request
    # counted, and confirms nothing. A service that is older than this world has such minutes from the start.
    Kind("dies", metrics="alb", green_dies_after=150),
    Kind("differs", fault="differs"),
]


def wait_for(what, ready, patience=PATIENCE, every=0.1):
    """Returns the first true answer of `ready`."""
    until = time.monotonic() + patience
    while True:
        found = ready()
        if found:
            return found
        if time.monotonic() > until:
            raise AssertionError(f"no {what} within {patience} s")
        time.sleep(every)


class World:
    """A world of a kind. `place` is a number from 0 to 7: each world has addresses of its own on loopback."""

    def __init__(self, kind, place, processes, command, moto, ministack, base, plane):
        self.kind, self.processes, self.command, self.plane = kind, processes, command, plane
        self.moto, self.ministack = moto, ministack
        self.folder = processes.folder / kind.name
        self.folder.mkdir()
        self.journal = self.folder / "journal"
        self.net = f"127.{base + place}"
        self.url = f"http://{self.net}.0.1:8080"
        self.targets = {side: [f"{self.net}.{number}.{one}" for one in range(1, TASKS + 1)]
                        for number, side in enumerate(APPS, 1)}
        self.env = aws.environment(moto, ministack)
        self.apps, self.ran, self.began = {BLUE: [], GREEN: []}, [], time.monotonic()
        self.moments, self.aims = {}, []

    # --- the start

    def say(self, text):
        print(f"{time.monotonic() - self.began:6.0f} s  {self.kind.name:8} {text}", flush=True)

    def start(self, name, *words, **more):
        return self.processes.start(f"{self.kind.name}/{name}", words, **more)

    def start_app(self, side):
        path, port = APPS[side]
        for target in self.targets[side]:
            env = {**self.env, "NAMESPACE": self.namespace(side)}
            words = [sys.executable, path, target, port] + ([self.kind.fault] if side == GREEN else [])
            self.apps[side].append(self.start(f"{side}-{target}", *words, env=env))

    def namespace(self, side):
        return f"ChatBot/{self.kind.name}/{side}"

    def group_name(self, side):
        return f"{self.kind.name}-{side}"

    def write_file(self):
        judge = {"app": 'metrics = "app"\nperiod = "10s"', "alb": 'metrics = "alb"'}[self.kind.metrics]
        # A minute that begins before the end of the warm-up does not count, so no minute of the balancer lets green rise
        # within 210 s.
        warm_up = {"app": "10s", "alb": "1m"}[self.kind.metrics]
        sides = "".join(
            f'\n[side.{side}]\ntarget_group = "{self.group_name(side)}"\nservice = "{self.kind.name}/{side}"\n'
            f'namespace = "{self.namespace(side)}"\nendpoint = "/api/v1/chat"\n'
            for side in APPS)
        self.file = self.folder / "bluegreen.toml"
        self.file.write_text(f"""name = "{self.kind.name}"
journal = "{self.journal}"

[traffic]
rules = ["{self.rule}"]
{sides}
[plan]
steps = ["20%", "100%"]
bake = "1m"
warm_up = "{warm_up}"
step_deadline = "6m"
look_interval = "5s"

[judge]
by = "limits"
{judge}

[safety]
accept = ["no-dead-man", "single-host"]

[test]
file = "{HERE / 'requests.toml'}"
require = "1h"
url = "{self.url}"
""")

    def set_up(self):
        name, plane = self.kind.name, self.plane
        for side in APPS:
            self.start_app(side)
            plane.make_service(name, side)
        if self.kind.blue_scales:
            plane.let_scale(name, BLUE, 1, 4)
        self.balancer, self.listener, self.rule, blue = plane.make_balancer(f"chatbot-{name}", self.group_name(BLUE), APPS[BLUE][1])
        self.write_file()
        self.run("prepare", GREEN, "--port", APPS[GREEN][1], code=0)
        green = plane.group(self.group_name(GREEN))
        self.groups = {BLUE: blue, GREEN: green["TargetGroupArn"]}
        for side, (_, port) in APPS.items():
            plane.register(self.groups[side], self.targets[side], port)
        self.start_balancer(green)
        healthy = lambda: all(plane.health(arn) == ["healthy"] * TASKS for arn in self.groups.values())
        wait_for(f"healthy targets in {name}", healthy, every=0.5)
        self.checker = self.start("checker", sys.executable, HERE / "checker.py", self.folder / "world.json")
        self.users = self.start("users", sys.executable, HERE / "clients.py", self.url, self.folder / "users.jsonl", USERS, RATE)
        wait_for("answers to users", lambda: sum(one["ok"] for one in self.lines("users")) > 2 * RATE)
        self.say("users get answers")

    def start_balancer(self, green):
        check = {"path": green["HealthCheckPath"], "interval": green["HealthCheckIntervalSeconds"],
                 "fall": green["UnhealthyThresholdCount"], "rise": green["HealthyThresholdCount"]}
        sides = {side: {"check": check, "targets": {target: f"{target}:{port}" for target in self.targets[side]}}
                 for side, (_, port) in APPS.items()}
        token = f"{self.processes.mark}-{self.kind.name}"
        text = haproxy.configuration(self.folder, token, f"{self.net}.0.1:8080", aws.TEST_HEADER, sides, BLUE)
        (self.folder / "haproxy.cfg").write_text(text)
        (self.folder / "routes.map").write_text("")
        (self.folder / "world.json").write_text(json.dumps({
            "folder": str(self.folder), "moto": self.moto, "ministack": self.ministack, "rule": self.rule,
            "listener": self.listener, "balancer": self.balancer, "groups": self.groups, "journal": str(self.journal)}))
        self.aim(GREEN)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.agent = self.start("agent", sys.executable, HERE / "agent.py", self.folder / "world.json", **pipes)
        assert self.agent.stdout.readline() == b"ready\n", self.processes.log(f"{self.kind.name}/agent")
        self.haproxy = self.start("haproxy", "haproxy", "-db", "-f", self.folder / "haproxy.cfg")
        wait_for("HAProxy", lambda: (self.folder / "haproxy.sock").exists())
        self.agent.stdin.write(b"go\n")
        self.agent.stdin.flush()

    def aim(self, side):
        """Says, for the checker too, which side is to rise from now on."""
        self.aims.append((time.time(), side))
        part = self.folder / "green.part"
        part.write_text(self.groups[side])
        part.rename(self.folder / "green")

    def green_at(self, at):
        """The group that was to rise at that time."""
        return self.groups[next(side for since, side in reversed(self.aims) if since <= at)]

    # --- the command

    def begin(self, *words, out):
        """Starts the command as a person would, with the file alone."""
        words = [self.command, *words[:1], "--file", self.file, *words[1:]]
        self.ran.append(" ".join(str(word) for word in words[1:]))
        with open(self.folder / f"{out}.out", "w") as stdout:
            return self.start(out, *words, env=self.env, stdout=stdout)

    def run(self, *words, code):
        """Runs the command to its end, which must be `code`. Returns its standard output."""
        out = f"{len(self.ran)}-{words[0]}"
        process = self.begin(*words, out=out)
        ended = process.wait(timeout=PATIENCE * 2)
        self.processes.end(process)
        assert ended == code, f"{self.ran[-1]} ended with {ended}: {self.said(out)}"
        return (self.folder / f"{out}.out").read_text()

    def said(self, out):
        return self.processes.log(f"{self.kind.name}/{out}") + (self.folder / f"{out}.out").read_text()[-2000:]

    def events(self, out):
        # A line that is being written is no event yet.
        lines = (self.folder / f"{out}.out").read_text().split("\n")[:-1]
        return [json.loads(line) for line in lines if line.startswith("{")]

    # --- what is seen from outside

    def lines(self, name):
        path = self.folder / f"{name}.jsonl"
        return [json.loads(line) for line in path.read_text().split("\n")[:-1]] if path.exists() else []

    def share(self, side=GREEN):
        """The share of a side by the rule, in percent."""
        return share_of(aws.rule(self.moto, self.rule).weights, self.groups[side])

    def rule_changes(self):
        """The changes of this world's rule since its start, as moto noted them."""
        lines = (self.processes.folder / "rule-changes.jsonl").read_text().split("\n")[:-1]
        changes = [json.loads(line) for line in lines]
        return [one for one in changes if one["rule"] == self.rule and one["at"] > self.aims[0][0]]

    def restored_at(self):
        """When HAProxy got a weight of 0 for the dead green."""
        return next(line["at"] for line in self.lines("agent")
                    if line["at"] > self.moments["green died"] and line.get("weights", {}).get(GREEN) == 0)

    def rises(self):
        """How often the checker saw green rise."""
        return sum("announced" in line for line in self.lines("checker"))

    def stated_share(self):
        """Green's share as the command's end states it; a refusal states that nothing has changed."""
        if self.code == 3:
            return 0.0
        weights = self.end["outcome"]["report"]["traffic"]["weights"]
        green = self.aims[-1][1]
        share = share_of(weights, "green")
        return share if green == GREEN else 100 - share

    # --- the course

    def test_green(self, code):
        """`bluegreen test`: green by the test header, and its answers beside blue's."""
        self.tested = json.loads(self.run("test", "--json", code=code))
        self.say(f"test of green: {self.tested['verdict']} {', '.join(self.tested.get('reasons', []))}")

    def check(self):
        """`bluegreen check` with the checks of the examples, as users reach the service now."""
        checks = (ROOT / "examples" / "integration_tests" / "checks.toml").read_text()
        path = self.folder / "checks.toml"
        path.write_text(re.sub('every = "10s"', 'every = "1s"', checks))
        words = [self.command, "check", "--checks", path, "--url", self.url]
        done = self.start("check", *words, env=self.env)
        assert done.wait(timeout=PATIENCE) == 0, self.processes.log(f"{self.kind.name}/check", 40)
        self.say("check: passed")

    def migrate(self):
        """`bluegreen migrate` to its end, with what this kind plants. Returns the last event."""
        out = f"{len(self.ran)}-migrate"
        running = self.begin("migrate", "--json", out=out)
        if self.kind.green_dies_after or self.kind.controller_dies_after:
            wait_for(f"first rise: {self.said(out)}", lambda: self.share() > 0 or running.poll() is not None)
            self.moments["first rise"] = time.time()
            time.sleep(self.kind.green_dies_after or self.kind.controller_dies_after)
        if self.kind.green_dies_after:
            for app in self.apps[GREEN]:
                app.kill()
            self.moments["green died"] = time.time()
            self.say("killed both processes of green")
        if self.kind.controller_dies_after:
            assert running.poll() is None, f"the run ended too early: {self.said(out)}"
            running.kill()
            running.wait()
            self.moments["controller died"] = time.time()
            self.say(f"killed the controller with green at {self.share():.0f}%")
            out = f"{len(self.ran)}-resume"
            running = self.begin("resume", "--json", out=out)
        if self.kind.ends_wait:
            is_restored = lambda: any(event["event"] == "restored" for event in self.events(out))
            wait_for("restore", lambda: is_restored() or running.poll() is not None, patience=480)
            time.sleep(15)
            running.terminate()
        self.code = running.wait(timeout=540)
        self.end = self.events(out)[-1] if self.events(out) else None
        self.end_out = out
        self.say(f"{self.ran[-1].split()[0]} ended with {self.code}; green at {self.share():.0f}%")
        return self.end

    def settle(self):
        """Users' requests after the end, and the agent's newest weights."""
        self.moments["end"] = time.time()
        time.sleep(6)
        self.blue_scales = self.plane.scales(self.kind.name, BLUE) if self.kind.blue_scales else None
        self.live = {"rule": self.share(), "haproxy": haproxy.Runtime(self.folder / "haproxy.sock").weights()}
        self.moments["last"] = time.time()

    def play(self):
        self.set_up()
        self.test_green(code=1 if self.kind.fault == "differs" else 0)
        self.migrate()
        self.settle()
        if self.code == 0:
            self.check()
        self.stop()

    def stop(self):
        """Ends the processes of this world; users first, so that none meets a stopped server."""
        own = self.processes.of(f"{self.kind.name}/")
        first = [process for process in own if process.name.endswith(("users", "checker"))]
        for process in (self.agent, self.haproxy):
            assert process.poll() is None, f"{process.name} ended: {self.processes.log(process.name)}"
        self.processes.end(*first)
        self.processes.end(*own)
