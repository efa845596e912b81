"""The operating curve: counted by the detector's own rules, on cases whose counts are known."""

from __future__ import annotations

import types

import msgspec
import numpy as np
import pytest
import tiny_words

from detector import Detector
from detector.core.decision import Decision, decide_all
from detector.core.manifest import OperatingCurve, OperatingPoint
from detector.core.operating import pick_points
from detector.errors import SettingsError
from detector.events import Scored
from training.data.collection import Collection
from training.data.items import Split
from training.data.layouts import index_folders
from training.evaluate import curve as operating
from training.evaluate.conditions import detect_stream
from training.evaluate.curve import (
    THRESHOLDS,
    calibrate,
    measure_curve,
    score_stream,
    with_points,
    with_thresholds,
)
from training.evaluate.streams import Truth, TruthWord


@pytest.fixture
def manifest(model):
    """The shipped manifest, with a decision that is easy to follow: no smoothing, half a second of rest."""
    decision = msgspec.structs.replace(model.manifest.decision, smoothing_windows=1, refractory_s=0.5)
    return msgspec.structs.replace(model.manifest, decision=decision)


def scores_of(manifest, n_windows, **peaks):
    """Return scores of zero but for peaks: word -> [(window, score), ...]."""
    scores = np.zeros((n_windows, len(manifest.labels)), dtype=np.float32)
    for word, heights in peaks.items():
        for window, score in heights:
            scores[window, manifest.labels.index(word)] = score
    ends = [manifest.window_samples + k * manifest.stride_samples for k in range(n_windows)]
    return [Scored(end, row) for end, row in zip(ends, scores.tolist(), strict=True)]


def end_s(manifest, window):
    return manifest.window_s + window * manifest.stride_s


def decide(manifest, scored):
    return decide_all(scored, Decision.of_model(manifest, manifest.words))


def test_scores_and_decisions_apart_give_what_the_detector_gives(model, demo_samples, demo_truth):
    """Words, times, starts and scores; whole, and from within each word on, where words fall in the first second."""
    pieces = [demo_samples, *(demo_samples[round(16000 * (word["start_s"] - 0.4)) :] for word in demo_truth)]
    n_early = 0
    for piece in pieces:
        detections = decide(model.manifest, score_stream(model, piece))
        assert detections == detect_stream(Detector(model), piece)
        assert detections
        n_early += detections[0].time_s < 1.3
    assert n_early >= len(demo_truth) // 2


def test_every_threshold_is_counted_event_by_event(manifest):
    # Spoken: "yes" at windows 50 and 150 scores 0.9 and 0.5; "no" at 250 is not heard at all.
    spoken = scores_of(manifest, 300, yes=[(50, 0.9), (51, 0.9), (150, 0.5)])
    words = [("yes", 50), ("yes", 150), ("no", 250)]
    truth = Truth(
        [TruthWord(word, end_s(manifest, k) - 0.5, end_s(manifest, k) - 0.1) for word, k in words], hours=0.01
    )
    # Running speech of two hours: "no" rises once for long to 0.7, once to 0.3.
    running = scores_of(manifest, 400, no=[*((k, 0.7) for k in range(100, 105)), (300, 0.3)])
    curve = measure_curve(manifest, spoken=(spoken, truth), running=[running], hours=2.0, measured_on="made-up scores")
    assert (curve.hours, curve.measured_on) == (2.0, "made-up scores")
    for word, limits in (("yes", [(0.5, 0.0), (0.9, 0.5), (2.0, 1.0)]), ("no", [(2.0, 1.0)])):
        for point in curve.words[word]:
            expected = next(miss for limit, miss in limits if point.threshold <= limit)
            assert point.miss_rate == pytest.approx(expected)
            assert point.miss_rate_interval[0] <= point.miss_rate <= point.miss_rate_interval[1]
    for point in curve.words["no"]:
        n_events = (point.threshold <= 0.7) + (point.threshold <= 0.3)
        assert point.false_accepts_per_hour == pytest.approx(n_events / 2.0)
        assert point.false_accepts_per_hour_interval[0] <= n_events / 2.0 < point.false_accepts_per_hour_interval[1]
    assert all(point.false_accepts_per_hour == 0.0 for point in curve.words["yes"])
    assert [point.threshold for point in curve.words["yes"]] == list(THRESHOLDS)


