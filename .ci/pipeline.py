"""Runs the pipeline of `examples/ci` as GitHub would: its conditions, its shell blocks, its exit codes, its clock; and
the hook of `examples/hooks`.

The command is the real one, on a simulated AWS that a folder keeps; `aws`, `docker`, `curl` and Python's tools are
stubs that note how they were called. Exit codes that no simulation gives are those of a stub of the command.
"""

import contextlib
import hashlib
import hmac
import http.server
import importlib.util
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
CI = ROOT / "examples" / "ci"
COMMAND = pathlib.Path(sys.argv[1] if sys.argv[1:] else ROOT / "target" / "debug" / "examples" / "command").resolve()
DIGEST = "sha256:" + "ab" * 32

# What a run may take beyond its own deadline: it restores for 10 minutes at most and confirms for 5, as the docs of
# `MigrationPlanBuilder` say. `check` waits for its health check, and each test has 10 seconds.
RESTORES, CONFIRMS = 10, 5
# Downloads, sign-ins, preflights and registrations of a job together.
AROUND = 20

failed = []


def holds(what, ok, more=""):
    print(f"{'ok  ' if ok else 'FAIL'} {what}{'' if ok else f': {more}'}")
    if not ok:
        failed.append(what)


# --- a workflow, as GitHub runs it

