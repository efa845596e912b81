"""Accuracy on clips of models whose scores follow from more than one window, or of several models: what is detected.

A learnt word looks back two seconds, and of several models the labels do not add up to one answer. So a clip is heard
as `keyword-detector detect` hears a recording of it, by the model's own thresholds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detector.core.detector import Detector
from detector.core.model import Model
from detector.events import Detection, Scored
from training.data.collection import Collection
from training.data.items import Split
from training.evaluate.clips import ClipReport, choose_clips, count_answers, cut_silence
from training.progress import progress
from training.run.settings import UNKNOWN


def is_of_one_window(model: Model) -> bool:
    """Return whether a model's scores of one window are the answer: it is one, and does not look back."""
    return len(model.parts) == 1 and model.manifest.head is None


def evaluate_heard(model: Model, collection: Collection, *, split: Split, seed: int = 0) -> ClipReport:
    """Detect in the clips of a split, and in as much noise as there are clips of a keyword, and count.

    The label `unknown` stands for other words and noise, and for that nothing is detected.

    Raises
    ------
    SettingsError
        If the split has no clips of the keywords.
    """
    manifest = model.manifest
    words, rng = manifest.words, np.random.default_rng(seed)
    chosen = choose_clips(collection, words, split, rng)
    n_silent = sum(label in words for _, label in chosen) // len(words)
    silent = cut_silence(collection, n_silent, manifest.window_samples, rng)
    clips = [*((collection[position], label) for position, label in chosen), *((one, UNKNOWN) for one in silent)]
    labels = (UNKNOWN, *words)
    detector = Detector(model)
    answers, alone = [], []
    for samples, _ in progress(clips, "clips", unit="clip"):
        answer, highest = _listen(detector, samples)
        answers.append(labels.index(answer))
        alone.append(labels.index(highest))
    truths = [labels.index(label) for _, label in clips]
    n_alone_right = sum(truth == best for truth, best in zip(truths, alone, strict=True) if truth)
    return count_answers(
        labels, truths, answers, n_keywords=sum(map(bool, truths)), n_alone_right=n_alone_right, split=split
    )


def _listen(detector: Detector, samples: NDArray[np.int16]) -> tuple[str, str]:
    """Return which word is detected in a clip, the best of several or else `unknown`, and which scores highest."""
    detector.reset()
    events = [*detector.events(samples), *detector.events(detector.silence_after())]
    found = [event for event in events if isinstance(event, Detection)]
    scored = [event.scores for event in events if isinstance(event, Scored)]
    if not scored:
        return UNKNOWN, UNKNOWN
    manifest = detector.model.manifest
    places = [manifest.labels.index(word) for word in manifest.words]
    scores = np.max(scored, axis=0)[places]
    best = max(found, key=lambda detection: detection.score).keyword if found else UNKNOWN
    return best, manifest.words[int(scores.argmax())]
