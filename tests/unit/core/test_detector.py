import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector import Detector
from detector.core.model import load_model
from detector.core.network import find_interpreter
from detector.errors import SettingsError


def test_the_demo_is_heard_word_for_word(detector, demo_samples, demo_words):
    detections = detector.feed(demo_samples)
    assert [detection.keyword for detection in detections] == demo_words


@pytest.mark.parametrize("name", ["commands", "yes-no", "yes-no-tiny"])
def test_every_shipped_model_hears_the_demo_at_its_own_thresholds(name, demo_samples, demo_words):
    if name == "commands" and find_interpreter()[1] == "tflite_runtime":
        pytest.skip("commands is refused under tflite-runtime, whose scores are five steps off: needs ai-edge-litert")
    assert [detection.keyword for detection in Detector(load_model(name)).feed(demo_samples)] == demo_words


def test_the_start_of_a_word_is_estimated_near_its_start(detector, demo_samples, demo_truth):
    detections = detector.feed(demo_samples)
    errors = [abs(d.start_s - word["start_s"]) for d, word in zip(detections, demo_truth, strict=True)]
    assert max(errors) < 0.4
    assert all(d.start_s < d.time_s for d in detections)


@settings(deadline=None, max_examples=8)
@given(lengths=st.lists(st.integers(0, 40000), min_size=1, max_size=12))
def test_any_split_of_a_stream_gives_the_same_detections(model, demo_samples, lengths):
    samples = demo_samples[: 8 * 16000]
    whole = Detector(model).feed(samples)
    split, bounds = Detector(model), [0, *itertools.accumulate(lengths)]
    pieces = [
        split.feed(samples[first:last]) for first, last in itertools.pairwise([*bounds, max(len(samples), bounds[-1])])
    ]
    assert [d for piece in pieces for d in piece] == whole
    assert whole


def test_floats_and_integers_are_heard_alike(model, demo_samples):
    as_floats = (demo_samples / 32768.0).astype(np.float32)
    assert Detector(model).feed(as_floats) == Detector(model).feed(demo_samples)


def test_two_runs_over_one_stream_are_equal_after_a_reset(detector, demo_samples):
    first = detector.feed(demo_samples)
    detector.reset()
    assert detector.n_samples == 0
    assert detector.feed(demo_samples) == first


@pytest.mark.parametrize("seconds_before", [0.0, 0.1, 0.3, 0.5])
def test_a_clip_of_one_second_is_detected_wherever_the_word_stands(
    lenient_detector, demo_samples, demo_truth, seconds_before
):
    for word in demo_truth:
        first = round((word["start_s"] - seconds_before) * 16000)
        if word["end_s"] - word["start_s"] + seconds_before > 1.0:
            continue
        clip = demo_samples[first : first + 16000].copy()
        clip[round((word["end_s"] + 0.1) * 16000) - first :] = 0
        lenient_detector.reset()
        detections = lenient_detector.feed(np.concatenate((clip, np.zeros(16000, dtype=np.int16))))
        assert [d.keyword for d in detections] == [word["word"]]


def test_nothing_is_reported_before_a_full_second_was_heard(detector, demo_samples):
    word = demo_samples[round(3.2 * 16000) : round(4.1 * 16000)]
    assert detector.feed(word) == []
    detections = detector.feed(np.zeros(16000, dtype=np.int16))
    assert [d.keyword for d in detections] == ["yes"]
    assert detections[0].time_s >= 1.0


def test_a_window_that_spans_a_gap_is_not_scored(detector, demo_samples):
    whole = detector.feed(demo_samples)
    cut = round(whole[0].time_s * 16000) - 3000
    detector.reset()
    heard = detector.feed(demo_samples[:cut])
    detector.skip(4800)
    heard += detector.feed(demo_samples[cut:])
    # The first word is lost with the gap in it; the others come 0.3 s later.
    assert [d.keyword for d in heard] == [d.keyword for d in whole[1:]]
    assert detector.n_samples == len(demo_samples) + 4800
    for late, early in zip(heard, whole[1:], strict=True):
        assert late.time_s == pytest.approx(early.time_s + 0.3, abs=0.25)


def test_silence_and_noise_fire_nothing(model, rng):
    assert Detector(model).feed(np.zeros(160000, dtype=np.int16)) == []
    for level in (3, 300, 10000):
        noise = np.clip(rng.standard_normal(320000) * level, -32768, 32767).astype(np.int16)
        assert Detector(model).feed(noise) == []


def test_only_chosen_words_are_reported(model, demo_samples, demo_words):
    only_no = Detector(model, words=["no"]).feed(demo_samples)
    assert [d.keyword for d in only_no] == [word for word in demo_words if word == "no"]


