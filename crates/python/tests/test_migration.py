"""Whole migrations on the simulated AWS: sync, asyncio, cancelled, controlled, several at once."""

from __future__ import annotations

import asyncio
import gc
import json
import signal
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import bluegreen
import pytest
from bluegreen import Journal, Migration, Outcome, Simulation, Verdict
from bluegreen.events import Unchanged, typed
from bluegreen.testing import Fault, Scenario, ended
from conftest import told


def test_each_scenario_ends_as_it_promises(bluegreen_scenario: Scenario) -> None:
    world = bluegreen_scenario.world()
    migration = Migration(world.spec, world)
    try:
        outcome = migration.run()
    except bluegreen.BluegreenError as error:
        assert error.exit_code == bluegreen_scenario.exit_code, error
        if bluegreen_scenario.exit_code == 3:
            # The start itself is refused, before there is a run.
            assert isinstance(error, bluegreen.RefusedError)
            assert world.calls("ModifyRule") == 0
        else:
            assert isinstance(error, bluegreen.UnresolvedError)
            assert "modify-rule" in str(error), "the command for the operator"
        return
    ended(outcome, world, bluegreen_scenario.exit_code)


def test_each_fault_ends_well(bluegreen_fault: Fault) -> None:
    world = bluegreen_fault.inject(Simulation())
    outcome = Migration(world.spec, world).run()
    assert outcome.exit_code in bluegreen_fault.exit_codes, str(outcome)
    ended(outcome, world, outcome.exit_code)


def test_the_same_seed_gives_the_same_run() -> None:
    def run(seed: int) -> list[str]:
        world = Simulation("slow-leak", seed=seed)
        return [event.to_json() for event in Migration(world.spec, world).events()]

    assert run(3) == run(3)
    assert run(3) != run(4)


def test_events_are_in_order_from_the_first_to_the_end() -> None:
    world = Simulation("healthy")
    migration = Migration(world.spec, world)
    heard: list[int] = []
    migration.on_event(lambda event: heard.append(event.seq))
    events = list(migration.events())
    assert [event.seq for event in events] == list(range(len(events))) == heard
    assert (events[0].name, events[-1].name) == ("started", "ended")
    assert events[-1].data["exit_code"] == 0
    assert events[-1].elapsed > timedelta(minutes=20)
    assert list(migration.events()) == [], "a call after the end has none"
    assert migration.is_done
    assert migration.run().is_promoted, "called again it gives the same"
    assert all(len(event.line(80)) <= 80 for event in events)


def test_run_async_gives_the_outcome_and_the_loop_stays_free() -> None:
    async def main() -> tuple[Outcome, int]:
        world = Simulation("green-errors", speed=2000)
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        counting = asyncio.create_task(count())
        outcome = await Migration(world.spec, world).run_async()
        counting.cancel()
        ended(outcome, world, 10)
        return outcome, turns

    outcome, turns = asyncio.run(main())
    assert outcome.kind == "rolled_back"
    assert turns > 10


def test_async_for_gives_every_event() -> None:
    async def main() -> list[int]:
        world = Simulation("healthy")
        migration = Migration(world.spec, world)
        return [event.seq async for event in migration.events()]

    seqs = asyncio.run(main())
    assert seqs == list(range(len(seqs))) and len(seqs) > 50


def test_a_cancelled_task_ends_with_the_outcome_once_blue_is_restored() -> None:
    async def main() -> None:
        world = Simulation("healthy", speed=2000)
        migration = Migration(world.spec, world)
        task = asyncio.ensure_future(migration.run_async())
        async for event in migration.events():
            if event.name == "shifted":
                task.cancel()
                break
        outcome = await task
        assert outcome.kind == "rolled_back" and outcome.exit_code == 11, str(outcome)
        ended(outcome, world, 11)

    asyncio.run(main())


