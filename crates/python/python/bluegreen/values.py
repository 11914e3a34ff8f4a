"""Values that migrations and deployments share: what was read, judged, refused and asked for.

All of them are frozen. Each has the fields of the Rust type of the same name; times are `datetime` in UTC,
durations are `timedelta`, shares are percent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

__all__ = [
    "Control",
    "ControlEffect",
    "Evidence",
    "Failure",
    "Figure",
    "Finding",
    "Operator",
    "Part",
    "Percentiles",
    "Phase",
    "SeenSide",
    "SeenTraffic",
    "Sides",
    "TargetCounts",
    "TrafficObservation",
    "TrafficSplit",
    "Verdict",
]

T = TypeVar("T")


@dataclass(frozen=True)
class Sides(Generic[T]):
    """One value for each side."""

    blue: T
    green: T


@dataclass(frozen=True)
class TargetCounts:
    """The number of a side's targets in each state, as the balancer sees them."""

    healthy: int = 0
    unhealthy: int = 0
    initial: int = 0
    draining: int = 0
    other: int = 0

    @property
    def registered(self) -> int:
        """All targets that are registered."""
        return self.healthy + self.unhealthy + self.initial + self.draining + self.other


@dataclass(frozen=True)
class TrafficSplit:
    """How traffic is divided. Stores green's share in percent; blue gets the rest."""

    green: float

    @property
    def blue(self) -> float:
        """Blue's share in percent."""
        return round(100 - self.green, 1)

    def __str__(self) -> str:
        return f"blue {self.blue:g}% / green {self.green:g}%"


@dataclass(frozen=True)
class TrafficObservation:
    """The split as it was read, with everything that a later decision may need.

    `weights` are relative: a share is a weight over the sum of both. `fingerprint` stands for everything else
    that routes this traffic, and `rest` is what it is taken over, by field.
    """

    weights: Sides[int]
    targets: Sides[TargetCounts]
    fingerprint: str
    rest: Mapping[str, str] = field(default_factory=dict)
    stickiness: timedelta | None = None
    restore_command: str | None = None

    @property
    def green_share(self) -> float:
        """Green's share as a fraction, 0 to 1; 0 if no side has weight."""
        total = self.weights.blue + self.weights.green
        return self.weights.green / total if total else 0.0

    @property
    def is_all_blue(self) -> bool:
        """Whether blue gets everything. `False` if both weights are 0."""
        return self.weights.green == 0 and self.weights.blue > 0

    def __str__(self) -> str:
        green = round(self.green_share * 100, 1)
        return f"blue {round(100 - green, 1):g}% / green {green:g}% (weights {self.weights.blue}:{self.weights.green})"


@dataclass(frozen=True)
class Failure:
    """A call that failed, as events and journals keep it. `kind` says what can be done about it."""

    kind: str
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        return f"{self.message} ({self.kind.replace('_', ' ')})"


@dataclass(frozen=True)
class Finding:
    """One thing that a preflight found.

    `severity` is `note`, `refuse` or `refuse_unless`; with the last one `risk` is the name under which a plan
    can accept it.
    """

    severity: str
    message: str
    hint: str | None = None
    is_accepted: bool = False
    risk: str | None = None

    @staticmethod
    def _normal(value: Mapping[str, Any]) -> Mapping[str, Any]:
        severity = value["severity"]
        if isinstance(severity, str):
            return value
        [(name, risk)] = severity.items()
        return {**value, "severity": name, "risk": risk}

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True)
class Phase:
    """The phase of a migration at a look: `preflight`, `step`, `bake` or `confirm`; a step is counted from 0."""

    name: str
    step: int | None = None

    @staticmethod
    def _normal(value: str | Mapping[str, int]) -> Mapping[str, Any]:
        return {"name": value} if isinstance(value, str) else {"name": "step", "step": value["step"]}

    def __str__(self) -> str:
        return self.name if self.step is None else f"step {self.step + 1}"


@dataclass(frozen=True)
class Figure:
    """One number behind a verdict. `unit` is `fraction`, `milliseconds`, `count` or `log_evidence`."""

    name: str
    value: float
    unit: str
    side: str | None = None
    limit: float | None = None


@dataclass(frozen=True)
class Percentiles:
    """The spread of the latencies of one minute, in milliseconds."""

    p50_ms: float
    p90_ms: float
    p99_ms: float


@dataclass(frozen=True)
class SeenSide:
    """The traffic of one side, and how it fared. `None` if that is not known."""

    requests: int
    error_rate: float | None = None
    mean_latency_ms: float | None = None
    percentiles: Percentiles | None = None


@dataclass(frozen=True)
class SeenTraffic:
    """The traffic that really reached each side in a span of settled minutes; `to` is exclusive."""

    from_: datetime
    to: datetime
    sides: Sides[SeenSide]


@dataclass(frozen=True)
class Evidence:
    """The evidence of a verdict: a sentence for people, and the numbers behind it."""

    summary: str
    figures: tuple[Figure, ...] = ()
    traffic: SeenTraffic | None = None
    expires: datetime | None = None
    gives_up: bool = False
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """A gate's judgement of green. `status` is `healthy`, `unhealthy` or `inconclusive`.

    Only a healthy verdict lets green's share rise.
    """

    status: str
    evidence: Evidence

    @property
    def is_healthy(self) -> bool:
        """Whether the evidence says that green serves well."""
        return self.status == "healthy"

    @property
    def is_unhealthy(self) -> bool:
        """Whether the evidence says that green does harm."""
        return self.status == "unhealthy"

    def __str__(self) -> str:
        return f"{self.status}: {self.evidence.summary}"


@dataclass(frozen=True)
class Part:
    """The verdict of one judge inside a combined one."""

    judge: str
    verdict: Verdict


@dataclass(frozen=True)
class Operator:
    """The person or job that gives a control, and why."""

    name: str
    reason: str | None = None
    request: str | None = None

    @staticmethod
    def _normal(value: str | Mapping[str, str]) -> Mapping[str, Any]:
        return {"name": value} if isinstance(value, str) else value

    def __str__(self) -> str:
        return self.name if self.reason is None else f"{self.name} ({self.reason})"


@dataclass(frozen=True)
class Control:
    """What a person, a signal or a deadline asks of a run.

    `control` is `pause`, `continue`, `skip_wait`, `promote`, `promote_fully`, `leave`, `abort`, `cancel` or
    `stop`. The last two have a `reason` and no operator.
    """

    control: str
    by: Operator | None = None
    length: timedelta | None = None
    reason: str | None = None


@dataclass(frozen=True)
class ControlEffect:
    """The effect of a control: `applied`, `after_change`, or `ignored` and `why`."""

    effect: str
    why: str | None = None

    @property
    def is_ignored(self) -> bool:
        """Whether the control does nothing."""
        return self.effect == "ignored"
