import numpy as np
import pytest

from training.augment import (
    change_speed,
    cut,
    db_to_factor,
    equalise,
    fade,
    mask_features,
    mix,
    noise_factor,
    rms,
    tilt,
    warp_features,
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


def test_masks_blank_out_runs_of_frames_and_bands(rng):
    features = rng.standard_normal((200, 49, 40)).astype(np.float32)
    masked = mask_features(features, rng, probability=1.0, max_frames=6, max_bands=5)
    for before, after in zip(features, masked, strict=True):
        frames = np.flatnonzero((after == before.mean()).all(axis=1))
        bands = np.flatnonzero((np.isclose(after, after[frames[0], 0], atol=0.1) | (after != before)).all(axis=0))
        assert 1 <= len(frames) <= 6
        assert frames[-1] - frames[0] == len(frames) - 1
        assert 1 <= len(bands) <= 5
    np.testing.assert_array_equal(mask_features(features, rng, probability=0.0, max_frames=6, max_bands=5), features)


def test_a_warped_window_has_its_bands_elsewhere_and_its_frames_in_place(rng):
    features = np.tile(np.arange(40, dtype=np.float32), (6, 49, 1)) + np.arange(49, dtype=np.float32)[:, None] * 100
    options = {"probability": 1.0, "max_shift_bands": 2.0}
    warped = warp_features(features, rng, stretch=(1.2, 1.2), **options)
    bands = warped - np.arange(49, dtype=np.float32)[:, None] * 100
    assert np.ptp(bands, axis=1).max() < 1e-3  # every frame of a window alike
    steps = np.diff(bands[:, 0, 10:30], axis=1)
    np.testing.assert_allclose(steps, 1.2, atol=1e-3)
    middle = bands[:, 0, 19:21].mean(axis=1) - 19.5
    assert np.abs(middle).max() <= 2.0
    assert np.ptp(middle) > 0.1
    assert warped.min() >= 0.0
    assert (bands <= 39.0 + 1e-3).all()


def test_nothing_is_warped_without_chance(rng):
    features = rng.standard_normal((5, 49, 40)).astype(np.float32)
    options = {"stretch": (0.8, 1.2), "max_shift_bands": 2.0}
    np.testing.assert_array_equal(warp_features(features, rng, probability=0.0, **options), features)
    some = warp_features(np.repeat(features, 40, axis=0), rng, probability=0.5, **options)
    n_changed = (some != np.repeat(features, 40, axis=0)).any(axis=(1, 2)).sum()
    assert 70 <= n_changed <= 130


def test_mixed_windows_keep_the_greater_part_of_themselves(rng):
    features = np.arange(8, dtype=np.float32)[:, None, None] * np.ones((1, 3, 2), dtype=np.float32)
    labels = np.eye(8, dtype=np.float32)
    mixed, soft = mix(features, labels, rng, alpha=0.4)
    np.testing.assert_allclose(soft.sum(axis=1), 1.0, rtol=1e-6)
    assert (np.diag(soft) >= 0.5).all()
    np.testing.assert_allclose(mixed[:, 0, 0], soft @ np.arange(8), rtol=1e-5)


def test_an_equaliser_changes_no_frequency_by_more_than_it_may(rng):
    noise = rng.standard_normal(16000).astype(np.float32) * 1000
    before = np.abs(np.fft.rfft(noise))
    n_telephones = 0
    for _ in range(40):
        after = np.abs(np.fft.rfft(equalise(noise, rng, strength_db=6.0, sample_rate_hz=16000)))
        gain_db = 20 * np.log10(after[1:-1] / before[1:-1])
        assert np.abs(gain_db[:2900]).max() < 6.1
        if gain_db[4100] < -40.0:
            n_telephones += 1
            assert gain_db[4100:].max() < -40.0
        else:
            assert np.abs(gain_db).max() < 6.1
    assert 3 <= n_telephones <= 18  # one in four
