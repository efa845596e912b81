"""Pictures for people, by matplotlib."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.core.frontend import FrontendSettings
from detector.core.manifest import Manifest, OperatingCurve, OperatingPoint
from detector.errors import SettingsError
from training.report.views import Views, bands_hz, mel_db

MOST_BANDS = 4
"""Intervals of more words than this would hide each other."""
LEGEND_COLUMNS = 4
INK = "#010203"
"""A colour that nothing else has: in pictures for pages it becomes that of the text around them, light or dark."""


def draw_curve(curve: OperatingCurve, points: Mapping[str, OperatingPoint], file: Path, *, title: str) -> None:
    """Draw an operating curve into a file; see `curve_figure`.

    Raises
    ------
    SettingsError
        If matplotlib is missing or the file cannot be written.
    """
    _save(curve_figure(curve, points, title=title), file)


def curve_figure(curve: OperatingCurve, points: Mapping[str, OperatingPoint], *, title: str) -> Any:
    """Return the picture of an operating curve: what it costs in misses to be woken less often, at which thresholds.

    On the left the detection error trade-off (DET, Martin et al. 1997) with axes for rates as they are here: false
    accepts per hour and misses, both logarithmic. On the right both against the threshold. Bands are 95 % intervals,
    of few words alone, where they can be distinguished; dots are the points that were chosen.

    Raises
    ------
    SettingsError
        If matplotlib is missing or the file cannot be written.
    """
    figure = _figure(12, 5)
    trade_off, by_threshold = figure.subplots(1, 2)
    rates: Any = by_threshold.twinx()
    # A rate of none in the hours there are is drawn where half an event would lie.
    floor = 0.5 / curve.hours
    for k, (word, measured) in enumerate(curve.words.items()):
        colour = f"C{k}"
        within = [point for point in measured if 0.0 < point.miss_rate < 1.0]
        hourly = [max(point.false_accepts_per_hour, floor) for point in within]
        misses = [100.0 * point.miss_rate for point in within]
        thresholds = [point.threshold for point in within]
        best = _leave_best(within)
        best_hourly = [max(point.false_accepts_per_hour, floor) for point in best]
        trade_off.plot(
            best_hourly, [100.0 * point.miss_rate for point in best], colour, label=word, drawstyle="steps-post"
        )
        by_threshold.plot(thresholds, misses, colour, label=word)
        rates.plot(thresholds, hourly, colour, linestyle="--")
        if len(curve.words) <= MOST_BANDS:
            trade_off.fill_between(
                best_hourly,
                [100.0 * point.miss_rate_interval[0] for point in best],
                [100.0 * point.miss_rate_interval[1] for point in best],
                color=colour,
                alpha=0.15,
                step="post",
                linewidth=0,
            )
            rates.fill_between(
                thresholds,
                [max(point.false_accepts_per_hour_interval[0], floor) for point in within],
                [point.false_accepts_per_hour_interval[1] for point in within],
                color=colour,
                alpha=0.1,
                linewidth=0,
            )
        if word in points:
            point = points[word]
            at = max(point.false_accepts_per_hour, floor)
            trade_off.plot(at, 100.0 * point.miss_rate, "o", color=colour)
            by_threshold.axvline(point.threshold, color=colour, linewidth=0.8, linestyle=":")
    # Of a word that was said once, all is missed or nothing: then no curve is drawn, and a logarithm needs numbers.
    is_drawn = any(0.0 < point.miss_rate < 1.0 for measured in curve.words.values() for point in measured)
    scale = "log" if is_drawn else "linear"
    trade_off.axvspan(0.8 * floor, 1.0 / curve.hours, color="0.5", alpha=0.2, linewidth=0, zorder=0)
    trade_off.set(
        xscale="log",
        yscale=scale,
        xlim=(0.8 * floor, None),
        xlabel=f"false accepts per hour ({curve.hours:.2f} h of running speech; grey: none)",
        ylabel="missed words, %",
        title=f"{title}: detection error trade-off",
    )
    by_threshold.set(xlabel="threshold", ylabel="missed words, % (solid)", title="by threshold", yscale=scale)
    rates.set(yscale=scale, ylabel="false accepts per hour (dashed)")
    figure.legend(*trade_off.get_legend_handles_labels(), loc="outside right upper")
    for axes in (trade_off, by_threshold):
        axes.grid(visible=True, which="both", alpha=0.3)
    return figure


def _leave_best(points: Sequence[OperatingPoint]) -> list[OperatingPoint]:
    """Leave out points that fire as often as another and miss more.

    With the lowest thresholds a word is hardly ever armed again: they fire more and miss more.
    """
    best: list[OperatingPoint] = []
    for point in sorted(points, key=lambda point: (point.false_accepts_per_hour, point.miss_rate)):
        if not best or point.miss_rate < best[-1].miss_rate:
            best.append(point)
    return best


def learning_figure(history: Sequence[Mapping[str, Any]]) -> Any:
    """Return the picture of a training: loss and accuracy of each epoch, of training and validation windows."""
    figure = _figure(12, 4)
    for axes, name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        epochs = [row["epoch"] for row in history]
        for prefix, label in (("", "training"), ("validation_", "validation speakers")):
            axes.plot(epochs, [row[f"{prefix}{name}"] for row in history], label=label, marker=".", markersize=3)
        best = min(history, key=lambda row: (math.isnan(row["validation_loss"]), row["validation_loss"]))
        axes.axvline(best["epoch"], color="0.4", linewidth=1.2, linestyle="--", label="kept")
        axes.set(xlabel="epoch", ylabel=name, title=name)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.legend()
    return figure


def draw_mel(features: NDArray[np.float32], settings: FrontendSettings) -> bytes:
    """Return a small PNG of a clip's mel spectrogram, for light and dark pages."""
    figure = _figure(4, 2.2)
    axes = figure.subplots()
    n_frames, n_mels = features.shape
    middle_s = (np.arange(n_frames) * settings.hop_samples + settings.frame_samples / 2) / settings.sample_rate_hz
    axes.pcolormesh(middle_s, np.arange(n_mels), mel_db(features, settings).T, vmin=-80, vmax=-10)
    ticks = np.arange(n_mels)[:: max(1, n_mels // 5)]
    names = [f"{frequency_hz:.0f}" for frequency_hz in bands_hz(settings)[ticks]]
    axes.set(xlabel="time, s", ylabel="Hz", yticks=ticks, yticklabels=names)
    axes.tick_params(colors="0.5")
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_color("0.5")
    out = io.BytesIO()
    figure.savefig(out, dpi=100, transparent=True)
    return out.getvalue()


def to_svg(figure: Any) -> str:
    """Return a figure as SVG for a page, in the page's own colour of text and without a ground."""
    for axes in figure.axes:
        axes.patch.set_alpha(0.0)
        axes.tick_params(which="both", color=INK, labelcolor=INK)
        for text in (axes.title, axes.xaxis.label, axes.yaxis.label):
            text.set_color(INK)
        for spine in axes.spines.values():
            spine.set_edgecolor(INK)
    for legend in [*figure.legends, *(legend for axes in figure.axes if (legend := axes.get_legend()) is not None)]:
        legend.get_frame().set_alpha(0.0)
        for text in legend.get_texts():
            text.set_color(INK)
    out = io.StringIO()
    figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    svg = out.getvalue()
    return svg[svg.index("<svg") :].replace(INK, "currentColor")


def draw_clips(clips: Sequence[tuple[str, Views]], manifest: Manifest, file: Path) -> None:
    """Draw clips side by side, from waveform to scores, one view below the other.

    Raises
    ------
    SettingsError
        If matplotlib is missing or the file cannot be written.
    """
    figure = _figure(max(8.0, 5.5 * len(clips)), 15.5)
    rows = figure.subplots(6, len(clips), squeeze=False)
    most = max(float(np.abs(views.mfcc[:, 1:]).max()) for _, views in clips) or 1.0
    for column, (title, views) in zip(rows.T, clips, strict=True):
        length_s = max(len(views.waveform) / views.sample_rate_hz, manifest.window_s)
        waveform, linear, mel, cepstrum, seen, scores = column
        times_s = np.arange(len(views.waveform)) / views.sample_rate_hz
        waveform.plot(times_s, views.waveform, linewidth=0.5, color="C0")
        name = title.replace("$", r"\$")  # which would be the beginning of a formula
        waveform.set(title=f"{name}\nwaveform", ylim=(-1, 1), ylabel="amplitude, full scale = 1")
        waveform.grid(alpha=0.3)
        image = linear.pcolormesh(views.frame_times_s, views.bins_hz, views.spectrogram_db.T, vmin=-90, vmax=-10)
        linear.set(title="spectrogram", ylabel="frequency, Hz")
        figure.colorbar(image, ax=linear, label="dB (0: a sine at full scale)")
        bands = np.arange(len(views.bands_hz))
        image = mel.pcolormesh(views.frame_times_s, bands, views.mel_db.T, vmin=-80, vmax=-10)
        ticks = bands[:: len(bands) // 8]
        names = [f"{frequency_hz:.0f}" for frequency_hz in views.bands_hz[ticks]]
        mel.set(
            title=f"mel spectrogram, {len(bands)} bands", ylabel="band's middle, Hz", yticks=ticks, yticklabels=names
        )
        figure.colorbar(image, ax=mel, label="dB (0: a sine at full scale)")
        # The first coefficient is loudness; drawn with the others it would hide them.
        n_coefficients = views.mfcc.shape[1]
        order = np.arange(1, n_coefficients)
        image = cepstrum.pcolormesh(
            views.frame_times_s, order, views.mfcc[:, 1:].T, cmap="RdBu_r", vmin=-most, vmax=most
        )
        cepstrum.set(title=f"MFCC 1 to {n_coefficients - 1}", ylabel="coefficient", yticks=order[1::2])
        figure.colorbar(image, ax=cepstrum, label="ln power")
        for axes in (waveform, linear, mel, cepstrum):
            axes.set(xlim=(0, length_s), xlabel="time, s")
        image = seen.imshow(
            views.seen.T, origin="lower", aspect="auto", cmap="gray", vmin=-128, vmax=127, interpolation="nearest"
        )
        until = f"the second up to {views.seen_until_s:.2f} s"
        if views.seen_until_s > len(views.waveform) / views.sample_rate_hz:
            until += ", silence after the clip"
        seen.set(title=f"what the network sees: {until}, int8", xlabel="frame", ylabel="mel band")
        figure.colorbar(image, ax=seen, label="int8 value")
        for k, label in enumerate(manifest.labels):
            is_word = label in manifest.words
            style = {"color": f"C{k}"} if is_word else {"color": "0.6", "linestyle": ":" if k else "--"}
            scores.plot(views.score_times_s, views.scores[:, k], label=label, marker=".", markersize=3, **style)
            if is_word:
                scores.axhline(manifest.decision.words[label].threshold, color=f"C{k}", linewidth=0.7, alpha=0.6)
        scores.set(
            title=f"scores of the last second, every {1000 * manifest.stride_s:.0f} ms\n"
            "(thin: thresholds; grey: a detector waits for a whole second)",
            xlabel="end of that second, s",
            ylabel="score",
            ylim=(0, 1.02),
            xlim=(0, length_s),
        )
        scores.axvspan(0.0, manifest.window_s, color="0.5", alpha=0.15, linewidth=0)
        scores.grid(alpha=0.3)
    figure.legend(*scores.get_legend_handles_labels(), loc="outside lower center", ncols=LEGEND_COLUMNS * len(clips))
    _save(figure, file)


def _figure(width: float, height: float) -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError as exc:
        raise SettingsError("expected matplotlib to draw a picture: pip install matplotlib") from exc
    return Figure(figsize=(width, height), layout="constrained")


def _save(figure: Any, file: Path) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph", UserWarning)  # a name in letters that the font lacks
            figure.savefig(file, dpi=120)
    except (OSError, ValueError) as exc:
        raise SettingsError(f"expected to write a picture such as curve.png, found {file}: {exc}") from exc
