"""Is one model better than another, or was it luck? Both hear the same recording, and the difference is resampled."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy import stats

from detector.events import Detection
from training.evaluate.intervals import CONFIDENCE, FEWEST_GROUPS, N_RESAMPLES, decimals, hours, percentile_interval
from training.evaluate.judge import match
from training.evaluate.streams import Truth

SEGMENT_S = 60.0
"""False accepts come in bursts, so whole minutes are resampled."""


class Difference(msgspec.Struct, frozen=True):
    """What the second model has more than the first, with its 95 % interval."""

    value: float
    low: float
    high: float

    def is_certain(self) -> bool:
        """Return whether the interval excludes no difference."""
        return self.low > 0.0 or self.high < 0.0


class Comparison(msgspec.Struct, frozen=True):
    """Two models on one recording, second minus first."""

    missed: Difference
    """Of the proportion of keywords missed."""
    false_accepts_per_hour: Difference | None
    """None where no time counts."""
    n_keywords: int
    hours: float

    def lines(self) -> list[str]:
        """Return the comparison for people to read."""
        rows = []
        if self.n_keywords:
            rows.append(_line("missed", self.missed, 100.0, " points", f"{self.n_keywords} keywords"))
        if self.false_accepts_per_hour is not None:
            rows.append(_line("false accepts", self.false_accepts_per_hour, 1.0, " /h", f"{hours(self.hours)} h"))
        return rows


def _line(name: str, difference: Difference, factor: float, unit: str, basis: str) -> str:
    value, low, high = (factor * x for x in (difference.value, difference.low, difference.high))
    n = decimals(low, high)
    verdict = "the second has " + ("more" if value > 0 else "fewer") if difference.is_certain() else "undecided"
    return f"{name}: {value:+.{n}f}{unit} ({low:+.{n}f} to {high:+.{n}f}, {basis}): {verdict}"


def bootstrap(
    first: NDArray[np.bool_ | np.integer],
    second: NDArray[np.bool_ | np.integer],
    *,
    rng: np.random.Generator,
    groups: Sequence[str] = (),
) -> tuple[float, float, float]:
    """Return the mean of second - first over paired cases, and its percentile bootstrap interval.

    Efron and Tibshirani (1993), chapter 13; cases are drawn with replacement, both models' outcomes together, in groups
    where they come in groups that are alike. Of few differences resamples know too little: the interval also covers the
    exact one, given how many groups differ (that of the sign test; Clopper and Pearson 1934), and where none does, the
    rates that so many cases cannot exclude.

    Parameters
    ----------
    first, second : ndarray, shape (n_cases,)
        Outcomes of the two models on the same cases, at least one.
    groups : sequence of str, length n_cases, optional
        The group of each case, such as its speaker; by default each is one.
    """
    difference = second.astype(np.float64) - first
    n_cases = difference.size
    group = np.unique(groups, return_inverse=True)[1] if groups else np.arange(n_cases)
    of_group = np.stack([np.bincount(group, weights=difference), np.bincount(group)], axis=1)
    # Groups of the same size and difference are alike: a resample is a draw of how many of each there are.
    kinds, counts = np.unique(of_group, axis=0, return_counts=True)
    drawn = rng.multinomial(len(of_group), counts / len(of_group), size=N_RESAMPLES)
    low, high = percentile_interval((drawn @ kinds[:, 0]) / (drawn @ kinds[:, 1]))
    sums = of_group[:, 0]
    n_more, n_different = int(np.count_nonzero(sums > 0)), int(np.count_nonzero(sums))
    if n_different == 0:
        bound = -math.log((1.0 - CONFIDENCE) / 2.0) / n_cases
        return 0.0, min(low, -bound), max(high, bound)
    share = stats.binomtest(n_more, n_different).proportion_ci(CONFIDENCE, method="exact")
    largest = float(np.abs(sums).sum()) / n_cases
    exact = [(2.0 * float(edge) - 1.0) * largest for edge in (share.low, share.high)]
    return float(difference.mean()), min(low, exact[0]), max(high, exact[1])


def compare(
    first: Sequence[Detection], second: Sequence[Detection], truth: Truth, words: Sequence[str], *, seed: int = 0
) -> Comparison:
    """Compare what two models detected in the same recording: words paired for misses, minutes for false accepts.

    Words of one speaker are alike: where the truth knows the speakers of all keywords, and they are not few, speakers
    are resampled instead of words.
    """
    rng = np.random.default_rng(seed)
    outcomes = [match(detections, truth, words) for detections in (first, second)]
    keywords = outcomes[0].keywords
    missed = 0.0, -1.0, 1.0
    if keywords:
        speakers = outcomes[0].speakers
        groups = speakers if len(set(speakers)) >= FEWEST_GROUPS else []
        value, low, high = bootstrap(outcomes[0].missed, outcomes[1].missed, rng=rng, groups=groups)
        missed = value, max(-1.0, low), min(1.0, high)
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
    accepted = None
    if truth.hours * 3600.0 >= 1.0:
        per_hour = n_segments / truth.hours
        accepted = Difference(*(per_hour * x for x in bootstrap(counts[0], counts[1], rng=rng)))
    return Comparison(
        missed=Difference(*missed),
        false_accepts_per_hour=accepted,
        n_keywords=len(keywords),
        hours=truth.hours,
    )
