"""What is between a mouth and the samples: the room and its noise, the microphone's response, level and own noise."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from detector.learn.augment import Audio, change_speed, cut, db_to_factor, equalise, noise_factor, rms, tilt
from training.data.collection import Collection
from training.windows.rooms import reverberate, simulate_rooms
from training.windows.settings import WindowSettings

COLOURED_RMS = 300.0
"""Level of noise of a drawn colour, in 16-bit units (-41 dBFS), before it is set against speech."""


class Acoustics:
    """Draws rooms, noises and microphones for sounds of one length."""

    def __init__(
        self,
        settings: WindowSettings,
        collection: Collection,
        noises: Sequence[int],
        *,
        n_samples: int,
        sample_rate_hz: int,
        seed: int,
    ) -> None:
        """Simulate the rooms; `noises` are positions of recordings to cut noise out of, none: it is made."""
        self._settings = settings
        self._collection = collection
        self._noises = noises
        self._n = n_samples
        self._rate_hz = sample_rate_hz
        rng = np.random.default_rng(seed)
        self._hiss = rng.standard_normal(64 * self._n, dtype=np.float32)
        n_rooms = settings.n_rooms if settings.reverberation else 0
        self._rooms = simulate_rooms(n_rooms, settings.reverberation_s, self._rate_hz, rng)

    def finish(self, canvas: Audio, rng: np.random.Generator, *, is_silent: bool) -> Audio:
        """Add the room and its noise, then what the microphone does: frequency response, level, its own noise."""
        windows = self._settings
        speech_rms = rms(canvas) * (self._n / max(1, int(np.count_nonzero(canvas)))) ** 0.5
        if not is_silent and rng.random() < windows.reverberation:
            canvas = reverberate(canvas, self._rooms[rng.integers(len(self._rooms))])
        if is_silent or rng.random() < windows.noise:
            noise = self._draw_noise(rng)
            if is_silent:
                factor = db_to_factor(rng.uniform(*windows.silence_db)) if rng.random() < windows.silence_noise else 0.0
                canvas = noise * np.float32(factor)
            else:
                factor = noise_factor(speech_rms, rms(noise), rng.uniform(*windows.snr_db))
                canvas = canvas + noise * np.float32(factor)
        if rng.random() < windows.tilt:
            canvas = tilt(canvas, rng.uniform(*windows.tilt_range))
        if rng.random() < windows.equalise:
            canvas = equalise(
                canvas,
                rng,
                strength_db=windows.equalise_db,
                sample_rate_hz=self._rate_hz,
                cut_off=windows.telephone,
                cut_off_hz=windows.telephone_hz,
            )
        canvas = canvas * np.float32(db_to_factor(rng.uniform(*windows.gain_db)))
        return canvas + cut(self._hiss, self._n, rng) * np.float32(rng.exponential(windows.self_noise_rms))

    def _draw_noise(self, rng: np.random.Generator) -> Audio:
        windows = self._settings
        if not self._noises or rng.random() < windows.coloured_noise:
            spectrum = np.fft.rfft(rng.standard_normal(self._n))
            slope = rng.uniform(*windows.coloured_slope)
            spectrum *= np.maximum(np.arange(len(spectrum)), 1.0) ** slope
            coloured = np.fft.irfft(spectrum, self._n).astype(np.float32)
            return coloured * np.float32(COLOURED_RMS / rms(coloured))
        noise = self._cut_noise(rng)
        if rng.random() < windows.noise_pair:
            other = self._cut_noise(rng)
            noise = noise + other * np.float32(
                noise_factor(rms(noise), rms(other), rng.uniform(*windows.noise_pair_db))
            )
        return noise

    def _cut_noise(self, rng: np.random.Generator) -> Audio:
        windows = self._settings
        factor = rng.uniform(*windows.noise_speed_range) if rng.random() < windows.noise_speed else 1.0
        piece = cut(
            self._collection[self._noises[int(rng.integers(len(self._noises)))]], math.ceil(self._n * factor) + 1, rng
        )
        return piece[: self._n] if factor == 1.0 else change_speed(piece, factor)[: self._n]
