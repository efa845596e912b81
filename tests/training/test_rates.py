"""Rates and their intervals, as numbers and as people read them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from training.evaluate.intervals import Rate, decimals, hourly_rate, hours, mean_of_proportions, percents, proportion

COUNTS = st.tuples(st.integers(0, 400), st.integers(1, 400)).filter(lambda pair: pair[0] <= pair[1])


@given(counts=COUNTS)
def test_an_interval_of_a_proportion_holds_it_and_stays_a_proportion(counts):
    rate = proportion(*counts)
    assert 0.0 <= rate.low <= rate.value <= rate.high <= 1.0
    assert (rate.n_events, rate.n_trials) == counts


@given(counts=COUNTS)
def test_the_interval_of_a_proportion_is_wilsons(counts):
    expected = stats.binomtest(*counts).proportion_ci(0.95, method="wilson")
    rate = proportion(*counts)
    assert (rate.low, rate.high) == pytest.approx((expected.low, expected.high), abs=1e-6)


@given(counts=COUNTS, times=st.integers(2, 20))
def test_more_trials_of_the_same_share_are_known_more_closely(counts, times):
    one, many = proportion(*counts), proportion(times * counts[0], times * counts[1])
    assert many.high - many.low < one.high - one.low


@given(n_events=st.integers(0, 60), n_hours=st.floats(0.1, 100.0))
def test_an_hourly_rate_has_the_exact_interval_of_a_count(n_events, n_hours):
    rate = hourly_rate(n_events, n_hours)
    assert rate.value == pytest.approx(n_events / n_hours)
    low = stats.chi2.ppf(0.025, 2 * n_events) / 2 if n_events else 0.0
    assert rate.low == pytest.approx(low / n_hours, abs=1e-9)
    assert rate.high == pytest.approx(stats.chi2.ppf(0.975, 2 * n_events + 2) / 2 / n_hours)


def test_no_trials_are_no_rate():
    assert proportion(0, 0).percent() == "not tried"
    assert proportion(0, 0).brief_percent() == "-"
    assert hourly_rate(3, 0.0).per_hour() == "3 in no time that counts"
    assert hourly_rate(0, 0.0).brief_per_hour() == "-"


def test_without_an_event_there_is_a_bound_and_no_estimate():
    assert proportion(0, 1600).percent().startswith("none of 1600 (at most 0.2")
    assert proportion(0, 1600).brief_percent().startswith("0 % (at most 0.2")
    assert hourly_rate(0, 2.0).per_hour() == "none in 2.00 h (at most 1.8 /h)"
    assert hourly_rate(0, 2.0).brief_per_hour() == "0 (at most 1.8)"


def test_rates_are_written_with_as_many_digits_as_are_known():
    assert Rate(0.025, 0.019, 0.033, 40, 1600).percent() == "2.5 % (1.9-3.3 %, 40 of 1600)"
    assert Rate(0.025, 0.019, 0.033, 40, 1600).brief_percent() == "2.5 % (1.9-3.3)"
    assert Rate(2.5, 0.8, 5.8, 5, 2.0).per_hour() == "2.5 /h (0.8-5.8, 5 in 2.00 h)"
    assert Rate(2.5, 0.8, 5.8, 5, 2.0).brief_per_hour() == "2.5 (0.8-5.8)"
    assert Rate(25.0, 5.0, 60.0, 5, 0.2).brief_per_hour() == "25 (5-60)"


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.0, 100.0, 0), (0.0, 10.0, 0), (0.0, 9.0, 1), (2.0, 2.5, 2), (2.0, 2.0001, 3), (2.0, 2.0, 3)],
)
def test_decimals_show_an_intervals_width_with_two_digits(low, high, expected):
    assert decimals(low, high) == expected


@given(low=st.floats(0.0, 100.0), width=st.floats(0.001, 100.0))
def test_decimals_never_hide_an_interval(low, width):
    n = decimals(low, low + width)
    assert 0 <= n <= 3
    assert 10.0**-n <= max(1.0, width)


@pytest.mark.parametrize(("value", "text"), [(2.0, "2.00"), (0.1, "0.10"), (0.0123, "0.012"), (123.456, "123.46")])
def test_hours_are_written_with_what_counts(value, text):
    assert hours(value) == text


def test_percents_of_one_rate_have_the_same_decimals():
    texts = percents(0.025, 0.019, 0.033)
    assert len({len(text.partition(".")[2]) for text in texts}) == 1
    assert [float(text) for text in texts] == [2.5, 1.9, 3.3]


def test_the_mean_of_proportions_weighs_each_equally_and_is_known_better_than_its_parts():
    rates = [proportion(90, 100), proportion(1900, 2000)]
    mean = mean_of_proportions(rates)
    assert mean.value == pytest.approx((0.90 + 0.95) / 2)
    assert mean.low < mean.value < mean.high
    assert mean.high - mean.low < rates[0].high - rates[0].low
    assert mean.n_trials == 2100


@given(counts=st.lists(COUNTS, min_size=1, max_size=6))
def test_the_mean_of_proportions_lies_within_them(counts):
    rates = [proportion(*pair) for pair in counts]
    mean = mean_of_proportions(rates)
    assert min(rate.value for rate in rates) - 1e-9 <= mean.value <= max(rate.value for rate in rates) + 1e-9
    assert 0.0 <= mean.low <= mean.value <= mean.high <= 1.0
    assert math.isfinite(mean.high)


def test_intervals_cover_the_truth_as_often_as_they_promise():
    rng = np.random.default_rng(0)
    for true_share in (0.02, 0.1, 0.5):
        events = rng.binomial(300, true_share, size=2000)
        covered = [rate.low <= true_share <= rate.high for rate in (proportion(int(n), 300) for n in events)]
        assert 0.92 < np.mean(covered) < 0.98
