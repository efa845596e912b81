"""Where speech is found, against bounds that are known."""

import numpy as np
import pytest
from spoken import RATE_HZ, buzz, needs_espeak, record, say

from detector.learn.speech import find_speech

WORDS = ["computer", "jarvis", "hey computer", "butterfly", "six", "yes"]


def find_heaviest(samples):
    return max(find_speech(samples).bursts, key=lambda burst: burst.weight)


@needs_espeak
@pytest.mark.parametrize("text", WORDS)
@pytest.mark.parametrize(("before_s", "after_s"), [(1.5, 1.0), (0.1, 0.1)])
def test_a_word_in_a_quiet_room_is_found_within_50_ms(text, before_s, after_s):
    word = say(text)
    found = find_heaviest(record(word, before_s=before_s, after_s=after_s))
    start = round(before_s * RATE_HZ)
    assert abs(found.start - start) <= 0.05 * RATE_HZ
    assert abs(found.end - (start + len(word))) <= 0.05 * RATE_HZ


@needs_espeak
@pytest.mark.parametrize("text", WORDS)
def test_a_word_is_found_within_100_ms_in_noise_20_db_below_it(text):
    word = say(text)
    noise_dbfs = 10 * np.log10(np.mean(word**2)) - 20
    found = find_heaviest(record(word, room_dbfs=noise_dbfs))
    assert abs(found.start - RATE_HZ) <= 0.1 * RATE_HZ
    assert abs(found.end - (RATE_HZ + len(word))) <= 0.1 * RATE_HZ


def test_two_words_are_two_bursts_and_a_short_pause_is_none():
    assert len(find_speech(record(buzz(), buzz(200.0))).bursts) == 2
    assert len(find_speech(record(buzz(), buzz(200.0), pause_s=0.1)).bursts) == 1


def test_a_crackle_near_a_word_does_not_belong_to_it():
    samples = record(buzz())
    crackle = RATE_HZ - 5600
    samples[crackle : crackle + 80] = np.random.default_rng(0).integers(-900, 900, 80)
    assert abs(find_heaviest(samples).start - RATE_HZ) <= 0.05 * RATE_HZ


@pytest.mark.parametrize("n_samples", [0, 1, 399, 400, 1000])
def test_a_recording_too_short_for_a_word_holds_no_speech(n_samples):
    assert find_speech(np.full(n_samples, 9000, dtype=np.int16)).bursts == ()


@pytest.mark.parametrize("level_dbfs", [-90.0, -60.0, -20.0])
def test_steady_noise_of_any_level_holds_no_speech(level_dbfs):
    assert find_speech(record(room_dbfs=level_dbfs, after_s=3.0)).bursts == ()


def test_powers_are_mean_squares_against_full_scale():
    sine = np.rint(32768 * 0.1 * np.sin(2 * np.pi * 1000 * np.arange(RATE_HZ) / RATE_HZ)).astype(np.int16)
    assert 10 * np.log10(find_speech(sine).powers[20:-20]) == pytest.approx(-23.0, abs=0.3)
