"""A network that begins with what an embedding knows: rebuilt from its int8 file, to be trained on.

The file that ships says all: the graph, and its weights in int8, of which each channel has a scale of its own. Batch
normalisation is folded into them and stays so: statistics of new batches would change what has been learnt.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from detector.errors import SettingsError
from training.run.provenance import find_embedding
from training.run.settings import TrainSettings

DROPOUT = 0.2
"""Of the embedding's numbers, before they are weighed for the labels."""


def build_on_embedding(settings: TrainSettings, *, n_frames: int, n_mels: int) -> keras.Model:
    """Build a classifier whose layers are those of an embedding, and whose last weighs its numbers for each label.

    A window longer than the embedding's has several: one for each step of its convolutions, as they are not padded in
    time.

    Returns
    -------
    keras.Model
        (batch, n_frames, n_mels, 1) features -> (batch, n_labels) probabilities that sum to 1.

    Raises
    ------
    ModelError, SettingsError
        As `find_embedding` does; or if it has an operation that is not known here, or a longer window.
    """
    _, flatbuffer = find_embedding(settings)
    trunk = rebuild(flatbuffer, n_frames=n_frames, n_mels=n_mels)
    x = layers.Flatten()(trunk.output)
    x = layers.Dropout(DROPOUT)(x)
    scores = layers.Dense(len(settings.labels), activation="softmax", dtype="float32", name="scores")(x)
    return keras.Model(trunk.input, scores, name="on_embedding")


def rebuild(flatbuffer: bytes, *, n_frames: int, n_mels: int) -> keras.Model:
    """Return an int8 network of convolutions in float32, for windows of any length.

    Raises
    ------
    SettingsError
        If an operation in it is not known here, or the windows are too short.
    """
    from tensorflow.lite.python import schema_py_generated as schema
    from tensorflow.lite.tools import flatbuffer_utils

    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(flatbuffer))
    (graph,) = model.subgraphs
    names = {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}
    constants = _Constants(model)
    features = keras.Input((n_frames, n_mels, 1), name="features")
    values: dict[int, keras.KerasTensor] = {int(graph.inputs[0]): features}
    weights: list[tuple[layers.Layer, list[NDArray[np.float32]]]] = []
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex]
        name = names[max(code.builtinCode, code.deprecatedBuiltinCode)]
        given = [int(k) for k in operator.inputs]
        x, options = values.get(given[0]), operator.builtinOptions
        match name:
            case "RESHAPE":  # the last: one step's numbers
                y = x
            case "PAD":
                y = layers.ZeroPadding2D([tuple(pair) for pair in constants.read(given[1])[1:3].tolist()])(x)
            case "STRIDED_SLICE":
                y = layers.Cropping2D((constants.find_crop(given), (0, 0)))(x)
            case "ADD":
                y = _rectify(layers.Add()([x, values[given[1]]]), options)
            case "CONV_2D" | "DEPTHWISE_CONV_2D":
                kernel = constants.read(given[1])
                layer = _convolution(name, kernel.shape, options)
                y = _rectify(_call(layer, x, n_frames), options)
                kernel = kernel.transpose(1, 2, 3, 0) if name == "CONV_2D" else kernel[0].reshape(layer.kernel.shape)
                weights.append((layer, [kernel, constants.read(given[2])]))
            case _:
                raise SettingsError(f"expected an embedding of convolutions to train on, found {name} in it")
        values[int(operator.outputs[0])] = y
    rebuilt = keras.Model(features, values[int(graph.outputs[0])], name="embedding")
    for layer, arrays in weights:
        layer.set_weights(arrays)
    return rebuilt


class _Constants:
    """The constant tensors of a flatbuffer, as real numbers."""

    def __init__(self, model: Any) -> None:
        self._buffers = model.buffers
        self._tensors = model.subgraphs[0].tensors

    def read(self, number: int) -> NDArray[Any]:
        """Return a tensor: int8 and int32 that have scales as float32, what has none as it is."""
        tensor = self._tensors[number]
        kind = {9: np.int8, 2: np.int32}[tensor.type]
        stored = np.frombuffer(bytes(self._buffers[tensor.buffer].data), dtype=kind).reshape(tensor.shape)
        quantised = tensor.quantization
        if quantised is None or quantised.scale is None or not len(quantised.scale):
            return stored
        shape = [1] * stored.ndim
        shape[quantised.quantizedDimension] = -1
        scale = np.asarray(quantised.scale, dtype=np.float32).reshape(shape)
        return np.asarray(stored * scale, dtype=np.float32)  # int8 weights and int32 biases have their zero at 0

    def find_crop(self, given: Sequence[int]) -> tuple[int, int]:
        """Return how many frames a slice with begin and end leaves out in front and behind."""
        n_frames = int(self._tensors[given[0]].shape[1])
        begin, end = (int(self.read(number)[1]) for number in given[1:3])
        return begin, -end if end < 0 else n_frames - end


def _convolution(name: str, shape: tuple[int, ...], options: Any) -> layers.Layer:
    """Return a layer for a kernel: (out, height, width, in), or (1, height, width, out) of a depthwise one."""
    settings = {"strides": (options.strideH, options.strideW), "padding": ("same", "valid")[options.padding]}
    if name == "CONV_2D":
        return layers.Conv2D(shape[0], shape[1:3], **settings)
    return layers.DepthwiseConv2D(shape[1:3], depth_multiplier=options.depthMultiplier, **settings)


def _call(layer: layers.Layer, x: keras.KerasTensor, n_frames: int) -> keras.KerasTensor:
    try:
        return layer(x)
    except ValueError as exc:
        raise SettingsError(
            f"expected windows as long as the embedding's, at least, found {n_frames} frames: raise window_s"
        ) from exc


def _rectify(x: keras.KerasTensor, options: Any) -> keras.KerasTensor:
    """Apply the activation that is fused with an operation: none, or ReLU."""
    return layers.ReLU()(x) if options.fusedActivationFunction else x
