"""The operating curve as a function of the threshold; which streams it is measured on."""

from __future__ import annotations

import types

import msgspec
import numpy as np
import pytest

from detector.core.manifest import OperatingCurve
from detector.errors import SettingsError
from detector.events import Scored
from training.data.collection import Collection
from training.data.items import Item, Kind, Split
from training.evaluate import curve as operating
from training.evaluate.curve import N_HEARINGS, THRESHOLDS, calibrate, measure_curve, with_points, with_thresholds
from training.evaluate.intervals import hourly_rate, proportion
from training.evaluate.streams import Truth, TruthWord

APART = 20
"""Windows between peaks: more than the refractory time."""


@pytest.fixture
def manifest(model):
    """The shipped manifest, deciding on single windows."""
    decision = msgspec.structs.replace(model.manifest.decision, smoothing_windows=1, refractory_s=0.5)
    return msgspec.structs.replace(model.manifest, decision=decision)


def peaks(manifest, word, heights):
    """Return the scores of windows: zero but for peaks of these heights, far apart."""
    scored = []
    for k in range(APART * (len(heights) + 1)):
        scores = [0.0] * len(manifest.labels)
        if k and k % APART == 0:
            scores[manifest.labels.index(word)] = float(heights[k // APART - 1])
        scored.append(Scored(manifest.window_samples + k * manifest.stride_samples, scores))
    return scored


def truth_of(manifest, word, n_peaks):
    """Return the truth of peaks, each at the end of a word."""
    ends_s = [manifest.window_s + APART * k * manifest.stride_s for k in range(1, n_peaks + 1)]
    return Truth([TruthWord(word, end_s - 0.4, end_s) for end_s in ends_s], hours=1.0)


@pytest.fixture(params=[0, 1, 2])
def measured(manifest, request):
    """Heights of spoken words and of running speech, and the curve measured on them."""
    rng = np.random.default_rng(request.param)
    spoken, running = rng.uniform(0.0, 1.0, 12), rng.uniform(0.0, 1.0, 9)
    curve = measure_curve(
        manifest,
        spoken=(peaks(manifest, "yes", spoken), truth_of(manifest, "yes", 12)),
        running=[peaks(manifest, "yes", running)],
        hours=3.0,
        measured_on="made-up scores",
    )
    return spoken, running, curve


def test_thresholds_rise_from_nearly_nothing_to_nearly_one():
    assert list(THRESHOLDS) == sorted(set(THRESHOLDS))
    assert 0.0 < THRESHOLDS[0] < 0.02
    assert 0.997 < THRESHOLDS[-1] < 1.0
    logits = np.log(np.array(THRESHOLDS) / (1 - np.array(THRESHOLDS)))
    np.testing.assert_allclose(np.diff(logits), 10 / 80, atol=0.03)


def test_a_higher_threshold_misses_no_less_and_fires_no_more(measured):
    points = measured[2].words["yes"]
    assert [point.threshold for point in points] == list(THRESHOLDS)
    for name, sign in (("miss_rate", 1), ("false_accepts_per_hour", -1)):
        for values in (
            [getattr(point, name) for point in points],
            *zip(*(getattr(point, f"{name}_interval") for point in points), strict=True),
        ):
            assert (sign * np.diff(values) >= -1e-12).all()


def test_each_point_counts_the_peaks_that_reach_its_threshold(measured):
    spoken, running, curve = measured
    for point in curve.words["yes"]:
        missed = proportion(int((spoken < point.threshold).sum()), 12)
        fired = hourly_rate(int((running >= point.threshold).sum()), 3.0)
        assert point.miss_rate == pytest.approx(missed.value)
        assert point.miss_rate_interval == pytest.approx((missed.low, missed.high))
        assert point.false_accepts_per_hour == pytest.approx(fired.value)
        assert point.false_accepts_per_hour_interval == pytest.approx((fired.low, fired.high))


def test_what_another_word_does_is_no_matter_of_a_words_curve(measured):
    for point in measured[2].words["no"]:
        assert (point.false_accepts_per_hour, point.miss_rate_interval) == (0.0, (0.0, 1.0))


def test_other_thresholds_keep_the_ratio_of_the_level_that_arms_again(manifest):
    tried = with_thresholds(manifest, {"yes": 0.25})
    before, after = manifest.decision.words, tried.decision.words
    assert after["yes"].threshold == 0.25
    assert after["yes"].rearm / 0.25 == pytest.approx(before["yes"].rearm / before["yes"].threshold)
    assert after["no"] == before["no"]
    assert msgspec.structs.replace(tried, decision=manifest.decision) == manifest
    with pytest.raises(SettingsError, match="'left'"):
        with_thresholds(manifest, {"left": 0.5})


def test_points_of_some_words_leave_the_others_thresholds(manifest, measured):
    curve = measured[2]
    chosen = with_points(manifest, curve, {"yes": curve.words["yes"][7]})
    assert isinstance(chosen.operating_curve, OperatingCurve)
    assert chosen.decision.words["yes"].threshold == THRESHOLDS[7]
    assert chosen.decision.words["no"] == manifest.decision.words["no"]


@pytest.fixture
def collection():
    """Two clips of each word, and utterances of four seconds: one with a keyword, one that sounds like it."""
    rng = np.random.default_rng(0)
    items = [
        Item(f"{word}/{k}.wav", Kind.WORD, Split.VALIDATION, word, speaker=str(k))
        for word in ("yes", "no")
        for k in (0, 1)
    ]
    for k, transcript in enumerate(("A CAT SAT", "SAY YES NOW", "YOU KNOW IT", "")):
        items.append(Item(f"speech/{k}.flac", Kind.SPEECH, Split.VALIDATION, speaker="7", transcript=transcript))
    lengths = [16000 if item.kind == Kind.WORD else 64000 for item in items]
    return Collection(items, [np.rint(rng.standard_normal(n) * 1000).astype(np.int16) for n in lengths])


@pytest.mark.parametrize(("skip_words", "n_utterances"), [((), 2), (("know",), 1)])
def test_false_accepts_are_measured_where_no_keyword_and_nothing_like_it_is_spoken(
    manifest, collection, monkeypatch, skip_words, n_utterances
):
    lengths = []

    def score(model, samples):
        lengths.append(len(samples))
        return peaks(model.manifest, "no", [0.5])

    monkeypatch.setattr(operating, "score_stream", score)
    curve = calibrate(
        types.SimpleNamespace(manifest=manifest), collection, split=Split.VALIDATION, skip_words=skip_words
    )
    expected_s = 1.0 + 4.0 * n_utterances + 0.5 * (n_utterances - 1) + 2.0
    assert curve.hours * 3600 == pytest.approx(expected_s)
    assert max(lengths[:N_HEARINGS]) == round(16000 * expected_s)
    assert curve.measured_on.startswith("validation speakers: 4 keywords said alone; 0.00 hours of running speech")
    assert curve.measured_on.endswith(f"that hold {', '.join(('yes', 'no', *skip_words))}")
    # One event in each hearing is one in the hours there are.
    assert curve.words["no"][0].false_accepts_per_hour == pytest.approx(1.0 / curve.hours)


def test_speech_that_nobody_transcribed_is_not_measured_on(manifest, collection, monkeypatch):
    monkeypatch.setattr(operating, "score_stream", lambda *_: [])
    silent = types.SimpleNamespace(manifest=manifest)
    with pytest.raises(SettingsError, match=r"expected utterances of running speech .*, found none that fit"):
        calibrate(silent, collection, split=Split.VALIDATION, skip_words=("cat", "know"))


def test_misses_of_a_word_that_synthetic_voices_alone_speak_are_not_known(manifest, collection, monkeypatch):
    """A curve of them promised 0.0 % misses (0.0-3.4), and people were all missed."""
    monkeypatch.setattr(operating, "score_stream", lambda model, _: peaks(model.manifest, "no", [0.5]))
    items = [
        msgspec.structs.replace(item, speaker=f"espeak-en-us-m{k}") if item.word == "yes" else item
        for k, item in enumerate(collection.items)
    ]
    spoken = Collection(items, collection.store)
    curve = calibrate(types.SimpleNamespace(manifest=manifest), spoken, split=Split.VALIDATION, skip_words=())
    assert {point.miss_rate_interval for point in curve.words["yes"]} == {(0.0, 1.0)}
    assert (0.0, 1.0) not in {point.miss_rate_interval for point in curve.words["no"]}
    assert curve.measured_on.endswith(
        "; misses of yes on synthetic voices alone: how often people are missed is not known"
    )
    of_people = calibrate(types.SimpleNamespace(manifest=manifest), collection, split=Split.VALIDATION, skip_words=())
    assert (0.0, 1.0) not in {point.miss_rate_interval for point in of_people.words["yes"]}
