"""The network: features in, int8 outputs out, through whichever TFLite runtime is installed."""

from __future__ import annotations

import importlib
import operator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.core.native import native_messages_to_log
from detector.errors import ModelError, ModelFormatError

RUNTIMES = (
    ("ai_edge_litert.interpreter", "Interpreter"),
    ("tflite_runtime.interpreter", "Interpreter"),
    ("tensorflow", "lite.Interpreter"),
)
"""Modules, and the interpreter's name in each; the first that imports is used."""


def quantize(values: NDArray[np.floating], scale: float, zero_point: int) -> NDArray[np.int8]:
    """Return real values as int8, same shape: value / scale + zero_point, rounded half to even, clipped, cast.

    The scheme of Jacob et al. (2018), equation 1. The only quantiser of the project.
    """
    rounded: NDArray[np.floating] = np.clip(np.rint(values / scale) + zero_point, -128, 127)
    return rounded.astype(np.int8)


def dequantize(values: NDArray[np.int8], scale: float, zero_point: int) -> NDArray[np.float32]:
    """Return the real values that int8 values stand for, same shape."""
    return (values.astype(np.float32) - np.float32(zero_point)) * np.float32(scale)


def find_interpreter() -> tuple[Any, str]:
    """Return the Interpreter class of the first TFLite runtime that imports, and the runtime's name.

    Raises
    ------
    ModelError
        If none is installed.
    """
    for module_name, attribute in RUNTIMES:
        try:
            module = importlib.import_module(module_name)
        except ImportError:
            continue
        return operator.attrgetter(attribute)(module), module_name.split(".")[0]
    raise ModelError("expected a TFLite runtime, found none: install one with 'pip install ai-edge-litert'")


class Network:
    """An int8 TFLite network: one window of features in, one row of numbers out. One thread only.

    The numbers are a score for each label, or an embedding that a head makes scores of.
    """

    def __init__(self, flatbuffer: bytes) -> None:
        """Load a network and run it once, since a runtime may import and yet not work.

        Raises
        ------
        ModelFormatError
            If the file is not a network of one int8 input and one int8 output.
        ModelError
            If the runtime does not work.
        """
        interpreter_class, self.runtime = find_interpreter()
        try:
            with native_messages_to_log():
                self._interpreter = interpreter_class(model_content=flatbuffer, num_threads=1)
                self._interpreter.allocate_tensors()
            inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
            if len(inputs) != 1 or len(outputs) != 1:
                raise ModelFormatError(f"expected one input and one output, found {len(inputs)} and {len(outputs)}")
            if inputs[0]["dtype"] is not np.int8 or outputs[0]["dtype"] is not np.int8:
                raise ModelFormatError(
                    f"expected int8 input and output, found {inputs[0]['dtype'].__name__} and "
                    f"{outputs[0]['dtype'].__name__}: export the model as full-integer int8"
                )
            self._interpreter.invoke()
        except (ValueError, RuntimeError) as exc:
            raise ModelFormatError(f"expected a TFLite model, found that {self.runtime} refuses it ({exc})") from exc
        except (AttributeError, SystemError) as exc:
            raise ModelError(
                f"expected a working TFLite runtime, found that {self.runtime} fails under NumPy {np.__version__}: "
                "tflite-runtime needs 'pip install \"numpy<2\"', or use ai-edge-litert"
            ) from exc
        self._input, self._output = inputs[0]["index"], outputs[0]["index"]
        self.input_shape = tuple(int(n) for n in inputs[0]["shape"])
        self.output_shape = tuple(int(n) for n in outputs[0]["shape"])
        self.n_outputs = self.output_shape[-1] if self.output_shape else 1
        self.input_scale, self.input_zero = inputs[0]["quantization"]
        self.output_scale, self.output_zero = outputs[0]["quantization"]
        if not self.input_scale > 0 or not self.output_scale > 0:
            raise ModelFormatError("expected quantisation scales above 0, found an input or output without")

    def quantize(self, features: NDArray[np.float32]) -> NDArray[np.int8]:
        """Return features as the network takes them, same shape."""
        return quantize(features, self.input_scale, self.input_zero)

    def run(self, features: NDArray[np.float32]) -> NDArray[np.int8]:
        """Return the int8 outputs, shape (n_outputs,), for one window of features, shape (n_frames, n_mels)."""
        self._interpreter.set_tensor(self._input, self.quantize(features).reshape(self.input_shape))
        self._interpreter.invoke()
        outputs: NDArray[np.int8] = self._interpreter.get_tensor(self._output).reshape(-1)
        return outputs

    def dequantize(self, outputs: NDArray[np.int8]) -> NDArray[np.float32]:
        """Return the real numbers that outputs stand for, same shape."""
        return dequantize(outputs, self.output_scale, self.output_zero)

    def score(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the real outputs, shape (n_outputs,), for one window of features, shape (n_frames, n_mels)."""
        return self.dequantize(self.run(features))
