"""The heirs and the package over real HTTP, against emulators of AWS that others wrote."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import bluegreen
import emulators
import pytest
from bluegreen import Aws, Journal, Migration, Spec
from conftest import EXAMPLES, told
from emulators import REGION, Topology, topology

sys.path.insert(0, str(EXAMPLES))

from traffic_router import TrafficRouter


@pytest.fixture(scope="module")
def urls() -> Iterator[dict[str, str]]:
    yield from emulators.endpoints()


@pytest.fixture(autouse=True)
def environment(urls: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The environment alone points at the emulators; nothing of this machine's own AWS settings matters."""
    settings = {
        "AWS_ENDPOINT_URL": urls["moto"],
        "AWS_ENDPOINT_URL_CLOUDWATCH": urls["ministack"],
        "AWS_ENDPOINT_URL_ECS": urls["ministack"],
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "hush-0815",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
    }
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)


def heir(world: Topology) -> TrafficRouter:
    router = TrafficRouter(region=REGION)
    router.listener_arn, router.blue_target_group, router.green_target_group = world.listener, world.blue, world.green
    # The path's other users, and the emulator's stickiness, are none of this test.
    router.accept = [*TrafficRouter.accept, "shared-targets", "long-stickiness"]
    return router


def spec_of(world: Topology, **plan: object) -> Spec:
    return heir(world).spec().with_(plan={"look_interval": "1s", **plan}, judge={"by": "limits"})


def test_weights_there_and_back_leave_everything_else(urls: dict[str, str]) -> None:
    """The guide's original drops the log-in and the stickiness with its first write."""
    world = topology(urls["moto"], log_in=True)
    before, router = world.rest(), heir(world)
    assert router.get_current_traffic_weights() == {"blue": 100, "green": 0}
    for blue, green in ((90, 10), (50, 50), (99.5, 0.5), (0, 100), (100, 0)):
        assert router.update_traffic_weights(blue, green) is True
        assert router.get_current_traffic_weights() == {"blue": blue, "green": green}
        real = world.weights()
        assert real[1] / sum(real) == pytest.approx(green / 100)
        assert world.rest() == before
    assert before[0]["Type"] == "authenticate-oidc", "the test would see a log-in that is gone"
    assert before[1]["ForwardConfig"]["TargetGroupStickinessConfig"]["Enabled"] is True


def test_a_rule_that_is_not_there_is_an_error(urls: dict[str, str]) -> None:
    router = heir(topology(urls["moto"]))
    router.priority = 7
    with pytest.raises(bluegreen.NotFoundError):
        router.get_current_traffic_weights()


def test_rollback_from_a_divided_split(urls: dict[str, str]) -> None:
    world = topology(urls["moto"])
    router = heir(world)
    router.update_traffic_weights(40, 60)
    assert router.rollback_migration() is True
    assert world.weights()[1] == 0
    assert router.outcome is not None and router.outcome.exit_code == 0


def test_an_override_rises_and_an_abort_restores(urls: dict[str, str]) -> None:
    world = topology(urls["moto"])
    migration = Migration(spec_of(world), Aws.from_env(), act="complete", by="ann", journal=Journal.memory())
    for event in migration.events():
        if event.name == "shifted":
            assert world.weights()[0] == 0
            migration.handle.abort("ann")
            break
    outcome = migration.run()
    assert outcome.exit_code == 11, str(outcome)
    assert world.weights()[1] == 0


def test_a_third_partys_write_holds_the_run(urls: dict[str, str]) -> None:
    world = topology(urls["moto"])
    migration = Migration(spec_of(world), Aws.from_env(), act="complete", by="ann")
    seen = []
    for event in migration.events():
        seen.append(event.name)
        if event.name == "shifted":
            actions = world.actions()
            for group in actions[0]["ForwardConfig"]["TargetGroups"]:
                group["Weight"] = 70 if group["TargetGroupArn"] == world.blue else 30
            world.elb.modify_rule(RuleArn=world.rule, Actions=actions)
        if event.name == "drifted":
            migration.handle.leave("ann", "bob has it")
            break
    outcome = migration.run()
    assert (outcome.kind, outcome.exit_code) == ("held", 12), (seen, str(outcome))
    assert world.weights() == (70, 30)


def test_a_killed_process_is_put_back_by_another(urls: dict[str, str], tmp_path: Path) -> None:
    world = topology(urls["moto"])
    spec = spec_of(world)
    (tmp_path / "spec.json").write_text(spec.to_json())
    program = """
import bluegreen
run = bluegreen.Migration(bluegreen.Spec.from_file("spec.json"), bluegreen.Aws.from_env(), act="complete", by="ann")
run.on_event(lambda event: print(event.name, flush=True)).run()
"""
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == "shifted":
            break
    process.kill()
    process.wait(30)
    assert world.weights()[1] > 0
    outcome = Migration(spec, Aws.from_env(), act="restore", by="bob").run()
    assert outcome.exit_code == 0 and world.weights()[1] == 0, str(outcome)


def test_no_secret_is_shown(urls: dict[str, str], caplog: pytest.LogCaptureFixture) -> None:
    world = topology(urls["moto"], log_in=True)
    aws, journal = Aws.from_env(), Journal.memory()
    with caplog.at_level(logging.DEBUG):
        migration = Migration(spec_of(world), aws, act="restore", by="ann", journal=journal)
        events, outcome = told(migration)
        with pytest.raises(bluegreen.BluegreenError) as raised:
            spec_of(world).with_(traffic={"rules": [{"listener": world.listener, "priority": 8}]}).observe(aws)
    shown = [repr(aws), repr(migration), str(outcome), outcome.to_json(), repr(raised.value), caplog.text]
    shown += [event.to_json() + str(event) + repr(event) for event in events]
    for text in shown:
        assert "hush-4711" not in text and "hush-0815" not in text


def test_the_account_of_the_credentials_is_told() -> None:
    assert Aws.from_env().region == REGION
    assert Aws.from_env("eu-west-1").region == "eu-west-1"
    assert "123456789012" in Aws.from_env().caller()


def test_a_load_balancer_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch, urls: dict[str, str]) -> None:
    world = topology(urls["moto"])
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(bluegreen.UnavailableError):
        spec_of(world).observe(Aws.from_env())
