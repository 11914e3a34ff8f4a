"""The soak: one world whose traffic moves to green and back again, while its controller is killed and resumed."""

import random
import time

from world import BLUE, GREEN, Kind

KIND = Kind("soak")


def play(world, duration, kill_every):
    """Moves until the time is over, and ends after a whole run."""
    randomness = random.Random(1)
    world.set_up()
    until = time.monotonic() + duration
    next_kill = time.monotonic() + randomness.uniform(0.2, 1.0) * kill_every
    moves = kills = 0
    while True:
        to = GREEN if moves % 2 == 0 else BLUE
        world.aim(to)
        next_kill, killed = one_run(world, to, next_kill, kill_every, randomness)
        kills += killed
        moves += 1
        world.say(f"moved to {to}: {moves} moves, {kills} kills, {sum(1 for _ in open(world.folder / 'users.jsonl'))} requests")
        if time.monotonic() > until:
            break
    assert kills > 0 or duration < kill_every, "no controller was killed"
    world.settle()
    world.stop()


def one_run(world, to, next_kill, kill_every, randomness):
    """One migration to a side. Returns the time of the next kill, and how many there were."""
    out, killed = f"{len(world.ran)}-migrate", 0
    running = world.begin("migrate", "--json", "--to", to, "--accept", "untested", out=out)
    while True:
        while running.poll() is None and time.monotonic() < next_kill:
            time.sleep(0.2)
        if running.poll() is not None:
            if running.poll() == 0 and killed and world.share(to) == 0:
                # The controller died before its run was in the journal: there is nothing to resume.
                out = f"{len(world.ran)}-migrate"
                running = world.begin("migrate", "--json", "--to", to, "--accept", "untested", out=out)
                continue
            break
        running.kill()
        running.wait()
        killed += 1
        world.say(f"killed the controller with {to} at {world.share(to):.0f}%")
        next_kill = time.monotonic() + randomness.uniform(0.5, 1.5) * kill_every
        out = f"{len(world.ran)}-resume"
        running = world.begin("resume", "--json", out=out)
    world.code, world.end = running.poll(), world.events(out)[-1] if world.events(out) else None
    assert world.code == 0, f"the run to {to} ended with {world.code}: {world.said(out)}"
    assert world.share(to) == 100, f"{to} has {world.share(to)}%"
    return next_kill, killed
