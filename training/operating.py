"""The operating curve: what every threshold costs in misses and in false accepts per hour."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from detector.decision import Decision
from detector.detector import Detection, override_thresholds
from detector.frontend import LogMel
from detector.manifest import Manifest, OperatingCurve, OperatingPoint
from detector.model import Model
from training.statistics import hourly_rate
from training.streams import Truth, judge

THRESHOLDS = tuple(round(float(x), 4) for x in 1.0 / (1.0 + np.exp(-np.linspace(-4.0, 6.0, 81))))
"""From 0.018 to 0.998, equally spaced in the logit."""


def score_stream(model: Model, samples: NDArray[np.int16], *, show_progress: bool = False) -> NDArray[np.float32]:
    """Score every window of a stream, and of the second of silence after it, as the detector does.

    Returns
    -------
    ndarray of float32, shape (n_windows, n_labels)
        Window k ends `stride_samples` times k after the first window, which ends at `window_samples`.
    """
    manifest = model.manifest
    frontend, n_frames = manifest.frontend, manifest.n_frames
    stream = np.concatenate((samples, np.zeros(frontend.sample_rate_hz, dtype=np.int16)))
    stride = manifest.stride_samples // frontend.hop_samples
    n_windows = (len(stream) - manifest.window_samples) // manifest.stride_samples + 1
    log_mel = LogMel(frontend)
    scores = np.empty((n_windows, len(manifest.labels)), dtype=np.float32)
    for first in tqdm(range(0, n_windows, 500), "scoring", disable=not show_progress):
        last = min(first + 500, n_windows)
        start = first * manifest.stride_samples
        end = (last - 1) * manifest.stride_samples + manifest.window_samples
        frames = log_mel(stream[start:end])
        for k in range(last - first):
            scores[first + k] = model.score(frames[k * stride : k * stride + n_frames])
    return scores


def decide_all(scores: NDArray[np.float32], manifest: Manifest, words: Sequence[str]) -> list[Detection]:
    """Return what the detector would report, given the scores of all windows of a stream."""
    rate_hz = manifest.frontend.sample_rate_hz
    decision = Decision(manifest.decision, manifest.labels, words, sample_rate_hz=rate_hz)
    # The first windows count in the average alone; before them the detector scores windows that silence fills up.
    detections = []
    end_sample = manifest.window_samples
    for row in scores.tolist():
        decided = decision.decide(row, end_sample)
        if decided is not None:
            time_s = end_sample / rate_hz
            start_s = max(0.0, decided.first_sample / rate_hz - manifest.decision.words[decided.word].duration_s)
            detections.append(Detection(decided.word, decided.score, time_s, start_s))
        end_sample += manifest.stride_samples
    return detections


def with_thresholds(manifest: Manifest, thresholds: dict[str, float]) -> Manifest:
    """Return a manifest with other thresholds; re-arm levels keep their ratio."""
    return msgspec.structs.replace(manifest, decision=override_thresholds(manifest.decision, thresholds))


def measure_curve(
    manifest: Manifest,
    *,
    spoken: tuple[NDArray[np.float32], Truth],
    running: tuple[NDArray[np.float32], Truth],
    measured_on: str,
    show_progress: bool = False,
) -> OperatingCurve:
    """Measure every threshold, for all words at once.

    Parameters
    ----------
    manifest : Manifest
    spoken, running : tuple of (scores, Truth)
        Windows of a stream of words said alone, for the misses, and of running speech, for the false accepts.
    measured_on : str
        What the streams are made of.
    """
    points: dict[str, list[OperatingPoint]] = {word: [] for word in manifest.words}
    hours = running[1].hours
    for threshold in tqdm(THRESHOLDS, "thresholds", disable=not show_progress):
        tried = with_thresholds(manifest, dict.fromkeys(manifest.words, threshold))
        misses = judge(decide_all(spoken[0], tried, manifest.words), spoken[1], manifest.words).by_word
        fired = [detection.keyword for detection in decide_all(running[0], tried, manifest.words)]
        for word in manifest.words:
            false_accepts = hourly_rate(fired.count(word), hours)
            points[word].append(
                OperatingPoint(
                    threshold=threshold,
                    false_accepts_per_hour=false_accepts.value,
                    false_accepts_per_hour_interval=(false_accepts.low, false_accepts.high),
                    miss_rate=misses[word].value,
                    miss_rate_interval=(misses[word].low, misses[word].high),
                )
            )
    return OperatingCurve(measured_on=measured_on, hours=hours, words=points)
