"""So many events through one Python callback, and what one of them costs.

    python crates/python/bench/events.py            # 1,000,000
    python crates/python/bench/events.py 50000

The runs have a bake of four hours in virtual time, so nearly all events are looks. The same runs without a callback
are measured too, each tenth one: the difference is the price of the border. Ends with 1 if memory grows.
"""

from __future__ import annotations

import sys
import time

import bluegreen
from process import resident

ALLOWED = 8.0  # MiB, from the tenth run on.


def run(seed: int, callback: object = None) -> float:
    """Returns the CPU of one run."""
    world = bluegreen.Simulation("healthy", seed=seed)
    spec = world.spec.with_(plan={"final_bake": "4h", "deadline": "6h"})
    migration = bluegreen.Migration(spec, world)
    if callback is not None:
        migration.on_event(callback)  # type: ignore[arg-type]
    began = time.process_time()
    outcome = migration.run()
    cpu = time.process_time() - began
    if not outcome.is_promoted:
        # Such as after Ctrl-C.
        print(outcome)
        raise SystemExit(outcome.exit_code)
    return cpu


def main() -> int:
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    count, runs, cpu, compared, alone, said, early = 0, 0, 0.0, 0.0, 0.0, 0, 0.0

    def take(event: bluegreen.Event) -> None:
        nonlocal count
        count += 1
        assert event.seq >= 0 and event.name

    began = time.perf_counter()
    while count < wanted:
        before, spent = count, run(runs, take)
        cpu += spent
        if runs % 10 == 0:
            alone += run(runs)
            compared += spent
            said += count - before
        runs += 1
        if runs == 10:
            early = resident()
        if runs % 100 == 1:
            print(f"{count:>9} events, {resident():6.1f} MiB", flush=True)
    wall = time.perf_counter() - began
    print(f"{count} events of {runs} runs in {wall:.0f} s: {cpu / count * 1e6:.0f} us of CPU an event, all included")
    print(f"the callback alone: {(compared - alone) / said * 1e6:.0f} us an event")
    grown = resident() - early if early else 0.0
    print(f"memory: {resident():.1f} MiB, {grown:+.1f} since the tenth run, {ALLOWED} are allowed")
    return int(grown > ALLOWED)


if __name__ == "__main__":
    sys.exit(main())
