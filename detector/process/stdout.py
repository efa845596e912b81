"""Standard output: its encoding, and whether anybody is there to read it."""

from __future__ import annotations

import errno
import os
import stat
import sys
from typing import Protocol

STDOUT = 1
"""Its file descriptor."""


class Encoded(Protocol):
    """As much of a text stream as sets how it is encoded."""

    def reconfigure(self, *, encoding: str | None = None, errors: str | None = None) -> None:
        """Encode what is written from now on in another way."""


def open_standard_streams() -> None:
    """Make standard streams that nothing can be wrong with. For a whole process, before it opens anything.

    In place of those that are closed nothing is opened, so that files do not take their numbers. A character that an
    encoding lacks is shown in ASCII.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_WRONLY)  # the lowest free number, which is this one
    if sys.stdout is None:
        sys.stdout = open(1, "w")  # noqa: SIM115 - for the life of the process
    if sys.stderr is None:
        sys.stderr = open(2, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        encode(stream)


def encode(stream: object, encoding: str | None = None) -> None:
    """Let a text stream use an encoding, or keep its own, and show what that lacks in ASCII.

    A stream that is not encoded, as a test may use, stays as it is.
    """
    if hasattr(stream, "reconfigure"):
        encoded: Encoded = stream
        encoded.reconfigure(encoding=encoding, errors="backslashreplace")


def has_no_reader(error: OSError, descriptor: int) -> bool:
    """Return whether a stream could not be written to because who read it has gone: a pipe, a socket, a terminal.

    A terminal that hung up fails as a broken disk does.
    """
    if error.errno == errno.EIO:
        try:
            return stat.S_ISCHR(os.fstat(descriptor).st_mode)
        except OSError:
            return False
    return error.errno in (errno.EPIPE, errno.ECONNRESET)
