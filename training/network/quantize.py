"""A trained Keras network to a full-integer int8 .tflite."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator, Sequence

import keras
import numpy as np
import scipy.special
from numpy.typing import NDArray

from detector.core.native import native_messages_to_log
from detector.core.network import find_interpreter
from detector.errors import ModelFormatError

EXPECTED_OPS = frozenset(
    {
        "CONV_2D",
        "DEPTHWISE_CONV_2D",
        "MEAN",
        "FULLY_CONNECTED",
        "SOFTMAX",
        "STRIDED_SLICE",
        "RESHAPE",
        "ADD",
        "AVERAGE_POOL_2D",
        "MAX_POOL_2D",
        "PAD",
    }
)
"""Operations with int8 kernels in every TFLite runtime. Anything else means that a layer did not convert as meant."""

OFFSETS = tuple(float(x) for x in np.arange(-6.0, 6.01, 0.25))


def to_float32(model: keras.Model) -> keras.Model:
    """Return the same network computing in float32, whatever precision it was trained in."""
    policy = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_global_policy("float32")
    try:
        plain = keras.models.clone_model(
            model,
            input_tensors=keras.Input(model.input_shape[1:], name="features"),
            clone_function=lambda layer: layer.from_config(layer.get_config() | {"dtype": "float32"}),
        )
    finally:
        keras.mixed_precision.set_global_policy(policy)
    plain.set_weights(model.get_weights())
    return plain


def balance(model: keras.Model, features: NDArray[np.float32], labels: NDArray[np.integer]) -> tuple[float, float]:
    """Weigh silence, other words and keywords against each other, in place, so that each kind is recognised equally.

    How often each stands in training windows is a matter of what is hard to learn, not of how often it occurs. Of
    offsets to the logits of silence and of all keywords (logit adjustment, Menon et al. 2021), those are taken that
    give the right label the highest probability, in the mean of the labels; of equals the smallest. (To count right
    answers instead would fit the few clips that lie at a border.) Without clips of silence its weight stays;
    without clips of other words, which the two are weighed against, both do: nothing would hold them back. Nor are the
    keywords weighed where the best offset is the last that is tried: one kind is then given up for the other.

    Parameters
    ----------
    model : keras.Model
        Its last layer is the dense layer "scores"; its first two labels are silence and unknown.
    features : ndarray of float32, shape (n, n_frames, n_mels)
        Clips of validation speakers.
    labels : ndarray of int, shape (n,)

    Returns
    -------
    tuple of float
        The offsets of silence and of the keywords.
    """
    logits = np.log(np.asarray(model.predict(features[..., None], batch_size=512, verbose=0)) + 1e-12)
    n_labels = logits.shape[1]
    present = np.unique(labels).tolist()

    def mean_probability(offsets: NDArray[np.floating]) -> float:
        probabilities = scipy.special.softmax(logits + offsets, axis=1)
        return float(np.mean([probabilities[labels == label, label].mean() for label in present]))

    def search(keywords: Sequence[float]) -> tuple[float, float]:
        candidates = []
        for silence in OFFSETS if {0, 1} <= set(present) else (0.0,):
            for keyword in keywords:
                offsets = np.array([silence, 0.0, *[keyword] * (n_labels - 2)])
                candidates.append((mean_probability(offsets), -abs(silence) - abs(keyword), silence, keyword))
        return max(candidates)[2:]

    silence, keyword = search(OFFSETS if 1 in present else (0.0,))
    if abs(keyword) == OFFSETS[-1]:
        silence, keyword = search((0.0,))
    layer = model.get_layer("scores")
    kernel, bias = layer.get_weights()
    added = np.array([silence, 0.0, *[keyword] * (n_labels - 2)], dtype=bias.dtype)
    layer.set_weights([kernel, bias + added])
    return silence, keyword


def soften(model: keras.Model, temperature: float) -> None:
    """Divide a network's logits by a temperature, in place (Guo et al. 2017).

    A trained network is nearly always nearly sure. Softened, the scores spread over the 256 steps that the int8 output
    has, the average of several windows weighs doubt, and thresholds lie where they can be distinguished.
    """
    layer = model.get_layer("scores")
    layer.set_weights([weights / temperature for weights in layer.get_weights()])


def convert_to_int8(model: keras.Model, representative: NDArray[np.float32]) -> bytes:
    """Quantise a float32 network after training.

    Parameters
    ----------
    model : keras.Model
        (batch, n_frames, n_mels, 1) -> (batch, n_labels).
    representative : ndarray of float32, shape (n, n_frames, n_mels)
        Features as in training, from which the ranges of all activations are taken.

    Returns
    -------
    bytes
        A flatbuffer with int8 input and output, batch 1.

    Raises
    ------
    ModelFormatError
        If an operation remained that is not int8 everywhere.
    """
    import tensorflow as tf

    # The batch must be fixed before conversion: with a free batch the converter keeps shape arithmetic, and
    # from_concrete_functions writes a model without weights.
    features = keras.Input(batch_shape=(1, *model.input_shape[1:]))
    converter = tf.lite.TFLiteConverter.from_keras_model(keras.Model(features, model(features, training=False)))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([window[None, ..., None]] for window in representative)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    # It prints a summary of the saved model, and notes of the compiler.
    with contextlib.redirect_stdout(io.StringIO()), native_messages_to_log(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        flatbuffer = _strip_names(converter.convert())
    unexpected = sorted(set(list_ops(flatbuffer)) - EXPECTED_OPS)
    if unexpected:
        raise ModelFormatError(f"expected only {', '.join(sorted(EXPECTED_OPS))}, found {', '.join(unexpected)}")
    return flatbuffer


def _strip_names(flatbuffer: bytes) -> bytes:
    """Take the names of tensors out of a .tflite: no runtime needs them, and they are a tenth of so small a file."""
    from tensorflow.lite.tools import flatbuffer_utils

    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(flatbuffer))
    flatbuffer_utils.strip_strings(model)
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def list_ops(flatbuffer: bytes) -> list[str]:
    """Return the names of the operations of a .tflite, in order.

    Raises
    ------
    ModelFormatError
        If an activation is not int8.
    """
    interpreter_class, _ = find_interpreter()
    with native_messages_to_log():
        interpreter = interpreter_class(model_content=flatbuffer)
        interpreter.allocate_tensors()
    for tensor in interpreter.get_tensor_details():
        if tensor["dtype"] not in (np.int8, np.int32):
            raise ModelFormatError(f"expected int8 throughout, found {tensor['name']} in {tensor['dtype'].__name__}")
    names = [operation["op_name"] for operation in interpreter._get_ops_details()]  # noqa: SLF001 - there is no public way
    return [name for name in names if name != "DELEGATE"]  # an accelerator's stand-in for the operations it took over


def iterate_scores(model: keras.Model, features: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """Yield the float network's scores, shape (n_labels,), of windows, shape (n, n_frames, n_mels)."""
    yield from np.asarray(model.predict(features[..., None], batch_size=512, verbose=0))
