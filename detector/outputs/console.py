"""Detections on the console: one line each, flushed, for people, as JSON Lines or as a table."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import TextIO

from detector.errors import DetectorError, OutputClosed
from detector.events import Detection, Event, Gap, Opened, State, StatusReport
from detector.outputs.stamps import Stamps
from detector.process.signals import StopFlag
from detector.process.stdout import STDOUT, encode, has_no_reader
from detector.text import printable

WRITTEN = (Gap, State, StatusReport)
"""Events, where they are wanted: windows and turns of the loop come many times a second."""
COLUMNS = ("source", "keyword", "score", "start_s", "time_s")
"""Of a table: keys of the same names hold the same in JSON Lines."""


class Console:
    """A listener that writes detections to a text stream and, where wanted, some other events."""

    def __init__(
        self,
        *,
        as_json: bool,
        with_events: bool = False,
        as_csv: bool = False,
        names_source: bool = False,
        stream: TextIO | None = None,
        stop: StopFlag | None = None,
        stamps: Stamps | None = None,
    ) -> None:
        """Write to standard output, or to another stream.

        Parameters
        ----------
        as_json : bool
            JSON Lines instead of lines for people.
        with_events : bool
            With `as_json`: write `WRITTEN` too.
        as_csv : bool
            A table, with its head, instead of lines for people.
        names_source : bool
            Begin lines for people with the source, as it is one of several.
        stream : text stream, optional
        stop : StopFlag, optional
            What interrupts the writing to a reader that does not read.
        stamps : Stamps, optional
            Those that other outputs have, too.
        """
        self.as_json = as_json
        self.with_events = with_events
        self._as_csv = as_csv
        self._names_source = names_source
        self._stream = sys.stdout if stream is None else stream
        self._encoding = getattr(self._stream, "encoding", None)
        self._stop = stop
        self._stamps = stamps or Stamps()
        self._opened: Opened | None = None

    def hear(self, event: Event) -> None:
        """Write a detection, and where events are wanted those of `WRITTEN`.

        Raises
        ------
        OutputClosed
            If the reader has closed the stream.
        DetectorError
            If it cannot be written to.
        """
        if isinstance(event, Opened):
            if self._as_csv and self._opened is None:
                self._write(format_row(COLUMNS))
            self._opened = event
        elif isinstance(event, Detection) or (self.with_events and isinstance(event, WRITTEN)):
            assert self._opened is not None
            now = self._stamps.of(event, self._opened)
            if self.as_json:
                self._write(event.encode(self._opened, now))
            elif isinstance(event, Detection) and self._as_csv:
                fields = event.describe(self._opened) | {"source": self._opened.source}
                self._write(format_row([fields[column] for column in COLUMNS]))
            elif isinstance(event, Detection):
                source = f"{self._opened.source}  " if self._names_source else ""
                self._write(printable(source) + format_detection(event, now))

    def _write(self, line: str) -> None:
        if self._stop is None:
            self._write_line(line)
        else:
            with self._stop.interruptible():
                self._write_line(line)

    def _write_line(self, line: str) -> None:
        wanted = "utf-8" if self.as_json or self._as_csv else self._encoding  # a reload may change which
        try:
            if self._encoding is not None and self._stream.encoding != wanted:
                encode(self._stream, wanted)
            self._stream.write(f"{line}\n")
            self._stream.flush()
        except OSError as exc:
            if isinstance(exc, BrokenPipeError) or has_no_reader(exc, STDOUT):
                raise OutputClosed from exc
            raise DetectorError(f"expected to write detections to standard output, found: {exc.strerror}") from exc


def format_detection(detection: Detection, now: datetime | None) -> str:
    """Return a detection for people to read: time of day, or else position in the recording, word and score."""
    when = format_time(detection.time_s) if now is None else now.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    return printable(f"{when}  {detection.keyword}  {detection.score:.2f}")


def format_row(values: Sequence[object]) -> str:
    """Return a row of a table: CSV with commas, without the end of its line."""
    row = io.StringIO()
    csv.writer(row, lineterminator="").writerow(printable(str(value)) for value in values)
    return row.getvalue()


def format_time(seconds: float) -> str:
    """Return a position in a recording as hours, minutes and seconds: 12.34 is "00:00:12.340"."""
    milliseconds = round(seconds * 1000)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{milliseconds // 1000:02d}.{milliseconds % 1000:03d}"
