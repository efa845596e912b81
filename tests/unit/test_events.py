"""Events as lines of JSON."""

import json
from datetime import UTC, datetime

import msgspec
import numpy as np
import pytest
from examples import STATUS_REPORT

from detector.events import (
    Asked,
    Closed,
    Condition,
    Detection,
    Gap,
    GapCause,
    Opened,
    Progress,
    Scored,
    State,
)

STREAM = Opened(
    source="USB", is_live=True, model="yes-no", runtime="ai_edge_litert", sample_rate_hz=16000, thresholds={"yes": 0.8}
)
AT = datetime(2026, 11, 28, 12, 0, 3, 120_000, tzinfo=UTC)
OF_ALL = {"at": "2026-11-28T12:00:03.120+00:00", "model": "yes-no", "source": "USB"}


@pytest.mark.parametrize(
    ("event", "fields"),
    [
        (
            STREAM,
            {"event": "opened", "thresholds": {"yes": 0.8}, "runtime": "ai_edge_litert", "sample_rate_hz": 16000},
        ),
        (Scored(24000, [0.12345, 1.0]), {"event": "scored", "time_s": 1.5, "scores": [0.1235, 1.0]}),
        (
            Detection("yes", 0.96875, 1.5, 0.75),
            {"keyword": "yes", "score": 0.9688, "time_s": 1.5, "start_s": 0.75},
        ),
        (
            Gap(8000, GapCause.OVERFLOW),
            {"event": "gap", "cause": "overflow", "time_s": 0.5, "at_sample": 8000, "lost_s": None},
        ),
        (State(Condition.DEAF, 2), {"event": "state", "state": "deaf", "before": None, "stride_factor": 2}),
        (
            STATUS_REPORT,
            {
                "event": "status",
                "state": "listening",
                "uptime_s": 60.0,
                "processed_s": 60.0,
                "decisions_per_s": 16.67,
                "windows_dropped": 3,
                "windows_widened": 1,
                "gaps": {"skip": 2},
                "lost_s": 0.25,
                "lines_dropped": 4,
                "detections": {"yes": 2},
                "cpu_percent": 1.52,
                "memory_mb": 73.0,
            },
        ),
        (
            Progress(np.zeros(3, dtype=np.int16), 16000, 800, 160),
            {"event": "progress", "captured_s": 1.0, "waiting_s": 0.05, "skipped_s": 0.01},
        ),
        (Asked("asked"), {"event": "asked", "reason": "asked"}),
        (Closed(32000), {"event": "closed", "time_s": 2.0}),
    ],
)
def test_every_event_says_what_it_is_when_and_of_what(event, fields):
    line = event.encode(STREAM, AT)
    assert "\n" not in line
    assert json.loads(line) == fields | OF_ALL
    assert json.loads(event.encode(STREAM))["at"] is None


def test_events_are_values():
    gap = Gap(1, GapCause.SKIP, 0.5)
    with pytest.raises(AttributeError):
        gap.at_sample = 2
    assert msgspec.json.decode(msgspec.json.encode(gap), type=Gap) == gap


def test_where_several_detectors_run_every_event_names_its_own():
    line = Closed(16000).encode(msgspec.structs.replace(STREAM, source_id="kitchen"), AT)
    assert json.loads(line)["source_id"] == "kitchen"
