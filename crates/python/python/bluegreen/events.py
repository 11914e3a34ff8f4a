"""The events and outcomes of a migration as frozen dataclasses, for `match` and for a type checker.

    from bluegreen.events import RollingBack, Shifted, typed

    for event in migration.events():
        match typed(event):
            case Shifted(traffic=traffic):
                print(f"green has {traffic.green_share:.0%}")
            case RollingBack(cause=cause):
                page(cause.cause)

`typed` gives one of the classes below `MigrationEvent` for an `Event`, one of those below `MigrationOutcome` for
an `Outcome`, and an `UnresolvedTraffic` for the `UnresolvedError` of a migration. What this module does not know,
since the library is newer, is an `UnknownEvent` or an `UnknownOutcome` with all its fields. Of a deployment it
gives the classes of `bluegreen.deployments`.

Times and spans have microseconds; `to_json` of the event or the outcome has the library's nanoseconds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, overload

from ._bluegreen import DeploymentEvent, DeploymentOutcome, Event, Outcome
from ._errors import UnresolvedError
from ._wire import read
from .deployments import DeploymentEnd, DeploymentFact, UnresolvedService
from .values import (
    Control,
    ControlEffect,
    Failure,
    Finding,
    Operator,
    Phase,
    SeenTraffic,
    TargetCounts,
    TrafficObservation,
    TrafficSplit,
    Verdict,
)

# ---- outcomes ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cause:
    """Why a migration rolls back.

    `cause` is `gate`, `deadline`, `write_failed`, `never_visible`, `journal_failed`, `clock_fault`, `cancelled`,
    `switch_failed`, `switch_fired` or `asked`. The other fields are those of that cause.
    """

    cause: str
    gate: str | None = None
    summary: str | None = None
    failure: Failure | None = None
    to: TrafficSplit | None = None
    control: Control | None = None
    by: Operator | None = None


@dataclass(frozen=True)
class ShortBlue:
    """How everything went back to blue while blue had too few healthy targets to serve everything."""

    healthy: int
    at_start: int
    stages: int
    at_once: str | None = None


@dataclass(frozen=True)
class RestoredBlue:
    """What the reads after a restore showed.

    `confirmed` is the end of the first settled minute without a request on green; `None` if no such minute
    was seen. `unconfirmable` says why no metric of the run can confirm it. `pinned_until` says until when clients
    may stay on green by stickiness.
    """

    at: datetime
    confirmed: datetime | None = None
    unconfirmable: str | None = None
    pinned_until: datetime | None = None
    short_blue: ShortBlue | None = None


@dataclass(frozen=True)
class Reason:
    """Why a migration is held, or ended before it changed anything.

    Of a held run `reason` is `asked`, `drift`, `gone`, `deadline` or `taken_over`; of an unchanged one
    `refused`, `not_ready`, `drift`, `write_failed`, `journal_failed`, `clock_fault` or `cancelled`.
    """

    reason: str
    control: Control | None = None
    diff: tuple[str, ...] = ()
    unhealthy: str | None = None
    failure: Failure | None = None
    summary: str | None = None
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Override:
    """A decision that an operator took against a gate."""

    at: datetime
    by: Operator
    what: str


@dataclass(frozen=True)
class StandingSwitch:
    """A dead-man switch that a run left behind."""

    fires: datetime
    disarm_command: str | None = None


@dataclass(frozen=True)
class Kept:
    """A minimum of blue that was raised from `before` to `minimum`."""

    resource: str
    before: int
    minimum: int
    command: str | None = None


@dataclass(frozen=True)
class StandingCapacity:
    """A minimum of blue that a run raised and did not put back."""

    kept: Kept
    why: str | None = None


@dataclass(frozen=True)
class Report:
    """The facts that every end of a migration has.

    `traffic` is the last split that was read; `None` if it was never read. `unseen` is the split of a change
    that was sent and that no read has shown: it may be live by now. `blue_kept_until` is the time from which blue may
    be retired, if everything is on green.
    """

    started: datetime
    ended: datetime
    traffic: TrafficObservation | None = None
    traffic_read_at: datetime | None = None
    accepted: tuple[str, ...] = ()
    overrides: tuple[Override, ...] = ()
    switch: StandingSwitch | None = None
    capacity: StandingCapacity | None = None
    unseen: TrafficSplit | None = None
    blue_kept_until: datetime | None = None

    @property
    def took(self) -> timedelta:
        """How long the run took."""
        return self.ended - self.started


@dataclass(frozen=True)
class MigrationOutcome:
    """How a migration ended, in a state that is known and was read back."""

    _tag: ClassVar[str] = "outcome"


@dataclass(frozen=True)
class Promoted(MigrationOutcome):
    """Green serves everything."""

    report: Report


@dataclass(frozen=True)
class RolledBack(MigrationOutcome):
    """Blue serves everything again."""

    cause: Cause
    restored: RestoredBlue
    report: Report


@dataclass(frozen=True)
class Held(MigrationOutcome):
    """Traffic stays divided as the report says; a person decides what is next."""

    reason: Reason
    report: Report


@dataclass(frozen=True)
class Unchanged(MigrationOutcome):
    """The run ended before it changed anything."""

    reason: Reason
    report: Report


@dataclass(frozen=True)
class UnknownOutcome(MigrationOutcome):
    """An outcome of a newer library."""

    name: str
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class UnresolvedTraffic:
    """Traffic that is not where it should be, or whose split is not known: a person must look now.

    `change_unseen` says that a change was sent and no read has shown its effect; the split in `report` is then
    the split before that change.
    """

    summary: str
    report: Report
    cause: Cause | None = None
    failure: Failure | None = None
    change_unseen: bool = False

    @property
    def restore_command(self) -> str | None:
        """The command by which a person puts everything back on blue."""
        return self.report.traffic.restore_command if self.report.traffic else None


# ---- events --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Intent:
    """The purpose of a run: `migrate`, `complete` or `restore`; the last two have an operator."""

    intent: str
    by: Operator | None = None
    force: bool = False
    stay: timedelta = timedelta(0)
    confirm: bool = False


@dataclass(frozen=True)
class Step:
    """A share of green in percent, and its times; `None` means the plan's.

    At a `manual` step the run waits until an operator promotes it; `deadline` is the time-out.
    """

    green: float
    bake: timedelta | None = None
    deadline: timedelta | None = None
    manual: bool = False


@dataclass(frozen=True)
class MigrationPlan:
    """Everything that is decided before a migration starts."""

    steps: tuple[Step, ...]
    bake: timedelta
    step_deadline: timedelta
    look_interval: timedelta
    warm_up: timedelta
    final_bake: timedelta
    restore_within: timedelta
    confirm_within: timedelta
    blind_restore: bool
    write_attempts: int
    on_inconclusive: str
    on_cancel: str
    on_resume: str
    capacity_ratio: float
    accept: tuple[str, ...]
    gates: Mapping[str, str]
    hold_back: float | None = None
    deadline: timedelta | None = None
    gradual_restore: timedelta | None = None
    grace: timedelta | None = None
    look_limit: timedelta | None = None
    dead_man: timedelta | None = None
    unconfirmable: str | None = None


@dataclass(frozen=True)
class GateStanding:
    """A gate's verdict at a moment. `is_new`: the gate saw something new.

    `policy` is `required`, `before_each_step` or `advisory`.
    """

    gate: str
    policy: str
    verdict: Verdict
    is_new: bool


@dataclass(frozen=True)
class Armed:
    """A dead-man switch that is armed."""

    name: str
    disarm_command: str | None = None


@dataclass(frozen=True)
class MigrationEvent:
    """One fact of a migration, with the numbers behind it."""

    _tag: ClassVar[str] = "event"


@dataclass(frozen=True)
class UnknownEvent(MigrationEvent):
    """A fact of a newer library."""

    name: str
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class Started(MigrationEvent):
    """The run begins. Nothing was called yet."""

    intent: Intent
    plan: MigrationPlan
    gates: tuple[str, ...]


@dataclass(frozen=True)
class Resumed(MigrationEvent):
    """The run continues from its journal. The split is read before anything else."""

    by: Operator
    expected: TrafficObservation | None = None


@dataclass(frozen=True)
class Reopened(MigrationEvent):
    """The run was begun by an earlier version, and continues under the rules of this version."""

    found: int
    version: int


@dataclass(frozen=True)
class PreflightPassed(MigrationEvent):
    """The preflight is over and stops nothing."""

    findings: tuple[Finding, ...]
    traffic: TrafficObservation


@dataclass(frozen=True)
class ReadFailed(MigrationEvent):
    """A read failed, and is tried again."""

    failure: Failure
    retry_at: datetime


@dataclass(frozen=True)
class Looked(MigrationEvent):
    """The split and all gates were looked at. `traffic` is the split, or why it could not be read."""

    phase: Phase
    traffic: TrafficObservation | Failure
    gates: tuple[GateStanding, ...]
    paused: bool
    bake_until: datetime
    deadline: datetime
    next_look: datetime


@dataclass(frozen=True)
class CapacityShort(MigrationEvent):
    """The gates are healthy, but green has too few healthy targets for the next rise."""

    to: TrafficSplit
    needed: int
    green: TargetCounts


@dataclass(frozen=True)
class Awaiting(MigrationEvent):
    """A manual step, counted from 0, would pass, and waits until then for an operator who promotes the run."""

    step: int
    until: datetime


@dataclass(frozen=True)
class StepPassed(MigrationEvent):
    """A step, counted from 0, has passed: its gates are healthy, or an operator overrode them."""

    step: int
    overridden: Control | None = None


@dataclass(frozen=True)
class Shifting(MigrationEvent):
    """A change of the split is about to be written. `attempt` counts from 1."""

    from_: TrafficObservation
    to: TrafficSplit
    attempt: int


@dataclass(frozen=True)
class Shifted(MigrationEvent):
    """A change of the split was written and read back."""

    traffic: TrafficObservation


@dataclass(frozen=True)
class Accepted(MigrationEvent):
    """A change was accepted, and no read has shown it yet."""

    to: TrafficSplit
    visible_by: datetime


@dataclass(frozen=True)
class WriteFailed(MigrationEvent):
    """A change failed, or its outcome is not known. The rule is observed before anything else."""

    to: TrafficSplit
    attempt: int
    failure: Failure


@dataclass(frozen=True)
class WriteObserved(MigrationEvent):
    """What an observation after a failed write showed."""

    traffic: TrafficObservation
    happened: bool


@dataclass(frozen=True)
class Baking(MigrationEvent):
    """All steps have passed; blue is kept warm until then."""

    until: datetime


@dataclass(frozen=True)
class Controlled(MigrationEvent):
    """A control arrived."""

    control: Control
    effect: ControlEffect


@dataclass(frozen=True)
class Paused(MigrationEvent):
    """A pause has begun. It ends then, unless the run is continued before."""

    until: datetime


@dataclass(frozen=True)
class PauseEnds(MigrationEvent):
    """A pause ends soon, and the run was not continued."""

    until: datetime
    then: str


@dataclass(frozen=True)
class JournalFailed(MigrationEvent):
    """Records can no longer be written to the journal."""

    failure: Failure


@dataclass(frozen=True)
class RollingBack(MigrationEvent):
    """Everything goes back to blue."""

    cause: Cause
    blue: TargetCounts | None = None
    blue_at_start: int | None = None


@dataclass(frozen=True)
class Returning(MigrationEvent):
    """Blue has shrunk and green is healthy, so traffic goes back as blue's targets come."""

    healthy: int
    at_start: int
    until: datetime


