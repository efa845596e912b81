"""The one way from a file to samples, for the detector and the trainer.

Every file is read once, forward, in large blocks, to where its samples end: lengths in headers are guesses.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import logging
import os
from collections.abc import Generator, Iterator
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from detector.audio import ffmpeg
from detector.audio.channels import Mixer
from detector.audio.links import find_links, is_mp3, is_tagged
from detector.audio.sources import Sound
from detector.audio.wav import Mended, find_fault
from detector.errors import AudioFileError
from detector.files import open_regular
from detector.samples import INT16_SCALE
from detector.types import Channel

log = logging.getLogger(__name__)

BLOCK_FRAMES = 65536
"""Samples of each channel that are decoded at once."""
INT16_UNITS = 100.0
"""A sample beyond this, 40 dB above full scale, is not one from -1 to 1: some programs write whole numbers so."""
MOST_INT16 = 65536.0
MUCH_BYTES = 4096
"""Of a file that is not a header alone."""
CLAIMED_BYTES = 1 << 40
"""libsndfile guesses the length of an MP3 without a tag from its first frames and the file's size, and stops there: of
a file that claims to be this long it reads all there is."""


@contextlib.contextmanager
def open_sound(path: str | Path) -> Generator[Sound]:
    """Open a recording of any format that libsndfile reads, or ffmpeg where that is installed.

    Samples are from -1 to 1. Blocks raise `AudioFileError` where the file is damaged or holds some that are not finite.

    Raises
    ------
    AudioFileError
        If it is missing or not audio.
    """
    with contextlib.ExitStack() as stack:
        descriptor = _open(path)
        stack.callback(os.close, descriptor)
        try:
            sound = _open_parts(str(path), descriptor, stack)
        except AudioFileError:
            raise
        except (soundfile.SoundFileError, OSError) as exc:
            if not os.fstat(descriptor).st_size:
                raise AudioFileError(f"expected a recording, found {path} that is not audio (it is empty)") from exc
            if not ffmpeg.may_read(os.pread(descriptor, 64, 0), Path(path).suffix):
                # libsndfile says "file does not exist" of an MP3 without a whole frame.
                why = "format not recognised" if "does not exist" in str(exc) else describe_failure(exc)
                raise AudioFileError(f"expected a recording, found {path} that is not audio ({why})") from exc
            sound = stack.enter_context(ffmpeg.decode(str(path)))
        yield sound._replace(blocks=_check(sound.blocks, str(path)))


def read_mono(sound: Sound, choice: Channel, name: str) -> Iterator[NDArray[np.float32]]:
    """Yield a recording's sound in mono, shape (n,) each.

    Raises
    ------
    AudioFileError
        If it has no such channel, and what its blocks raise.
    """
    if isinstance(choice, int) and choice > sound.n_channels:
        raise AudioFileError(f"expected channel {choice} of {name}, found that it has {sound.n_channels}")
    mixer = Mixer(choice, n_channels=sound.n_channels, rate_hz=sound.rate_hz, name=name, is_live=False)
    for frames in sound.blocks:
        yield mixer.mix(frames)
    yield mixer.finish()


def _open(path: str | Path) -> int:
    try:
        return open_regular(Path(path))
    except FileNotFoundError as exc:
        raise AudioFileError(f"expected a recording, found no file {path}") from exc
    except OSError as exc:
        if "\0" in str(path):
            raise AudioFileError(f"expected the name of a recording, found {str(path)!r}") from exc
        if os.path.isdir(path):  # noqa: PTH112 - no error for a name that is too long
            raise AudioFileError(f"expected a recording, found the folder {path}: name the files in it") from exc
        raise AudioFileError(f"expected to read {path}, found: {exc.strerror}") from exc


def _open_parts(path: str, descriptor: int, stack: contextlib.ExitStack) -> Sound:
    start = os.pread(descriptor, 16, 0)
    try:
        mended = find_fault(descriptor)
    except AudioFileError as exc:
        raise AudioFileError(f"expected a recording, found {path} with {exc}") from exc
    if mended is not None:
        return _open_mended(path, descriptor, mended, stack)
    links = find_links(descriptor, start)
    if len(links) == 2 and not (is_mp3(start) and not is_tagged(descriptor, 0)):
        try:
            file = stack.enter_context(soundfile.SoundFile(os.fsencode(path)))
        except TypeError as exc:  # a format without a header
            raise AudioFileError(
                f"expected a recording with a header, found {path}: pipe raw samples into 'listen -'"
            ) from exc
        return Sound(file.samplerate, file.channels, _read_or_warn(file, path, descriptor))
    parts = [
        stack.enter_context(soundfile.SoundFile(_Part(descriptor, first, last)))
        for first, last in itertools.pairwise(links)
    ]
    alike = [part for part in parts if _form(part) == _form(parts[0])]
    if len(alike) < len(parts):
        log.warning(
            "%s holds %d recordings, of which %d are left out: of another rate or number of channels than the first",
            path,
            len(parts),
            len(parts) - len(alike),
        )
    return Sound(parts[0].samplerate, parts[0].channels, (block for part in alike for block in _read(part, path)))


def _form(file: soundfile.SoundFile) -> tuple[int, int]:
    return file.samplerate, file.channels


def _open_mended(path: str, descriptor: int, mended: Mended, stack: contextlib.ExitStack) -> Sound:
    header = mended.header
    log.warning("%s %s", path, mended.fault)
    file = stack.enter_context(
        soundfile.SoundFile(
            _Part(descriptor, header.first_byte, header.first_byte + mended.n_bytes),
            samplerate=header.rate_hz,
            channels=header.n_channels,
            format="RAW",
            subtype=header.subtype,
            endian="BIG" if header.is_big_endian else "LITTLE",
        )
    )
    return Sound(header.rate_hz, header.n_channels, _read(file, path))


def _read_or_warn(file: soundfile.SoundFile, path: str, descriptor: int) -> Iterator[NDArray[np.float32]]:
    """Yield blocks; log where there are none in a file that holds much."""
    is_empty = True
    for block in _read(file, path):
        is_empty = False
        yield block
    n_bytes = os.fstat(descriptor).st_size
    if is_empty and n_bytes > MUCH_BYTES:
        log.warning("%s holds %d kB, but no sound that can be read: its header may be damaged", path, n_bytes // 1000)


def _read(file: soundfile.SoundFile, path: str) -> Iterator[NDArray[np.float32]]:
    # soundfile seeks behind each block of what can be sought in; in an MP3 that loses the bit reservoir.
    file.seekable = lambda: False
    while True:
        frames = np.full((BLOCK_FRAMES, file.channels), np.nan, dtype=np.float32)
        try:
            frames = file.read(out=frames)
        except (soundfile.SoundFileError, OSError) as exc:
            whole = np.flatnonzero(np.isnan(frames[:, 0]))[:1].sum()  # what was decoded before the damage
            if whole:
                yield frames[:whole]
            raise AudioFileError(f"expected a whole recording, found {path} damaged ({describe_failure(exc)})") from exc
        if not len(frames):
            return
        yield frames


def _check(blocks: Iterator[NDArray[np.float32]], path: str) -> Iterator[NDArray[np.float32]]:
    """Yield blocks of finite samples from -1 to 1.

    Raises
    ------
    AudioFileError
        If a sample is not finite, or so far beyond 1 that the samples before it were of other units.
    """
    scale = None
    for block in blocks:
        peak = float(np.abs(block).max())
        if not np.isfinite(peak):
            raise AudioFileError(f"expected finite samples, found NaN or infinity in {path}")
        if scale is None and INT16_UNITS < peak <= MOST_INT16:
            log.warning("%s holds samples up to %.0f where 1 is full scale: taken for 16-bit ones", path, peak)
            scale = 1.0 / INT16_SCALE
        if scale is None and peak > 0.0:
            scale = 1.0
        if peak * (scale or 1.0) > INT16_UNITS:
            raise AudioFileError(
                f"expected samples from -1 to 1, found {peak:g} in {path}: divide them by what is full scale in it"
            )
        scaled = block * np.float32(scale) if scale is not None and scale != 1.0 else block
        yield np.clip(scaled, -1.0, 1.0)


class _Part:
    """Some bytes of a file as a file of its own, for libsndfile."""

    def __init__(self, descriptor: int, first: int, last: int) -> None:
        self._descriptor = descriptor
        self._first, self._n_bytes = first, last - first
        start = os.pread(descriptor, 16, first)
        self._claimed = CLAIMED_BYTES if is_mp3(start) and not is_tagged(descriptor, first) else self._n_bytes
        self._position = 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._claimed}[whence]
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def read(self, n_bytes: int) -> bytes:
        there = max(0, min(n_bytes, self._n_bytes - self._position))
        content = os.pread(self._descriptor, there, self._first + self._position)
        if self._claimed > self._n_bytes and self._position >= self._claimed - SEARCHED_AT_END:
            content = bytes(n_bytes)  # where a tag of ID3v1 would be
        self._position += len(content)
        return content

    def write(self, content: bytes) -> int:  # noqa: ARG002 - libsndfile's protocol
        raise OSError(errno.EBADF, "opened for reading")


SEARCHED_AT_END = 1024
"""libsndfile looks for tags there."""


def describe_failure(exc: Exception) -> str:
    """Return the reason in a message of libsndfile."""
    return str(exc).rpartition(": ")[2].rstrip(".").lower() or type(exc).__name__
