import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.core.decision import Decision
from detector.core.manifest import DecisionSettings, WordDecision
from detector.events import Scored

LABELS = ("silence", "unknown", "yes", "no")
STRIDE = 1600


def decide(columns, *, smoothing=1, refractory_s=0.0, threshold=0.8, rearm=0.4, words=("yes", "no"), full_at=0):
    """Feed (yes, no) score pairs; return (window, word) of what was decided."""
    limits = WordDecision(threshold=threshold, rearm=rearm, duration_s=0.4)
    settings = DecisionSettings(
        smoothing_windows=smoothing, refractory_s=refractory_s, words={"yes": limits, "no": limits}
    )
    decision = open_decision(settings, words, full_at=full_at * STRIDE)
    decided = []
    for k, (yes, no) in enumerate(columns):
        found = decision.decide(Scored(k * STRIDE, [0.0, 0.0, yes, no]))
        if found is not None:
            decided.append((k, found.keyword))
    return decided


def open_decision(settings, words=("yes", "no"), *, full_at=0):
    return Decision(settings, LABELS, words, sample_rate_hz=16000, window_samples=full_at, stride_samples=STRIDE)


def yes(*scores):
    return [(score, 0.0) for score in scores]


def test_one_long_high_score_is_one_detection():
    assert decide(yes(0, 0.9, 0.9, 0.9, 0.9, 0.9, 0)) == [(1, "yes")]


def test_a_dip_that_stays_above_the_rearm_level_is_no_second_word():
    assert decide(yes(0.9, 0.5, 0.9)) == [(0, "yes")]


def test_a_word_said_twice_is_two_detections():
    assert decide(yes(0.9, 0.1, 0.9)) == [(0, "yes"), (2, "yes")]


def test_the_refractory_time_holds_back_a_second_detection_until_it_is_over():
    assert decide(yes(0.9, 0.1, 0.9, 0.9, 0.9), refractory_s=0.3) == [(0, "yes"), (3, "yes")]


def test_the_refractory_time_is_the_words_own():
    assert decide([(0.9, 0), (0, 0.9)], refractory_s=1.0) == [(0, "yes"), (1, "no")]


def test_scores_are_averaged_over_the_windows():
    assert decide(yes(0.9, 0, 0.9, 0), smoothing=2) == []
    assert decide(yes(0, 0.9, 0.9), smoothing=2) == [(2, "yes")]


def test_windows_that_were_not_seen_yet_count_as_zero():
    assert decide(yes(1.0, 1.0, 1.0), smoothing=3) == [(2, "yes")]


def test_a_threshold_that_is_reached_exactly_fires():
    assert decide(yes(0.8)) == [(0, "yes")]


def test_of_two_words_at_once_the_better_is_reported():
    assert decide([(0.85, 0.95), (0.85, 0.95), (0.9, 0)]) == [(0, "no")]


def test_words_that_were_not_chosen_are_never_reported():
    assert decide([(0.9, 0), (0, 0.9)], words=("no",)) == [(1, "no")]


def test_nothing_fires_before_it_may_but_scores_are_remembered():
    columns = yes(0.9, 0.9, 0.9)
    assert decide(columns, smoothing=3, full_at=2) == [(2, "yes")]
    assert decide(columns, full_at=3) == []


def test_forgetting_windows_clears_the_average_and_keeps_the_refractory_time():
    limits = WordDecision(threshold=0.8, rearm=0.4, duration_s=0.4)
    settings = DecisionSettings(smoothing_windows=2, refractory_s=10.0, words={"yes": limits, "no": limits})
    decision = open_decision(settings)
    high, no = [0, 0, 0.9, 0], [0, 0, 0, 0.9]
    decision.decide(Scored(0, high))
    decision.forget_windows(0)
    assert decision.decide(Scored(1600, high)) is None
    assert decision.decide(Scored(3200, high)) is not None
    decision.forget_windows(0)
    assert [decision.decide(Scored(4800, high)), decision.decide(Scored(6400, high))] == [None, None]
    decision.reset()
    assert decision.decide(Scored(0, no)) is None
    assert decision.decide(Scored(1600, no)) is not None