def test_cancel_by_the_handle_of_another_thread() -> None:
    world = Simulation("healthy", speed=2000)
    migration = Migration(world.spec, world)
    answers: list[dict[str, object]] = []
    events = migration.events()

    def cancel() -> None:
        for event in events:
            if event.name == "shifted":
                answers.append(migration.handle.cancel("the job's deadline").result(60))
                return

    other = threading.Thread(target=cancel)
    other.start()
    outcome = migration.run()
    other.join(60)
    ended(outcome, world, 11)
    assert answers[0]["effect"] in ("applied", "after_change")
    assert "the job's deadline" in str(outcome)


def test_a_control_answers_and_stands_in_the_outcome() -> None:
    async def main() -> None:
        world = Simulation("no-data", speed=3000)
        migration = Migration(world.spec, world)
        run = asyncio.ensure_future(migration.run_async())
        async for event in migration.events():
            if event.name == "shifted":
                paused = await migration.handle.pause("ann", timedelta(minutes=5))
                assert paused == {"effect": "applied"}
                assert (await migration.handle.continue_run("ann"))["effect"] == "applied"
                assert (await migration.handle.promote("ann"))["effect"] in ("applied", "after_change")
                break
        outcome = await run
        assert outcome.exit_code == 10, str(outcome)
        assert [one["by"] for one in outcome.report["overrides"]] == ["ann"]
        after = await migration.handle.abort("bob")
        assert after["effect"] == "ignored" and after["why"]

    asyncio.run(main())


def test_a_control_before_the_start_holds() -> None:
    world = Simulation("healthy")
    migration = Migration(world.spec, world)
    answer = migration.handle.abort("ann")
    outcome = migration.run()
    assert (outcome.kind, outcome.exit_code) == ("unchanged", 3)
    assert answer.result(10)["effect"] == "applied"
    assert world.weights == (100, 0) and world.calls("ModifyRule") == 0


def test_twenty_migrations_at_once_in_one_process() -> None:
    async def main() -> list[Outcome]:
        worlds = [Simulation(name, seed=seed) for seed in range(10) for name in ("healthy", "green-errors")]
        runs = [Migration(world.spec, world).run_async() for world in worlds]
        return list(await asyncio.gather(*runs))

    outcomes = asyncio.run(main())
    assert [outcome.exit_code for outcome in outcomes] == [0, 10] * 10


def test_two_controllers_of_one_rule_and_one_journal() -> None:
    journal = Journal.memory()
    world = Simulation("healthy", speed=20)
    first = Migration(world.spec, world, journal=journal, by="ann")
    second = Migration(world.spec, world, journal=journal, by="bob")
    for event in first.events():
        if event.name == "started":
            break
    with pytest.raises(bluegreen.HeldError, match="ann"):
        second.run()
    first.handle.abort("ann")
    outcome = first.run()
    assert outcome.exit_code in (3, 10)
    ended(outcome, world, outcome.exit_code)


def test_the_journal_is_told_again_and_judged_the_same() -> None:
    journal = Journal.memory()
    world = Simulation("slow-leak")
    events, outcome = told(Migration(world.spec, world, journal=journal))
    again = bluegreen.replay(journal.records())
    assert again.outcome is not None
    assert again.outcome.to_json() == outcome.to_json()
    assert [event.to_json() for event in again.events] == [event.to_json() for event in events]
    with pytest.raises(bluegreen.ReplayError):
        bluegreen.replay(["{}"])


KILLED = """
import json, os, signal, sys
from pathlib import Path
from bluegreen import Journal, Migration, Plan, Simulation, Traffic, Verdict

class Router:
    propagation = 0
    def observe(self):
        blue, green = json.loads(Path("router.json").read_text())
        return Traffic(blue, green, "v1:router", blue_targets=4, green_targets=4)
    def shift(self, shift):
        if shift.is_to_write(self.observe()):
            Path("router.json").write_text(json.dumps(shift.weights))
        return self.observe()

def gate(look):
    if sys.argv[1] == "kill" and look.traffic and look.traffic.green >= 500:
        os.kill(os.getpid(), signal.SIGKILL)
    return Verdict.healthy("well")

act = "migrate" if sys.argv[1] == "kill" else sys.argv[1]
run = Migration(
    aws=Simulation(), splitter=Router(), name="router", journal=Journal.folder("journal"), gates={"own": gate}, act=act,
    plan=Plan(steps=[10, 50, 100], bake=60, step_deadline=600, look_interval=15, warm_up=0), by="ann")
events = run.events()
print(run.run().kind, *[event.name for event in events])
"""


