"""Networks: features of one second in, class probabilities out. Backend-neutral Keras 3."""

from __future__ import annotations

from collections.abc import Callable

import keras
from keras import layers

from detector.errors import SettingsError

BATCH_NORM_MOMENTUM = 0.9
"""Keras' default of 0.99 lags behind the weights: a validation after a hundred steps would still be at chance."""


def _normalise(x: keras.KerasTensor) -> keras.KerasTensor:
    return layers.ReLU()(layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM)(x))


def _separable(x: keras.KerasTensor, channels: int, *, stride: int | tuple[int, int] = 1) -> keras.KerasTensor:
    """Depthwise 3x3, then pointwise convolution: the block of MobileNet (Howard et al. 2017)."""
    x = _normalise(layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False)(x))
    return _normalise(layers.Conv2D(channels, 1, use_bias=False)(x))


def ds_cnn(n_frames: int, n_mels: int, n_labels: int) -> keras.Model:
    """Depthwise-separable CNN after "Hello Edge" (Zhang et al. 2017), as a pyramid: 45 k parameters.

    The original keeps 64 channels at half resolution throughout. Halving the resolution on the way, with more channels
    each time, has twice the parameters at less than half the cost; the last stage halves frequency alone, since when a
    sound comes tells words apart. Every operation has an int8 kernel, every batch normalisation folds into a
    convolution.
    """
    features = keras.Input((n_frames, n_mels, 1), name="features")
    x = _normalise(layers.Conv2D(32, 5, strides=2, padding="same", use_bias=False)(features))
    x = _separable(x, 48)
    x = _separable(x, 64, stride=2)
    x = _separable(x, 64)
    x = _separable(x, 96, stride=(1, 2))
    x = _separable(x, 96)
    x = _separable(x, 128)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.2)(x)
    scores = layers.Dense(n_labels, activation="softmax", dtype="float32", name="scores")(x)
    return keras.Model(features, scores, name="ds_cnn")


ARCHITECTURES: dict[str, Callable[[int, int, int], keras.Model]] = {"ds-cnn": ds_cnn}


def check_architecture(architecture: str) -> None:
    """Refuse the name of an architecture that there is not.

    Raises
    ------
    SettingsError
        With the names there are.
    """
    if architecture not in ARCHITECTURES:
        raise SettingsError(f"expected an architecture of {', '.join(ARCHITECTURES)}, found '{architecture}'")


def build_model(architecture: str, *, n_frames: int, n_mels: int, n_labels: int) -> keras.Model:
    """Build an untrained network.

    Returns
    -------
    keras.Model
        (batch, n_frames, n_mels, 1) float32 features -> (batch, n_labels) probabilities that sum to 1.

    Raises
    ------
    SettingsError
        If there is no architecture of that name.
    """
    check_architecture(architecture)
    return ARCHITECTURES[architecture](n_frames, n_mels, n_labels)
