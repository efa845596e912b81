"""While this machine is too slow, fewer windows are scored."""

from __future__ import annotations

FACTORS = (1, 2, 4)
"""Factors by which the stride is widened, one after the other."""
LATE_S = 0.3
"""With more audio than this waiting to be scored, the stride is widened."""
WIDEN_AFTER_S = 0.5
"""It is widened again if that did not help within this time."""
NARROW_AFTER_S = 10.0
"""It is narrowed again when the detector was not late for this long."""


class Lateness:
    """Chooses the stride from how late the detector is. One thread only."""

    def __init__(self) -> None:
        self._step = 0
        self._since_s: float | None = None
        self._late_s: float | None = None

    @property
    def factor(self) -> int:
        """The stride, in strides of the model."""
        return FACTORS[self._step]

    def observe(self, waiting_s: float, now_s: float) -> bool:
        """Take how much audio waits to be scored; return whether the factor has changed."""
        is_late = waiting_s > LATE_S
        if is_late:
            self._late_s = now_s
        since_s = now_s - self._since_s if self._since_s is not None else float("inf")
        if is_late and self._step < len(FACTORS) - 1 and since_s >= WIDEN_AFTER_S:
            self._step += 1
        elif (
            self._step > 0
            and self._late_s is not None
            and now_s - self._late_s >= NARROW_AFTER_S
            and since_s >= NARROW_AFTER_S
        ):
            self._step -= 1
        else:
            return False
        self._since_s = now_s
        return True
