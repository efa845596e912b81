"""Two models on one recording, on outcomes whose difference is known."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from detector import Detection
from training.evaluate.compare import bootstrap, compare
from training.evaluate.streams import Truth, TruthWord

WORDS = ("yes", "no")
TRUTH = Truth([TruthWord("yes", 10.0 * k, 10.0 * k + 0.5) for k in range(1, 201)], hours=0.5)


def heard(positions, extra_s=()):
    return [Detection("yes", 0.9, 10.0 * k + 0.6, 10.0 * k) for k in positions] + [
        Detection("no", 0.9, time_s, time_s - 0.5) for time_s in extra_s
    ]


def test_the_same_model_twice_is_the_same():
    detections = heard(range(1, 150), [3005.0, 3100.0])
    comparison = compare(detections, detections, TRUTH, WORDS)
    # What 200 words and half an hour cannot exclude: -ln(0.025) = 3.69 events.
    assert (comparison.missed.value, comparison.missed.high) == (0.0, pytest.approx(3.69 / 200, abs=1e-4))
    assert comparison.false_accepts_per_hour.value == 0.0
    assert comparison.false_accepts_per_hour.high == pytest.approx(3.69 / 0.5, abs=0.01)
    assert not comparison.missed.is_certain()
    assert comparison.lines()[0].endswith("undecided")


def test_a_model_that_misses_more_is_found_out():
    comparison = compare(heard(range(1, 191)), heard(range(1, 151)), TRUTH, WORDS)
    assert comparison.missed.value == pytest.approx(40 / 200)
    assert 0.12 < comparison.missed.low < 0.2 < comparison.missed.high < 0.28
    assert comparison.missed.is_certain()
    assert "the second has more" in comparison.lines()[0]


def test_a_handful_of_misses_decides_nothing():
    comparison = compare(heard(range(1, 198)), heard(range(3, 201)), TRUTH, WORDS)
    assert comparison.missed.value == pytest.approx((2 - 3) / 200)
    assert comparison.missed.low < 0.0 < comparison.missed.high


def test_false_accepts_are_counted_by_the_hour():
    extra_s = [2500.0 + 61.0 * k for k in range(15)]
    comparison = compare(heard(range(1, 201), extra_s), heard(range(1, 201)), TRUTH, WORDS)
    assert comparison.false_accepts_per_hour.value == pytest.approx(-30.0)
    assert comparison.false_accepts_per_hour.low <= -30.0 < comparison.false_accepts_per_hour.high < 0.0
    assert "fewer" in comparison.lines()[1]


def test_the_interval_is_that_of_the_bootstraps_definition(rng):
    """Against resampling case by case, without the shortcut of counting equal differences."""
    first, second = rng.random(1200) < 0.3, rng.random(1200) < 0.2
    value, low, high = bootstrap(first, second, rng=np.random.default_rng(0))
    difference = second.astype(float) - first
    drawn = np.random.default_rng(1).integers(0, 1200, (10000, 1200))
    expected = np.quantile(difference[drawn].mean(axis=1), [0.025, 0.975])
    assert value == pytest.approx(difference.mean())
    np.testing.assert_allclose([low, high], expected, atol=0.003)  # of so many differences the exact one is as wide


def test_it_is_a_matter_of_the_seed():
    pair = heard(range(1, 191)), heard(range(1, 171))
    assert compare(*pair, TRUTH, WORDS, seed=3) == compare(*pair, TRUTH, WORDS, seed=3)


@pytest.mark.parametrize(("n_more", "is_certain"), [(4, False), (5, False), (6, True)])
def test_a_handful_of_differences_is_judged_by_the_sign_test(n_more, is_certain):
    """Two-sided p of n to none is 2^(1 - n): 0.125, 0.063, 0.031."""
    comparison = compare(heard(range(1, 201)), heard(range(1 + n_more, 201)), TRUTH, WORDS)
    assert comparison.missed.is_certain() == is_certain
    extra_s = [2500.0 + 61.0 * k for k in range(n_more)]
    comparison = compare(heard([]), heard([], extra_s), TRUTH, WORDS)
    assert comparison.false_accepts_per_hour.is_certain() == is_certain


def test_one_burst_decides_nothing():
    short = Truth([TruthWord("yes", 5.0, 5.5)], hours=50 / 3600)
    extra_s = [20.0 + k for k in range(6)]
    comparison = compare([], [Detection("no", 0.9, time_s, time_s - 0.5) for time_s in extra_s], short, WORDS)
    assert comparison.false_accepts_per_hour.value == pytest.approx(6 * 72.0)
    assert not comparison.false_accepts_per_hour.is_certain()
    assert (comparison.missed.low, comparison.missed.high) == (-1.0, 1.0)  # of one word


def test_words_of_the_same_speakers_tell_less():
    """Five of fifty speakers, all of whose ten words are missed, against fifty words of as many speakers."""
    spoken = [TruthWord("yes", 10.0 * k, 10.0 * k + 0.5, f"speaker {k % 50}") for k in range(1, 501)]
    truth = Truth(spoken, hours=1.5)
    few = [k for k in range(1, 501) if k % 50 >= 5]
    many = [k for k in range(1, 501) if k % 50 // 5 != k // 50 % 10]
    alike, apart = (compare(heard(range(1, 501)), heard(hits), truth, WORDS).missed for hits in (few, many))
    assert alike.value == pytest.approx(0.1)
    assert apart.value == pytest.approx(0.1, abs=0.01)
    assert alike.high - alike.low > 2.0 * (apart.high - apart.low)


def test_where_no_time_counts_false_accepts_are_not_compared():
    truth = Truth([TruthWord("yes", 1.0, 1.5)], hours=0.0)
    comparison = compare([], heard([]), truth, WORDS)
    assert comparison.false_accepts_per_hour is None
    assert len(comparison.lines()) == 1


def test_false_accepts_of_one_minute_are_one_burst():
    spread_out, burst = ([2500.0 + k * apart for k in range(12)] for apart in (61.0, 1.0))
    widths = []
    for extra_s in (spread_out, burst):
        rate = compare(heard([]), heard([], extra_s), TRUTH, WORDS).false_accepts_per_hour
        widths.append(rate.high - rate.low)
    assert widths[1] > 1.5 * widths[0]


PAIRS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60)


@settings(max_examples=25)
@given(pairs=PAIRS)
def test_the_interval_holds_the_difference_and_turns_round_with_the_models(pairs):
    first, second = np.array(pairs).T
    value, low, high = bootstrap(first, second, rng=np.random.default_rng(0))
    other, other_low, other_high = bootstrap(second, first, rng=np.random.default_rng(1))
    assert value == pytest.approx(second.mean() - first.mean())
    assert low - 1e-12 <= value <= high + 1e-12
    assert other == pytest.approx(-value)
    # Means of so many cases lie on a grid, and resamples may put an edge on either side of a line of it.
    assert (other_low, other_high) == pytest.approx((-high, -low), abs=2.0 / len(pairs))


@settings(max_examples=25)
@given(pairs=PAIRS)
def test_what_differs_decides_only_where_a_sign_test_would(pairs):
    first, second = np.array(pairs).T
    _, low, high = bootstrap(first, second, rng=np.random.default_rng(0))
    n_more, n_fewer = int((second > first).sum()), int((first > second).sum())
    if n_more + n_fewer and stats.binomtest(n_more, n_more + n_fewer).pvalue > 0.05:
        assert low <= 0.0 <= high


def spoken_by(*names):
    words = [TruthWord("yes", 10.0 * k, 10.0 * k + 0.5, names[k % len(names)]) for k in range(1, 201)]
    return Truth(words, hours=0.6)


def test_of_few_speakers_or_unknown_ones_words_are_resampled():
    pair = heard(range(1, 191)), heard(range(1, 171))
    unknown = compare(*pair, spoken_by(None), WORDS).missed
    assert compare(*pair, spoken_by(*(f"s{k}" for k in range(19))), WORDS).missed == unknown
    assert compare(*pair, spoken_by(*(f"s{k}" for k in range(40)), None), WORDS).missed == unknown
    assert compare(*pair, spoken_by(*(f"s{k}" for k in range(20))), WORDS).missed != unknown


def test_without_keywords_only_false_accepts_are_compared():
    comparison = compare([], heard([], [100.0]), Truth([TruthWord("go", 1.0, 2.0)], hours=0.5), WORDS)
    assert (comparison.n_keywords, comparison.missed.is_certain()) == (0, False)
    (line,) = comparison.lines()
    assert line.startswith("false accepts: +2.0 /h (")
    assert line.endswith(", 0.50 h): undecided")


def test_what_is_detected_after_the_time_that_counts_counts_too():
    """Where confusable utterances take time out of the hours, the recording is longer than they are."""
    late = heard([], [7000.0])
    comparison = compare([], late, Truth([], hours=0.5), WORDS)
    assert comparison.false_accepts_per_hour.value == pytest.approx(2.0)


def test_a_difference_is_written_with_its_sign_unit_and_basis():
    comparison = compare(heard(range(1, 191)), heard(range(1, 151)), TRUTH, WORDS)
    missed, false_accepts = comparison.lines()
    assert re.fullmatch(
        r"missed: \+20\.?\d* points \(\+1\d\.?\d* to \+2\d\.?\d*, 200 keywords\): the second has more", missed
    )
    assert false_accepts == "false accepts: +0 /h (-7 to +7, 0.50 h): undecided"
