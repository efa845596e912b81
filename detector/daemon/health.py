"""The condition of the audio input, assessed from its samples and their absence."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from detector.events import Condition, Event, Progress
from detector.process.running import RunningTime
from detector.samples import INT16_SCALE

ASSESSED_S = 10
"""Silence and clipping are assessed over this many seconds."""
SILENT_RMS = 1.5
"""In steps of 16 bits (-87 dBFS); the noise of a microphone and its amplifier is far higher, -70 to -50 dBFS."""
CLIPPED_PART = 0.005
"""Fraction of samples at full scale above which the level is too high."""
HYSTERESIS = 2.0
"""Silence and clipping end when the level has passed its limit by this factor: a level at a limit is reported once."""
DEAF_AFTER_S = 3.0
"""Without a sample for this long the detector is deaf,"""
UNSCORED_AFTER_S = 10.0
"""and so it is where samples arrive, but no window was scored for this long: none has come without a gap."""
QUIET_AFTER_S = 60
QUIET_OVER_S = 600
"""A quiet microphone is looked for over the latest ten minutes, from the first on."""
QUIET_DBFS = -50.0
"""Root mean square of a second. Speech at a microphone of ordinary level has -40 to -20 dBFS."""
LOUDEST_SECONDS = 3
"""The third loudest second is the level of the loudest sound: a click or a bump does not count."""
QUIET_SECONDS = 10
"""So many seconds have to stand out from the others: a room in which nothing sounds is no quiet microphone."""
QUIET_ABOVE_DB = 12.0
"""By so much: speech does, noise does not."""
QUIET_HYSTERESIS_DB = 3.0
STALL_S = 1.0
"""Between two updates further apart than this the process was suspended, which does not count as missing samples."""


class Health:
    """A listener that assesses the samples of a stream. One thread only."""

    def __init__(self, sample_rate_hz: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin now; `clock` returns seconds of a monotonic clock."""
        self._sample_rate_hz = sample_rate_hz
        self._clock = clock
        self._running = RunningTime(clock(), most_s=STALL_S)
        self._last_sample_s = self._scored_s = 0.0
        self._n_windows = self._n_unscored = 0
        self._seconds: deque[tuple[float, int]] = deque(maxlen=ASSESSED_S)
        self._levels_db: deque[float] = deque(maxlen=QUIET_OVER_S)
        self._loudest_db: float | None = None
        self._begin_second()
        self.condition = Condition.STARTING
        self.detail = ""
        """What there is to say of the condition, in numbers."""

    def hear(self, event: Event) -> None:
        """Take the samples of an iteration of the listening loop."""
        if isinstance(event, Progress) and len(event.samples):
            self._last_sample_s = self._running.update(self._clock())
            self._n_unscored += len(event.samples)
            self._measure(event.samples)

    def _measure(self, samples: NDArray[np.int16]) -> None:
        while len(samples):
            part, samples = samples[: self._n_left], samples[self._n_left :]
            exact = part.astype(np.float64)
            self._sum += float(exact.sum())
            self._energy += float(np.dot(exact, exact))
            self._n_clipped += int(np.count_nonzero((part == 32767) | (part == -32768)))
            self._n_left -= len(part)
            if self._n_left == 0:
                # The variance, since a muted codec may deliver a constant far from zero.
                variance = self._energy - self._sum**2 / self._sample_rate_hz
                self._seconds.append((variance, self._n_clipped))
                if variance >= SILENT_RMS**2 * self._sample_rate_hz:
                    self._levels_db.append(10.0 * math.log10(variance / self._sample_rate_hz / INT16_SCALE**2))
                    self._loudest_db = self._find_loudest()
                self._begin_second()

    def assess(self, *, is_waiting: bool, n_windows: int) -> Condition | None:
        """Return the condition if it has changed; `n_windows` were scored so far."""
        running_s = self._running.update(self._clock())
        if is_waiting or n_windows > self._n_windows:
            self._n_windows, self._scored_s, self._n_unscored = n_windows, running_s, 0
        condition = self._find(running_s, is_waiting=is_waiting)
        if condition is self.condition:
            return None
        self.condition, self.detail = condition, self._describe(condition, running_s)
        return condition

    def _describe(self, condition: Condition, running_s: float) -> str:
        if condition is Condition.QUIET:
            minutes = len(self._levels_db) / 60
            return (
                f"the microphone is quiet: the loudest sound of {minutes:.0f} min has {self._loudest_db:.0f} dBFS; "
                "words are detected down to about -68, and better with its level turned up (alsamixer, F4)"
            )
        if condition is not Condition.DEAF or running_s - self._last_sample_s > DEAF_AFTER_S:
            return ""
        unscored_s = running_s - self._scored_s
        arrived = min(1.0, self._n_unscored / (unscored_s * self._sample_rate_hz))
        return f"{100 * arrived:.0f} % of the samples arrive, none of {unscored_s:.0f} s could be scored"

    def _begin_second(self) -> None:
        self._n_left = self._sample_rate_hz
        self._sum = self._energy = 0.0
        self._n_clipped = 0

    def _find(self, running_s: float, *, is_waiting: bool) -> Condition:
        if is_waiting:
            return Condition.RECOVERING
        if running_s - self._last_sample_s > DEAF_AFTER_S or running_s - self._scored_s > UNSCORED_AFTER_S:
            return Condition.DEAF
        if self._n_windows == 0:
            return Condition.STARTING
        return self._find_level()

    def _find_level(self) -> Condition:
        n_samples = len(self._seconds) * self._sample_rate_hz
        if len(self._seconds) == ASSESSED_S:
            silent_rms = SILENT_RMS * (HYSTERESIS if self.condition is Condition.SILENT else 1.0)
            if sum(energy for energy, _ in self._seconds) < silent_rms**2 * n_samples:
                return Condition.SILENT
            clipped_part = CLIPPED_PART / (HYSTERESIS if self.condition is Condition.CLIPPING else 1.0)
            if sum(n_clipped for _, n_clipped in self._seconds) > clipped_part * n_samples:
                return Condition.CLIPPING
        quiet_dbfs = QUIET_DBFS + (QUIET_HYSTERESIS_DB if self.condition is Condition.QUIET else 0.0)
        if self._loudest_db is not None and self._loudest_db < quiet_dbfs:
            return Condition.QUIET
        return Condition.LISTENING

    def _find_loudest(self) -> float | None:
        """Return the level of the loudest sound of late, in dBFS; None while nothing stands out."""
        if len(self._levels_db) < QUIET_AFTER_S:
            return None
        levels = np.sort(self._levels_db)
        loud_db = float(levels[-QUIET_SECONDS])
        return float(levels[-LOUDEST_SECONDS]) if loud_db - float(np.median(levels)) >= QUIET_ABOVE_DB else None
