"""The JSON Schema of a settings file, and of every event as JSON has it, among them the lines that `--json` prints."""

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


class OpenedLine(_OfEveryLine, kw_only=True, tag_field="event", tag="opened"):
    """A source is open, or another has taken its place, or settings have changed."""

    thresholds: Annotated[dict[str, Probability], describe("the words listened for, and from which score on")]
    runtime: Annotated[str, describe("what computes the scores")]
    sample_rate_hz: Annotated[Count, describe("samples in a second")]


class ScoredLine(_OfEveryLine, kw_only=True, tag_field="event", tag="scored"):
    """The network has scored a window."""

    time_s: Annotated[Seconds, describe("to the end of the window")]
    scores: Annotated[list[Probability], describe("in the order of the model's labels")]


class ProgressLine(_OfEveryLine, kw_only=True, tag_field="event", tag="progress"):
    """A turn of the listening loop is over."""

    captured_s: Annotated[NotNegative, describe("seconds of audio that the source has delivered")]
    waiting_s: Annotated[NotNegative, describe("those of them that waited to be scored")]
    skipped_s: Annotated[NotNegative, describe("those that a late detector has skipped so far")]


class AskedLine(_OfEveryLine, kw_only=True, tag_field="event", tag="asked"):
    """Somebody asks for what is around this moment to be kept."""

    reason: Annotated[str, describe("why")]


class ClosedLine(_OfEveryLine, kw_only=True, tag_field="event", tag="closed"):
    """Nothing more will happen in this stream."""

    time_s: Annotated[Seconds, describe("to its end")]


LINES = (DetectionLine, GapLine, StateLine, StatusLine)
"""What `--json` prints: a detection always, the others with `--events`."""
EVENTS = (*LINES, OpenedLine, ScoredLine, ProgressLine, AskedLine, ClosedLine)
VERSION = 1
"""Of the schema of events: keys may be added to it, as optional ones; whatever else changes is another version."""
DIALECT = "https://json-schema.org/draft/2020-12/schema"
REFERENCE = "#/$defs/{name}"


def make_schema() -> dict[str, Any]:
    """Return the JSON Schema of a settings file; in `$defs` also `Line`, any that `--json` prints, and `Event`."""
    (root, *events), parts = msgspec.json.schema_components([Settings, *EVENTS], ref_template=REFERENCE)
    return {
        "$schema": DIALECT,
        "title": f"Settings of keyword-detector {__version__}; in $defs the lines that it prints",
        **root,
        "$defs": {**parts, "Line": {"anyOf": events[: len(LINES)]}, "Event": {"anyOf": events}},
    }


def make_schema_of_events() -> dict[str, Any]:
    """Return the JSON Schema of every event, which has a version."""
    events, parts = msgspec.json.schema_components(EVENTS, ref_template=REFERENCE)
    return {
        "$schema": DIALECT,
        "$id": f"urn:keyword-detector:events:{VERSION}",
        "title": f"Events of keyword-detector as JSON, version {VERSION}",
        "anyOf": list(events),
        "$defs": parts,
    }


def json_of_events() -> str:
    """Return the schema of events as it is published, in docs/events.schema.json."""
    return msgspec.json.format(msgspec.json.encode(make_schema_of_events())).decode()