@dataclass(frozen=True)
class AllAtOnce(MigrationEvent):
    """Blue has shrunk, and all that is left goes back at once."""

    why: str
    blue: TargetCounts | None = None


@dataclass(frozen=True)
class WritingUnread(MigrationEvent):
    """Blue is written without a read, since reads of the rule keep failing."""

    since: datetime


@dataclass(frozen=True)
class Restored(MigrationEvent):
    """A read shows that blue has everything."""

    traffic: TrafficObservation


@dataclass(frozen=True)
class Staying(MigrationEvent):
    """A restore that was asked for keeps watching until then, since another controller's change may land."""

    until: datetime


@dataclass(frozen=True)
class Confirmed(MigrationEvent):
    """A settled minute without a request on green."""

    seen: SeenTraffic


@dataclass(frozen=True)
class SwitchArmed(MigrationEvent):
    """The dead-man switch is armed, or renewed."""

    armed: Armed
    fires: datetime


@dataclass(frozen=True)
class SwitchFailed(MigrationEvent):
    """The dead-man switch could not be armed, renewed or disarmed."""

    failure: Failure
    fires: datetime | None = None


@dataclass(frozen=True)
class SwitchDisarmed(MigrationEvent):
    """The dead-man switch is disarmed, read back."""


@dataclass(frozen=True)
class SwitchFired(MigrationEvent):
    """The dead-man switch has put everything back on blue."""

    traffic: TrafficObservation


