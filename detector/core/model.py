"""The network: features in, scores out, through whichever TFLite runtime is installed."""

from __future__ import annotations

import hashlib
import importlib
import operator
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.core.frontend import LogMel
from detector.core.manifest import Manifest, read_manifest
from detector.core.native import native_messages_to_log
from detector.errors import ModelError, ModelFormatError, ModelMismatchError, ModelNotFoundError
from detector.files import read_file

RUNTIMES = (
    ("ai_edge_litert.interpreter", "Interpreter"),
    ("tflite_runtime.interpreter", "Interpreter"),
    ("tensorflow", "lite.Interpreter"),
)
"""Modules, and the interpreter's name in each; the first that imports is used."""

MOST_BYTES = 2**27
"""Of a network; one that hears a few words takes a few hundred kB."""
GOLDEN_FEATURES_TOLERANCE = 1e-3
GOLDEN_SCORES_TOLERANCE = 4
"""In int8 steps; kernels of different runtimes were measured to differ by 2."""


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
    """An int8 TFLite network: one window of features in, one score per label out. One thread only."""

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
        self.input_scale, self.input_zero = inputs[0]["quantization"]
        self._output_scale, self._output_zero = outputs[0]["quantization"]
        if not self.input_scale > 0 or not self._output_scale > 0:
            raise ModelFormatError("expected quantisation scales above 0, found an input or output without")

    def quantize(self, features: NDArray[np.float32]) -> NDArray[np.int8]:
        """Return features as the network takes them, same shape."""
        return quantize(features, self.input_scale, self.input_zero)

    def run(self, features: NDArray[np.float32]) -> NDArray[np.int8]:
        """Return the int8 outputs, shape (n_labels,), for one window of features, shape (n_frames, n_mels)."""
        self._interpreter.set_tensor(self._input, self.quantize(features).reshape(self.input_shape))
        self._interpreter.invoke()
        outputs: NDArray[np.int8] = self._interpreter.get_tensor(self._output).reshape(-1)
        return outputs

    def score(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the scores in [0, 1], shape (n_labels,), for one window of features, shape (n_frames, n_mels)."""
        return dequantize(self.run(features), self._output_scale, self._output_zero)


class Model:
    """A network and its manifest, verified against each other. One thread only."""

    def __init__(self, manifest: Manifest, flatbuffer: bytes) -> None:
        """Join the two files of a pair.

        Raises
        ------
        ModelMismatchError
            If checksum, shapes, labels or golden vectors do not agree.
        ModelFormatError
            If the network cannot be read.
        """
        self.manifest = manifest
        self.size_bytes = len(flatbuffer)
        found = hashlib.sha256(flatbuffer).hexdigest()
        if found != manifest.sha256.lower():
            raise ModelMismatchError(
                f"expected {manifest.name}.tflite with SHA-256 {manifest.sha256[:12]}..., found {found[:12]}...: "
                "the file is damaged or belongs to another manifest"
            )
        self.network = Network(flatbuffer)
        expected_input = (1, manifest.n_frames, manifest.frontend.n_mels, 1)
        if self.network.input_shape != expected_input:
            raise ModelMismatchError(f"expected network input {expected_input}, found {self.network.input_shape}")
        if self.network.output_shape != (1, len(manifest.labels)):
            raise ModelMismatchError(
                f"expected one output for each of {len(manifest.labels)} labels, found {self.network.output_shape}"
            )
        self._check_golden()

    def score(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the scores in [0, 1], shape (n_labels,), for one window of features, shape (n_frames, n_mels)."""
        return self.network.score(features)

    def _check_golden(self) -> None:
        manifest, log_mel = self.manifest, LogMel(self.manifest.frontend)
        for vector in manifest.golden:
            expected = vector.decode_features(manifest.frontend.n_mels)
            features = log_mel(vector.decode_samples())
            if features.shape != expected.shape or features.shape[0] != manifest.n_frames:
                raise ModelMismatchError(f"expected golden features {expected.shape}, found {features.shape}")
            difference = float(np.abs(features - expected).max())
            if not difference <= GOLDEN_FEATURES_TOLERANCE:
                raise ModelMismatchError(
                    f"expected the golden features within {GOLDEN_FEATURES_TOLERANCE:g}, found a difference of "
                    f"{difference:.3g}: the manifest's front end is not the one it was made with"
                )
            scores = self.network.run(expected).astype(int)
            golden = np.array(vector.scores)
            if (
                golden.shape != scores.shape
                or np.abs(scores - golden).max() > GOLDEN_SCORES_TOLERANCE
                or scores.argmax() != golden.argmax()
                or manifest.labels[int(golden.argmax())] != vector.label
            ):
                raise ModelMismatchError(
                    f"expected the golden scores {golden.tolist()} ({vector.label}) within {GOLDEN_SCORES_TOLERANCE} "
                    f"steps, found {scores.tolist()} of {', '.join(manifest.labels)} from {self.network.runtime}"
                )


def model_folders() -> list[Path]:
    """Return the folders that hold named models: inside an installed package, or in the checkout beside it."""
    package = Path(__file__).resolve().parent.parent
    return [folder for folder in (package / "models", package.parent / "models") if folder.is_dir()]


def list_models() -> list[Path]:
    """Return the manifests of the models that can be chosen by name, sorted by name."""
    found = {file.stem: file for folder in reversed(model_folders()) for file in folder.glob("*.json")}
    return [found[name] for name in sorted(found)]


def find_model(name_or_path: str) -> Path:
    """Return the manifest of a model given by name, or by the path of either of its files.

    Raises
    ------
    ModelNotFoundError
        If there is none.
    """
    path = Path(name_or_path)
    if path.suffix in (".json", ".tflite") or len(path.parts) > 1:
        stem = path.with_suffix("") if path.suffix in (".json", ".tflite") else path
        for suffix in (".tflite", ".json"):
            file = stem.with_name(stem.name + suffix)
            if not os.path.isfile(file):  # noqa: PTH113 - False, too, for a path that cannot be accessed
                raise ModelNotFoundError(
                    f"expected a model of two files, {stem.name}.tflite and .json, found no {file}"
                )
        return stem.with_name(f"{stem.name}.json")
    hint = ""
    for manifest in list_models():
        if manifest.stem == name_or_path:
            return manifest
    if os.path.isfile(f"models/{name_or_path}.json"):  # noqa: PTH113 - as above
        hint = f"; models/{name_or_path} is a path"
    names = ", ".join(manifest.stem for manifest in list_models()) or "none at all"
    raise ModelNotFoundError(f"expected the name of a model ({names}) or a path, found '{name_or_path}'{hint}")


def load_model(name_or_path: str) -> Model:
    """Load and verify a model given by name ("yes-no") or by the path of either of its files.

    Raises
    ------
    ModelError
        If it is missing, damaged, or its two files do not agree.
    """
    manifest_file = find_model(name_or_path)
    manifest = read_manifest(manifest_file)
    tflite_file = manifest_file.with_suffix(".tflite")
    try:
        flatbuffer = read_file(tflite_file, MOST_BYTES)
    except FileNotFoundError as exc:
        raise ModelNotFoundError(f"expected {tflite_file} beside its manifest, found none") from exc
    except OSError as exc:
        raise ModelFormatError(f"expected a model in {tflite_file}, found: {exc.strerror}") from exc
    return Model(manifest, flatbuffer)
