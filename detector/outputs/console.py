"""Detections on the console: one line each, flushed, for people or as JSON Lines."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import TextIO

import msgspec

from detector.audio.gaps import Gap
from detector.core.detector import Detection
from detector.errors import DetectorError


class OutputClosed(Exception):  # noqa: N818
    """Whoever read the detections has gone; not an error."""


class Console:
    """Writes detections to a text stream."""

    def __init__(
        self, *, model_name: str, source_name: str, is_live: bool, as_json: bool, stream: TextIO | None = None
    ) -> None:
        self._model_name = model_name
        # A file name that is not UTF-8 is shown as well as it can be.
        self._source_name = source_name.encode(errors="replace").decode()
        self._is_live = is_live
        self._as_json = as_json
        self._stream = sys.stdout if stream is None else stream

    def write(self, detection: Detection) -> None:
        """Write one line.

        Raises
        ------
        OutputClosed
            If the reader has closed the stream.
        DetectorError
            If it cannot be written to.
        """
        now = self._now()
        self._write_line(self._format_json(detection, now) if self._as_json else self._format(detection, now))

    def write_gap(self, gap: Gap, sample_rate_hz: int) -> None:
        """Write a gap as an event, as JSON; raises as `write` does."""
        now = self._now()
        fields = {
            "event": "gap",
            "cause": gap.cause.value,
            "time_s": round(gap.at_sample / sample_rate_hz, 6),
            "at_sample": gap.at_sample,
            "lost_s": None if gap.lost_s is None else round(gap.lost_s, 3),
            "at": None if now is None else now.isoformat(timespec="milliseconds"),
            "source": self._source_name,
        }
        self._write_line(msgspec.json.encode(fields).decode())

    def _now(self) -> datetime | None:
        return datetime.now().astimezone() if self._is_live else None

    def _write_line(self, line: str) -> None:
        try:
            self._stream.write(f"{line}\n")
            self._stream.flush()
        except BrokenPipeError as exc:
            raise OutputClosed from exc
        except OSError as exc:
            raise DetectorError(f"expected to write detections to standard output, found: {exc.strerror}") from exc

    def _format(self, detection: Detection, now: datetime | None) -> str:
        when = format_time(detection.time_s) if now is None else now.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
        return f"{when}  {detection.keyword}  {detection.score:.2f}"

    def _format_json(self, detection: Detection, now: datetime | None) -> str:
        fields = {
            "keyword": detection.keyword,
            "score": round(detection.score, 4),
            "time_s": round(detection.time_s, 6),
            "start_s": round(detection.start_s, 6),
            "at": None if now is None else now.isoformat(timespec="milliseconds"),
            "model": self._model_name,
            "source": self._source_name,
        }
        return msgspec.json.encode(fields).decode()


def format_time(seconds: float) -> str:
    """Return a position in a recording as hours, minutes and seconds: 12.34 is "00:00:12.340"."""
    milliseconds = round(seconds * 1000)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{milliseconds // 1000:02d}.{milliseconds % 1000:03d}"
