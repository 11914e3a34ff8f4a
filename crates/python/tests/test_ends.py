"""How a run ends if its process is asked to: signals, the exit of the interpreter, a fork.

Each case is a program of its own. It prints what it got; the test sends it signals once it has said so.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable

import pytest
from conftest import end_of

Program = Callable[..., "subprocess.Popen[str]"]

# A migration that has shifted, in a world so slow that it never ends by itself during a test.
WORLD = """
    import os, signal, sys, threading, time
    import bluegreen
    from bluegreen import Migration, Simulation

    world = Simulation("healthy", speed=60)
    migration = Migration(world.spec, world)
"""
RUNNING = (
    WORLD
    + """
    def say(event):
        if event.name == "shifted":
            print("SHIFTED", flush=True)

    migration.on_event(say)
"""
)
RUN = (
    RUNNING
    + """
    try:
        outcome = migration.run()
    except BaseException as error:
        print("RAISED", type(error).__name__)
        raise
    print("OUTCOME", outcome.kind, outcome.exit_code, *world.weights)
    raise SystemExit(outcome.exit_code)
"""
)


def until(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(word):
            return
    pytest.fail(f"it never said {word}: {process.stderr and process.stderr.read()}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_signal_cancels_and_the_run_returns_its_outcome(program: Program, number: int) -> None:
    process = program(RUN)
    until(process, "SHIFTED")
    process.send_signal(number)
    code, out, err = end_of(process)
    assert out.splitlines()[-1] == "OUTCOME rolled_back 11 100 0", err
    assert code == 11


def test_a_second_sigint_without_a_terminal_waits_for_the_rollback(program: Program) -> None:
    process = program(RUN)
    until(process, "SHIFTED")
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    _, out, err = end_of(process)
    assert out.splitlines()[-1] == "OUTCOME rolled_back 11 100 0", err


def test_the_handlers_of_before_are_back_after_the_run(program: Program) -> None:
    process = program(
        """
        import signal
        from bluegreen import Migration, Simulation

        def own(number, frame): pass

        signal.signal(signal.SIGTERM, own)
        before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
        world = Simulation("healthy")
        Migration(world.spec, world).run()
        print((signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before)
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            print("KeyboardInterrupt")
        """
    )
    code, out, err = end_of(process)
    assert out.split() == ["True", "KeyboardInterrupt"], err
    assert code == 0


def test_sigint_in_asyncio_run_ends_with_a_restored_blue(program: Program) -> None:
    process = program(
        RUNNING
        + """
    import asyncio

    async def main():
        outcome = await migration.run_async()
        print("OUTCOME", outcome.kind, outcome.exit_code, *world.weights)

    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        # asyncio.run raises it once its main task has ended.
        print("AFTER", *world.weights)
    """
    )
    until(process, "SHIFTED")
    process.send_signal(signal.SIGINT)
    code, out, err = end_of(process)
    assert "OUTCOME rolled_back 11 100 0" in out, err
    assert code == 0, err


def test_exit_of_the_interpreter_restores_blue_first(program: Program) -> None:
    process = program(
        WORLD
        + """
    def tell(event):
        if event.name == "ended":
            print("ENDED", event.data["outcome"]["outcome"], *world.weights, flush=True)
    migration.on_event(tell)
    for event in migration.events():
        if event.name == "shifted":
            break
    print("LEAVING", flush=True)
    """
    )
    until(process, "LEAVING")
    code, out, err = end_of(process)
    assert out.splitlines()[-1] == "ENDED rolled_back 100 0", err
    assert code == 0


def test_sys_exit_in_another_thread_or_an_uncaught_error_restores_blue(program: Program) -> None:
    process = program(
        WORLD
        + """
    def tell(event):
        if event.name == "ended":
            print("ENDED", event.data["outcome"]["outcome"], *world.weights, flush=True)
    migration.on_event(tell)
    for event in migration.events():
        if event.name == "shifted":
            raise RuntimeError("the script has a mistake")
    """
    )
    code, out, err = end_of(process)
    assert "ENDED rolled_back 100 0" in out, err
    assert code == 1 and "the script has a mistake" in err


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_leaves_the_run_with_the_parent(program: Program) -> None:
    process = program(
        WORLD
        + """
    import warnings
    warnings.simplefilter("ignore")
    for event in migration.events():
        if event.name == "shifted":
            break
    child = os.fork()
    if child == 0:
        # The run does not exist here: asking for it is an error, and the exit of the child waits for nothing.
        try:
            migration.run()
            print("CHILD got an outcome", flush=True)
        except RuntimeError as error:
            print("CHILD", "fork" in str(error).lower(), flush=True)
        sys.exit(0)
    _, status = os.waitpid(child, 0)
    print("STATUS", status, flush=True)
    migration.handle.abort("ann")
    outcome = migration.run()
    print("PARENT", outcome.kind, *world.weights)
    """
    )
    code, out, err = end_of(process)
    assert out.splitlines() == ["CHILD True", "STATUS 0", "PARENT rolled_back 100 0"], err
    assert code == 0


def test_a_child_may_run_a_migration_of_its_own(program: Program) -> None:
    process = program(
        """
        import os, sys, warnings
        from bluegreen import Migration, Simulation
        warnings.simplefilter("ignore")

        def run():
            world = Simulation("healthy")
            return Migration(world.spec, world).run().kind

        print(run(), flush=True)
        child = os.fork()
        if child == 0:
            print(run(), flush=True)
            sys.exit(0)
        os.waitpid(child, 0)
        print(run())
        """
    )
    _, out, err = end_of(process)
    assert out.split() == ["promoted"] * 3, err


def test_multiprocessing_spawn_runs_migrations(program: Program) -> None:
    process = program(
        """
        import multiprocessing
        from bluegreen import Migration, Outcome, Simulation

        def run(seed):
            world = Simulation("green-errors", seed=seed)
            return Migration(world.spec, world).run()

        if __name__ == "__main__":
            with multiprocessing.get_context("spawn").Pool(2) as pool:
                outcomes = pool.map(run, [1, 2])
            print(*[outcome.exit_code for outcome in outcomes], all(isinstance(one, Outcome) for one in outcomes))
        """
    )
    _, out, err = end_of(process)
    assert out.split() == ["10", "10", "True"], err
