"""What a microphone, a room and a machine do to a recording: the conditions that a detector is measured under.

A condition turns a recording into passages with losses between them, and leaves the truth's times as they are.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from detector.audio.resample import resample
from detector.core.detector import Detector
from detector.errors import SettingsError
from detector.events import Detection
from detector.learn.augment import Audio, db_to_factor, rms
from detector.samples import INT16_SCALE, to_int16
from training.evaluate.judge import StreamReport
from training.evaluate.streams import Truth, noise_bed
from training.progress import Progress
from training.windows.rooms import reverberate, simulate_room

CONDITIONS = (
    "clean",
    "snr-20",
    "snr-10",
    "snr-5",
    "snr-0",
    "near",
    "reverberant",
    "gain-10",
    "gain-20",
    "gain-30",
    "rate-8000",
    "rate-44100",
    "rate-48000",
    "lost-1",
)
ROOMS = {"near": ((3.0, 2.5, 2.4), 0.2, 0.5), "reverberant": ((6.0, 5.0, 3.0), 0.6, 3.0)}
"""Size in metres, reverberation time (RT60) in seconds, distance of the speaker in metres."""
MOST_GAIN_DB = 30.0
"""No word is raised by more: where a truth says a word and there is none, its noise stays noise."""
LOST_BLOCK_S = 0.1
"""Lost samples are lost in blocks, as when a machine does not keep up for a moment."""

Passages = list[tuple[NDArray[np.int16], int]]
"""Samples, and how many were lost after them."""


def speech_level(samples: NDArray[np.int16], truth: Truth, sample_rate_hz: int) -> float:
    """Return the level of the speech, as a root mean square in 16-bit units.

    While words sound, if the truth knows words; else of the 20 ms above 1 % of the energy of the loudest twentieth.
    """
    if truth.words:
        spans = [(round(word.start_s * sample_rate_hz), round(word.end_s * sample_rate_hz)) for word in truth.words]
        return float(np.mean([rms(samples[first:last].astype(np.float32)) for first, last in spans]))
    step = sample_rate_hz // 50
    steps = samples[: len(samples) // step * step].reshape(-1, step)
    if not len(steps):
        return 0.0
    energy = np.array([float(np.mean(row.astype(np.float32) ** 2)) for row in steps])
    loud = energy > 0.01 * np.quantile(energy, 0.95)
    return float(np.sqrt(energy[loud].mean())) if loud.any() else 0.0


def level_words(samples: NDArray[np.int16], truth: Truth, sample_rate_hz: int) -> Audio:
    """Bring all words to the mean of their levels, so that noise lies as far below each as below any other.

    People in recordings differ in level by as much as the conditions in noise: below their mean level the same noise
    would drown some and spare others. The gain changes halfway between two words. Returns 16-bit units, same shape.
    """
    levelled: Audio = samples.astype(np.float32)
    words = sorted(truth.words, key=lambda word: word.start_s)
    spans = [(round(word.start_s * sample_rate_hz), round(word.end_s * sample_rate_hz)) for word in words]
    halfway = [(before[1] + after[0]) // 2 for before, after in itertools.pairwise(spans)]
    level = speech_level(samples, truth, sample_rate_hz)
    most = db_to_factor(MOST_GAIN_DB)
    for (first, last), begin, end in zip(spans, [0, *halfway], [*halfway, len(samples)], strict=True):
        own = rms(samples[first:last].astype(np.float32))
        levelled[begin:end] *= np.float32(min(most, level / own) if own > 0.0 else 1.0)
    return levelled


def apply(
    condition: str,
    samples: NDArray[np.int16],
    truth: Truth,
    *,
    sample_rate_hz: int,
    noises: Sequence[NDArray[np.int16]],
    rng: np.random.Generator,
) -> Passages:
    """Put a recording under a condition of `CONDITIONS`.

    Raises
    ------
    SettingsError
        If there is no such condition, or it needs noise and there is none.
    """
    kind, _, value = condition.partition("-")
    if condition not in CONDITIONS:
        raise SettingsError(f"expected a condition of {', '.join(CONDITIONS)}, or all, found '{condition}'")
    if kind == "snr":
        if not noises:
            raise SettingsError(f"expected noise for the condition {condition}: name a folder with --noise")
        level = speech_level(samples, truth, sample_rate_hz) / db_to_factor(float(value))
        levelled = level_words(samples, truth, sample_rate_hz) if truth.words else samples
        noisy = levelled + noise_bed(noises, len(samples), rng) * np.float32(level)
        return [(_clip(noisy), 0)]
    if kind in ROOMS:
        size_m, reverberation_s, distance_m = ROOMS[kind]
        response = simulate_room(size_m, reverberation_s, distance_m, sample_rate_hz, rng)
        return [(_clip(reverberate(samples.astype(np.float32), response)), 0)]
    if kind == "gain":
        return [(_clip(samples * np.float32(db_to_factor(-float(value)))), 0)]
    if kind == "rate":
        return [(_through_rate(samples, sample_rate_hz, int(value)), 0)]
    if kind == "lost":
        return _lose(samples, float(value) / 100.0, round(LOST_BLOCK_S * sample_rate_hz), rng)
    return [(samples, 0)]


def _clip(samples: NDArray[np.floating]) -> NDArray[np.int16]:
    clipped: NDArray[np.floating] = np.clip(np.rint(samples), -32768, 32767)
    return clipped.astype(np.int16)


def _through_rate(samples: NDArray[np.int16], sample_rate_hz: int, source_rate_hz: int) -> NDArray[np.int16]:
    """Return what reaches the detector of a source at another rate: down or up, and back by its own resampler."""
    source = resample(samples.astype(np.float32) / np.float32(INT16_SCALE), sample_rate_hz, source_rate_hz)
    received = to_int16(resample(source, source_rate_hz, sample_rate_hz))
    return received[: len(samples)]


def _lose(samples: NDArray[np.int16], part: float, block: int, rng: np.random.Generator) -> Passages:
    """Lose a part of all samples, in blocks at drawn places that do not touch."""
    n_slots = len(samples) // (2 * block)
    n_blocks = min(n_slots, max(1, round(part * len(samples) / block)))
    slots = np.sort(rng.choice(n_slots, size=n_blocks, replace=False)) * 2 * block
    passages: Passages = []
    begin = 0
    for lost in slots.tolist():
        passages.append((samples[begin:lost], block))
        begin = lost + block
    return [*passages, (samples[begin:], 0)]


def detect_passages(detector: Detector, passages: Passages) -> list[Detection]:
    """Feed a recording with its losses, and its end, as `keyword-detector detect` does."""
    rate_hz = detector.model.manifest.frontend.sample_rate_hz
    detections: list[Detection] = []
    with Progress(
        total=sum(len(samples) + n_lost for samples, n_lost in passages) / rate_hz,
        desc="listening",
        unit="s",
        unit_scale=True,
    ) as bar:
        for samples, n_lost in passages:
            for first in range(0, len(samples), 10 * rate_hz):
                piece = samples[first : first + 10 * rate_hz]
                detections += detector.feed(piece)
                bar.update(len(piece) / rate_hz)
            if n_lost:
                detector.skip(n_lost)
    return detections + detector.finish()


def detect_stream(detector: Detector, samples: NDArray[np.int16]) -> list[Detection]:
    """Feed a whole recording, as `keyword-detector detect` does."""
    return detect_passages(detector, [(samples, 0)])


def table(reports: Mapping[str, StreamReport]) -> list[str]:
    """Return one line a condition, for people to read."""
    rows = [f"{'condition':<12}{'missed':>24}{'wrong':>9}{'twice':>9}{'false accepts /h':>26}{'p50':>8}{'p95':>8}"]
    for name, report in reports.items():
        delays = [f"{report.latency_s[p]:.2f} s" if report.latency_s else "-" for p in ("p50", "p95")]
        counts = ["-", "-", "-"]
        if report.missed.n_trials:
            counts = [report.missed.brief_percent(), str(report.wrong_word.n_events), str(report.duplicates.n_events)]
        rows.append(
            f"{name:<12}{counts[0]:>24}{counts[1]:>9}{counts[2]:>9}"
            f"{report.false_accepts.brief_per_hour():>26}{delays[0]:>8}{delays[1]:>8}"
        )
    return rows
