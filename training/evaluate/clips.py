"""Accuracy on clips: the exported file, through the detector's own front end and model code."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from detector.core.frontend import LogMel
from detector.core.manifest import Manifest
from detector.errors import SettingsError
from training.data.collection import Collection
from training.data.decode import find_word
from training.data.items import Split
from training.evaluate.intervals import Rate, mean_of_proportions, proportion
from training.progress import progress
from training.run.settings import SILENCE, UNKNOWN, TrainSettings
from training.windows.features import compute_features

Score = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Features of one window, (n_frames, n_mels), to scores, (n_labels,)."""


class ClipReport(msgspec.Struct, frozen=True):
    """Accuracy on the clips of one split."""

    split: Split
    labels: tuple[str, ...]
    accuracy: Rate
    """Mean of the labels' recalls."""
    recall: dict[str, Rate]
    precision: dict[str, Rate]
    words_alone: Rate
    """Share of keyword clips whose own word scores highest among the keywords."""
    confusion: list[list[int]]
    """Rows are the truth, columns the answer, in the order of the labels."""

    def present(self) -> list[str]:
        """Return the labels that there were clips of."""
        return [label for label, counts in zip(self.labels, self.confusion, strict=True) if sum(counts)]

    def lines(self) -> list[str]:
        """Return the report for people to read."""
        width = max(len(label) for label in self.labels) + 2
        present = self.present()
        mean = f"{self.accuracy.brief_percent()[:-1]} %)"
        rows = [
            f"clip accuracy, {self.split} speakers, mean recall of {', '.join(present)}: {mean}",
            f"keywords against each other: {self.words_alone.percent()}",
            *(f"{label}: recall {self.recall[label].percent()}" for label in self.labels),
            *(f"{label}: precision {self.precision[label].percent()}" for label in self.labels),
            "confusion (rows: spoken, columns: answered)",
            " " * width + "".join(f"{label:>{width}}" for label in self.labels),
        ]
        for label, counts in zip(self.labels, self.confusion, strict=True):
            rows.append(f"{label:<{width}}" + "".join(f"{count:>{width}}" for count in counts))
        return rows


def fit_window(samples: NDArray[np.int16], n_samples: int) -> NDArray[np.int16]:
    """Return the middle of a clip, or the clip in the middle of silence, as one window."""
    if len(samples) >= n_samples:
        start = (len(samples) - n_samples) // 2
        return samples[start : start + n_samples]
    before = (n_samples - len(samples)) // 2
    return np.pad(samples, (before, n_samples - len(samples) - before))


def fit_word(samples: NDArray[np.int16], n_samples: int, sample_rate_hz: int) -> NDArray[np.int16]:
    """Return a clip of a word as one window: of one that is longer, the window with the word in its middle."""
    if len(samples) <= n_samples:
        return fit_window(samples, n_samples)
    first, last = find_word(samples, sample_rate_hz)
    start = min(max(0, (first + last - n_samples) // 2), len(samples) - n_samples)
    return samples[start : start + n_samples]


def choose_clips(
    collection: Collection, words: Sequence[str], split: Split, rng: np.random.Generator
) -> list[tuple[int, str]]:
    """Choose the clips of a split: all of the keywords, and equal counts of every other word as `unknown`.

    Returns
    -------
    list of (int, str)
        Positions in the collection, and the label each should get.
    """
    by_word = collection.words(split)
    chosen = [(position, word) for word in words for position in by_word.get(word, [])]
    if not chosen:
        raise SettingsError(f"expected clips of {', '.join(words)} in the {split} split, found none")
    others = {word: positions for word, positions in by_word.items() if word not in words}
    n_each = min((len(positions) for positions in others.values()), default=0)
    for word in sorted(others):
        chosen += [(int(position), UNKNOWN) for position in rng.choice(others[word], n_each, replace=False)]
    return chosen


def cut_silence(
    collection: Collection, n_windows: int, n_samples: int, rng: np.random.Generator
) -> list[NDArray[np.int16]]:
    """Cut windows out of the noise recordings that are not trained on, as many from each; as recorded."""
    noises = collection.untrained_noises()
    windows = []
    for k in range(n_windows if noises else 0):
        samples = collection[noises[k % len(noises)]]
        start = int(rng.integers(0, max(1, len(samples) - n_samples + 1)))
        windows.append(fit_window(samples[start : start + n_samples], n_samples))
    return windows


def gather_clips(
    collection: Collection,
    model: Manifest | TrainSettings,
    *,
    split: Split = Split.VALIDATION,
    seed: int = 0,
) -> tuple[NDArray[np.float32], list[str]]:
    """Return the features of a split's clips, shape (n, n_frames, n_mels), and the label each should get."""
    if SILENCE not in model.labels or UNKNOWN not in model.labels:
        raise SettingsError(f"expected a model with the labels {SILENCE} and {UNKNOWN}, found {model.labels}")
    rng = np.random.default_rng(seed)
    chosen = choose_clips(collection, model.words, split, rng)
    n_silent = sum(label in model.words for _, label in chosen) // len(model.words)
    rate_hz = model.frontend.sample_rate_hz
    windows = [fit_word(collection[position], model.window_samples, rate_hz) for position, _ in chosen]
    silent = cut_silence(collection, n_silent, model.window_samples, rng)
    features = compute_features(LogMel(model.frontend), np.stack([*windows, *silent]), model.level)
    return features, [label for _, label in chosen] + [SILENCE] * len(silent)


def evaluate_clips(
    score: Score,
    features: NDArray[np.float32],
    truths: Sequence[str],
    manifest: Manifest,
    *,
    split: Split,
) -> ClipReport:
    """Score clips and count."""
    labels = manifest.labels
    keywords = [labels.index(word) for word in manifest.words]
    expected = [labels.index(truth) for truth in truths]
    answers = []
    n_alone_right = 0
    for window, truth in zip(progress(features, "clips", unit="clip"), expected, strict=True):
        scores = score(window)
        answers.append(int(scores.argmax()))
        n_alone_right += truth in keywords and keywords[int(scores[keywords].argmax())] == truth
    n_keywords = sum(truth in keywords for truth in expected)
    return count_answers(labels, expected, answers, n_keywords=n_keywords, n_alone_right=n_alone_right, split=split)


def count_answers(
    labels: tuple[str, ...],
    truths: Sequence[int],
    answers: Sequence[int],
    *,
    n_keywords: int,
    n_alone_right: int,
    split: Split,
) -> ClipReport:
    """Count the answers to clips, which are positions in the labels, as the truths are.

    Of `n_keywords` clips of keywords, `n_alone_right` score highest as their own among the keywords.
    """
    confusion = np.zeros((len(labels), len(labels)), dtype=int)
    np.add.at(confusion, (np.array(truths, dtype=int), np.array(answers, dtype=int)), 1)
    recall = {label: proportion(int(confusion[k, k]), int(confusion[k].sum())) for k, label in enumerate(labels)}
    present = [recall[label] for k, label in enumerate(labels) if confusion[k].any()]
    return ClipReport(
        split=split,
        labels=labels,
        accuracy=mean_of_proportions(present),
        recall=recall,
        precision={
            label: proportion(int(confusion[k, k]), int(confusion[:, k].sum())) for k, label in enumerate(labels)
        },
        words_alone=proportion(n_alone_right, n_keywords),
        confusion=confusion.tolist(),
    )
