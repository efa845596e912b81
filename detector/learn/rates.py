"""What a learnt word is expected to miss and to accept falsely, with intervals, and what that rests on."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

NORMAL_95 = 1.959964
"""Half a standard normal distribution's central 95 %."""
QUIET_S = 0.7
"""Detections that follow each other more closely are one."""
N_TAIL = 12
"""Highest peaks that the tail is fitted to."""


def wilson(n_events: int, n_trials: int) -> tuple[float, float]:
    """Return the 95 % interval of a proportion (Wilson 1927)."""
    if not n_trials:
        return 0.0, 1.0
    share, z2 = n_events / n_trials, NORMAL_95**2
    centre = (share + z2 / (2 * n_trials)) / (1 + z2 / n_trials)
    half = NORMAL_95 * math.sqrt(share * (1 - share) / n_trials + z2 / (4 * n_trials**2)) / (1 + z2 / n_trials)
    return max(0.0, centre - half), min(1.0, centre + half)


def poisson(n_events: int) -> tuple[float, float]:
    """Return the 95 % interval of a count (Byar's approximation, Breslow and Day 1987; exact for none)."""
    if not n_events:
        return 0.0, -math.log(0.025)
    low = n_events * (1 - 1 / (9 * n_events) - NORMAL_95 / (3 * math.sqrt(n_events))) ** 3
    n = n_events + 1
    high = n * (1 - 1 / (9 * n) + NORMAL_95 / (3 * math.sqrt(n))) ** 3
    return max(0.0, low), high


def find_peaks(logits: NDArray[np.float32], window_s: float) -> list[float]:
    """Return the logits at which a stream would fire, highest first: of windows close to each other the highest."""
    n_around = round(QUIET_S / window_s)
    left, peaks = logits.copy(), []
    while len(left) and (highest := float(left.max())) > -math.inf:
        at = int(left.argmax())
        peaks.append(highest)
        left[max(0, at - n_around) : at + n_around + 1] = -math.inf
        if len(peaks) >= N_TAIL:
            break
    return peaks


class Tail:
    """How many peaks an hour reach a logit: counted as far as there are any, exponential beyond (Pickands 1975)."""

    def __init__(self, peaks: Sequence[float], hours: float, *, seen: float = 1.0) -> None:
        """Take the peaks of some hours; `seen` is the share of windows that was looked at."""
        self._peaks = np.sort(np.array(peaks))[::-1]
        self.hours = hours
        self._seen = seen
        highest = self._peaks[:N_TAIL]
        self._above = float(highest[-1]) if len(highest) else 0.0
        self._scale = max(0.05, float(np.mean(highest - self._above))) if len(highest) > 1 else 1.0

    def rate(self, logit: float) -> float:
        """Return how many an hour reach a logit."""
        n_highest = min(N_TAIL, len(self._peaks))
        if logit <= self._above:
            return float(np.count_nonzero(self._peaks >= logit)) / self.hours / self._seen
        return n_highest * math.exp(-(logit - self._above) / self._scale) / self.hours / self._seen

    def logit(self, rate: float) -> float:
        """Return the logit that so many an hour reach."""
        allowed = rate * self.hours * self._seen
        n_highest = min(N_TAIL, len(self._peaks))
        if allowed >= n_highest:
            return float(self._peaks[min(int(allowed), len(self._peaks) - 1)]) if len(self._peaks) else 0.0
        return self._above + self._scale * math.log(n_highest / allowed)

    def interval(self, logit: float) -> tuple[float, float]:
        """Return the 95 % interval of the rate at a logit, from the count of peaks that reach it."""
        low, high = poisson(int(np.count_nonzero(self._peaks >= logit)))
        return low / self.hours, high / self.hours / self._seen
