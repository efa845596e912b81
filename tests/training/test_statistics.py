import numpy as np
import pytest

from training.evaluate.intervals import hourly_rate, interval_by_group, mean_of_proportions, proportion


@pytest.mark.parametrize(
    ("n_events", "n_trials", "low", "high"),
    # Known answers from Wilson's formula, worked by hand with z = 1.959964.
    [(0, 10, 0.0, 0.27753), (5, 10, 0.23659, 0.76341), (10, 10, 0.72247, 1.0), (1, 100, 0.00177, 0.05449)],
)
def test_proportions_have_wilsons_interval(n_events, n_trials, low, high):
    rate = proportion(n_events, n_trials)
    assert (rate.low, rate.high) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))
    assert rate.value == n_events / n_trials


def test_nothing_tried_proves_nothing():
    rate = proportion(0, 0)
    assert (rate.low, rate.high) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("n_events", "hours", "low", "high"),
    # The exact limits of Garwood's tables; the rule of three's 3.0 is the one-sided limit of zero events.
    [(0, 1.0, 0.0, 3.6889), (0, 2.0, 0.0, 1.8444), (1, 1.0, 0.0253, 5.5716), (10, 1.0, 4.7954, 18.3904)],
)
def test_rates_per_hour_have_the_exact_poisson_interval(n_events, hours, low, high):
    rate = hourly_rate(n_events, hours)
    assert (rate.low, rate.high) == (pytest.approx(low, abs=1e-3), pytest.approx(high, abs=1e-3))


def test_the_mean_of_one_proportion_is_itself_and_of_two_is_narrower():
    one = proportion(90, 100)
    alone = mean_of_proportions([one])
    assert (alone.low, alone.high) == (pytest.approx(one.low), pytest.approx(one.high))
    two = mean_of_proportions([one, one])
    assert two.value == pytest.approx(0.9)
    assert two.high - two.low == pytest.approx((one.high - one.low) / 2**0.5)


def test_trials_that_come_in_groups_tell_less(rng):
    # 100 speakers of ten words each, of whom ten miss all of theirs: as uncertain as 10 of 100, not as 100 of 1000.
    groups = [str(k // 10) for k in range(1000)]
    missed = np.arange(1000) < 100
    low, high = interval_by_group(missed, groups, rng=rng)
    assert (low, high) == (pytest.approx(0.05, abs=0.011), pytest.approx(0.16, abs=0.011))
    alone = interval_by_group(missed, [str(k) for k in range(1000)], rng=rng)
    wilson = proportion(100, 1000)
    np.testing.assert_allclose(alone, [wilson.low, wilson.high], atol=0.004)


def test_where_groups_tell_nothing_there_is_no_interval(rng):
    groups = [str(k) for k in range(100)]
    assert interval_by_group(np.zeros(100, dtype=bool), groups, rng=rng) is None
    assert interval_by_group(np.arange(100) < 50, [str(k % 19) for k in range(100)], rng=rng) is None
