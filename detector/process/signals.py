"""Signals: Ctrl-C and SIGTERM ask a command to end, others ask it for something else."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequested(BaseException):
    """Raised in the main thread by a signal, wherever it is; ends the command as asked."""


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
    if _flag is None:
        raise StopRequested
    _flag.set()


def raise_on_signals() -> None:
    """From now on Ctrl-C and SIGTERM raise `StopRequested`. Main thread only."""
    for number in SIGNALS:
        signal.signal(number, _on_signal)


def ignore_signals() -> None:
    """From now on Ctrl-C and SIGTERM are ignored: the command is ending already."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextlib.contextmanager
def deferred_stop() -> Iterator[StopFlag]:
    """After `raise_on_signals`: set a flag instead, in this block."""
    global _flag  # noqa: PLW0603 - signal handlers belong to the process
    _flag = StopFlag()
    try:
        yield _flag
    finally:
        _flag = None


class Request:
    """Set by a signal (SIGHUP, SIGUSR2), for a loop that checks it. Main thread only."""

    def __init__(self, number: signal.Signals) -> None:
        self._is_set = False
        signal.signal(number, self._on_signal)

    def take(self) -> bool:
        """Return whether there was one since the last call."""
        was_set, self._is_set = self._is_set, False
        return was_set

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._is_set = True
