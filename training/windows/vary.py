"""Variation of composed windows each time they are seen: pure functions of features, a random generator and numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def warp_features(
    features: NDArray[np.float32],
    rng: np.random.Generator,
    *,
    probability: float,
    stretch: tuple[float, float],
    max_shift_bands: float,
) -> NDArray[np.float32]:
    """Stretch and shift the mel axis of windows, as vocal tracts of other lengths do (Jaitly and Hinton 2013).

    Parameters
    ----------
    features : ndarray of float32, shape (n_windows, n_frames, n_mels)
    probability : float
        That a window is warped.
    stretch : tuple of float
        Range of the factor, about the middle band.
    max_shift_bands : float
        The shift is drawn from as many bands down to as many up.

    Returns
    -------
    ndarray of float32, same shape
        Bands from beyond either end repeat the last one.
    """
    n_windows, _, n_mels = features.shape
    warped = np.flatnonzero(rng.random(n_windows) < probability)
    factor = rng.uniform(*stretch, (len(warped), 1))
    shift = rng.uniform(-max_shift_bands, max_shift_bands, (len(warped), 1))
    middle = (n_mels - 1) / 2.0
    source = np.clip((np.arange(n_mels) - middle) * factor + middle + shift, 0.0, n_mels - 1.0).astype(np.float32)
    # Linear interpolation as a matrix for each window: a column holds the shares of the (two) nearest bands.
    distance = np.abs(source[:, None, :] - np.arange(n_mels, dtype=np.float32)[:, None])
    result = features.copy()
    result[warped] = features[warped] @ np.maximum(np.float32(1.0) - distance, np.float32(0.0))
    return result


def mix(
    features: NDArray[np.float32], labels: NDArray[np.float32], rng: np.random.Generator, *, alpha: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mix each window, and its label, with another of the batch (mixup, Zhang et al. 2018).

    Parameters
    ----------
    features : ndarray of float32, shape (n_windows, n_frames, n_mels)
    labels : ndarray of float32, shape (n_windows, n_labels)
        One-hot.
    alpha : float
        Of the symmetric beta distribution that the shares are drawn from; the window's own is the larger one.
    """
    share = rng.beta(alpha, alpha, len(features)).astype(np.float32)
    share = np.maximum(share, 1.0 - share)
    other = rng.permutation(len(features))
    mixed = share[:, None, None] * features + (1.0 - share)[:, None, None] * features[other]
    return mixed, share[:, None] * labels + (1.0 - share)[:, None] * labels[other]


def mask_features(
    features: NDArray[np.float32], rng: np.random.Generator, *, probability: float, max_frames: int, max_bands: int
) -> NDArray[np.float32]:
    """Blank out runs of frames and of mel bands, after SpecAugment (Park et al. 2019).

    Parameters
    ----------
    features : ndarray of float32, shape (n_windows, n_frames, n_mels)
    probability : float
        That a window gets a mask, drawn for time and for frequency apart.

    Returns
    -------
    ndarray of float32, same shape
        A copy; masked values are the window's mean.
    """
    hidden = np.zeros(features.shape, dtype=bool)
    for axis, longest in ((1, max_frames), (2, max_bands)):
        n = features.shape[axis]
        length = rng.integers(1, longest + 1, len(features)) * (rng.random(len(features)) < probability)
        start = rng.integers(0, n - length + 1)
        position = np.arange(n)
        runs = (position >= start[:, None]) & (position < (start + length)[:, None])
        hidden |= runs[:, :, None] if axis == 1 else runs[:, None, :]
    mean = features.mean(axis=(1, 2), keepdims=True)
    return np.where(hidden, mean, features)
