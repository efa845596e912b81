"""The operating curve: what every threshold costs in misses and in false accepts per hour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from detector.core.decision import Decision, decide_all
from detector.core.detector import override_thresholds
from detector.core.manifest import Manifest, OperatingCurve, OperatingPoint
from detector.core.model import Model
from detector.core.scorer import Scorer
from detector.errors import SettingsError
from detector.events import Detection, Scored
from training.data.collection import Collection
from training.data.few import describe_measured, find_voiced
from training.data.items import Split
from training.evaluate.intervals import hourly_rate
from training.evaluate.judge import judge
from training.evaluate.streams import SPEECH_GAP_S, Truth, compose, speech_pieces, word_pieces
from training.progress import progress

THRESHOLDS = tuple(round(float(x), 4) for x in 1.0 / (1.0 + np.exp(-np.linspace(-4.0, 6.0, 81))))
"""From 0.018 to 0.998, equally spaced in the logit."""
N_HEARINGS = 3
"""Times that running speech is scored, with windows that fall elsewhere and other faint noise: at one false accept an
hour a threshold chosen on one hearing lies just beside an event that the next hearing finds."""
GAP_S = (1.0, 2.0)
"""Range of the pauses between keywords: no window holds two, as a word spoken twice in one second is detected once."""


def score_stream(model: Model, samples: NDArray[np.int16]) -> list[Scored]:
    """Score every window of a stream, shape (n_samples,), and of the silence after it."""
    scorer, n_at_once = Scorer(model), 10 * model.manifest.frontend.sample_rate_hz
    scored: list[Scored] = []
    for first in progress(range(0, len(samples), n_at_once), "scoring", unit="piece"):
        scored += scorer.feed(samples[first : first + n_at_once])
    return scored + scorer.finish()


def with_thresholds(manifest: Manifest, thresholds: dict[str, float]) -> Manifest:
    """Return a manifest with other thresholds; re-arm levels keep their ratio."""
    return msgspec.structs.replace(manifest, decision=override_thresholds(manifest.decision, thresholds))


def with_points(manifest: Manifest, curve: OperatingCurve, points: Mapping[str, OperatingPoint]) -> Manifest:
    """Return a manifest with an operating curve and the thresholds of points on it."""
    chosen = with_thresholds(manifest, {word: point.threshold for word, point in points.items()})
    return msgspec.structs.replace(chosen, operating_curve=curve)


def calibrate(
    model: Model,
    collection: Collection,
    *,
    split: Split,
    skip_words: Sequence[str],
    seed: int = 0,
) -> OperatingCurve:
    """Measure a model's operating curve on the recordings of a split.

    Misses are counted in a stream of all clips of the keywords, spoken alone; false accepts in the running speech,
    without the utterances that hold a keyword or one of `skip_words`.

    Raises
    ------
    SettingsError
        If the split has no clips of a keyword or no running speech.
    """
    manifest = model.manifest
    rate_hz = manifest.frontend.sample_rate_hz
    rng = np.random.default_rng(seed)
    rests_on = describe_measured(manifest.words, collection.items, split)
    clips = word_pieces(collection, split=split, sample_rate_hz=rate_hz, rng=rng, only=manifest.words)
    untried = set(manifest.words) - {piece.word for piece in clips}
    if untried:
        raise SettingsError(f"expected clips of {', '.join(sorted(untried))} in the {split} split, found none")
    spoken, spoken_truth = compose(clips, gap_s=GAP_S, sample_rate_hz=rate_hz, rng=rng)
    without = (*manifest.words, *skip_words)
    utterances = speech_pieces(collection, split=split, without=without)
    running = []
    for k in range(N_HEARINGS):
        speech, running_truth = compose(utterances, gap_s=SPEECH_GAP_S, sample_rate_hz=rate_hz, rng=rng)
        later = speech[k * manifest.stride_samples // N_HEARINGS :]
        running.append(score_stream(model, later))
    curve = measure_curve(
        manifest,
        spoken=(score_stream(model, spoken), spoken_truth),
        running=running,
        hours=running_truth.hours,
        measured_on=f"{split} speakers: {len(clips)} keywords said alone; {running_truth.hours:.2f} hours of running "
        f"speech, heard {N_HEARINGS} times, without the utterances that hold {', '.join(without)}"
        + "".join(f"; misses of {word} on {what}" for word, what in rests_on.items()),
    )
    return _without_known_misses(curve, find_voiced(manifest.words, collection.items, split))


def _without_known_misses(curve: OperatingCurve, words: Sequence[str]) -> OperatingCurve:
    """Return a curve whose misses of some words may be any, as nobody spoke them."""
    points = {
        word: [msgspec.structs.replace(point, miss_rate_interval=(0.0, 1.0)) for point in of_word]
        if word in words
        else of_word
        for word, of_word in curve.words.items()
    }
    return msgspec.structs.replace(curve, words=points)


def measure_curve(
    manifest: Manifest,
    *,
    spoken: tuple[Sequence[Scored], Truth],
    running: Sequence[Sequence[Scored]],
    hours: float,
    measured_on: str,
) -> OperatingCurve:
    """Measure every threshold, for all words at once.

    Parameters
    ----------
    manifest : Manifest
    spoken : tuple of (scores, Truth)
        Windows of a stream of words spoken alone, for the misses.
    running : sequence of scores
        Windows of the same running speech, scored once or several times, for the false accepts.
    hours : float
        Of the running speech. Scoring it again makes the count of events less a matter of chance, but not more certain
        for other speech: intervals are those of the mean count in these hours.
    measured_on : str
        What the streams are made of.
    """
    points: dict[str, list[OperatingPoint]] = {word: [] for word in manifest.words}
    for threshold in progress(THRESHOLDS, "thresholds", unit="threshold"):
        tried = with_thresholds(manifest, dict.fromkeys(manifest.words, threshold))
        misses = judge(_decide_all(spoken[0], tried), spoken[1], manifest.words).by_word
        fired = [detection.keyword for scored in running for detection in _decide_all(scored, tried)]
        for word in manifest.words:
            false_accepts = hourly_rate(fired.count(word) / len(running), hours)
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


def _decide_all(scored: Sequence[Scored], manifest: Manifest) -> list[Detection]:
    return decide_all(scored, Decision.of_model(manifest, manifest.words))
