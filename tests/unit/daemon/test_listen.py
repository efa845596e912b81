"""What a detector hears of a source that does not wait for it."""

import threading

import numpy as np

from detector.audio import capture
from detector.audio.sources import NOTHING, Block
from detector.daemon import listen as pipeline
from detector.events import Detection, Gap, GapCause, Progress
from detector.process.signals import StopFlag

RATE_HZ = 16000
N_SAMPLES = 20 * RATE_HZ
BLOCK = 640


class Source:
    """Counts, as fast as the listener hears; while that stands still, as fast as it can, up to some sample."""

    name = "counter"
    is_live, can_wait, is_waiting = True, False, False

    def __init__(self):
        self.n_delivered = self.n_heard = self.may_reach = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def read(self):
        first = self.n_delivered
        if first >= N_SAMPLES:
            return None
        if first >= max(self.n_heard + RATE_HZ // 2, self.may_reach):
            return Block(NOTHING)
        self.n_delivered += BLOCK
        return Block(np.arange(first, first + BLOCK).astype(np.int16))


class Listener:
    """Stands still at some samples while so many more come, and keeps what it is told."""

    def __init__(self, source, stalls):
        self.source, self.stalls = source, dict(stalls)
        self.parts, self.gaps = [], []
        self._wait = threading.Event()

    def hear(self, event):
        assert not isinstance(event, Detection), event
        if isinstance(event, Gap):
            self.gaps.append(event)
            self.source.n_heard = event.at_sample
        elif isinstance(event, Progress):
            self.n_skipped = event.n_skipped
            self._take(event.samples)

    def _take(self, samples):
        self.parts.append((self.source.n_heard, samples))
        self.source.n_heard += len(samples)
        begun = [at for at in self.stalls if at <= self.source.n_heard]
        for at in begun:
            self.source.may_reach = self.source.n_heard + self.stalls.pop(at)
            while self.source.n_delivered < min(self.source.may_reach, N_SAMPLES):
                self._wait.wait(0.001)


def test_what_a_late_detector_passes_over_is_in_the_ledger_to_the_sample(detector, monkeypatch):
    monkeypatch.setattr(capture, "POLL_S", 0.0005)
    source = Source()
    listener = Listener(source, {5 * RATE_HZ: 3 * RATE_HZ, 12 * RATE_HZ: RATE_HZ // 4, 14 * RATE_HZ: 2 * RATE_HZ})
    pipeline.listen(source, detector, listener, stop=StopFlag())
    assert [gap.cause for gap in listener.gaps] == [GapCause.SKIP] * 2, "a quarter of a second late is not too late"
    expected = 0
    for first, samples in listener.parts[:-1]:  # the last is the silence after the end
        for gap in [gap for gap in listener.gaps if gap.at_sample == first]:
            assert round(gap.lost_s * RATE_HZ) == first - expected > 0
            expected = first
        assert first == expected
        np.testing.assert_array_equal(samples, np.arange(first, first + len(samples)).astype(np.int16))
        expected += len(samples)
    assert expected == N_SAMPLES
    assert listener.n_skipped == sum(round(gap.lost_s * RATE_HZ) for gap in listener.gaps)
