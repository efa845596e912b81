"""What the pictures of a curve and of a training show."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from detector.core.frontend import FrontendSettings
from detector.core.manifest import OperatingCurve, OperatingPoint
from detector.errors import SettingsError
from training.report.figures import curve_figure, draw_curve, draw_mel, learning_figure, to_svg

HISTORY = [
    {"epoch": k, "loss": 1.0 / k, "accuracy": 0.8, "validation_loss": loss, "validation_accuracy": 0.7}
    for k, loss in enumerate((0.9, 0.5, 0.6), start=1)
]


def point(threshold, hourly, miss_rate):
    return OperatingPoint(
        threshold=threshold,
        false_accepts_per_hour=hourly,
        false_accepts_per_hour_interval=(hourly / 2, 2 * hourly + 1),
        miss_rate=miss_rate,
        miss_rate_interval=(miss_rate / 2, min(1.0, 2 * miss_rate)),
    )


def curve_of(*words):
    points = [
        point(0.1, 40.0, 0.2),  # hardly ever armed again
        point(0.3, 20.0, 0.05),
        point(0.6, 2.0, 0.1),
        point(0.9, 0.0, 0.3),
        point(1.0, 0.0, 1.0),
    ]
    return OperatingCurve(measured_on="four hours", hours=4.0, words=dict.fromkeys(words, points))


@pytest.fixture
def curve():
    return curve_of("yes", "no")


def test_a_curve_shows_misses_against_false_accepts_of_the_best_thresholds(curve):
    trade_off, by_threshold, rates = curve_figure(curve, {}, title="mine").axes
    hourly, misses = trade_off.get_lines()[0].get_data()
    # None in four hours is drawn where half an event would lie; what fires more and misses more is left out.
    np.testing.assert_allclose(hourly, [0.125, 2.0, 20.0])
    np.testing.assert_allclose(misses, [30.0, 10.0, 5.0])
    np.testing.assert_allclose(by_threshold.get_lines()[0].get_xdata(), [0.1, 0.3, 0.6, 0.9])
    np.testing.assert_allclose(rates.get_lines()[0].get_ydata(), [40.0, 20.0, 2.0, 0.125])
    assert [line.get_label() for line in trade_off.get_lines()] == ["yes", "no"]
    assert trade_off.get_title() == "mine: detection error trade-off"


def test_the_points_that_were_chosen_are_dots(curve):
    chosen = {"no": curve.words["no"][2]}
    trade_off, by_threshold, _ = curve_figure(curve, chosen, title="mine").axes
    (dot,) = [line for line in trade_off.get_lines() if line.get_marker() == "o"]
    assert (dot.get_xdata(), dot.get_ydata()) == ([2.0], [10.0])
    assert dot.get_color() == "C1"  # of the second word
    (line,) = [line for line in by_threshold.get_lines() if line.get_linestyle() == ":"]
    assert line.get_xdata() == [0.6, 0.6]


@pytest.mark.parametrize(("n_words", "n_bands"), [(4, 4), (5, 0)])
def test_intervals_are_drawn_where_they_do_not_hide_each_other(n_words, n_bands):
    curve = curve_of(*"abcdefg"[:n_words])
    trade_off, _, _ = curve_figure(curve, {}, title="mine").axes
    assert len(trade_off.collections) == n_bands


def test_a_training_shows_the_epoch_that_is_kept():
    loss, accuracy = learning_figure(HISTORY).axes
    for axes, name in ((loss, "loss"), (accuracy, "accuracy")):
        training, validation, kept = axes.get_lines()
        assert list(training.get_xdata()) == [1, 2, 3]
        np.testing.assert_allclose(training.get_ydata(), [epoch[name] for epoch in HISTORY])
        np.testing.assert_allclose(validation.get_ydata(), [epoch[f"validation_{name}"] for epoch in HISTORY])
        assert kept.get_xdata() == [2, 2]


def test_a_picture_for_a_page_has_the_pages_colour_and_no_ground():
    svg = to_svg(learning_figure(HISTORY))
    assert svg.startswith("<svg")
    assert "currentColor" in svg
    assert "#010203" not in svg
    assert "<dc:date>" not in svg


def test_a_small_spectrogram_is_a_png(rng):
    picture = draw_mel(rng.uniform(-1, 1, (49, 40)).astype(np.float32), FrontendSettings())
    assert picture.startswith(b"\x89PNG")


def test_a_picture_that_cannot_be_written_is_one_line(curve, tmp_path):
    draw_curve(curve, {}, tmp_path / "new" / "curve.png", title="mine")
    assert (tmp_path / "new" / "curve.png").read_bytes().startswith(b"\x89PNG")
    for file in (tmp_path / "curve.tune", tmp_path / "new" / "curve.png" / "curve.png"):
        with pytest.raises(SettingsError, match=r"^expected to write a picture such as curve\.png, found "):
            draw_curve(curve, {}, file, title="mine")


def test_a_curve_of_a_word_that_was_said_once_is_drawn(tmp_path):
    points = [point(threshold, 0.0, missed) for threshold, missed in ((0.3, 0.0), (0.6, 1.0))]
    curve = OperatingCurve(measured_on="an hour", hours=1.0, words={"yes": points})
    draw_curve(curve, {"yes": points[0]}, tmp_path / "curve.png", title="mine")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_its_package_is_named(curve, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(SettingsError, match=r"^expected matplotlib to draw a picture: pip install matplotlib$"):
        curve_figure(curve, {}, title="mine")