def test_the_start_is_estimated_from_the_first_window_that_held_the_word():
    limits = WordDecision(threshold=0.8, rearm=0.4, duration_s=0.4)
    settings = DecisionSettings(smoothing_windows=2, refractory_s=0.0, words={"yes": limits, "no": limits})
    decision = open_decision(settings, full_at=16000)
    assert decision.decide(Scored(16000, [0, 0, 0.6, 0])) is None
    decided = decision.decide(Scored(17600, [0, 0, 1.0, 0]))
    assert decided is not None
    assert (decided.start_s, decided.time_s, decided.score) == (1.0 - 0.4, 1.1, pytest.approx(0.8))


SCORES = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=60)


@given(scores=SCORES, smoothing=st.integers(1, 6), refractory=st.integers(0, 8), threshold=st.floats(0.3, 1.0))
def test_whatever_the_scores_words_are_decided_as_the_settings_say(scores, smoothing, refractory, threshold):
    rearm = threshold / 2
    decided = decide(
        scores, smoothing=smoothing, refractory_s=refractory * STRIDE / 16000, threshold=threshold, rearm=rearm
    )

    def average(window, word):
        column = ("yes", "no").index(word)
        return sum(pair[column] for pair in scores[max(0, window - smoothing + 1) : window + 1]) / smoothing

    assert all(average(window, word) >= threshold for window, word in decided)
    assert len({window for window, _ in decided}) == len(decided)
    for keyword in ("yes", "no"):
        windows = [window for window, word in decided if word == keyword]
        for earlier, later in itertools.pairwise(windows):
            assert later - earlier >= refractory
            assert min(average(window, keyword) for window in range(earlier + 1, later + 1)) < rearm
    due = [window for window in range(len(scores)) if max(average(window, word) for word in ("yes", "no")) >= threshold]
    assert [window for window, _ in decided][:1] == due[:1]


def test_a_word_has_its_own_smoothing_and_refractory_time_where_they_are_given():
    limits = WordDecision(threshold=0.8, rearm=0.4, duration_s=0.4)
    own = WordDecision(threshold=0.8, rearm=0.4, duration_s=0.4, smoothing_windows=3, refractory_s=0.0)
    settings = DecisionSettings(smoothing_windows=1, refractory_s=1.0, words={"yes": limits, "no": own})
    decision = open_decision(settings)
    columns = [(0.9, 0), (0, 0.9), (0.9, 0.9), (0, 0.9), (0.9, 0), (0, 0), (0, 0.9), (0, 0.9), (0, 0.9)]
    decided = [decision.decide(Scored(k * STRIDE, [0.0, 0.0, *pair])) for k, pair in enumerate(columns)]
    assert [(k, found.keyword) for k, found in enumerate(decided) if found] == [(0, "yes"), (3, "no"), (8, "no")]


def test_early_windows_that_a_word_does_not_average_say_nothing_of_its_start():
    limits = WordDecision(threshold=0.8, rearm=0.4, duration_s=0.2)
    longer = WordDecision(threshold=0.8, rearm=0.4, duration_s=0.2, smoothing_windows=5)
    settings = DecisionSettings(smoothing_windows=2, refractory_s=0.0, words={"yes": limits, "no": longer})
    starts = {}
    for word in ("yes", "no"):
        decision = open_decision(settings, [word], full_at=10 * STRIDE)
        for k in range(3, 11):
            found = decision.decide(Scored(k * STRIDE, [0.0, 0.0, 0.9, 0.9]))
        starts[word] = round(found.start_s, 6)
    assert starts == {"yes": 0.9 - 0.2, "no": round(0.6 - 0.2, 6)}
