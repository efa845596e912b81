"""Golden vectors: what every machine must compute from a waveform, in a model's manifest."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from detector.errors import ModelFormatError
from detector.types import Text

MOST_BYTES = 2**24
"""Limit of a golden vector's decompressed values, since a few bytes may inflate to gigabytes; a minute at 48 kHz takes
a third of it."""


class GoldenVector(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A waveform with the features and scores that every machine must compute from it."""

    samples: Text
    """One window of int16 samples, little-endian, compressed by zlib, in base64."""
    features: Text
    """Its features, float32, little-endian, row by row, compressed by zlib, in base64."""
    label: str
    """The label that scores highest; none, "", where the outputs are an embedding and no scores."""
    scores: list[int]
    """The int8 outputs of the network."""

    @classmethod
    def encode(
        cls, samples: NDArray[np.int16], features: NDArray[np.float32], scores: NDArray[np.int8], label: str
    ) -> GoldenVector:
        """Make a golden vector from arrays."""
        return cls(
            samples=_encode(samples.astype("<i2")),
            features=_encode(features.astype("<f4")),
            label=label,
            scores=[int(score) for score in scores],
        )

    def decode_samples(self) -> NDArray[np.int16]:
        """Return the waveform, shape (window_samples,).

        Raises
        ------
        ModelFormatError
            If the text is not base64 of such samples.
        """
        return _decode(self.samples, "<i2").astype(np.int16)

    def decode_features(self, n_mels: int) -> NDArray[np.float32]:
        """Return the features, shape (n_frames, n_mels).

        Raises
        ------
        ModelFormatError
            If the text is not base64 of such features.
        """
        values = _decode(self.features, "<f4").astype(np.float32)
        if values.size % n_mels:
            raise ModelFormatError(f"expected golden features in rows of {n_mels}, found {values.size} values")
        return values.reshape(-1, n_mels)


def _encode(values: NDArray[Any]) -> str:
    return base64.b64encode(zlib.compress(values.tobytes(), 9)).decode()


def _decode(text: str, dtype: str) -> NDArray[Any]:
    inflater = zlib.decompressobj()
    expected = f"expected base64 of compressed {dtype} values in a golden vector"
    try:
        values = inflater.decompress(base64.b64decode(text, validate=True), MOST_BYTES)
    except (ValueError, zlib.error) as exc:
        raise ModelFormatError(f"{expected}, found {exc}") from exc
    if not inflater.eof or len(values) % np.dtype(dtype).itemsize:
        raise ModelFormatError(f"{expected}, found {len(values)} bytes that are cut off, or too many")
    return np.frombuffer(values, dtype=dtype)
