"""What is lost on the way in, and the ledger of discontinuities: a gap is data."""

from __future__ import annotations

from collections import Counter, deque
from typing import NamedTuple

from detector.events import Gap, GapCause

KEPT_GAPS = 1000
"""The ledger keeps this many of the latest gaps; its totals are of all."""


class Loss(NamedTuple):
    """Something was lost on the way in."""

    cause: GapCause
    lost_s: float | None = None
    """How much, in seconds, where that is known; below 0 if there is more than there should be."""


class GapLedger:
    """All gaps of a stream: the latest in full, and totals. One thread only."""

    def __init__(self) -> None:
        self.latest: deque[Gap] = deque(maxlen=KEPT_GAPS)
        self._counts: Counter[GapCause] = Counter()
        self.lost_s = 0.0
        """Seconds that are known to be lost."""

    def add(self, gap: Gap) -> None:
        """Enter a gap."""
        self.latest.append(gap)
        self._counts[gap.cause] += 1
        self.lost_s += max(0.0, gap.lost_s or 0.0)

    @property
    def n_gaps(self) -> int:
        """All there were."""
        return self._counts.total()

    @property
    def counts(self) -> dict[str, int]:
        """How many there were of each cause that there was."""
        return {cause.value: self._counts[cause] for cause in GapCause if self._counts[cause]}

    def describe(self) -> str:
        """Return the totals, for people: "3 gaps (2 reconnect, 1 skip), 12.31 s lost"."""
        causes = ", ".join(f"{count} {cause}" for cause, count in self.counts.items())
        noun = "gap" if self.n_gaps == 1 else "gaps"
        return f"{self.n_gaps} {noun}{causes and f' ({causes})'}, {self.lost_s:.2f} s lost"
