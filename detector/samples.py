"""Samples: the one conversion between signed 16-bit and floats in [-1, 1), and what counts as samples at all."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

INT16_SCALE = 32768.0
MOST_LEVEL = 8.0
"""18 dB above full scale: what filters and resamplers add to full scale is far less."""


def to_float(samples: NDArray[np.int16]) -> NDArray[np.float32]:
    """Return samples / 32768 as float32, any shape; exact."""
    return (samples / np.float32(INT16_SCALE)).astype(np.float32)


def to_int16(samples: NDArray[np.floating]) -> NDArray[np.int16]:
    """Return floats times 32768 as int16, any shape: rounded half to even, then clipped. Inverts `to_float`."""
    rounded: NDArray[np.floating] = np.clip(np.rint(samples * INT16_SCALE), -32768, 32767)
    return rounded.astype(np.int16)


def check_samples(samples: ArrayLike) -> NDArray[np.int16]:
    """Return what a user hands over as samples, int16 or floats in [-1, 1), shape (n_samples,), as int16.

    Raises
    ------
    ValueError
        If the array is not one-dimensional, of another type, or its floats are not finite or of other units.
    """
    array = np.asarray(samples)
    if array.ndim != 1:
        raise ValueError(f"expected samples of shape (n_samples,), found {array.shape}")
    if array.dtype.newbyteorder("=") == np.int16:
        return array.astype(np.int16, copy=False)
    if array.dtype.kind != "f":
        raise ValueError(
            f"expected int16 or float samples, found {array.dtype}: convert them, of 16-bit values with "
            "samples.astype('int16')"
        )
    peak = float(np.abs(array).max(initial=0.0))
    if not np.isfinite(peak):
        raise ValueError("expected finite samples, found NaN or infinity")
    if peak > MOST_LEVEL or (peak > 1.0 and bool((array == np.rint(array)).all())):
        raise ValueError(
            f"expected float samples from -1 to 1, found {peak:g}: of 16-bit values give samples.astype('int16'), or "
            "samples / 32768"
        )
    return to_int16(array)
