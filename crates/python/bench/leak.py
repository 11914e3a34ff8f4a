"""Whether memory, threads or files grow with the number of runs.

    python crates/python/bench/leak.py          # 400 rounds
    python crates/python/bench/leak.py 2000

A round is a migration that is rolled back, with a gate, a callback and a reader of events; one on asyncio; one that is
cancelled; one that is refused; a deployment; and a world and a migration that are made and never run. Ends with 1 if
memory still grows in the second half, by the least squares of all sizes there, or if a thread or a file is left.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import sys
import time
from typing import Any

import bluegreen
from process import open_files, resident, threads

# KiB a round: what an allocator moves about, not what six runs hold.
ALLOWED = 4.0


class Platform:
    """The service of the deployment, in memory."""

    propagation = 0
    revision = "rev-1"

    def observe(self) -> dict[str, Any]:
        return {
            "service": "chat",
            "revision": self.revision,
            "deployment": f"d-{self.revision}",
            "rollout": "completed",
            "desired": 2,
            "running": 2,
            "others": 0,
            "rollback_owner": "us",
        }

    def register(self, image: str) -> dict[str, Any]:
        return {"revision": "rev-2", "is_new": True}

    def update(self, update: dict[str, Any]) -> str:
        self.revision = update["to"]["revision"]
        return f"d-{self.revision}"


async def awaited(migration: bluegreen.Migration) -> bluegreen.Outcome:
    return await migration.run_async()


def round_of(seed: int) -> None:
    world = bluegreen.Simulation("green-errors", seed=seed)
    gates = {"own": lambda look: bluegreen.Verdict.healthy("well")}
    migration = bluegreen.Migration(world.spec, world, gates=gates).on_event(lambda event: event.to_dict())
    events = migration.events()
    assert migration.run().exit_code == 10 and sum(1 for _ in events) > 20

    world = bluegreen.Simulation("healthy", seed=seed)
    assert asyncio.run(awaited(bluegreen.Migration(world.spec, world))).is_promoted

    world = bluegreen.Simulation("healthy", seed=seed)
    migration = bluegreen.Migration(world.spec, world)
    migration.on_event(lambda event: migration.handle.cancel("enough") if event.name == "shifted" else None)
    assert migration.run().exit_code == 11

    world = bluegreen.Simulation("divided", seed=seed)
    try:
        bluegreen.Migration(world.spec, world).run()
        raise AssertionError("it began")
    except bluegreen.RefusedError:
        pass

    image = "repo@sha256:" + "a" * 64
    deployment = bluegreen.Deployment(aws=bluegreen.Simulation(), deployer=Platform(), image=image)
    assert deployment.run().exit_code == 0

    bluegreen.Migration(bluegreen.Simulation("drift").spec, world)


def left(before: tuple[int, int]) -> tuple[int, int]:
    """Returns threads and open files. A thread ends shortly after its run, so it is waited for, ten seconds at most."""
    for _ in range(100):
        if threads() <= before[0] and open_files() <= before[1]:
            break
        time.sleep(0.1)
    return threads(), open_files()


def main() -> int:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    round_of(0)
    before: tuple[int, int] = left((1, 0))
    sizes: list[float] = []
    for seed in range(rounds):
        round_of(seed)
        gc.collect()
        sizes.append(resident())
        if (seed + 1) % max(rounds // 10, 1) == 0:
            print(f"after {seed + 1:>5} rounds: {sizes[-1]:6.1f} MiB, {threads()} threads", flush=True)
    after = left(before)
    half = sizes[len(sizes) // 2 :]
    grows = statistics.linear_regression(range(len(half)), half).slope * 1024
    print(f"{grows:+.2f} KiB a round in the second half, {ALLOWED} are allowed")
    print(f"threads {before[0]} before, {after[0]} after; open files {before[1]} before, {after[1]} after")
    return int(grows > ALLOWED or after[0] > before[0] or after[1] > before[1])


if __name__ == "__main__":
    sys.exit(main())