@dataclass(frozen=True)
class CapacityKept(MigrationEvent):
    """Blue's minimum is raised, so that the tasks that run now stay."""

    kept: Kept


@dataclass(frozen=True)
class CapacityFailed(MigrationEvent):
    """Blue's minimum could not be raised, or could not be put back."""

    failure: Failure
    kept: Kept


@dataclass(frozen=True)
class CapacityReleased(MigrationEvent):
    """Blue's old minimum was `put_back`, or a third party had `changed` it to `minimum`, and it was left."""

    kept: Kept
    released: str
    minimum: int | None = None


@dataclass(frozen=True)
class Drifted(MigrationEvent):
    """A third party changed the rule. `diff` has the differences, a line each."""

    diff: tuple[str, ...]
    traffic: TrafficObservation


@dataclass(frozen=True)
class RestoreBlocked(MigrationEvent):
    """Green is unhealthy, and a third party's change of the rule stands against a restore."""

    cause: Cause
    command: str | None = None


@dataclass(frozen=True)
class Ended(MigrationEvent):
    """The run ended in a state that is known."""

    outcome: MigrationOutcome
    exit_code: int


@dataclass(frozen=True)
class Unresolved(MigrationEvent):
    """The run ended, and a person must look now."""

    unresolved: UnresolvedTraffic
    exit_code: int


