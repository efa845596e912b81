"""Augmentation of sound: pure functions of arrays, a random generator and numbers. Audio is float32 in 16-bit units."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Audio = NDArray[np.float32]


def rms(samples: Audio) -> float:
    """Return the root mean square of some samples; 0 for none."""
    return float(np.sqrt(np.dot(samples, samples) / samples.size)) if samples.size else 0.0


def db_to_factor(gain_db: float) -> float:
    """Return the factor on amplitudes that a gain in dB stands for."""
    return math.pow(10.0, gain_db / 20.0)


def change_speed(samples: Audio, factor: float) -> Audio:
    """Play faster (factor > 1) or slower, pitch included, by linear interpolation; shape (n,) -> (n / factor,)."""
    n_samples = max(1, round(len(samples) / factor))
    positions = np.arange(n_samples) * factor
    played: Audio = np.interp(positions, np.arange(len(samples)), samples).astype(np.float32)
    return played


def cut(samples: NDArray[np.generic], n_samples: int, rng: np.random.Generator) -> Audio:
    """Cut n_samples out of a recording at a drawn place; a shorter one is repeated from a drawn place on."""
    if len(samples) >= n_samples:
        start = int(rng.integers(0, len(samples) - n_samples + 1))
        return samples[start : start + n_samples].astype(np.float32)
    start = int(rng.integers(0, len(samples)))
    return np.take(samples, np.arange(start, start + n_samples), mode="wrap").astype(np.float32)


def fade(samples: Audio, n_samples: int) -> Audio:
    """Ramp both ends linearly over n_samples, so that a cut does not click."""
    n_samples = min(n_samples, len(samples) // 2)
    if n_samples == 0:
        return samples
    ramp = np.linspace(0.0, 1.0, n_samples, dtype=np.float32)
    faded = samples.copy()
    faded[:n_samples] *= ramp
    faded[-n_samples:] *= ramp[::-1]
    return faded


def tilt(samples: Audio, coefficient: float) -> Audio:
    """Filter with y[n] = x[n] + a x[n - 1]: a > 0 removes treble, a < 0 bass. Same shape."""
    filtered = samples.copy()
    filtered[1:] += np.float32(coefficient) * samples[:-1]
    return filtered


def equalise(
    samples: Audio,
    rng: np.random.Generator,
    *,
    strength_db: float,
    sample_rate_hz: int,
    cut_off: float = 0.0,
    cut_off_hz: tuple[float, float] = (3000.0, 4000.0),
) -> Audio:
    """Shape the spectrum by a drawn curve: knots an octave apart, joined in dB.

    With the probability `cut_off` nothing is left above a frequency drawn from a range.
    """
    spectrum = np.fft.rfft(samples)
    frequency_hz = np.arange(len(spectrum)) * (sample_rate_hz / len(samples))
    n_octaves = math.ceil(math.log2(sample_rate_hz / 2 / 100.0))
    knots_hz = 100.0 * 2.0 ** np.arange(n_octaves + 1)
    gain_db = np.interp(
        np.log2(np.maximum(frequency_hz, 1.0)), np.log2(knots_hz), rng.uniform(-strength_db, strength_db, len(knots_hz))
    )
    if rng.random() < cut_off:
        gain_db[frequency_hz > rng.uniform(*cut_off_hz)] = -80.0
    shaped: Audio = np.fft.irfft(spectrum * 10.0 ** (gain_db / 20.0), len(samples)).astype(np.float32)
    return shaped


def noise_factor(speech_rms: float, noise_rms: float, snr_db: float) -> float:
    """Return the factor on a noise that puts it snr_db below the speech; 0 for digital silence."""
    return speech_rms / noise_rms / db_to_factor(snr_db) if noise_rms > 0.0 else 0.0


def add(canvas: Audio, sound: Audio, start: int) -> None:
    """Add a sound to a canvas from `start` on; what sticks out on either side is dropped."""
    first, last = max(0, start), min(len(canvas), start + len(sound))
    if first < last:
        canvas[first:last] += sound[first - start : last - start]
