"""Exceptions by what a caller can do about them.

A role written in Python raises one of these to say what kind of failure it met: a splitter that raises
`ThrottledError` is asked again later, one that raises `DeniedError` is not. Any other exception of a role
counts as `UnavailableError`, and in a change as `OutcomeUnknownError`, since the change may have happened.
"""

from __future__ import annotations

# A type checker takes this for true. `typing` itself is 1.7 MB, which a small program need not load.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional, Sequence

__all__ = [
    "BluegreenError",
    "CallError",
    "ConflictError",
    "DeniedError",
    "HeldError",
    "InvalidError",
    "NotFoundError",
    "OutcomeUnknownError",
    "RefusedError",
    "ReplayError",
    "ResumeError",
    "SpecError",
    "TakenOverError",
    "ThrottledError",
    "UnavailableError",
    "UnresolvedError",
]


class BluegreenError(Exception):
    """The base of all errors of this package.

    `hint` says what a person can do, if that is known. `exit_code` is the exit code that the command
    `bluegreen` would end with.
    """

    exit_code: int = 3

    def __init__(self, message: str = "", *, hint: Optional[str] = None) -> None:
        super().__init__(message)
        self.hint = hint


class SpecError(BluegreenError, ValueError):
    """The specification, the plan or an argument is not valid. Nothing was called.

    `problems` has every mistake at once: field, place in the file, message and hint.
    """

    exit_code = 2

    def __init__(self, message: str = "", *, problems: Sequence[Any] = (), hint: Optional[str] = None) -> None:
        super().__init__(message, hint=hint)
        self.problems = tuple(problems)


class CallError(BluegreenError):
    """A call failed. The subclass says what can be done about it."""

    kind: str = "unavailable"
    is_transient: bool = False


class NotFoundError(CallError):
    """What the call names does not exist. Trying again does not help."""

    kind = "not_found"


class DeniedError(CallError):
    """The credentials may not do this. Trying again does not help."""

    kind = "denied"


class ThrottledError(CallError):
    """The service asked for fewer calls. Nothing was changed; trying again later helps."""

    kind = "throttled"
    is_transient = True


class InvalidError(CallError):
    """The request itself is wrong. Trying again does not help."""

    kind = "invalid"
    exit_code = 2


class ConflictError(CallError):
    """A third party changed what the caller last read. Nothing was written: read, then decide."""

    kind = "conflict"


class OutcomeUnknownError(CallError):
    """A change was sent, and its effect is not known. Read before anything else."""

    kind = "outcome_unknown"
    is_transient = True


class TakenOverError(CallError):
    """Another controller has taken over the run. This one writes nothing more."""

    kind = "taken_over"


class HeldError(CallError):
    """A live controller holds the journal's lease. Nothing was taken from it."""

    kind = "held"


class RefusedError(CallError):
    """Refused, since acting could lose something. Nothing was changed.

    `finding` has the reason of a start that was refused: severity, message and hint.
    """

    kind = "refused"

    def __init__(self, message: str = "", *, hint: Optional[str] = None, finding: Any = None) -> None:
        super().__init__(message, hint=hint)
        self.finding = finding


class UnavailableError(CallError):
    """Anything else, mostly a service that does not answer. Trying again may help."""

    kind = "unavailable"
    is_transient = True


class UnresolvedError(BluegreenError):
    """Traffic, or the service, could not be restored, or its state is not known: a person must look now.

    `unresolved` has the last known facts, among them the command that restores blue by hand.
    """

    exit_code = 20

    def __init__(self, message: str = "", *, unresolved: Any = None, hint: Optional[str] = None) -> None:
        super().__init__(message, hint=hint)
        self.unresolved = unresolved


class ResumeError(BluegreenError):
    """The run of the journal cannot be resumed. Nothing was called.

    `ended` is the outcome of the run, if it has ended already.
    """

    def __init__(self, message: str = "", *, ended: Any = None, exit_code: int = 3, hint: Optional[str] = None) -> None:
        super().__init__(message, hint=hint)
        self.ended = ended
        self.exit_code = exit_code


class ReplayError(BluegreenError):
    """The records are not the journal of a run of this version, or they do not replay."""
