"""Time that passes only while this process runs: what a standing process did not ask for, nobody failed to answer."""

from __future__ import annotations


class RunningTime:
    """A clock that is looked at again and again, and counts no more than so much between two looks.

    Parameters
    ----------
    now_s : float
        Of a clock that never steps; here it begins, at 0 s.
    most_s : float
        Between two looks further apart than this the process was not running.
    """

    def __init__(self, now_s: float, *, most_s: float) -> None:
        self._most_s = most_s
        self._running_s = 0.0
        self.looked_s = now_s
        """When it was looked at last, by the clock that never steps."""

    def look(self, now_s: float) -> float:
        """Return the seconds for which the process has run since the beginning."""
        self._running_s += min(now_s - self.looked_s, self._most_s)
        self.looked_s = now_s
        return self._running_s
