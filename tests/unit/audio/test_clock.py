"""Arrivals of blocks are made up: 40 ms each, at 16 kHz, with what happens to real ones."""

import numpy as np
import pytest

from detector.audio.clock import SampleClock

BLOCK = 640
BLOCK_S = 0.04


def observe(arrivals):
    """Return what a clock says of blocks: (seconds, samples) each."""
    clock = SampleClock(16000)
    said = [(when, clock.observe(n, when)) for when, n in arrivals]
    return [(when, missing_s) for when, missing_s in said if missing_s is not None]


def regular(n, first=0.0, block_s=BLOCK_S):
    return [(first + k * block_s, BLOCK) for k in range(n)]


def test_even_and_uneven_delivery_is_in_order(rng):
    assert observe(regular(5000)) == []
    jittered = np.sort(np.arange(5000) * BLOCK_S + rng.uniform(0.0, 0.3, 5000))
    assert observe([(when, BLOCK) for when in jittered]) == []


@pytest.mark.parametrize("error", [-3e-4, 3e-4])
def test_a_crystal_that_is_a_little_off_is_no_discontinuity(error):
    hour = [(k * 0.1 * (1.0 + error), 1600) for k in range(36_000)]  # a second of drift
    assert observe(hour) == []


def test_a_device_far_off_its_rate_is_noticed_again_and_again():
    found = observe(regular(7500, block_s=BLOCK_S * 1.01))  # five minutes at 99 %: three seconds
    assert 6 <= len(found) <= 12
    assert sum(missing_s for _, missing_s in found) == pytest.approx(3.0, abs=0.6)


@pytest.mark.parametrize("lost_s", [0.4, 2.0])
def test_samples_that_never_come_are_missed_within_a_second(lost_s):
    arrivals = regular(250) + regular(250, first=250 * BLOCK_S + lost_s)
    ((when, missing_s),) = observe(arrivals)
    assert missing_s == pytest.approx(lost_s, abs=0.01)
    assert when <= 250 * BLOCK_S + lost_s + 1.1


def test_samples_that_come_late_all_at_once_are_not_missed():
    stall = 50  # two seconds
    late = [(300 * BLOCK_S, stall * BLOCK)]
    assert observe(regular(250) + late + regular(250, first=301 * BLOCK_S)) == []


def test_samples_that_come_late_little_by_little_are_not_missed():
    late = [(300 * BLOCK_S + k * 0.06, 4840) for k in range(8)]  # of 2.42 s, five times as fast
    assert observe(regular(250) + late + regular(250, first=late[-1][0] + BLOCK_S)) == []


def test_samples_that_are_repeated_are_too_many():
    arrivals = [*regular(250), (250 * BLOCK_S, 15 * BLOCK), *regular(250, first=251 * BLOCK_S)]
    ((_, missing_s),) = observe(arrivals)
    assert missing_s == pytest.approx(-14 * BLOCK_S, abs=0.01)


@pytest.mark.parametrize("lost_s", [0.7, 20.0])
def test_a_loss_that_the_device_announces_is_measured_at_once_and_not_noticed_again(lost_s):
    clock = SampleClock(16000)
    assert clock.observe(BLOCK, -1.0, has_loss=True) is None
    before, after = regular(250), regular(250, first=250 * BLOCK_S + lost_s)
    assert [clock.observe(n, when) for when, n in before] == [None] * 250
    assert clock.observe(BLOCK, after[0][0], has_loss=True) == pytest.approx(lost_s, abs=0.01)
    assert [clock.observe(n, when) for when, n in after[1:]] == [None] * 249
