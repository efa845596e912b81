import random

import pytest

from detector import Detection
from training.streams import Truth, TruthWord, judge, read_truth

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
    from detector.errors import AudioFileError, SettingsError

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
