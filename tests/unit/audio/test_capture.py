"""The thread that captures: what it hands over, what it reports, and that it ends."""

import threading

import numpy as np
import pytest
from commands import WITHIN_S

from detector.audio import capture as capture_module
from detector.audio.capture import Capture
from detector.audio.gaps import Loss
from detector.audio.ring import RingBuffer
from detector.audio.sources import Block, Silence
from detector.errors import CaptureError, CaptureFailure, ThreadStuckError
from detector.events import GapCause

OVERFLOW = Loss(GapCause.OVERFLOW, 0.5)


@pytest.fixture(autouse=True)
def _polls_are_short(monkeypatch):
    monkeypatch.setattr(capture_module, "POLL_S", 0.001)


class Broken(Silence):
    """Delivers one block, then fails."""

    def __init__(self):
        super().__init__(1600, sample_rate_hz=16000)

    def read(self):
        block = super().read()
        if block is None:
            raise CaptureError(CaptureFailure.LOST, "unplugged")
        return block


def test_a_failure_in_the_thread_is_raised_where_the_ring_is_read():
    ring = RingBuffer(16000)
    with Capture(Broken(), ring) as capture:
        while not ring.take(16000, 5).is_end:
            pass
        with pytest.raises(CaptureError, match="unplugged") as caught:
            capture.raise_failure()
    assert caught.value.reason is CaptureFailure.LOST


def test_a_gap_waits_for_the_samples_after_it():
    class Resampled(Silence):
        """Loses samples in a block that the resampler gives nothing for."""

        n_read = 0

        def read(self):
            self.n_read += 1
            if self.n_read == 1:
                return Block(np.ones(4, dtype=np.int16))
            return Block(np.empty(0, dtype=np.int16), loss=OVERFLOW) if self.n_read == 2 else super().read()

    ring = RingBuffer(1000)
    with Capture(Resampled(10, sample_rate_hz=16000), ring):
        before, after = ring.take(100, 5), ring.take(100, 5)
    assert (len(before.samples), before.gaps) == (4, ())
    assert len(after.samples) == 10
    assert [(gap.at_sample, gap.cause, gap.lost_s) for gap in after.gaps] == [(4, GapCause.OVERFLOW, 0.5)]


def test_a_source_that_cannot_be_opened_is_told_where_the_ring_is_read():
    class Missing(Silence):
        def __enter__(self):
            raise CaptureError(CaptureFailure.NOT_FOUND, "no microphone")

    ring = RingBuffer(1000)
    with Capture(Missing(1, sample_rate_hz=16000), ring) as capture:
        assert ring.take(1, 5).is_end
        assert not capture.is_open
        with pytest.raises(CaptureError, match="no microphone"):
            capture.raise_failure()


def test_a_thread_that_does_not_stop_is_an_error(monkeypatch):
    release = threading.Event()

    class Stuck(Silence):
        def read(self):
            release.wait(WITHIN_S)

    monkeypatch.setattr(capture_module, "STOP_WITHIN_S", 0.05)
    with (
        pytest.raises(ThreadStuckError, match="found it stuck"),
        Capture(Stuck(1, sample_rate_hz=16000), RingBuffer(1)),
    ):
        pass
    release.set()


def test_a_live_source_overwrites_a_late_reader_and_gaps_reach_the_ring():
    has_ended = threading.Event()

    class Live(Silence):
        can_wait = False
        n_read = 0

        def read(self):
            self.n_read += 1
            if self.n_read > 5:
                has_ended.set()
                return None
            return Block(np.full(100, self.n_read, dtype=np.int16), loss=OVERFLOW if self.n_read == 4 else None)

    ring = RingBuffer(250)
    with Capture(Live(1, sample_rate_hz=16000), ring):
        assert has_ended.wait(WITHIN_S)
        first = ring.take(1000, 1)
        second = ring.take(1000, 1)
    assert first.n_skipped == 250
    assert np.unique(first.samples).tolist() == [3]
    assert [gap.at_sample for gap in second.gaps] == [300]
    assert np.unique(second.samples).tolist() == [4, 5]


def test_two_losses_before_one_block_are_both_entered():
    class TwiceLost(Silence):
        n_read = 0

        def read(self):
            self.n_read += 1
            if self.n_read <= 2:
                cause = (GapCause.RECONNECT, GapCause.OVERFLOW)[self.n_read - 1]
                return Block(np.empty(0, dtype=np.int16), loss=Loss(cause, 1.0))
            return super().read()

    ring = RingBuffer(1000)
    with Capture(TwiceLost(10, sample_rate_hz=16000), ring):
        taken = ring.take(100, 5)
    assert [gap.cause for gap in taken.gaps] == [GapCause.RECONNECT, GapCause.OVERFLOW]


def test_a_thread_that_never_comes_back_from_the_sound_system_is_an_error(monkeypatch):
    monkeypatch.setattr(capture_module, "STOP_WITHIN_S", 0.05)
    released = threading.Event()

    class Hung(Silence):
        is_live, can_wait = True, False

        def read(self):
            released.wait(WITHIN_S)

    def listen():
        with Capture(Hung(10, sample_rate_hz=16000), RingBuffer(1000)) as capture:
            now_s = 1000.0
            for _ in range(5):
                now_s += 100.0  # a process that stands still does not see its thread turn: not its fault
                capture.check(now_s)
            for _ in range(200):
                now_s += 0.2
                capture.check(now_s)

    with pytest.raises(ThreadStuckError, match="capture thread stuck"):
        listen()
    released.set()


def test_a_thread_that_waits_for_a_late_reader_is_not_stuck():
    class Endless(Silence):
        def read(self):
            return Block(np.zeros(60, dtype=np.int16))

    has_turned = threading.Event()

    class Watched(RingBuffer):
        def wait_for_room(self, n_samples, timeout_s):
            has_turned.set()
            return super().wait_for_room(n_samples, timeout_s)

    with Capture(Endless(1, sample_rate_hz=16000), Watched(100)) as capture:
        now_s = 0.0
        for _ in range(5):
            has_turned.clear()
            assert has_turned.wait(WITHIN_S)
            for _ in range(15):
                now_s += 1.0
                capture.check(now_s)


@pytest.mark.parametrize(("can_wait", "expected"), [(False, [200, 200, 200, 50]), (True, [650])])
def test_a_long_block_of_a_live_source_is_written_in_pieces_that_the_detector_takes_in_between(can_wait, expected):
    class Burst(Silence):
        def __enter__(self):
            self.can_wait = can_wait
            return self

        def read(self):
            block = super().read()
            return None if block is None else Block(np.arange(650, dtype=np.int16), OVERFLOW)

    class Noted(RingBuffer):
        def write(self, samples, *, losses=()):
            written.append((len(samples), tuple(losses)))
            super().write(samples, losses=losses)

    written = []
    ring = Noted(1000)
    with Capture(Burst(1, sample_rate_hz=16000), ring):
        parts = [ring.take(1000, WITHIN_S)]
        while not parts[-1].is_end:
            parts.append(ring.take(1000, WITHIN_S))
    np.testing.assert_array_equal(np.concatenate([part.samples for part in parts]), np.arange(650))
    assert [n_samples for n_samples, _ in written] == expected
    assert [losses for _, losses in written] == [(OVERFLOW,), *[()] * (len(expected) - 1)]
