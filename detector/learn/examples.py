"""Examples of a word from a few takes of it, in each manner in which it is met: alone, in a sentence, in noise.

Each example is a short stream. The windows that end at the word's end or within 0.24 s after it are the word; those
that end before it has been said are none; between them nothing is asked for. A manner is learnt by a unit of its own:
one weighted sum that has to serve all of them serves none (on words left out of training it missed twice as much).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.learn.augment import Audio, add, cut, db_to_factor, fade, noise_factor, rms
from detector.learn.takes import Take

RATE_HZ = 16000
BEFORE_S, AFTER_S = 2.0, 0.5
"""Of an example, before and after its word."""
MARGIN_S, FADE_S = 0.03, 0.01
HEARD_S = 0.24
"""A window that ends so long after the word still is the word."""
SURE_S = 0.2
"""A window that ends so long before the word's end is not the word yet."""
GAP_S = (0.0, 0.15)
"""Range of the pause between a word and the speech around it."""
SPEECH_DB = (-4.0, 4.0)
"""Range of the level of that speech against the word's."""
LEVEL_DB = (-38.0, -14.0)
"""Range of the level of the finished word, in dBFS."""
HISS_RMS = 6.0
COLOURS = (-1.0, 0.3)
"""Range of the exponent of frequency of the amplitude of made noise."""


@dataclass(frozen=True)
class Manner:
    """How a word is met."""

    name: str
    n_examples: int
    is_inside_speech: bool = False
    snr_db: tuple[float, float] | None = None
    """Range; none: no noise is added."""


MANNERS = (
    Manner("alone", 40),
    Manner("inside", 120, is_inside_speech=True),
    Manner("noisy", 90, snr_db=(5.0, 15.0)),
)


@dataclass(frozen=True, eq=False)
class Example:
    """A stream of 16 kHz, and where the word ends in it."""

    samples: NDArray[np.int16]
    end: int
    take: int
    """Position of the take it was made of."""


class ExampleMaker:
    """Makes examples of takes; `speech` and `room` are what it is said in, int16 at 16 kHz, either may be empty."""

    def __init__(self, *, speech: NDArray[np.int16], room: NDArray[np.int16]) -> None:
        self._speech = speech
        self._room = room

    def make(self, takes: Sequence[Take], manner: Manner, rng: np.random.Generator) -> list[Example]:
        """Make examples of all takes in turn, at least three of each."""
        n_examples = max(manner.n_examples, 3 * len(takes))
        return [self._make(takes[k % len(takes)], k % len(takes), manner, rng) for k in range(n_examples)]

    def _make(self, take: Take, number: int, manner: Manner, rng: np.random.Generator) -> Example:
        margin = round(MARGIN_S * RATE_HZ)
        word = take.samples[max(0, take.start - margin) : take.end + margin].astype(np.float32)
        word = fade(word, round(FADE_S * RATE_HZ))
        before = round(BEFORE_S * RATE_HZ)
        canvas = np.zeros(before + len(word) + round(AFTER_S * RATE_HZ), dtype=np.float32)
        add(canvas, word, before)
        level = rms(word)
        if manner.is_inside_speech and len(self._speech):
            self._surround(canvas, before, before + len(word), level, rng)
        if manner.snr_db is not None:
            noise = self._draw_noise(len(canvas), rng)
            canvas += noise * np.float32(noise_factor(level, rms(noise), rng.uniform(*manner.snr_db)))
        canvas *= np.float32(32768.0 * db_to_factor(rng.uniform(*LEVEL_DB)) / max(level, 1.0))
        canvas += rng.standard_normal(len(canvas), dtype=np.float32) * np.float32(HISS_RMS)
        samples = np.clip(np.rint(canvas), -32768, 32767).astype(np.int16)
        return Example(samples, before + len(word) - margin, number)

    def _surround(self, canvas: Audio, start: int, end: int, level: float, rng: np.random.Generator) -> None:
        """Write running speech up to the word and from it on."""
        for first, last in ((0, start - self._draw_gap(rng)), (end + self._draw_gap(rng), len(canvas))):
            speech = fade(cut(self._speech, last - first, rng), round(FADE_S * RATE_HZ))
            add(canvas, speech * np.float32(noise_factor(level, rms(speech), rng.uniform(*SPEECH_DB))), first)

    def _draw_gap(self, rng: np.random.Generator) -> int:
        return round(rng.uniform(*GAP_S) * RATE_HZ)

    def _draw_noise(self, n_samples: int, rng: np.random.Generator) -> Audio:
        """Draw noise of the room, as often as not, where there is any, or of a drawn colour."""
        if len(self._room) >= RATE_HZ and rng.integers(2):
            return cut(self._room, n_samples, rng)
        spectrum = np.fft.rfft(rng.standard_normal(n_samples))
        spectrum *= np.maximum(np.arange(len(spectrum)), 1.0) ** rng.uniform(*COLOURS)
        return np.fft.irfft(spectrum, n_samples).astype(np.float32)
