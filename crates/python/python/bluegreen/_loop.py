"""What the compiled part needs of asyncio. Private; nothing imports this module before a coroutine or a loop needs it,
since asyncio takes more memory than a whole run.

A run lives in a thread of its own. Its results and the calls of coroutines come to a loop by `call_soon_threadsafe`.
Nothing here decides anything about a run.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import weakref
from typing import Any, Optional

_log = logging.getLogger("bluegreen")

# --- coroutines of roles ------------------------------------------------------------------------------

_background: Optional[asyncio.AbstractEventLoop] = None
_background_pid = 0
_lock = threading.Lock()


def background_loop() -> asyncio.AbstractEventLoop:
    """A loop in a thread of its own, for roles with coroutines while no loop of the caller runs."""
    global _background, _background_pid
    with _lock:
        if _background is None or _background_pid != os.getpid():
            _background = asyncio.new_event_loop()
            _background_pid = os.getpid()
            thread = threading.Thread(target=_for_ever, args=(_background,), name="bluegreen-asyncio", daemon=True)
            thread.start()
        return _background


def _for_ever(loop: asyncio.AbstractEventLoop) -> None:
    """What a coroutine raises to end its program, as `SystemExit`, is told to its run. It must not end the loop."""
    while True:
        try:
            loop.run_forever()
        except BaseException:
            _log.debug("a role's coroutine tried to end the program", exc_info=True)


_homes: "weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Any]" = weakref.WeakKeyDictionary()


def home_of(loop: Optional[asyncio.AbstractEventLoop], make: Any) -> "tuple[asyncio.AbstractEventLoop, Any]":
    """Returns the loop for coroutines of a role, and the box in which work waits for that loop."""
    home = loop if loop is not None else background_loop()
    with _lock:
        inbox = _homes.get(home)
        if inbox is None:
            inbox = _homes[home] = make()
        return home, inbox


def task_of(awaitable: Any, ended: Any) -> "asyncio.Future[Any]":
    """Runs what a role has returned on this thread's loop, which then calls `ended`."""
    task: "asyncio.Future[Any]" = asyncio.ensure_future(awaitable)
    task.add_done_callback(ended)
    return task


# --- results ------------------------------------------------------------------------------------------


def settle(future: "asyncio.Future[Any]", value: Any, error: Optional[BaseException]) -> None:
    """Called on the loop of `future`."""
    if future.done():
        return
    if error is None:
        future.set_result(value)
    else:
        future.set_exception(error)


async def outcome_of(run: Any) -> Any:
    """Waits for the end of a run. A cancellation of the task cancels the run, and the outcome is returned all
    the same."""
    future = run._future(asyncio.get_running_loop())
    while True:
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            if future.cancelled():
                raise
            task = asyncio.current_task()
            if task is not None and hasattr(task, "uncancel"):
                task.uncancel()
            run.handle.cancel("the asyncio task was cancelled")


async def next_event(events: Any) -> Any:
    loop = asyncio.get_running_loop()
    while True:
        found = events._pop()
        if found is not None:
            return found[0]
        if events._is_over():
            found = events._pop()
            if found is not None:
                return found[0]
            raise StopAsyncIteration
        await events._wake(loop)


async def answer_of(answer: Any) -> Any:
    return await answer._future(asyncio.get_running_loop())
