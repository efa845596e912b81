"""The student's network.

Its convolutions are not padded in time, so that one second gives one embedding, and a longer sound one for every fourth
frame, each computed from what the others share.
"""

from __future__ import annotations

import keras
from keras import layers

from training.embedding.settings import WINDOW_FRAMES
from training.network.architectures import BATCH_NORM_MOMENTUM, BatchNormalization

ACROSS, ALONG = (1, 3), (3, 1)
"""Filters of three bands, and of three frames."""


def _convolve(
    x: keras.KerasTensor,
    channels: int,
    size: tuple[int, int],
    *,
    stride: tuple[int, int] = (1, 1),
    is_rectified: bool = True,
) -> keras.KerasTensor:
    """Convolve, padded in frequency where the filter is three bands wide; normalise; rectify."""
    padding = "same" if size == ACROSS else "valid"
    x = layers.Conv2D(channels, size, strides=stride, padding=padding, use_bias=False)(x)
    x = BatchNormalization(momentum=BATCH_NORM_MOMENTUM)(x)
    return layers.ReLU()(x) if is_rectified else x


def _add_block(x: keras.KerasTensor, channels: int) -> keras.KerasTensor:
    """Add what two convolutions make of it; the frames that they take at both ends go."""
    added = _convolve(_convolve(x, channels, ACROSS), channels, ALONG, is_rectified=False)
    return layers.ReLU()(layers.Add()([layers.Cropping2D(((1, 1), (0, 0)))(x), added]))


def build_student(
    channels: tuple[int, ...], n_mels: int, n_outputs: int, *, n_frames: int | None = WINDOW_FRAMES
) -> keras.Model:
    """Build an untrained student, after the separated convolutions of its teacher's (Lin et al. 2020).

    Filters of three bands and of three frames take turns. Frequency is halved on the way and ends as channels; time is
    halved late, twice.

    Parameters
    ----------
    channels : tuple of int
        At 20, 10 and 5 bands (of 40), where the bands become channels, and after that.
    n_mels, n_outputs : int
    n_frames : int, optional
        None: any number from `WINDOW_FRAMES`.

    Returns
    -------
    keras.Model
        (batch, n_frames, n_mels, 1) -> (batch, n_steps, n_outputs); for 49 frames (batch, n_outputs).
    """
    first, second, third, fourth, fifth = channels
    features = keras.Input((n_frames, n_mels, 1), name="features")
    x = layers.ZeroPadding2D(((0, 0), (2, 2)))(features)
    x = _add_block(_convolve(x, first, (3, 5), stride=(1, 2)), first)
    x = _add_block(_convolve(_convolve(x, second, ACROSS, stride=(1, 2)), second, ALONG), second)
    x = _convolve(x, second, ALONG, stride=(2, 1))
    x = _add_block(_convolve(_convolve(x, third, ACROSS, stride=(1, 2)), third, ALONG), third)
    x = _convolve(x, third, (4, 1), stride=(2, 1))
    x = _convolve(x, fourth, (1, x.shape[2]))
    x = _convolve(_convolve(x, fifth, ALONG), fifth, ALONG)
    x = layers.Conv2D(n_outputs, ALONG, dtype="float32", name="embedding")(x)
    x = layers.Reshape((n_outputs,) if n_frames == WINDOW_FRAMES else (-1, n_outputs), dtype="float32")(x)
    return keras.Model(features, x, name="student")
