"""Signals: Ctrl-C and SIGTERM ask a command to end, others ask it for something else."""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import time
from collections.abc import Iterator
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
END_WITHIN_S = 0.9
"""A command that was asked to end and has not, whatever it waits for, is ended: within a second, all in all."""


class StopRequested(BaseException):
    """Raised in the main thread by a signal inside `StopFlag.interruptible`; ends the command as asked."""


class StopFlag:
    """Set by a signal, for a loop that checks it. A plain flag: a handler must not take locks."""

    def __init__(self) -> None:
        self._is_set = False
        self._raises = False

    def is_set(self) -> bool:
        """Return whether the command was asked to end."""
        return self._is_set

    def set(self) -> None:
        """Ask to end; raises `StopRequested` inside `interruptible`."""
        self._is_set = True
        if self._raises:
            raise StopRequested

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """Let a signal interrupt this block, which may wait for others without end."""
        self._raises = True
        try:
            if self._is_set:
                raise StopRequested
            yield
        finally:
            self._raises = False


_flag: StopFlag | None = None


def _on_signal(_number: int, _frame: FrameType | None) -> None:
    """End at once, or set the flag of the block that ends by itself, and see to it that it does.

    Nothing is raised where the signal happens to come: an import, a destructor or a callback might swallow it.
    """
    if _flag is None:
        os._exit(0)
    if not _flag.is_set():
        with contextlib.suppress(RuntimeError):  # there are too many threads already
            _thread.start_new_thread(_end_in_time, ())  # threading takes locks, which the main thread may hold
    _flag.set()


def _end_in_time() -> None:
    time.sleep(END_WITHIN_S)
    os._exit(0)


def end_on_signals() -> None:
    """From now on Ctrl-C and SIGTERM end the process with 0, without Python's teardown. Main thread only."""
    for number in SIGNALS:
        signal.signal(number, _on_signal)


@contextlib.contextmanager
def deferred_stop() -> Iterator[StopFlag]:
    """After `end_on_signals`: set a flag instead, in this block, which has `END_WITHIN_S` from then on."""
    global _flag  # noqa: PLW0603 - signal handlers belong to the process
    _flag = StopFlag()
    try:
        yield _flag
    finally:
        _flag = None


class Request:
    """Set by a signal (SIGHUP, SIGUSR1, SIGUSR2), for a loop that checks it. Main thread only."""

    def __init__(self, number: signal.Signals) -> None:
        self._is_set = False
        signal.signal(number, self._on_signal)

    def take(self) -> bool:
        """Return whether there was one since the last call."""
        was_set, self._is_set = self._is_set, False
        return was_set

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._is_set = True
