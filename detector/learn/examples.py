"""Examples of a word from a few takes of it: as it may be said in other rooms, faster, in noise, inside a sentence.

Each example is a short stream. The windows that end at the word's end or within 0.24 s after it are the word; those
that end before it has been said, and those that hold a part of it alone, are none; between them nothing is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.learn.augment import (
    Audio,
    add,
    change_speed,
    cut,
    db_to_factor,
    equalise,
    fade,
    noise_factor,
    rms,
    tilt,
)
from detector.learn.takes import Take

RATE_HZ = 16000
BEFORE_S, AFTER_S = 2.0, 0.5
"""Of an example, before and after its word."""
MARGIN_S, FADE_S = 0.03, 0.01
HEARD_S = 0.24
"""A window that ends so long after the word still is the word."""
SURE_S = 0.2
"""A window that ends so long before the word's end is not the word yet."""
PART = (0.4, 0.65)
"""Range of the part of a word that is left of a part of it."""
PARTS = 0.25
"""Share of examples that hold a part of the word."""
INSIDE = 0.5
"""Share of examples that stand inside running speech."""
GAP_S = (0.0, 0.15)
SPEED, SPEED_RANGE = 0.6, (0.87, 1.15)
NOISE, SNR_DB = 0.6, (5.0, 30.0)
ROOM, ROOM_S = 0.35, (0.1, 0.6)
EQUALISE, EQUALISE_DB = 0.4, 8.0
TILT, TILT_RANGE = 0.4, (-0.5, 0.5)
SPEECH_DB = (-6.0, 6.0)
LEVEL_DB = (-38.0, -14.0)
"""Range of the level of the finished word, in dBFS."""
HISS_RMS = 6.0
COLOURS = (-1.0, 0.3)


@dataclass(frozen=True)
class Example:
    """A stream of 16 kHz, and where the word, or the part of it, lies in it."""

    samples: NDArray[np.int16]
    start: int
    end: int
    is_whole: bool
    take: int
    """Position of the take it was made of."""


class ExampleMaker:
    """Makes examples of takes; `speech` and `room` are what it is said in, int16 at 16 kHz, either may be empty."""

    def __init__(self, *, speech: NDArray[np.int16], room: NDArray[np.int16]) -> None:
        self._speech = speech
        self._room = room

    def make(self, takes: Sequence[Take], n_examples: int, rng: np.random.Generator) -> list[Example]:
        """Make examples of all takes in turn."""
        return [self._make(takes[k % len(takes)], k % len(takes), rng) for k in range(n_examples)]

    def _make(self, take: Take, number: int, rng: np.random.Generator) -> Example:
        margin = round(MARGIN_S * RATE_HZ)
        word = take.samples[max(0, take.start - margin) : take.end + margin].astype(np.float32)
        is_whole = rng.random() >= PARTS
        if not is_whole:
            kept = round(len(word) * rng.uniform(*PART))
            word = word[:kept] if rng.random() < 0.6 else word[-kept:]
        if rng.random() < SPEED:
            word = change_speed(word, rng.uniform(*SPEED_RANGE))
        word = fade(word, round(FADE_S * RATE_HZ))
        before = round(BEFORE_S * RATE_HZ)
        canvas = np.zeros(before + len(word) + round(AFTER_S * RATE_HZ), dtype=np.float32)
        add(canvas, word, before)
        level = rms(word)
        if len(self._speech) and rng.random() < INSIDE:
            self._surround(canvas, before, before + len(word), level, rng)
        canvas = self._finish(canvas, level, rng)
        samples = np.clip(np.rint(canvas), -32768, 32767).astype(np.int16)
        return Example(samples, before, before + len(word) - (margin if is_whole else 0), is_whole, number)

    def _surround(self, canvas: Audio, start: int, end: int, level: float, rng: np.random.Generator) -> None:
        """Write running speech up to the word and from it on."""
        for first, last in ((0, start - self._draw_gap(rng)), (end + self._draw_gap(rng), len(canvas))):
            if last - first > RATE_HZ // 10:
                speech = fade(cut(self._speech, last - first, rng), round(FADE_S * RATE_HZ))
                add(canvas, speech * np.float32(noise_factor(level, rms(speech), rng.uniform(*SPEECH_DB))), first)

    def _draw_gap(self, rng: np.random.Generator) -> int:
        return round(rng.uniform(*GAP_S) * RATE_HZ)

    def _finish(self, canvas: Audio, level: float, rng: np.random.Generator) -> Audio:
        """Add room, noise, and what the microphone does."""
        if rng.random() < ROOM:
            canvas = _reverberate(canvas, rng.uniform(*ROOM_S), rng)
        if rng.random() < NOISE:
            noise = self._draw_noise(len(canvas), rng)
            canvas = canvas + noise * np.float32(noise_factor(level, rms(noise), rng.uniform(*SNR_DB)))
        if rng.random() < TILT:
            canvas = tilt(canvas, rng.uniform(*TILT_RANGE))
        if rng.random() < EQUALISE:
            canvas = equalise(canvas, rng, strength_db=EQUALISE_DB, sample_rate_hz=RATE_HZ)
        gain = 32768.0 * db_to_factor(rng.uniform(*LEVEL_DB)) / max(level, 1.0)
        return canvas * np.float32(gain) + rng.standard_normal(len(canvas), dtype=np.float32) * np.float32(HISS_RMS)

    def _draw_noise(self, n_samples: int, rng: np.random.Generator) -> Audio:
        if len(self._room) >= RATE_HZ and rng.random() < 0.5:
            return cut(self._room, n_samples, rng)
        spectrum = np.fft.rfft(rng.standard_normal(n_samples))
        spectrum *= np.maximum(np.arange(len(spectrum)), 1.0) ** rng.uniform(*COLOURS)
        return np.fft.irfft(spectrum, n_samples).astype(np.float32)


def _reverberate(samples: Audio, reverberation_s: float, rng: np.random.Generator) -> Audio:
    """Return samples in a made-up room: the sound itself, then noise that decays by 60 dB (Moorer 1979), same shape."""
    n_tail = round(reverberation_s * RATE_HZ)
    tail = rng.standard_normal(n_tail) * 10.0 ** (-3.0 * np.arange(n_tail) / n_tail)
    tail *= rng.uniform(0.2, 0.8) / np.sqrt(np.dot(tail, tail))
    tail[0] = 1.0
    n = len(samples) + n_tail
    wet: Audio = np.fft.irfft(np.fft.rfft(samples, n) * np.fft.rfft(tail, n), n)[: len(samples)].astype(np.float32)
    return wet
