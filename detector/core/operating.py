"""The operating point: from a measured curve to one threshold per word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from detector.core.manifest import Manifest, OperatingCurve, OperatingPoint
from detector.errors import SettingsError
from detector.types import is_number

DECIMALS = 6
"""Rates are compared to this many decimals, so that sums of the same events are equal."""
COARSE = 0.12
"""Width of an interval of misses of fewer than about 30 clips: what they cannot tell a stricter point misses more."""
UNSEEN = 0.01
"""What it misses more then, from threshold 0 to 1: less than one clip of those counts."""


def pick_of_model(manifest: Manifest, words: Sequence[str], false_accepts_per_hour: float) -> dict[str, OperatingPoint]:
    """Pick the points of a model's own curve; see `pick_points`.

    Raises
    ------
    SettingsError
        If the model, or of several combined that of a word, has no operating curve, none of its points is that strict,
        or the rate is not above 0.
    """
    if not is_number(false_accepts_per_hour):
        raise SettingsError(f"expected false accepts an hour to be a number, found {false_accepts_per_hour!r}")
    if not false_accepts_per_hour > 0.0:
        raise SettingsError(f"expected false accepts an hour above 0, found {false_accepts_per_hour:g}")
    curve = manifest.operating_curve
    without = next((manifest.model_of(word) for word in words if curve is None or word not in curve.words), None)
    if curve is None or without is not None:
        raise SettingsError(
            f"expected a model with an operating curve for --false-accepts-per-hour, found none in "
            f"'{without or manifest.name}': set a --threshold instead"
        )
    return pick_points(curve, words, false_accepts_per_hour)


def pick_points(
    curve: OperatingCurve, words: Sequence[str], false_accepts_per_hour: float
) -> dict[str, OperatingPoint]:
    """Pick the points of fewest misses whose false accepts together stay within a rate; ties go to fewer false accepts.

    Of a word that was measured on few clips ties go to the lower threshold: where none of two recordings is missed at
    any threshold, the highest one would miss most of what others say.

    A word that rarely has false accepts leaves its share to the others: all divisions of the permitted rate among the
    words are compared.

    Parameters
    ----------
    curve : OperatingCurve
    words : sequence of str
        The words to detect.
    false_accepts_per_hour : float
        Of all words together, above 0. When the curve's hours cannot show a rate that low, each word gets the point of
        fewest misses among those without a single false accept.

    Raises
    ------
    SettingsError
        If the words have no points that are strict enough.
    """
    # Rate spent so far -> the fewest misses it can buy, summed over the words, and the points that do.
    best: dict[float, tuple[float, dict[str, OperatingPoint]]] = {0.0: (0.0, {})}
    for word in words:
        bought: dict[float, tuple[float, dict[str, OperatingPoint]]] = {}
        for spent, (misses, points) in best.items():
            for rate, point in _fewest_misses(curve, word, false_accepts_per_hour - spent).items():
                sum_rate, total = round(spent + rate, DECIMALS), misses + _weigh(point)
                if sum_rate not in bought or total < bought[sum_rate][0]:
                    bought[sum_rate] = total, {**points, word: point}
        best = bought
    if not best:
        raise SettingsError(
            f"expected points of {', '.join(words)} at {false_accepts_per_hour:g} false accepts per hour together, "
            "found none that strict"
        )
    _, (_, points) = min(best.items(), key=lambda choice: (round(choice[1][0], DECIMALS), choice[0]))
    return points


def _fewest_misses(curve: OperatingCurve, word: str, permitted: float) -> dict[float, OperatingPoint]:
    """Return, by the rate of false accepts, the point of fewest misses; ties go to the strictest."""
    cheapest: dict[float, OperatingPoint] = {}
    for point in curve.words.get(word, []):
        rate = round(point.false_accepts_per_hour, DECIMALS)
        rank = (_weigh(point), -point.threshold)
        if rate <= permitted + 10.0**-DECIMALS and (
            rate not in cheapest or rank < (_weigh(cheapest[rate]), -cheapest[rate].threshold)
        ):
            cheapest[rate] = point
    return cheapest


def _weigh(point: OperatingPoint) -> float:
    """Return a point's misses, and a little that grows with the threshold where they are hardly known."""
    low, high = point.miss_rate_interval
    return point.miss_rate + (UNSEEN * point.threshold if high - low > COARSE else 0.0)


def describe_points(
    curve: OperatingCurve, points: Mapping[str, OperatingPoint], false_accepts_per_hour: float
) -> list[str]:
    """Return the chosen thresholds and what to expect of them, one line for each word."""
    lines = [
        f"{word}: threshold {point.threshold:g}, expected to miss {100 * point.miss_rate:.1f} % "
        f"({100 * point.miss_rate_interval[0]:.1f}-{100 * point.miss_rate_interval[1]:.1f} %)"
        for word, point in points.items()
    ]
    if false_accepts_per_hour * curve.hours < 1.0:
        found = sum(point.false_accepts_per_hour for point in points.values())
        lines.append(
            f"warning: {false_accepts_per_hour:g} false accepts per hour is below what was measured: one in "
            f"{curve.hours:.2f} hours is {1.0 / curve.hours:.2g} per hour; chosen are thresholds with "
            + (f"{found:.2g} per hour there, the mean of several passes" if found else "none there")
        )
    return lines
