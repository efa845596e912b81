import itertools
import random
from collections import Counter

import numpy as np
import pytest
import tiny_words

from detector import Detection
from detector.errors import AudioFileError, SettingsError
from training.dataset import VALIDATION, WaveformStore, index_folders
from training.streams import Truth, TruthWord, compose_speech, compose_words, judge, read_truth

WORDS = ("yes", "no")
TRUTH = Truth(
    [TruthWord("yes", 1.0, 1.5), TruthWord("no", 3.0, 3.5), TruthWord("down", 5.0, 5.5), TruthWord("yes", 7.0, 7.5)],
    hours=0.5,
)


def heard(*detections):
    return [Detection(word, 0.9, time_s, time_s - 0.5) for word, time_s in detections]


def test_every_word_heard_once_in_time_is_right():
    report = judge(heard(("yes", 1.6), ("no", 3.7), ("yes", 7.5)), TRUTH, WORDS)
    assert (report.missed.n_events, report.missed.n_trials) == (0, 3)
    assert (report.wrong_word.n_events, report.duplicates.n_events, report.false_accepts.n_events) == (0, 0, 0)
    assert report.latency_s["p50"] == pytest.approx(0.1)
    assert report.latency_s["p95"] == pytest.approx(0.19, abs=0.01)


def test_nothing_heard_misses_everything():
    report = judge([], TRUTH, WORDS)
    assert (report.missed.value, report.by_word["yes"].n_trials, report.by_word["no"].value) == (1.0, 2, 1.0)
    assert report.latency_s == {}


def test_what_was_not_tried_is_not_printed():
    report = judge(heard(("yes", 1.6)), Truth([], hours=2.0), WORDS)
    assert report.lines() == ["false accepts: 0.50 /h (0.01-2.79, 1 in 2.00 h): elsewhere 1"]


def test_a_second_detection_of_a_word_is_a_duplicate_not_a_false_accept():
    report = judge(heard(("yes", 1.6), ("yes", 2.2)), TRUTH, WORDS)
    assert (report.duplicates.n_events, report.duplicates.n_trials, report.false_accepts.n_events) == (1, 2, 0)


def test_another_keyword_is_a_wrong_word_and_the_right_one_is_missed():
    report = judge(heard(("no", 1.6)), TRUTH, WORDS)
    assert (report.wrong_word.n_events, report.missed.n_events, report.false_accepts.n_events) == (1, 3, 0)


def test_a_detection_at_another_word_or_nowhere_is_a_false_accept():
    report = judge(heard(("no", 5.6), ("yes", 9.0)), TRUTH, WORDS)
    assert report.false_accepts.n_events == 2
    assert report.false_accepts.value == pytest.approx(4.0)
    assert report.false_accepts_at == {"": 1, "down": 1}


@pytest.mark.parametrize(("time_s", "is_hit"), [(0.99, False), (1.0, True), (2.25, True), (2.26, False)])
def test_a_detection_counts_from_the_words_start_to_three_quarters_of_a_second_after_its_end(time_s, is_hit):
    report = judge(heard(("yes", time_s)), TRUTH, WORDS)
    assert report.by_word["yes"].n_events == (1 if is_hit else 2)
    assert report.false_accepts.n_events == (0 if is_hit else 1)


def test_two_words_close_together_each_absorb_one_detection():
    truth = Truth([TruthWord("yes", 1.0, 1.4), TruthWord("yes", 1.8, 2.2), TruthWord("no", 2.3, 2.6)], hours=1.0)
    report = judge(heard(("yes", 1.9), ("yes", 2.3), ("no", 2.7)), truth, WORDS)
    assert (report.missed.n_events, report.duplicates.n_events, report.wrong_word.n_events) == (0, 0, 0)


def test_what_fires_at_another_word_belongs_to_that_word_not_to_the_keyword_before_it():
    truth = Truth([TruthWord("no", 1.0, 1.4), TruthWord("go", 1.8, 2.2)], hours=1.0)
    report = judge(heard(("no", 1.5), ("no", 2.1)), truth, WORDS)
    assert (report.missed.n_events, report.duplicates.n_events) == (0, 0)
    assert report.false_accepts_at == {"go": 1}
    report = judge(heard(("no", 1.5), ("yes", 2.1)), truth, WORDS)
    assert (report.wrong_word.n_events, report.false_accepts_at) == (0, {"go": 1})


