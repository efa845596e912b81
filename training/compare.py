"""Is one model better than another, or was it luck? Both hear the same recording, and the difference is resampled."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy import stats

from detector.detector import Detection
from training.compose import Truth
from training.judge import match
from training.statistics import CONFIDENCE, N_RESAMPLES, decimals, percentile_interval

SEGMENT_S = 60.0
"""False accepts come in bursts, so whole minutes are resampled."""


class Difference(msgspec.Struct, frozen=True):
    """What the second model has more than the first, with its 95 % interval."""

    value: float
    low: float
    high: float

    def is_certain(self) -> bool:
        """Tell whether the interval excludes no difference."""
        return self.low > 0.0 or self.high < 0.0


class Comparison(msgspec.Struct, frozen=True):
    """Two models on one recording, second minus first."""

    missed: Difference
    """Of the proportion of keywords missed."""
    false_accepts_per_hour: Difference
    n_keywords: int
    hours: float

    def lines(self) -> list[str]:
        """Return the comparison for people to read."""
        rows = []
        if self.n_keywords:
            rows.append(_line("missed", self.missed, 100.0, " points", f"{self.n_keywords} keywords"))
        rows.append(_line("false accepts", self.false_accepts_per_hour, 1.0, " /h", f"{self.hours:.2f} h"))
        return rows


def _line(name: str, difference: Difference, factor: float, unit: str, basis: str) -> str:
    value, low, high = (factor * x for x in (difference.value, difference.low, difference.high))
    n = decimals(low, high)
    verdict = "the second has " + ("more" if value > 0 else "fewer") if difference.is_certain() else "undecided"
    return f"{name}: {value:+.{n}f}{unit} ({low:+.{n}f} to {high:+.{n}f}, {basis}): {verdict}"


def bootstrap(
    first: NDArray[np.bool_ | np.integer], second: NDArray[np.bool_ | np.integer], *, rng: np.random.Generator
) -> tuple[float, float, float]:
    """Return the mean of second - first over paired cases, and its percentile bootstrap interval.

    Efron and Tibshirani (1993), chapter 13; cases are drawn with replacement, both models' outcomes together. Of few
    differences resamples know too little: the interval also covers the exact one, given how many differences there are
    (that of the sign test; Clopper and Pearson 1934), and where there is none, the rates that so many cases cannot
    exclude.

    Parameters
    ----------
    first, second : ndarray, shape (n_cases,)
        Outcomes of the two models on the same cases, at least one.
    """
    difference = second.astype(np.float64) - first
    # Cases with the same difference are alike: a resample is a multinomial draw of how many of each there are.
    values, counts = np.unique(difference, return_counts=True)
    drawn = rng.multinomial(difference.size, counts / difference.size, size=N_RESAMPLES)
    means = drawn @ values / difference.size
    low, high = percentile_interval(means)
    n_more, n_fewer = (float(np.abs(difference[side]).sum()) for side in (difference > 0, difference < 0))
    n_differences = n_more + n_fewer
    if n_differences == 0.0:
        bound = -math.log((1.0 - CONFIDENCE) / 2.0) / difference.size
        return 0.0, -bound, bound
    share = stats.binomtest(round(n_more), round(n_differences)).proportion_ci(CONFIDENCE, method="exact")
    exact = [(2.0 * float(edge) - 1.0) * n_differences / difference.size for edge in (share.low, share.high)]
    return float(difference.mean()), min(low, exact[0]), max(high, exact[1])


def compare(
    first: Sequence[Detection], second: Sequence[Detection], truth: Truth, words: Sequence[str], *, seed: int = 0
) -> Comparison:
    """Compare what two models detected in the same recording: words paired for misses, minutes for false accepts."""
    rng = np.random.default_rng(seed)
    outcomes = [match(detections, truth, words) for detections in (first, second)]
    keywords = outcomes[0].keywords
    missed = bootstrap(outcomes[0].missed, outcomes[1].missed, rng=rng) if keywords else (0.0, -1.0, 1.0)
    last_s = max(
        [truth.hours * 3600.0]
        + [detection.time_s for outcome in outcomes for detection, _ in outcome.false_accepts]
        + [word.end_s for word in (*truth.words, *truth.confusable)]
    )
    n_segments = int(last_s // SEGMENT_S) + 1
    counts = [
        np.bincount([int(d.time_s // SEGMENT_S) for d, _ in outcome.false_accepts], minlength=n_segments)
        for outcome in outcomes
    ]
    per_hour = n_segments / truth.hours
    accepted = [per_hour * x for x in bootstrap(counts[0], counts[1], rng=rng)]
    return Comparison(
        missed=Difference(*missed),
        false_accepts_per_hour=Difference(*accepted),
        n_keywords=len(keywords),
        hours=truth.hours,
    )