# ---- from the library ----------------------------------------------------------------------------

_KINDS: dict[type, type] = {
    Event: MigrationEvent,
    Outcome: MigrationOutcome,
    DeploymentEvent: DeploymentFact,
    DeploymentOutcome: DeploymentEnd,
}


@overload
def typed(value: Event) -> MigrationEvent: ...
@overload
def typed(value: Outcome) -> MigrationOutcome: ...
@overload
def typed(value: DeploymentEvent) -> DeploymentFact: ...
@overload
def typed(value: DeploymentOutcome) -> DeploymentEnd: ...
@overload
def typed(value: UnresolvedError) -> UnresolvedTraffic | UnresolvedService: ...
def typed(value: Event | Outcome | DeploymentEvent | DeploymentOutcome | UnresolvedError) -> object:
    """Returns an event, an outcome or an unresolved end, of a migration or of a deployment, as a frozen dataclass.

    An `UnresolvedError` without facts is a `ValueError`: that run broke off, and only its message is known.
    """
    if not isinstance(value, UnresolvedError):
        return read(_KINDS[type(value)], json.loads(value.to_json()))
    facts = value.unresolved
    if facts is None:
        raise ValueError(f"the run told no facts but its message: {value}")
    fields = json.loads(facts) if isinstance(facts, str) else facts
    # Only a deployment's has a target of its rollback.
    return read(UnresolvedService if "wanted" in fields else UnresolvedTraffic, fields)
