"""The project's one conversion between signed 16-bit samples and floats in [-1, 1)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

INT16_SCALE = 32768.0


def to_float(samples: NDArray[np.int16]) -> NDArray[np.float32]:
    """Return samples / 32768 as float32, any shape; exact."""
    return (samples / np.float32(INT16_SCALE)).astype(np.float32)


def to_int16(samples: NDArray[np.floating]) -> NDArray[np.int16]:
    """Return floats times 32768 as int16, any shape: rounded half to even, then clipped. Inverts `to_float`."""
    rounded: NDArray[np.floating] = np.clip(np.rint(samples * INT16_SCALE), -32768, 32767)
    return rounded.astype(np.int16)
