"""What `detect` found in many recordings, counted."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence

from detector.errors import AudioFileError
from detector.events import Detection, Event

log = logging.getLogger(__name__)

MOST_NAMED = 5
"""Recordings that failed and are named once more at the end."""


class Tally:
    """A listener that counts detections; recordings, their length and those that failed are counted by who reads."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = words
        self._detections: Counter[str] = Counter()
        self._n_read = 0
        self._audio_s = 0.0
        self.failed: list[str] = []
        """Recordings, and folders, that could not be read."""

    def hear(self, event: Event) -> None:
        """Count a detection."""
        if isinstance(event, Detection):
            self._detections[event.keyword] += 1

    def add(self, audio_s: float) -> None:
        """Count a recording that was read to its end."""
        self._n_read += 1
        self._audio_s += audio_s

    def fail(self, name: str, error: AudioFileError) -> None:
        """Log why something cannot be read, and count it."""
        log.error("%s", error)
        self.failed.append(name)

    def describe(self) -> str:
        """Return all of it as a line for people."""
        words = ", ".join(f"{word} {self._detections[word]}" for word in self._words)
        n_more = len(self.failed) - MOST_NAMED
        named = ", ".join(self.failed[:MOST_NAMED]) + (f" and {n_more} more" if n_more > 0 else "")
        return (
            f"{_count(self._n_read, 'recording')}, {self._audio_s / 3600:.2f} h: "
            f"{_count(self._detections.total(), 'detection')} ({words})"
            + (f"; {len(self.failed)} could not be read: {named}" if named else "")
        )


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"
