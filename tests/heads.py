"""Learnt words for tests: the shipped network stands in for an embedding of four numbers, with heads made by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from detector import Model
from detector.core.head import HeadSettings, Unit
from detector.core.manifest import DecisionSettings, Manifest, WordDecision, encode_manifest

LIKE = {"ja": "yes", "nein": "no"}
"""What the words of these tests sound like to the shipped network."""


def make_head(
    words: Sequence[str], *, taps: tuple[int, ...] = (0, 4, 8), like: Mapping[str, str] = LIKE
) -> HeadSettings:
    """Return heads that score high when the shipped network has scored another word high in one of the strides."""
    labels = ("silence", "unknown", "yes", "no")
    row = {word: [12.0 * (label == like[word]) for label in labels] for word in words}
    return HeadSettings(taps=taps, words={word: (Unit(bias=-6.0, weights=row[word] * len(taps)),) for word in words})


def make_manifest(model: Model, name: str, words: Sequence[str], **changes: object) -> Manifest:
    """Return the manifest of learnt words on the network of the shipped model."""
    shipped = model.manifest
    limits = WordDecision(threshold=0.9, rearm=0.45, duration_s=0.4)
    learnt = {
        "name": name,
        "words": tuple(words),
        "labels": tuple(words),
        "decision": DecisionSettings(smoothing_windows=3, refractory_s=1.0, words=dict.fromkeys(words, limits)),
        "head": make_head(words, like={**LIKE, **{word: "yes" for word in words if word not in LIKE}}),
        "golden": tuple(msgspec.structs.replace(vector, label="") for vector in shipped.golden),
        "operating_curve": None,
        "clip_accuracy": None,
        "training": {},
    }
    return msgspec.structs.replace(shipped, **learnt | changes)


def write_pair(folder: Path, manifest: Manifest, flatbuffer: bytes) -> Path:
    """Write both files of a pair, named as the model is; return the manifest's."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{manifest.name}.tflite").write_bytes(flatbuffer)
    file = folder / f"{manifest.name}.json"
    file.write_bytes(encode_manifest(manifest))
    return file
