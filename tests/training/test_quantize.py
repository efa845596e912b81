"""From the trained network to int8: balanced, softened, in operations that every runtime has, or refused."""

from __future__ import annotations

import numpy as np
import pytest

from detector.core.folders import find_model
from detector.core.network import Network
from detector.errors import ModelFormatError

pytestmark = [pytest.mark.tensorflow, pytest.mark.filterwarnings("ignore")]  # TensorFlow's own warnings


def passes_on(bias):
    """Return a network that passes its features on: logits of silence, unknown and one keyword, with a bias."""
    import keras

    features = keras.Input((1, 3, 1))
    logits = keras.layers.Reshape((3,))(features)
    model = keras.Model(features, keras.layers.Dense(3, activation="softmax", name="scores")(logits))
    model.get_layer("scores").set_weights([np.eye(3), np.array(bias)])
    return model


def test_labels_are_balanced_and_softened():
    from training.network.quantize import balance, soften

    model = passes_on([0.0, 2.1, 1.0])  # biased towards unknown
    labels = np.repeat([0, 1, 2], 50)
    windows = np.eye(3, dtype=np.float32)[labels][:, None, :]
    assert (model.predict(windows[..., None], verbose=0).argmax(axis=1) == labels).mean() < 0.7
    silence, keyword = balance(model, windows, labels)
    assert (silence, keyword) == (2.0, 1.0)  # as likely as each other again
    scores = model.predict(windows[..., None], verbose=0)
    assert (scores.argmax(axis=1) == labels).all()
    soften(model, 2.0)
    softer = model.predict(windows[..., None], verbose=0)
    np.testing.assert_allclose(np.log(softer / softer[:, :1]), np.log(scores / scores[:, :1]) / 2.0, atol=1e-5)


@pytest.mark.parametrize(
    ("labels", "offsets"),
    [
        ([1, 2], (0.0, 2.25)),  # no silence
        ([0, 2], (0.0, 0.0)),  # no unknown: both would be raised without end
        ([2], (0.0, 0.0)),
    ],
)
def test_what_there_are_no_clips_of_is_not_weighed(labels, offsets):
    from training.network.quantize import balance

    model = passes_on([0.0, 2.0, 0.0])
    labels = np.repeat(labels, 50)
    windows = np.eye(3, dtype=np.float32)[labels][:, None, :]
    assert balance(model, windows, labels) == offsets


def test_a_kind_that_is_never_recognised_is_not_given_up_for_the_other():
    """Of a network that takes other words for the keyword, whatever the offset, +6 was the best."""
    from training.network.quantize import balance

    model = passes_on([0.0, -40.0, -3.0])
    labels = np.repeat([1, 2], [3, 9])
    windows = np.eye(3, dtype=np.float32)[labels][:, None, :]
    assert balance(model, windows, labels) == (0.0, 0.0)


def test_a_network_of_16_bit_answers_the_same_in_32(rng):
    import keras

    from training.network.architectures import build_model
    from training.network.quantize import to_float32

    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        model = build_model("ts-resnet-tiny", n_frames=49, n_mels=40, n_labels=4)
        plain = to_float32(model)
        assert keras.mixed_precision.dtype_policy().name == "mixed_float16"  # as it was
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert {layer.compute_dtype for layer in plain.layers} == {"float32"}
    for ours, theirs in zip(plain.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    windows = rng.standard_normal((4, 49, 40, 1)).astype(np.float32)
    np.testing.assert_allclose(plain.predict(windows, verbose=0), model.predict(windows, verbose=0), atol=0.01)


def test_an_operation_without_an_int8_kernel_everywhere_is_refused(rng):
    import keras

    from training.network.quantize import convert_to_int8

    features = keras.Input((4, 4, 1))
    x = keras.layers.Activation("tanh")(features)
    model = keras.Model(features, keras.layers.Dense(2, activation="softmax")(keras.layers.Flatten()(x)))
    with pytest.raises(ModelFormatError, match=r"^expected only ADD, .*, found TANH$"):
        convert_to_int8(model, rng.standard_normal((8, 4, 4)).astype(np.float32))


def test_a_network_that_stayed_in_float_is_refused():
    import keras
    import tensorflow as tf

    from training.network.quantize import list_ops

    features = keras.Input(batch_shape=(1, 4))
    converter = tf.lite.TFLiteConverter.from_keras_model(keras.Model(features, keras.layers.Dense(2)(features)))
    with pytest.raises(ModelFormatError, match=r"^expected int8 throughout, found .* in float32$"):
        list_ops(converter.convert())


def test_scores_of_the_float_network_come_window_by_window(rng):
    from training.network.quantize import iterate_scores

    model = passes_on([0.0, 1.0, 0.0])
    windows = rng.standard_normal((5, 1, 3)).astype(np.float32)
    scores = list(iterate_scores(model, windows))
    assert [one.shape for one in scores] == [(3,)] * 5
    np.testing.assert_allclose(np.stack(scores), model.predict(windows[..., None], verbose=0), atol=1e-6)


@pytest.mark.parametrize("name", ["yes-no", "commands", "yes-no-tiny"])
def test_what_ships_is_int8_throughout_and_runtimes_agree(name, rng):
    import tensorflow as tf

    from training.network.quantize import EXPECTED_OPS, list_ops

    flatbuffer = find_model(name).with_suffix(".tflite").read_bytes()
    assert set(list_ops(flatbuffer)) <= EXPECTED_OPS
    other = tf.lite.Interpreter(model_content=flatbuffer)
    other.allocate_tensors()
    network = Network(flatbuffer)
    assert network.runtime == "ai_edge_litert"
    details = other.get_input_details()[0]
    scale, zero = details["quantization"]
    for _ in range(50):
        features = rng.uniform(-1, 1, (49, 40)).astype(np.float32)
        quantized = np.clip(np.rint(features / scale) + zero, -128, 127).astype(np.int8)
        other.set_tensor(details["index"], quantized.reshape(details["shape"]))
        other.invoke()
        expected = other.get_tensor(other.get_output_details()[0]["index"])[0].astype(int)
        assert np.abs(network.run(features).astype(int) - expected).max() <= 2
