"""Events counted on hand-made cases whose right counts are known."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector import Detection
from training.evaluate.judge import judge, match
from training.evaluate.streams import Truth, TruthWord

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
    assert report.lines() == ["false accepts: 0.5 /h (0.0-2.8, 1 in 2.00 h): elsewhere 1"]


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


def test_the_order_of_words_that_begin_together_changes_nothing():
    spoken = [TruthWord("yes", 1.0, 2.0), TruthWord("go", 1.0, 2.0)]
    detections = heard(("yes", 2.1), ("yes", 2.2))
    reports = [judge(detections, Truth(order, 1.0), WORDS) for order in (spoken, spoken[::-1])]
    assert reports[0] == reports[1]


def test_no_time_that_counts_has_no_rate():
    report = judge(heard(("yes", 2.1)), Truth([], 0.0), WORDS)
    assert report.lines() == ["false accepts: 1 in no time that counts: elsewhere 1"]


def test_the_order_of_detections_changes_nothing():
    detections = heard(("yes", 1.6), ("yes", 2.2), ("no", 3.2), ("no", 5.6), ("yes", 9.0), ("no", 7.6))
    expected = judge(detections, TRUTH, WORDS)
    shuffled = list(detections)
    for seed in range(20):
        random.Random(seed).shuffle(shuffled)
        assert judge(shuffled, TRUTH, WORDS) == expected


def test_other_words_that_fire_are_counted_once_each():
    truth = Truth([TruthWord("go", k, k + 0.4) for k in (1.0, 3.0, 5.0, 7.0)], hours=1.0)
    report = judge(heard(("no", 1.3), ("no", 3.2), ("yes", 3.5)), truth, WORDS)
    assert (report.others.n_events, report.others.n_trials) == (2, 4)
    assert (report.false_accepts.n_events, report.false_accepts_at) == (3, {"go": 3})
    assert report.missed.n_trials == 0
    assert report.lines()[0].startswith("other words that fire: 50 % (15-85 %, 2 of 4)")


def test_what_fires_in_a_confusable_utterance_is_no_false_accept():
    truth = Truth([], hours=0.5, confusable=[TruthWord("know", 10.0, 20.0), TruthWord("now", 40.0, 50.0)])
    report = judge(heard(("no", 12.0), ("no", 15.0), ("no", 20.7), ("no", 30.0)), truth, WORDS)
    assert (report.confusable.n_events, report.confusable.n_trials) == (1, 2)
    assert (report.false_accepts.n_events, report.false_accepts.n_trials) == (1, 0.5)


def test_a_keyword_in_a_confusable_utterance_is_still_a_keyword():
    truth = Truth([TruthWord("no", 12.0, 12.4)], hours=0.5, confusable=[TruthWord("know", 10.0, 20.0)])
    report = judge(heard(("no", 12.5), ("no", 15.0)), truth, WORDS)
    assert (report.missed.n_events, report.confusable.n_events, report.false_accepts.n_events) == (0, 1, 0)


def test_without_false_accepts_there_is_a_bound_and_no_estimate():
    report = judge([], Truth([], hours=2.0), WORDS)
    assert report.lines() == ["false accepts: none in 2.00 h (at most 1.8 /h)"]


@pytest.mark.parametrize("end_s", [0.137, 1.1, 2.3, 4.019, 12345.678])
def test_the_last_moment_still_counts_whatever_floating_point_makes_of_it(end_s):
    truth = Truth([TruthWord("yes", end_s - 0.1, end_s)], hours=4.0)
    assert judge(heard(("yes", round(end_s + 0.75, 3))), truth, WORDS).missed.n_events == 0
    assert judge(heard(("yes", end_s + 0.7501)), truth, WORDS).missed.n_events == 1


def test_of_two_words_that_could_absorb_a_detection_the_one_that_ends_first_does():
    truth = Truth([TruthWord("yes", 1.0, 10.0), TruthWord("yes", 2.0, 3.0)], hours=1.0)
    report = judge(heard(("yes", 2.5), ("yes", 5.0)), truth, WORDS)
    assert (report.missed.n_events, report.duplicates.n_events) == (0, 0)


def test_words_of_the_truth_may_stand_in_any_order_and_case():
    words = [TruthWord("no", 3.0, 3.5), TruthWord("YES", 1.0, 1.5), TruthWord("Go", 2.0, 2.4)]
    report = judge(heard(("no", 2.5), ("yes", 1.6), ("no", 3.6)), Truth(words, hours=1.0), ("yes", "no"))
    assert (report.missed.n_events, report.by_word["yes"].n_trials) == (0, 1)
    assert report.false_accepts_at == {"go": 1}


def test_of_several_wrong_detections_at_a_word_the_further_ones_are_second_detections():
    report = judge(heard(("no", 1.5), ("no", 2.1)), TRUTH, WORDS)
    assert (report.wrong_word.n_events, report.duplicates.n_events, report.duplicates.n_trials) == (1, 1, 2)


@given(
    st.lists(st.tuples(st.sampled_from(["yes", "no"]), st.integers(0, 200)), max_size=20),
    st.lists(st.tuples(st.sampled_from(["yes", "no", "go"]), st.integers(0, 180), st.integers(1, 20)), max_size=8),
)
def test_every_detection_is_counted_once(detected, said):
    truth = Truth(
        [TruthWord(word, first / 10, (first + length) / 10) for word, first, length in said],
        hours=1.0,
        confusable=[TruthWord("know", 4.0, 6.0)],
    )
    detections = heard(*((word, tenths / 10) for word, tenths in detected))
    outcome = match(detections, truth, WORDS)
    n_apart = len(outcome.false_accepts) + len(outcome.confusable)
    assert len(outcome.hits) + len(outcome.wrong) + outcome.n_duplicates + n_apart == len(detections)


def test_without_an_event_or_a_trial_no_rate_is_printed():
    report = judge(heard(("yes", 1.6)), Truth([TruthWord("yes", 1.0, 1.5)], hours=1.0), WORDS)
    assert report.lines()[:4] == [
        "missed: none of 1 (at most 79 %)",
        "  yes: none of 1 (at most 79 %)",
        "wrong word: none of 1 (at most 79 %)",
        "detected twice: none of 1 (at most 79 %)",
    ]
    assert report.lines()[-1] == "delay after the word's end: 0.10 s, p95 0.10 s (1 words)"


def test_where_speakers_are_known_their_differences_are_told():
    words = [TruthWord("yes", 10.0 * k, 10.0 * k + 0.5, f"s{k // 4}") for k in range(120)]
    detections = heard(*(("yes", 10.0 * k + 0.6) for k in range(12, 120)))
    report = judge(detections, Truth(words, hours=1.0), WORDS)
    assert report.n_speakers == 30
    assert report.missed_by_speaker[0] < report.missed.low
    assert report.missed_by_speaker[1] > report.missed.high
    assert report.lines()[1].startswith("  as 30 speakers differ: ")
    unknown = [TruthWord(word.word, word.start_s, word.end_s) for word in words]
    assert judge(detections, Truth(unknown, hours=1.0), WORDS).missed_by_speaker is None


SPOKEN = st.lists(st.tuples(st.sampled_from(["yes", "no", "go"]), st.integers(0, 180), st.integers(1, 20)), max_size=8)
DETECTED = st.lists(st.tuples(st.sampled_from(["yes", "no"]), st.integers(0, 200)), max_size=20)


def made_up(detected, said, from_s=0.0):
    """Return detections and a truth, in tenths of a second."""
    words = [TruthWord(word, from_s + first / 10, from_s + (first + length) / 10) for word, first, length in said]
    return heard(*((word, from_s + tenths / 10) for word, tenths in detected)), Truth(words, hours=1.0)


@given(DETECTED, SPOKEN)
def test_a_hit_is_of_the_words_own_and_in_its_time(detected, said):
    detections, truth = made_up(detected, said)
    outcome = match(detections, truth, WORDS)
    for position, detection in outcome.hits.items():
        word = outcome.spoken[position]
        assert position in outcome.keywords
        assert word.word == detection.keyword
        assert word.start_s - 1e-5 <= detection.time_s <= word.end_s + 0.75 + 1e-5
    assert len({id(detection) for detection in outcome.hits.values()}) == len(outcome.hits)
    assert outcome.wrong <= set(outcome.keywords)


@given(DETECTED, SPOKEN)
def test_counts_of_a_report_add_up(detected, said):
    report = judge(*made_up(detected, said), WORDS)
    assert sum(rate.n_events for rate in report.by_word.values()) == report.missed.n_events
    assert sum(rate.n_trials for rate in report.by_word.values()) == report.missed.n_trials
    assert report.missed.n_trials + report.others.n_trials == len(said)
    assert sum(report.false_accepts_at.values()) == report.false_accepts.n_events
    for rate in (report.missed, report.wrong_word, report.duplicates, report.others, report.confusable):
        assert 0 <= rate.n_events <= rate.n_trials
    n_counted = report.missed.n_trials - report.missed.n_events + report.wrong_word.n_events
    assert n_counted + report.duplicates.n_events + report.false_accepts.n_events == len(detected)


@given(DETECTED, SPOKEN, st.sampled_from([0.1, 7.3, 3600.0]))
def test_when_a_recording_begins_changes_nothing(detected, said, from_s):
    now, later = (judge(*made_up(detected, said, start_s), WORDS) for start_s in (0.0, from_s))
    assert later.latency_s == pytest.approx(now.latency_s)
    assert (later.missed, later.wrong_word, later.duplicates, later.false_accepts_at) == (
        now.missed,
        now.wrong_word,
        now.duplicates,
        now.false_accepts_at,
    )


@given(SPOKEN)
def test_a_detector_that_answers_each_keyword_once_misses_none(said):
    """However close words stand: each is reported at its end."""
    _, truth = made_up([], said)
    report = judge(heard(*((word.word, word.end_s) for word in truth.words if word.word in WORDS)), truth, WORDS)
    assert report.missed.n_events == 0
    assert report.false_accepts.n_events == report.wrong_word.n_events == report.duplicates.n_events == 0
    assert all(abs(delay_s) < 2.01 for delay_s in report.latency_s.values())


def test_what_was_judged_is_written_in_full():
    truth = Truth([*TRUTH.words, TruthWord("go", 9.0, 9.5)], 0.5, [TruthWord("know", 20.0, 22.0)])
    report = judge(heard(("no", 1.6), ("no", 3.7), ("no", 3.9), ("yes", 9.7), ("no", 21.0), ("no", 30.0)), truth, WORDS)
    assert [line.partition(" (")[0] for line in report.lines()] == [
        "missed: 67 %",
        "  yes: 100 %",
        "  no: none of 1",
        "wrong word: 33 %",
        "detected twice: 33 %",
        "other words that fire: 50 %",
        "false accepts: 4 /h",
        "confusable utterances that fire: 100 %",
        "delay after the word's end: 0.20 s, p95 0.20 s",
    ]
    assert report.lines()[6].endswith("2 in 0.50 h): elsewhere 1, go 1")