def test_several_hearings_count_as_their_mean_and_not_as_more_hours(manifest):
    truth = Truth([TruthWord("yes", 1.0, 1.4), TruthWord("no", 3.0, 3.4)], hours=0.01)
    quiet, loud = scores_of(manifest, 200), scores_of(manifest, 200, no=[(100, 0.9)])
    spoken = (scores_of(manifest, 100), truth)
    three = measure_curve(manifest, spoken=spoken, running=[quiet, loud, quiet], hours=2.0, measured_on="x")
    one = measure_curve(manifest, spoken=spoken, running=[loud], hours=2.0, measured_on="x")
    assert three.hours == 2.0
    point, single = three.words["no"][40], one.words["no"][40]
    assert point.false_accepts_per_hour == pytest.approx(1 / 3 / 2.0)
    assert single.false_accepts_per_hour == pytest.approx(1 / 2.0)
    low, high = point.false_accepts_per_hour_interval
    assert low < point.false_accepts_per_hour < high
    assert high > 3.689 / 2.0  # not below what no event at all in two hours would show


def test_one_long_high_score_counts_once(manifest):
    for n_windows in (3, 8):  # as long as a word lasts, within the refractory time and beyond
        scores = scores_of(manifest, 100, yes=[(k, 0.95) for k in range(20, 20 + n_windows * 3)])
        tried = with_thresholds(manifest, dict.fromkeys(manifest.words, 0.5))
        assert [d.keyword for d in decide(tried, scores)] == ["yes"]


def test_a_calibrated_manifest_holds_curve_and_thresholds(manifest):
    def point(threshold, rate, miss):
        return OperatingPoint(
            threshold=threshold,
            false_accepts_per_hour=rate,
            false_accepts_per_hour_interval=(0.0, 9.0),
            miss_rate=miss,
            miss_rate_interval=(0.0, 1.0),
        )

    curve = OperatingCurve(
        measured_on="made-up", hours=1.0, words={"yes": [point(0.4, 0.0, 0.1)], "no": [point(0.6, 1.0, 0.2)]}
    )
    old = manifest.decision.words["yes"]
    calibrated = with_points(manifest, curve, pick_points(curve, manifest.words, 1.0))
    assert calibrated.operating_curve == curve
    assert {word: limits.threshold for word, limits in calibrated.decision.words.items()} == {"yes": 0.4, "no": 0.6}
    assert calibrated.decision.words["yes"].rearm / 0.4 == pytest.approx(old.rearm / old.threshold)


def test_a_keyword_without_clips_is_not_said_to_be_never_missed(model, tmp_path):
    items = index_folders(data=[str(tiny_words.make(tmp_path))], noise=[], speech=[], validation_speakers=[])
    collection = Collection.open(items, cache=tmp_path, sample_rate_hz=16000)
    limits = model.manifest.decision.words["yes"]
    decision = msgspec.structs.replace(model.manifest.decision, words=dict.fromkeys(("up", "left"), limits))
    manifest = msgspec.structs.replace(
        model.manifest, words=("up", "left"), labels=("silence", "unknown", "up", "left"), decision=decision
    )
    listener = types.SimpleNamespace(manifest=manifest)
    with pytest.raises(SettingsError, match="expected clips of left in the validation split, found none"):
        calibrate(listener, collection, split=Split.VALIDATION, skip_words=())


def test_each_hearing_of_running_speech_begins_a_little_later(model, tmp_path, monkeypatch):
    folder = tmp_path
    data = str(tiny_words.make(folder))
    speech = [str(folder / "speech")]
    items = index_folders(data=[data], noise=[], speech=speech, validation_speakers=["12"])
    collection = Collection.open(items, cache=folder, sample_rate_hz=16000)
    limits = model.manifest.decision.words["yes"]
    decision = msgspec.structs.replace(model.manifest.decision, words={"up": limits})
    manifest = msgspec.structs.replace(
        model.manifest, words=("up",), labels=("silence", "unknown", "up"), decision=decision
    )
    heard = []

    def listen(_, samples, **__):
        heard.append(samples)
        return scores_of(manifest, 10)

    monkeypatch.setattr(operating, "score_stream", listen)
    calibrate(types.SimpleNamespace(manifest=manifest), collection, split=Split.VALIDATION, skip_words=())
    first, second, third = heard[:3]  # before the single words
    stride = manifest.stride_samples
    assert [len(first) - len(later) for later in (second, third)] == [stride // 3, 2 * stride // 3]
    loud = [int(np.flatnonzero(np.abs(samples) > 500)[0]) for samples in (first, second, third)]
    assert loud[0] - loud[1] == pytest.approx(stride // 3, abs=3)
