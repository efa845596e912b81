"""Any sample rate to the model's, through soxr."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from detector.errors import SettingsError


class Resampler(Protocol):
    """Converts a mono stream, block by block."""

    def convert(self, samples: NDArray[np.float32], *, is_last: bool = False) -> NDArray[np.float32]:
        """Take the next samples, shape (n,), and return those that are ready, shape (m,)."""
        ...


class _SameRate:
    def convert(self, samples: NDArray[np.float32], *, is_last: bool = False) -> NDArray[np.float32]:  # noqa: ARG002
        return samples


class _Soxr:
    def __init__(self, soxr: Any, from_hz: int, to_hz: int) -> None:
        self._stream = soxr.ResampleStream(from_hz, to_hz, 1, dtype="float32", quality="HQ")

    def convert(self, samples: NDArray[np.float32], *, is_last: bool = False) -> NDArray[np.float32]:
        converted: NDArray[np.float32] = self._stream.resample_chunk(samples, last=is_last)
        return converted


def open_resampler(from_hz: int, to_hz: int) -> Resampler:
    """Return a resampler between two rates in Hz; equal rates pass unchanged and need no soxr.

    Raises
    ------
    SettingsError
        If the rates differ and soxr is not installed (there are no wheels for 32-bit ARM).
    """
    if from_hz == to_hz:
        return _SameRate()
    try:
        import soxr
    except ImportError as exc:
        raise SettingsError(
            f"expected audio at {to_hz} Hz, found {from_hz} Hz and no soxr to convert it: "
            f"install soxr (pip install soxr) or convert the audio first"
        ) from exc
    return _Soxr(soxr, from_hz, to_hz)


def resample(samples: NDArray[np.float32], from_hz: int, to_hz: int) -> NDArray[np.float32]:
    """Convert a whole mono recording, shape (n,)."""
    return open_resampler(from_hz, to_hz).convert(samples, is_last=True)
