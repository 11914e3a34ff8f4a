"""A simulation knows no real time: however long Python takes, the same seed is the same run, record by record."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import bluegreen
import pytest
from bluegreen import Event, Journal, Look, Migration, Observation, Progress, Simulation, Verdict

DELAY = 0.5


class Once:
    """Is true at the third call alone, if at all."""

    def __init__(self, ever: bool) -> None:
        self.calls = 0 if ever else 1_000

    def __bool__(self) -> bool:
        self.calls += 1
        return self.calls == 3


def in_a_callback(once: Once) -> dict[str, Any]:
    def callback(event: Event) -> None:
        if event.name == "looked" and once:
            time.sleep(DELAY)

    return {"callback": callback}


def in_a_gate(once: Once) -> dict[str, Any]:
    def gate(look: Look) -> Verdict:
        if once:
            time.sleep(DELAY)
        return Verdict.healthy("well")

    return {"gate": gate}


def in_a_coroutine(once: Once) -> dict[str, Any]:
    async def gate(look: Look) -> Verdict:
        if once:
            await asyncio.sleep(DELAY)
        return Verdict.healthy("well")

    return {"gate": gate}


def in_a_judge(once: Once) -> dict[str, Any]:
    class Gate:
        def observe(self, look: Look) -> Observation:
            return Observation("acme.nothing/1", {})

        def judge(self) -> Any:
            def take(observation: Observation, progress: Progress) -> Verdict:
                if once:
                    time.sleep(DELAY)
                return Verdict.healthy("well")

            return take

    return {"gate": Gate()}


def before_the_start(once: Once) -> dict[str, Any]:
    return {"pause": DELAY if once.calls == 0 else 0}


def records(parts: dict[str, Any], scenario: str, run: Callable[[Migration], Any]) -> list[str]:
    world, journal = Simulation(scenario), Journal.memory()
    time.sleep(parts.get("pause", 0))
    gates = {"own": parts["gate"]} if "gate" in parts else {}
    migration = Migration(world.spec, world, gates=gates, journal=journal)
    if "callback" in parts:
        migration.on_event(parts["callback"])
    time.sleep(parts.get("pause", 0))
    run(migration)
    return journal.records()


def in_asyncio(migration: Migration) -> Any:
    async def main() -> Any:
        return await migration.run_async()

    return asyncio.run(main())


@pytest.mark.parametrize("run", [Migration.run, in_asyncio])
@pytest.mark.parametrize("kind", [in_a_callback, in_a_gate, in_a_coroutine, in_a_judge, before_the_start])
def test_a_delay_in_real_time_changes_nothing(kind: Callable[[Once], dict[str, Any]], run: Any) -> None:
    # With faults that are planned before the start.
    slow = records(kind(Once(True)), "throttled", run)
    assert slow == records(kind(Once(False)), "throttled", run)
    assert len(slow) > 100


@pytest.mark.parametrize("scenario", [one["name"] for one in bluegreen.scenarios()])
def test_a_scenario_is_the_same_each_time(scenario: str) -> None:
    def events() -> list[dict[str, Any]]:
        world, seen = Simulation(scenario, seed=3), list[dict[str, Any]]()
        try:
            Migration(world.spec, world).on_event(lambda event: seen.append(event.to_dict())).run()
        except bluegreen.BluegreenError as error:
            seen.append({"error": str(error)})
        return seen

    first = events()
    assert first and first == events()
