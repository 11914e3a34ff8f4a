"""Moves live production traffic from one service to another behind an AWS Application Load Balancer.

Blue is the service that serves now, green the one that is to take over. A `Migration` gives green a larger
share step by step, watches what users get, and either finishes or puts everything back on blue. It ends in an
`Outcome` that was read back, never assumed.

    from bluegreen import Aws, Migration, Spec

    spec = Spec.from_file("bluegreen.toml")
    outcome = Migration(spec, Aws.from_env()).run()
    print(outcome)
    raise SystemExit(outcome.exit_code)

To try it without an AWS account, take a simulated AWS. Half an hour passes in a second:

>>> from bluegreen import Migration, Simulation
>>> world = Simulation("green-errors", seed=7)
>>> outcome = Migration(world.spec, world).run()
>>> outcome.kind, outcome.exit_code, world.weights
('rolled_back', 10, (100, 0))

A gate of your own is a function that is asked at every look. What raises is inconclusive, and inconclusive
never promotes:

>>> from bluegreen import Verdict
>>> def queue(look):
...     waiting = 3  # Ask your queue here.
...     return Verdict.healthy(f"{waiting} wait") if waiting < 500 else Verdict.unhealthy(f"{waiting} wait")
>>> world = Simulation("healthy")
>>> Migration(world.spec, world, gates={"queue": queue}).run().kind
'promoted'

# Ends

| what ends | what your program gets |
|---|---|
| a migration, in a state that was read back | `Outcome`: `promoted`, `rolled_back`, `held` or `unchanged`, with the exit code of the command |
| a migration whose split is not known, or not restored | `UnresolvedError`, with the command that restores blue by hand |
| a start that is refused | `RefusedError`, `HeldError`, `SpecError`: nothing was changed |
| Ctrl-C or SIGTERM in the main thread, during `run()` | the run is cancelled, by default rolled back, and `run()` returns its outcome; never `KeyboardInterrupt` while traffic is divided |
| a task that awaits `run_async()` is cancelled | the same: the task ends with the outcome once blue is restored |
| the interpreter exits while a run is under way | the run is cancelled, and the exit waits for its end |
| `os.fork()` while a run is under way | the run stays with the parent; in the child it does not exist |
| an exception in a gate | an inconclusive look, with the traceback in its evidence |
| an exception in a splitter, builder or deployer | a failed call; of a change, one whose outcome is not known |
| an exception in `on_event` | a line in the log `bluegreen`; the run continues |

# Modules

`bluegreen.events` and `bluegreen.deployments` have events and outcomes as frozen dataclasses, for `match` and for
a type checker.
`bluegreen.testing` is a pytest plugin: a simulated AWS with faults for tests of your own pipeline.
The log of the library goes to `logging.getLogger("bluegreen")`.
"""

from __future__ import annotations

from ._bluegreen import (
    Answer,
    Aws,
    Deployment,
    DeploymentEvent,
    DeploymentOutcome,
    Event,
    Events,
    Handle,
    Journal,
    Look,
    Migration,
    Observation,
    Outcome,
    Plan,
    Problem,
    Progress,
    Replay,
    Shift,
    Simulation,
    Spec,
    Traffic,
    Verdict,
    __version__,
    replay,
    scenarios,
    schema,
)
from ._errors import (
    BluegreenError,
    CallError,
    ConflictError,
    DeniedError,
    HeldError,
    InvalidError,
    NotFoundError,
    OutcomeUnknownError,
    RefusedError,
    ReplayError,
    ResumeError,
    SpecError,
    TakenOverError,
    ThrottledError,
    UnavailableError,
    UnresolvedError,
)

__all__ = [
    "Answer",
    "Aws",
    "BluegreenError",
    "CallError",
    "ConflictError",
    "DeniedError",
    "Deployment",
    "DeploymentEvent",
    "DeploymentOutcome",
    "Event",
    "Events",
    "Handle",
    "HeldError",
    "InvalidError",
    "Journal",
    "Look",
    "Migration",
    "NotFoundError",
    "Observation",
    "Outcome",
    "OutcomeUnknownError",
    "Plan",
    "Problem",
    "Progress",
    "RefusedError",
    "Replay",
    "ReplayError",
    "ResumeError",
    "Shift",
    "Simulation",
    "Spec",
    "SpecError",
    "TakenOverError",
    "ThrottledError",
    "Traffic",
    "UnavailableError",
    "UnresolvedError",
    "Verdict",
    "__version__",
    "replay",
    "scenarios",
    "schema",
]
