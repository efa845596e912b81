"""What is expected of a learnt word, as its lesson reported it and its manifest keeps it."""

from __future__ import annotations

from typing import Any

import msgspec

KEY = "learnt"
"""Of a manifest's `training`."""


class Veto(msgspec.Struct, frozen=True, kw_only=True):
    """What it costs to refuse other voices, and what it refuses."""

    misses: float
    """Share of one's own takes that are refused, beside those that are missed."""
    misses_interval: tuple[float, float]
    misses_basis: str
    refused_synthetic: float | None
    """Share of synthetic voices' takes; None where it is not known. Of people fewer are."""
    refused_synthetic_interval: tuple[float, float] | None
    refused_synthetic_basis: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What is expected of a learnt word. Rates are None where they are not known."""

    word: str
    n_takes: int
    n_speakers: int
    threshold: float
    misses: float | None
    misses_interval: tuple[float, float] | None
    misses_basis: str
    false_accepts_per_hour: float
    false_accepts_per_hour_interval: tuple[float, float]
    false_accepts_basis: str
    veto: Veto | None = None
    """Of a word for some voices only."""


def read_report(training: dict[str, Any]) -> Report | None:
    """Return the report in a manifest's `training`; None where there is none, or no valid one."""
    try:
        return msgspec.convert(training.get(KEY), Report)
    except msgspec.ValidationError:
        return None
