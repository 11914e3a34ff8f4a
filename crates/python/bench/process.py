"""What a process takes, by the kernel's account. Linux alone."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple

# The kernel counts the memory of the process that began a program as the program's own, so a small one begins it.
# What it takes itself, about 9 MiB, is the least that can be told.
_STARTER = """
import os, sys, time
quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
began = time.perf_counter()
child = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=quiet)
_, status, used = os.wait4(child, 0)
print(time.perf_counter() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
sys.exit(os.waitstatus_to_exitcode(status))
"""


class Cost(NamedTuple):
    """Seconds of wall time and of CPU, and the most memory in MiB."""

    wall: float
    cpu: float
    memory: float


def cost(command: Sequence[str], environment: Mapping[str, str], *, runs: int, folder: str | None = None) -> Cost:
    """Returns the median cost of so many runs of a command, each part by itself."""
    taken = [_once(command, environment, folder) for _ in range(runs)]
    return Cost(*(statistics.median(values) for values in zip(*taken)))


def _once(command: Sequence[str], environment: Mapping[str, str], folder: str | None) -> Cost:
    starter = [sys.executable, "-I", "-S", "-c", _STARTER, *command]
    ended = subprocess.run(starter, env={**environment}, cwd=folder, capture_output=True, text=True)
    if ended.returncode:
        raise SystemExit(f"error: {' '.join(command)[:60]} ended with {ended.returncode}\n{ended.stderr}")
    return Cost(*map(float, ended.stdout.split()))


def resident() -> float:
    """Returns the memory of this process now, in MiB."""
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize() / 2**20


def peak() -> float:
    """Returns the most memory that this process had, in MiB."""
    with open("/proc/self/status", encoding="ascii") as status:
        [line] = [line for line in status if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def threads() -> int:
    """Returns how many threads this process has, those of the library included."""
    return len(os.listdir("/proc/self/task"))