def test_the_order_of_detections_changes_nothing():
    detections = heard(("yes", 1.6), ("yes", 2.2), ("no", 3.2), ("no", 5.6), ("yes", 9.0), ("no", 7.6))
    expected = judge(detections, TRUTH, WORDS)
    shuffled = list(detections)
    for seed in range(20):
        random.Random(seed).shuffle(shuffled)
        assert judge(shuffled, TRUTH, WORDS) == expected


def test_a_truth_file_is_read_and_others_are_refused(tmp_path):
    file = tmp_path / "a.json"
    file.write_text('{"words": [{"word": "yes", "start_s": 1, "end_s": 1.5}], "hours": 0.1}')
    assert read_truth(file) == Truth([TruthWord("yes", 1.0, 1.5)], 0.1)
    file.write_text('{"words": 3}')
    with pytest.raises(SettingsError, match="expected"):
        read_truth(file)
    file.write_text('{"words": [], "hours": 0}')
    with pytest.raises(SettingsError, match="hours"):
        read_truth(file)
    with pytest.raises(AudioFileError):
        read_truth(tmp_path / "b.json")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The tiny data set: items and their samples."""
    folder = tmp_path_factory.mktemp("tiny")
    items = index_folders(
        data=[str(tiny_words.make(folder))], noise=[], speech=[str(folder / "speech")], validation_speakers=["12"]
    )
    build = {"folder": folder / "cache", "sample_rate_hz": 16000, "show_progress": False}
    return items, WaveformStore.build(items, **build)


def compose(made, **changes):
    options = {
        "split": VALIDATION,
        "n_words": 40,
        "gap_s": (0.4, 2.0),
        "snr_db": None,
        "sample_rate_hz": 16000,
        "rng": np.random.default_rng(3),
    }
    return compose_words(*made, **(options | changes))


def test_composed_words_stand_where_the_truth_says(made):
    samples, truth = compose(made)
    assert len(samples) == round(truth.hours * 3600 * 16000)
    loud = np.abs(samples.astype(float)) > 500
    inside = np.zeros(len(samples), dtype=bool)
    for word in truth.words:
        first, last = round(word.start_s * 16000), round(word.end_s * 16000)
        inside[first:last] = True
        assert loud[first:last].mean() > 0.5
    assert loud[~inside].mean() < 0.01
    gaps_s = [b.start_s - a.end_s for a, b in itertools.pairwise(truth.words)]
    assert min(gaps_s) >= 0.4 - 1e-3
    assert max(gaps_s) <= 2.0 + 1e-3
    assert Counter(word.word for word in truth.words) == dict.fromkeys(tiny_words.WORDS, 10)


def test_composed_noise_lies_as_far_below_the_words_as_asked_for(made):
    clean, _ = compose(made)
    noisy, truth = compose(made, snr_db=10.0)
    noise_rms = np.sqrt(np.mean((noisy.astype(float) - clean) ** 2))
    spans = [clean[round(w.start_s * 16000) : round(w.end_s * 16000)].astype(float) for w in truth.words]
    words_rms = np.mean([np.sqrt(np.mean(span**2)) for span in spans])
    assert 20 * np.log10(words_rms / noise_rms) == pytest.approx(10.0, abs=0.2)


def test_only_some_words_are_composed_when_asked_for(made):
    _, truth = compose(made, n_words=6, only=["up"])
    assert {word.word for word in truth.words} == {"up"}
    assert len({word.word for word in compose(made, n_words=3)[1].words}) == 3


def test_composed_speech_leaves_out_utterances_with_a_keyword(made):
    options = {"split": VALIDATION, "sample_rate_hz": 16000}
    every, _ = compose_speech(*made, without=[], only=["flat"], **options)
    without, truth = compose_speech(*made, without=["up"], only=[], **options)
    only, _ = compose_speech(*made, without=[], only=["up"], **options)
    assert truth.words == []
    assert len(without) == round(truth.hours * 3600 * 16000)
    assert len(every) == len(without) + len(only) - 16000  # each begins with a second of silence
    with pytest.raises(SettingsError, match="found none that fit"):
        compose_speech(*made, without=["flat"], only=[], **options)
