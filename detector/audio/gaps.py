"""Discontinuities: what was lost, where in the stream, and why. A gap is data."""

from __future__ import annotations

import enum
from collections import Counter, deque
from typing import NamedTuple

import msgspec

KEPT_GAPS = 1000
"""The ledger keeps this many of the latest gaps; its totals are of all."""


class GapCause(enum.Enum):
    """Why audio is missing."""

    OVERFLOW = "overflow"
    """Nobody fetched samples in time, and they were thrown away."""
    SKIP = "skip"
    """The detector was too late and passed over samples that had arrived."""
    RECONNECT = "reconnect"
    """The source was away."""
    DRIFT = "drift"
    """Fewer or more samples came than the clock says should have, and nobody said why."""


class Loss(NamedTuple):
    """Something was lost on the way in."""

    cause: GapCause
    lost_s: float | None = None
    """How much, in seconds, where that is known; below 0 if there is more than there should be."""


class Gap(msgspec.Struct, frozen=True):
    """A place in the stream where what precedes a sample is not what preceded it in the world."""

    at_sample: int
    """Position of the first sample after it, counted from the first of the source, skipped ones included."""
    cause: GapCause
    lost_s: float | None = None


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

    def describe(self) -> str:
        """Return the totals, for people: "3 gaps (2 reconnect, 1 skip), 12.31 s lost"."""
        causes = ", ".join(f"{self._counts[cause]} {cause.value}" for cause in GapCause if self._counts[cause])
        noun = "gap" if self.n_gaps == 1 else "gaps"
        return f"{self.n_gaps} {noun}{causes and f' ({causes})'}, {self.lost_s:.2f} s lost"
