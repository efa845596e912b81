"""One recording in, events out."""

import numpy as np

from detector import batch
from detector.audio.sources import Block
from detector.events import Closed, Detection, Gap, GapCause, Loss, Opened, Scored


class Source:
    """Hands over prepared blocks."""

    name, is_live, can_wait, is_waiting = "prepared", False, True, False

    def __init__(self, *blocks):
        self.blocks = list(blocks)

    def read(self):
        return self.blocks.pop(0) if self.blocks else None


class Keeper:
    def __init__(self):
        self.heard = []

    def hear(self, event):
        self.heard.append(event)


def test_a_recording_is_opened_scored_and_closed_and_detections_counted(detector, demo_samples, demo_words):
    keeper = Keeper()
    n_detections = batch.detect(Source(Block(demo_samples[:50_000]), Block(demo_samples[50_000:])), detector, keeper)
    assert n_detections == len(demo_words)
    assert [event.keyword for event in keeper.heard if isinstance(event, Detection)] == demo_words
    assert isinstance(keeper.heard[0], Opened)
    assert keeper.heard[-1] == Closed(len(demo_samples) + 16000)
    assert sum(isinstance(event, Scored) for event in keeper.heard) == detector.n_windows
    assert not any(isinstance(event, Gap) for event in keeper.heard)


def test_no_window_spans_a_loss(detector, demo_samples):
    keeper = Keeper()
    cut = round(3.5 * 16000)  # in the middle of the first word
    source = Source(Block(demo_samples[:cut]), Block(demo_samples[cut:80_000], Loss(GapCause.OVERFLOW)))
    batch.detect(source, detector, keeper)
    assert [event.keyword for event in keeper.heard if isinstance(event, Detection)] == ["no"]


def test_no_samples_at_all_are_no_detections(detector):
    keeper = Keeper()
    assert batch.detect(Source(Block(np.empty(0, dtype=np.int16))), detector, keeper) == 0
    assert [type(event) for event in keeper.heard] == [Opened, Closed]
