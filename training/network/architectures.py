"""Networks: features of one second in, class probabilities out. Backend-neutral Keras 3.

Every operation has an int8 kernel in TFLite, and every batch normalisation folds into the convolution before it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
from keras import layers

from detector.errors import SettingsError

BATCH_NORM_MOMENTUM = 0.9
"""Keras' default of 0.99 lags behind the weights: a validation after a hundred steps would still be at chance."""


@keras.saving.register_keras_serializable(package="training")
class BatchNormalization(layers.BatchNormalization):  # type: ignore[misc]
    """Batch normalisation by TensorFlow's or PyTorch's fused kernel while it trains there; on JAX Keras' own.

    Keras composes it of elementary operations, each of which passes through memory: three to ten times the processor
    time, half of what a network of separable convolutions costs to train. The variance that is kept has Bessel's
    correction here. Devices that share a batch use Keras' own: the kernel knows one device.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:  # noqa: FBT001 - Keras' own
        """Normalise (batch, height, width, channels)."""
        if not training or self.synchronized or mask is not None or keras.backend.backend() == "jax":
            return super().call(inputs, training=training, mask=mask)
        if keras.backend.backend() == "torch":
            return self._normalise_on_torch(inputs)
        import tensorflow as tf

        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs, self.gamma, self.beta, epsilon=self.epsilon, is_training=True
        )
        for kept, new in ((self.moving_mean, mean), (self.moving_variance, variance)):
            kept.assign(kept * self.momentum + keras.ops.cast(new, kept.dtype) * (1.0 - self.momentum))
        return outputs

    def _normalise_on_torch(self, inputs: Any) -> Any:
        import torch

        outputs = torch.nn.functional.batch_norm(
            inputs.permute(0, 3, 1, 2),
            self.moving_mean.value,
            self.moving_variance.value,
            self.gamma.value,
            self.beta.value,
            training=True,
            momentum=1.0 - self.momentum,
            eps=self.epsilon,
        )
        return outputs.permute(0, 2, 3, 1)


def _normalise(x: keras.KerasTensor, *, is_rectified: bool = True) -> keras.KerasTensor:
    x = BatchNormalization(momentum=BATCH_NORM_MOMENTUM)(x)
    return layers.ReLU()(x) if is_rectified else x


def _convolve(
    x: keras.KerasTensor,
    channels: int,
    size: int | tuple[int, int],
    *,
    stride: int | tuple[int, int] = 1,
    padding: str = "same",
    is_rectified: bool = True,
) -> keras.KerasTensor:
    x = layers.Conv2D(channels, size, strides=stride, padding=padding, use_bias=False)(x)
    return _normalise(x, is_rectified=is_rectified)


def _separable(
    x: keras.KerasTensor, channels: int, *, size: int | tuple[int, int] = 3, stride: int | tuple[int, int] = 1
) -> keras.KerasTensor:
    """Depthwise, then pointwise convolution: the block of MobileNet (Howard et al. 2017)."""
    x = _normalise(layers.DepthwiseConv2D(size, strides=stride, padding="same", use_bias=False)(x))
    return _convolve(x, channels, 1)


def _classify(features: keras.KerasTensor, x: keras.KerasTensor, n_labels: int, name: str) -> keras.Model:
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.2)(x)
    scores = layers.Dense(n_labels, activation="softmax", dtype="float32", name="scores")(x)
    return keras.Model(features, scores, name=name)


def ds_cnn(n_frames: int, n_mels: int, n_labels: int, *, channels: tuple[int, ...]) -> keras.Model:
    """Depthwise-separable CNN after "Hello Edge" (Zhang et al. 2017), as a pyramid of seven stages.

    The original keeps 64 channels at half resolution throughout. Halving the resolution on the way, with more channels
    each time, has twice the parameters at less than half the cost; the fifth stage halves frequency alone, since when a
    sound comes tells words apart.
    """
    features = keras.Input((n_frames, n_mels, 1), name="features")
    x = _convolve(features, channels[0], 5, stride=2)
    strides: tuple[int | tuple[int, int], ...] = (1, 2, 1, (1, 2), 1, 1)
    for n_channels, stride in zip(channels[1:], strides, strict=True):
        x = _separable(x, n_channels, stride=stride)
    return _classify(features, x, n_labels, "ds_cnn")


def cnn(n_frames: int, n_mels: int, n_labels: int, *, channels: tuple[int, ...]) -> keras.Model:
    """Plain CNN on the spectrogram as a picture: dense convolutions that halve it again and again.

    More parameters and arithmetic than separable convolutions, and yet two to four times as fast to train on a CPU.
    """
    features = keras.Input((n_frames, n_mels, 1), name="features")
    x = _convolve(features, channels[0], 5, stride=2)
    for n_channels in channels[1:]:
        x = _convolve(x, n_channels, 3, stride=2)
    return _classify(features, x, n_labels, "cnn")


def tc_resnet(n_frames: int, n_mels: int, n_labels: int, *, channels: tuple[int, ...]) -> keras.Model:
    """Temporal convolutions with mel bands as channels, after TC-ResNet8 (Choi et al. 2019)."""
    features = keras.Input((n_frames, n_mels, 1), name="features")
    x = layers.Reshape((n_frames, 1, n_mels))(features)
    x = _convolve(x, channels[0], (3, 1))
    for n_channels in channels[1:]:
        y = _convolve(x, n_channels, (9, 1), stride=(2, 1))
        y = _convolve(y, n_channels, (9, 1), is_rectified=False)
        shortcut = _convolve(x, n_channels, 1, stride=(2, 1))
        x = layers.ReLU()(layers.Add()([y, shortcut]))
    return _classify(features, x, n_labels, "tc_resnet")


def ts_resnet(
    n_frames: int,
    n_mels: int,
    n_labels: int,
    *,
    stem: tuple[int, ...],
    channels: int,
    sizes: tuple[int, ...],
    last: int,
) -> keras.Model:
    """Time-channel separable convolutions with residuals, after MatchboxNet (Majumdar and Ginsburg 2020).

    Bands of frequency become channels early, so that nearly all arithmetic is in matrix products over 25 frames: by far
    the cheapest to train and to run. Before that a `stem` of two-dimensional filters (5x5, then 3x3) finds edges and
    glides wherever in frequency they are; without one, the mel bands themselves are the channels.
    """
    features = keras.Input((n_frames, n_mels, 1), name="features")
    x = features
    for k, n_filters in enumerate(stem):
        x = _convolve(x, n_filters, 3 if k else 5, stride=(1, 2) if k else 2)
    x = layers.Reshape((x.shape[1], 1, x.shape[2] * x.shape[3]))(x)
    x = _convolve(x, channels, 1) if stem else _convolve(x, channels, (5, 1), stride=(2, 1))
    for size in sizes:
        y = _separable(x, channels, size=(size, 1))
        y = layers.DepthwiseConv2D((size, 1), padding="same", use_bias=False)(y)
        y = _convolve(_normalise(y), channels, 1, is_rectified=False)
        x = layers.ReLU()(layers.Add()([x, y]))
    x = _convolve(x, last, 1)
    return _classify(features, x, n_labels, "ts_resnet")


ARCHITECTURES: dict[str, Callable[[int, int, int], keras.Model]] = {
    "ds-cnn": partial(ds_cnn, channels=(32, 48, 64, 64, 96, 96, 128)),
    "ds-cnn-tiny": partial(ds_cnn, channels=(16, 24, 32, 32, 48, 48, 64)),
    "ds-cnn-wide": partial(ds_cnn, channels=(32, 48, 80, 80, 128, 128, 160)),
    "cnn": partial(cnn, channels=(24, 40, 56, 80)),
    "tc-resnet": partial(tc_resnet, channels=(24, 32, 40, 48)),
    "ts-resnet": partial(ts_resnet, stem=(8,), channels=64, sizes=(7, 9, 11), last=96),
    "ts-resnet-tiny": partial(ts_resnet, stem=(8,), channels=28, sizes=(7, 9, 11), last=48),
    "ts-resnet-wide": partial(ts_resnet, stem=(12,), channels=96, sizes=(7, 9, 11), last=128),
}


EMBEDDING = "embedding"
"""The name of the network that does not begin from nothing: see `training.network.pretrained`."""


def check_architecture(architecture: str) -> None:
    """Refuse the name of an architecture that there is not.

    Raises
    ------
    SettingsError
        With the names there are.
    """
    if architecture not in (*ARCHITECTURES, EMBEDDING):
        names = ", ".join((*ARCHITECTURES, EMBEDDING))
        raise SettingsError(f"expected an architecture of {names}, found '{architecture}'")


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
    if architecture not in ARCHITECTURES:
        raise SettingsError(f"expected an architecture of {', '.join(ARCHITECTURES)}, found '{architecture}'")
    return ARCHITECTURES[architecture](n_frames, n_mels, n_labels)
