"""States of hearing, on made-up seconds of sound."""

import re

import numpy as np
import pytest
from clocks import Clock

from detector.daemon.health import Health
from detector.events import Condition, Progress

RATE_HZ = 1000


@pytest.fixture
def clock():
    return Clock(0.0)


@pytest.fixture
def health(clock):
    return Health(RATE_HZ, clock=clock)


def listen(health, sound, seconds, now_s=0.0, **options):
    """Hear a sound for a while, a tenth of a second at a time; return the changes of state and when they came."""
    has_scored, options = options.pop("has_scored", True), {"is_waiting": False} | options
    changes = []
    for _ in range(round(seconds * 10)):
        now_s += 0.1
        health._clock.now_s = now_s
        health.hear(Progress(sound[:100], 0, 0, 0))
        state = health.assess(n_windows=health._n_windows + has_scored, **options)
        if state is not None:
            changes.append((round(now_s, 1), state))
    return changes


NOISE = (np.random.default_rng(0).standard_normal(100) * 30).astype(np.int16)
ZEROS = np.zeros(100, dtype=np.int16)
DITHER = np.resize(np.array([0, 1, -1, 0], dtype=np.int16), 100)
LOUD = np.resize(np.array([32767, 32767, -32768, -32768] + [900] * 16, dtype=np.int16), 100)
NOTHING = ZEROS[:0]


def test_it_starts_and_listens_once_a_window_was_scored(health):
    assert health.condition is Condition.STARTING
    assert listen(health, NOISE, 1, has_scored=False) == []
    assert listen(health, NOISE, 30, now_s=1.0) == [(1.1, Condition.LISTENING)]


@pytest.mark.parametrize("sound", [ZEROS, DITHER])
def test_ten_seconds_of_digital_silence_are_told_once_and_so_is_their_end(health, sound):
    assert listen(health, sound, 30) == [(0.1, Condition.LISTENING), (10.0, Condition.SILENT)]
    assert listen(health, NOISE, 30, now_s=30.0) == [(31.0, Condition.LISTENING)]


def test_a_silent_room_is_not_silence(health):
    hiss = np.resize(np.array([2, -3, 4, -2], dtype=np.int16), 100)
    assert listen(health, hiss, 30) == [(0.1, Condition.LISTENING)]


def test_a_level_that_is_too_high_is_told(health):
    assert listen(health, LOUD, 30) == [(0.1, Condition.LISTENING), (10.0, Condition.CLIPPING)]
    assert [state for _, state in listen(health, NOISE, 30, now_s=30.0)] == [Condition.LISTENING]


@pytest.mark.parametrize("state", [Condition.CLIPPING, Condition.SILENT])
def test_a_level_at_the_limit_is_told_once(health, state):
    rng = np.random.default_rng(1)
    changes = []
    for k in range(6000):
        if state is Condition.CLIPPING:
            tenth = np.resize(np.array([100, -100], dtype=np.int16), 100)
            tenth[: rng.poisson(0.6)] = 32767
        else:
            tenth = np.rint(rng.normal(0.0, rng.uniform(0.9, 2.0), 100)).astype(np.int16)
        changes += [changed for _, changed in listen(health, tenth, 0.1, now_s=0.1 * k)]
    assert changes == [Condition.LISTENING, state]


def test_a_single_loud_second_is_not(health):
    assert listen(health, NOISE, 5) + listen(health, LOUD[:2], 1, now_s=5.0) == [(0.1, Condition.LISTENING)]


def test_no_samples_are_deafness_unless_somebody_waits_for_them(health):
    assert listen(health, NOISE, 5) == [(0.1, Condition.LISTENING)]
    assert listen(health, NOTHING, 10, now_s=5.0) == [(8.1, Condition.DEAF)]
    assert listen(health, NOTHING, 10, now_s=15.0, is_waiting=True) == [(15.1, Condition.RECOVERING)]
    assert listen(health, NOISE, 5, now_s=25.0) == [(25.1, Condition.LISTENING)]


def test_a_process_that_stood_still_was_not_deaf(health):
    assert listen(health, NOISE, 5) == [(0.1, Condition.LISTENING)]
    assert listen(health, NOTHING, 1, now_s=60.0) == []
    assert [state for _, state in listen(health, NOTHING, 10, now_s=61.0)] == [Condition.DEAF]


def test_a_start_in_which_no_second_arrives_whole_is_deaf_and_says_how_much_arrives(health):
    assert listen(health, NOISE[:47], 15, has_scored=False) == [(10.1, Condition.DEAF)]
    assert health.detail == "47 % of the samples arrive, none of 10 s could be scored"
    assert listen(health, NOISE, 1, now_s=15.0) == [(15.1, Condition.LISTENING)]
    assert health.detail == ""


def test_so_it_is_later_on_but_not_while_the_microphone_is_waited_for(health):
    assert listen(health, NOISE, 30) == [(0.1, Condition.LISTENING)]
    assert listen(health, NOISE, 20, now_s=30.0, has_scored=False) == [(40.1, Condition.DEAF)]
    assert health.detail == "100 % of the samples arrive, none of 10 s could be scored"
    assert listen(health, NOTHING, 60, now_s=50.0, is_waiting=True, has_scored=False) == [(50.1, Condition.RECOVERING)]
    assert listen(health, NOISE, 9, now_s=110.0, has_scored=False) == [(110.1, Condition.LISTENING)]


def test_without_a_sample_there_is_no_number(health):
    assert listen(health, NOTHING, 30, has_scored=False) == [(3.0, Condition.DEAF)]
    assert health.detail == ""


def speech(level_dbfs):
    """A second that stands out from NOISE: every fourth is loud."""
    rms = 32768 * 10 ** (level_dbfs / 20)
    return (np.random.default_rng(1).standard_normal(100) * rms).astype(np.int16)


def live(health, level_dbfs, minutes, now_s=0.0):
    """Hear some seconds of speech in each minute, in a room whose noise is 20 dB fainter."""
    changes = []
    for minute in range(minutes):
        changes += listen(health, speech(level_dbfs), 15, now_s=now_s + 60 * minute)
        changes += listen(health, speech(level_dbfs - 20), 45, now_s=now_s + 60 * minute + 15)
    return changes


def test_a_microphone_whose_loudest_sound_is_faint_is_quiet_and_says_how_quiet(health):
    assert [state for _, state in live(health, -60, 2)] == [Condition.LISTENING, Condition.QUIET]
    assert re.search(r"the loudest sound of 1 min has -6\d dBFS", health.detail)
    assert [state for _, state in live(health, -30, 1, now_s=120)] == [Condition.LISTENING]


@pytest.mark.parametrize("level_dbfs", [-46, -35, -25])
def test_a_microphone_of_ordinary_level_is_not_quiet(health, level_dbfs):
    assert [state for _, state in live(health, level_dbfs, 3)] == [Condition.LISTENING]


def test_a_room_in_which_nothing_sounds_is_no_quiet_microphone(health):
    assert [state for _, state in listen(health, speech(-65), 200)] == [Condition.LISTENING]
    bump = listen(health, speech(-52), 3, now_s=200.0)
    assert bump + listen(health, speech(-65), 100, now_s=203.0) == []


def test_a_level_at_the_limit_is_reported_once(health):
    changes = live(health, -51, 3)
    for minute, level_dbfs in enumerate((-49, -51, -49, -51)):
        changes += live(health, level_dbfs, 1, now_s=180 + 60 * minute)
    assert [state for _, state in changes] == [Condition.LISTENING, Condition.QUIET]
