"""The heirs of the guide's scripts: each fault on which the guide's original ends wrong ends right here.

A test says in its first line what the original does.
"""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import bluegreen
import pytest
from bluegreen import Simulation
from conftest import EXAMPLES

sys.path.insert(0, str(EXAMPLES))

from traffic_router import TrafficDivided, TrafficRouter, execute_migration


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The heir keeps its journal in the folder of the process."""
    monkeypatch.chdir(tmp_path)


def router(world: Simulation) -> TrafficRouter:
    return TrafficRouter(spec=world.spec, aws=world, blue="flask")


def failing(**more: Any) -> Simulation:
    """A green that fails all of its requests."""
    return Simulation(green={"targets": 4, "behaviours": [{"errors": 1.0, "when": "always"}]}, **more)


def test_the_guides_arguments_and_returns() -> None:
    world = Simulation("healthy")
    heir = router(world)
    assert heir.get_current_traffic_weights() == {"blue": 100, "green": 0}
    assert heir.gradual_migration([10, 50, 100]) is True
    assert heir.get_current_traffic_weights() == {"blue": 0, "green": 100}
    assert heir.rollback_migration() is True
    assert heir.get_current_traffic_weights() == {"blue": 100, "green": 0}
    assert heir.complete_migration() is True
    assert world.weights[0] == 0
    assert heir.update_traffic_weights(100, 0) is True
    assert TrafficRouter(region="eu-west-1").region == "eu-west-1"


def test_the_guides_script_runs_with_its_import_changed() -> None:
    script = """
from traffic_router import TrafficRouter

def execute_migration(router):
    migration_steps = [10, 50, 100]
    current_weights = router.get_current_traffic_weights()
    print(f"Blue (Flask): {current_weights.get('blue', 0)}%")
    print(f"Green (FastAPI): {current_weights.get('green', 0)}%")
    if router.gradual_migration(migration_steps, wait_minutes=10):
        return "completed"
    return "rolled back"
