import numpy as np

from training.windows.vary import mask_features, mix, warp_features


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
