"""All outputs say the same of when something happened."""

import gc
from datetime import UTC, datetime, timedelta

import pytest

from detector.events import Detection, Opened
from detector.outputs import stamps as module
from detector.outputs.stamps import Stamps

LIVE = Opened("USB", is_live=True, model="m", runtime="a", sample_rate_hz=16000, thresholds={})
RECORDED = Opened("a.wav", is_live=False, model="m", runtime="a", sample_rate_hz=16000, thresholds={})


@pytest.fixture
def stamps():
    """Stamps of a clock that goes on by a second each time that it is looked at."""
    seconds = iter(range(10**6))
    return Stamps(lambda: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=next(seconds)))


def test_an_event_has_one_time_and_an_equal_one_its_own(stamps):
    first, second = Detection("yes", 0.9, 1.0, 0.5), Detection("yes", 0.9, 1.0, 0.5)
    times = [stamps.of(event, LIVE).second for event in (first, first, second, first, second)]
    assert times == [0, 0, 2, 0, 2]


def test_the_time_of_a_recording_means_nothing(stamps):
    assert stamps.of(Detection("yes", 0.9, 1.0, 0.5), RECORDED) is None


def test_of_many_events_the_oldest_are_forgotten_and_none_gets_the_time_of_another(stamps, monkeypatch):
    monkeypatch.setattr(module, "MOST_KEPT", 10)
    times = []
    for k in range(100):
        times.append(stamps.of(Detection("yes", 0.9, float(k), 0.5), LIVE))  # which may stand where one stood before
        gc.collect(0)
    assert len(set(times)) == 100
    assert len(stamps._kept) == 10
