"""The JSON Schema of a settings file, and of the lines that `--json` prints."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from detector import __version__
from detector.events import Condition, GapCause
from detector.settings import Settings
from detector.types import Count, NotNegative, Probability, describe

Seconds = Annotated[float, describe("seconds from the first sample of the source")]


class _OfEveryLine(msgspec.Struct, kw_only=True):
    at: Annotated[str | None, describe("wall clock of a live source, with its zone; null for recordings")]
    model: Annotated[str, describe("name of the model; of a detection the one that the word is from")]
    source: Annotated[str, describe("the file, the device or 'stdin'")]
    source_id: Annotated[str | UnsetType, describe("name of the detector, where it was given one")] = UNSET


class DetectionLine(_OfEveryLine, kw_only=True):
    """A keyword was detected."""

    keyword: Annotated[str, describe("the word")]
    score: Annotated[Probability, describe("average score of the windows that decided")]
    time_s: Annotated[Seconds, describe("to the end of the window in which the decision stood")]
    start_s: Annotated[Seconds, describe("to the estimated start of the word")]


class GapLine(_OfEveryLine, kw_only=True, tag_field="event", tag="gap"):
    """Audio is missing."""

    cause: Annotated[GapCause, describe("why")]
    time_s: Annotated[Seconds, describe("to the first sample after it")]
    at_sample: Annotated[Count, describe("the same in samples")]
    lost_s: Annotated[float | None, describe("how much, null where nobody knows; below 0: more came than should have")]


class StateLine(_OfEveryLine, kw_only=True, tag_field="event", tag="state"):
    """How the microphone is heard has changed, or how often windows are scored."""

    state: Annotated[Condition, describe("from now on")]
    before: Annotated[Condition | None, describe("until now; null where only the stride has changed")]
    stride_factor: Annotated[Count, describe("windows are this many of the model's strides apart")]
    detail: Annotated[str | UnsetType, describe("what a person may want to know of it")] = UNSET


class StatusLine(_OfEveryLine, kw_only=True, tag_field="event", tag="status"):
    """What was done since the start, once a minute."""

    state: Annotated[Condition, describe("at this moment")]
    uptime_s: Annotated[NotNegative, describe("since the start")]
    processed_s: Annotated[NotNegative, describe("of audio")]
    decisions_per_s: Annotated[NotNegative, describe("since the status before")]
    windows_dropped: Annotated[Count, describe("windows' worth of audio that a late detector has skipped")]
    windows_widened: Annotated[Count, describe("how often a slow machine scored fewer windows for a while")]
    gaps: Annotated[dict[str, int], describe("how many of each cause")]
    lost_s: Annotated[NotNegative, describe("seconds that are known to be lost")]
    lines_dropped: Annotated[Count, describe("lines of output that nobody took")]
    detections: Annotated[dict[str, int], describe("how many of each word")]
    cpu_percent: Annotated[NotNegative, describe("of one core, since the status before")]
    memory_mb: Annotated[NotNegative, describe("resident, in 10^6 bytes")]
    outputs: Annotated[
        dict[str, dict[str, int]] | UnsetType,
        describe("what each output beside standard output has done, failed at and dropped, by its name"),
    ] = UNSET


LINES = (DetectionLine, GapLine, StateLine, StatusLine)


def make_schema() -> dict[str, Any]:
    """Return the JSON Schema of a settings file; in `$defs` also `Line`, any of the lines that `--json` prints."""
    (root, *lines), parts = msgspec.json.schema_components([Settings, *LINES], ref_template="#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Settings of keyword-detector {__version__}; in $defs the lines that it prints",
        **root,
        "$defs": {**parts, "Line": {"anyOf": lines}},
    }
