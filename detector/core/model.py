"""The model: networks and what their manifests say of them, verified against each other; features in, scores out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from detector.core.folders import find_models
from detector.core.frontend import LogMel
from detector.core.head import HeadSettings
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
    def of_parts(
        cls, manifest: Manifest, parts: Iterable[Part], *, size_bytes: int, readout: Readout | None = None
    ) -> Self:
        """Return the model of several verified pairs, and of a manifest that describes them as one (`combine`).

        Raises
        ------
        ModelMismatchError
            If a head does not fit its network.
        """
        model = cls.__new__(cls)
        model.manifest = manifest
        model.readout = readout or Readout(parts)
        model.size_bytes = size_bytes
        return model

    @property
    def parts(self) -> tuple[Part, ...]:
        """The pair, or the pairs that it was combined of."""
        return self.readout.parts

    @property
    def heads(self) -> dict[str, HeadSettings]:
        """The heads of learnt words, by the names of their models."""
        return {part.manifest.name: part.manifest.head for part in self.parts if part.manifest.head is not None}

    def with_heads(self, heads: Mapping[str, HeadSettings]) -> Self:
        """Return the model with other heads, by the names of the models that they are of.

        Raises
        ------
        ModelMismatchError
            If one is not of the model's words or does not fit its network.
        """
        if heads == self.heads:
            return self
        try:
            parts = [
                part._replace(manifest=msgspec.structs.replace(part.manifest, head=heads.get(part.manifest.name)))
                for part in self.parts
            ]
            for part in parts:
                _check_shapes(part)
        except ValueError as exc:
            raise ModelMismatchError(f"expected heads of the words of '{self.manifest.name}', found: {exc}") from exc
        return self.of_parts(self.manifest, parts, size_bytes=self.size_bytes)

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


def load_model(name_or_path: str | Sequence[str]) -> Model:
    """Load and verify a model given by name ("yes-no") or by the path of either of its files.

    Several, as a list or with commas between ("yes-no,computer"), become one that detects the words of all; see
    `combine`.

    Raises
    ------
    ModelError
        If one is missing, damaged, its two files do not agree, or several cannot listen together.
    """
    from detector.core.combine import combine

    return combine([_load_pair(file) for file in find_models(name_or_path)])


def _load_pair(manifest_file: Path) -> Model:
    manifest = read_manifest(manifest_file)
    tflite_file = manifest_file.with_suffix(".tflite")
    try:
        flatbuffer = read_file(tflite_file, MOST_BYTES)
    except FileNotFoundError as exc:
        raise ModelNotFoundError(f"expected {tflite_file} beside its manifest, found none") from exc
    except OSError as exc:
        raise ModelFormatError(f"expected a model in {tflite_file}, found: {exc.strerror}") from exc
    return Model(manifest, flatbuffer)
