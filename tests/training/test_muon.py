"""The optimiser of networks of convolutions."""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = [pytest.mark.tensorflow, pytest.mark.filterwarnings("ignore")]  # TensorFlow's own warnings


@pytest.mark.parametrize("shape", [(12, 5), (5, 12), (7, 7)])
def test_what_is_orthogonalised_keeps_its_directions_and_loses_their_sizes(rng, shape):
    from training.network.muon import orthogonalize

    matrix = rng.standard_normal(shape).astype(np.float32)
    given = np.asarray(orthogonalize(matrix))
    sizes = np.linalg.svd(given, compute_uv=False)
    assert given.shape == shape
    assert (sizes > 0.6).all()
    assert (sizes < 1.3).all()
    left, _, right = np.linalg.svd(matrix, full_matrices=False)
    cosine = np.sum(given * (left @ right)) / np.linalg.norm(given) / np.sqrt(min(shape))
    assert cosine > 0.97


def test_filters_are_updated_all_alike_and_the_rest_as_adamw_does():
    import keras

    from training.network.muon import ADAM_RATE, UPDATE_RMS, Muon

    filters, bias = (keras.Variable(np.zeros(shape, np.float32)) for shape in ((1, 3, 4, 6), (6,)))
    optimiser = Muon(0.01, weight_decay=0.0)
    optimiser.build([filters, bias])
    gradient = np.random.default_rng(3).standard_normal((1, 3, 4, 6)).astype(np.float32) * 1e-4
    optimiser.apply([keras.ops.convert_to_tensor(gradient), keras.ops.ones(6)])
    rms = float(np.sqrt(np.mean(np.asarray(filters) ** 2)))
    assert rms == pytest.approx(0.01 * UPDATE_RMS, rel=0.25)
    np.testing.assert_allclose(np.asarray(bias), -0.01 * ADAM_RATE, rtol=1e-4)


def test_a_small_network_of_convolutions_learns(rng):
    import keras

    from training.network.muon import Muon

    keras.utils.set_random_seed(0)
    x = rng.standard_normal((64, 6, 6, 2)).astype(np.float32)
    y = x[:, 1:5, 1:5, :1] - x[:, 2:6, 2:6, 1:]
    model = keras.Sequential(
        [keras.Input((6, 6, 2)), keras.layers.Conv2D(8, 3, activation="relu"), keras.layers.Conv2D(1, 1)]
    )
    model.compile(Muon(0.02), "mse", jit_compile=False)
    first = float(model.evaluate(x, y, verbose=0))
    model.fit(x, y, epochs=40, batch_size=16, verbose=0)
    assert float(model.evaluate(x, y, verbose=0)) < 0.1 * first
