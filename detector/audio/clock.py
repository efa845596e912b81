"""Whether a device delivers as many samples as time passes."""

from __future__ import annotations

from collections import deque

TOLERANCE_S = 0.25
"""A jump of the lag beyond this is a gap; sound servers deliver unevenly, by up to a tenth of a second."""
UNEVEN_S = 0.05
"""A lag that falls further than this below the least so far is of samples that were late and catch up."""
SETTLED_S = 1.0
"""The lag is the least of this long: late blocks catch up, lost ones do not."""
CLOCK_ERROR = 1e-3
"""Crystals differ from the computer's clock by up to a tenth of this; a drift as slow is no discontinuity."""


class SampleClock:
    """Compares the samples that arrived with the time that passed. One thread only.

    The lag is the time since the first block minus the duration of all samples. It wanders with every block, creeps as
    the device's crystal differs from the computer's, and jumps when samples are lost or repeated without notice.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._n_samples = 0
        self._started_s = 0.0
        self._settling_since_s = 0.0
        self._adapted_s = 0.0
        self._lags: deque[tuple[float, float]] = deque()
        self._normal_s: float | None = None

    def observe(self, n_samples: int, now_s: float, *, has_loss: bool = False) -> float | None:
        """Note that samples arrived; return the seconds that are missing (below 0: too many) if the lag has jumped.

        Where it is known that samples were lost before these, what is missing is known at once, to the unevenness of
        delivery, and the clock starts again.

        Parameters
        ----------
        n_samples : int
            Of this block, at the device's rate.
        now_s : float
            Of a clock that never steps.
        has_loss : bool
            Whether it is known that samples were lost before these.
        """
        if self._n_samples == 0:
            self._started_s = self._adapted_s = now_s
        self._n_samples += n_samples
        lag_s = now_s - self._started_s - self._n_samples / self._rate_hz
        if has_loss:
            lost_s = None if self._normal_s is None else max(0.0, lag_s - self._normal_s)
            self._n_samples, self._normal_s = 0, None
            self._lags.clear()
            return lost_s
        while self._lags and self._lags[0][0] < now_s - SETTLED_S:
            self._lags.popleft()
        is_catching_up = bool(self._lags) and lag_s < self._lags[0][1] - UNEVEN_S and not self._is_too_many(lag_s)
        if is_catching_up or not self._lags:  # or there was no poll
            self._settling_since_s = now_s
        # Of the latest second those that are the least from some time on: the first of them is the least of all.
        while self._lags and self._lags[-1][1] >= lag_s:
            self._lags.pop()
        self._lags.append((now_s, lag_s))
        if now_s - self._settling_since_s < SETTLED_S:
            return None
        settled_s = self._lags[0][1]
        if self._normal_s is None:
            self._normal_s, self._adapted_s = settled_s, now_s
            return None
        jump_s = settled_s - self._normal_s
        if abs(jump_s) > TOLERANCE_S:
            self._normal_s, self._adapted_s = settled_s, now_s
            return jump_s
        most_s = CLOCK_ERROR * (now_s - self._adapted_s)
        self._normal_s += max(-most_s, min(most_s, jump_s))
        self._adapted_s = now_s
        return None

    def _is_too_many(self, lag_s: float) -> bool:
        return self._normal_s is not None and lag_s < self._normal_s - TOLERANCE_S
