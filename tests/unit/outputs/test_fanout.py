"""Events reach all listeners, whatever one of them does."""

import logging
import threading

import numpy as np
import pytest
from commands import WITHIN_S

from detector.core.detector import Detector
from detector.errors import DetectorError, OutputClosed
from detector.events import Detection, Progress, Scored
from detector.flight.recorder import FlightRecorder
from detector.flight.replay import replay
from detector.outputs import fanout
from detector.outputs.fanout import Fanout
from detector.settings import RecordSettings


class Keeper:
    """Keeps what it hears."""

    def __init__(self):
        self.heard = []

    def hear(self, event):
        self.heard.append(event)


class Failing(Keeper):
    def hear(self, event):
        super().hear(event)
        raise ValueError("a fault of its own")


class Stuck(Keeper):
    """Waits at its first event until it is let go."""

    def __init__(self):
        super().__init__()
        self.has_begun, self.may_go_on = threading.Event(), threading.Event()

    def hear(self, event):
        self.has_begun.set()
        self.may_go_on.wait(WITHIN_S)
        super().hear(event)


def scored(k):
    return Scored(k, [0.0])


def test_of_ten_listeners_one_fails_and_one_is_slow_and_a_recording_replays_to_the_bit(
    model, demo_samples, tmp_path, caplog
):
    detector, stuck, failing, keepers = Detector(model), Stuck(), Failing(), [Keeper() for _ in range(6)]
    settings = RecordSettings(folder=str(tmp_path), before_s=2.0, after_s=1.0)
    with FlightRecorder(detector, settings) as recorder:
        aside = Keeper()
        listeners = [failing, *keepers, recorder]
        with Fanout(listeners, aside=[stuck, aside]) as events:
            for first in range(0, len(demo_samples), 960):
                part = demo_samples[first : first + 960]
                for event in (*detector.events(part), Progress(part, detector.n_samples, 0, 0)):
                    events.hear(event)
            assert stuck.heard == []
            stuck.may_go_on.set()
    detections = [event for event in keepers[0].heard if isinstance(event, Detection)]
    assert len(detections) == 8
    assert all(keeper.heard == keepers[0].heard for keeper in (*keepers, failing, aside, stuck))
    files = sorted(tmp_path.glob("*-*.flac"))
    assert {d for file in files for d in replay(file, None)[1]} == set(detections)
    failures = [record for record in caplog.records if "failed" in record.message]
    assert [record.levelno for record in failures] == [logging.ERROR, logging.WARNING]
    assert failures[0].message == "Failing failed at a Progress; it goes on being called"
    assert failures[1].message == f"Failing failed {len(failing.heard)} times"


def test_what_a_listener_aside_is_too_slow_for_is_dropped_from_the_oldest_on_and_counted(monkeypatch, caplog):
    monkeypatch.setattr(fanout, "MOST_EVENTS", 5)
    stuck = Stuck()
    with Fanout([], aside=[stuck]) as events:
        events.hear(scored(0))
        stuck.has_begun.wait(WITHIN_S)
        for k in range(1, 9):
            events.hear(scored(k))
        stuck.may_go_on.set()
    assert [event.end_sample for event in stuck.heard] == [0, 4, 5, 6, 7, 8]
    assert [record.message for record in caplog.records] == [
        "Stuck is too slow: the oldest of 5 events are dropped",
        "Stuck was too slow for 3 events",
    ]


def test_windows_and_turns_of_the_loop_are_dropped_before_detections(monkeypatch):
    monkeypatch.setattr(fanout, "MOST_EVENTS", 3)
    turn = Progress(np.zeros(1, dtype=np.int16), 1, 0, 0)
    detections = [Detection("yes", 0.9, float(k), 0.0) for k in range(4)]
    stuck = Stuck()
    with Fanout([], aside=[stuck]) as events:
        events.hear(scored(0))
        stuck.has_begun.wait(WITHIN_S)
        for event in (detections[0], turn, detections[1], scored(1), detections[2], turn):
            events.hear(event)
        assert stuck.heard == []
        events.hear(detections[3])
        stuck.may_go_on.set()
    assert stuck.heard == [scored(0), *detections[1:]]


def test_a_listener_aside_that_never_ends_is_left_behind(monkeypatch, caplog):
    monkeypatch.setattr(fanout, "FINISH_S", 0.01)
    stuck = Stuck()
    with Fanout([], aside=[stuck]) as events:
        events.hear(scored(0))
        stuck.has_begun.wait(WITHIN_S)
        events.hear(scored(1))
    stuck.may_go_on.set()
    assert [record.message for record in caplog.records] == ["Stuck was too slow for 1 events"]


@pytest.mark.parametrize("error", [OutputClosed(), DetectorError("expected to write, found a full disk")])
def test_what_a_listener_raises_on_purpose_ends_the_command(error):
    class Closed(Keeper):
        def hear(self, event):
            raise error

    with pytest.raises(type(error)), Fanout([Closed()]) as events:
        events.hear(scored(0))


def test_a_listener_aside_that_fails_goes_on_being_called(caplog):
    failing = Failing()
    with Fanout([], aside=[failing]) as events:
        events.hear(scored(0))
        events.hear(Progress(np.zeros(1, dtype=np.int16), 1, 0, 0))
    assert len(failing.heard) == 2
    assert "goes on being called" in caplog.records[0].message
