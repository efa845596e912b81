import numpy as np
import pytest

from detector.learn.rates import Tail, find_peaks, poisson, wilson


@pytest.mark.parametrize(("n_events", "n_trials"), [(0, 5), (1, 5), (5, 5), (3, 10), (40, 300)])
def test_the_interval_of_a_share_is_wilsons(n_events, n_trials):
    stats = pytest.importorskip("scipy.stats", reason="needs pip install scipy")
    expected = stats.binomtest(n_events, n_trials).proportion_ci(method="wilson")
    assert wilson(n_events, n_trials) == pytest.approx((expected.low, expected.high), abs=1e-7)


def test_of_no_trials_nothing_is_known():
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize("n_events", [0, 1, 2, 5, 20, 100])
def test_the_interval_of_a_count_is_near_the_exact_one(n_events):
    stats = pytest.importorskip("scipy.stats", reason="needs pip install scipy")
    low = stats.chi2.ppf(0.025, 2 * n_events) / 2 if n_events else 0.0
    high = stats.chi2.ppf(0.975, 2 * n_events + 2) / 2
    assert poisson(n_events) == pytest.approx((low, high), rel=0.1, abs=0.02)


def test_windows_close_to_each_other_are_one_peak():
    logits = np.full(100, -5.0, dtype=np.float32)
    logits[[10, 12, 14, 60]] = 1.0, 3.0, 2.0, 0.5
    assert find_peaks(logits, 0.06)[:2] == [3.0, 0.5]


def test_rates_are_counted_where_there_are_peaks_and_exponential_beyond():
    rng = np.random.default_rng(0)
    tail = Tail(rng.exponential(0.5, 2000).tolist(), 2.0)
    assert tail.rate(0.5) == pytest.approx(1000 * np.exp(-1.0), rel=0.1)
    assert tail.rate(6.0) == pytest.approx(1000 * np.exp(-12.0), rel=2.0)
    for rate in (0.1, 1.0, 5.0, 100.0):
        assert tail.rate(tail.logit(rate)) == pytest.approx(rate, rel=0.1)


def test_the_stricter_the_rate_the_higher_the_threshold():
    tail = Tail([3.0, 2.5, 2.0, 1.0, 0.5, 0.2], 0.5, seen=0.5)
    logits = [tail.logit(rate) for rate in (0.1, 0.5, 1.0, 4.0, 8.0)]
    assert logits == sorted(logits, reverse=True)
    low, high = tail.interval(2.2)
    assert low < 2 / 0.5 / 0.5 < high


def test_without_any_peak_there_is_a_bound_alone():
    assert Tail([], 0.5).interval(0.0) == pytest.approx((0.0, 3.689 / 0.5), rel=0.01)
