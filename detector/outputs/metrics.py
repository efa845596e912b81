"""What has happened so far, in numbers, and whether sound is heard; `prometheus` writes it for those who ask."""

from __future__ import annotations

import math
import threading
import time
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from detector.events import Closed, Condition, Detection, Event, Gap, GapCause, Opened, Progress, Scored, State
from detector.samples import INT16_SCALE

SCORE_BOUNDS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
"""Of a histogram of scores: upper bounds, themselves included. Nearly all are low, those that decide are high."""
HEARING = (Condition.LISTENING, Condition.QUIET, Condition.CLIPPING, Condition.SILENT)
"""Sound arrives and is scored. That a microphone is muted is nothing that a restart mends."""
TURN_WITHIN_S = 10.0
"""A turn of the listening loop waits for at most 0.2 s; one that has taken longer than this hangs."""


class Scores:
    """A histogram of the scores of one word."""

    def __init__(self) -> None:
        self.counts = [0] * (len(SCORE_BOUNDS) + 1)
        """Scores up to each of `SCORE_BOUNDS` and above the one before; last, those above all."""
        self.total = 0.0

    def add(self, score: float) -> None:
        """Count a score."""
        self.counts[bisect_left(SCORE_BOUNDS, score)] += 1
        self.total += score


class Metrics:
    """A listener that counts. Heard by one thread; others read its attributes while they hold its lock."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with nothing; `clock` returns seconds of a monotonic clock."""
        self.lock = threading.Lock()
        self.stream: Opened | None = None
        """The latest."""
        self.condition = Condition.STARTING
        self.n_captured = self.n_skipped = self.n_processed = 0
        """Samples."""
        self.lag_s = 0.0
        """How much sound waited to be scored, at the latest turn of the listening loop."""
        self.n_decisions = 0
        """Windows that were scored."""
        self.stride_factor = 1
        self.n_widened = 0
        """How often windows were set further apart, because the machine was too slow for the moment."""
        self.level: float | None = None
        """Root mean square of the latest whole second, of full scale; None before there was one."""
        self.gaps: Counter[GapCause] = Counter()
        self.lost_s = 0.0
        self.detections: Counter[str] = Counter()
        self.scores: defaultdict[str, Scores] = defaultdict(Scores)
        self._clock = clock
        self._started_s = self._turned_s = clock()
        self._decided_s: float | None = None
        self._is_closed = False
        self._scored: list[tuple[int, str]] = []
        self._n_of_second = 0
        self._sum = self._energy = 0.0

    @property
    def uptime_s(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._started_s

    @property
    def turned_s_ago(self) -> float:
        """Seconds since the latest turn of the listening loop."""
        return self._clock() - self._turned_s

    @property
    def decided_s_ago(self) -> float | None:
        """Seconds since the latest window was scored; None before the first."""
        return None if self._decided_s is None else self._clock() - self._decided_s

    @property
    def is_hearing(self) -> bool:
        """Whether sound arrives and is scored."""
        return self.condition in HEARING and self.turned_s_ago < TURN_WITHIN_S and not self._is_closed

    def hear(self, event: Event) -> None:
        """Count an event."""
        with self.lock:
            match event:
                case Scored():
                    self.n_decisions += 1
                    self._decided_s = self._clock()
                    for index, word in self._scored:
                        self.scores[word].add(event.scores[index])
                case Progress():
                    self._turn(event)
                case Detection():
                    self.detections[event.keyword] += 1
                case Gap():
                    self.gaps[event.cause] += 1
                    self.lost_s += max(0.0, event.lost_s or 0.0)
                case State():
                    self.n_widened += event.stride_factor > self.stride_factor
                    self.condition, self.stride_factor = event.condition, event.stride_factor
                case Opened():
                    self._open(event)
                case Closed():
                    self._is_closed = True

    def _open(self, stream: Opened) -> None:
        self.stream = stream
        self._scored = [(index, label) for index, label in enumerate(stream.labels) if label in stream.thresholds]
        for word in stream.thresholds:  # what was not detected yet was detected 0 times
            self.detections[word] += 0

    def _turn(self, progress: Progress) -> None:
        self._turned_s = self._clock()
        self.n_captured, self.n_skipped = progress.n_captured, progress.n_skipped
        self.n_processed += len(progress.samples)
        if self.stream is not None:
            self.lag_s = progress.n_waiting / self.stream.sample_rate_hz
            self._measure(progress.samples, self.stream.sample_rate_hz)
            if not self.stream.is_live and self.n_decisions:  # nobody assesses a recording
                self.condition = Condition.LISTENING

    def _measure(self, samples: NDArray[np.int16], sample_rate_hz: int) -> None:
        """Take samples, shape (n,), into the level of the second that they are of."""
        exact = samples.astype(np.float64)
        self._sum += float(exact.sum())
        self._energy += float(np.dot(exact, exact))
        self._n_of_second += len(samples)
        if self._n_of_second >= sample_rate_hz:
            # Without its mean, since a microphone that is muted may deliver a constant far from zero.
            variance = self._energy / self._n_of_second - (self._sum / self._n_of_second) ** 2
            self.level = math.sqrt(max(0.0, variance)) / INT16_SCALE
            self._n_of_second, self._sum, self._energy = 0, 0.0, 0.0
