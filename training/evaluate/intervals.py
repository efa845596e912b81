"""Intervals for the rates that are reported: none is printed without its own."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy import stats

CONFIDENCE = 0.95
N_RESAMPLES = 10000
FEWEST_GROUPS = 20
"""Of fewer, resamples know too little."""


class Rate(msgspec.Struct, frozen=True):
    """An estimated rate, the counts behind it and its 95 % interval."""

    value: float
    low: float
    high: float
    n_events: float
    n_trials: float
    """Clips, words, or hours."""

    def percent(self) -> str:
        """Return a proportion for people to read: `2.5 % (1.9-3.3 %, 40 of 1600)`.

        Without any event there is no estimate, only a bound: `none of 1600 (at most 0.24 %)`.
        """
        if self.n_trials == 0:
            return "not tried"
        value, low, high = percents(self.value, self.low, self.high)
        if self.n_events == 0:
            return f"none of {self.n_trials:g} (at most {high} %)"
        return f"{value} % ({low}-{high} %, {self.n_events:g} of {self.n_trials:g})"

    def brief_percent(self) -> str:
        """Return a proportion for a table: `2.5 % (1.9-3.3)`, `0 % (at most 0.24)`, or `-`."""
        if self.n_trials == 0:
            return "-"
        value, low, high = percents(self.value, self.low, self.high)
        return f"0 % (at most {high})" if self.n_events == 0 else f"{value} % ({low}-{high})"

    def per_hour(self) -> str:
        """Return a rate per hour for people to read: `2.5 /h (0.7-6.3, 5 in 2.00 h)`.

        Without any event there is no estimate, only a bound: `none in 2.00 h (at most 1.8 /h)`.
        """
        if self.n_trials == 0:
            return f"{self.n_events:g} in no time that counts"
        n, basis = decimals(self.low, self.high), hours(self.n_trials)
        if self.n_events == 0:
            return f"none in {basis} h (at most {self.high:.{n}f} /h)"
        return f"{self.value:.{n}f} /h ({self.low:.{n}f}-{self.high:.{n}f}, {self.n_events:g} in {basis} h)"

    def brief_per_hour(self) -> str:
        """Return a rate per hour for a table: `2.5 (0.7-6.3)`, or `0 (at most 1.8)`."""
        if self.n_trials == 0:
            return "-"
        n = decimals(self.low, self.high)
        if self.n_events == 0:
            return f"0 (at most {self.high:.{n}f})"
        return f"{self.value:.{n}f} ({self.low:.{n}f}-{self.high:.{n}f})"


def decimals(low: float, high: float) -> int:
    """Return how many decimals an interval supports: those that show its width with two digits, at most three."""
    width = high - low
    return 3 if width <= 0.0 else max(0, min(3, 1 - math.floor(math.log10(width))))


def hours(value: float) -> str:
    """Return hours for people to read: two decimals, or two digits below a tenth."""
    return f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"


def percents(*shares: float) -> list[str]:
    """Return shares in percent, with the decimals that an interval supports, whose edges are the last two."""
    n = decimals(100 * shares[-2], 100 * shares[-1])
    return [f"{100 * share:.{n}f}" for share in shares]


def percentile_interval(resampled: NDArray[np.floating]) -> tuple[float, float]:
    """Return the interval that holds all but the tails of resampled values, shape (n_resamples,)."""
    tail = (1.0 - CONFIDENCE) / 2.0
    low, high = np.quantile(resampled, [tail, 1.0 - tail])
    return float(low), float(high)


def proportion(n_events: int, n_trials: int) -> Rate:
    """Return a proportion with its Wilson interval (Wilson 1927); 0 to 1 when nothing was tried."""
    if n_trials == 0:
        return Rate(0.0, 0.0, 1.0, 0, 0)
    interval = stats.binomtest(n_events, n_trials).proportion_ci(CONFIDENCE, method="wilson")
    return Rate(n_events / n_trials, float(interval.low), float(interval.high), n_events, n_trials)


def interval_by_group(
    is_event: NDArray[np.bool_], groups: Sequence[str], *, rng: np.random.Generator
) -> tuple[float, float] | None:
    """Return the interval of a proportion whose trials come in groups that are alike, such as the clips of a speaker.

    Percentiles of resamples of whole groups (the cluster bootstrap; Davison and Hinkley 1997, section 3.8). None where
    resampling has nothing to work on: fewer than `FEWEST_GROUPS`, or every trial alike.

    Parameters
    ----------
    is_event : ndarray of bool, shape (n_trials,)
    groups : sequence of str, length n_trials
        The group of each trial.
    """
    _, group = np.unique(groups, return_inverse=True)
    n_trials = np.bincount(group)
    if len(n_trials) < FEWEST_GROUPS or is_event.all() or not is_event.any():
        return None
    n_events = np.bincount(group, weights=is_event)
    drawn = rng.multinomial(len(n_trials), np.full(len(n_trials), 1.0 / len(n_trials)), size=N_RESAMPLES)
    return percentile_interval((drawn @ n_events) / (drawn @ n_trials))


def hourly_rate(n_events: float, hours: float) -> Rate:
    """Return events per hour with the exact Poisson interval (Garwood 1936); a mean count need not be whole.

    In under a second nothing was tried.
    """
    if hours * 3600.0 < 1.0:
        return Rate(0.0, 0.0, 0.0, n_events, 0.0)
    tail = (1.0 - CONFIDENCE) / 2.0
    low = float(stats.chi2.ppf(tail, 2 * n_events)) / 2.0 / hours if n_events else 0.0
    high = float(stats.chi2.ppf(1.0 - tail, 2 * n_events + 2)) / 2.0 / hours
    return Rate(n_events / hours, low, high, n_events, hours)


def mean_of_proportions(rates: Sequence[Rate]) -> Rate:
    """Return the mean of independent proportions.

    The interval combines theirs by the method of variance estimates recovery (Zou and Donner 2008): each half-width is
    the root of the sum of squares of the proportions' own, on that side.
    """
    mean = sum(rate.value for rate in rates) / len(rates)
    below = math.sqrt(sum((rate.value - rate.low) ** 2 for rate in rates)) / len(rates)
    above = math.sqrt(sum((rate.high - rate.value) ** 2 for rate in rates)) / len(rates)
    n_trials = sum(rate.n_trials for rate in rates)
    return Rate(mean, mean - below, min(1.0, mean + above), sum(rate.n_events for rate in rates), n_trials)
