"""The model: networks and what their manifests say of them, verified against each other; features in, scores out."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from detector.core.frontend import LogMel
from detector.core.manifest import Manifest, read_manifest
from detector.core.network import Network
from detector.core.readout import Part, Readout
from detector.errors import ModelFormatError, ModelMismatchError, ModelNotFoundError
from detector.files import read_file

MOST_BYTES = 2**27
"""Of a network; one that hears a few words takes a few hundred kB."""
GOLDEN_FEATURES_TOLERANCE = 1e-3
GOLDEN_SCORES_TOLERANCE = 4
"""In int8 steps; kernels of different runtimes were measured to differ by 2."""


class Model:
    """A network and its manifest, verified against each other, or several such pairs as one. One thread only."""

    def __init__(self, manifest: Manifest, flatbuffer: bytes) -> None:
        """Join the two files of a pair.

        Raises
        ------
        ModelMismatchError
            If checksum, shapes, labels, head or golden vectors do not agree.
        ModelFormatError
            If the network cannot be read.
        """
        found = hashlib.sha256(flatbuffer).hexdigest()
        if found != manifest.sha256.lower():
            raise ModelMismatchError(
                f"expected {manifest.name}.tflite with SHA-256 {manifest.sha256[:12]}..., found {found[:12]}...: "
                "the file is damaged or belongs to another manifest"
            )
        part = Part(manifest, Network(flatbuffer))
        _check_shapes(part)
        _check_golden(part)
        self.manifest = manifest
        self.readout = Readout([part])
        self.size_bytes = len(flatbuffer)

    @classmethod
    def of_parts(cls, manifest: Manifest, parts: Iterable[Part], *, size_bytes: int) -> Self:
        """Return the model of several verified pairs, and of a manifest that describes them as one (`combine`).

        Raises
        ------
        ModelMismatchError
            If a head does not fit its network.
        """
        model = cls.__new__(cls)
        model.manifest = manifest
        model.readout = Readout(parts)
        model.size_bytes = size_bytes
        return model

    @property
    def parts(self) -> tuple[Part, ...]:
        """The pair, or the pairs that it was combined of."""
        return self.readout.parts

    @property
    def network(self) -> Network:
        """Its network, the first of several."""
        return self.parts[0].network

    def score(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the scores in [0, 1], shape (n_labels,), for one window of features, shape (n_frames, n_mels).

        Where scores follow from earlier windows too, as those of a head do, these were silent.
        """
        return self.readout.score(features)


def _check_shapes(part: Part) -> None:
    manifest, network = part
    expected_input = (1, manifest.n_frames, manifest.frontend.n_mels, 1)
    if network.input_shape != expected_input:
        raise ModelMismatchError(f"expected network input {expected_input}, found {network.input_shape}")
    if manifest.head is None and network.output_shape != (1, len(manifest.labels)):
        raise ModelMismatchError(
            f"expected one output for each of {len(manifest.labels)} labels, found {network.output_shape}"
        )
    if len(network.output_shape) != 2 or network.output_shape[0] != 1:
        raise ModelMismatchError(f"expected a row of outputs, found {network.output_shape}")


def _check_golden(part: Part) -> None:
    manifest, network = part
    log_mel = LogMel(manifest.frontend)
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
        outputs = network.run(expected).astype(int)
        golden = np.array(vector.scores)
        is_close = golden.shape == outputs.shape and np.abs(outputs - golden).max() <= GOLDEN_SCORES_TOLERANCE
        if manifest.head is not None:
            # The largest number of an embedding means nothing, and two may be as large: runtimes differ in which.
            if not is_close:
                raise ModelMismatchError(
                    f"expected the {outputs.size} golden outputs within {GOLDEN_SCORES_TOLERANCE} steps, found others "
                    f"from {network.runtime}"
                )
        elif (
            not is_close or outputs.argmax() != golden.argmax() or manifest.labels[int(golden.argmax())] != vector.label
        ):
            raise ModelMismatchError(
                f"expected the golden scores {golden.tolist()} ({vector.label}) within {GOLDEN_SCORES_TOLERANCE} "
                f"steps, found {outputs.tolist()} of {', '.join(manifest.labels)} from {network.runtime}"
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
