"""A lesson on all that is kept of a word and what is new, checked against the one before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from detector.core.detector import Detector
from detector.core.model import Model
from detector.learn.flights import AFTER_S
from detector.learn.material import Material
from detector.learn.speech import RATE_HZ

EARLY_S = 0.5
"""Before the false detection another model may detect the same."""
BEFORE_S = 2.0
"""Of silence are detected in before a take or a false alarm, as far as a head looks back."""


class Counts(msgspec.Struct, frozen=True):
    """What a word's model detects in what is kept of it. It was fitted to that: no measure of how good it is."""

    n_takes: int
    n_detected: int
    """Takes in which it was."""
    n_false_alarms: int
    n_fired: int
    """False alarms in which it was detected still."""


def count(model: Model, material: Material) -> Counts:
    """Detect in every take and false alarm that is kept of a word."""
    detector = Detector(model)
    silence = np.zeros(round(BEFORE_S * RATE_HZ), dtype=np.int16)

    def find(samples: NDArray[np.int16]) -> list[float]:
        """Return where a word is detected, in seconds from the first sample."""
        detector.reset()
        return [found.time_s - BEFORE_S for found in detector.feed(np.concatenate((silence, samples)))]

    n_detected = sum(bool(find(take.samples) or detector.finish()) for take in material.takes)
    # What begins in the midst of speech may be taken for a word: where the false alarm was is what counts.
    n_fired = sum(
        any(time_s >= len(sound.samples) / RATE_HZ - AFTER_S - EARLY_S for time_s in find(sound.samples))
        for sound in material.false_alarms
    )
    return Counts(len(material.takes), n_detected, len(material.false_alarms), n_fired)


@dataclass(frozen=True)
class Figure:
    """A rate that a lesson expects, with its interval and what it rests on; None where nobody knows."""

    rate: float | None
    interval: tuple[float, float] | None
    basis: str


def read_figures(report: Mapping[str, Any]) -> tuple[Figure, Figure]:
    """Return the misses, and the false accepts an hour, that a report expects."""
    misses, accepts = (
        Figure(report.get(name), report.get(f"{name}_interval"), str(report.get(f"{name.split('_per')[0]}_basis", "")))
        for name in ("misses", "false_accepts_per_hour")
    )
    return misses, accepts


def read_veto(veto: Mapping[str, Any]) -> tuple[Figure, Figure]:
    """Return the share of one's own takes, and of synthetic voices', that a report expects to be refused."""
    own, others = (
        Figure(veto.get(name), veto.get(f"{name}_interval"), str(veto.get(f"{name}_basis", "")))
        for name in ("misses", "refused_synthetic")
    )
    return own, others


def find_worse(
    before: Counts, after: Counts, report_before: Mapping[str, Any], report_after: Mapping[str, Any]
) -> list[str]:
    """Return what a lesson made worse, a line each: a count at all, a figure by more than its interval.

    Both are counted on the same.
    """
    lines = []
    if after.n_detected < before.n_detected:
        lines.append(f"worse: detected in {after.n_detected} of {after.n_takes} takes, in {before.n_detected} before")
    if after.n_fired > before.n_fired:
        lines.append(
            f"worse: detected in {after.n_fired} of {after.n_false_alarms} false alarms, in {before.n_fired} before"
        )
    for name, unit, factor, old, new in zip(
        ("misses", "false accepts"),
        ("%", "an hour"),
        (100.0, 1.0),
        read_figures(report_before),
        read_figures(report_after),
        strict=True,
    ):
        if new.rate is not None and old.rate is not None and old.interval is not None and new.rate > old.interval[1]:
            lines.append(
                f"worse: {show(factor * new.rate)} {unit} {name} expected, {show(factor * old.rate)} "
                f"({show(factor * old.interval[0])}-{show(factor * old.interval[1])}) before"
            )
    return lines


def show(value: float) -> str:
    """Return a figure with two digits, or all before the point."""
    return f"{value:.0f}" if value >= 10.0 else f"{value:.2g}"
