import msgspec
import pytest

from detector.core.manifest import OperatingCurve, OperatingPoint
from detector.core.operating import describe_points, pick_points
from detector.errors import SettingsError

HOURS = 2.0


def point(threshold, n_events, miss_rate):
    rate = n_events / HOURS
    return OperatingPoint(
        threshold=threshold,
        false_accepts_per_hour=rate,
        false_accepts_per_hour_interval=(0.0, rate + 2.0),
        miss_rate=miss_rate,
        miss_rate_interval=(miss_rate, min(1.0, miss_rate + 0.1)),
    )


CURVE = OperatingCurve(
    measured_on="made-up streams",
    hours=HOURS,
    words={
        "yes": [point(0.5, 8, 0.02), point(0.7, 2, 0.04), point(0.8, 1, 0.10), point(0.9, 0, 0.30)],
        "no": [point(0.4, 3, 0.01), point(0.6, 1, 0.05), point(0.7, 0, 0.06), point(0.8, 0, 0.20)],
    },
)


def thresholds(rate, words=("yes", "no")):
    return {word: chosen.threshold for word, chosen in pick_points(CURVE, words, rate).items()}


def test_the_events_go_to_the_word_that_gains_most_by_them():
    # Two events in two hours: both to "yes" (0.04 + 0.06) beats one each (0.10 + 0.05).
    assert thresholds(1.0) == {"yes": 0.7, "no": 0.7}
    assert thresholds(0.5) == {"yes": 0.8, "no": 0.7}
    assert thresholds(100.0) == {"yes": 0.5, "no": 0.4}


def test_a_word_listened_for_alone_has_all_events():
    assert thresholds(0.5, ["no"]) == {"no": 0.6}
    assert thresholds(1.5, ["no"]) == {"no": 0.4}


def test_of_points_without_events_the_one_of_fewest_misses_is_taken():
    assert thresholds(0.01) == {"yes": 0.9, "no": 0.7}


def test_a_rate_that_the_hours_cannot_show_is_said_to_be_one():
    chosen = pick_points(CURVE, ["no"], 0.1)
    *words, warning = describe_points(CURVE, chosen, 0.1)
    assert words == ["no: threshold 0.7, expected to miss 6.0 % (6.0-16.0 %)"]
    assert warning.startswith("warning: 0.1 false accepts per hour is below what was measured: one in 2.00 hours")
    assert not any("warning" in line for line in describe_points(CURVE, chosen, 0.5))


def test_no_point_strict_enough_is_an_error():
    curve = OperatingCurve(measured_on="x", hours=HOURS, words={"yes": [point(0.9, 4, 0.1)]})
    with pytest.raises(SettingsError, match="found none that strict"):
        pick_points(curve, ["yes"], 1.0)
    with pytest.raises(SettingsError, match="found none that strict"):
        pick_points(curve, ["no"], 5.0)


def test_of_points_that_miss_as_little_the_one_of_fewest_false_accepts_is_taken():
    points = [point(0.5, 2, 0.05), point(0.6, 0, 0.05), point(0.7, 0, 0.10)]
    curve = OperatingCurve(measured_on="x", hours=HOURS, words={"yes": points})
    assert pick_points(curve, ["yes"], 1.0)["yes"].threshold == 0.6


def test_a_curve_heard_several_times_is_not_said_to_have_none():
    curve = OperatingCurve(measured_on="x", hours=HOURS, words={"yes": [point(0.9, 1 / 3, 0.1)]})
    (_, warning) = describe_points(curve, pick_points(curve, ["yes"], 0.2), 0.2)
    assert warning.endswith("chosen are thresholds with 0.17 per hour there, the mean of several passes")


def test_of_a_word_that_few_said_the_lower_threshold_is_taken():
    """Measured on one recording, which no threshold missed, 0.994 was chosen, and missed 71 % of 391 others."""
    points = [
        msgspec.structs.replace(point(threshold, n_events, miss_rate), miss_rate_interval=(0.0, 0.79))
        for threshold, n_events, miss_rate in ((0.5, 9, 0.0), (0.947, 1, 0.0), (0.98, 0, 0.0), (0.9941, 0, 0.0))
    ]
    curve = OperatingCurve(measured_on="x", hours=HOURS, words={"computer": points})
    assert pick_points(curve, ["computer"], 0.5)["computer"].threshold == 0.947
    assert pick_points(curve, ["computer"], 0.1)["computer"].threshold == 0.98
