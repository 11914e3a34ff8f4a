"""The events and outcomes of a deployment as frozen dataclasses, for `match` and for a type checker.

    from bluegreen.deployments import CheckFailed, Deployed, RolledOut
    from bluegreen.events import typed

    for event in deployment.events():
        match typed(event):
            case RolledOut(deployment=name):
                print(f"{name} is complete")
    match typed(deployment.run()):
        case Deployed(revision=revision):
            print(f"{revision} runs")

`bluegreen.events.typed` gives one of the classes below `DeploymentFact` for a `bluegreen.DeploymentEvent`, one of
those below `DeploymentEnd` for a `bluegreen.DeploymentOutcome`, and an `UnresolvedService` for the
`UnresolvedError` of a deployment. What this module does not know, since the library is newer, is an
`UnknownEvent` or an `UnknownOutcome` with all its fields.

Images are `REPOSITORY@sha256:…`. Times and spans have microseconds; `to_json` of the event or the outcome has the
library's nanoseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

from .values import Control, ControlEffect, Failure, Finding, Operator

# ---- values --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Target:
    """What a service is to run: `target` is `revision`, or `nothing` for no copy at all."""

    target: str
    revision: str | None = None

    def __str__(self) -> str:
        return self.revision or "nothing"


@dataclass(frozen=True)
class RollbackPoint:
    """What ran before the revision that was deployed, as kept with the service."""

    deployed: str
    previous: Target


@dataclass(frozen=True)
class ServiceObservation:
    """A service as it was read.

    `rollout` is `in_progress`, `completed` or `failed`. `rollback_owner` says which one rolls a failed rollout
    back: `us`, or the `service` by itself. `others` are other deployments that still have copies.
    """

    service: str
    revision: str
    deployment: str
    rollout: str
    desired: int
    running: int
    others: int
    rollback_owner: str
    rollback_point: RollbackPoint | None = None

    @property
    def is_steady(self) -> bool:
        """Whether nothing is under way: the deployment is complete, alone, and has all its copies."""
        return self.rollout == "completed" and self.running == self.desired and self.others == 0


@dataclass(frozen=True)
class Registration:
    """A revision that runs the image. `diff` has the differences from the revision that runs, a line each."""

    revision: str
    is_new: bool
    diff: tuple[str, ...] = ()
    notes: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class ServiceEvent:
    """An event that a service reported, in its own words."""

    id: str
    at: datetime
    message: str


@dataclass(frozen=True)
class StoppedTask:
    """A copy of a service that stopped. `logs`: the place of its last log lines."""

    task: str
    reason: str
    logs: str | None = None


@dataclass(frozen=True)
class CheckAnswer:
    """An answer in short. `took` is from the request to the last byte."""

    status: int
    took: timedelta


@dataclass(frozen=True)
class CheckFailure:
    """One thing that is not as it should be. `what` is its place: `status`, `header content-type`, `$.response`."""

    what: str
    wanted: str
    got: str


@dataclass(frozen=True)
class CheckReport:
    """The result of one try of a check. `asked` is the request without secrets; `answer` is `None` if none came."""

    check: str
    asked: str
    answer: CheckAnswer | None = None
    failures: tuple[CheckFailure, ...] = ()

    @property
    def is_passed(self) -> bool:
        """Whether everything was as it should be."""
        return not self.failures


@dataclass(frozen=True)
class BuildRequest:
    """A build: the folder of the source, and the tag."""

    context: str
    tag: str


@dataclass(frozen=True)
class ImageSource:
    """Where an image comes from: `source` is `build`, with a `request`, or `given`, with an `image`.

    `reuse`: an image that the registry already has under the tag is used as it is.
    """

    source: str
    request: BuildRequest | None = None
    reuse: bool = False
    image: str | None = None


@dataclass(frozen=True)
class Tagging:
    """The result of a further tag: `moved`, `already_there`, or `refused` by the registry, and the reason."""

    tagging: str
    reason: str | None = None


@dataclass(frozen=True)
class Intent:
    """The purpose of a run: `deploy`, `begin`, `roll_back`, `check_health` or `smoke`.

    `to` is the revision to go back to, if the operator `by` named one.
    """

    intent: str
    image: ImageSource | None = None
    by: Operator | None = None
    to: str | None = None


@dataclass(frozen=True)
class HealthPolicy:
    """When a service counts as healthy: so many good answers in a row, within `deadline`."""

    successes: int
    every: timedelta
    deadline: timedelta


@dataclass(frozen=True)
class DeploymentPlan:
    """Everything that is decided before a deployment starts."""

    poll_every: timedelta
    rollout_deadline: timedelta
    health: HealthPolicy
    write_within: timedelta
    rollback_deadline: timedelta
    on_cancel: str
    accept: tuple[str, ...]
    also_tag: str | None = None


# ---- outcomes ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cause:
    """Why a service is rolled back.

    `cause` is `rollout_failed`, `stalled`, `never_healthy`, `smoke_failed`, `not_steady`, `update_failed`,
    `never_visible`, `journal_failed`, `clock_fault`, `cancelled` or `asked`. The other fields are those of that
    cause; `failed` has one check for `never_healthy`, and all that failed for `smoke_failed`.
    """

    cause: str
    reason: str | None = None
    summary: str | None = None
    stopped: tuple[StoppedTask, ...] = ()
    failed: tuple[CheckReport, ...] = ()
    failure: Failure | None = None
    deployment: str | None = None
    control: Control | None = None
    by: Operator | None = None

    @staticmethod
    def _normal(value: Mapping[str, Any]) -> Mapping[str, Any]:
        failed = value.get("failed")
        return {**value, "failed": [failed]} if isinstance(failed, Mapping) else value


@dataclass(frozen=True)
class Reason:
    """Why a deployment is held, or ended before it changed the service.

    Of a held run `reason` is `asked`, `superseded`, `gone` or `taken_over`; of an unchanged one `refused`,
    `read_failed`, `build_failed`, `register_failed`, `update_failed`, `superseded`, `check_failed`,
    `no_way_back`, `nothing_to_roll_back`, `journal_failed`, `clock_fault` or `cancelled`. `by` is the third
    party's deployment.
    """

    reason: str
    control: Control | None = None
    by: str | None = None
    revision: str | None = None
    failure: Failure | None = None
    findings: tuple[Finding, ...] = ()
    failed: tuple[CheckReport, ...] = ()
    why: str | None = None


@dataclass(frozen=True)
class Report:
    """The facts that every end of a deployment has.

    `service` is the service as last read; `None` if it was never read, or does not exist. `left_behind` are
    things that the run made and that are not used.
    """

    started: datetime
    ended: datetime
    service: ServiceObservation | None = None
    service_read_at: datetime | None = None
    image: str | None = None
    restore_command: str | None = None
    accepted: tuple[str, ...] = ()
    left_behind: tuple[str, ...] = ()

    @property
    def took(self) -> timedelta:
        """How long the run took."""
        return self.ended - self.started


@dataclass(frozen=True)
class DeploymentEnd:
    """How a deployment ended, in a state that is known and was read back."""

    _tag: ClassVar[str] = "outcome"


@dataclass(frozen=True)
class Deployed(DeploymentEnd):
    """The service runs the revision in full, and every check passed."""

    revision: str
    report: Report


@dataclass(frozen=True)
class Begun(DeploymentEnd):
    """The platform has accepted the deployment and moves its traffic: a judge decides from here.

    Only of the intent `begin`. `then` is a control that came meanwhile, for the judge.
    """

    deployment: str
    revision: str
    report: Report
    then: Control | None = None


@dataclass(frozen=True)
class RolledBack(DeploymentEnd):
    """The service is in its former state again, in full."""

    cause: Cause
    to: Target
    report: Report


@dataclass(frozen=True)
class Held(DeploymentEnd):
    """The service stays as the report says; a person decides what is next."""

    reason: Reason
    report: Report


@dataclass(frozen=True)
class Unchanged(DeploymentEnd):
    """The run ended before it changed the service."""

    reason: Reason
    report: Report


@dataclass(frozen=True)
class ChecksPassed(DeploymentEnd):
    """A run of checks only: they have passed."""

    report: Report


@dataclass(frozen=True)
class CheckFailed(DeploymentEnd):
    """A run of checks only: at least one has failed. `failed` has the last bad answer of each."""

    failed: tuple[CheckReport, ...]
    report: Report


@dataclass(frozen=True)
class UnknownOutcome(DeploymentEnd):
    """An outcome of a newer library."""

    name: str
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class UnresolvedService:
    """A service that is neither as wanted nor rolled back, or whose state is not known: a person must look now.

    `wanted` is the target of the rollback. `change_unseen` says that a change was sent and no read has shown its
    effect.
    """

    summary: str
    report: Report
    cause: Cause | None = None
    wanted: Target | None = None
    failure: Failure | None = None
    change_unseen: bool = False

    @property
    def restore_command(self) -> str | None:
        """The command by which a person rolls the service back."""
        return self.report.restore_command


# ---- events --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DeploymentFact:
    """One fact of a deployment, with the values behind it."""

    _tag: ClassVar[str] = "event"


@dataclass(frozen=True)
class UnknownEvent(DeploymentFact):
    """A fact of a newer library."""

    name: str
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class Started(DeploymentFact):
    """The run begins. Nothing was called yet."""

    intent: Intent
    plan: DeploymentPlan


@dataclass(frozen=True)
class Reopened(DeploymentFact):
    """The run was begun by an earlier version, and continues under the rules of this version."""

    found: int
    version: int


@dataclass(frozen=True)
class PreflightPassed(DeploymentFact):
    """The preflight is over and stops nothing. `service` is `None` if it does not exist yet."""

    findings: tuple[Finding, ...]
    service: ServiceObservation | None = None


@dataclass(frozen=True)
class ReadFailed(DeploymentFact):
    """A read failed, and is tried again."""

    failure: Failure
    retry_at: datetime


@dataclass(frozen=True)
class ImageReused(DeploymentFact):
    """The registry has the image already; nothing is built."""

    image: str


@dataclass(frozen=True)
class Building(DeploymentFact):
    """The image is being built and pushed."""

    request: BuildRequest


@dataclass(frozen=True)
class Built(DeploymentFact):
    """The image is in the registry, by a digest that the registry confirms."""

    image: str


@dataclass(frozen=True)
class Registered(DeploymentFact):
    """A revision with the image is registered."""

    registration: Registration


@dataclass(frozen=True)
class AlreadyRuns(DeploymentFact):
    """The service runs this revision in full already; it is only checked."""

    service: ServiceObservation


@dataclass(frozen=True)
class Adopted(DeploymentFact):
    """A rollout of this revision is under way, which an earlier run began; it is followed."""

    service: ServiceObservation
    previous: Target | None = None


@dataclass(frozen=True)
class Updating(DeploymentFact):
    """The service is about to be changed. `attempt` counts from 1; `from_` is `None` if it does not exist."""

    to: Target
    attempt: int
    from_: str | None = None


@dataclass(frozen=True)
class Updated(DeploymentFact):
    """The change was accepted; its rollout is followed."""

    deployment: str


@dataclass(frozen=True)
class NeverVisible(DeploymentFact):
    """A change was accepted, and no read has shown it in the propagation time. It is sent again."""

    to: Target


@dataclass(frozen=True)
class UpdateFailed(DeploymentFact):
    """A change failed, or its outcome is not known. The service is observed before anything else."""

    failure: Failure
    retry_at: datetime


@dataclass(frozen=True)
class Rollout(DeploymentFact):
    """The counts of the rollout have changed."""

    deployment: str
    desired: int
    running: int
    pending: int
    failed: int


@dataclass(frozen=True)
class ServiceSaid(DeploymentFact):
    """The service reported an event."""

    said: ServiceEvent


@dataclass(frozen=True)
class TaskStopped(DeploymentFact):
    """A copy stopped."""

    task: StoppedTask


@dataclass(frozen=True)
class ServiceRollsBack(DeploymentFact):
    """The service rolls back by itself, to this revision."""

    to: str


@dataclass(frozen=True)
class RolledOut(DeploymentFact):
    """The rollout is complete."""

    deployment: str


@dataclass(frozen=True)
class Checked(DeploymentFact):
    """A check was asked: `kind` is `health` or `smoke`. `in_a_row` of `wanted` good answers have come."""

    kind: str
    report: CheckReport
    in_a_row: int
    wanted: int


@dataclass(frozen=True)
class RollingBack(DeploymentFact):
    """The service is rolled back. `to` is `None` if the state before is not known."""

    cause: Cause
    to: Target | None = None


@dataclass(frozen=True)
class RollbackSeen(DeploymentFact):
    """A read during the rollback."""

    service: ServiceObservation


@dataclass(frozen=True)
class Restored(DeploymentFact):
    """The service is in its former state again, read back; `None` if it never existed."""

    service: ServiceObservation | None = None


@dataclass(frozen=True)
class Tagged(DeploymentFact):
    """The image got its further tag, or `result` says why not."""

    tag: str
    result: Tagging | Failure


@dataclass(frozen=True)
class Controlled(DeploymentFact):
    """A control arrived."""

    control: Control
    effect: ControlEffect


@dataclass(frozen=True)
class JournalFailed(DeploymentFact):
    """Records can no longer be written to the journal."""

    failure: Failure


@dataclass(frozen=True)
class Ended(DeploymentFact):
    """The run ended in a state that is known."""

    outcome: DeploymentEnd
    exit_code: int


@dataclass(frozen=True)
class Unresolved(DeploymentFact):
    """The run ended, and a person must look at the service now."""

    unresolved: UnresolvedService
    exit_code: int
