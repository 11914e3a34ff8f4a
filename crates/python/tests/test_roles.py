"""Roles that are written in Python: gates and splitters, sync and async, well-behaved and not."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable
from typing import Any

import bluegreen
import pytest
from bluegreen import Event, Look, Migration, Observation, Plan, Progress, Shift, Simulation, Traffic, Verdict
from bluegreen.testing import ended
from conftest import told


def run_with(gate: Any, scenario: str = "healthy", **more: Any) -> tuple[Migration, Simulation]:
    world = Simulation(scenario)
    return Migration(world.spec, world, gates={"own": gate}, **more), world


def verdicts(events: list[Event], gate: str = "own") -> list[dict[str, Any]]:
    """The gate's verdict at each look."""
    looks = [event.data for event in events if event.name == "looked"]
    return [one["verdict"] for look in looks for one in look["gates"] if one["gate"] == gate]


# ---- gates -------------------------------------------------------------------------------------------


def test_a_function_is_asked_at_every_look_and_may_promote() -> None:
    looks: list[Look] = []

    def gate(look: Look) -> Verdict:
        looks.append(look)
        return Verdict.healthy("well")

    migration, world = run_with(gate)
    events, outcome = told(migration)
    ended(outcome, world, 0)
    assert looks[0].progress.phase == "preflight" and looks[0].traffic is not None
    assert looks[0].traffic.is_all_blue
    assert {look.progress.step for look in looks if look.progress.phase == "step"} == {0, 1, 2, 3}
    assert all(one["status"] == "healthy" for one in verdicts(events))


def test_an_unhealthy_verdict_of_a_function_rolls_back() -> None:
    def gate(look: Look) -> Verdict:
        green = look.traffic.green if look.traffic else 0
        return Verdict.unhealthy("600 wait") if green else Verdict.healthy("none waits")

    migration, world = run_with(gate)
    outcome = migration.run()
    ended(outcome, world, 10)
    assert "own" in str(outcome) and "600 wait" in str(outcome)


def test_an_async_gate_runs_on_the_loop_of_the_caller() -> None:
    loops: set[int] = set()

    async def gate(look: Look) -> Verdict:
        await asyncio.sleep(0)
        loops.add(id(asyncio.get_running_loop()))
        return Verdict.healthy("well")

    async def main() -> set[int]:
        migration, world = run_with(gate)
        ended(await migration.run_async(), world, 0)
        return {id(asyncio.get_running_loop())}

    assert asyncio.run(main()) == loops


def test_an_async_gate_works_in_a_run_without_a_loop() -> None:
    async def gate(look: Look) -> Verdict:
        await asyncio.sleep(0)
        return Verdict.healthy("well")

    migration, world = run_with(gate)
    ended(migration.run(), world, 0)


def sync_raises(look: Look) -> Verdict:
    raise RuntimeError("the queue's host is gone")


async def async_raises(look: Look) -> Verdict:
    raise RuntimeError("the queue's host is gone")


class ObserveRaises:
    def observe(self, look: Look) -> Observation | None:
        raise RuntimeError("the queue's host is gone")

    def judge(self) -> Callable[[Observation, Progress], Verdict]:
        return lambda observation, progress: Verdict.healthy("never")


class TakeRaises:
    def observe(self, look: Look) -> Observation | None:
        return Observation("acme.queue/1", {"waiting": 7})

    def judge(self) -> Callable[[Observation, Progress], Verdict]:
        def take(observation: Observation, progress: Progress) -> Verdict:
            raise RuntimeError("the queue's host is gone")

        return take


@pytest.mark.parametrize(
    "gate",
    [sync_raises, async_raises, ObserveRaises(), TakeRaises()],
    ids=lambda gate: str(getattr(gate, "__name__", type(gate).__name__)),
)
def test_a_gate_that_raises_is_inconclusive_with_its_traceback(gate: Any) -> None:
    migration, world = run_with(gate)
    events, outcome = told(migration)
    # It was never healthy, so green never got past its first step.
    ended(outcome, world, 10)
    assert {change["green"] for change in world.changes} == {0, 10}
    given = verdicts(events)
    assert given and all(one["status"] == "inconclusive" for one in given)
    evidence = given[-1]["evidence"]["summary"]
    assert "RuntimeError" in evidence and "the queue's host is gone" in evidence
    assert "test_roles.py" in evidence, "the traceback"


def test_a_gate_that_raises_later_is_rolled_back_and_not_lost() -> None:
    looks = itertools.count()

    def gate(look: Look) -> Verdict:
        if next(looks) > 40:
            raise KeyError("depth")
        return Verdict.healthy("well")

    migration, world = run_with(gate)
    outcome = migration.run()
    ended(outcome, world, 10)
    assert any(change["green"] for change in world.changes), "it had risen"


