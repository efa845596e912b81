"""How raw samples are written: bytes to samples from -1 to 1."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]


class Coding(NamedTuple):
    """Of a sample, as ffmpeg names it."""

    sample_bytes: int
    decode: Callable[[bytes], Samples]
    """Bytes of whole samples to shape (n,)."""


def _of_dtype(dtype: str, full_scale: float, offset: float = 0.0) -> Coding:
    kind = np.dtype(dtype)

    def decode(content: bytes) -> Samples:
        with np.errstate(invalid="ignore"):  # signalling NaNs: whoever takes the samples refuses them
            samples = np.frombuffer(content, dtype=kind).astype(np.float64)
        return ((samples - offset) / full_scale).astype(np.float32)

    return Coding(kind.itemsize, decode)


def _decode_24(content: bytes) -> Samples:
    """Three bytes a sample, the lowest first."""
    wide = np.zeros((len(content) // 3, 4), dtype=np.uint8)
    wide[:, 1:] = np.frombuffer(content, dtype=np.uint8).reshape(-1, 3)
    return (wide.view("<i4")[:, 0] / 2.0**31).astype(np.float32)


def _decode_24_big(content: bytes) -> Samples:
    return _decode_24(np.frombuffer(content, dtype=np.uint8).reshape(-1, 3)[:, ::-1].tobytes())


def _decode_24_in_32(content: bytes) -> Samples:
    """Four bytes a sample, of which the highest is padding: S24_LE of ALSA."""
    return ((np.frombuffer(content, dtype="<i4") << 8) / 2.0**31).astype(np.float32)


def _by_table(subtype: str) -> Coding:
    @cache
    def table() -> Samples:
        import soundfile

        every = io.BytesIO(bytes(range(256)))
        values: Samples = soundfile.read(
            every, dtype="float32", samplerate=8000, channels=1, format="RAW", subtype=subtype
        )[0]
        return values

    return Coding(1, lambda content: table()[np.frombuffer(content, dtype=np.uint8)])


CODINGS = {
    "u8": _of_dtype("u1", 128.0, 128.0),
    "s8": _of_dtype("i1", 128.0),
    "s16le": _of_dtype("<i2", 32768.0),
    "s16be": _of_dtype(">i2", 32768.0),
    "s24le": Coding(3, _decode_24),
    "s24be": Coding(3, _decode_24_big),
    "s24_32le": Coding(4, _decode_24_in_32),
    "s32le": _of_dtype("<i4", 2.0**31),
    "s32be": _of_dtype(">i4", 2.0**31),
    "f32le": _of_dtype("<f4", 1.0),
    "f32be": _of_dtype(">f4", 1.0),
    "f64le": _of_dtype("<f8", 1.0),
    "f64be": _of_dtype(">f8", 1.0),
    "alaw": _by_table("ALAW"),
    "mulaw": _by_table("ULAW"),
}
OF_SUBTYPES = {
    "PCM_U8": "u8",
    "PCM_16": "s16{}",
    "PCM_24": "s24{}",
    "PCM_32": "s32{}",
    "FLOAT": "f32{}",
    "DOUBLE": "f64{}",
    "ALAW": "alaw",
    "ULAW": "mulaw",
}
OF_ALSA = {
    "s243le": "s24le",
    "s243be": "s24be",
    "s24le": "s24_32le",
    "floatle": "f32le",
    "floatbe": "f32be",
    "float64le": "f64le",
}


def normalise_name(name: str) -> str:
    """Return ffmpeg's name of a coding; arecord's names, as S16_LE, are known too."""
    plain = name.lower()
    if plain in CODINGS or "_" not in plain:
        return plain
    joined = plain.replace("_", "")
    return OF_ALSA.get(joined, joined)


def name_coding(subtype: str, *, is_big_endian: bool) -> str:
    """Return the name of how a WAV's samples are written."""
    return OF_SUBTYPES[subtype].format("be" if is_big_endian else "le")
