"""Pictures for people, by matplotlib."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from detector.errors import SettingsError
from detector.manifest import OperatingCurve, OperatingPoint


def draw_curve(curve: OperatingCurve, points: Mapping[str, OperatingPoint], file: Path, *, title: str) -> None:
    """Draw an operating curve: what it costs in misses to be woken less often, and at which thresholds.

    On the left the detection error trade-off (DET, Martin et al. 1997) with axes for rates as they are here: false
    accepts per hour and misses, both logarithmic. On the right both against the threshold. Bands are 95 % intervals,
    dots the points that were chosen.

    Raises
    ------
    SettingsError
        If matplotlib is missing or the file cannot be written.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as exc:
        raise SettingsError("expected matplotlib to draw a picture: pip install matplotlib") from exc
    figure = Figure(figsize=(12, 5), layout="constrained")
    trade_off, by_threshold = figure.subplots(1, 2)
    rates: Any = by_threshold.twinx()
    # A rate of none in the hours there are is drawn where half an event would lie.
    floor = 0.5 / curve.hours
    for k, (word, measured) in enumerate(curve.words.items()):
        colour = f"C{k}"
        heard = [point for point in measured if 0.0 < point.miss_rate < 1.0]
        hourly = [max(point.false_accepts_per_hour, floor) for point in heard]
        misses = [100.0 * point.miss_rate for point in heard]
        thresholds = [point.threshold for point in heard]
        trade_off.plot(hourly, misses, colour, label=word, drawstyle="steps-post")
        trade_off.fill_between(
            hourly,
            [100.0 * point.miss_rate_interval[0] for point in heard],
            [100.0 * point.miss_rate_interval[1] for point in heard],
            color=colour,
            alpha=0.15,
            step="post",
            linewidth=0,
        )
        by_threshold.plot(thresholds, misses, colour, label=word)
        rates.plot(thresholds, hourly, colour, linestyle="--")
        rates.fill_between(
            thresholds,
            [max(point.false_accepts_per_hour_interval[0], floor) for point in heard],
            [point.false_accepts_per_hour_interval[1] for point in heard],
            color=colour,
            alpha=0.1,
            linewidth=0,
        )
        if word in points:
            point = points[word]
            at = max(point.false_accepts_per_hour, floor)
            trade_off.plot(at, 100.0 * point.miss_rate, "o", color=colour)
            by_threshold.axvline(point.threshold, color=colour, linewidth=0.8, linestyle=":")
    trade_off.axvspan(0.8 * floor, 1.0 / curve.hours, color="0.9", zorder=0)
    trade_off.set(
        xscale="log",
        yscale="log",
        xlim=(0.8 * floor, None),
        xlabel=f"false accepts per hour ({curve.hours:.2f} h of running speech; grey: none)",
        ylabel="missed words, %",
        title=f"{title}: detection error trade-off",
    )
    by_threshold.set(xlabel="threshold", ylabel="missed words, % (solid)", title="by threshold", yscale="log")
    rates.set(yscale="log", ylabel="false accepts per hour (dashed)")
    for axes in (trade_off, by_threshold):
        axes.grid(visible=True, which="both", alpha=0.3)
        axes.legend()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(file, dpi=120)
    except (OSError, ValueError) as exc:
        raise SettingsError(f"expected to write a picture such as curve.png, found {file}: {exc}") from exc
