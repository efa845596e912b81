"""What is reported of a running daemon."""

import logging
import re

import msgspec
import numpy as np
import pytest
from clocks import Clock

from detector.daemon.status import STATUS_EVERY_S, WARN_EVERY_S, Status
from detector.events import Closed, Condition, Detection, Gap, GapCause, Opened, Progress, State, StatusReport

OPENED = Opened(
    source="USB", is_live=True, model="yes-no", runtime="a runtime", sample_rate_hz=16000, thresholds={"yes": 0.8}
)
NOTHING = np.empty(0, dtype=np.int16)


class Notifier:
    """Keeps what a supervisor would be sent."""

    def __init__(self):
        self.texts = []

    def status(self, text):
        self.texts.append(text)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def notifier():
    return Notifier()


class Source:
    name = "USB"


@pytest.fixture
def published():
    """The reports of the minutes."""
    return []


@pytest.fixture
def status(detector, notifier, published, clock, caplog):
    caplog.set_level(logging.INFO)
    return Status(detector, Source(), notifier, clock=clock, count_dropped=lambda: 3, publish=published.append)


def messages(caplog, level=logging.INFO):
    return [record.message for record in caplog.records if record.levelno >= level]


def test_a_start_is_reported_once_though_the_source_changes(status, caplog):
    status.hear(OPENED)
    status.hear(OPENED)
    assert messages(caplog) == ["listening to USB for yes with yes-no on a runtime"]


def test_a_minute_is_summed_up_to_the_log_and_the_supervisor_and_in_numbers(
    status, detector, notifier, published, clock, caplog
):
    status.hear(OPENED)
    status.hear(State(Condition.LISTENING, 1, Condition.STARTING))
    status.hear(Detection("yes", 0.9, 1.0, 0.5))
    status.hear(Gap(100, GapCause.OVERFLOW, 0.25))
    status.hear(State(Condition.LISTENING, 2))
    detector.feed(np.zeros(16000 * 3, dtype=np.int16))
    clock.advance(STATUS_EVERY_S - 0.1)
    status.hear(Progress(NOTHING, 0, 0, 16000))
    assert not any("status:" in message for message in messages(caplog))
    clock.advance(0.1)
    status.hear(Progress(NOTHING, 0, 0, 16000))
    status.hear(Progress(NOTHING, 0, 0, 16000))
    (line,) = [message for message in messages(caplog) if message.startswith("status:")]
    expected = (
        r"status: listening; up 60 s, processed 2 s, 0\.6 decisions a second, 16 windows dropped, "
        r"windows widened 1 times, 1 gap \(1 overflow\), 0\.25 s lost, "
        r"3 lines of output dropped, detections: yes 1, no 0, \d+\.\d % CPU, \d+ MB"
    )
    assert re.fullmatch(expected, line), line
    assert notifier.texts == ["listening: USB", line.removeprefix("status: ")]
    (report,) = published
    assert report.decisions_per_s == pytest.approx(detector.n_windows / 60)
    assert report.cpu_percent >= 0
    assert report.memory_mb > 10
    assert msgspec.structs.replace(report, decisions_per_s=0, cpu_percent=0, memory_mb=0) == StatusReport(
        condition=Condition.LISTENING,
        uptime_s=pytest.approx(60),
        processed_s=2,
        decisions_per_s=0,
        n_windows_dropped=16,
        n_widened=1,
        gaps={"overflow": 1},
        lost_s=0.25,
        n_lines_dropped=3,
        detections={"yes": 1, "no": 0},
        cpu_percent=0,
        memory_mb=0,
    )


def test_the_counts_of_outputs_are_in_the_status_of_a_minute(detector, notifier, published, clock, caplog):
    caplog.set_level(logging.INFO)
    counts = {"command": {"run": 3, "dropped": 1}, "output": {"lines": 5}}
    status = Status(detector, Source(), notifier, clock=clock, count_outputs=lambda: counts, publish=published.append)
    clock.advance(STATUS_EVERY_S)
    status.hear(Progress(NOTHING, 0, 0, 0))
    assert ", 0 gaps, 0.00 s lost, command: 3 run, 1 dropped, output: 5 lines, detections:" in messages(caplog)[-1]
    assert published[0].outputs == counts


def test_losses_are_warned_of_once_a_minute_of_audio_but_for_a_source_that_reports_itself(status, detector, caplog):
    status.hear(Gap(0, GapCause.RECONNECT, 3.0))
    assert messages(caplog, logging.WARNING) == []
    for _ in range(3):
        status.hear(Gap(0, GapCause.SKIP, 1.0))
    detector.skip(round(WARN_EVERY_S) * 16000)
    status.hear(Gap(0, GapCause.SKIP, 1.0))
    assert messages(caplog, logging.WARNING) == [
        "audio was lost, this machine may be too busy: 2 gaps (1 skip, 1 reconnect), 4.00 s lost so far",
        "audio was lost, this machine may be too busy: 5 gaps (4 skip, 1 reconnect), 7.00 s lost so far",
    ]


@pytest.mark.parametrize(
    ("condition", "text"),
    [(Condition.SILENT, "muted"), (Condition.CLIPPING, "too high"), (Condition.DEAF, "no samples arrive")],
)
def test_trouble_and_its_end_are_warned_of(status, notifier, caplog, condition, text):
    status.hear(OPENED)
    status.hear(State(condition, 1, Condition.LISTENING))
    status.hear(State(Condition.LISTENING, 1, condition))
    first, second = messages(caplog, logging.WARNING)
    assert text in first
    assert second == f"no longer {condition.value}: listening"
    assert notifier.texts == [f"{condition.value}: USB", "listening: USB"]


def test_a_stride_that_widens_and_narrows_is_warned_of(status, caplog):
    status.hear(State(Condition.LISTENING, 2))
    status.hear(State(Condition.LISTENING, 1))
    assert messages(caplog) == [
        "too slow for the moment: windows are now 120 ms apart",
        "no longer late: windows are now 60 ms apart",
    ]


def test_the_end_says_how_much_audio_there_was_unless_there_never_was_any(status, detector, caplog):
    status.hear(Closed(0))
    assert messages(caplog) == []
    status.hear(Closed(0, was_stopped=True))
    assert messages(caplog) == ["stopped after 0.0 s of audio; 0 gaps, 0.00 s lost, 3 lines of output dropped"]
    status.hear(OPENED)
    detector.feed(np.zeros(24000, dtype=np.int16))
    status.hear(Progress(NOTHING, 24000, 0, 0))
    status.hear(Closed(24000))
    assert messages(caplog)[-1] == "stopped after 1.5 s of audio; 0 gaps, 0.00 s lost, 3 lines of output dropped"


def test_a_source_that_is_waited_for_from_the_start_is_named_to_the_supervisor(status, notifier):
    status.hear(State(Condition.RECOVERING, 1, Condition.STARTING))
    assert notifier.texts == ["recovering: USB"]


def test_numbers_of_a_trouble_are_logged_in_the_place_of_its_description(status, caplog):
    detail = "47 % of the samples arrive, none of 10 s could be scored"
    status.hear(State(Condition.DEAF, 1, Condition.STARTING, detail))
    assert messages(caplog, logging.WARNING) == [detail]
