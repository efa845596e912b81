"""Several devices compute what one would."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from detector.errors import SettingsError

pytestmark = pytest.mark.tensorflow

TWO_CPUS = """
import numpy as np
import tensorflow as tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
import keras
from training.network.architectures import build_model
from training.network.devices import choose_strategy

assert len(tf.config.list_logical_devices("CPU")) == 2
assert choose_strategy("auto").distribution is None
rng = np.random.default_rng(0)
x = rng.standard_normal((96, 49, 40, 1)).astype(np.float32)
y = np.eye(4, dtype=np.float32)[rng.integers(0, 4, 96)]
trained = []
for name in ("one", "mirrored"):
    strategy = choose_strategy(name)
    assert (strategy.distribution is None) == (name == "one")
    keras.utils.set_random_seed(1)
    with strategy.scope():
        model = build_model("cnn", n_frames=49, n_mels=40, n_labels=4)
        for layer in model.layers:
            if isinstance(layer, keras.layers.Dropout):
                layer.rate = 0.0  # drawn by each device for itself
        strategy.synchronise(model)
        before = [np.array(variable) for variable in model.trainable_variables]
        model.compile(keras.optimizers.SGD(0.005), "categorical_crossentropy", jit_compile=False)
    fitted = model.fit(x, y, batch_size=32, epochs=1, shuffle=False, verbose=0)
    trained.append((fitted.history["loss"], [np.array(variable) for variable in model.trainable_variables]))
(one_loss, one), (two_loss, two) = trained
np.testing.assert_allclose(two_loss, one_loss, rtol=1e-3)
difference = max(float(np.abs(a - b).max()) for a, b in zip(one, two, strict=True))
moved = max(float(np.abs(a - b).max()) for a, b in zip(one, before, strict=True))
assert difference < 0.1 * moved, (difference, moved)
print("the same")
"""


def test_a_batch_divided_among_two_devices_trains_as_on_one():
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    finished = subprocess.run(
        [sys.executable, "-c", TWO_CPUS], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert finished.stdout.strip().endswith("the same"), finished.stderr[-2000:]


def test_a_strategy_that_there_is_not_is_refused():
    from training.network.devices import choose_strategy

    with pytest.raises(SettingsError, match="expected a strategy of auto, one, mirrored"):
        choose_strategy("many")
