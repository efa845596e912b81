import threading

import numpy as np
import pytest
from commands import WITHIN_S
from hypothesis import given
from hypothesis import strategies as st

from detector.audio.gaps import Loss
from detector.audio.ring import RingBuffer
from detector.events import Gap, GapCause

OVERFLOW = Loss(GapCause.OVERFLOW)


def counting(first, n):
    return np.arange(first, first + n).astype(np.int16)


def test_ring_gives_nothing_when_nothing_was_written():
    taken = RingBuffer(8).take(4, timeout_s=0)
    assert len(taken.samples) == 0
    assert not taken.is_end


def test_ring_gives_what_was_written_in_order_across_the_wrap():
    ring = RingBuffer(8)
    ring.write(counting(0, 6))
    assert ring.take(4, 0).samples.tolist() == [0, 1, 2, 3]
    ring.write(counting(6, 5))
    assert ring.take(100, 0).samples.tolist() == [4, 5, 6, 7, 8, 9, 10]
    assert ring.end == 11


def test_ring_skips_forward_when_reader_is_late_and_says_by_how_much():
    ring = RingBuffer(8)
    ring.write(counting(0, 5))
    ring.write(counting(5, 8))
    taken = ring.take(100, 0)
    assert taken.samples.tolist() == [5, 6, 7, 8, 9, 10, 11, 12]
    assert taken.n_skipped == 5
    assert taken.gaps == ()


def test_ring_keeps_the_last_samples_of_a_block_larger_than_itself():
    ring = RingBuffer(4)
    ring.write(counting(0, 11))
    taken = ring.take(100, 0)
    assert taken.samples.tolist() == [7, 8, 9, 10]
    assert taken.n_skipped == 7


def test_ring_stops_before_a_gap_and_reports_it_once():
    ring = RingBuffer(16)
    ring.write(counting(0, 3))
    ring.write(counting(3, 3), losses=[OVERFLOW])
    before, after, later = ring.take(100, 0), ring.take(2, 0), ring.take(100, 0)
    assert (before.samples.tolist(), before.gaps) == ([0, 1, 2], ())
    assert (after.samples.tolist(), after.gaps, after.n_skipped) == ([3, 4], (Gap(3, GapCause.OVERFLOW),), 0)
    assert (later.samples.tolist(), later.gaps) == ([5], ())


def test_ring_reports_a_gap_that_was_skipped_over():
    ring = RingBuffer(4)
    ring.write(counting(0, 2), losses=[OVERFLOW])
    ring.write(counting(2, 6))
    taken = ring.take(100, 0)
    assert (taken.samples.tolist(), taken.n_skipped) == ([4, 5, 6, 7], 4)
    assert taken.gaps == (Gap(0, GapCause.OVERFLOW),)
    ring.write(counting(8, 1))
    assert ring.take(100, 0).gaps == ()


def test_ring_ends_after_its_last_sample_was_taken():
    ring = RingBuffer(8)
    ring.write(counting(0, 3))
    ring.close()
    ring.close()
    assert not ring.take(2, 0).is_end
    assert ring.take(2, 0).is_end
    assert ring.take(2, 5).is_end


def test_ring_has_room_when_the_reader_has_taken_enough():
    ring = RingBuffer(4)
    ring.write(counting(0, 3))
    assert ring.wait_for_room(1, 0)
    assert not ring.wait_for_room(2, 0)
    ring.take(1, 0)
    assert ring.wait_for_room(2, 0)


def test_ring_waits_for_as_many_samples_as_are_wanted_but_not_across_a_gap():
    ring = RingBuffer(100)
    ring.write(counting(0, 3))
    assert len(ring.take(10, 0, min_samples=5).samples) == 3  # what there is when the time is over
    ring.write(counting(3, 2))
    ring.write(counting(5, 2), losses=[OVERFLOW])
    assert ring.take(10, 60, min_samples=50).samples.tolist() == [3, 4]
    assert ring.take(10, 60, min_samples=50).samples.tolist() == [5, 6]


def test_ring_refuses_a_capacity_below_one():
    with pytest.raises(ValueError, match="at least 1, found 0"):
        RingBuffer(0)


@given(
    st.lists(st.one_of(st.integers(0, 30).map(lambda n: ("write", n)), st.integers(1, 30).map(lambda n: ("take", n))))
)
def test_ring_loses_only_what_it_counts(operations):
    ring, written, position = RingBuffer(13), 0, 0
    for verb, n in operations:
        if verb == "write":
            ring.write(counting(written, n))
            written += n
        else:
            taken = ring.take(n, 0)
            position += taken.n_skipped
            assert taken.samples.tolist() == counting(position, len(taken.samples)).tolist()
            assert taken.n_skipped == 0 or position == written - 13
            position += len(taken.samples)
            assert len(taken.samples) == min(n, written - position + len(taken.samples))


def test_ring_hands_everything_from_one_thread_to_another():
    ring, n_total, n_taken, total = RingBuffer(1000), 50_000, 0, 0

    def write_all():
        for first in range(0, n_total, 100):
            while not ring.wait_for_room(100, 1):
                pass
            ring.write(np.full(100, first // 100 % 7, dtype=np.int16))
        ring.close()

    writer = threading.Thread(target=write_all)
    writer.start()
    while True:
        taken = ring.take(333, timeout_s=5)
        assert taken.n_skipped == 0
        n_taken += len(taken.samples)
        total += int(taken.samples.sum())
        if taken.is_end:
            break
    writer.join(WITHIN_S)
    assert n_taken == n_total
    assert total == sum(100 * (k % 7) for k in range(n_total // 100))
