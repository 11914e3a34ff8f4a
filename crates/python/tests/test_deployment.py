"""Deployments with a deployer and a builder in Python."""

from __future__ import annotations

import asyncio
from typing import Any

import bluegreen
import pytest
from bluegreen import Simulation
from bluegreen._bluegreen import Deployment, DeploymentEvent, DeploymentOutcome, Journal

IMAGE = "registry.example/chat@sha256:" + "a" * 64


class Deployer:
    """A service in memory. Its first update may raise, and its rollout may fail."""

    propagation = 0

    def __init__(self, raises: Exception | None = None, fails: bool = False) -> None:
        self.deployments = 1
        self.revision = "chat:1"
        self.rollout = "completed"
        self.point: Any = None
        self.raises = raises
        self.fails = fails
        self.updates: list[dict[str, Any]] = []

    def observe(self) -> dict[str, Any]:
        seen = self.rollout
        if seen == "in_progress":
            self.rollout = "failed" if self.fails and self.revision == "chat:2" else "completed"
        return {
            "service": "chat",
            "revision": self.revision,
            "deployment": str(self.deployments),
            "rollout": seen,
            "desired": 2,
            "running": 2 if seen == "completed" else 0,
            "others": 0,
            "rollback_owner": "us",
            "rollback_point": self.point,
        }

    def register(self, image: str) -> dict[str, Any]:
        assert image == IMAGE
        return {"revision": "chat:2", "is_new": True}

    async def update(self, update: dict[str, Any]) -> str:
        await asyncio.sleep(0)
        self.updates.append(update)
        if self.raises is not None and len(self.updates) == 1:
            raise self.raises
        self.deployments += 1
        self.revision = update["to"]["revision"]
        self.rollout = "in_progress"
        self.point = update["rollback_point"] or self.point
        return str(self.deployments)


class Builder:
    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []

    def find(self, tag: str) -> str | None:
        self.asked.append(("find", tag))
        return None

    async def build(self, context: str, tag: str) -> str:
        self.asked.append(("build", context, tag))
        return IMAGE

    def tag(self, image: str, tag: str) -> str:
        self.asked.append(("tag", image, tag))
        return "moved"


def test_an_image_is_deployed() -> None:
    deployer = Deployer()
    deployment = Deployment(aws=Simulation(), deployer=deployer, image=IMAGE)
    events = deployment.events()
    outcome = deployment.run()
    assert isinstance(outcome, DeploymentOutcome)
    assert (outcome.kind, outcome.exit_code, deployer.revision) == ("deployed", 0, "chat:2")
    told = list(events)
    assert told[0].name == "started" and told[-1].name == "ended"
    assert all(DeploymentEvent.from_json(event.to_json()) == event for event in told)
    assert DeploymentOutcome.from_json(outcome.to_json()) == outcome
    assert deployer.updates[0]["from"]["revision"] == "chat:1"
    assert deployer.point["previous"]["revision"] == "chat:1", "the way back is kept with the service"


def test_a_source_is_built_and_tagged() -> None:
    builder = Builder()
    deployment = Deployment(
        aws=Simulation(), deployer=Deployer(), builder=builder, context="/src", tag="abc", plan={"also_tag": "latest"}
    )
    assert deployment.run().kind == "deployed"
    assert builder.asked == [("find", "abc"), ("build", "/src", "abc"), ("tag", IMAGE, "latest")]


def test_an_update_that_raises_is_observed_and_tried_again() -> None:
    deployer = Deployer(raises=RuntimeError("the answer was lost"))
    deployment = Deployment(aws=Simulation(), deployer=deployer, image=IMAGE)
    events = deployment.events()
    assert deployment.run().kind == "deployed" and len(deployer.updates) == 2
    [failed] = [event.data["failure"] for event in events if event.name == "update_failed"]
    assert failed["kind"] == "outcome_unknown" and "test_deployment.py" in failed["message"]


def test_a_rollout_that_fails_is_rolled_back() -> None:
    deployer = Deployer(fails=True)
    outcome = Deployment(aws=Simulation(), deployer=deployer, image=IMAGE).run()
    assert (outcome.kind, outcome.exit_code, deployer.revision) == ("rolled_back", 10, "chat:1")


def test_asyncio_and_a_journal() -> None:
    async def main() -> None:
        deployment = Deployment(
            aws=Simulation(), deployer=Deployer(), image=IMAGE, journal=Journal.memory(), name="chat", by="ann"
        )
        names = [event.name async for event in deployment.events()]
        outcome = await deployment.run_async()
        assert names[-1] == "ended" and outcome.kind == "deployed"

    asyncio.run(main())


@pytest.mark.parametrize(
    "more", [{}, {"image": "chat:latest"}, {"image": IMAGE, "tag": "a"}, {"image": IMAGE, "journal": Journal.memory()}]
)
def test_what_cannot_be_deployed_is_refused_at_once(more: dict[str, Any]) -> None:
    with pytest.raises(bluegreen.SpecError):
        Deployment(deployer=Deployer(), **more)
