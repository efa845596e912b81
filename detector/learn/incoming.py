"""Sound of a microphone, to be looked at while more of it comes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from detector.audio.capture import Capture
from detector.audio.ring import RingBuffer
from detector.audio.sources import AudioSource
from detector.learn.speech import RATE_HZ

RING_S = 2.0
PIECE_S = 0.1
"""Is taken at once: the level bar moves so often."""
WAIT_S = 0.2
"""Is waited for a piece, at most, before keys and signals are looked at."""
KEPT_S = 10.0
"""A take with all that may be around it."""
AFTER_LOSS_S = 1.2
"""Of sound are dropped after some was lost: as long as a word may be."""


class Incoming:
    """Reads a source that is being captured, and keeps the latest of it. One thread only."""

    def __init__(self, source: AudioSource, ring: RingBuffer, capture: Capture) -> None:
        self._source = source
        self._ring = ring
        self._capture = capture
        self._n_dropped = 0
        self.recorded = np.empty(0, dtype=np.int16)
        """What has come since the last loss and the last `keep`, at most `KEPT_S`, shape (n,)."""
        self.n_taken = 0
        """Samples that have been taken since the start."""
        self.has_ended = False
        """Nothing will follow."""

    def take(self) -> NDArray[np.int16]:
        """Return the next piece, shape (n,), or what there is of it after `WAIT_S`.

        After a loss what was recorded begins anew, and later than that: the rest of a word would look like a whole one.

        Raises
        ------
        DetectorError
            What the source raised.
        """
        n_samples = round(PIECE_S * RATE_HZ)
        taken = self._ring.take(n_samples, WAIT_S, min_samples=n_samples)
        if self._source.is_live:
            self._capture.check(time.monotonic())
        if taken.is_end:
            self._capture.raise_failure()
            self.has_ended = True
        if taken.n_skipped or taken.gaps:
            self.keep(0.0)
            self._n_dropped = round(AFTER_LOSS_S * RATE_HZ)
        self.recorded = np.concatenate((self.recorded, taken.samples[self._n_dropped :]))
        self._n_dropped = max(0, self._n_dropped - len(taken.samples))
        self.n_taken += len(taken.samples)
        if len(self.recorded) > KEPT_S * RATE_HZ:
            self.keep(KEPT_S)
        return taken.samples

    def keep(self, seconds: float) -> None:
        """Keep the last seconds of what was recorded."""
        self.recorded = self.recorded[max(0, len(self.recorded) - round(seconds * RATE_HZ)) :]

    def drop(self) -> None:
        """Drop what was recorded and, of a source that is live, what waits: a take that was played back is in it."""
        self.keep(0.0)
        if self._source.is_live:
            while len(self._ring.take(self._ring.capacity_samples, 0.0).samples):
                pass


@contextlib.contextmanager
def capturing(source: AudioSource) -> Iterator[Incoming]:
    """Capture from a source at 16 kHz, in a thread of its own, inside this block.

    Raises
    ------
    ThreadStuckError
        If the source cannot be closed in time.
    """
    ring = RingBuffer(round(RING_S * RATE_HZ))
    with Capture(source, ring) as capture:
        yield Incoming(source, ring, capture)
