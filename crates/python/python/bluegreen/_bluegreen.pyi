"""The compiled part of `bluegreen`: thin over the Rust library, without logic of its own.

Times are aware `datetime`s in UTC, spans are `timedelta`s. Both hold microseconds, and the library has
nanoseconds: `to_json` of an object is exact, and `from_json` gives the same object back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from os import PathLike
from typing import Any, Literal, Protocol, TypeAlias, TypedDict, Union, final, type_check_only

from typing_extensions import Required

__all__ = [
    "__version__",
    "Answer",
    "Handle",
    "Deployment",
    "Journal",
    "Replay",
    "Migration",
    "Events",
    "Spec",
    "DeploymentEvent",
    "DeploymentOutcome",
    "Event",
    "Look",
    "Observation",
    "Outcome",
    "Plan",
    "Problem",
    "Progress",
    "Shift",
    "Traffic",
    "Verdict",
    "Aws",
    "Simulation",
    "replay",
    "_shutdown",
    "schema",
    "scenarios",
]

__version__: str

_Span: TypeAlias = Union[timedelta, float, int, str]
"""A span of time: a `timedelta`, seconds, or text such as `"3m"`."""
_Share: TypeAlias = Union[float, int, str]
"""Percents, 0 to 100 in tenths: `10`, `0.5` or `"10%"`."""

@type_check_only
class _Step(TypedDict, total=False):
    """A step with times of its own. A `manual` one waits until an operator promotes the run: `Handle.promote`, or
    the command `bluegreen promote`; `deadline` is the time-out."""

    green: Required[_Share]
    bake: _Span
    deadline: _Span
    manual: bool

# --- values -------------------------------------------------------------------------------------------

@final
class Problem:
    """One mistake of a specification. `field` is empty for a mistake of syntax; `line` and `column` count
    from 1 and are `None` if no file was read."""

    def __new__(
        cls, field: str, message: str, hint: str, line: int | None = None, column: int | None = None
    ) -> Problem: ...

    @property
    def field(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def hint(self) -> str: ...
    @property
    def line(self) -> int | None: ...
    @property
    def column(self) -> int | None: ...

class _Wire:
    """What all values of the journal have. Frozen; equal if their content is equal; can be pickled."""

    def to_json(self) -> str:
        """The exact JSON of the library: the contract of `--json` and of the journal."""
    def to_dict(self) -> dict[str, Any]:
        """The same fields as in JSON, with times as `datetime` and spans as `timedelta`."""

class _Event(_Wire):
    """What all events have."""

    @property
    def run(self) -> str: ...
    @property
    def seq(self) -> int: ...
    @property
    def at(self) -> datetime: ...
    @property
    def elapsed(self) -> timedelta: ...
    @property
    def name(self) -> str:
        """The kind of the fact, as `started` or `ended`: the names of the classes of facts, in small letters."""
    @property
    def data(self) -> dict[str, Any]:
        """The fields of this kind of event, as `to_dict` without the envelope."""
    def line(self, columns: int = 80) -> str:
        """One line for a terminal."""

@final
class Event(_Event):
    """One fact of a migration. `str(event)` is the text for people."""

    @staticmethod
    def from_json(text: str) -> Event: ...
    @property
    def traffic(self) -> Traffic | None:
        """The split that the event reports as read, if it reports one."""

@final
class DeploymentEvent(_Event):
    """One fact of a deployment. `str(event)` is the text for people."""

    @staticmethod
    def from_json(text: str) -> DeploymentEvent: ...

@final
class Outcome(_Wire):
    """How a migration ended, as it was read back. `str(outcome)` is the text for people."""

    @staticmethod
    def from_json(text: str) -> Outcome: ...
    @property
    def kind(self) -> Literal["promoted", "rolled_back", "held", "unchanged"]: ...
    @property
    def exit_code(self) -> int:
        """0 promoted or restored on request, 3 nothing changed, 10 rolled back, 11 cancelled, 12 held."""
    @property
    def is_promoted(self) -> bool: ...
    @property
    def why(self) -> dict[str, Any] | None:
        """The cause of a rollback, or the reason of a hold or of no change."""
    @property
    def report(self) -> dict[str, Any]: ...
    @property
    def started(self) -> datetime: ...
    @property
    def ended(self) -> datetime: ...
    @property
    def took(self) -> timedelta: ...
    @property
    def traffic(self) -> Traffic | None:
        """The last split that was read."""

@final
class DeploymentOutcome(_Wire):
    """How a deployment ended."""

    @staticmethod
    def from_json(text: str) -> DeploymentOutcome: ...
    @property
    def kind(self) -> str: ...
    @property
    def exit_code(self) -> int: ...

@final
class Traffic(_Wire):
    """The routing as a splitter read it.

    `fingerprint` is a versioned hash over everything else that routes this traffic (`"v1:…"`): two
    observations with equal weights and fingerprints describe the same routing. `rest` is what the
    fingerprint is taken over. `blue_targets` and `green_targets` are healthy targets, or a dict of `healthy`,
    `unhealthy`, `initial`, `draining`, `other`.
    """

    def __new__(
        cls,
        blue: int,
        green: int,
        fingerprint: str,
        *,
        blue_targets: int | Mapping[str, int] | None = None,
        green_targets: int | Mapping[str, int] | None = None,
        rest: Mapping[str, str] | None = None,
        stickiness: _Span | None = None,
        restore_command: str | None = None,
    ) -> Traffic: ...
    @staticmethod
    def from_json(text: str) -> Traffic: ...
    @property
    def blue(self) -> int: ...
    @property
    def green(self) -> int: ...
    @property
    def green_share(self) -> float:
        """Green's share, 0 to 1; 0 if no side has weight."""
    @property
    def is_all_blue(self) -> bool: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def blue_targets(self) -> dict[str, int]: ...
    @property
    def green_targets(self) -> dict[str, int]: ...
    @property
    def rest(self) -> dict[str, str]: ...
    @property
    def stickiness(self) -> timedelta | None: ...
    @property
    def restore_command(self) -> str | None: ...

