"""What the compiled part needs of Python's own: the running loop, callbacks and signals. Private.

Nothing here decides anything about a run. Large modules are imported where they are needed: most programs need none
of them.
"""

from __future__ import annotations

import functools
import signal
import sys
import threading

# As in `_errors`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from typing import Any, Optional


def running_loop() -> Optional[asyncio.AbstractEventLoop]:
    """Returns the loop of this thread. A program that has not imported asyncio has none."""
    found = sys.modules.get("asyncio")
    running = getattr(found, "_get_running_loop", None)
    return running() if running is not None else None


def is_coroutine_function(callee: Any) -> bool:
    """Whether a call of it only makes a coroutine, and so takes no time."""
    import inspect

    return inspect.iscoroutinefunction(callee) or inspect.iscoroutinefunction(getattr(callee, "__call__", None))


def callback_failed(callback: Any, error: BaseException) -> None:
    import logging

    logging.getLogger("bluegreen").error(
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
