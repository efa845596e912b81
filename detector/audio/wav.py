"""The headers of WAV files and streams: how their samples are written, and where.

Of a file libsndfile reads the samples. What stands here is for headers that libsndfile believes though they are wrong:
a recorder that lost power leaves the length of what it had written when it last looked, or 0.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from typing import NamedTuple

from detector.errors import AudioFileError

UNKNOWN_BYTES = {0, 0x7FFFF000, 0xFFFFFFFF - 36, 0xFFFFFFFF}
"""Lengths that programs write which do not know how long a stream will be: arecord, sox, ffmpeg."""
MOST_HEADER_BYTES = 1 << 20
"""In front of the samples of a stream."""
STARTS = (b"RIFF", b"RIFX", b"RF64")
EXTENSIBLE = 0xFFFE
SUBTYPES = {
    (1, 8): "PCM_U8",
    (1, 16): "PCM_16",
    (1, 24): "PCM_24",
    (1, 32): "PCM_32",
    (3, 32): "FLOAT",
    (3, 64): "DOUBLE",
    (6, 8): "ALAW",
    (7, 8): "ULAW",
}
"""Names of libsndfile, by the tag and the bits a sample of a WAV header (Microsoft's mmreg.h)."""


class WavHeader(NamedTuple):
    """What a WAV header says, and where the samples are."""

    rate_hz: int
    n_channels: int
    subtype: str | None
    """libsndfile's name of how a sample is written; None for what does not stand for itself, as ADPCM."""
    frame_bytes: int
    """Of one sample of all channels."""
    is_big_endian: bool
    first_byte: int
    """Where the samples begin."""
    n_bytes: int | None
    """Of samples, as the header says; None if it says that it does not know."""
    says_zero: bool
    """It says that there are none, as that of an empty recording does."""


def is_wav(start: bytes) -> bool:
    """Return whether a file or a stream that begins with these twelve bytes is a WAV."""
    return start[:4] in STARTS and start[8:12] == b"WAVE"


def read_header(read: Callable[[int], bytes]) -> WavHeader | None:
    """Read a header to where the samples begin.

    Parameters
    ----------
    read : callable
        Returns the next bytes, as many as it is asked for, fewer at the end alone.

    Returns
    -------
    WavHeader or None
        None if this is no WAV, or has no header that could be read.
    """
    start = read(12)
    if not is_wav(start):
        return None
    end = ">" if start[:4] == b"RIFX" else "<"
    chunks: dict[bytes, bytes] = {}
    position = len(start)
    while position < MOST_HEADER_BYTES:
        head = read(8)
        if len(head) < 8:
            return None
        name, n_bytes = head[:4], struct.unpack(f"{end}I", head[4:])[0]
        position += 8
        if name == b"data":
            return _make_header(chunks, end, position, n_bytes)
        chunks[name] = read(min(n_bytes + n_bytes % 2, MOST_HEADER_BYTES))
        position += len(chunks[name])
    return None


def _make_header(chunks: dict[bytes, bytes], end: str, first_byte: int, n_bytes: int) -> WavHeader | None:
    form, long_form = chunks.get(b"fmt ", b""), chunks.get(b"ds64", b"")
    if len(form) < 16:
        return None
    tag, n_channels, rate_hz, _, frame_bytes, bits = struct.unpack(f"{end}HHIIHH", form[:16])
    if not n_channels or not rate_hz:
        return None
    if tag == EXTENSIBLE and len(form) >= 26:
        tag = struct.unpack(f"{end}H", form[24:26])[0]
    if n_bytes == 0xFFFFFFFF and len(long_form) >= 16:
        n_bytes = struct.unpack(f"{end}Q", long_form[8:16])[0] or n_bytes
    subtype = SUBTYPES.get((tag, bits)) if frame_bytes == n_channels * bits // 8 else None
    known = None if n_bytes in UNKNOWN_BYTES else n_bytes
    return WavHeader(rate_hz, n_channels, subtype, frame_bytes, end == ">", first_byte, known, n_bytes == 0)


class Mended(NamedTuple):
    """Samples of a file that are to be read otherwise than its header says."""

    header: WavHeader
    n_bytes: int
    """Of samples that are there."""
    fault: str
    """What is wrong with the file, for a line of the log."""


def find_fault(descriptor: int) -> Mended | None:
    """Return what a WAV file holds, if its header is wrong about it; None if all is well.

    Raises
    ------
    AudioFileError
        If the samples have to be known by the header alone, and it is wrong.
    """
    position = 0

    def read(n_bytes: int) -> bytes:
        nonlocal position
        found = os.pread(descriptor, n_bytes, position)
        position += len(found)
        return found

    header = read_header(read)
    if header is None:
        return None
    n_there = os.fstat(descriptor).st_size - header.first_byte
    if header.subtype is None:
        if header.n_bytes is None and n_there > 0:
            raise AudioFileError("no length in its header, in a coding that cannot be read without it")
        return None
    n_bytes, fault = header.n_bytes, ""
    if n_bytes is None:
        is_empty = n_there < header.frame_bytes or (
            header.says_zero and _find_rest(descriptor, header.first_byte) is None
        )
        fault = "" if is_empty else "has a header without a length"
    elif n_bytes > n_there:
        fault = f"has a header that promises {_seconds(header, n_bytes):.1f} s"
    else:
        after = header.first_byte + n_bytes
        rests = [_find_rest(descriptor, after + after % 2), _find_rest(descriptor, after)]
        if ANOTHER in rests:
            return Mended(header, n_bytes, "has another recording behind the first, which is left out")
        if None not in rests:
            fault = f"has a header that knows of {_seconds(header, n_bytes):.1f} s"
    if not fault:
        return None
    whole = n_there // header.frame_bytes * header.frame_bytes
    return Mended(header, whole, f"{fault}; it holds {_seconds(header, whole):.1f} s, and all of them are read")


def _seconds(header: WavHeader, n_bytes: int) -> float:
    return n_bytes / header.frame_bytes / header.rate_hz


ANOTHER, SOUND = "another WAV", "sound"


def _find_rest(descriptor: int, position: int) -> str | None:
    """Return what a file goes on with: another recording, sound, or None for whole chunks or next to nothing."""
    size = os.fstat(descriptor).st_size
    while size - position >= LITTLE_BYTES:
        head = os.pread(descriptor, 8, position)
        if not all(32 <= byte < 127 for byte in head[:4]):
            return SOUND
        if head[:4] in STARTS:
            return ANOTHER
        n_bytes = struct.unpack("<I", head[4:])[0]
        if n_bytes > size - position - 8:
            n_bytes = struct.unpack(">I", head[4:])[0]
        position += 8 + n_bytes + n_bytes % 2
        if position > size + 1:
            return SOUND
    return None


LITTLE_BYTES = 1024
"""Behind the last chunk programs leave tags and padding; sound is longer."""
