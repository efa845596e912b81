"""The log: one line for each record, whatever its texts hold."""

from __future__ import annotations

import json
import logging
import sys
from datetime import datetime
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


class JsonFormatter(logging.Formatter):
    """Formats a record, its traceback included, as one line of JSON, which is ASCII whatever stderr can take."""

    def __init__(self, source_id: str | None) -> None:
        super().__init__()
        self._source_id = source_id

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        fields = {
            "time": datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": printable(record.getMessage()),
        }
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info).encode(errors="backslashreplace").decode()
        if self._source_id is not None:
            fields["source_id"] = printable(self._source_id)
        return json.dumps(fields)


def set_log(level: str, *, as_json: bool = False, source_id: str | None = None) -> None:
    """From now on log what is at least of a level, and in what form, where `log_to_stderr` has begun to.

    Parameters
    ----------
    level : str
        `debug`, `info`, `warning` or `error`.
    as_json : bool
        JSON Lines instead of lines for people.
    source_id : str, optional
        What each line names as its origin.
    """
    root = logging.getLogger()
    root.setLevel(level.upper())
    origin = f" {source_id.replace('%', '%%')}" if source_id else ""
    for handler in root.handlers:
        if isinstance(handler.formatter, LineFormatter | JsonFormatter):
            line = LineFormatter(f"keyword-detector{origin}: %(message)s")
            handler.setFormatter(JsonFormatter(source_id) if as_json else line)


def log_to_stderr(line: str) -> None:
    """From now on log to stderr, each record in the form that a format of `logging` gives. For a whole process.

    Has no effect where something has set logging up before, as `logging.basicConfig` has none.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter(line))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
