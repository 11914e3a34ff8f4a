"""Deployments whose deployer and builder are written in Python, sync and async, well-behaved and not."""

from __future__ import annotations

import asyncio
import pickle
from typing import Any

import bluegreen
import pytest
from bluegreen import Deployment, Simulation
from conftest import told

NEW = "repo@sha256:" + "a" * 64


class Platform:
    """A platform in memory: a revision is named by its image. `broken`: images whose rollout fails."""

    propagation = 0

    def __init__(self, broken: tuple[str, ...] = (), **faults: BaseException) -> None:
        self.broken = broken
        self.faults = faults
        self.deployments = ["rev-bbb"]
        self.failed = False
        self.calls: list[str] = []

    def may_fail(self, call: str) -> None:
        self.calls.append(call)
        fault = self.faults.pop(call, None)
        if fault is not None:
            raise fault

    def observe(self) -> dict[str, Any]:
        self.may_fail("observe")
        return {
            "service": "chat",
            "revision": self.deployments[-1],
            "deployment": f"d-{len(self.deployments)}",
            "rollout": "failed" if self.deployments[-1] in self.broken else "completed",
            "desired": 2,
            "running": 2,
            "others": 0,
            "rollback_owner": "us",
        }

    def register(self, image: str) -> dict[str, Any]:
        self.may_fail("register")
        return {"revision": "rev-" + image.split(":")[1][:3], "is_new": True}

    def update(self, update: dict[str, Any]) -> str:
        self.may_fail("update")
        assert update["to"]["target"] == "revision"
        self.deployments.append(update["to"]["revision"])
        return f"d-{len(self.deployments)}"


class AsyncPlatform(Platform):
    async def observe(self) -> dict[str, Any]:  # type: ignore[override]
        await asyncio.sleep(0)
        return Platform.observe(self)

    async def register(self, image: str) -> dict[str, Any]:  # type: ignore[override]
        await asyncio.sleep(0)
        return Platform.register(self, image)

    async def update(self, update: dict[str, Any]) -> str:  # type: ignore[override]
        await asyncio.sleep(0)
        return Platform.update(self, update)


def deploys(platform: Platform, **more: Any) -> Deployment:
    source = {} if "builder" in more else {"image": NEW}
    return Deployment(aws=Simulation(), deployer=platform, by="ann", **source, **more)


@pytest.mark.parametrize("kind", [Platform, AsyncPlatform])
def test_an_image_is_deployed(kind: type[Platform]) -> None:
    platform = kind()
    events, outcome = told(deploys(platform))
    assert (outcome.kind, outcome.exit_code) == ("deployed", 0), str(outcome)
    assert platform.deployments == ["rev-bbb", "rev-aaa"]
    assert [event.seq for event in events] == list(range(len(events)))
    for value in (outcome, *events):
        assert type(value).from_json(value.to_json()) == value == pickle.loads(pickle.dumps(value))


def test_on_asyncio() -> None:
    platform = AsyncPlatform()
    outcome = asyncio.run(awaited(deploys(platform)))
    assert outcome.exit_code == 0 and platform.deployments[-1] == "rev-aaa"


async def awaited(deployment: Deployment) -> Any:
    return await deployment.run_async()


def test_a_rollout_that_fails_is_rolled_back_to_what_ran() -> None:
    platform = Platform(broken=("rev-aaa",))
    outcome = deploys(platform).run()
    assert (outcome.kind, outcome.exit_code) == ("rolled_back", 10), str(outcome)
    assert platform.deployments == ["rev-bbb", "rev-aaa", "rev-bbb"]


def test_a_register_that_raises_changes_nothing_and_shows_its_traceback() -> None:
    class Gone(Platform):
        def register(self, image: str) -> dict[str, Any]:
            raise RuntimeError("the platform's host is gone")

    platform = Gone()
    outcome = deploys(platform).run()
    assert (outcome.kind, outcome.exit_code) == ("unchanged", 3)
    assert "update" not in platform.calls and platform.deployments == ["rev-bbb"]
    assert "the platform's host is gone" in outcome.to_json() and "test_deployment.py" in outcome.to_json()


def test_a_register_that_raises_once_is_tried_again() -> None:
    platform = Platform(register=RuntimeError("the platform's host is gone"))
    assert deploys(platform).run().kind == "deployed"
    assert platform.calls.count("register") == 2


def test_an_update_that_raises_is_observed_and_tried_again() -> None:
    platform = Platform(update=ZeroDivisionError("by hand"))
    events, outcome = told(deploys(platform))
    assert outcome.kind == "deployed", str(outcome)
    [failed] = [event.data["failure"] for event in events if event.name == "update_failed"]
    assert failed["kind"] == "outcome_unknown" and "ZeroDivisionError" in failed["message"]
    assert platform.deployments == ["rev-bbb", "rev-aaa"]


def test_a_denied_update_changes_nothing() -> None:
    platform = Platform(update=bluegreen.DeniedError("not yours", hint="ask bob"))
    outcome = deploys(platform).run()
    assert outcome.exit_code in (0, 3) and platform.deployments[-1] in ("rev-bbb", "rev-aaa")
    assert (platform.deployments[-1] == "rev-aaa") == (outcome.kind == "deployed")


class Builder:
    def __init__(self, fault: BaseException | None = None) -> None:
        self.fault = fault
        self.built: list[tuple[str, str]] = []

    def find(self, tag: str) -> str | None:
        return None

    async def build(self, context: str, tag: str) -> str:
        await asyncio.sleep(0)
        if self.fault:
            raise self.fault
        self.built.append((context, tag))
        return NEW

    def tag(self, image: str, tag: str) -> str:
        return "moved"


def test_an_image_is_built_and_deployed() -> None:
    builder, platform = Builder(), Platform()
    outcome = deploys(platform, builder=builder, context="service", tag="v7").run()
    assert outcome.kind == "deployed", str(outcome)
    assert builder.built == [("service", "v7")] and platform.deployments[-1] == "rev-aaa"


def test_a_build_that_raises_changes_nothing() -> None:
    builder, platform = Builder(OSError("no space left")), Platform()
    outcome = deploys(platform, builder=builder, context="service", tag="v7").run()
    assert (outcome.kind, outcome.exit_code) == ("unchanged", 3)
    assert "no space left" in str(outcome) and platform.deployments == ["rev-bbb"]


def test_a_cancel_before_the_start_changes_nothing() -> None:
    platform = Platform()
    deployment = deploys(platform)
    deployment.handle.cancel("the job's deadline")
    outcome = deployment.run()
    assert outcome.kind == "unchanged" and platform.deployments == ["rev-bbb"]


@pytest.mark.parametrize("wrong", [{}, {"image": "repo:latest"}, {"image": NEW, "context": ".", "tag": "v7"}], ids=str)
def test_what_is_deployed_must_be_clear(wrong: dict[str, str]) -> None:
    with pytest.raises(bluegreen.SpecError) as raised:
        Deployment(deployer=Platform(), **wrong)  # type: ignore[arg-type]
    assert raised.value.problems
