"""Every network there is becomes an int8 file of ordinary operations that answers as the float network does."""

from __future__ import annotations

import numpy as np
import pytest

from detector.errors import SettingsError

pytestmark = [pytest.mark.tensorflow, pytest.mark.filterwarnings("ignore")]  # TensorFlow's own warnings

NAMES = ["ds-cnn", "ds-cnn-tiny", "ds-cnn-wide", "cnn", "tc-resnet", "ts-resnet", "ts-resnet-tiny", "ts-resnet-wide"]


def test_every_architecture_is_tried_here():
    from training.network.architectures import ARCHITECTURES

    assert sorted(ARCHITECTURES) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_an_architecture_quantises_and_keeps_its_answers(name, rng):
    import keras

    from detector.core.network import Network
    from training.network.architectures import build_model
    from training.network.quantize import convert_to_int8

    keras.utils.set_random_seed(1)
    model = build_model(name, n_frames=49, n_mels=40, n_labels=4)
    # Which ten bands are the loudest? A network that has learnt nothing answers everything alike.
    labels = rng.integers(4, size=320)
    features = rng.uniform(-1.0, 0.0, (320, 1, 1)) + rng.standard_normal((320, 49, 40)) * 0.3
    for window, label in zip(features, labels, strict=True):
        window[10:40, 10 * label : 10 * label + 10] += 0.6
    features = np.clip(features, -1.0, 1.1).astype(np.float32)
    model.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy", jit_compile=False)
    model.fit(features[..., None], labels, batch_size=16, epochs=4, verbose=0)
    expected = model.predict(features[..., None], verbose=0)
    assert (expected.argmax(axis=1) == labels).mean() > 0.9
    network = Network(convert_to_int8(model, features))
    assert network.input_shape == (1, 49, 40, 1)
    scores = np.stack([network.score(window) for window in features])
    np.testing.assert_allclose(scores.sum(axis=1), 1.0, atol=0.02)
    assert (scores.argmax(axis=1) == expected.argmax(axis=1)).mean() > 0.97
    assert np.abs(scores - expected).mean() < 0.03


def test_batch_normalisation_is_that_of_keras(rng):
    import keras

    from training.network.architectures import BatchNormalization

    x = (rng.standard_normal((64, 5, 4, 3)) * [0.5, 1.0, 3.0] + [0.0, 2.0, -1.0]).astype(np.float32)
    ours, theirs = BatchNormalization(momentum=0.9), keras.layers.BatchNormalization(momentum=0.9)
    for _ in range(3):
        np.testing.assert_allclose(ours(x, training=True), theirs(x, training=True), atol=1e-5)
    # The variance of n values is kept as that of the n - 1 degrees of freedom they have.
    np.testing.assert_allclose(ours.moving_mean, theirs.moving_mean, atol=1e-6)
    np.testing.assert_allclose(ours.moving_variance, theirs.moving_variance, rtol=2e-3)
    np.testing.assert_allclose(ours(x, training=False), theirs(x, training=False), rtol=2e-3, atol=1e-3)


@pytest.mark.parametrize("name", ["ds-cnn-tiny", "ts-resnet-tiny"])
def test_a_tiny_one_is_tiny(name):
    from training.network.architectures import build_model

    assert build_model(name, n_frames=49, n_mels=40, n_labels=4).count_params() <= 15_000


def test_an_architecture_that_there_is_not_is_refused():
    from training.network.architectures import ARCHITECTURES, build_model, check_architecture

    names = ", ".join(ARCHITECTURES)
    with pytest.raises(SettingsError, match=f"expected an architecture of {names}, embedding, found"):
        check_architecture("transformer")
    with pytest.raises(SettingsError, match=f"expected an architecture of {names}, found"):
        build_model("transformer", n_frames=49, n_mels=40, n_labels=4)