@final
class Shift(_Wire):
    """A change that a splitter is asked for."""

    @staticmethod
    def from_json(text: str) -> Shift: ...
    @property
    def observed(self) -> Traffic:
        """The routing that is changed, as it was read."""
    @property
    def green(self) -> float:
        """Green's share wanted, in percent."""
    @property
    def weights(self) -> tuple[int, int]:
        """The split wanted, as two weights whose sum is 1000: blue's, green's."""
    @property
    def restores(self) -> bool:
        """Whether it is a restore. A restore is always written, even if a read shows the split already."""
    def is_to_write(self, found: Traffic) -> bool:
        """Whether the split must be written over `found`, which was read right before the write. Raises
        `ConflictError` if it may not be replaced: then write nothing."""

@final
class Progress(_Wire):
    """The state of a migration at a look."""

    @staticmethod
    def from_json(text: str) -> Progress: ...
    @property
    def at(self) -> datetime: ...
    @property
    def phase(self) -> Literal["preflight", "step", "bake", "confirm"]: ...
    @property
    def step(self) -> int | None:
        """The step, counted from 0, in the phase `step`."""
    @property
    def green(self) -> float:
        """Green's share in percent that the migration last wrote."""
    @property
    def since(self) -> datetime: ...
    @property
    def warm_up(self) -> timedelta: ...
    @property
    def warm_since(self) -> datetime:
        """From then on green's figures count for its health."""

@final
class Observation(_Wire):
    """What a gate saw: a schema such as `"acme.queue/1"` and a body of plain JSON."""

    def __new__(cls, schema: str, body: Any) -> Observation: ...
    @staticmethod
    def from_json(text: str) -> Observation: ...
    @property
    def schema(self) -> str: ...
    @property
    def body(self) -> Any: ...

@final
class Look(_Wire):
    """What a gate is told when it must look."""

    @staticmethod
    def from_json(text: str) -> Look: ...
    @property
    def progress(self) -> Progress: ...
    @property
    def last(self) -> Observation | None:
        """This gate's newest observation."""
    @property
    def traffic(self) -> Traffic | None:
        """The split and the targets as read at this look; `None` if that read failed."""

@final
class Verdict(_Wire):
    """A gate's judgement of green. Only `healthy` lets green's share rise."""

    @staticmethod
    def healthy(summary: str, *, expires: datetime | None = None, figures: Sequence[Mapping[str, Any]] | None = None) -> Verdict:
        """`expires`: until when the verdict stands; a callable's verdict stands for 60 s by default.
        `figures`: numbers behind the verdict: `name`, `value`, `unit` (`"fraction"`, `"milliseconds"`, `"count"`), and
        optionally `side` and `limit`."""
    @staticmethod
    def unhealthy(summary: str, *, figures: Sequence[Mapping[str, Any]] | None = None) -> Verdict: ...
    @staticmethod
    def inconclusive(summary: str, *, figures: Sequence[Mapping[str, Any]] | None = None) -> Verdict: ...
    @staticmethod
    def from_json(text: str) -> Verdict: ...
    @property
    def status(self) -> Literal["healthy", "unhealthy", "inconclusive"]: ...
    @property
    def summary(self) -> str: ...
    @property
    def expires(self) -> datetime | None: ...