@pytest.mark.parametrize("answer", [None, True, "healthy", 7, {"status": "healthy"}], ids=repr)
def test_what_is_no_verdict_is_inconclusive(answer: Any) -> None:
    migration, world = run_with(lambda look: answer)
    events, outcome = told(migration)
    ended(outcome, world, 10)
    assert {change["green"] for change in world.changes} == {0, 10}
    assert all(one["status"] != "healthy" for one in verdicts(events))


class Queue:
    """A gate with both halves. Numbers of all sizes must come through."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.seen: list[int] = []

    async def observe(self, look: Look) -> Observation | None:
        last = look.last.body["waiting"] if look.last else 2**63 - 1000
        return Observation("acme.queue/1", {"waiting": last + 1})

    def judge(self) -> Fold:
        return Fold(self)

    def settings(self) -> dict[str, Any]:
        return {"schema": "acme.queue/1", "limit": self.limit}


class Fold:
    def __init__(self, gate: Queue) -> None:
        self.gate = gate

    def take(self, observation: Observation, progress: Progress) -> Verdict:
        waiting = observation.body["waiting"]
        self.gate.seen.append(waiting)
        return Verdict.healthy(f"{waiting} wait") if waiting < self.gate.limit else Verdict.unhealthy(f"{waiting} wait")


def test_a_gate_with_two_halves_sees_its_own_observations_exactly() -> None:
    gate = Queue(limit=2**63)
    migration, world = run_with(gate)
    ended(migration.run(), world, 0)
    first = 2**63 - 999
    assert gate.seen[0] == first
    assert gate.seen == list(range(first, first + len(gate.seen))), "no number above 2^53 was rounded"


def test_an_advisory_gate_decides_nothing() -> None:
    world = Simulation("healthy")
    spec = world.spec
    splitter = Recorder()
    plan = Plan(steps=[10, 100], bake=60, step_deadline=600, look_interval=15, gates={"shy": "advisory"})
    gates = {"shy": lambda look: Verdict.unhealthy("ugh"), "fine": lambda look: Verdict.healthy("well")}
    outcome = Migration(aws=world, plan=plan, splitter=splitter, gates=gates).run()
    assert outcome.is_promoted and splitter.weights == (0, 1000)
    assert spec.name


# ---- splitters ---------------------------------------------------------------------------------------


class Recorder:
    """A router in memory, with faults at chosen writes."""

    propagation = 0

    def __init__(self, **faults: BaseException) -> None:
        self.weights = (1000, 0)
        self.writes = 0
        self.faults = faults

    def observe(self) -> Traffic:
        blue, green = self.weights
        return Traffic(blue, green, "v1:router", blue_targets=4, green_targets=4, restore_command="router all-blue")

    def shift(self, shift: Shift) -> Traffic:
        self.writes += 1
        fault = self.faults.get(f"write_{self.writes}")
        if fault is not None:
            raise fault
        if shift.is_to_write(self.observe()):
            self.weights = shift.weights
        return self.observe()


class AsyncRecorder(Recorder):
    async def observe(self) -> Traffic:  # type: ignore[override]
        await asyncio.sleep(0)
        return Recorder.observe(self)

    async def shift(self, shift: Shift) -> Traffic:  # type: ignore[override]
        await asyncio.sleep(0)
        if shift.is_to_write(Recorder.observe(self)):
            self.weights = shift.weights
        return Recorder.observe(self)


def moves(splitter: Any, verdict: Callable[[Look], Verdict] = lambda look: Verdict.healthy("well")) -> Migration:
    plan = Plan(steps=[10, 50, 100], bake=60, step_deadline=600, look_interval=15, warm_up=0)
    return Migration(aws=Simulation(), plan=plan, splitter=splitter, gates={"own": verdict})


@pytest.mark.parametrize("kind", [Recorder, AsyncRecorder])
def test_a_router_of_ones_own_is_moved(kind: Callable[[], Recorder]) -> None:
    splitter = kind()
    events, outcome = told(moves(splitter))
    assert outcome.is_promoted
    shares = [event.traffic.green for event in events if event.name == "shifted" and event.traffic]
    assert shares == [100, 500, 1000]


def test_a_failing_write_is_tried_again_by_its_kind() -> None:
    splitter = Recorder(write_2=bluegreen.ThrottledError("the router asks for fewer calls", hint="wait"))
    events, outcome = told(moves(splitter))
    assert outcome.is_promoted
    failed = [event.data["failure"] for event in events if event.name == "write_failed"]
    assert [one["kind"] for one in failed] == ["throttled"]
    assert "fewer calls" in failed[0]["message"] and failed[0]["hint"] == "wait"


def test_an_exception_of_a_write_is_a_write_whose_outcome_is_not_known() -> None:
    splitter = Recorder(write_2=ZeroDivisionError("by hand"))
    events, outcome = told(moves(splitter))
    assert outcome.is_promoted, "it was observed, and tried again"
    [failed] = [event.data["failure"] for event in events if event.name == "write_failed"]
    assert failed["kind"] == "outcome_unknown"
    assert "ZeroDivisionError" in failed["message"] and "test_roles.py" in failed["message"]


def test_a_splitter_that_cannot_restore_ends_unresolved_with_the_command() -> None:
    splitter = Recorder(**{f"write_{n}": bluegreen.DeniedError("not yours") for n in range(2, 2000)})
    with pytest.raises(bluegreen.UnresolvedError) as raised:
        moves(
            splitter,
            lambda look: Verdict.unhealthy("ugh") if look.traffic and look.traffic.green else Verdict.healthy("well"),
        ).run()
    error = raised.value
    assert error.exit_code == 20 and "router all-blue" in str(error)
    assert splitter.weights == (900, 100)


def test_a_splitter_that_never_reads_changes_nothing() -> None:
    class Blind(Recorder):
        def observe(self) -> Traffic:
            raise OSError("no route to the router")

    splitter = Blind()
    outcome = moves(splitter).run()
    assert outcome.exit_code == 3 and splitter.writes == 0


# ---- callbacks ---------------------------------------------------------------------------------------


def test_an_exception_of_on_event_is_logged_and_the_run_continues(caplog: pytest.LogCaptureFixture) -> None:
    world = Simulation("healthy")
    migration = Migration(world.spec, world)

    def sink(event: Any) -> None:
        raise ValueError("the chat's host is gone")

    with caplog.at_level(logging.ERROR, "bluegreen"):
        ended(migration.on_event(sink).run(), world, 0)
    assert "the chat's host is gone" in caplog.text


def test_a_sink_cannot_be_added_to_a_run_that_has_started() -> None:
    world = Simulation("healthy")
    migration = Migration(world.spec, world)
    migration.run()
    with pytest.raises(RuntimeError):
        migration.on_event(print)


def test_base_exceptions_of_a_gate_do_not_lose_the_run() -> None:
    def gate(look: Look) -> Verdict:
        raise KeyboardInterrupt

    def first_well(look: Look) -> Verdict:
        if look.traffic and look.traffic.green:
            raise SystemExit(3)
        return Verdict.healthy("well")

    async def awaited(look: Look) -> Verdict:
        await asyncio.sleep(0)
        return first_well(look)

    # The last one meets the loop of the package, which the one before must not have ended.
    for bad in (gate, first_well, awaited, awaited):
        migration, world = run_with(bad)
        ended(migration.run(), world, 10)


def test_a_loop_that_closes_under_a_run_does_not_hang_it() -> None:
    begun = asyncio.Event()

    async def gate(look: Look) -> Verdict:
        if look.traffic and look.traffic.green:
            begun.set()
            await asyncio.sleep(3600)
        return Verdict.healthy("well")

    migration, world = run_with(gate)
    loop = asyncio.new_event_loop()

    async def until_it_waits() -> None:
        migration.start()
        await begun.wait()

    loop.run_until_complete(until_it_waits())
    loop.close()
    outcome = migration.run()
    ended(outcome, world, 10)
    assert "loop of this run is closed" in str(outcome)


def test_many_runs_share_a_loop() -> None:
    """Gates and routers of both kinds, which wait for the interpreter and for the loop at once."""

    async def awaited(look: Look) -> Verdict:
        await asyncio.sleep(0)
        return Verdict.healthy("well")

    def plain(look: Look) -> Verdict:
        return Verdict.healthy("well")

    async def main() -> list[Any]:
        worlds = [Simulation(seed=seed) for seed in range(60)]
        runs = [Migration(world.spec, world, gates={"one": awaited, "two": plain}) for world in worlds[:30]]
        for world, kind in zip(worlds[30:], itertools.cycle((Recorder, AsyncRecorder))):
            runs.append(Migration(aws=world, plan=Plan(), splitter=kind(), gates={"one": awaited, "two": plain}))
        return list(await asyncio.gather(*(run.run_async() for run in runs)))

    outcomes = asyncio.run(main())
    assert [outcome.kind for outcome in outcomes] == ["promoted"] * 60
