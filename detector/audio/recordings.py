"""Recordings as a source: any format and rate, as fast as they are read or in real time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import soundfile
from numpy.typing import NDArray

from detector.audio.resample import open_resampler
from detector.audio.sources import NOTHING, Block, Pace
from detector.errors import AudioFileError
from detector.samples import to_int16


class Recording:
    """A recording of any format, rate and number of channels that libsndfile reads; channels are averaged."""

    is_live = False
    can_wait = True
    is_waiting = False

    def __init__(
        self,
        path: str | Path,
        *,
        sample_rate_hz: int,
        is_real_time: bool = False,
        block_s: float = 0.1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = Path(path)
        self._sample_rate_hz = sample_rate_hz
        self._block_s = block_s
        self._pace = Pace(sample_rate_hz, clock) if is_real_time else None
        self._n_handed_over = 0
        self._file: soundfile.SoundFile | None = None
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
        try:
            os.close(os.open(self._path, os.O_RDONLY | os.O_NONBLOCK))  # to learn why it cannot be opened, if it cannot
        except FileNotFoundError as exc:
            raise AudioFileError(f"expected a recording, found no file {self._path}") from exc
        except ValueError as exc:  # a NUL in the name
            raise AudioFileError(f"expected the name of a recording, found {str(self._path)!r}") from exc
        except OSError as exc:
            raise AudioFileError(f"expected to read {self._path}, found: {exc.strerror}") from exc
        if self._path.is_dir():
            raise AudioFileError(f"expected a recording, found the folder {self._path}: name the files in it")
        try:
            self._file = soundfile.SoundFile(os.fsencode(self._path))
        except (soundfile.SoundFileError, OSError) as exc:
            raise AudioFileError(
                f"expected a recording, found {self._path} that is not audio ({_reason(exc)})"
            ) from exc
        except TypeError as exc:  # a format without a header
            raise AudioFileError(
                f"expected a recording with a header, found {self._path}: pipe raw samples into 'listen -'"
            ) from exc
        self._blocks = self._decode(self._file)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file; may be done twice."""
        if self._file is not None:
            self._file.close()

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

    def _decode(self, file: soundfile.SoundFile) -> Iterator[NDArray[np.int16]]:
        resampler = open_resampler(file.samplerate, self._sample_rate_hz)
        n_frames = max(1, round(self._block_s * file.samplerate))
        while True:
            try:
                frames = file.read(n_frames, dtype="float32", always_2d=True)
            except (soundfile.SoundFileError, OSError) as exc:
                raise AudioFileError(
                    f"expected a whole recording, found {self._path} damaged ({_reason(exc)})"
                ) from exc
            if not np.isfinite(frames).all():
                raise AudioFileError(f"expected finite samples, found NaN or infinity in {self._path}")
            frames = np.clip(frames, -1.0, 1.0)
            is_last = len(frames) == 0
            mono = frames[:, 0] if frames.shape[1] == 1 else frames.mean(axis=1)
            converted = resampler.convert(mono, is_last=is_last)
            if len(converted):
                yield to_int16(converted)
            if is_last:
                return


def _reason(exc: Exception) -> str:
    """Return the reason in a message of libsndfile."""
    return str(exc).rpartition(": ")[2].rstrip(".").lower() or type(exc).__name__
