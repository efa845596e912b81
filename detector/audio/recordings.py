"""Recordings as a source: any format and rate, as fast as they are read or in real time."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from detector.audio.decoder import open_sound, read_mono
from detector.audio.resample import open_resampler
from detector.audio.sources import NOTHING, Block, Pace, Sound
from detector.samples import to_int16
from detector.types import Channel


class Recording:
    """A recording of any format, rate and number of channels that can be decoded."""

    is_live = False
    can_wait = True
    is_waiting = False

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        sample_rate_hz: int,
        channel: Channel = "auto",
        is_real_time: bool = False,
        block_s: float = 0.1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = Path(path)
        self._sample_rate_hz = sample_rate_hz
        self._channel = channel
        self._block_samples = max(1, round(block_s * sample_rate_hz))
        self._pace = Pace(sample_rate_hz, clock) if is_real_time else None
        self._n_handed_over = 0
        self._opened = contextlib.ExitStack()
        self._blocks: Iterator[NDArray[np.int16]] = iter(())
        self._next: NDArray[np.int16] | None = None

    @property
    def name(self) -> str:
        """The path."""
        return str(self._path)

    def __enter__(self) -> Self:
        """Open the file.

        Raises
        ------
        AudioFileError
            If it is missing or not audio.
        """
        sound = self._opened.enter_context(open_sound(self._path))
        self._blocks = self._convert(sound)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file; may be done twice."""
        self._opened.close()

    def read(self) -> Block | None:
        """Return the next block of the file; in real time nothing until it is due.

        Raises
        ------
        AudioFileError
            If the file is damaged or holds samples that are not finite.
        """
        if self._next is None:
            self._next = next(self._blocks, None)
            if self._next is None:
                return None
        if self._pace is not None and not self._pace.is_due(self._n_handed_over + len(self._next)):
            return Block(NOTHING)
        samples, self._next = self._next, None
        self._n_handed_over += len(samples)
        return Block(samples)

    def _convert(self, sound: Sound) -> Iterator[NDArray[np.int16]]:
        """Yield the file's sound in blocks as long as asked for; decoded in longer ones."""
        resampler = open_resampler(sound.rate_hz, self._sample_rate_hz)
        for mono in read_mono(sound, self._channel, self.name):
            yield from self._cut(to_int16(resampler.convert(mono)))
        yield from self._cut(to_int16(resampler.convert(np.empty(0, dtype=np.float32), is_last=True)))

    def _cut(self, samples: NDArray[np.int16]) -> Iterator[NDArray[np.int16]]:
        for first in range(0, len(samples), self._block_samples):
            yield samples[first : first + self._block_samples]
