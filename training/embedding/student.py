"""The student's network.

Its convolutions are not padded in time, so that one second gives one embedding, and a longer sound one for every fourth
frame, each computed from what the others share.
"""

from __future__ import annotations

import keras
from keras import layers

from training.embedding.settings import WINDOW_FRAMES
from training.network.architectures import BATCH_NORM_MOMENTUM, BatchNormalization


def _convolve(
    x: keras.KerasTensor, channels: int, size: tuple[int, int], *, stride: tuple[int, int] = (1, 1)
) -> keras.KerasTensor:
    """Convolve, padded in frequency where the filter is wider than one band; normalise; rectify."""
    if size[1] > 1:
        x = layers.ZeroPadding2D(((0, 0), (size[1] // 2, size[1] // 2)))(x)
    x = layers.Conv2D(channels, size, strides=stride, use_bias=False)(x)
    return layers.ReLU()(BatchNormalization(momentum=BATCH_NORM_MOMENTUM)(x))


def build_student(
    channels: tuple[int, ...], n_mels: int, n_outputs: int, *, n_frames: int | None = WINDOW_FRAMES
) -> keras.Model:
    """Build an untrained student, after the separated convolutions of its teacher's (Lin et al. 2020).

    Filters of three bands and of three frames take turns; frequency is halved on the way and ends as channels.

    Returns
    -------
    keras.Model
        (batch, n_frames, n_mels, 1) -> (batch, n_steps, n_outputs); for 49 frames (batch, n_outputs).
    """
    first, second, third, fourth = channels
    features = keras.Input((n_frames, n_mels, 1), name="features")
    x = _convolve(features, first, (3, 5), stride=(2, 2))
    x = _convolve(_convolve(x, first, (1, 3)), first, (3, 1))
    x = _convolve(_convolve(x, second, (1, 3), stride=(1, 2)), second, (3, 1))
    x = _convolve(_convolve(x, second, (1, 3)), second, (3, 1))
    x = _convolve(_convolve(x, third, (1, 3), stride=(1, 2)), third, (3, 1))
    x = _convolve(_convolve(x, third, (1, 3)), third, (4, 1), stride=(2, 1))
    x = layers.Conv2D(fourth, (1, x.shape[2]), use_bias=False)(x)
    x = layers.ReLU()(BatchNormalization(momentum=BATCH_NORM_MOMENTUM)(x))
    x = _convolve(_convolve(x, 2 * fourth, (3, 1)), 2 * fourth, (3, 1))
    x = layers.Conv2D(n_outputs, (3, 1), name="embedding")(x)
    x = layers.Reshape((n_outputs,) if n_frames == WINDOW_FRAMES else (-1, n_outputs))(x)
    return keras.Model(features, x, name="student")
