"""What Edge Impulse exports: `training/` and `testing/`, files `LABEL.ID.wav`, and perhaps their labels as JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from detector.audio.decoder import open_sound
from detector.errors import SettingsError
from training.data.folders import Folder
from training.data.items import SPLIT_NAMES, Item, Kind, Split
from training.data.notes import Notes
from training.data.splits import identify_speaker, set_aside
from training.data.texts import compose_text

LABELS_FILES = ("info.labels", "structured_labels.labels")
Label = tuple[str, tuple[int, int] | None]
"""A label, and the first and last sample of the part of the file that it is of; None: all of it."""


def find_export(root: Folder) -> Folder | None:
    """Return the folder of an export, the one named or one below it; None if there is none."""
    while root.folders or root.recordings:
        splits = [folder for folder in root.folders if folder.name.lower() in SPLIT_NAMES]
        files = (file for folder in (root, *splits) for file in folder.others)
        if any(file.name in LABELS_FILES for file in files) or _is_export(root):
            return root
        if len(root.folders) != 1:
            return None
        root = root.folders[0]
    return None


def _is_export(root: Folder) -> bool:
    """Return whether folders are splits, and every file in them has a label and an identifier for its name."""
    files = [path for folder in root.folders for path in folder.recordings]
    named = {folder.name.lower() for folder in root.folders if folder.all_recordings}
    is_flat = not any(below.all_recordings for folder in root.folders for below in folder.folders)
    return (
        bool(files)
        and is_flat
        and named <= SPLIT_NAMES.keys()
        and all(re.match(r"[^.]+\..*\.", path.name) for path in files)
    )


def index_export(root: Folder, notes: Notes) -> list[Item]:
    """Find the clips of an export.

    Raises
    ------
    SettingsError
        If its labels cannot be read.
    AudioFileError
        If a recording that they cut into parts cannot be read.
    """
    labelled = {file.parent: _read_labels(file) for file in root.all_others if file.name in LABELS_FILES}
    items: list[Item] = []
    for folder in root.walk():
        split = SPLIT_NAMES.get(folder.name.lower(), Split.TRAINING) if folder is not root else Split.TRAINING
        known = {**labelled.get(root.path, {}), **labelled.get(folder.path, {})}
        for path in folder.recordings:
            labels = known.get(f"{folder.name}/{compose_text(path.name)}") or known.get(compose_text(path.name))
            labels = labels or [(path.name.partition(".")[0], None)]
            items += _items_of(path, split, labels, notes)
    if not any(item.kind == Kind.WORD for item in items):
        raise SettingsError(f"expected labelled clips in the export of Edge Impulse in {root.path}, found none")
    notes.divided[str(root.path)] = "the folders of an export of Edge Impulse"
    return set_aside(items)


def _items_of(path: Path, split: Split, labels: list[Label], notes: Notes) -> Iterator[Item]:
    stem = compose_text(path.stem.partition(".")[2] or path.stem)
    rate_hz = 0
    if any(label and span is not None for label, span in labels):
        with open_sound(path) as sound:
            rate_hz = sound.rate_hz
    for label, span in labels:
        if not label:
            notes.leave_out("recordings without a label", path)
            continue
        kind = Kind.NOISE if label.casefold() in ("noise", "background", "silence") else Kind.WORD
        name = stem if "_nohash_" in stem else stem.partition(".")[0]
        speaker, is_known = identify_speaker(name, label)
        is_known = is_known and not re.fullmatch(r"(?=.*\d)(?=.*[a-z])[a-z\d]{6,}", name)  # an identifier
        yield Item(
            path=str(path),
            kind=kind,
            split=split,
            word=compose_text(label) if kind == Kind.WORD else "",
            speaker=speaker,
            is_speaker_known=is_known,
            is_split_given=True,
            span_s=None if span is None else (span[0] / rate_hz, (span[1] + 1) / rate_hz),
        )


def _read_labels(file: Path) -> dict[str, list[Label]]:
    """Return the labels of the files that JSON names, by the file's folder, where it has one, and name."""
    try:
        content: Any = msgspec.json.decode(file.read_bytes())
        if file.name == LABELS_FILES[1]:
            return {
                _key_of(name): [_part(part) for part in parts] for name, parts in content["structuredLabels"].items()
            }
        return {_key_of(entry["path"]): _labels_of(entry["label"]) for entry in content["files"]}
    except OSError as exc:
        raise SettingsError(f"expected labels of Edge Impulse in {file}, found: {exc.strerror}") from exc
    except (ValueError, OverflowError, RecursionError, KeyError, TypeError, AttributeError) as exc:
        raise SettingsError(f"expected labels of Edge Impulse in {file}, found no such JSON ({exc})") from exc


def _labels_of(label: dict[str, Any]) -> list[Label]:
    """Return what a label of `info.labels` says: one of the whole file, several of its parts, or none."""
    if label["type"] == "multi-label":
        return [_part(part) for part in label["labels"]]
    return [(str(label["label"]), None)] if label["type"] == "label" else [("", None)]


def _part(part: dict[str, Any]) -> Label:
    first, last = int(part["startIndex"]), int(part["endIndex"])
    if not 0 <= first <= last:
        raise ValueError(f"a part from sample {first} to {last}")
    return str(part["label"]), (first, last)


def _key_of(path: str) -> str:
    return compose_text("/".join(path.replace("\\", "/").split("/")[-2:]))
