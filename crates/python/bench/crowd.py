"""So many migrations at once from one asyncio loop, each with an async Python gate.

    python crates/python/bench/crowd.py                 # 1,000, each in a simulated AWS of its own
    python crates/python/bench/crowd.py 1000 router     # with a router in Python instead: the migration alone

Ends with 1 if one of them is not promoted, and with 2 if they have not ended within ten minutes: a deadlock. Says how
much memory and how many threads a migration takes, and how long the loop was held up.
"""

from __future__ import annotations

import asyncio
import sys
import time

import bluegreen
from process import peak, resident, threads

PATIENCE = 600
LOOKS = 0


async def gate(look: bluegreen.Look) -> bluegreen.Verdict:
    """A gate that waits on the loop, as one that asks a service does."""
    global LOOKS
    LOOKS += 1
    await asyncio.sleep(0)
    return bluegreen.Verdict.healthy("well")


class Router:
    """A router in memory."""

    propagation = 0

    def __init__(self) -> None:
        self.weights = (1000, 0)

    def observe(self) -> bluegreen.Traffic:
        return bluegreen.Traffic(*self.weights, "v1:router", blue_targets=4, green_targets=4)

    def shift(self, shift: bluegreen.Shift) -> bluegreen.Traffic:
        self.weights = shift.weights
        return self.observe()


def migration(world: bluegreen.Simulation, router: Router | None) -> bluegreen.Migration:
    """With a router of its own, a migration has only its clock from the world."""
    gates = {"own": gate}
    if router is None:
        return bluegreen.Migration(world.spec, world, gates=gates)
    return bluegreen.Migration(aws=world, plan=bluegreen.Plan(), splitter=router, gates=gates)


async def watch(longest: list[float]) -> None:
    """Measures how long the loop needs for a pause of 10 ms, and the most threads."""
    while True:
        began = time.perf_counter()
        await asyncio.sleep(0.01)
        longest[0] = max(longest[0], time.perf_counter() - began - 0.01)
        longest[1] = max(longest[1], threads())


async def crowd(size: int, with_routers: bool) -> int:
    worlds = [bluegreen.Simulation(seed=seed) for seed in range(size)]
    made = resident()
    print(f"{size} simulated worlds: {made:.0f} MiB, {threads()} threads", flush=True)
    routers = [Router() if with_routers else None for _ in worlds]
    runs = [migration(world, router).run_async() for world, router in zip(worlds, routers)]
    longest = [0.0, 0.0]
    watching = asyncio.create_task(watch(longest))
    began, cpu = time.perf_counter(), time.process_time()
    try:
        outcomes = await asyncio.wait_for(asyncio.gather(*runs), PATIENCE)
    except asyncio.TimeoutError:
        print(f"error: they have not ended in {PATIENCE} s", file=sys.stderr)
        return 2
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    watching.cancel()
    blue = [(router or world).weights[0] for router, world in zip(routers, worlds)]
    ends = set(zip([outcome.kind for outcome in outcomes], blue))
    print(f"{size} migrations at once in {wall:.1f} s, {cpu:.1f} s of CPU: {ends}, {LOOKS} calls of the gates")
    print(f"the loop was held up for {longest[0] * 1000:.0f} ms at most; {longest[1]:.0f} threads at most")
    print(f"{peak():.0f} MiB at most: {(peak() - made) * 1024 / size:.0f} KiB a migration beside its world")
    return int(ends != {("promoted", 0)})


def main() -> int:
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    before = resident()
    print(f"Python {sys.version.split()[0]} with the package: {before:.0f} MiB")
    code = asyncio.run(crowd(size, with_routers=sys.argv[2:] == ["router"]))
    print(f"{(peak() - before) * 1024 / size:.0f} KiB a migration with its world")
    return code


if __name__ == "__main__":
    sys.exit(main())
