"""The one thread: from a source into the ring."""

from __future__ import annotations

import logging
import threading
from types import TracebackType
from typing import Self

from detector.audio.ring import RingBuffer
from detector.audio.sources import AudioSource
from detector.errors import ThreadStuckError

log = logging.getLogger(__name__)

POLL_S = 0.02
"""Pause after a read that brought nothing: about half a block."""
STOP_WITHIN_S = 0.8


class Capture:
    """Reads an open source into a ring until told to stop, in a thread of its own.

    What goes wrong in the thread is kept, closes the ring, and is raised where the ring is read: see `raise_failure`.
    """

    def __init__(self, source: AudioSource, ring: RingBuffer) -> None:
        self._source = source
        self._ring = ring
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
            If it does not stop in time.
        """
        self._stop.set()
        self._thread.join(STOP_WITHIN_S)
        if self._thread.is_alive():
            raise ThreadStuckError(f"expected the capture thread to stop within {STOP_WITHIN_S:g} s, found it stuck")

    def raise_failure(self) -> None:
        """Raise what ended the thread, if anything went wrong."""
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                block = self._source.read()
                if block is None:
                    break
                samples = block.samples
                if len(samples) == 0:
                    self._stop.wait(POLL_S)
                    continue
                while self._source.can_wait and not self._stop.is_set():
                    if self._ring.wait_for_room(min(len(samples), self._ring.capacity_samples), POLL_S):
                        break
                self._ring.write(samples, is_after_gap=block.is_after_gap)
        except BaseException as exc:  # handed over to the thread that reads the ring
            self._failure = exc
        finally:
            self._ring.close()
