"""A script that followed the guide, with its import changed, over real HTTP against moto.

`caller.py` runs as a program of its own. Each test is a fault on which the guide's original ends wrong; its first
line says how. The same faults on the simulation are in `test_heirs.py`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import EXAMPLES, end_of
from emulators import Faults, Topology, faults_before, had_requests, topology
from test_emulator import environment, urls

__all__ = ["environment", "urls"]  # Fixtures.

CALLER = Path(__file__).with_name("caller.py")


@pytest.fixture
def faults(urls: dict[str, str], environment: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Faults]:
    with faults_before(urls["moto"]) as faults:
        monkeypatch.setenv("AWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING_V2", faults.url)
        yield faults


def start(world: Topology, *words: str) -> subprocess.Popen[str]:
    settings = {
        "ARNS": f"{world.listener} {world.blue} {world.green}",
        # The emulator's stickiness, and no dead-man switch.
        "ACCEPT": "no-dead-man single-host shared-targets long-stickiness",
        "PYTHONPATH": str(EXAMPLES),
    }
    return subprocess.Popen(
        [sys.executable, str(CALLER), *words],
        env={**os.environ, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(world: Topology, *words: str) -> tuple[int, str, str]:
    return end_of(start(world, *words))


def until(process: subprocess.Popen[str], is_reached: Callable[[], bool]) -> None:
    for _ in range(1200):
        if is_reached():
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    process.kill()
    pytest.fail(f"never reached\n{process.communicate()}")


def test_there_and_back(urls: dict[str, str], faults: Faults) -> None:
    """Without a fault both do the same."""
    world = topology(urls["moto"])
    for act, weights in (("90/10", (90, 10)), ("50/50", (50, 50)), ("rollback", (100, 0))):
        code, out, err = run(world, act)
        assert code == 0 and out.endswith("says done\n"), out + err
        assert world.weights() == weights


def test_a_rule_that_is_not_there(urls: dict[str, str], faults: Faults) -> None:
    """The original makes up a split of 100 to 0."""
    world = topology(urls["moto"])
    world.elb.delete_rule(RuleArn=world.rule)
    code, out, err = run(world, "migrate")
    assert code == 1 and "before" not in out and "NotFoundError" in err, out + err


def test_the_log_in_and_the_stickiness_stay(urls: dict[str, str], faults: Faults) -> None:
    """The original drops both with its first write."""
    world = topology(urls["moto"], log_in=True)
    before = world.rest()
    code, out, err = run(world, "90/10")
    assert (code, world.weights()) == (0, (90, 10)), out + err
    assert world.rest() == before and len(before) == 2


def test_a_throttled_rollback(urls: dict[str, str], faults: Faults) -> None:
    """The original gives up at the first refusal, and its caller says that blue has everything."""
    world = topology(urls["moto"])
    run(world, "50/50")
    faults.fail("ModifyRule", "throttled", "throttled")
    before = faults.calls["ModifyRule"]
    code, out, err = run(world, "rollback")
    assert code == 0 and out.endswith("says done\n"), out + err
    assert world.weights()[1] == 0 and faults.calls["ModifyRule"] == before + 3


def test_a_lost_answer_of_a_rollback(urls: dict[str, str], faults: Faults) -> None:
    """The original's client sends it again by itself, or its caller says that it failed; neither reads."""
    world = topology(urls["moto"])
    run(world, "50/50")
    faults.fail("ModifyRule", "lost")
    code, out, err = run(world, "rollback")
    assert code == 0 and out.endswith("says done\n"), out + err
    assert world.weights()[1] == 0


def test_a_write_whose_answer_is_lost_is_not_called_a_failure(urls: dict[str, str], faults: Faults) -> None:
    """The original says that it failed, and green has traffic."""
    world = topology(urls["moto"])
    faults.fail("ModifyRule", "lost")
    code, out, err = run(world, "90/10")
    assert (code, world.weights()) == (1, (90, 10)), out + err
    assert "OutcomeUnknownError" in err and "says" not in out


def test_a_green_without_targets(urls: dict[str, str], faults: Faults) -> None:
    """The original gives everything to a group that serves nothing."""
    world = topology(urls["moto"])
    targets = [{"Id": f"172.31.0.{last}", "Port": 8080} for last in (1, 2, 3, 4)]
    world.elb.deregister_targets(TargetGroupArn=world.green, Targets=targets)
    process = start(world, "complete")
    # A look and one more, each of which reads the targets of both sides; then the operator has seen enough.
    until(process, lambda: faults.calls["DescribeTargetHealth"] >= 4)
    process.send_signal(signal.SIGTERM)
    _, out, err = end_of(process)
    assert out.endswith("says blue has everything\n"), out + err
    assert world.weights() == (100, 0) and faults.calls["ModifyRule"] == 0


def test_no_data_promotes_nothing(urls: dict[str, str], faults: Faults) -> None:
    """The original takes no data for health: it gives all traffic to a green that has never answered a request."""
    world = topology(urls["moto"])
    had_requests(urls["ministack"], world)
    process = start(world, "migrate", "1")
    until(process, lambda: world.weights()[1] == 10)
    # Two more looks at the least, each with one read of the targets' health of each side.
    before = faults.calls["DescribeTargetHealth"]
    until(process, lambda: faults.calls["DescribeTargetHealth"] >= before + 4)
    assert world.weights() == (90, 10)
    process.send_signal(signal.SIGTERM)
    _, out, err = end_of(process)
    assert out.endswith("says blue has everything\n"), out + err
    assert world.weights()[1] == 0


def test_a_third_partys_split(urls: dict[str, str], faults: Faults) -> None:
    """The original overwrites it at its next step, or says that blue has everything."""
    world = topology(urls["moto"])
    had_requests(urls["ministack"], world)
    process = start(world, "migrate", "1")
    until(process, lambda: world.weights()[1] == 10)
    actions = world.actions()
    for group in actions[0]["ForwardConfig"]["TargetGroups"]:
        group["Weight"] = 70 if group["TargetGroupArn"] == world.blue else 30
    world.elb.modify_rule(RuleArn=world.rule, Actions=actions)
    before = faults.calls["DescribeRules"]
    until(process, lambda: faults.calls["DescribeRules"] >= before + 4)
    process.send_signal(signal.SIGTERM)
    code, out, err = end_of(process)
    assert code == 1 and "TrafficDivided" in err and "says" not in out, out + err
    assert world.weights() == (70, 30)


def test_a_killed_script_is_put_back_by_the_next(urls: dict[str, str], faults: Faults) -> None:
    """The original leaves the split for ever, and knows nothing of it."""
    world = topology(urls["moto"])
    had_requests(urls["ministack"], world)
    process = start(world, "migrate", "1")
    until(process, lambda: world.weights()[1] == 10)
    process.kill()
    process.communicate()
    code, out, err = run(world, "rollback")
    assert code == 0 and "before 90 10" in out and out.endswith("says done\n"), out + err
    assert world.weights()[1] == 0
