"""Where in a recording somebody speaks.

A person who records a word leaves a second or two of room around it, or cuts it tight; the room may be as loud as a
street. So a frame counts as speech by how far its bands rise above what the same bands have outside the word, and the
word is looked for twice: its core first, by a strict rule and a guess of the noise, then all of it, by the noise that
the frames around the core show.

The numbers below were chosen on 300 words of espeak-ng in 17 ambient noises (their bounds are known) and on single
words and wake words of people; docs/evaluation.md says how well they do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detector.core.frontend import FrontendSettings, LogMel

RATE_HZ = 16000
"""Of everything that is learnt from."""

_FRONTEND = FrontendSettings(sample_rate_hz=RATE_HZ, frame_s=0.025, hop_s=0.01, n_mels=20, low_hz=100.0, floor=1e-11)
"""Finer in time than what a model sees, coarser in frequency, and with a floor below the noise of 16 bits."""
_LOG_MEL = LogMel(_FRONTEND)
_DB_OF_FEATURE = -5.0 * math.log10(_FRONTEND.floor)
"""Of a feature f above -1: 10 lg(1 + power / floor) dB are _DB_OF_FEATURE (f + 1)."""
HOP = _FRONTEND.hop_samples
LEAST_POWER = 10.0**-9.3
"""Of a frame that is no digital silence: 16 bits that flicker have as much."""
SMOOTHED = 5
"""Frames whose mean power counts; odd."""
WORD_FRAMES = 90
"""As many frames of a recording are taken for the word in the first guess of the noise: with more, what varies in the
noise of a street or a garden passes for speech more often."""
VARIES_DB = 18.0
"""The first guess lies above the quietest tenth of all frames by no more: the rest is a sentence, not noise."""
RANGE_DB = 45.0
"""A band counts down to so far below its loudest frames: what is fainter, in a quiet room, is breath and echo."""
MOST_DB = 25.0
"""By which one band counts."""
CORE_DB = 4.0
"""A frame of the core has bands that lie above the noise by this, on average."""
SPEECH_DB = 0.8
"""A frame of speech has bands that lie above `NOISE_QUANTILE` of the noise and 1 dB by this, on average."""
CORE_SHARE = 0.3
"""Of the heaviest core; lighter ones are noise."""
NOISE_QUANTILE = 0.9
LEAST_SHARE = 0.1
"""Of the loudest frames' excess a frame has to have."""
BEFORE, AFTER = 15, 25
"""Frames beside the core that are not taken for noise: faint consonants, an echo."""
LEAST_NOISE = 60
"""Frames that the noise is measured on; with fewer of them, it is the quietest of all frames and 2 dB."""
BREAK = 20
"""Frames without speech that part two bursts: more than the closure of a plosive in the middle of a word."""
ONSET, OFFSET = 400, 40
"""Samples from the start of the first frame, and of the one after the last, to where a word begins and ends."""


class Burst(NamedTuple):
    """A stretch of speech without a pause."""

    start: int
    """Its first sample."""
    end: int
    """The sample after its last."""
    weight: float
    """By how much its frames exceed the threshold, in all, in dB."""


@dataclass(frozen=True, slots=True)
class Speech:
    """What a recording holds."""

    bursts: tuple[Burst, ...]
    """In order; none where there is nothing but noise."""
    bands_db: NDArray[np.float64]
    """Smoothed powers of its frames' bands above the floor, in dB, shape (n_frames, n_bands)."""

    @property
    def powers(self) -> NDArray[np.float64]:
        """Mean square of its frames above 100 Hz, of which 1 is full scale, shape (n_frames,).

        The squares that a spectrum of `LogMel` sums up to are 0.96 of those of the samples: the sum of its window's
        squares over the square of its sum, times half the length of the FFT.
        """
        powers: NDArray[np.float64] = _FRONTEND.floor * (10.0 ** (self.bands_db / 10.0)).sum(axis=1) / 0.96
        return powers

    @property
    def is_live(self) -> NDArray[np.bool_]:
        """Whether there is any sound in its frames, shape (n_frames,).

        A gate of a headset, a muted microphone and a sound server that has nothing to deliver leave digital silence.
        No room is so quiet, and all other frames would stand out from it.
        """
        return self.powers > LEAST_POWER


