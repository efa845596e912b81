"""Simulated rooms begin with the direct sound, keep the level, and ring as long as they should."""

import sys

import numpy as np
import pytest

from detector.errors import SettingsError
from training.evaluate.conditions import ROOMS
from training.windows.rooms import reverberate, simulate_room, simulate_rooms


def test_responses_begin_with_the_direct_sound_and_keep_the_energy(rng):
    rooms = simulate_rooms(8, (0.15, 0.6), 16000, rng)
    assert len(rooms) == 8
    for response in rooms:
        assert response.dtype == np.float32
        assert np.sum(response**2) == pytest.approx(1.0, rel=1e-4)
        assert np.abs(response[:40]).max() > 0.1
    click = np.zeros(8000, dtype=np.float32)
    click[1000] = 1.0
    heard = reverberate(click, rooms[0])
    assert heard.shape == click.shape
    assert np.abs(heard[:1000]).max() < 1e-5
    assert abs(heard[1000:1040]).max() > 0.1


def test_equal_seeds_give_equal_rooms():
    first, again = (simulate_rooms(2, (0.2, 0.5), 16000, np.random.default_rng(3)) for _ in range(2))
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_longer_reverberation_rings_longer():
    def late_energy(reverberation_s):
        response = simulate_room((5.0, 4.0, 3.0), reverberation_s, 2.0, 16000, np.random.default_rng(1))
        return float(np.sum(response[1600:] ** 2))

    assert late_energy(0.6) > 5.0 * late_energy(0.25)


def test_a_room_too_small_for_the_distance_is_refused(rng):
    with pytest.raises(SettingsError, match="found none"):
        simulate_room((2.5, 2.5, 2.4), 0.3, 9.0, 16000, rng)


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_the_rooms_that_are_measured_in_ring_as_long_as_they_say(room):
    """By Schroeder's backward integration (1965), from 5 to 25 dB below the whole."""
    size_m, reverberation_s, distance_m = ROOMS[room]
    response = simulate_room(size_m, reverberation_s, distance_m, 16000, np.random.default_rng(1)).astype(float)
    remaining = np.cumsum(response[::-1] ** 2)[::-1]
    level_db = 10 * np.log10(np.maximum(remaining / remaining[0], 1e-12))
    first, last = np.argmax(level_db < -5), np.argmax(level_db < -25)
    assert 3.0 * (last - first) / 16000 == pytest.approx(reverberation_s, rel=0.25)


def test_without_its_library_rooms_say_what_to_install(monkeypatch, rng):
    monkeypatch.setitem(sys.modules, "pyroomacoustics", None)
    with pytest.raises(SettingsError, match="pip install pyroomacoustics"):
        simulate_rooms(1, (0.2, 0.5), 16000, rng)
    assert simulate_rooms(0, (0.2, 0.5), 16000, rng) == []