@final
class Plan(_Wire):
    """Everything that is decided before a migration starts. Every argument may be left out; the defaults are
    the library's. `SpecError` tells every problem at once."""

    def __new__(
        cls,
        *,
        steps: Sequence[_Share | _Step] = ...,
        hold_back: _Share = ...,
        bake: _Span = ...,
        step_deadline: _Span = ...,
        deadline: _Span = ...,
        look_interval: _Span = ...,
        look_limit: _Span = ...,
        warm_up: _Span = ...,
        final_bake: _Span = ...,
        restore_within: _Span = ...,
        gradual_restore: _Span = ...,
        grace: _Span = ...,
        confirm_within: _Span = ...,
        blind_restore: bool = ...,
        capacity_ratio: float = ...,
        write_attempts: int = ...,
        on_inconclusive: Literal["roll-back", "hold"] = ...,
        on_cancel: Literal["roll-back", "hold"] = ...,
        on_resume: Literal["go-on", "roll-back"] = ...,
        accept: Sequence[str] = ...,
        gates: Mapping[str, Literal["required", "before_each_step", "advisory"]] = ...,
    ) -> Plan: ...
    @staticmethod
    def from_json(text: str) -> Plan: ...
    def preview(self) -> str:
        """The course of the migration, as text."""
    @property
    def steps(self) -> tuple[float, ...]:
        """Green's share in percent at each step."""

