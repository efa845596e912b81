"""The ring between the thread that captures and the thread that listens."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detector.audio.gaps import KEPT_GAPS, Loss
from detector.events import Gap


class Taken(NamedTuple):
    """What a reader got out of the ring."""

    samples: NDArray[np.int16]
    """Consecutive samples, a copy, shape (n,); none when nothing came in time."""
    n_skipped: int
    """Samples that were lost before these because the reader was late."""
    gaps: tuple[Gap, ...]
    """What was lost on the way in since the samples taken before."""
    is_end: bool
    """Nothing will follow."""
    n_waiting: int
    """Samples that were waiting, these included."""


class RingBuffer:
    """The last seconds of a stream in a preallocated array; every sample has an absolute position.

    One thread writes and never waits, unless it asks to. One thread reads; when it is more than a ring late it skips
    forward, by a number of samples that it gets with the next ones. A lock is held for the copy of one block.
    """

    def __init__(self, capacity_samples: int) -> None:
        if capacity_samples < 1:
            raise ValueError(f"capacity_samples must be at least 1, found {capacity_samples}")
        self._samples = np.zeros(capacity_samples, dtype=np.int16)
        self._changed = threading.Condition()
        self._end = 0
        self._read_position = 0
        self._gaps: deque[Gap] = deque(maxlen=KEPT_GAPS)
        self._is_closed = False

    @property
    def capacity_samples(self) -> int:
        """Samples that the ring holds."""
        return len(self._samples)

    @property
    def end(self) -> int:
        """Position after the last sample written."""
        return self._end

    def write(self, samples: NDArray[np.int16], *, losses: Sequence[Loss] = ()) -> None:
        """Append samples, shape (n,), over the oldest ones; more than the ring holds leaves the last of them.

        `losses` are what was lost before them.
        """
        capacity = len(self._samples)
        with self._changed:
            self._gaps.extend(Gap(self._end, loss.cause, loss.lost_s) for loss in losses)
            kept = samples[-capacity:]
            start = (self._end + len(samples) - len(kept)) % capacity
            n_until_wrap = min(len(kept), capacity - start)
            self._samples[start : start + n_until_wrap] = kept[:n_until_wrap]
            self._samples[: len(kept) - n_until_wrap] = kept[n_until_wrap:]
            self._end += len(samples)
            self._changed.notify_all()

    def wait_for_room(self, n_samples: int, timeout_s: float) -> bool:
        """Wait until n_samples can be written without overwriting what was not read; return whether they can."""
        with self._changed:
            return self._changed.wait_for(
                lambda: self._end - self._read_position + n_samples <= len(self._samples), timeout_s
            )

    def take(self, max_samples: int, timeout_s: float, *, min_samples: int = 1) -> Taken:
        """Return the next unread samples, up to the next gap.

        Waits until there are min_samples, a gap or the end; after timeout_s returns what there is.
        """
        capacity = len(self._samples)
        n_wanted = min(min_samples, capacity)
        with self._changed:
            self._changed.wait_for(
                lambda: self._end - self._read_position >= n_wanted or self._gaps or self._is_closed, timeout_s
            )
            oldest = max(0, self._end - capacity)
            n_skipped = max(0, oldest - self._read_position)
            first = self._read_position + n_skipped
            last = min(self._end, first + max_samples)
            gaps = []
            while self._gaps and self._gaps[0].at_sample <= first < last:
                gaps.append(self._gaps.popleft())
            if self._gaps:
                last = min(last, self._gaps[0].at_sample)
            start = first % capacity
            n_until_wrap = min(last - first, capacity - start)
            taken = np.empty(last - first, dtype=np.int16)
            taken[:n_until_wrap] = self._samples[start : start + n_until_wrap]
            taken[n_until_wrap:] = self._samples[: last - first - n_until_wrap]
            self._read_position = last
            self._changed.notify_all()
            return Taken(taken, n_skipped, tuple(gaps), self._is_closed and last == self._end, self._end - first)

    def close(self) -> None:
        """Mark the end: nothing more will be written. May be called twice."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
