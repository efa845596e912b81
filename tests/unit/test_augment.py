import numpy as np
import pytest

from detector.learn.augment import (
    change_speed,
    cut,
    db_to_factor,
    equalise,
    fade,
    noise_factor,
    rms,
    tilt,
)


def noise(rng, n=16000, level=1000.0):
    return (rng.standard_normal(n) * level).astype(np.float32)


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 20.0])
def test_noise_is_mixed_at_exactly_the_ratio_asked_for(rng, snr_db):
    speech, hum = noise(rng), noise(rng, level=17.0)
    scaled = hum * noise_factor(rms(speech), rms(hum), snr_db)
    assert 20 * np.log10(rms(speech) / rms(scaled)) == pytest.approx(snr_db, abs=1e-3)
    assert noise_factor(1.0, 0.0, 0.0) == 0.0


def test_gains_in_db_are_factors_on_amplitudes():
    assert db_to_factor(0.0) == 1.0
    assert db_to_factor(20.0) == pytest.approx(10.0)
    assert db_to_factor(-6.0206) == pytest.approx(0.5, abs=1e-5)


def test_a_change_of_speed_changes_length_and_pitch():
    tone = np.sin(2 * np.pi * 500 * np.arange(16000) / 16000).astype(np.float32)
    fast = change_speed(tone, 1.25)
    assert len(fast) == 12800
    expected = np.sin(2 * np.pi * 625 * np.arange(12800) / 16000)
    np.testing.assert_allclose(fast[:-2], expected[:-2], atol=0.02)


def test_a_cut_is_as_long_as_asked_for_also_from_a_shorter_recording(rng):
    samples = np.arange(100).astype(np.int16)
    piece = cut(samples, 30, rng)
    assert np.diff(piece).tolist() == [1.0] * 29
    longer = cut(samples, 250, rng)
    assert len(longer) == 250
    assert ((np.diff(longer) == 1) | (np.diff(longer) == -99)).all()


def test_a_fade_begins_and_ends_at_zero_and_leaves_the_middle():
    faded = fade(np.ones(100, dtype=np.float32), 10)
    assert (faded[0], faded[-1]) == (0.0, 0.0)
    assert (faded[10:90] == 1.0).all()
    assert fade(np.ones(1, dtype=np.float32), 10).tolist() == [1.0]


def test_a_tilt_weakens_treble_or_bass():
    bass = np.ones(1000, dtype=np.float32)
    treble = np.tile(np.array([1, -1], dtype=np.float32), 500)
    assert tilt(bass, 0.5)[-1] == pytest.approx(1.5)
    assert abs(tilt(treble, 0.5)[-1]) == pytest.approx(0.5)
    assert tilt(bass, -0.5)[-1] == pytest.approx(0.5)


def test_an_equaliser_changes_no_frequency_by_more_than_it_may(rng):
    noise = rng.standard_normal(16000).astype(np.float32) * 1000
    before = np.abs(np.fft.rfft(noise))
    n_telephones = 0
    for _ in range(40):
        after = np.abs(np.fft.rfft(equalise(noise, rng, strength_db=6.0, sample_rate_hz=16000, cut_off=0.25)))
        gain_db = 20 * np.log10(after[1:-1] / before[1:-1])
        assert np.abs(gain_db[:2900]).max() < 6.1
        if gain_db[4100] < -40.0:
            n_telephones += 1
            assert gain_db[4100:].max() < -40.0
        else:
            assert np.abs(gain_db).max() < 6.1
    assert 3 <= n_telephones <= 18  # one in four