@pytest.mark.parametrize(
    ("act", "kind", "weights"), [("resume", "promoted", [0, 1000]), ("restore", "rolled_back", [1000, 0])]
)
def test_a_run_that_was_killed_is_resumed_or_put_back(tmp_path: Path, act: str, kind: str, weights: list[int]) -> None:
    (tmp_path / "router.json").write_text("[1000, 0]")

    def run(what: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", KILLED, what], cwd=tmp_path, capture_output=True, text=True, timeout=300
        )

    killed = run("kill")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert json.loads((tmp_path / "router.json").read_text()) == [500, 500]
    again = run(act)
    assert again.stdout.split()[:1] == [kind], again.stderr
    assert ("resumed" in again.stdout.split()) == (act == "resume")
    assert json.loads((tmp_path / "router.json").read_text()) == weights


def test_restore_puts_everything_back_from_a_divided_split() -> None:
    world = Simulation("divided")
    assert world.weights == (50, 50)
    outcome = Migration(world.spec, world, act="restore", blue="flask", by="ann").run()
    ended(outcome, world, 0)
    assert outcome.kind == "rolled_back"


def test_complete_goes_to_the_last_step_at_once() -> None:
    world = Simulation("healthy")
    events, outcome = told(Migration(world.spec, world, act="complete", by="ann"))
    ended(outcome, world, 0)
    assert [event.name for event in events].count("shifting") == 1


def test_a_migration_that_is_dropped_unrun_leaves_nothing() -> None:
    world = Simulation("healthy")
    migration = Migration(world.spec, world)
    handle = migration.handle
    del migration
    gc.collect()
    assert handle.abort("ann").result(10)["effect"] == "ignored"
    assert world.calls() == 0


def test_a_third_party_is_not_overwritten() -> None:
    world = Simulation()
    world.third_party_write(70, 30, after=timedelta(minutes=15))
    outcome = Migration(world.spec, world).run()
    ended(outcome, world, 12)
    assert outcome.kind == "held" and world.weights == (70, 30)
    why = outcome.why
    assert why is not None and why["reason"] == "drift" and why["diff"]


def test_verdicts_have_a_text_and_their_status() -> None:
    verdict = Verdict.inconclusive("no message was counted")
    assert (verdict.status, verdict.summary) == ("inconclusive", "no message was counted")
    assert "no message was counted" in str(verdict)


def test_hooks_of_the_file_are_called_and_asked(tmp_path: Path) -> None:
    told, tell = tmp_path / "told", tmp_path / "tell"
    tell.write_text(f"#!/bin/sh\ncat >> '{told}'; echo >> '{told}'\n")
    tell.chmod(0o755)
    world = Simulation("healthy")
    assert Migration(world.spec.with_(hooks={"command": [str(tell)]}), world).run().is_promoted
    moments = [json.loads(line)["moment"] for line in told.read_text().split("\n") if line]
    assert moments[0] == "start" and moments[-1] == "end" and moments.count("before-step") == 4

    tell.write_text("#!/bin/sh\nexit 10\n")
    world = Simulation("healthy")
    outcome = Migration(world.spec.with_(hooks={"command": [str(tell)], "may_refuse": True}), world).run()
    assert outcome.exit_code == 3 and world.weights == (100, 0)
    assert "the hook refuses" in str(outcome)


def test_a_file_may_ask_for_a_test_of_green_first() -> None:
    world = Simulation("healthy")
    spec = world.spec.with_(test={"require": "1h"})
    outcome = Migration(spec, world).run()
    assert outcome.exit_code == 3 and "green was not tested" in str(outcome)
    unchanged = typed(outcome)
    assert isinstance(unchanged, Unchanged)
    assert [one.risk for one in unchanged.reason.findings if one.severity == "refuse_unless"] == ["untested"]
    accepted = spec.with_(safety={"accept": ["untested"]})
    assert Migration(accepted, world).run().is_promoted
