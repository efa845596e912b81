"""Detections as labels of Audacity: a file for each recording, to be imported beside it."""

from __future__ import annotations

from pathlib import Path

from detector.errors import DetectorError
from detector.events import Closed, Detection, Event
from detector.text import printable


class Labels:
    """A listener that writes a label for each detection in a recording, when that has ended.

    A label is a line: where the word starts and where it was detected, in seconds, and the word, with tabs between.
    """

    def __init__(self, file: Path) -> None:
        """Write to a file, which is replaced if it is there; its folder is made."""
        self._file = file
        self._lines: list[str] = []

    def hear(self, event: Event) -> None:
        """Take a detection, or write the file at the end.

        Raises
        ------
        DetectorError
            If it cannot be written.
        """
        if isinstance(event, Detection):
            self._lines.append(f"{event.start_s:.6f}\t{event.time_s:.6f}\t{printable(event.keyword)}\n")
        elif isinstance(event, Closed):
            try:
                self._file.parent.mkdir(parents=True, exist_ok=True)
                self._file.write_text("".join(self._lines), encoding="utf-8")
            except OSError as exc:
                raise DetectorError(f"expected to write labels to {self._file}, found: {exc.strerror}") from exc
