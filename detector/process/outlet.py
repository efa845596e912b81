"""Lines to a stream that is read slowly, or not at all: they wait, and the detector does not."""

from __future__ import annotations

import errno
import logging
import os
import select
import sys
import threading
import time
from collections import deque
from typing import TextIO, cast

from detector.process.stderr import move_log
from detector.process.stdout import has_no_reader

log = logging.getLogger(__name__)

MOST_LINES = 1000
"""Lines that wait at most; of more the oldest are dropped."""
PIECE_BYTES = 4096
"""A pipe that is writable takes this much without blocking (PIPE_BUF on Linux)."""


class Outlet:
    """A text stream, as far as writers of lines need one, whose writing never waits. For any threads.

    What cannot be written at once (a pipe that is full, a disk that is full) is kept and tried again with each `flush`.
    """

    def __init__(self, descriptor: int, *, most_lines: int = MOST_LINES, encoding: str = "utf-8") -> None:
        """Write to a file descriptor, which stays its owner's."""
        self._descriptor = descriptor
        self._lines: deque[bytes] = deque()
        self._most_lines = most_lines
        self._lock = threading.Lock()
        self._n_written_of_first = 0
        self.encoding = encoding
        self.n_dropped = 0
        """Lines that were dropped because nobody took them."""
        self.trouble: str | None = None
        """Why lines wait although the stream can be written to: a full disk."""

    def reconfigure(self, *, encoding: str | None = None, errors: str | None = None) -> None:
        """Encode lines in another way from now on; what an encoding lacks is shown in ASCII in any case."""
        del errors
        self.encoding = encoding or self.encoding

    def redirect(self, descriptor: int) -> None:
        """Write to another file descriptor from now on; a line that is half written begins anew there."""
        with self._lock:
            self._descriptor, self._n_written_of_first, self.trouble = descriptor, 0, None

    @property
    def n_waiting(self) -> int:
        """Lines that wait."""
        return len(self._lines)

    def write(self, text: str) -> int:
        """Take whole lines; they are written by `flush`."""
        with self._lock:
            lines = text.splitlines(keepends=True)
            self._lines.extend(line.encode(self.encoding, errors="backslashreplace") for line in lines)
            while len(self._lines) > self._most_lines:
                # The first may be half written; what follows it is the oldest that can go without cutting a line.
                del self._lines[1 if self._n_written_of_first else 0]
                self.n_dropped += 1
        return len(text)

    def flush(self) -> None:
        """Write what can be written now.

        Raises
        ------
        OSError
            If the stream can take nothing any more: `BrokenPipeError` when its reader has gone, or its terminal.
        """
        with self._lock:
            while self._lines and select.select([], [self._descriptor], [], 0)[1]:
                piece = self._lines[0][self._n_written_of_first :][:PIECE_BYTES]
                try:
                    n_written = os.write(self._descriptor, piece)
                except BlockingIOError:
                    return
                except OSError as exc:
                    if has_no_reader(exc, self._descriptor):
                        raise BrokenPipeError(errno.EPIPE, exc.strerror) from exc
                    if exc.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
                        raise
                    self.trouble = exc.strerror
                    return
                self.trouble = None
                self._n_written_of_first += n_written
                if self._n_written_of_first == len(self._lines[0]):
                    self._lines.popleft()
                    self._n_written_of_first = 0

    def drop(self) -> None:
        """Drop the lines that wait, and count them."""
        with self._lock:
            self.n_dropped += len(self._lines)
            self._lines.clear()
            self._n_written_of_first = 0

    def finish(self, timeout_s: float) -> None:
        """Write the rest, for at most timeout_s; raises as `flush` does."""
        deadline_s = time.monotonic() + timeout_s
        self.flush()
        while self._lines and time.monotonic() < deadline_s:
            time.sleep(0.01)
            self.flush()


def divert_log() -> Outlet:
    """From now on logging never waits for a reader; return the outlet that has to be flushed. For a whole process."""
    outlet = Outlet(sys.stderr.fileno(), encoding=sys.stderr.encoding)
    move_log(cast("TextIO", outlet))
    return outlet