def test_a_threshold_of_one_reports_nothing(model, demo_samples):
    assert Detector(model, thresholds={"yes": 1.0, "no": 1.0}).feed(demo_samples) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"words": ["maybe"]}, r"words of the model \(yes, no\), found 'maybe'"),
        ({"words": []}, "at least one of the words"),
        ({"words": ""}, "found ''"),
        ({"words": "yes,maybe"}, "found 'maybe'"),
        ({"thresholds": 2}, "found 2"),
        ({"thresholds": {"maybe": 0.5}}, "found one for 'maybe'"),
        ({"thresholds": {"yes": 0.0}}, "above 0 and at most 1, found 0"),
        ({"thresholds": {"yes": 1.5}}, "found 1.5"),
        ({"thresholds": "0.9"}, "a number, or numbers by word, found '0.9'"),
        ({"thresholds": [0.9, 0.9]}, "a number, or numbers by word, found"),
        ({"thresholds": {"yes": "0.9"}}, "for 'yes' to be a number, found '0.9'"),
        ({"thresholds": {"yes": float("nan")}}, "found nan"),
    ],
)
def test_settings_that_do_not_fit_the_model_are_refused(model, arguments, message):
    with pytest.raises(SettingsError, match=message):
        Detector(model, **arguments)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros((2, 10), dtype=np.int16), r"shape \(n_samples,\), found \(2, 10\)"),
        (np.zeros(10, dtype=np.int32), "found int32"),
        (np.array([0.0, np.nan]), "found NaN or infinity"),
        (np.array([0.0, np.inf], dtype=np.float32), "found NaN or infinity"),
        (np.array([3.0, -2.0, 0.0]), r"from -1 to 1, found 3: .* samples / 32768"),
        (np.array([812.25, 3.5]), "from -1 to 1, found 812.25"),
        (np.array([True, False]), "found bool: convert"),
        (np.array(["a"]), "found <U1"),
    ],
)
def test_samples_of_another_kind_are_refused(detector, samples, message):
    with pytest.raises(ValueError, match=message):
        detector.feed(samples)


def test_samples_of_either_byte_order_are_the_same(model, demo_samples):
    start = demo_samples[: 4 * 16000]
    heard = Detector(model).feed(start)
    assert [detection.keyword for detection in heard] == ["yes"]
    assert Detector(model).feed(start.astype(">i2")) == heard


def test_settings_that_change_right_after_a_word_do_not_report_it_again(model, demo_samples, demo_words):
    stride = model.manifest.stride_samples
    for n_later in range(0, 12, 3):
        detector = Detector(model)
        heard, countdown = [], None
        for first in range(0, len(demo_samples), stride):
            found = detector.feed(demo_samples[first : first + stride])
            heard += found
            countdown = n_later if found else countdown
            if countdown == 0:
                detector.reconfigure(thresholds={"yes": 0.5 + 0.01 * len(heard)})
            countdown = None if countdown is None else countdown - 1
        words = [detection.keyword for detection in heard]
        assert all(first != second for first, second in itertools.pairwise(words)) or words == demo_words


def test_a_word_that_is_added_later_is_heard(model, demo_samples, demo_words):
    detector = Detector(model, words=["no"])
    half = len(demo_samples) // 2
    heard = detector.feed(demo_samples[:half])
    detector.reconfigure()
    heard += detector.feed(demo_samples[half:])
    assert {detection.keyword for detection in heard} == {"yes", "no"}


def test_words_and_thresholds_may_be_given_in_short(model):
    assert Detector(model, words="no").words == ("no",)
    assert Detector(model, words="no, yes").words == ("yes", "no")
    assert Detector(model, thresholds=0.9).thresholds == {"yes": 0.9, "no": 0.9}
    assert Detector(model, thresholds=np.float32(0.5)).thresholds == {"yes": 0.5, "no": 0.5}
    assert Detector(model, thresholds={"no": np.float64(0.5)}).thresholds["no"] == 0.5
    assert Detector(model, words="yes", thresholds=1).thresholds == {"yes": 1.0}


def test_thresholds_may_be_picked_from_the_operating_curve(model):
    few = Detector.load("yes-no", false_accepts_per_hour=0.5).thresholds
    many = Detector.load("yes-no", false_accepts_per_hour=8).thresholds
    assert few["yes"] > many["yes"]
    with pytest.raises(SettingsError, match="to be a number, found '1'"):
        Detector.load("yes-no", false_accepts_per_hour="1")
    with pytest.raises(SettingsError, match="found both"):
        Detector.load("yes-no", thresholds=0.9, false_accepts_per_hour=1.0)
    with pytest.raises(SettingsError, match="above 0, found 0"):
        Detector.load("yes-no", false_accepts_per_hour=0)


def test_floats_a_little_above_full_scale_are_clipped(model):
    peaks = np.array([1.25, -1.5, 0.5] * 6000)
    clipped = np.clip(peaks, -1.0, 32767 / 32768)
    assert Detector(model).events(peaks) == Detector(model).events(clipped)