"""
    scope: dict[str, Any] = {}
    exec(script, scope)
    assert scope["execute_migration"](router(Simulation("healthy"))) == "completed"
    assert scope["execute_migration"](router(Simulation("green-errors"))) == "rolled back"


def test_a_green_without_metrics_is_not_promoted() -> None:
    """The original takes no data for health, and promotes a green that emits nothing."""
    world = Simulation("no-data")
    assert router(world).gradual_migration([10, 50, 100]) is False
    assert world.weights[1] == 0


def test_errors_early_in_a_step_are_seen() -> None:
    """The original looks once, at the last five minutes of ten."""
    world = Simulation("early-errors")
    assert router(world).gradual_migration([10, 50, 100]) is False
    assert world.weights[1] == 0


def test_a_throttled_rollback_is_tried_again() -> None:
    """The original ignores the result: the split stays 90/10, and it says that it was rolled back."""
    world = failing()
    world.fail("ModifyRule", "throttle", nth=2)
    assert router(world).gradual_migration([10, 50, 100]) is False
    assert world.weights[1] == 0


def test_a_refused_later_step_is_rolled_back() -> None:
    """The original returns without a rollback, and says that it rolled back."""
    world = Simulation()
    world.fail("ModifyRule", "denied", nth=2)
    world.fail("ModifyRule", "denied", nth=3)
    world.fail("ModifyRule", "denied", nth=4)
    heir = router(world)
    assert heir.gradual_migration([10, 50, 100]) is False
    assert world.weights[1] == 0 and any(change["green"] for change in world.changes)


@pytest.mark.parametrize(
    ("call", "fault", "nth"),
    [
        ("ModifyRule", "throttle", 1),
        ("DescribeRules", "throttle", 4),
        ("GetMetricData", "throttle", 6),
        ("ModifyRule", "timeout_after_effect", 2),
    ],
)
def test_one_fault_of_one_call_ends_no_migration(call: str, fault: str, nth: int) -> None:
    """The original gives up at the first throttle, of a write and of a metric."""
    world = Simulation()
    world.fail(call, fault, nth=nth)
    assert router(world).gradual_migration([10, 50, 100]) is True
    assert world.weights[0] == 0


def test_a_rollback_that_is_not_possible_raises_and_names_the_command() -> None:
    """The original says that blue has everything."""
    world = Simulation("rollback-blocked")
    with pytest.raises(bluegreen.UnresolvedError) as raised:
        router(world).gradual_migration([10, 50, 100])
    assert "modify-rule" in str(raised.value)
    assert world.weights[1] > 0


def test_a_third_partys_split_is_neither_overwritten_nor_called_a_rollback() -> None:
    """The original overwrites it at its next step."""
    world = Simulation("drift")
    with pytest.raises(TrafficDivided) as raised:
        router(world).gradual_migration([10, 50, 100])
    assert world.weights == (70, 30) and raised.value.exit_code == 12
    assert raised.value.outcome.kind == "held"


def test_a_rule_that_is_not_there_is_no_split_of_100_to_0() -> None:
    """The original makes up 100/0."""
    world = Simulation()
    spec = world.spec
    [rule] = spec.to_dict()["traffic"]["rules"]
    missing = spec.with_(traffic={"rules": [{**rule, "priority": 7}]})
    heir = TrafficRouter(spec=missing, aws=world, blue="flask")
    with pytest.raises(bluegreen.CallError):
        heir.get_current_traffic_weights()


@pytest.mark.parametrize(("weights", "percent"), [((0, 1), (0, 100)), ((1, 1), (50, 50)), ((999, 1), (99.9, 0.1))])
def test_weights_are_read_as_percent(weights: tuple[int, int], percent: tuple[float, float]) -> None:
    """The original prints a weight as percent: 1% for a green that gets everything."""
    heir = router(Simulation(weights=weights))
    assert tuple(heir.get_current_traffic_weights().values()) == percent


def test_a_share_below_one_percent_is_possible() -> None:
    """The original raises for it, inside its own try."""
    world = Simulation(traffic=400)
    assert router(world).gradual_migration([0.5, 100]) is True
    assert (999, 1) in {(c["blue"], c["green"]) for c in world.changes} or (995, 5) in {
        (c["blue"], c["green"]) for c in world.changes
    }


def test_green_without_enough_targets_does_not_get_everything() -> None:
    """The original writes 0/100 whatever serves behind it."""
    world = Simulation("capacity-short")
    heir = router(world)
    assert heir.complete_migration() is False
    assert world.weights[1] == 0
    assert all(change["green"] == 0 for change in world.changes)


def test_a_migration_that_is_killed_is_continued_or_put_back(tmp_path: Path) -> None:
    """The original has its state in memory alone, and leaves the split for ever."""
    world = Simulation("healthy", speed=3000)
    journal = bluegreen.Journal.folder(tmp_path)
    run = bluegreen.Migration(world.spec, world, journal=journal)
    for event in run.events():
        if event.name == "shifted":
            run.handle.stop("killed")
            break
    with pytest.raises(bluegreen.UnresolvedError):
        run.run()
    assert world.weights[1] > 0
    assert router(world).rollback_migration() is True
    assert world.weights[1] == 0


@pytest.mark.parametrize("steps", [[], [10, 50], [50, 10, 100], [10, 200, 100]], ids=str)
def test_steps_that_cannot_be_done_change_nothing(steps: list[float]) -> None:
    """The original leaves the traffic where the last step put it."""
    world = Simulation()
    assert router(world).gradual_migration(steps) is False
    assert world.calls("ModifyRule") == 0


def test_weights_that_do_not_sum_to_100_change_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    world = Simulation()
    assert router(world).update_traffic_weights(50, 60) is False
    assert "sum to 100" in capsys.readouterr().out
    assert world.calls("ModifyRule") == 0


def test_a_denied_write_by_hand_is_false_and_an_unknown_one_raises(capsys: pytest.CaptureFixture[str]) -> None:
    world = Simulation()
    world.fail("ModifyRule", "denied", nth=1)
    assert router(world).update_traffic_weights(90, 10) is False
    assert "denied" in capsys.readouterr().out
    world = Simulation()
    world.fail("ModifyRule", "timeout_before_effect", nth=1)
    with pytest.raises(bluegreen.OutcomeUnknownError):
        router(world).update_traffic_weights(90, 10)


def test_the_guides_arns_alone_call_nothing() -> None:
    with pytest.raises(bluegreen.SpecError, match="guide"):
        TrafficRouter().gradual_migration([10, 100])


def test_arns_that_are_set_make_the_specification() -> None:
    world = Simulation()
    heir = TrafficRouter(aws=world)
    heir.listener_arn = world.spec.to_dict()["traffic"]["rules"][0]["listener"]
    heir.blue_target_group, heir.green_target_group = world.blue, world.green
    assert heir.gradual_migration([10, 50, 100]) is True
    assert world.weights[0] == 0


def run(*words: str, within: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, cwd=within, timeout=300)


@pytest.mark.parametrize(
    ("script", "words", "code", "said"),
    [
        ("traffic_router.py", [], 0, "FastAPI is now handling 100% of traffic"),
        ("traffic_router.py", ["--scenario", "green-errors"], 10, "Flask is handling 100% of traffic, as read back"),
        ("traffic_router.py", ["--scenario", "rollback-blocked"], 20, "modify-rule"),
        ("traffic_router.py", ["--scenario", "drift"], 12, "third party"),
        ("traffic_router.py", ["--scenario", "low-traffic"], 3, "Nothing was changed"),
        ("traffic_router.py", ["--scenario", "divided"], 3, "hint"),
        ("traffic_router.py", ["--spec", "nowhere.toml"], 2, "nowhere.toml"),
        ("migration_monitor.py", [], 0, "looks drawn to migration.png"),
        ("migration_monitor.py", ["--scenario", "slow-leak", "--out", "a.svg"], 0, "rolled back"),
        ("migration_monitor.py", ["--scenario", "rollback-blocked"], 0, "modify-rule"),
    ],
)
def test_the_scripts_run_on_the_simulation(tmp_path: Path, script: str, words: list[str], code: int, said: str) -> None:
    ended = run(str(EXAMPLES / script), *words, within=tmp_path)
    assert said in ended.stdout + ended.stderr
    assert ended.returncode == code, ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_picture_is_a_picture(tmp_path: Path) -> None:
    run(str(EXAMPLES / "migration_monitor.py"), "--scenario", "green-errors", within=tmp_path)
    picture = (tmp_path / "migration.png").read_bytes()
    assert picture.startswith(b"\x89PNG") and len(picture) > 20_000


def test_the_monitor_shows_what_the_events_say() -> None:
    monitoring = runpy.run_path(str(EXAMPLES / "migration_monitor.py"))
    monitor = monitoring["MigrationMonitor"]()
    world = Simulation("green-errors")
    migration = bluegreen.Migration(world.spec, world).on_event(monitor.take)
    looks = [event for event in migration.events() if event.name == "looked"]
    assert len(monitor.metrics_data) == len(looks)
    assert max(look.green_share for look in monitor.metrics_data if look.green_share is not None) == pytest.approx(0.1)
    # Green fails a fifth of its requests.
    rates = [look.green_error_rate for look in monitor.metrics_data if look.green_error_rate is not None]
    assert rates and rates[0] == pytest.approx(0.2, abs=0.1)
    assert any(words == "rolling back" for _, words in monitor.marks)
    assert monitor.title.startswith("rolled back")


def test_execute_migration_gives_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute_migration(router(Simulation("healthy"))) == 0
    assert execute_migration(router(Simulation("green-dead"))) == 10
    assert "as read back" in capsys.readouterr().out
