"""Conditions change what they say they change, and nothing stands elsewhere afterwards."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector import Detection, Detector
from detector.errors import SettingsError
from training.evaluate.conditions import (
    CONDITIONS,
    _lose,
    apply,
    detect_passages,
    detect_stream,
    level_words,
    speech_level,
    table,
)
from training.evaluate.judge import judge
from training.evaluate.streams import Truth, TruthWord

RATE_HZ = 16000


@pytest.fixture
def beeps(rng):
    """Six seconds of faint noise with a beep in each, and their truth."""
    samples = rng.standard_normal(6 * RATE_HZ) * 2.0
    words = []
    for k in range(6):
        first, last = k * RATE_HZ + 4000, k * RATE_HZ + 9000
        samples[first:last] += 4000 * np.sin(np.arange(last - first) * 0.4)
        words.append(TruthWord("beep", first / RATE_HZ, last / RATE_HZ))
    return np.rint(samples).astype(np.int16), Truth(words, hours=6 / 3600)


def put(condition, beeps, rng, noises=()):
    passages = apply(condition, *beeps, sample_rate_hz=RATE_HZ, noises=noises, rng=rng)
    (samples, n_lost), *rest = passages
    assert (n_lost, rest) == (0, [])
    return samples.astype(float)


def test_clean_changes_nothing(beeps, rng):
    np.testing.assert_array_equal(put("clean", beeps, rng), beeps[0])


@pytest.mark.parametrize("snr_db", [20, 10, 5, 0])
def test_noise_lies_as_far_below_the_words_as_the_name_says(beeps, rng, snr_db):
    hum = np.rint(500 * np.sin(np.arange(5 * RATE_HZ) * 0.05)).astype(np.int16)
    noise = put(f"snr-{snr_db}", beeps, rng, [hum]) - beeps[0]
    level = 20 * np.log10(speech_level(*beeps, RATE_HZ) / np.sqrt(np.mean(noise**2)))
    assert level == pytest.approx(snr_db, abs=0.2)


def test_noise_lies_as_far_below_a_faint_word_as_below_a_loud_one(beeps, rng):
    samples, truth = beeps
    samples = samples.copy()
    samples[2 * RATE_HZ : 3 * RATE_HZ] = np.rint(samples[2 * RATE_HZ : 3 * RATE_HZ] / 20)
    level = speech_level(samples, truth, RATE_HZ)
    silence = np.zeros(5 * RATE_HZ, dtype=np.int16)
    there = put("snr-10", (samples, truth), rng, [silence])
    for word in truth.words:
        first, last = round(word.start_s * RATE_HZ), round(word.end_s * RATE_HZ)
        assert np.sqrt(np.mean(there[first:last] ** 2)) == pytest.approx(level, rel=0.01)


def test_without_words_the_level_is_that_of_what_sounds(beeps):
    with_words = speech_level(*beeps, RATE_HZ)
    assert speech_level(beeps[0], Truth([], hours=1.0), RATE_HZ) == pytest.approx(with_words, rel=0.1)


@pytest.mark.parametrize("gain_db", [10, 20, 30])
def test_gain_is_gain(beeps, rng, gain_db):
    np.testing.assert_allclose(put(f"gain-{gain_db}", beeps, rng), beeps[0] * 10 ** (-gain_db / 20), atol=0.51)


@pytest.mark.parametrize("rate_hz", [8000, 44100, 48000])
def test_another_rate_keeps_what_it_can_hold_in_its_place(beeps, rng, rate_hz):
    through = put(f"rate-{rate_hz}", beeps, rng)
    assert abs(len(through) - len(beeps[0])) <= 2
    n = min(len(through), len(beeps[0]))
    assert np.corrcoef(through[:n], beeps[0][:n])[0, 1] > 0.999


@pytest.mark.parametrize(("room", "heard_after"), [("near", False), ("reverberant", True)])
def test_rooms_reverberate_and_move_nothing(beeps, rng, room, heard_after):
    there = put(room, beeps, rng)
    assert len(there) == len(beeps[0])
    for word in beeps[1].words:
        first, last = round(word.start_s * RATE_HZ), round(word.end_s * RATE_HZ)
        assert np.abs(there[first - 1600 : first - 160]).max() < 400
        assert np.abs(there[first : first + 160]).max() > 400
        after = np.sqrt(np.mean(there[last + 1600 : last + 3200] ** 2))
        assert (after > 50) == heard_after


def test_losses_are_one_percent_and_known(beeps, rng):
    passages = apply("lost-1", *beeps, sample_rate_hz=RATE_HZ, noises=(), rng=rng)
    n_lost = sum(lost for _, lost in passages)
    assert n_lost == pytest.approx(0.01 * len(beeps[0]), abs=1600)
    assert n_lost + sum(len(samples) for samples, _ in passages) == len(beeps[0])
    at = 0
    for samples, lost in passages:
        np.testing.assert_array_equal(samples, beeps[0][at : at + len(samples)])
        at += len(samples) + lost


def test_a_detector_hears_through_losses_at_the_right_time(detector, demo_samples, demo_truth):
    clean = detect_stream(detector, demo_samples)
    at = round((demo_truth[0]["start_s"] - 2.0) * RATE_HZ)  # before the first word, long enough to warm up again
    detector.reset()
    lossy = detect_passages(detector, [(demo_samples[:at], 320), (demo_samples[at + 320 :], 0)])
    assert [d.keyword for d in lossy] == [d.keyword for d in clean]
    assert lossy[0].time_s == pytest.approx(clean[0].time_s, abs=0.1)


def test_the_table_has_a_line_for_each(model):
    truth = Truth([TruthWord("yes", 1.0, 1.4)], hours=0.5)
    reports = {name: judge([], truth, Detector(model).words) for name in ("clean", "near")}
    lines = table(reports)
    assert [line.split()[0] for line in lines] == ["condition", "clean", "near"]
    assert "100 % (21-100)" in lines[1]
    assert "0 (at most 7.4)" in lines[1]


def test_what_there_is_not_is_refused(beeps, rng):
    with pytest.raises(SettingsError, match="expected a condition of clean, snr-20"):
        put("underwater", beeps, rng)
    with pytest.raises(SettingsError, match="name a folder with --noise"):
        put("snr-10", beeps, rng)
    assert len(set(CONDITIONS)) == len(CONDITIONS)


def test_a_telephone_has_no_hiss(rng):
    samples = np.zeros(6 * RATE_HZ)
    samples[RATE_HZ : 5 * RATE_HZ] = 4000 * np.sin(2 * np.pi * 6000 / RATE_HZ * np.arange(4 * RATE_HZ))
    hiss = np.rint(samples).astype(np.int16), Truth([], hours=6 / 3600)
    inside = slice(2 * RATE_HZ, 4 * RATE_HZ)
    assert np.abs(put("rate-8000", hiss, rng)[inside]).max() < 4
    assert np.abs(put("rate-44100", hiss, rng)[inside]).max() > 3900


def test_a_room_is_heard_even_from_near(beeps, rng):
    there = put("near", beeps, rng)
    assert np.corrcoef(there, beeps[0])[0, 1] < 0.99


def test_the_gain_of_levelled_words_changes_halfway_between_them(rng):
    samples = np.full(4 * RATE_HZ, 100, dtype=np.int16)
    samples[RATE_HZ : RATE_HZ + 8000] = 1000
    samples[3 * RATE_HZ : 3 * RATE_HZ + 8000] = 4000
    truth = Truth([TruthWord("a", 1.0, 1.5), TruthWord("b", 3.0, 3.5)], hours=4 / 3600)
    levelled = level_words(samples, truth, RATE_HZ)
    change = np.flatnonzero(np.diff(levelled[RATE_HZ + 8000 : 3 * RATE_HZ]))
    assert change.tolist() == [12000 - 1]  # 0.75 s after the first, of 1.5 s


def test_overlapping_words_are_levelled_by_what_was_recorded(rng):
    noise = (rng.standard_normal(48000) * 1000).astype(np.int16)
    same = Truth([TruthWord("yes", 1.0, 2.0), TruthWord("yes", 1.0, 2.0), TruthWord("no", 1.5, 2.5)], 0.01)
    np.testing.assert_allclose(level_words(noise, same, RATE_HZ), noise, rtol=0.05)


def test_a_word_that_is_not_there_is_not_raised_without_end(rng):
    samples = np.concatenate((rng.standard_normal(RATE_HZ) * 3000, rng.standard_normal(RATE_HZ))).astype(np.int16)
    truth = Truth([TruthWord("yes", 0.0, 1.0), TruthWord("no", 1.2, 1.8)], 0.01)
    assert np.abs(level_words(samples, truth, RATE_HZ)[17600:]).max() < 32 * 5


def test_short_recordings_lose_something_too(beeps, rng):
    passages = apply("lost-1", beeps[0][:RATE_HZ], beeps[1], sample_rate_hz=RATE_HZ, noises=(), rng=rng)
    assert [n_lost for _, n_lost in passages] == [1600, 0]


def test_a_recording_too_short_for_a_level_has_none(rng):
    nothing = np.zeros(100, dtype=np.int16), Truth([], hours=1e-5)
    assert put("snr-10", nothing, rng, [np.ones(16000, dtype=np.int16)]).shape == (100,)


@pytest.mark.parametrize("condition", CONDITIONS)
def test_every_condition_keeps_the_length_and_leaves_the_recording_alone(beeps, rng, condition):
    samples, truth = beeps
    before = samples.copy()
    hum = np.rint(500 * np.sin(np.arange(RATE_HZ) * 0.05)).astype(np.int16)
    passages = apply(condition, samples, truth, sample_rate_hz=RATE_HZ, noises=[hum], rng=rng)
    assert sum(len(passage) + n_lost for passage, n_lost in passages) == len(samples)
    assert {passage.dtype for passage, _ in passages} == {np.dtype(np.int16)}
    np.testing.assert_array_equal(samples, before)


@pytest.mark.parametrize("condition", ["snr-10", "near", "lost-1"])
def test_a_condition_is_a_matter_of_the_seed(beeps, condition):
    hum = np.rint(500 * np.sin(np.arange(40 * RATE_HZ) * 0.05)).astype(np.int16)
    three = [
        b"|".join(
            samples.tobytes()
            for samples, _ in apply(
                condition, *beeps, sample_rate_hz=RATE_HZ, noises=[hum], rng=np.random.default_rng(seed)
            )
        )
        for seed in (1, 1, 2)
    ]
    assert three[0] == three[1] != three[2]


def test_what_exceeds_full_scale_clips_and_does_not_turn_over(beeps, rng):
    loud = np.clip(beeps[0].astype(int) * 8, -32768, 32767).astype(np.int16)
    hum = np.full(RATE_HZ, 1000, dtype=np.int16)
    noisy = put("snr-0", (loud, beeps[1]), rng, [hum])
    assert noisy.max() == 32767
    beep = slice(4000, 9000)
    assert (noisy[beep] - loud[beep] > -600).all()  # an overflow would be a step of 65536 down


@given(part=st.floats(0.0, 0.5), seconds=st.floats(0.0, 8.0), seed=st.integers(0, 99))
def test_lost_blocks_never_touch_and_are_never_more_than_there_is_place_for(part, seconds, seed):
    samples = np.arange(round(seconds * 1000), dtype=np.int16)
    passages = _lose(samples, part, 100, np.random.default_rng(seed))
    assert sum(len(passage) + n_lost for passage, n_lost in passages) == len(samples)
    assert [n_lost for _, n_lost in passages] == [100] * (len(passages) - 1) + [0]
    assert all(len(passage) >= 100 for passage, _ in passages[1:-1])
    n_wanted = max(1, round(part * len(samples) / 100))
    assert len(passages) - 1 == min(len(samples) // 200, n_wanted)


@pytest.mark.parametrize("gain_db", [-40.0, -12.0, 6.0])
def test_levelled_words_have_their_mean_level_whatever_the_recordings_was(beeps, gain_db):
    samples, truth = beeps
    scaled = np.rint(samples * 10 ** (gain_db / 20)).astype(np.int16)
    level = speech_level(scaled, truth, RATE_HZ)
    assert 20 * np.log10(level / speech_level(samples, truth, RATE_HZ)) == pytest.approx(gain_db, abs=0.3)
    levelled = level_words(scaled, truth, RATE_HZ)
    for word in truth.words:
        span = levelled[round(word.start_s * RATE_HZ) : round(word.end_s * RATE_HZ)]
        assert np.sqrt(np.mean(span**2)) == pytest.approx(level, rel=1e-3)


def test_a_truth_that_says_a_word_where_silence_is_raises_nothing():
    samples = np.zeros(2 * RATE_HZ, dtype=np.int16)
    samples[:RATE_HZ] = 1000
    truth = Truth([TruthWord("yes", 0.0, 1.0), TruthWord("no", 1.2, 1.8)], hours=2 / 3600)
    levelled = level_words(samples, truth, RATE_HZ)
    assert np.isfinite(levelled).all()
    assert not levelled[RATE_HZ + 1600 :].any()


def test_silence_without_words_has_no_level():
    assert speech_level(np.zeros(RATE_HZ, dtype=np.int16), Truth([], hours=1.0), RATE_HZ) == 0.0


def test_the_table_shows_delays_and_a_dash_for_what_was_not_tried(model):
    words = Detector(model).words
    spoken = Truth([TruthWord("yes", 1.0, 1.4)], hours=0.5)
    heard = judge([Detection("yes", 0.9, 1.65, 1.0), Detection("yes", 0.9, 2.0, 1.0)], spoken, words)
    nothing = judge([], Truth([], hours=0.0), words)
    head, first, second = table({"clean": heard, "near": nothing})
    assert head.split("  ")[0] == "condition"
    assert first.split()[-4:] == ["0.25", "s", "0.25", "s"]
    assert "0 % (at most 79)" in first
    assert re.search(r"\s0\s+1\s", first)  # no wrong word, one detected twice
    assert second.split() == ["near", "-", "-", "-", "-", "-", "-"]
    assert len({len(row) for row in (head, first, second)}) == 1
