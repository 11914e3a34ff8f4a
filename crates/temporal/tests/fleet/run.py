"""A fleet of migrations on Temporal's dev server, with workers that are killed and stopped.

Usage: run.py ci|faults|fleet [--count N] [--minutes M] [--histories FOLDER --recorder FILE]

- `ci`      5 migrations; the worker is killed after a write took effect, before its answer, and started anew.
- `faults`  a fault at each call of a migration: a lost answer, a time-out, a throttle.
- `fleet`   N migrations with two workers; each minute one is killed, and one is stopped across a write.
"""

import argparse
import base64
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

from emulated import NEW, OLD, Emulated, Fault, file_of

BEGIN, PART, ALL = (100, 0), (80, 20), (0, 100)
PROMOTED, ROLLED_BACK, CANCELLED = 0, 10, 11


class Fleet:
    def __init__(self, command, temporal):
        self.command, self.temporal = command, temporal
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="fleet-"))
        self.aws = Emulated()
        self.processes, self.ids, self.began = {}, {}, time.monotonic()
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        self.env = {**os.environ, **self.aws.env, "TEMPORAL_ADDRESS": self.address, "RUST_LOG": "warn"}
        self.start("server", temporal, "server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port",
                   self.address.split(":")[1], "--log-level", "error", "--dynamic-config-value",
                   "frontend.namespaceRPS=20000")
        self.wait("Temporal", lambda: self.ask("operator", "cluster", "health", check=False))

    def say(self, text):
        print(f"{time.monotonic() - self.began:6.0f} s  {text}", flush=True)

    def start(self, name, *words):
        log = open(self.folder / f"{name}.log", "ab")
        self.processes[name] = subprocess.Popen([str(word) for word in words], env=self.env, stdout=log, stderr=log)

    def start_worker(self, name):
        self.start(name, self.command, "worker")

    def kill(self, name):
        self.processes[name].kill()
        self.processes[name].wait()

    def log(self, name):
        return (self.folder / f"{name}.log").read_text(errors="replace")[-3000:]

    def wait(self, what, ready, patience=300):
        until = time.monotonic() + patience
        while not (found := ready()):
            if time.monotonic() > until:
                logs = "\n".join(self.log(name) for name in self.processes)
                raise AssertionError(f"no {what} within {patience} s\n{logs}")
            time.sleep(0.2)
        return found

    def ask(self, *words, check=True):
        """Asks Temporal by its own client."""
        words = [self.temporal, *words, "--address", self.address, "--output", "json"]
        done = subprocess.run(words, env=self.env, capture_output=True, text=True, timeout=60)
        if done.returncode and check:
            raise AssertionError(f"{words}: {done.stderr}")
        return done.stdout if not done.returncode else None

    # --- migrations

    def begin(self, numbers, look_interval):
        self.aws.make(numbers)
        for number in numbers:
            path = self.folder / f"m{number}.toml"
            path.write_text(file_of(self.aws, number, self.folder / "journal", look_interval))

    def launch(self, number):
        done = subprocess.run([self.command, "start", self.folder / f"m{number}.toml", "--by", "fleet"], env=self.env,
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        self.ids[number] = done.stderr.split("`")[1]

    def tell(self, number, verb):
        """Gives a control as a person does."""
        done = subprocess.run([self.command, verb, self.folder / f"m{number}.toml", "--by", "fleet"], env=self.env,
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr

    def tell_while_it_runs(self, number, verb):
        try:
            self.tell(number, verb)
        except AssertionError:
            if self.status(number) == "RUNNING":
                raise

    def cancel(self, number):
        self.ask("workflow", "cancel", "--workflow-id", self.ids[number])

    def describe(self, number, run=()):
        return json.loads(self.ask("workflow", "describe", "--workflow-id", self.ids[number], *run))

    def status(self, number):
        return self.describe(number)["workflowExecutionInfo"]["status"].removeprefix("WORKFLOW_EXECUTION_STATUS_")

    def runs(self, number):
        """The histories of all runs of a migration's workflow, oldest first."""
        history = self.history(number, ())
        histories = [history]
        while earlier := histories[0]["events"][0]["workflowExecutionStartedEventAttributes"].get("continuedExecutionRunId"):
            histories.insert(0, self.history(number, ("--run-id", earlier)))
        return histories

    def history(self, number, run):
        return json.loads(self.ask("workflow", "show", "--workflow-id", self.ids[number], "--no-json-shorthand-payloads", *run))

    def said(self, number):
        done = subprocess.run([self.command, "status", self.ids[number]], env=self.env, capture_output=True, text=True,
                              timeout=60)
        return done.stdout + done.stderr

    def ends(self, number):
        """How a migration ended: its exit code, and what it told."""
        last = self.runs(number)[-1]["events"][-1]
        if "workflowExecutionCompletedEventAttributes" in last:
            [payload] = last["workflowExecutionCompletedEventAttributes"]["result"]["payloads"]
            ended = json.loads(base64.b64decode(payload["data"]))
            return ended["exit_code"], ended["told"]
        return None, json.dumps(last)[:2000]

    def end(self):
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
                process.wait()
        self.aws.end()
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- what must hold

    def measured(self, numbers):
        """Events and bytes of all runs of each migration's workflow, and faults that Temporal noted."""
        events, size, most, runs = 0, 0, 0, 0
        for number in numbers:
            for history in self.runs(number):
                runs += 1
                first = history["events"][0]["workflowExecutionStartedEventAttributes"]
                found = self.describe(number, ("--run-id", first["originalExecutionRunId"]))["workflowExecutionInfo"]
                events += len(history["events"])
                size += int(found["historySizeBytes"])
                most = max(most, len(history["events"]))
                for event in history["events"]:
                    failed = event.get("workflowTaskFailedEventAttributes")
                    # A signal came while the workflow ended or continued as new: the server asks again.
                    is_asked_again = failed and failed["cause"].endswith("UNHANDLED_COMMAND")
                    assert not failed or is_asked_again, f"m{number}: {failed}"
        count = len(numbers)
        self.say(f"{count} migrations: {events / count:.0f} events and {size / count / 1000:.0f} kB each, in "
                 f"{runs / count:.1f} runs of the workflow; the longest run has {most} events")

    def check(self, number, code, writes):
        found, told = self.ends(number)
        assert found == code, f"m{number} ended with {found}, not {code}: {told}"
        assert self.aws.writes(number) == writes, f"m{number}: {self.aws.writes(number)}, not {writes}"


def drive(fleet, number, course):
    """Leads one migration through its course, as a person would."""
    writes = lambda: fleet.aws.writes(number)
    is_over = lambda: fleet.status(number) != "RUNNING"
    fleet.wait(f"first rise of m{number}: {fleet.said(number)}", lambda: writes() or is_over(), 400)
    if course in ("promote", "pause"):
        if course == "pause":
            fleet.tell(number, "pause")
            time.sleep(3)
            fleet.tell(number, "continue")
        # An override that comes before the read of the last rise does nothing.
        while not is_over():
            fleet.tell_while_it_runs(number, "promote")
            time.sleep(5)
    if course == "abort":
        fleet.tell(number, "abort")
    if course == "dead":
        fleet.aws.dead.add(fleet.aws.rules[number]["groups"][NEW])
    if course in ("abort", "dead"):
        fleet.wait(f"restore of m{number}", lambda: writes()[-1] == BEGIN or is_over())
        # An application's metrics cannot confirm that no request reaches the new side.
        fleet.wait(f"reads of the restore of m{number}", lambda: "restored, read back" in fleet.said(number) or is_over(), 120)
        fleet.cancel(number)
    fleet.wait(f"end of m{number}: {fleet.said(number)}", is_over, 900)


EXPECTED = {
    "promote": (PROMOTED, [PART, ALL]),
    "pause": (PROMOTED, [PART, ALL]),
    "judged": (PROMOTED, [PART, ALL]),
    "abort": (CANCELLED, [PART, BEGIN]),
    "dead": (ROLLED_BACK, [PART, BEGIN]),
}


def all_of(fleet, courses, launch=0.0):
    """Runs migrations side by side, each through its course."""
    failed = []

    def one(number, course):
        try:
            drive(fleet, number, course)
        except BaseException as error:
            failed.append(f"m{number} ({course}): {error}")

    threads = []
    for number, course in courses.items():
        fleet.launch(number)
        threads.append(threading.Thread(target=one, args=(number, course)))
        threads[-1].start()
        time.sleep(launch)
    for thread in threads:
        thread.join()
    assert not failed, "\n".join(failed)


def ci(fleet, options):
    courses = dict(enumerate(["promote", "pause", "promote", "abort", "dead"]))
    fleet.begin(list(courses), "3s")
    killed = threading.Event()

    def kill_after_write(moment, operation):
        if moment == "after" and operation == "ModifyRule" and not killed.is_set():
            killed.set()
            fleet.kill("worker")
            fleet.say("killed the worker after a write took effect, before its answer")
            fleet.start_worker("worker")

    fleet.aws.hooks[0] = kill_after_write
    fleet.start_worker("worker")
    all_of(fleet, courses)
    assert killed.is_set()
    for number, course in courses.items():
        fleet.check(number, *EXPECTED[course])
    fleet.measured(list(courses))
    if options.histories:
        record(fleet, courses, options.recorder, pathlib.Path(options.histories))


def record(fleet, courses, recorder, folder):
    """Writes histories for the replay in CI: one file for each run of the workflow."""
    folder.mkdir(parents=True, exist_ok=True)
    seen = set()
    for number, course in courses.items():
        if course in seen:
            continue
        seen.add(course)
        for place, history in enumerate(fleet.runs(number)):
            run = history["events"][0]["workflowExecutionStartedEventAttributes"]["originalExecutionRunId"]
            done = subprocess.run([recorder, fleet.ids[number], run], env=fleet.env, capture_output=True, text=True,
                                  timeout=60)
            assert done.returncode == 0, done.stderr
            # Which process of which machine did it is nothing that the replay needs.
            text = re.sub(r'"identity":"[^"]*"', '"identity":"worker"', done.stdout)
            (folder / f"{course}-{place}.json").write_text(text)


def faults(fleet, _):
    calls = ["DescribeRules", "DescribeTargetHealth", "ModifyRule"]
    kinds = ["throttle", "lost", "timeout", "never"]
    cases = [(call, kind) for call in calls for kind in kinds]
    courses = {number: "promote" for number in range(len(cases))}
    fleet.begin(list(courses), "3s")
    for number, (call, kind) in enumerate(cases):
        fleet.aws.faults[number] = Fault(call, kind)
    fleet.start_worker("worker")
    all_of(fleet, courses)
    for number, (call, kind) in enumerate(cases):
        found, told = fleet.ends(number)
        assert fleet.aws.faults[number].left == 0, f"m{number}: no call was {call}"
        writes = fleet.aws.writes(number)
        fleet.say(f"{call:22} {kind:9} ended with {found}, writes {writes}")
        # A write that was throttled or never arrived is not in the log, since it was not done.
        assert (found, writes) == EXPECTED["promote"], f"m{number} ({call} {kind}): {found}, {writes}: {told}"


def fleet_of(fleet, options):
    names = ["worker-0", "worker-1"]
    kinds = ["judged"] * 8 + ["abort", "dead"]
    courses = {number: kinds[number % len(kinds)] for number in range(options.count)}
    fleet.begin(list(courses), "15s")
    for name in names:
        fleet.start_worker(name)
    chosen, stopped = options.count // 3, []

    def stop_in_change(moment, operation):
        """Stops the worker between the read and the write of a change."""
        if moment != "before" or operation != "DescribeRules" or stopped:
            return
        for pending in fleet.describe(chosen).get("pendingActivities", []):
            if pending["activityType"]["name"] == "change" and pending["state"].endswith("STARTED"):
                process = int(pending["lastWorkerIdentity"].split("@")[0])
                stopped.append(process)
                os.kill(process, signal.SIGSTOP)
                fleet.say(f"stopped the worker {process} across the write of m{chosen}")

    fleet.aws.hooks[chosen] = stop_in_change
    over = threading.Event()
    kills = []

    def disturb():
        while not over.wait(60):
            alive = [name for name in names if fleet.processes[name].pid not in stopped]
            name = random.choice(alive)
            fleet.kill(name)
            kills.append(name)
            fleet.say(f"killed {name}")
            fleet.start_worker(name)

    def resume():
        fleet.wait("a stopped worker", lambda: stopped or over.is_set(), 3600)
        if stopped:
            over.wait(100)
            os.kill(stopped[0], signal.SIGCONT)
            fleet.say(f"the worker {stopped[0]} continues")

    helpers = [threading.Thread(target=one) for one in (disturb, resume)]
    for helper in helpers:
        helper.start()
    try:
        all_of(fleet, courses, launch=0.5)
    finally:
        over.set()
        for helper in helpers:
            helper.join()
    for number, course in courses.items():
        fleet.check(number, *EXPECTED[course])
    assert stopped, "no worker was stopped across a write"
    fleet.say(f"{len(kills)} kills, one worker stopped; each weight was written once")
    fleet.measured(list(courses))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("form", choices=["ci", "faults", "fleet"])
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--command", default="bluegreen-temporal")
    parser.add_argument("--temporal", default="temporal")
    parser.add_argument("--histories", help="write histories for the replay into this folder")
    parser.add_argument("--recorder", help="the example `record`, which writes a history")
    parser.add_argument("--keep", action="store_true", help="leave the logs")
    options = parser.parse_args()
    fleet = Fleet(options.command, options.temporal)
    try:
        {"ci": ci, "faults": faults, "fleet": fleet_of}[options.form](fleet, options)
        fleet.say("all of it holds")
    finally:
        if options.keep:
            fleet.say(f"logs: {fleet.folder}")
            shutil.copytree(fleet.folder, f"{fleet.folder}-kept", dirs_exist_ok=True)
        fleet.end()


if __name__ == "__main__":
    sys.exit(main())
