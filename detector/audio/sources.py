"""Where audio comes from: recordings, standard input, silence. The microphone has a module of its own.

Every source hands over blocks of 16-bit mono samples at the rate it was asked for, and never blocks for long: `read`
returns what is there, possibly nothing, or None at the end. Sources are opened by `with`.
"""

from __future__ import annotations

import logging
import os
import select
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Protocol, Self

import numpy as np
import soundfile
from numpy.typing import NDArray

from detector.audio.gaps import Loss
from detector.audio.resample import open_resampler
from detector.errors import AudioFileError
from detector.samples import to_int16

log = logging.getLogger(__name__)

NOTHING = np.empty(0, dtype=np.int16)
NOTHING.flags.writeable = False


class Block(NamedTuple):
    """What a source hands over at once."""

    samples: NDArray[np.int16]
    """Shape (n,); none if nothing has arrived since the last block."""
    loss: Loss | None = None
    """What was lost between the last block and this one."""


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
    """Holds samples back until they are due in real time."""

    def __init__(self, sample_rate_hz: int) -> None:
        self._sample_rate_hz = sample_rate_hz
        self._started_s: float | None = None

    def is_due(self, n_samples: int) -> bool:
        """Tell whether the end of the first n_samples of a stream has come."""
        now_s = time.monotonic()
        if self._started_s is None:
            self._started_s = now_s
        return now_s - self._started_s >= n_samples / self._sample_rate_hz


class Recording:
    """A recording of any format, rate and number of channels that libsndfile reads; channels are averaged."""

    is_live = False
    can_wait = True
    is_waiting = False

    def __init__(
        self, path: str | Path, *, sample_rate_hz: int, is_real_time: bool = False, block_s: float = 0.1
    ) -> None:
        self._path = Path(path)
        self._sample_rate_hz = sample_rate_hz
        self._block_s = block_s
        self._pace = Pace(sample_rate_hz) if is_real_time else None
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


class RawStdin:
    """Raw signed 16-bit little-endian mono samples from a pipe or a file descriptor, at the model's rate."""

    is_live = True
    can_wait = True
    is_waiting = False
    name = "stdin"

    def __init__(self, *, file_descriptor: int = 0, block_samples: int = 3200, poll_s: float = 0.05) -> None:
        self._descriptor = file_descriptor
        self._block_bytes = 2 * block_samples
        self._poll_s = poll_s
        self._rest = b""

    def __enter__(self) -> Self:
        """Use the descriptor, which stays its owner's.

        Raises
        ------
        AudioFileError
            If it is not open.
        """
        try:
            os.fstat(self._descriptor)
        except OSError as exc:
            raise AudioFileError("expected samples on standard input, found it closed") from exc
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the descriptor open."""

    def read(self) -> Block | None:
        """Return what has arrived, waiting a short while for it. An odd last byte is dropped with a warning.

        Raises
        ------
        AudioFileError
            If standard input cannot be read.
        """
        try:
            readable, _, _ = select.select([self._descriptor], [], [], self._poll_s)
            if not readable:
                return Block(NOTHING)
            arrived = os.read(self._descriptor, self._block_bytes)
        except OSError as exc:
            raise AudioFileError(f"expected samples on standard input, found: {exc.strerror}") from exc
        if not arrived:
            if self._rest:
                log.warning("standard input ended in the middle of a sample; its odd last byte was dropped")
            return None
        whole = self._rest + arrived
        n_bytes = len(whole) // 2 * 2
        self._rest = whole[n_bytes:]
        return Block(np.frombuffer(whole[:n_bytes], dtype="<i2").astype(np.int16))


class Silence:
    """Digital silence of a given length; for measuring and testing without a microphone."""

    is_live = False
    can_wait = True
    is_waiting = False
    name = "silence"

    def __init__(
        self, n_samples: int, *, sample_rate_hz: int, is_real_time: bool = False, block_s: float = 0.1
    ) -> None:
        self._n_left = n_samples
        self._n_handed_over = 0
        self._block_samples = max(1, round(block_s * sample_rate_hz))
        self._pace = Pace(sample_rate_hz) if is_real_time else None

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


def _reason(exc: Exception) -> str:
    """Return the part of a libsndfile message that says what is wrong."""
    return str(exc).rpartition(": ")[2].rstrip(".").lower() or type(exc).__name__
