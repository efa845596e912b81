"""The log: one line for each record, whatever its texts hold."""

from __future__ import annotations

import logging
import sys
from types import TracebackType

from detector.text import printable

_Trace = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class LineFormatter(logging.Formatter):
    """Formats a record as one printable line; those of a traceback follow indented, so that none looks like another."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Return the line of a record."""
        return printable(super().formatMessage(record))

    def formatException(self, ei: _Trace) -> str:  # noqa: N802
        """Return the lines of a traceback."""
        return "\n".join(f"  {printable(line)}" for line in super().formatException(ei).split("\n"))


def log_to_stderr(line: str) -> None:
    """From now on log to stderr, each record in the form that a format of `logging` gives. For a whole process.

    Has no effect where something has set logging up before, as `logging.basicConfig` has none.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter(line))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
