"""What the compiled part needs of asyncio and of signals. Private.

A run lives in a thread of its own. Its results come to asyncio by `call_soon_threadsafe`, and coroutines of
roles go there by `run_coroutine_threadsafe`. Nothing here decides anything about a run.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import inspect
import logging
import os
import signal
import sys
import threading
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
            thread = threading.Thread(target=_background.run_forever, name="bluegreen-asyncio", daemon=True)
            thread.start()
        return _background


def running_loop() -> Optional[asyncio.AbstractEventLoop]:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


async def _awaited(awaitable: Any) -> Any:
    return await awaitable


def completed(answer: Any, loop: Optional[asyncio.AbstractEventLoop], slot: Any) -> Any:
    """Returns what a role answered; an awaitable is run on `loop` first. Blocks, in a thread for that. `slot`
    gets the future, so that a call that is given up can be cancelled."""
    if not inspect.isawaitable(answer):
        return answer
    home = loop if loop is not None else background_loop()
    if home.is_closed():
        if inspect.iscoroutine(answer):
            answer.close()
        raise RuntimeError("the event loop of this run is closed")
    future = asyncio.run_coroutine_threadsafe(_awaited(answer), home)
    slot.put(future)
    while True:
        concurrent.futures.wait([future], timeout=0.5)
        if future.done():
            return future.result()
        if home.is_closed():
            raise RuntimeError("the event loop of this run was closed")


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


def callback_failed(callback: Any, error: BaseException) -> None:
    _log.error(
        "an event's callback %r failed; the run continues",
        callback,
        exc_info=(type(error), error, error.__traceback__),
    )


# --- signals ------------------------------------------------------------------------------------------

_active: "set[Any]" = set()
_before: "dict[int, Any]" = {}
_interrupts = 0


def _is_ours_to_take(number: int, handler: Any) -> bool:
    """The handlers of Python and of `asyncio.run` end the program in the middle of a run. A handler of the
    program itself stays."""
    if number == signal.SIGINT:
        if handler is signal.default_int_handler:
            return True
        inner = handler.func if isinstance(handler, functools.partial) else handler
        return getattr(inner, "__qualname__", "") == "Runner._on_sigint"
    return handler is signal.SIG_DFL


def _signalled(number: int, frame: Any) -> None:
    global _interrupts
    if not _active:
        before = _before.get(number, signal.SIG_DFL)
        _give_back()
        if callable(before):
            before(number, frame)
        else:
            signal.raise_signal(number)
        return
    _interrupts += number == signal.SIGINT
    for handle in list(_active):
        if number == signal.SIGINT and _interrupts > 1 and sys.stdin is not None and sys.stdin.isatty():
            handle.stop("a second Ctrl-C")
        else:
            handle.cancel(signal.Signals(number).name)


def _give_back() -> None:
    global _interrupts
    _interrupts = 0
    for number, handler in list(_before.items()):
        del _before[number]
        if signal.getsignal(number) is _signalled:
            signal.signal(number, handler)


def begun(handle: Any) -> None:
    """A run begins. In the main thread SIGINT and SIGTERM cancel it from now on."""
    _active.add(handle)
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGINT, signal.SIGTERM):
        handler = signal.getsignal(number)
        if handler is not _signalled and _is_ours_to_take(number, handler):
            _before[number] = handler
            signal.signal(number, _signalled)


def ended(handle: Any) -> None:
    """A run has ended; called in any thread."""
    _active.discard(handle)


def released() -> None:
    """The caller has the outcome of a run. In the main thread the handlers from before come back."""
    if not _active and _before and threading.current_thread() is threading.main_thread():
        _give_back()
