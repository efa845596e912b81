"""Events of which several tests need one that is filled in."""

from __future__ import annotations

from detector.events import Condition, StatusReport

STATUS_REPORT = StatusReport(
    condition=Condition.LISTENING,
    uptime_s=60.04,
    processed_s=59.96,
    decisions_per_s=16.666,
    n_windows_dropped=3,
    n_widened=1,
    gaps={"skip": 2},
    lost_s=0.2504,
    n_lines_dropped=4,
    detections={"yes": 2},
    cpu_percent=1.519,
    memory_mb=73.04,
)