@final
class Spec(_Wire):
    """A migration as one file: traffic, sides, plan, judge, safety, hooks, test, journal. Same fields and defaults as
    `bluegreen.toml`. Every mistake is told at once, with field, place and hint: `SpecError.problems`.

    `Spec({"name": …})`, `Spec(name=…, traffic=…, side=…)`, `Spec.from_toml(text)`, `Spec.from_file(path)`.
    """

    def __new__(cls, fields: Mapping[str, Any] | None = None, /, **more: Any) -> Spec: ...
    @staticmethod
    def from_toml(text: str) -> Spec: ...
    @staticmethod
    def from_json(text: str) -> Spec: ...
    @staticmethod
    def from_file(path: str | PathLike[str]) -> Spec:
        """Reads TOML, or JSON if the name ends with `.json`."""
    def to_toml(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def journal(self) -> Journal | None: ...
    def plan(self) -> Plan: ...
    def iam_policy(self) -> str:
        """The least rights, as the JSON of an IAM policy."""
    def with_(self, fields: Mapping[str, Any] | None = None, /, **more: Any) -> Spec:
        """A copy with these fields changed; tables are merged, everything else replaced."""
    def forecast(self, aws: Aws | Simulation) -> dict[str, Any] | None:
        """How long each step takes at the traffic of the hour before: `requests_a_minute`, `error_rate`,
        `steps`, `text`, and `refusal` if a step cannot be decided. `None` if the limits alone judge. Blocks."""
    def observe(self, aws: Aws | Simulation, *, blue: str | None = None) -> Traffic:
        """Reads the split as it is. `blue` names the side that serves or served, by its name in the file; needed while both sides get traffic. Blocks."""
    def shift(self, aws: Aws | Simulation, green: _Share, *, blue: str | None = None) -> Traffic:
        """Writes one split, by hand: one guarded write, read back; no gate, no journal, no rollback. Raises
        `ConflictError`, `OutcomeUnknownError` and so on. Blocks. Prefer a `Migration`."""

def schema() -> dict[str, Any]:
    """The JSON Schema of a specification."""

# --- worlds -------------------------------------------------------------------------------------------

@final
class Aws:
    """The real AWS, by the environment and the profile, as other AWS tools are configured: `AWS_PROFILE`,
    `AWS_REGION`, `AWS_ENDPOINT_URL` and so on. Each run has its own clients in its own thread."""

    @staticmethod
    def from_env(region: str | None = None) -> Aws:
        """Reads the configuration once, to tell a mistake early. Blocks; makes no call that changes
        anything."""
    @property
    def region(self) -> str | None: ...
    def caller(self) -> str:
        """The account of the credentials, by STS. Blocks."""

@final
class Simulation:
    """A simulated AWS in virtual time, the same for the same seed.

    `scenario` is a name of `scenarios()`, and `None` is a world in which nothing goes wrong, with an hour of
    history. `speed` is virtual seconds a second; `None` is as fast as possible. `blue` and `green` describe
    the services: `{"targets": 4, "error_rate": 0.001, "latency": 0.09, "capacity": None, "behaviours":
    [{"errors": 0.2, "when": "always"}]}`. A behaviour is one of `errors`, `leak`, `latency`, `dead`, `silent`;
    `when` is `"always"`, `{"from": s, "to": s}`, or `{"after_rise": n, "from": s, "to": s}`. A scenario has
    its own services, so the arguments after `speed` are for `scenario=None` only.
    """

    def __new__(
        cls,
        scenario: str | None = None,
        *,
        seed: int = 1,
        speed: float | None = None,
        traffic: float | None = None,
        history: _Span | None = None,
        blue: Mapping[str, Any] | None = None,
        green: Mapping[str, Any] | None = None,
        sticky: _Span | None = None,
        weights: tuple[int, int] | None = None,
    ) -> Simulation: ...
    def fail(
        self,
        call: str,
        fault: str,
        *,
        nth: int | None = None,
        from_nth: int | None = None,
        between: tuple[_Span, _Span] | None = None,
        after: _Span | None = None,
        weights: tuple[int, int] | None = None,
    ) -> None:
        """Lets calls fail: `fail("ModifyRule", "timeout_after_effect", nth=2)`.

        `call` is an operation as AWS spells it, or `"any"`. Without `nth`, `from_nth` or `between` all such
        calls fail. `fault` is one of `throttle`, `denied`, `expired`, `missing`, `unavailable`,
        `timeout_before_effect`, `timeout_after_effect`, `late_effect` (with `after`), `hang_before_effect`,
        `hang_after_effect`, `third_party_write` (with `weights`).
        """
    def lag(self, call: str, by: _Span) -> None:
        """Lets reads of `call` show writes this much later."""
    def third_party_write(self, blue: int, green: int, *, after: _Span | None = None) -> None:
        """A third party writes weights: now, or this long after the start."""
    @property
    def spec(self) -> Spec:
        """The specification of a migration in this world, with all defaults."""
    @property
    def weights(self) -> tuple[int, int]:
        """The truth: blue's weight and green's."""
    @property
    def rule(self) -> str:
        """The ARN of the rule that divides the traffic."""
    @property
    def blue(self) -> str:
        """The ARN of blue's target group."""
    @property
    def green(self) -> str: ...
    @property
    def elapsed(self) -> timedelta: ...
    @property
    def sent(self) -> tuple[int, int]:
        """How many requests each side has got."""
    @property
    def failed(self) -> tuple[int, int]: ...
    def calls(self, call: str | None = None) -> int:
        """How many calls were made: of one operation as AWS spells it, or of all."""
    @property
    def changes(self) -> list[dict[str, Any]]:
        """Every write of the rule: `at`, `by`, `blue`, `green`."""

def scenarios() -> list[dict[str, Any]]:
    """The scenarios of a migration: `name`, `exit_code`, `explanation`."""

@final
class Journal:
    """Where a run keeps its journal: history, lock and fence in one."""

    @staticmethod
    def memory() -> Journal:
        """In this process: all runs that are given the same object share it."""
    @staticmethod
    def folder(path: str | PathLike[str]) -> Journal:
        """Keeps other controllers of this machine out, not those of other machines."""
    @staticmethod
    def s3(bucket: str, prefix: str = "") -> Journal:
        """Shared by all machines. `aws` of the run reaches the bucket."""
    @staticmethod
    def parse(place: str) -> Journal:
        """`s3://BUCKET/PREFIX`, or a folder."""
    def logs(self, aws: Aws | Simulation | None = None) -> list[str]:
        """The names of the logs in it, one a rule or service. Blocks."""
    def records(self, log: str | None = None, aws: Aws | Simulation | None = None) -> list[str]:
        """The records of the newest run, each as JSON; of the only log if none is named. Blocks."""

@final
class Replay:
    """A journal told again. Nothing is called."""

    @property
    def events(self) -> list[Event]: ...
    @property
    def outcome(self) -> Outcome | None:
        """How the run ended, if the journal has its end."""

def replay(records: Sequence[str]) -> Replay:
    """Tells a journal of a migration again, from `Journal.records`. `ReplayError` if it is none."""

# --- roles --------------------------------------------------------------------------------------------

@type_check_only
class Judge(Protocol):
    """Folds a gate's observations. Pure: no I/O, no clock. Called with each observation once, in order."""

    def take(self, observation: Observation, progress: Progress) -> Verdict: ...

@type_check_only
class HealthGate(Protocol):
    """Judges whether green serves well. `observe` does the I/O of one look, sync or async, and must only
    read; `None` is nothing new. `judge` starts a fresh fold: an object with `take`, or a function of the same
    arguments. `settings`, if there is one, returns all that changes a verdict, as plain JSON without secrets.
    An exception of `observe` is a look that failed, one of `take` an inconclusive verdict; both have the
    traceback in the evidence."""

    def observe(self, look: Look) -> Observation | None | Awaitable[Observation | None]: ...
    def judge(self) -> Judge | Callable[[Observation, Progress], Verdict]: ...

@type_check_only
class TrafficSplitter(Protocol):
    """Divides traffic. `shift` reads the routing, asks `shift.is_to_write(found)`, writes, reads back, and
    returns what was seen; `(traffic, False)` if the write was accepted and not seen yet. `propagation` is how
    long after a write a read may still be old. `preflight`, if there is one, returns findings: a list of
    notes, or of `{"severity": "note" | "refuse", "message": …, "hint": …}`. Each method may be async."""

    propagation: _Span
    def observe(self) -> Traffic | Awaitable[Traffic]: ...
    def shift(self, shift: Shift) -> Traffic | tuple[Traffic, bool] | Awaitable[Traffic | tuple[Traffic, bool]]: ...

@type_check_only
class ImageBuilder(Protocol):
    """Makes images. References are `REPOSITORY@sha256:…`. `preflight` is optional."""

    def find(self, tag: str) -> str | None | Awaitable[str | None]: ...
    def build(self, context: str, tag: str) -> str | Awaitable[str]: ...
    def tag(self, image: str, tag: str) -> Any:
        """`"moved"`, `"already_there"`, or `{"tagging": "refused", "reason": …}`."""

@type_check_only
class ServiceDeployer(Protocol):
    """Runs an image as a service. Values are dicts as in the journal. `preflight`, `follow`, `resolve` and
    `by_hand` are optional; `propagation` is an attribute."""

    propagation: _Span
    def observe(self) -> dict[str, Any] | None | Awaitable[dict[str, Any] | None]:
        """`service`, `revision`, `deployment`, `rollout` (`"in_progress"`, `"completed"`, `"failed"`),
        `desired`, `running`, `others`, `rollback_owner` (`"us"`, `"service"`), `rollback_point`."""
    def register(self, image: str) -> dict[str, Any] | Awaitable[dict[str, Any]]:
        """`revision`, `is_new`, and optionally `diff` and `notes`."""
    def update(self, update: dict[str, Any]) -> str | Awaitable[str]:
        """Starts a deployment and returns its id. `update` has `from`, `to`, `rollback_point`, `older`."""

_Gate: TypeAlias = Union[HealthGate, Callable[[Look], Union[Verdict, Awaitable[Verdict]]]]

# --- runs ---------------------------------------------------------------------------------------------

@final
class Answer:
    """The answer to a control: `result()`, or `await answer`. It comes as soon as the run has taken the
    control. `{"effect": "applied" | "after_change" | "ignored", "why": …}`."""

    def result(self, timeout: float | None = None) -> dict[str, Any]:
        """Blocks, without the GIL. `TimeoutError` if there is no answer in `timeout` seconds."""
    def __await__(self) -> Generator[Any, None, dict[str, Any]]: ...

@final
class Handle:
    """Controls a run from anywhere. Sending never blocks; a control that is given before the run starts holds
    from its first step on, and one after its end is ignored."""

    def pause(self, by: str, length: _Span | None = None) -> Answer: ...
    def continue_run(self, by: str) -> Answer: ...
    def skip_wait(self, by: str) -> Answer: ...
    def promote(self, by: str) -> Answer:
        """Rises to the next step: the leave for which a manual step waits, and before a healthy verdict an
        override."""
    def promote_fully(self, by: str) -> Answer: ...
    def abort(self, by: str) -> Answer:
        """Rolls back."""
    def leave(self, by: str, reason: str) -> Answer:
        """Ends and leaves the split as it is."""
    def cancel(self, reason: str) -> Answer:
        """Ends as the plan says for a cancellation, by default by a rollback."""
    def stop(self, reason: str) -> Answer:
        """Ends at once, even if a change is under way, and says where traffic was last seen."""

@final
class Events:
    """The events of a run, in order; ends with the run. `for` and `async for` both work. Each call of
    `events()` has its own: all events from the first one, if it is made before the start. Events wait here,
    in memory, until they are read."""

    def __iter__(self) -> Iterator[Any]: ...
    def __next__(self) -> Any: ...
    def __aiter__(self) -> AsyncIterator[Any]: ...
    def __anext__(self) -> Awaitable[Any]: ...

class _Run:
    @property
    def handle(self) -> Handle: ...
    def on_event(self, callback: Callable[[Any], object]) -> _Run:
        """Calls `callback` with each event, in order, in the run's thread: the run waits for it. An exception
        of it is logged to `bluegreen`, and the run continues. Before the start only. Returns the run."""
    def start(self) -> _Run:
        """Starts the run in its own thread and returns at once; a second call does nothing."""
    def events(self) -> Events:
        """Starts the run, if need be."""
    @property
    def is_done(self) -> bool: ...
    def run(self) -> Any:
        """Starts the run, if need be, waits for its end without the GIL, and returns the outcome; raises if it
        could not start, or if a person must look now. Called again it gives the same.

        In the main thread Ctrl-C and SIGTERM cancel the run, which then ends as its plan says; the call
        returns the outcome and never raises `KeyboardInterrupt`. A second Ctrl-C on a terminal stops the run
        at once."""
    def run_async(self) -> Awaitable[Any]:
        """The same on a running asyncio loop. Cancelling the task cancels the run, and the task then ends with
        the outcome, not with `CancelledError`: a rollback takes its time. Async roles run on this loop."""
    def _future(self, loop: asyncio.AbstractEventLoop) -> asyncio.Future[Any]: ...

@final
class Migration(_Run):
    """Moves traffic from blue to green.

    With a `spec`, all that it names is wired: splitter, gates, dead-man switch, lease and fence; `gates` and
    `plan` add to it (`plan` is then not allowed). With `plan` and `splitter`, each role by itself; `aws` then
    gives only the clock. `gates` are required unless the plan says `advisory`. `journal` is the spec's
    journal by default, and memory without one; a splitter needs a `name` of what it divides with a journal.

    `act` is `"migrate"`, `"complete"` (to the last step at once: an override), `"restore"` (everything back
    to blue, needs no journal), or `"resume"` (the run in the journal continues). `blue` names the side that
    served before; needed only while traffic is divided and no journal tells it. `force` restores blue even
    without a healthy target.
    """

    def __new__(
        cls,
        spec: Spec | None = None,
        aws: Aws | Simulation | None = None,
        *,
        plan: Plan | None = None,
        splitter: TrafficSplitter | None = None,
        name: str | None = None,
        gates: Mapping[str, _Gate] | None = None,
        journal: Journal | None = None,
        by: str | None = None,
        act: Literal["migrate", "complete", "restore", "resume"] = "migrate",
        blue: str | None = None,
        force: bool = False,
    ) -> Migration: ...
    def on_event(self, callback: Callable[[Event], object]) -> Migration: ...
    def start(self) -> Migration: ...
    def run(self) -> Outcome: ...
    def run_async(self) -> Awaitable[Outcome]: ...

@final
class Deployment(_Run):
    """Builds, deploys and checks a service, and undoes the deployment if a check fails.

    With `spec` and `side`, what the file says of that side; or with `deployer` and `image`, or `builder` and
    `context` and `tag`.
    """

    def __new__(
        cls,
        spec: Spec | None = None,
        aws: Aws | Simulation | None = None,
        *,
        side: str | None = None,
        deployer: ServiceDeployer | None = None,
        builder: ImageBuilder | None = None,
        image: str | None = None,
        context: str | PathLike[str] | None = None,
        tag: str | None = None,
        plan: Mapping[str, Any] | None = None,
        name: str | None = None,
        journal: Journal | None = None,
        by: str | None = None,
    ) -> Deployment: ...
    def on_event(self, callback: Callable[[DeploymentEvent], object]) -> Deployment: ...
    def start(self) -> Deployment: ...
    def run(self) -> DeploymentOutcome: ...
    def run_async(self) -> Awaitable[DeploymentOutcome]: ...

def _shutdown() -> None:
    """Cancels every run that is under way and waits for their ends; `atexit` calls it."""
