"""How loud the word of a recording is, against the room and against full scale."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.learn.speech import HOP, RATE_HZ, Burst, Speech
from detector.samples import INT16_SCALE

CLIPPED_RUN = 3
"""Samples at full scale in a row that were louder than can be recorded."""
FULL_SCALE = 32600
"""Decoders and resamplers leave what was clipped a little lower."""
AROUND_S = 0.1
"""Beside a word, where it fades, the room is not measured."""


@dataclass(frozen=True, slots=True)
class Measured:
    """The word of a recording; levels are of all above 100 Hz."""

    start: int
    """Its first sample."""
    end: int
    """The sample after its last."""
    level_dbfs: float
    """Root mean square against full scale, -inf for digital silence; the noise included."""
    noise_dbfs: float
    """Of the recording without the word, or of its quietest part where there is no more."""
    peak: float
    """Largest magnitude of the word's samples, of which 1 is full scale."""
    clipped: float
    """Share of the word's samples that are at full scale in runs."""

    @property
    def snr_db(self) -> float:
        """Power of the word above the noise's, in dB; -inf where it is no louder."""
        ratio = 10.0 ** ((self.level_dbfs - self.noise_dbfs) / 10.0) - 1.0 if self.level_dbfs > -math.inf else 0.0
        return 10.0 * math.log10(ratio) if ratio > 0.0 else -math.inf


def measure(samples: NDArray[np.int16], speech: Speech, phrase: Burst) -> Measured:
    """Measure a phrase of a recording, shape (n,), in which `find_speech` has found `speech`."""
    powers = speech.powers
    around = round(AROUND_S * RATE_HZ)
    first, last = phrase.start // HOP, max(phrase.start // HOP + 1, phrase.end // HOP)
    is_outside = speech.is_live
    quietest = powers[is_outside].min(initial=1.0)
    is_outside[max(0, (phrase.start - around) // HOP) : (phrase.end + around) // HOP] = False
    outside = powers[is_outside]
    # A dog that barks elsewhere in the recording does not drown the word: the median leaves it out.
    noise = np.median(outside) if len(outside) > around // HOP else quietest
    magnitudes = np.abs(samples[phrase.start : phrase.end].astype(np.int32))
    is_full = np.lib.stride_tricks.sliding_window_view(magnitudes, CLIPPED_RUN).min(axis=1) >= FULL_SCALE
    return Measured(
        start=phrase.start,
        end=phrase.end,
        level_dbfs=to_db(float(powers[first:last].mean())),
        noise_dbfs=to_db(float(noise)),
        peak=float(magnitudes.max()) / INT16_SCALE,
        clipped=float(is_full.mean()),
    )


def to_db(power: float) -> float:
    """Return a power in dB; -inf for none."""
    return 10.0 * math.log10(power) if power > 0.0 else -math.inf