class Runner:
    """Runs the steps of one job in a folder, with an environment of GitHub's names."""

    def __init__(self, workflow, job, folder, values, path, cut_off=None):
        self.workflow, self.job, self.folder, self.values = workflow, job, folder, values
        self.path, self.cut_off = path, cut_off
        self.steps, self.ran = {}, []
        self.is_failed = self.is_cancelled = False
        # What the steps that failed have printed.
        self.said = ""

    def value(self, name):
        """What a name of an expression stands for; a name that is absent is an empty text."""
        if name == "true":
            return "true"
        if name.startswith("env."):
            return self.environment.get(name[4:], "")
        if step := re.fullmatch(r"steps\.([\w-]+)\.outputs\.([\w-]+)", name):
            return self.steps.get(step[1], {}).get("outputs", {}).get(step[2], "")
        if step := re.fullmatch(r"steps\.([\w-]+)\.outcome", name):
            return self.steps.get(step[1], {}).get("outcome", "")
        return self.values.get(name, "")

    def evaluate(self, expression):
        words = {"&&": " and ", "||": " or ", "!": " not "}
        states = {"always": True, "cancelled": self.is_cancelled, "failure": self.is_failed,
                  "success": not self.is_failed and not self.is_cancelled}
        parts = []
        for token in re.findall(r"'[^']*'|&&|\|\||[!=]=|!|[()]|[A-Za-z_][\w.-]*", expression):
            if token in words:
                parts.append(words[token])
            elif token[0] in "'()" or token in ("==", "!="):
                parts.append(token)
            elif token in states:
                parts.append(f"states['{token}'] and (lambda: True)")
            else:
                parts.append(f"self.value({token!r})")
        return eval("".join(parts), {"self": self, "states": states})

    def text(self, text):
        return re.sub(r"\$\{\{(.*?)\}\}", lambda found: str(self.evaluate(found[1]) or ""), str(text), flags=re.DOTALL)

    def may_run(self, step):
        condition = re.sub(r"^\$\{\{(.*)\}\}$", r"\1", step.get("if", "success()").strip(), flags=re.DOTALL)
        has_state = re.search(r"\b(always|cancelled|failure|success)\(\)", condition)
        return bool(self.evaluate(condition if has_state else f"success() && ({condition})"))

    def run(self):
        for step in self.workflow["jobs"][self.job]["steps"]:
            self.environment = {}
            for each in (self.workflow.get("env", {}), self.workflow["jobs"][self.job].get("env", {}), step.get("env", {})):
                self.environment |= {name: self.text(text) for name, text in each.items()}
            name, identity = step.get("name", step.get("uses", step.get("run"))), step.get("id")
            if not self.may_run(step):
                outcome, outputs = "skipped", {}
            elif step.get("uses", "").startswith("./"):
                given = {f"inputs.{key}": self.text(text) for key, text in step["with"].items()}
                outcome, outputs = self.act(given), {}
            elif "uses" in step:
                outcome, outputs = "success", {"registry": self.values["registry"]}
            else:
                outcome, outputs = self.shell(step, self.environment)
            self.ran.append((name, outcome))
            if identity:
                self.steps[identity] = {"outcome": outcome, "outputs": outputs}
            self.is_failed |= outcome == "failure"
            self.is_cancelled |= outcome == "cancelled"
        return self

    def act(self, given):
        """Runs the steps of the composite action."""
        action = lint.read(CI / "action.yml", python)
        for step in action["runs"]["steps"]:
            before, self.values = self.values, self.values | given
            environment = {name: self.text(text) for name, text in step["env"].items()}
            self.values = before
            outcome, _ = self.shell(step, environment)
            if outcome != "success":
                return outcome
        return "success"

    def shell(self, step, environment):
        files = {name: self.folder / f".{name}" for name in ("GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_STEP_SUMMARY")}
        files["GITHUB_OUTPUT"].write_text("")
        of_github = {"GITHUB_SHA": "0123456789ab", "GITHUB_ACTOR": "ann", "GITHUB_RUN_ID": "1", "GITHUB_RUN_ATTEMPT": "1"}
        whole = {"HOME": str(self.folder), "RUNNER_TEMP": str(self.folder), "NO_COLOR": "1", "PATH": self.path,
                 "AWS_EC2_METADATA_DISABLED": "true", "FOLDER": str(self.folder), **of_github,
                 **{name: str(path) for name, path in files.items()}, **environment}
        if files["GITHUB_PATH"].exists():
            whole["PATH"] = ":".join([*files["GITHUB_PATH"].read_text().split(), whole["PATH"]])
        run = subprocess.run(["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]], env=whole,
                             cwd=self.folder, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if run.returncode != 0:
            self.said += run.stdout + run.stderr
        outputs = dict(line.split("=", 1) for line in files["GITHUB_OUTPUT"].read_text().splitlines())
        if self.cut_off == step.get("id") and self.cut_off:
            return "cancelled", outputs
        return ("success" if run.returncode == 0 else "failure"), outputs

    def outcome(self, identity):
        return self.steps[identity]["outcome"]

    def end(self):
        return self.steps["end"]["outputs"]["ended"]


@contextlib.contextmanager
def folder_with(**stubs):
    """A folder with a stub of each tool that a block calls, and the calls that were made."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "stubs").mkdir()
        tools = {
            "aws": 'case "$*" in *describe-images*) if [ -e "$FOLDER/pushed" ]; then echo ' + DIGEST
            + '; else exit 254; fi ;; *run-task*) echo arn:task ;; *) echo STOPPED ;; esac',
            "docker": 'case $1 in push) touch "$FOLDER/pushed" ;; esac',
            "curl": 'for word; do if [ "$before" = --output ] && [ -e "$FOLDER/archive" ]; then cp "$FOLDER/archive" "$word"; fi; before=$word; done; '
            'case "$*" in *--config*) cat >"$FOLDER/config"; cp message.json "$FOLDER/message" ;; esac',
            **{tool: "" for tool in ("python", "black", "isort", "mypy")}, **stubs,
        }
        for tool, body in tools.items():
            path = folder / "stubs" / tool
            path.write_text(f'#!/bin/bash\necho "{tool} $*" >>"$FOLDER/calls"\n{body}\n')
            path.chmod(0o755)
        yield folder


def calls(folder):
    path = folder / "calls"
    return path.read_text().splitlines() if path.exists() else []


def path_of(folder):
    return f"{folder / 'stubs'}:{os.environ['PATH']}"


# --- the clock

def minutes(text):
    total = 0
    for number, unit in re.findall(r"(\d+)([hms])", text):
        total += int(number) * {"h": 60, "m": 1, "s": 1 / 60}[unit]
    return total


def clock(workflow, waiting):
    spec = tomllib.loads((CI / "bluegreen.toml").read_text())
    checks = tomllib.loads((ROOT / "examples" / "deploy" / "checks.toml").read_text())
    deployment, plan = spec["side"]["fastapi"]["deployment"], spec["plan"]
    asks = minutes(checks["health"]["deadline"]) + len(checks["smoke"]) * 10 / 60
    deploys = minutes(deployment["rollout_deadline"]) + asks + minutes(deployment["rollback_deadline"])
    moves = minutes(plan["deadline"]) + minutes(plan["gradual_restore"]) + RESTORES + CONFIRMS
    job = workflow["jobs"]["release"]
    # A rollback after wrong answers is the longest way.
    needs = AROUND + deploys + moves + asks + RESTORES
    holds(f"the job of {job['timeout-minutes']} min outlasts {needs:.0f} min", job["timeout-minutes"] >= needs)
    wait = waiting["jobs"]["migrate"]
    needs = 10 + moves + AROUND / 2
    holds(f"the job that waits outlasts {needs:.0f} min", wait["timeout-minutes"] >= needs, wait["timeout-minutes"])
    for one in (workflow, waiting):
        for name, job in one["jobs"].items():
            holds(f"{name}: GitHub ends a job after 6 h at the latest", job["timeout-minutes"] <= 360)
            for step in job["steps"]:
                if "configure-aws-credentials" in step.get("uses", ""):
                    session = int(step["with"].get("role-duration-seconds", 3600)) / 60
                    holds(f"{name}: its session of {session:.0f} min lasts as long as the job",
                          session >= job["timeout-minutes"] and session <= 12 * 60)
    grace = [re.search(r"--grace (\S+)", step.get("run", "")) for step in workflow["jobs"]["release"]["steps"]]
    holds("a cancelled job kills after 10 s, and the runs know that", [found[1] for found in grace if found] == ["10s", "10s"])
    task = json.loads((CI / "ecs-task" / "task-definition.json").read_text())["containerDefinitions"][0]
    words = task["command"]
    holds("the task stops after 120 s, and its run knows that",
          words[words.index("--grace") + 1] == f"{task['stopTimeout']}s" and task["stopTimeout"] <= 120)


# --- the exit codes

WRITES = ("migrate", "rollback", "deploy")


def table():
    text = (ROOT / "crates" / "bluegreen" / "docs" / "operating.md").read_text().split("# Exit codes")[1]
    return [int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)]


def branches(workflow):
    """Each step ends with each code of the table, or is cut off: what is called after it?"""
    end = next(step for step in workflow["jobs"]["release"]["steps"] if step.get("id") == "end")
    named = {int(code) for code in re.findall(r"^\s*(\d+)\) said=", end["run"], re.MULTILINE)}
    # 4 is of `diff` and `plan`, which the pipeline does not call.
    holds("every exit code of the table has a branch", named == set(table()) - {4}, named)
    script = '''result=$2 verb=$3
case "$*" in *--undo*) verb=undo ;; esac
echo "$verb" >>"$FOLDER/verbs"
if [ "$verb" = "$STOP" ]; then code=$CODE; else code=0; fi
[ "$code" = cut ] && exit 137
printf 'exit_code=%s\\nended=x\\n' "$code" >>"$result"; exit "$code"'''
    order = ["deploy", "migrate", "check"]
    for stop in order:
        for code in [*(set(table()) - {0, 4}), "cut"]:
            body = f"STOP={stop} CODE={code}\n{script}"
            with folder_with(bluegreen=body) as folder:
                values = {"registry": "r", "github.event_name": "push", "needs.build.outputs.digest": DIGEST}
                job = {"jobs": {"release": {**workflow["jobs"]["release"]}}, "env": workflow["env"]}
                steps = job["jobs"]["release"]["steps"]
                job["jobs"]["release"]["steps"] = [step for step in steps if not step.get("uses", "").startswith("./")]
                run = Runner(job, "release", folder, values, path_of(folder), stop if code == "cut" else None).run()
                verbs = (folder / "verbs").read_text().split()
            after = verbs[order.index(stop) + 1:]
            wanted = {("deploy", "cut"): ["undo"], ("migrate", "cut"): ["rollback"], ("check", 1): ["rollback"]}
            wanted = wanted.get((stop, code), [])
            urgent = run.steps["end"]["outputs"]["urgent"]
            holds(f"{stop} ends with {code}: then {wanted or 'nothing'}", after == wanted, f"{after} {run.said}")
            is_urgent = code in (12, 20) or (stop, code) == ("check", "cut")
            holds(f"{stop} ends with {code}: {run.end()}", urgent == ("true" if is_urgent else "false"), urgent)


# --- the real command

class Chatbot(http.server.BaseHTTPRequestHandler):
    answers_well = True

    def do_GET(self):
        self.answer({"status": "healthy", "qps": 1.5})

    def do_POST(self):
        asked = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            message = json.loads(asked)["message"]
        except (ValueError, KeyError):
            return self.answer({"detail": "no message"}, 422)
        session = json.loads(asked).get("session_id")
        self.answer({"response": message, "session_id": session} if self.answers_well else {"detail": "broken"})

    def answer(self, body, status=200):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


def archive(folder):
    """A release's archive, whose program is the command that was built here. Returns its checksum."""
    name = "bluegreen-9.9.9-x86_64-unknown-linux-musl"
    (folder / name).mkdir()
    program = folder / name / "bluegreen"
    program.write_text(f'#!/bin/sh\nexec "{COMMAND}" "$@"\n')
    program.chmod(0o755)
    subprocess.run(["tar", "--create", "--gzip", "--file", "archive", name], cwd=folder, check=True)
    subprocess.run(["rm", "-r", name], cwd=folder, check=True)
    return subprocess.run(["sha256sum", "archive"], cwd=folder, check=True, capture_output=True, text=True).stdout.split()[0]


def command(folder, *words):
    return subprocess.run([COMMAND, *words], cwd=folder, check=True, capture_output=True, text=True).stdout


def world(folder, scenario, speed=600):
    """A world with a place for green, as `init` and `prepare` make it. Returns an image that its registry holds."""
    command(folder, "init", "--sim", scenario)
    file = folder / "bluegreen.toml"
    text = re.sub(r"(?m)^speed = .*$", f"speed = {speed}.0", file.read_text())
    deployment = '[side.fastapi.deployment]\nrepository = "chatbot-fastapi"\n\n[side.fastapi]'
    file.write_text(text.replace("[side.fastapi]", deployment))
    (folder / "Dockerfile").write_text("FROM scratch\n")
    (folder / "deploy").mkdir()
    checks = (ROOT / "examples" / "integration_tests" / "checks.toml").read_text()
    checks = checks.replace('every = "10s"', 'every = "10ms"')
    (folder / "deploy" / "integration-tests.toml").write_text(checks)
    command(folder, "prepare")
    pushed = re.findall(r"[\w.-]+/chatbot-fastapi@(sha256:[0-9a-f]{64})", command(folder, "deploy", "fastapi", "--json"))
    return pushed[-1]


def pipeline(workflow, url):
    values = {"registry": "123456789012.dkr.ecr.us-east-1.amazonaws.com", "github.event_name": "push",
              "vars.BLUEGREEN_VERSION": "9.9.9", "vars.SERVICE_URL": url,
              "secrets.WEBHOOK_URL": "https://hooks.example/canary"}
    with folder_with() as folder:
        job = Runner(workflow, "test", folder, values, path_of(folder)).run()
        holds("the tests' blocks run", all(outcome == "success" for _, outcome in job.ran), job.ran)
        build = Runner(workflow, "build", folder, values, path_of(folder)).run()
        again = Runner(workflow, "build", folder, values, path_of(folder)).run()
        digests = {one.steps["build"]["outputs"]["digest"] for one in (build, again)}
        builds = [call for call in calls(folder) if call.startswith("docker build")]
        holds("an image is built once, and its digest handed on", digests == {DIGEST} and len(builds) == 1, (digests, builds))
        for ended, urgent in (("migrate: HELD", "true"), ("", "")):
            more = {"needs.release.outputs.ended": ended, "needs.release.outputs.urgent": urgent}
            Runner(workflow, "notify", folder, values | more, path_of(folder)).run()
            text = json.loads((folder / "message").read_text())["text"]
            is_told = ("<!channel>" in text) == (urgent == "true") and (ended or "not released") in text
            holds(f"the channel is told {text!r}", is_told and "canary" not in text + "".join(calls(folder)))
    for scenario, well, codes, ended in (
        ("healthy", True, ("0", "0", "0", "", ""), "check: done"),
        ("green-errors", True, ("0", "10", "", "", ""), "migrate: green did harm"),
        ("healthy", False, ("0", "0", "1", "", "0"), "rollback: done"),
    ):
        Chatbot.answers_well = well
        with folder_with() as folder:
            sha256 = archive(folder)
            more = {"vars.BLUEGREEN_SHA256": sha256, "needs.build.outputs.digest": world(folder, scenario)}
            run = Runner(workflow, "release", folder, values | more, path_of(folder)).run()
            names = ("deploy", "migrate", "check", "undo", "rollback")
            found = tuple(run.steps[name]["outputs"].get("exit_code", "") for name in names)
            holds(f"{scenario}: the codes are {found}", found == codes, f"{run.ran} {run.said}")
            holds(f"{scenario}: {run.end()}", run.end().startswith(ended))
    with folder_with() as folder:
        archive(folder)
        more = {"vars.BLUEGREEN_SHA256": "0" * 64}
        run = Runner(workflow, "release", folder, values | more, path_of(folder)).run()
        holds("another archive than the named one is not unpacked", run.ran[1][1] == "failure", run.ran)
        holds("then nothing is called", run.end().startswith("nothing"), run.end())


def policy_of(*words):
    run = subprocess.run([COMMAND, *words, "-f", CI / "bluegreen.toml", "--print-iam-policy"], capture_output=True, text=True)
    return json.loads(run.stdout or "{}")


def actions(policy):
    return {action for one in policy.get("Statement", []) for action in one["Action"]}


def task(waiting):
    """The task's command in one process, the waiting job in another, on one world."""
    lint_of = [COMMAND, "lint", "--task-definition", CI / "ecs-task" / "task-definition.json"]
    holds("the task definition is valid", subprocess.run(lint_of, capture_output=True).returncode == 0)
    role = json.loads((CI / "ecs-task" / "task-role.json").read_text())
    holds("the task's role is what `migrate --print-iam-policy` prints", policy_of("migrate") == role)
    wanted = actions(policy_of("status", "--wait")) | actions(policy_of("abort"))
    of_task = {"ecs:RunTask", "ecs:DescribeTasks", "iam:PassRole"}
    role = json.loads((CI / "ecs-task" / "waiting-role.json").read_text())
    holds("the waiting job's role has the rights that `status --wait` and `abort` print", actions(role) == wanted | of_task)
    words = json.loads((CI / "ecs-task" / "task-definition.json").read_text())["containerDefinitions"][0]["command"]
    for scenario, code in (("healthy", "0"), ("green-errors", "10")):
        start = f'case "$*" in *run-task*) (exec {COMMAND} {" ".join(words)} >"$FOLDER/log" 2>&1 </dev/null) >/dev/null 2>&1 & echo arn:task ;; *) echo STOPPED ;; esac'
        # The world's own date. An earlier run has ended, and must not be taken for the new one.
        with folder_with(aws=start, date='cat "$FOLDER/date"') as folder:
            sha256 = archive(folder)
            # Two processes share the world, and neither may be silent for a minute of it.
            world(folder, scenario, speed=100)
            command(folder, "rollback", "--to", "chatbot-flask-tg")
            earlier = json.loads(command(folder, "status", "--json"))["last_run"]["at"]
            (folder / "date").write_text(re.sub(r"[.]\d+Z", "Z", earlier))
            values = {"vars.BLUEGREEN_SHA256": sha256, "vars.BLUEGREEN_VERSION": "9.9.9", "registry": ""}
            run = Runner(waiting, "migrate", folder, values, path_of(folder)).run()
            found = run.steps["migrate"]["outputs"].get("exit_code")
            holds(f"the job that waits for a task ({scenario}) ends with {code}", found == code, f"{run.ran} {run.said}")


# --- hooks

class Receiver(http.server.BaseHTTPRequestHandler):
    """Takes messages, refuses the first one for the moment, and checks signatures with Python's own HMAC."""

    secret, asked, taken = b"0123456789abcdef-canary", 0, []

    def do_POST(self):
        Receiver.asked += 1
        body = self.rfile.read(int(self.headers["Content-Length"]))
        time, signed = self.headers.get("X-Bluegreen-Timestamp", ""), self.headers.get("X-Bluegreen-Signature")
        wanted = "v1=" + hmac.new(self.secret, time.encode() + b"." + body, hashlib.sha256).hexdigest()
        if Receiver.asked > 1:
            Receiver.taken.append((json.loads(body), signed == wanted))
        self.send_response(204 if Receiver.asked > 1 else 503)
        self.end_headers()

    def log_message(self, *_):
        pass


def hooks():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/canary"
    whole = {**os.environ, "HOOK_URL": url, "HOOK_SECRET": Receiver.secret.decode(), "SLACK_WEBHOOK_URL": url}
    webhook = 'hooks.webhook={ url = { env = "HOOK_URL" }, secret = { env = "HOOK_SECRET" } }'
    slack = f'hooks.command=["{ROOT / "examples" / "hooks" / "slack.sh"}"]'
    migrate = [COMMAND, "migrate", "--sim", "green-errors", "--speed", "max", "--set"]
    run = subprocess.run([*migrate, webhook], env=whole, capture_output=True, text=True)
    moments = [(body["moment"], is_signed) for body, is_signed in Receiver.taken]
    wanted = [(moment, True) for moment in ("start", "before-step", "rollback", "end")]
    holds("a webhook gets each moment, signed, and again after a 503", moments == wanted, moments)
    holds("neither its URL nor its secret is shown", run.returncode == 10 and "canary" not in run.stdout + run.stderr)
    Receiver.taken.clear()
    run = subprocess.run([*migrate, slack], env=whole, capture_output=True, text=True)
    texts = [body["text"] for body, _ in Receiver.taken]
    holds("Slack is told", len(texts) == 4 and texts[2].startswith("*rollback*") and "warning" not in run.stderr, texts)


def main():
    workflow = lint.read(CI / "github-actions.yml", python)
    waiting = lint.read(CI / "ecs-task" / "github-actions.yml", python)
    clock(workflow, waiting)
    branches(workflow)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Chatbot)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    pipeline(workflow, f"http://127.0.0.1:{server.server_port}")
    task(waiting)
    hooks()
    if failed:
        sys.exit(f"error: {len(failed)} failed: {', '.join(failed)}")


spec = importlib.util.spec_from_file_location("lint", ROOT / ".ci" / "lint-workflows.py")
lint = importlib.util.module_from_spec(spec)
spec.loader.exec_module(lint)
python = lint.environment()
main()
