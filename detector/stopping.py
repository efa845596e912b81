"""Ctrl-C and SIGTERM: how a command is asked to end."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)

_deferred: threading.Event | None = None


class StopRequested(BaseException):
    """Raised in the main thread by a signal, wherever it is; ends the command as asked."""


def _on_signal(_number: int, _frame: FrameType | None) -> None:
    if _deferred is not None:
        _deferred.set()
    else:
        raise StopRequested


@contextlib.contextmanager
def stop_signals() -> Iterator[None]:
    """Raise `StopRequested` on Ctrl-C and SIGTERM in this block. Main thread only."""
    before = {number: signal.signal(number, _on_signal) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def deferred_stop() -> Iterator[threading.Event]:
    """Within `stop_signals`: set an event instead, for a loop that looks at it."""
    global _deferred  # noqa: PLW0603 - signal handlers belong to the process
    _deferred = threading.Event()
    try:
        yield _deferred
    finally:
        _deferred = None
