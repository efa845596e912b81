"""A clock that a test turns."""

from __future__ import annotations


class Clock:
    """Seconds that pass when a test says so; `step_s` of them each time it is looked at."""

    def __init__(self, now_s: float = 100.0, *, step_s: float = 0.0) -> None:
        self.now_s = now_s
        self.step_s = step_s

    def __call__(self) -> float:
        """Return the time, and let the step pass."""
        now_s = self.now_s
        self.now_s += self.step_s
        return now_s

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now_s += seconds
