"""The one thread: opens a source, reads it into the ring, closes it."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from detector.audio.gaps import Loss
from detector.audio.ring import RingBuffer
from detector.audio.sources import AudioSource
from detector.errors import ThreadStuckError
from detector.process.running import RunningTime

POLL_S = 0.02
"""Pause between two reads of a live source: about half a block."""
STOP_WITHIN_S = 0.5
STUCK_AFTER_S = 30.0
"""A turn of the thread that takes longer will not end: the sound server, or the driver, hangs."""
PIECE_PART = 0.2
"""Of the ring so much is written at once, for the detector to take before more comes: all that waits counts as late."""
COUNTED_S = 1.0
"""Between two looks at the thread further apart than this the process was not running."""


class Capture:
    """Reads a source into a ring until asked to stop, in a thread of its own.

    The source is opened and closed in the thread, too: a sound server that hangs blocks whoever calls it. What fails
    in the thread is kept, closes the ring, and is raised where the ring is read: see `raise_failure`.
    """

    def __init__(self, source: AudioSource, ring: RingBuffer) -> None:
        self._source = source
        self._ring = ring
        self._is_open = False
        self._n_turns = 0
        self._n_turns_seen = -1
        self._running = RunningTime(0.0, most_s=COUNTED_S)
        self._turned_s = 0.0
        self._stop = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)

    def __enter__(self) -> Self:
        """Start the thread."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the thread.

        Raises
        ------
        ThreadStuckError
            If it does not stop in time, and nothing else failed.
        """
        self._stop.set()
        self._thread.join(STOP_WITHIN_S)
        if self._thread.is_alive() and error is None:
            raise ThreadStuckError(f"expected the capture thread to stop within {STOP_WITHIN_S:g} s, found it stuck")

    @property
    def is_open(self) -> bool:
        """The source was opened, and nothing has failed since."""
        return self._is_open and self._failure is None

    def raise_failure(self) -> None:
        """Raise what ended the thread, if anything failed."""
        if self._failure is not None:
            raise self._failure

    def check(self, now_s: float) -> None:
        """Check that the thread turns; called several times a second.

        Parameters
        ----------
        now_s : float
            Of a clock that never steps.

        Raises
        ------
        ThreadStuckError
            If it has stood still for `STUCK_AFTER_S`.
        """
        running_s = self._running.update(now_s)
        if self._n_turns != self._n_turns_seen:
            self._n_turns_seen, self._turned_s = self._n_turns, running_s
        if running_s - self._turned_s > STUCK_AFTER_S:
            raise ThreadStuckError(
                f"expected an answer of the sound system within {STUCK_AFTER_S:g} s, found the capture thread stuck"
            )

    def _run(self) -> None:
        try:
            with self._source:
                self._is_open = True
                try:
                    self._read_all()
                except BaseException as exc:
                    self._failure = exc  # before the source is closed, which may hang
                    raise
                finally:
                    self._ring.close()
        except BaseException as exc:  # handed over to the thread that reads the ring
            self._failure = self._failure or exc
        finally:
            self._ring.close()

    def _read_all(self) -> None:
        losses: list[Loss] = []
        while not self._stop.is_set():
            self._n_turns += 1
            block = self._source.read()
            if block is None:
                return
            # A resampler may hold the samples after a gap back: the gap waits for them.
            if block.loss is not None:
                losses.append(block.loss)
            if len(block.samples):
                while self._source.can_wait and not self._stop.is_set():
                    self._n_turns += 1
                    if self._ring.wait_for_room(min(len(block.samples), self._ring.capacity_samples), POLL_S):
                        break
                self._write(block.samples, losses)
                losses = []
            if not (self._source.can_wait and len(block.samples)):
                self._stop.wait(POLL_S)

    def _write(self, samples: NDArray[np.int16], losses: list[Loss]) -> None:
        """Write a block, and of a live source a long one in pieces: a server that was late does not make us late."""
        most = len(samples) if self._source.can_wait else max(1, round(PIECE_PART * self._ring.capacity_samples))
        self._ring.write(samples[:most], losses=losses)
        for first in range(most, len(samples), most):
            self._stop.wait(POLL_S)
            self._ring.write(samples[first : first + most])
