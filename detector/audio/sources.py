"""Where audio comes from. Recordings, standard input and the microphone have modules of their own.

Every source hands over blocks of 16-bit mono samples at the rate it was asked for, and never blocks for long: `read`
returns what is there, possibly nothing, or None at the end. Sources are opened by `with`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from detector.audio.gaps import Loss

log = logging.getLogger(__name__)

NOTHING = np.empty(0, dtype=np.int16)
NOTHING.flags.writeable = False


class Block(NamedTuple):
    """What a source hands over at once."""

    samples: NDArray[np.int16]
    """Shape (n,); none if nothing has arrived since the last block."""
    loss: Loss | None = None
    """What was lost between the last block and this one."""


class Sound(NamedTuple):
    """The decoded samples of a file."""

    rate_hz: int
    n_channels: int
    blocks: Iterator[NDArray[np.float32]]
    """Shape (n, n_channels) each."""


class AudioSource(Protocol):
    """Somewhere audio comes from. One thread only."""

    @property
    def name(self) -> str:
        """What a person calls the source: a path, a device."""
        ...

    @property
    def is_live(self) -> bool:
        """Sound is handed over as it happens, so that the time of day of a detection means something."""
        ...

    @property
    def can_wait(self) -> bool:
        """Nothing is lost when the source is read late."""
        ...

    @property
    def is_waiting(self) -> bool:
        """It is lost, or was never there, and is waited for."""
        ...

    def read(self) -> Block | None:
        """Return what has arrived, or None when nothing more will."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Pace:
    """Holds samples back until they are due in real time, by a clock that never steps."""

    def __init__(self, sample_rate_hz: int, clock: Callable[[], float]) -> None:
        self._sample_rate_hz = sample_rate_hz
        self._clock = clock
        self._started_s: float | None = None

    def is_due(self, n_samples: int) -> bool:
        """Return whether the end of the first n_samples of a stream has come."""
        now_s = self._clock()
        if self._started_s is None:
            self._started_s = now_s
        return now_s - self._started_s >= n_samples / self._sample_rate_hz


class Silence:
    """Digital silence of a given length; for measuring and testing without a microphone."""

    is_live = False
    can_wait = True
    is_waiting = False
    name = "silence"

    def __init__(
        self,
        n_samples: int,
        *,
        sample_rate_hz: int,
        is_real_time: bool = False,
        block_s: float = 0.1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._n_left = n_samples
        self._n_handed_over = 0
        self._block_samples = max(1, round(block_s * sample_rate_hz))
        self._pace = Pace(sample_rate_hz, clock) if is_real_time else None

    def __enter__(self) -> Self:
        """Do nothing."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Do nothing."""

    def read(self) -> Block | None:
        """Return the next block of zeros."""
        n_samples = min(self._block_samples, self._n_left)
        if n_samples == 0:
            return None
        if self._pace is not None and not self._pace.is_due(self._n_handed_over + n_samples):
            return Block(NOTHING)
        self._n_left -= n_samples
        self._n_handed_over += n_samples
        return Block(np.zeros(n_samples, dtype=np.int16))
