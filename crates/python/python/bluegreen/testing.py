"""A pytest plugin: a simulated AWS with faults, for tests of your own pipeline.

The plugin is active as soon as `bluegreen` is installed. A pipeline that takes its AWS as an argument runs here
without an account, in virtual time, the same for the same seed:

    def test_release_survives_a_lost_answer(simulated_aws):
        world = simulated_aws()
        world.fail("ModifyRule", "timeout_after_effect", nth=2)
        outcome = release(world.spec, world)
        ended(outcome, world, 0)

Fixtures:

- `simulated_aws`: makes worlds. `simulated_aws("green-errors")` is a named scenario, `simulated_aws(traffic=50)`
  a world of your own; the arguments are those of `bluegreen.Simulation`. At the end of a test each world is
  checked: see `check`.
- `bluegreen_scenario`: runs the test once for each named scenario. The value has the world, and the exit code with
  which a migration by the default plan ends there.
- `bluegreen_fault`: runs the test once for each fault of `FAULTS`. The value is put into a world by `inject`.

`check` and `ended` hold an outcome against the truth of the world: what was told must be what is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from . import Outcome, Simulation, scenarios

__all__ = ["FAULTS", "Fault", "Scenario", "check", "ended"]


@dataclass(frozen=True)
class Scenario:
    """A named world, and how a migration by the default plan ends there."""

    name: str
    exit_code: int
    explanation: str

    def world(self, seed: int = 1) -> Simulation:
        """Returns a new world of this scenario."""
        return Simulation(self.name, seed=seed)


@dataclass(frozen=True)
class Fault:
    """A fault of a call, and the exit codes with which a migration of a healthy green may end with it."""

    name: str
    call: str
    fault: str
    calls: tuple[tuple[str, Any], ...]
    exit_codes: tuple[int, ...]

    def inject(self, world: Simulation) -> Simulation:
        """Puts the fault into a world, and returns the world."""
        world.fail(self.call, self.fault, **dict(self.calls))
        return world


def _fault(name: str, call: str, fault: str, *exit_codes: int, **calls: Any) -> Fault:
    return Fault(name, call, fault, tuple(calls.items()), exit_codes)


FAULTS: tuple[Fault, ...] = (
    _fault("the first write is throttled", "ModifyRule", "throttle", 0, nth=1),
    _fault("a later write is throttled", "ModifyRule", "throttle", 0, nth=3),
    _fault("the answer of a write is lost", "ModifyRule", "timeout_after_effect", 0, nth=2),
    _fault("a write is lost", "ModifyRule", "timeout_before_effect", 0, nth=2),
    _fault("a read of metrics is throttled", "GetMetricData", "throttle", 0, nth=9),
    _fault("every metric is denied from the tenth read on", "GetMetricData", "denied", 10, from_nth=10),
    _fault("a read of the rule is throttled", "DescribeRules", "throttle", 0, nth=7),
    _fault("a read of targets fails", "DescribeTargetHealth", "unavailable", 0, nth=5),
    _fault("the third write is denied", "ModifyRule", "denied", 10, nth=3),
)
"""Faults that a pipeline should survive. With each of them no user is left on a green that is not watched."""


def check(world: Simulation, outcome: Outcome | None = None) -> None:
    """Fails if the world is in a state in which no migration may end, or if the outcome says something else.

    After a promotion green has everything, after a rollback blue has everything, and the split that the outcome
    reports is the split of the rule.
    """
    blue, green = world.weights
    assert blue + green > 0, f"no side has weight: {blue}:{green}"
    if outcome is None:
        return
    told = outcome.traffic
    if told is not None:
        assert (told.blue, told.green) == (blue, green), (
            f"the outcome says {told.blue}:{told.green}, and {blue}:{green} is true\n{outcome}"
        )
    if outcome.kind == "promoted":
        assert blue == 0, f"promoted, and blue still has weight {blue}\n{outcome}"
    if outcome.kind == "rolled_back":
        assert green == 0, f"rolled back, and green still has weight {green}\n{outcome}"


def ended(outcome: Outcome, world: Simulation, exit_code: int) -> None:
    """Fails unless the migration ended with this exit code, and the outcome tells the truth about the world."""
    assert outcome.exit_code == exit_code, f"ended with {outcome.exit_code}, not {exit_code}\n{outcome}"
    check(world, outcome)


@pytest.fixture
def simulated_aws() -> Iterator[Callable[..., Simulation]]:
    """Makes simulated worlds; the arguments are those of `bluegreen.Simulation`. Each is checked at the end."""
    made: list[Simulation] = []

    def make(scenario: str | None = None, **settings: Any) -> Simulation:
        world = Simulation(scenario, **settings)
        made.append(world)
        return world

    yield make
    for world in made:
        check(world)


def _scenario(facts: dict[str, Any]) -> Any:
    known = {name: facts[name] for name in ("name", "exit_code", "explanation")}
    return pytest.param(Scenario(**known), id=facts["name"])


@pytest.fixture(params=[_scenario(facts) for facts in scenarios()])
def bluegreen_scenario(request: pytest.FixtureRequest) -> Scenario:
    """Runs the test once for each named scenario."""
    scenario: Scenario = request.param
    return scenario


@pytest.fixture(params=[pytest.param(fault, id=fault.name.replace(" ", "-")) for fault in FAULTS])
def bluegreen_fault(request: pytest.FixtureRequest) -> Fault:
    """Runs the test once for each fault of `FAULTS`."""
    fault: Fault = request.param
    return fault
