"""Time that passes only while this process runs, for timeouts that must not expire while it is suspended."""

from __future__ import annotations


class RunningTime:
    """A clock that is updated regularly, and counts at most `most_s` between two updates.

    Parameters
    ----------
    now_s : float
        Time of a monotonic clock, at which this one begins with 0 s.
    most_s : float
        Between two updates further apart than this the process was suspended.
    """

    def __init__(self, now_s: float, *, most_s: float) -> None:
        self._most_s = most_s
        self._running_s = 0.0
        self.updated_s = now_s
        """Time of the last update, by the monotonic clock."""

    def update(self, now_s: float) -> float:
        """Return the seconds for which the process has run since the beginning."""
        self._running_s += min(now_s - self.updated_s, self._most_s)
        self.updated_s = now_s
        return self._running_s
