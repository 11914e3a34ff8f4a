#!/usr/bin/env python3
"""Real applications, a real load balancer and live users on one machine; the command moves them.

    run.py                               the four worlds side by side, about 7 minutes
    run.py --worlds right,errs           some of them
    run.py --soak 24h --kill-every 10m   one world, moved to and fro, its controller killed and resumed

Exit code 0: all that is planted was found, and nothing else. `README.md` beside this file explains the worlds.
"""

import argparse
import concurrent.futures
import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.request

import aws
import soak
import verdicts
from control_plane import TASKS, ControlPlane
from processes import Processes
from world import HERE, KINDS, ROOT, World, wait_for


def seconds(text):
    found = re.fullmatch(r"(\d+)([smhd])", text)
    if not found:
        raise argparse.ArgumentTypeError("give a number and one of s, m, h, d, such as 24h")
    return int(found[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[found[2]]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--command", type=pathlib.Path, default=ROOT / "target" / "debug" / "bluegreen", help="the command")
    parser.add_argument("--worlds", default=",".join(kind.name for kind in KINDS), help="names, with commas between")
    parser.add_argument("--soak", type=seconds, help="how long, such as 24h")
    parser.add_argument("--kill-every", type=seconds, default=600, help="the mean time between two kills (default 10m)")
    parser.add_argument("--keep", action="store_true", help="keep the logs of a run that is right, too")
    given = parser.parse_args()
    known = [kind.name for kind in KINDS]
    given.worlds = given.worlds.split(",")
    if not set(given.worlds) <= set(known):
        parser.error(f"worlds are {', '.join(known)}")
    if not given.command.exists():
        parser.error(f"{given.command} does not exist: cargo build --locked -p bluegreen-cli")
    if not shutil.which("haproxy"):
        parser.error("there is no haproxy: apt-get install haproxy")
    return given


def free_base(places):
    """A number so that 127.NUMBER.x.x and the next ones are free for the worlds."""
    for base in range(40, 240, 8):
        with contextlib.ExitStack() as bound:
            try:
                for place in range(places):
                    one = bound.enter_context(socket.socket())
                    one.bind((f"127.{base + place}.0.1", 8080))
            except OSError:
                continue
            return base
    raise AssertionError("no free addresses on loopback")


def start_emulators(processes):
    """Returns the URLs of moto and of ministack."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    env = {"RULE_CHANGES": str(processes.folder / "rule-changes.jsonl"), "MOTO_ECS_SERVICE_RUNNING": str(TASKS)}
    moto = processes.start("moto", [sys.executable, HERE / "moto_with_health.py"], env, **pipes)
    serve = ROOT / "tests" / "emulator" / "serve.py"
    ministack = processes.start("ministack", [sys.executable, serve, "ministack"], **pipes)
    urls = [f"http://127.0.0.1:{int(one.stdout.readline())}" for one in (moto, ministack)]

    def answers(url):
        with contextlib.suppress(OSError):
            return urllib.request.urlopen(url, timeout=5).status == 200

    wait_for("moto", lambda: answers(f"{urls[0]}/moto-api/"))
    wait_for("ministack", lambda: answers(f"{urls[1]}/_ministack/health"))
    return urls


def run(given, processes):
    """Returns the problems of all worlds."""
    moto, ministack = start_emulators(processes)
    for name, value in aws.environment(moto, ministack).items():
        os.environ[name] = value
    plane = ControlPlane()
    kinds = [soak.KIND] if given.soak else [kind for kind in KINDS if kind.name in given.worlds]
    base = free_base(len(kinds))
    worlds = [World(kind, place, processes, given.command.resolve(), moto, ministack, base, plane)
              for place, kind in enumerate(kinds)]
    play = (lambda world: soak.play(world, given.soak, given.kill_every)) if given.soak else World.play
    problems = []
    # A process dies with the thread that started it: the threads of the pool stay until all worlds have ended.
    pool = concurrent.futures.ThreadPoolExecutor(len(worlds))
    playing = {world: pool.submit(play, world) for world in worlds}
    for world, played in playing.items():
        try:
            played.result()
        except Exception as error:
            problems.append(f"{world.kind.name}: {str(error) or type(error).__name__}")
            traceback.print_exception(type(error), error, error.__traceback__)
    pool.shutdown()
    whole = [world for world in worlds if hasattr(world, "live")]
    if whole:
        print("\n" + verdicts.table(whole), flush=True)
    for world in whole:
        problems += [f"{world.kind.name}: {problem}" for problem in verdicts.problems(world)]
    return problems


def main():
    given = arguments()
    began = time.monotonic()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bluegreen-real-"))
    processes = Processes(folder)

    def stop(*_):
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    problems = []
    try:
        problems += run(given, processes)
    except BaseException as error:
        problems.append(f"it did not come to its end: {str(error) or type(error).__name__}")
        traceback.print_exception(type(error), error, error.__traceback__)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        processes.end_all()
        left = processes.left()
        for process, words in left.items():
            problems.append(f"left running: {process} {words}")
            os.kill(process, signal.SIGKILL)
        for problem in problems[:40]:
            print(f"FAIL {problem}")
        if problems or given.keep:
            print(f"logs: {folder}")
        else:
            shutil.rmtree(folder)
    print(f"{'failed' if problems else 'ok'}, {time.monotonic() - began:.0f} s", flush=True)
    # Threads of a world that was stopped may still wait for something.
    os._exit(1 if problems else 0)


if __name__ == "__main__":
    main()
