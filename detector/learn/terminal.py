"""The terminal of a dialogue: single keys come in, lines and a level bar go out."""

from __future__ import annotations

import contextlib
import math
import os
import select
import sys
import termios
import tty
from collections.abc import Iterator
from types import TracebackType
from typing import Protocol, Self, TextIO

import numpy as np
from numpy.typing import NDArray

from detector.samples import INT16_SCALE
from detector.text import printable

BAR_CELLS = 30
FAINTEST_DBFS = -60.0
"""Where the bar begins; it ends at full scale."""


class Screen(Protocol):
    """Where a dialogue is held."""

    @property
    def has_keys(self) -> bool:
        """Somebody can press keys and watch a level."""
        ...

    def show(self, text: str) -> None:
        """Write a line that stays."""
        ...

    def show_level(self, samples: NDArray[np.int16], text: str) -> None:
        """Redraw the line of the level, that of the latest samples, where somebody watches."""
        ...

    def read_key(self) -> str | None:
        """Return a key that was pressed since the last call."""
        ...


class Terminal:
    """Keys of standard input and lines of standard error; without keys and a level bar where these are no terminals.

    Inside its `with` block a key comes as it is pressed, and is not shown. Main thread only.
    """

    def __init__(self, keys: TextIO | None = None, lines: TextIO | None = None) -> None:
        self._keys = keys or sys.stdin
        self._lines = lines or sys.stderr
        self._opened = contextlib.ExitStack()
        self._is_bar_shown = False
        self.has_keys = _is_terminal(self._keys) and _is_terminal(self._lines)

    def __enter__(self) -> Self:
        """Have keys delivered one by one."""
        if self.has_keys:
            self._opened.enter_context(_single_keys(self._keys.fileno()))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the terminal back as it was; may be done twice."""
        self._clear_bar()
        self._opened.close()

    def show(self, text: str) -> None:
        """Write a line that stays, above the level bar."""
        self._clear_bar()
        self._lines.write(f"{printable(text)}\n")
        self._lines.flush()

    def show_level(self, samples: NDArray[np.int16], text: str) -> None:
        """Redraw the level bar for some samples, shape (n,), and a text behind it."""
        if not self.has_keys or not len(samples):
            return
        level_dbfs = _level(samples)
        part = 1.0 - max(level_dbfs, FAINTEST_DBFS) / FAINTEST_DBFS
        n_filled = min(BAR_CELLS, math.ceil(BAR_CELLS * part))
        bar = "#" * n_filled + "." * (BAR_CELLS - n_filled)
        level = "silence" if level_dbfs == -math.inf else f"{level_dbfs:4.0f} dBFS"
        self._lines.write(f"\r[{bar}] {level}  {printable(text)}\x1b[K")
        self._lines.flush()
        self._is_bar_shown = True

    def read_key(self) -> str | None:
        """Return a key that was pressed since the last call, without waiting for one."""
        if not self.has_keys or not select.select([self._keys], [], [], 0.0)[0]:
            return None
        try:
            key = os.read(self._keys.fileno(), 1)
        except OSError:
            key = b""
        return key.decode(errors="replace") or "q"  # it has hung up: nobody is there any more

    def _clear_bar(self) -> None:
        if self._is_bar_shown:
            self._lines.write("\r\x1b[K")
            self._lines.flush()
            self._is_bar_shown = False


@contextlib.contextmanager
def _single_keys(descriptor: int) -> Iterator[None]:
    """Let a terminal deliver keys one by one, without showing them; Ctrl-C goes on to be a signal."""
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor, termios.TCSANOW)
    try:
        yield
    finally:
        with contextlib.suppress(termios.error):  # it has hung up
            termios.tcsetattr(descriptor, termios.TCSANOW, before)


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # closed
        return False


def _level(samples: NDArray[np.int16]) -> float:
    """Return the root mean square of samples in dB of full scale."""
    power = float(np.mean((samples / INT16_SCALE) ** 2))
    return 10.0 * math.log10(power) if power > 0.0 else -math.inf