def find_speech(samples: NDArray[np.int16]) -> Speech:
    """Find the bursts of speech in a recording at 16 kHz, shape (n,), from 0.1 s on.

    Returns
    -------
    Speech
        Bounds lie within 0.1 s of those of the word itself in nearly all recordings of a quiet room; what noise covers,
        a final consonant first of all, cannot be found.
    """
    features = _LOG_MEL(samples).astype(np.float64)
    if len(features) < SMOOTHED:
        return Speech((), np.empty((0, _FRONTEND.n_mels)))
    bands_db = _smooth(_DB_OF_FEATURE * (features + 1.0))
    n_frames = len(bands_db)
    is_outside = Speech((), bands_db).is_live
    live = bands_db[is_outside]
    if not len(live):
        return Speech((), bands_db)
    loudest = np.quantile(live, 0.98, axis=0) - RANGE_DB
    room = max(0.0, 1.0 - WORD_FRAMES / len(live))
    quietest, most = np.quantile(live, (0.1, max(0.1, 0.8 * room)), axis=0)
    guess = np.maximum(np.minimum(most, quietest + VARIES_DB), loudest)
    excess = np.clip(bands_db - guess, -3.0, MOST_DB).mean(axis=1)
    cores = _find_bursts(excess, CORE_DB, 0.05, 1.5)
    if not cores:
        return Speech((), bands_db)
    heaviest = max(core.weight for core in cores)
    for core in cores:
        if core.weight >= CORE_SHARE * heaviest:
            is_outside[max(0, core.start - BEFORE) : core.end + AFTER] = False
    outside = bands_db[is_outside]
    if len(outside) >= LEAST_NOISE:
        noise = np.quantile(outside, NOISE_QUANTILE, axis=0)
    else:
        noise = np.quantile(live, max(0.1, 0.6 * room), axis=0) + 2.0
    excess = np.clip(bands_db - np.maximum(noise, loudest) - 1.0, 0.0, MOST_DB).mean(axis=1)
    found = _find_bursts(excess, SPEECH_DB, LEAST_SHARE, 1.0)
    return Speech(
        tuple(
            Burst(
                0 if burst.start == 0 else burst.start * HOP + ONSET,
                len(samples) if burst.end == n_frames else burst.end * HOP + OFFSET,
                burst.weight,
            )
            for burst in found
        ),
        bands_db,
    )


def _smooth(bands_db: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each frame's mean power of `SMOOTHED` frames around it, in dB, same shape."""
    padded = np.pad(10.0 ** (bands_db / 10.0), ((SMOOTHED // 2, SMOOTHED // 2), (0, 0)), mode="edge")
    mean: NDArray[np.float64] = np.lib.stride_tricks.sliding_window_view(padded, SMOOTHED, axis=0).mean(axis=-1)
    return 10.0 * np.log10(mean)


def _find_bursts(excess: NDArray[np.float64], least: float, share: float, cost: float) -> list[Burst]:
    """Find where frames exceed a threshold, in frames.

    Between two pauses of `BREAK` frames the burst is the stretch whose excess above `cost` thresholds has the greatest
    sum: a crackle beside a word is left out where it weighs less than the gap.
    """
    threshold = max(least, share * float(np.sort(excess)[-8:].mean()))
    above = np.flatnonzero(excess > threshold)
    bursts = []
    for frames in np.split(above, np.flatnonzero(np.diff(above) > BREAK) + 1):
        if not len(frames):
            continue
        first = int(frames[0])
        sums = np.concatenate(([0.0], np.cumsum(excess[first : frames[-1] + 1] - cost * threshold)))
        rises = sums - np.minimum.accumulate(sums)
        end = int(rises.argmax())
        start = int(sums[: end + 1].argmin())
        if end > start:
            bursts.append(Burst(first + start, first + end, float(rises[end])))
    return bursts
